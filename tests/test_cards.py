"""Cards say what the net is, and count its operations."""

import keras
import pytest

import zoo
from zoo import cards
from zoo.cards import count_flops
from zoo.catalog import specify

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


def test_flops_of_a_layer_that_is_not_counted_are_refused():
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2DTranspose(2, 3, name="deep")])
    with pytest.raises(
        ValueError, match="layer 'deep': the operations of a Conv2DTranspose are not counted here"
    ):
        count_flops(model)


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
