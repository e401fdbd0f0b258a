"""Feature maps by name, on the side of the activation that is asked for; against the layers, found by hand."""

import keras
import numpy as np
import pytest

import zoo
from zoo.spec import PLAIN_ORDERINGS, RESIDUAL_ORDERINGS

SMALL = dict(width=2, input_shape=(16, 16, 3))
X = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype("float32")


def relu(x):
    return np.maximum(x, 0)


def scrambled(name, **options):
    net = zoo.build(name, **SMALL | options)
    rng = np.random.default_rng(1)
    for w in net.weights:
        w.assign(rng.uniform(0.5, 1.5, tuple(w.shape)) * rng.choice([-1, 1] if "kernel" in w.name else [1]))
    return net


def at_layer(net, layer, x=X):
    output = keras.Model(net.input, net.get_layer(layer).output)(x, training=False)
    return keras.ops.convert_to_numpy(output)


def maps(net, **options):
    found = zoo.features(net, **options)(X, training=False)
    return {name: keras.ops.convert_to_numpy(y) for name, y in found.items()}


# ordering: layer of stage 1 before the activation, after it; the same of the last stage. Written out by hand.
RESIDUAL = {
    "original": ("stage1_unit2_add", "stage1_unit2_add_act", "stage3_unit2_add", "stage3_unit2_add_act"),
    "bn_after_addition": (
        "stage1_unit2_add", "stage1_unit2_add_act", "stage3_unit2_add", "stage3_unit2_add_act",
    ),
    "relu_before_addition": ("stage1_unit2_add", None, "stage3_unit2_add", None),
    "relu_only_pre_activation": ("stage1_unit2_add", "stage2_unit1_conv1_act", "stage3_unit2_add", "head_act"),
    "full_pre_activation": ("stage1_unit2_add", "stage2_unit1_conv1_act", "stage3_unit2_add", "head_act"),
}  # fmt: skip
PLAIN = {
    "conv_act": ("stage1_conv4", "stage1_conv4_act", "stage3_conv4", "stage3_conv4_act"),
    "conv_norm_act": ("stage1_conv4", "stage1_conv4_act", "stage3_conv4", "stage3_conv4_act"),
    "conv_act_norm": ("stage1_conv4", "stage1_conv4_act", "stage3_conv4", "stage3_conv4_act"),
    "norm_act_conv": ("stage1_conv4", "stage2_conv1_act", "stage3_conv4", "head_act"),
    "act_conv_norm": ("stage1_conv4", "stage2_conv1_act", "stage3_conv4", "head_act"),
}
CASES = [("resnet14", o, RESIDUAL) for o in RESIDUAL_ORDERINGS] + [
    ("plain14", o, PLAIN) for o in PLAIN_ORDERINGS
]


@pytest.mark.parametrize(("name", "ordering", "table"), CASES)
def test_both_sides_of_the_activation_in_every_ordering(name, ordering, table):
    net = scrambled(name, ordering=ordering)
    first_before, first_after, last_before, last_after = table[ordering]
    before = maps(net, tap="before_act")
    assert [*before] == ["stage1", "stage2", "stage3"]
    np.testing.assert_array_equal(before["stage1"], at_layer(net, first_before))
    np.testing.assert_array_equal(before["stage3"], at_layer(net, last_before))
    assert [y.shape for y in before.values()] == [(2, 16, 16, 2), (2, 8, 8, 4), (2, 4, 4, 8)]
    if first_after is None:
        with pytest.raises(
            ValueError, match=r"tap='after_act': no activation follows 'stage1_unit2_add', the end"
        ):
            maps(net)
        return
    after = maps(net)
    np.testing.assert_array_equal(after["stage1"], at_layer(net, first_after))
    np.testing.assert_array_equal(after["stage3"], at_layer(net, last_after))
    assert all((y >= 0).all() for y in after.values())


def test_the_two_sides_differ_by_the_activation_alone_where_nothing_normalises():
    for ordering in ("original", "relu_only_pre_activation"):
        net = scrambled("resnet8", ordering=ordering)
        before, after = maps(net, tap="before_act"), maps(net, tap="after_act")
        for stage in before:
            np.testing.assert_array_equal(relu(before[stage]), after[stage])
        assert any((y < 0).any() for y in before.values())


@pytest.mark.parametrize("activation", ["gelu", "linear", keras.layers.PReLU(shared_axes=[1, 2])], ids=str)
def test_whatever_the_activation(activation):
    found = zoo.features("resnet8v2", activation=activation, **SMALL)
    assert [t._keras_history.operation.name for t in found.output.values()] == [
        "stage2_unit1_conv1_act",
        "stage3_unit1_conv1_act",
        "head_act",
    ]


def test_stages_of_nets_with_the_names_of_keras():
    mine = {
        "stage1": "conv2_block3",
        "stage2": "conv3_block4",
        "stage3": "conv4_block6",
        "stage4": "conv5_block3",
    }
    for name, twin in (
        ("resnet50", keras.applications.ResNet50),
        ("resnet50v2", keras.applications.ResNet50V2),
    ):
        theirs = twin(weights=None, input_shape=(32, 32, 3), classes=2)
        for model in (zoo.build(name, width=2), theirs):
            found = zoo.features(model, tap="before_act").output
            ends = {stage: t._keras_history.operation for stage, t in found.items()}
            assert {stage: o.name.rpartition("_")[0] for stage, o in ends.items()} == mine
            assert all(isinstance(o, keras.layers.Add) for o in ends.values())
    vgg = zoo.features("vgg11", width=2, tap="before_act").output
    assert [t._keras_history.operation.name for t in vgg.values()] == [
        "block1_conv1", "block2_conv1", "block3_conv2", "block4_conv2", "block5_conv2",
    ]  # fmt: skip


def test_pooling_on_the_way_is_passed():
    found = zoo.features("convnet", pooling_order="pool_act", **SMALL).output
    assert {stage: t.shape[1:3] for stage, t in found.items()} == {"stage1": (8, 8), "stage2": (4, 4)}
    found = zoo.features("convnet", pooling_order="pool_act", tap="before_act", **SMALL).output
    assert {stage: t.shape[1:3] for stage, t in found.items()} == {"stage1": (16, 16), "stage2": (8, 8)}


def test_layers_by_pattern_in_anybodys_model():
    image = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(2, 3, activation="relu", name="a1")(image)
    x = keras.layers.Conv2D(2, 3, name="a2")(x)
    x = keras.layers.LayerNormalization(name="n2")(x)
    x = keras.layers.ReLU(name="r2")(x)
    y = keras.layers.Conv2D(2, 3, name="a3")(x)
    model = keras.Model(image, [y, keras.ops.tanh(y)])
    found = zoo.features(model, at="a[12]").output
    assert {k: t._keras_history.operation.name for k, t in found.items()} == {"a1": "a1", "a2": "r2"}
    # An activation layer has both sides itself, and a bare operation is an activation too.
    before, after = (maps(model, at="r2", tap=tap)["r2"] for tap in ("before_act", "after_act"))
    np.testing.assert_array_equal(before, at_layer(model, "n2"))
    np.testing.assert_array_equal(after, relu(before))
    assert before.min() < 0
    np.testing.assert_array_equal(
        maps(model, at="a3")["a3"], keras.ops.tanh(maps(model, at="a3", tap="before_act")["a3"])
    )
    with pytest.raises(
        ValueError, match=r"'a1' ends in 'a1', whose activation is built in.*split_activations"
    ):
        zoo.features(model, at="a1", tap="before_act")
    split = zoo.transforms.split_activations(model)
    np.testing.assert_array_equal(
        relu(maps(split, at="a1", tap="before_act")["a1"]), maps(model, at="a1")["a1"]
    )
    sequential = keras.Sequential(
        [keras.Input((16, 16, 3)), *(keras.layers.ReLU(name=f"r{i}") for i in (1, 2))]
    )
    assert [*zoo.features(sequential, at="r*").output] == ["r1", "r2"]


def test_the_result_shares_the_layers_and_leaves_the_model_alone():
    model = scrambled("resnet8")
    before = model.get_config()
    taps = zoo.features(model)
    assert model.get_config() == before and taps.name == "resnet8_features"
    old = maps(model)["stage3"]
    model.get_layer("stem_conv").set_weights([model.get_layer("stem_conv").get_weights()[0] * 2 + 1])
    new = keras.ops.convert_to_numpy(taps(X, training=False)["stage3"])
    assert not np.array_equal(old, new)
    assert not {"predictions", "predictions_act"} & {layer.name for layer in taps.layers}


def test_a_model_of_features_is_saved_like_any_other(tmp_path):
    taps = zoo.features("resnet8v2", **SMALL)
    taps.save(tmp_path / "taps.keras")
    again = keras.models.load_model(tmp_path / "taps.keras")(X)
    for name, y in taps(X).items():
        expected, received = map(keras.ops.convert_to_numpy, (y, again[name]))
        np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "options", "kind", "text"),
    [
        (("resnet8", "stage7"), SMALL, ValueError, "at='stage7' matches nothing in 'resnet8', which has the stages "
         "'stage1', 'stage2', 'stage3' and the layers 'stem_conv'.* and 25 more"),
        (("mlp",), {}, ValueError, "at='stage.' matches nothing in 'mlp', which has no stages and the layers"),
        (("resnet8", ""), SMALL, ValueError, "at='' matches nothing"),
        (("resnet8", "Stage1"), SMALL, ValueError, "at='Stage1' matches nothing"),
        (("resnet8", 3), SMALL, TypeError, "at must be a string, received 3 of type int"),
        (("resnet8", "stage1", "after"), SMALL, ValueError, "tap='after' is not known; expected one of 'before_act'"),
        (("resnet8", "stage1", None), SMALL, TypeError, "tap must be a string, received None"),
        (("resnet9",), SMALL, ValueError, "depth 9 fits no resnet"),
        (("resnet8",), {"wdith": 3}, TypeError, "'wdith' is not an option of zoo.build"),
        ((3,), {}, TypeError, "name_or_model must be the name of a net or a keras.Model, received 3 of type int"),
        (("convnet", "stage1", "before_act"), SMALL | {"form": "builtin"}, ValueError, "activation is built in"),
        (("resnet8", "stem_conv_norm_act"), SMALL, ValueError, "matches nothing"),
        (("plain8", "stage1"), SMALL | {"activated": "last"}, ValueError, "no activation follows 'stage1_conv2'"),
    ],
    ids=str,
)  # fmt: skip
def test_refusals(arguments, options, kind, text):
    with pytest.raises(kind, match=text):
        zoo.features(*arguments, **options)


def test_models_that_cannot_be_tapped():
    class Mine(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(TypeError, match=r"is of the subclassed type Mine"):
        zoo.features(Mine())
    with pytest.raises(
        TypeError, match="classes: options are for a net to be built, and here is a built model"
    ):
        zoo.features(zoo.build("convnet2", **SMALL), classes=3)
    with pytest.raises(ValueError, match="no graph yet"):
        zoo.features(keras.Sequential([keras.layers.ReLU()]))
    image = keras.Input((4,))
    shared = keras.layers.Dense(4, name="shared")
    with pytest.raises(ValueError, match="layer 'shared' is called 2 times"):
        zoo.features(keras.Model(image, shared(shared(image))), at="shared")
    y = keras.layers.Dense(4, name="d")(image)
    fork = keras.Model(image, [keras.layers.ReLU(name="r")(y), keras.layers.ELU(name="e")(y)])
    with pytest.raises(ValueError, match="2 activations follow 'd'"):
        zoo.features(fork, at="d")


@pytest.mark.tensorflow
def test_rolled_units_hide_their_tensors():
    rolled = zoo.build("resnet20", rolled=True, **SMALL)
    for given, options in (("resnet20", {"rolled": True} | SMALL), (rolled, {})):
        with pytest.raises(
            ValueError, match=r"has rolled units .*rolled=False, or pass zoo.transforms.unroll"
        ):
            zoo.features(given, **options)
    assert [*zoo.features(zoo.transforms.unroll(rolled)).output] == ["stage1", "stage2", "stage3"]


# net: the layer that ends each stage, found by hand in the papers' tables of stages.
ENDS = {
    "mobilenetv2": (
        *("stage1_unit1_project", "stage2_unit2_add", "stage3_unit3_add", "stage4_unit4_add"),
        *("stage5_unit3_add", "stage6_unit3_add", "stage7_unit1_project"),
    ),
    "mobilenetv2, layout=keras": (
        *("expanded_conv_project", "block_2_add", "block_5_add", "block_9_add"),
        *("block_12_add", "block_15_add", "block_16_project"),
    ),
    "xception": ("block2_add", "block3_add", "block4_add", "block12_add", "block13_add"),
    "densenet13": tuple(f"stage{k}_unit3_concat" for k in (1, 2, 3)),
    "densenet121": tuple(f"conv{k}_block{n}_concat" for k, n in ((2, 6), (3, 12), (4, 24), (5, 16))),
    "convnexttiny": tuple(f"convnext_tiny_stage_{k}_block_{n}_add" for k, n in enumerate((2, 2, 8, 2))),
    "convnexttiny, layout=cifar": tuple(f"stage{k}_unit{n}_add" for k, n in enumerate((3, 3, 9, 3), start=1)),
    "wrn10_1": tuple(f"stage{k}_unit1_add" for k in (1, 2, 3)),
    "repvgg": ("stage1_unit2_add", "stage2_unit4_add", "stage3_unit14_add", "stage4_unit1_add"),
    "repvgg, merged": ("stage1_unit2_conv", "stage2_unit4_conv", "stage3_unit14_conv", "stage4_unit1_conv"),
}
OPTIONS = {
    "layout=keras": {"layout": "keras"},
    "layout=cifar": {"layout": "cifar"},
    "merged": {"merged": True},
}


@pytest.mark.usefixtures("shapes_alone")
@pytest.mark.parametrize("net", ENDS)
def test_stages_of_every_family(net):
    name, _, option = net.partition(", ")
    width = {} if name == "wrn10_1" else {"width": 32 if "mobilenet" in name else 8}
    model = zoo.build(name, **width, **OPTIONS.get(option, {}))
    found = zoo.features(model, tap="before_act").output
    assert {stage: id(y) for stage, y in found.items()} == {
        f"stage{k}": id(model.get_layer(layer).output) for k, layer in enumerate(ENDS[net], start=1)
    }


@pytest.mark.usefixtures("shapes_alone")
def test_what_follows_a_concatenation():
    model = zoo.build("densenet13", width=2)
    found = zoo.features(model).output
    after = ("stage1_transition_conv_act", "stage2_transition_conv_act", "head_act")
    assert [id(y) for y in found.values()] == [id(model.get_layer(layer).output) for layer in after]


def stacked(norm, ordering="full_pre_activation"):
    image = keras.Input((8, 8, 4))
    x = zoo.residual_unit(4, ordering=ordering, norm=norm, name="r0")(image)
    x = zoo.residual_unit(4, ordering=ordering, norm=norm, name="r1")(x)
    return keras.Model(image, zoo.unit_end(ordering, norm=norm, name="end")(x))


class Halved(keras.layers.Layer):
    def call(self, x):
        return x / 2


@pytest.mark.parametrize(
    ("norm", "ordering"),
    [
        (lambda name: Halved(name=name), "full_pre_activation"),
        (lambda name: Halved(name=name), "bn_after_addition"),
        (lambda name: keras.layers.Rescaling(0.5, name=name), "full_pre_activation"),
        (lambda name: keras.layers.GroupNormalization(2, name=name), "bn_after_addition"),
    ],
)
def test_any_normalisation_of_a_unit_is_passed(norm, ordering):
    model = stacked(norm, ordering)
    taps = zoo.features(model, at="r?_add").output
    following = {
        "full_pre_activation": ("r1_conv1_act", "end_act"),
        "bn_after_addition": ("r0_add_act", "r1_add_act"),
    }
    layers_after = [model.get_layer(name).output for name in following[ordering]]
    assert [taps[name] is y for name, y in zip(("r0_add", "r1_add"), layers_after, strict=True)] == [
        True,
        True,
    ]


def test_a_factor_on_the_way_is_passed():
    net = zoo.build("resnet8", normalization="nf_resnet", ordering="full_pre_activation", **SMALL)
    assert list(zoo.features(net).output) == ["stage1", "stage2", "stage3"]


@pytest.mark.parametrize("name", ["xception", "vgg11"])
def test_a_place_without_activation_is_refused_with_those_that_have_one(name):
    options = {"ordering": "norm_act_conv"} if name == "vgg11" else {}
    there = "'stage1', 'stage2', 'stage3', 'stage4' can be had"
    with pytest.raises(ValueError, match=f"no activation follows .* Of what at= matches, {there}"):
        zoo.features(name, width=2, **options)
    assert len(zoo.features(name, at="stage[1-4]", width=2, **options).output) == 4


@pytest.mark.parametrize(
    "norm", [keras.ops.rms_normalization, keras.ops.normalize, keras.layers.UnitNormalization()]
)
def test_a_normalisation_on_the_way_may_be_a_layer_or_an_operation(norm):
    x = keras.Input((4, 4, 2))
    z = keras.layers.Conv2D(2, 1, name="conv")(x)
    net = keras.Model(x, keras.layers.Conv2D(1, 1)(keras.ops.relu(norm(z))))
    data = X[:, :4, :4, :2]
    after = keras.ops.convert_to_numpy(zoo.features(net, at="conv")(data)["conv"])
    normalised = keras.ops.convert_to_numpy(norm(keras.ops.convert_to_tensor(net.get_layer("conv")(data))))
    np.testing.assert_allclose(after, relu(normalised))
