"""Cards say what the net is, and count its operations."""

import keras
import pytest
from keras import layers

import zoo
from zoo import cards
from zoo.cards import count_flops
from zoo.catalog import specify
from zoo.placement import FAMILIES

shapes_alone = pytest.mark.usefixtures("shapes_alone")


@shapes_alone
def test_card_of_resnet110v2():
    card = zoo.describe("resnet110v2")
    assert (card.family, card.depth, card.form, card.ordering) == (
        "resnet",
        110,
        "separate",
        "full_pre_activation",
    )
    assert card.placement == "norm act conv | norm act conv | add"
    assert (card.parameters, card.trainable_parameters) == (1_736_058, 1_727_962)
    assert (card.layout, card.block, card.shortcut) == ("he2016", "basic", "identity_pad")
    assert "1603.05027" in card.reference


@pytest.mark.parametrize(
    ("name", "options", "placement"),
    [
        ("resnet20", {}, "conv norm act | conv norm | add act"),
        ("resnet20", {"block": "bottleneck"}, "conv norm act | conv norm act | conv norm | add act"),
        ("resnet20", {"ordering": "bn_after_addition"}, "conv norm act | conv | add norm act"),
        ("resnet20", {"ordering": "relu_before_addition"}, "conv norm act | conv norm act | add"),
        ("resnet20", {"ordering": "relu_only_pre_activation"}, "act conv norm | act conv norm | add"),
        ("resnet20", {"normalization": None}, "conv act | conv | add act"),
        ("resnet20v2", {"normalization": "skipinit"}, "act conv | act conv | scale | add"),
        ("resnet20", {"normalization": "scaled_ws"}, "conv act gain | conv | add act gain"),
        ("plain20", {"normalization": "scaled_ws"}, "conv act gain"),
        (
            "resnet20v2",
            {"normalization": "nf_resnet"},
            "scale | act gain conv | act gain conv | scale | add",
        ),
        ("plain20", {}, "conv norm act"),
        ("convnet", {"ordering": "norm_act_conv"}, "norm act conv"),
    ],
)
@shapes_alone
def test_placement_in_words(name, options, placement):
    assert zoo.describe(name, **options).placement == placement


# Every value of the options that single families have -> the words of the card, by hand.
OWN_OPTIONS = {
    ("mobilenetv2", "alpha", 0.5): "conv norm act | conv norm act | conv norm | add",
    ("mobilenetv2", "narrow_activation", "relu6"): "conv norm act | conv norm act | conv norm act | add",
    ("mobilenetv2", "narrow_activation", None): "conv norm act | conv norm act | conv norm | add",
    ("mobilenetv2", "depthwise_activation", "tanh"): "conv norm act | conv norm act | conv norm | add",
    ("mobilenetv2", "depthwise_activation", None): "conv norm act | conv norm | conv norm | add",
    ("xception", "between_activation", "relu"): "act | conv act | conv norm | add",
    ("xception", "between_activation", None): "act | conv | conv norm | add",
    ("densenet40", "block", "basic"): "norm act conv",
    ("densenet40", "block", "bottleneck"): "norm act conv | norm act conv",
    ("convnexttiny", "activations_per_block", 1): "conv norm | conv act | conv | scale | add",
    ("convnexttiny", "activations_per_block", 2): "conv norm act | conv act | conv | scale | add",
    ("convnexttiny", "activations_per_block", 3): "conv norm act | conv act | conv | scale | add act",
    ("convnexttiny", "norms_per_block", 1): "conv norm | conv act | conv | scale | add",
    ("convnexttiny", "norms_per_block", 2): "conv norm | conv norm act | conv | scale | add",
    ("convnexttiny", "norms_per_block", 3): "conv norm | conv norm act | conv norm | scale | add",
    ("wrn40_2", "convolutions", 1): "norm act | conv | add",
    ("wrn40_2", "convolutions", 2): "norm act | conv | norm act | conv | add",
    ("wrn40_2", "convolutions", 3): "norm act | conv | norm act | conv | norm act | conv | add",
    ("wrn40_2", "dropout_rate", 0.0): "norm act | conv | norm act | conv | add",
    ("wrn40_2", "dropout_rate", 0.3): "norm act | conv | norm act | dropout | conv | add",
    ("repvgg", "merged", False): "conv norm | add act",
    ("repvgg", "merged", True): "conv act",
}


@pytest.mark.parametrize(("name", "option", "value"), OWN_OPTIONS, ids=str)
def test_placement_shows_what_an_option_of_the_family_does(name, option, value):
    assert cards.placement(specify(name, **{option: value})) == OWN_OPTIONS[name, option, value]


def test_every_option_of_every_family_has_its_card():
    asked = {(specify(name).family, option) for name, option, _ in OWN_OPTIONS}
    assert asked == {(name, option) for name, family in FAMILIES.items() for option in family.options}


@shapes_alone
def test_flops_by_hand():
    # 3x3 convolution on 8x8x3 to 4 channels, to 4 again; half the size; 64 values to 10 classes. A multiply-add is 2.
    by_hand = 2 * (64 * 4 * 27 + 64 * 4 * 36 + 64 * 10)
    assert zoo.describe("convnet2", width=4, input_shape=(8, 8, 3)).flops == by_hand
    assert zoo.describe("convnet2", width=4, input_shape=(8, 8, 3), form="builtin").flops == by_hand
    # 12 values to 5, to 5, to 10.
    assert zoo.describe("mlp", width=5, input_shape=(2, 2, 3)).flops == 2 * (12 * 5 + 5 * 5 + 5 * 10)


@pytest.mark.parametrize(
    ("name", "published"),
    [("vgg16", 15.3e9), ("resnet50", 3.8e9), ("resnet18", 1.8e9)],
)
@shapes_alone
def test_flops_are_those_of_the_papers(name, published):
    # He et al. 2015 count multiply-adds at 224 pixels; VGG without its dense layers, which are most of its weights.
    flops = zoo.describe(name, input_shape=(224, 224, 3), include_top=False).flops
    assert flops / 2 == pytest.approx(published, rel=0.03)


def test_flops_of_an_unknown_size_are_unknown():
    assert zoo.describe("resnet20", input_shape=(None, None, 3)).flops is None


class Mine(layers.Layer):
    """A layer of one's own, with a matrix."""

    def build(self, shape):
        self.matrix = self.add_weight(shape=(shape[-1], 2))

    def call(self, x):
        return keras.ops.matmul(x, self.matrix)


UNCOUNTED = {
    "LSTM": ((8, 3), lambda: layers.LSTM(2, name="deep")),
    "Bidirectional": ((8, 3), lambda: layers.Bidirectional(layers.GRU(2), name="deep")),
    "TimeDistributed": ((8, 3), lambda: layers.TimeDistributed(layers.Dense(2), name="deep")),
    "SpectralNormalization": ((8,), lambda: layers.SpectralNormalization(layers.Dense(2), name="deep")),
    "ConvLSTM1D": ((4, 8, 3), lambda: layers.ConvLSTM1D(2, 3, name="deep")),
    "Mine": ((8,), lambda: Mine(name="deep")),
}


@pytest.mark.parametrize("kind", UNCOUNTED)
@shapes_alone
def test_flops_of_a_layer_that_is_not_counted_are_refused(kind):
    shape, make = UNCOUNTED[kind]
    model = keras.Sequential([keras.Input(shape), make()])
    with pytest.raises(ValueError, match=f"layer 'deep': the operations of a {kind} are not counted here"):
        count_flops(model)


@pytest.mark.parametrize("attention", [layers.MultiHeadAttention(2, 4), layers.Attention(use_scale=True)])
@shapes_alone
def test_flops_of_attention_are_refused(attention):
    x = keras.Input((8, 4))
    with pytest.raises(ValueError, match=f"operations of a {type(attention).__name__} are not counted here"):
        count_flops(
            keras.Model(x, attention([x, x]) if isinstance(attention, layers.Attention) else attention(x, x))
        )


# What is counted -> shape of a sample, the layer, multiply-adds by hand: outputs times inputs of each.
COUNTED = {
    "Conv1D": ((8, 3), lambda: layers.Conv1D(4, 3), 6 * 4 * 3 * 3),
    "Conv1D causal, strides": (
        (8, 3),
        lambda: layers.Conv1D(4, 3, strides=2, padding="causal"),
        4 * 4 * 3 * 3,
    ),
    "Conv2D groups": ((8, 8, 4), lambda: layers.Conv2D(6, 3, groups=2, padding="same"), 64 * 6 * 9 * 2),
    "Conv2D channels first": (
        (3, 8, 6),
        lambda: layers.Conv2D(5, 3, padding="same", data_format="channels_first"),
        8 * 6 * 5 * 9 * 3,
    ),
    "Conv3D": ((5, 6, 7, 2), lambda: layers.Conv3D(4, (1, 3, 3)), 5 * 4 * 5 * 4 * 9 * 2),
    "DepthwiseConv1D": ((8, 3), lambda: layers.DepthwiseConv1D(3, depth_multiplier=2), 6 * 6 * 3),
    "DepthwiseConv2D": ((8, 8, 3), lambda: layers.DepthwiseConv2D(3, padding="same"), 64 * 3 * 9),
    "SeparableConv1D": ((8, 3), lambda: layers.SeparableConv1D(5, 3), 6 * (3 * 3 + 3 * 5)),
    "SeparableConv2D channels first": (
        (3, 8, 8),
        lambda: layers.SeparableConv2D(5, 3, padding="same", data_format="channels_first"),
        64 * (9 * 3 + 3 * 5),
    ),
    # Every number of the input meets each number of the kernel of its channel once.
    "Conv1DTranspose": ((8, 3), lambda: layers.Conv1DTranspose(4, 3, strides=2), 8 * 3 * 3 * 4),
    "Conv2DTranspose": ((8, 7, 3), lambda: layers.Conv2DTranspose(4, 2, strides=2), 8 * 7 * 3 * 4 * 4),
    "Conv3DTranspose": ((3, 4, 5, 2), lambda: layers.Conv3DTranspose(4, 2), 60 * 2 * 8 * 4),
    "Dense of places": ((8, 3), lambda: layers.Dense(5), 8 * 5 * 3),
    "EinsumDense": ((8, 3), lambda: layers.EinsumDense("abc,cd->abd", (8, 5)), 8 * 3 * 5),
    "EinsumDense of heads": ((8, 3), lambda: layers.EinsumDense("abc,cde->abde", (8, 2, 5)), 8 * 3 * 2 * 5),
    "EinsumDense of two axes": (
        (8, 2, 5),
        lambda: layers.EinsumDense("abcd,cde->abe", (8, 3)),
        8 * 2 * 5 * 3,
    ),
    "EinsumDense, places added up": ((8, 3), lambda: layers.EinsumDense("abc,cd->ad", (5,)), 8 * 3 * 5),
    "EinsumDense, ellipsis": ((8, 3), lambda: layers.EinsumDense("...c,cd->...d", 5), 8 * 3 * 5),
    "EinsumDense, ellipsis last": ((3, 8), lambda: layers.EinsumDense("ab...,bc->ac...", 5), 3 * 8 * 5),
    "EinsumDense that scales": ((8, 8, 3), lambda: layers.EinsumDense("abcd,d->abcd", (8, 8, 3)), 0),
    "normalisation": ((8, 8, 3), lambda: layers.LayerNormalization(axis=[1, 2, 3]), 0),
    "an activation with weights": ((8, 8, 3), lambda: layers.PReLU(), 0),
    "an activation with weights, built in": ((8,), lambda: layers.Dense(4, activation=layers.PReLU()), 8 * 4),
    "a table": ((8,), lambda: layers.Embedding(10, 4), 0),
}


@pytest.mark.parametrize("case", COUNTED)
@shapes_alone
def test_flops_of_each_layer_by_hand(case):
    shape, make, multiply_adds = COUNTED[case]
    assert count_flops(keras.Sequential([keras.Input(shape), make()])) == 2 * multiply_adds


@shapes_alone
def test_flops_of_a_shared_layer_count_at_each_call():
    shared, inner = (
        layers.Conv2D(3, 3, padding="same"),
        keras.Sequential([keras.Input((4, 4, 3)), layers.Dense(3)]),
    )
    wide, narrow = keras.Input((8, 8, 3)), keras.Input((4, 4, 3))
    outputs = [shared(wide), inner(inner(shared(narrow)))]
    by_hand = 2 * ((64 + 16) * 9 * 3 * 3 + 2 * 16 * 3 * 3)
    assert count_flops(keras.Model([wide, narrow], outputs)) == by_hand


@pytest.mark.parametrize("layer", [layers.Conv1D(2, 3), layers.EinsumDense("abc,cd->abd", (None, 5))])
@shapes_alone
def test_flops_of_sequences_of_any_length_are_unknown(layer):
    assert count_flops(keras.Sequential([keras.Input((None, 3)), layer])) is None


@shapes_alone
def test_flops_of_a_rolled_net_are_those_of_the_net():
    for options in ({"input_shape": (8, 8, 3), "width": 4}, {"input_shape": (None, None, 3)}):
        rolled, plain = (zoo.describe("resnet20", rolled=r, **options) for r in (True, False))
        assert rolled.flops == plain.flops and rolled.layers < plain.layers


@shapes_alone
def test_a_layer_may_say_its_own_flops():
    class Told(Mine):
        def count_flops(self):
            return 7

    assert count_flops(keras.Sequential([keras.Input((8,)), Told()])) == 7


def test_flops_of_a_nested_model_are_counted():
    inner = zoo.build("convnet2", width=4, input_shape=(8, 8, 3))
    outer = keras.Sequential([keras.Input((8, 8, 3)), inner])
    assert count_flops(outer) == count_flops(inner) > 0


@shapes_alone
def test_a_printed_card_is_readable():
    text = str(zoo.describe("convnet", input_shape=(8, 8, 3)))
    assert "name                 convnet" in text
    assert "depth                4" in text
    assert "None" not in text
    lines = dict(line.split(maxsplit=1) for line in text.splitlines())
    assert lines["parameters"] == f"{zoo.build('convnet', input_shape=(8, 8, 3)).count_params():,}"


def test_block_of_a_card_is_the_one_asked_for():
    assert zoo.describe("resnet20", block="bottleneck").block == "bottleneck"


@pytest.mark.parametrize(
    ("name", "options", "placement"),
    [
        ("mobilenetv2", {}, "conv norm act | conv norm act | conv norm | add"),
        ("mobilenetv2", {"depthwise_activation": None}, "conv norm act | conv norm | conv norm | add"),
        ("xception", {"between_activation": "elu"}, "act | conv act | conv norm | add"),
        ("densenet40", {}, "norm act conv"),
        ("densenet100", {"ordering": "conv_norm_act"}, "conv norm act | conv norm act"),
        ("convnexttiny", {}, "conv norm | conv act | conv | scale | add"),
        ("convnexttiny", {"activations_per_block": 3}, "conv norm act | conv act | conv | scale | add act"),
        ("wrn16_4", {}, "norm act | conv | norm act | conv | add"),
        ("repvgg", {}, "conv norm | add act"),
    ],
)
def test_placement_of_a_family_in_words(name, options, placement):
    assert cards.placement(specify(name, **options)) == placement


@shapes_alone
def test_flops_of_depthwise_and_separable_convolutions():
    # Sandler et al. 2018, table 4: 300 million multiply-adds at 224 pixels; Huang et al.: 2.8 billion of DenseNet-121.
    for name, published in (("mobilenetv2", 0.3e9), ("densenet121", 2.83e9)):
        flops = zoo.describe(name, layout="keras", input_shape=(224, 224, 3), classes=1000).flops
        assert flops / 2 == pytest.approx(published, rel=0.03)
    by_hand = 2 * 64 * (9 * 3 + 3 * 5)
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.SeparableConv2D(5, 3, padding="same")])
    assert count_flops(model) == by_hand
