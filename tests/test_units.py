"""Units in nets of one's own: order and names read from the graph, every factory and rank, refusals by their text."""

import dataclasses
import functools
import inspect
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers
from read_graph import additions, back, chain, formula, inputs, operations, word

import zoo
from zoo.placement import PLAIN, RESIDUAL
from zoo.spec import SHORTCUTS, UnitSpec

array = keras.ops.convert_to_numpy

IMAGE = (8, 8, 3)


def net(*units, shape=IMAGE):
    image = x = keras.Input(shape, name="image")
    for unit in units:
        x = unit(x)
    return keras.Model(image, x)


def names(model):
    return [layer.name for layer in model.layers[1:]]


# ------------------------------------------------------------------ the order of operations

# Written by hand. ordering: one unit in the separate form; two of them and their end.
CHAINS = {
    "conv_act": ("conv3 act", "conv3 act conv3 act"),
    "conv_norm_act": ("conv3 norm act", "conv3 norm act conv3 norm act"),
    "conv_act_norm": ("conv3 act norm", "conv3 act norm conv3 act norm"),
    "norm_act_conv": ("norm act conv3", "norm act conv3 norm act conv3 norm act"),
    "act_conv_norm": ("act conv3 norm", "act conv3 norm act conv3 norm act"),
    "conv": ("conv3", "conv3 conv3"),
    "norm conv": ("norm conv3", "norm conv3 norm conv3"),
    "norm conv act": ("norm conv3 act", "norm conv3 act norm conv3 act"),
    "act norm conv": ("act norm conv3", "act norm conv3 act norm conv3 act norm"),
    "norm act conv norm": ("norm act conv3 norm", "norm act conv3 norm norm act conv3 norm norm act"),
}
# ordering: bias where none is asked for
BIASED = {"conv_act", "conv_act_norm", "norm_act_conv", "conv", "norm conv", "norm conv act", "act norm conv"}


@pytest.mark.parametrize("ordering", CHAINS)
def test_operations_of_a_unit_stand_in_the_order_of_its_row(ordering):
    one, two = CHAINS[ordering]
    assert chain(net(zoo.conv_unit(4, ordering=ordering))) == one
    units = [zoo.conv_unit(4, ordering=ordering) for _ in range(2)]
    assert chain(net(*units, zoo.unit_end(ordering))) == two


def test_every_plain_ordering_is_among_them():
    assert set(PLAIN) <= set(CHAINS)


@pytest.mark.parametrize("ordering", CHAINS)
def test_a_bias_stands_where_no_normalisation_follows(ordering):
    def bias(**options):
        model = net(zoo.conv_unit(4, ordering=ordering, **options))
        (conv,) = (op for op in operations(model) if isinstance(op, layers.Conv2D))
        return conv.use_bias

    assert bias() == (ordering in BIASED)
    assert bias(use_bias=True) is True and bias(use_bias=False) is False


@pytest.mark.parametrize(
    ("ordering", "expected"),
    [
        ("conv_act", "conv3+act"),
        ("conv_act_norm", "conv3+act norm"),
        ("norm conv act", "norm conv3+act"),
    ],
)
def test_builtin_form_of_a_unit(ordering, expected):
    assert chain(net(zoo.conv_unit(4, ordering=ordering, form="builtin"))) == expected


# x is the input of the unit; basic units that keep the shape, then bottlenecks that change it.
UNITS = {
    "original": (
        "act(add(x, norm(conv3(act(norm(conv3(x)))))))",
        "act(add(norm(conv1/2(x)), norm(conv1(act(norm(conv3(act(norm(conv1/2(x))))))))))",
    ),
    "bn_after_addition": (
        "act(norm(add(x, conv3(act(norm(conv3(x)))))))",
        "act(norm(add(conv1/2(x), conv1(act(norm(conv3(act(norm(conv1/2(x))))))))))",
    ),
    "relu_before_addition": (
        "add(x, act(norm(conv3(act(norm(conv3(x)))))))",
        "add(norm(conv1/2(x)), act(norm(conv1(act(norm(conv3(act(norm(conv1/2(x))))))))))",
    ),
    "relu_only_pre_activation": (
        "add(x, norm(conv3(act(norm(conv3(act(x)))))))",
        "add(norm(conv1/2(act(x))), norm(conv1(act(norm(conv3(act(norm(conv1/2(act(x))))))))))",
    ),
    "full_pre_activation": (
        "add(x, conv3(act(norm(conv3(act(norm(x)))))))",
        "add(conv1/2(act(norm(x))), conv1(act(norm(conv3(act(norm(conv1/2(act(norm(x))))))))))",
    ),
}


@pytest.mark.parametrize("ordering", RESIDUAL)
def test_operations_of_a_residual_unit_stand_in_the_order_of_the_paper(ordering):
    same, change = UNITS[ordering]
    model = net(zoo.residual_unit(4, ordering=ordering), shape=(8, 8, 4))
    image, last = model.operations[0], model.outputs[0]._keras_history.operation
    assert formula(last, image) == same
    model = net(zoo.residual_unit(8, ordering=ordering, block="bottleneck", strides=2), shape=(8, 8, 4))
    image, last = model.operations[0], model.outputs[0]._keras_history.operation
    assert formula(last, image) == change


@pytest.mark.parametrize(
    ("ordering", "opened", "end"),
    [
        ("original", "", ""),
        ("bn_after_addition", "", ""),
        ("relu_before_addition", "", ""),
        ("relu_only_pre_activation", "act", "act"),
        ("full_pre_activation", "norm act", "norm act"),
    ],
)
def test_what_a_unit_opens_with_and_owes(ordering, opened, end):
    def branch(opens):
        model = net(zoo.residual_unit(3, ordering=ordering, opens=opens))
        path = back(inputs(additions(model)[0])[1])
        return " ".join(map(word, reversed(path[:-1])))

    assert branch(True) == f"{opened} {branch(False)}".strip()
    assert branch(False).split()[0] == "conv3"
    x = keras.Input(IMAGE)
    y = zoo.unit_end(ordering)(x)
    assert (y is x) == (end == "")
    assert end == "" or chain(keras.Model(x, y)) == end


@pytest.mark.parametrize(
    ("shortcut", "filters", "strides", "expected"),
    [
        (None, 4, 1, ""),
        (None, 8, 1, "conv1"),
        (None, 4, 2, "conv1/2"),
        (None, 8, 2, "conv1/2"),
        # By its name, a projection is for channels; without it, every second pixel is enough.
        ("projection", 4, 1, ""),
        ("projection", 8, 1, "conv1"),
        ("projection", 4, 2, "subsample/2"),
        ("identity_pad", 8, 2, "subsample/2 zeros"),
        ("conv1x1", 4, 1, "conv1"),
    ],
)
def test_what_the_shortcut_is_where_shapes_differ(shortcut, filters, strides, expected):
    unit = zoo.residual_unit(filters, ordering="bn_after_addition", shortcut=shortcut, strides=strides)
    model = net(unit, shape=(8, 8, 4))
    path = back(inputs(additions(model)[0])[0])
    assert " ".join(map(word, reversed(path[:-1]))) == expected
    assert model.output_shape == (None, 8 // strides, 8 // strides, filters)


# ------------------------------------------------------------------ the zoo's own nets, made of units


def configured(model):
    """Layers, names, settings and connections, in order."""
    return model.get_config() | {"name": None}


def resnet(ordering, block, shortcut):
    image = keras.Input(IMAGE, name="image")
    stem = keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")
    x = zoo.conv_unit(4, kernel_initializer=stem, name="stem_conv")(image)
    for stage in (1, 2, 3):
        x = zoo.residual_unit(
            4 * 2 ** (stage - 1) * (4 if block == "bottleneck" else 1),
            ordering=ordering,
            block=block,
            shortcut=shortcut,
            strides=1 if stage == 1 else 2,
            opens=stage > 1,
            name=f"stage{stage}_unit1",
        )(x)
    x = zoo.unit_end(ordering, name="head")(x)
    x = layers.GlobalAveragePooling2D(name="head_pool")(x)
    x = layers.Dense(10, name="predictions")(x)
    return keras.Model(image, layers.Activation("softmax", name="predictions_act")(x))


@pytest.mark.parametrize("ordering", RESIDUAL)
@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_residual_nets_of_units_are_those_of_the_zoo(ordering, block):
    for shortcut in SHORTCUTS:
        options = dict(ordering=ordering, block=block, shortcut=shortcut, input_shape=IMAGE, width=4)
        theirs = zoo.build({"basic": "resnet8", "bottleneck": "resnet11"}[block], **options)
        assert configured(resnet(ordering, block, shortcut)) == configured(theirs), shortcut


@pytest.mark.parametrize("ordering", PLAIN)
def test_plain_nets_of_units_are_those_of_the_zoo(ordering):
    def ours():
        image = x = keras.Input(IMAGE, name="image")
        row = zoo.orderings("plain")[ordering]
        for k in range(4):
            # The first unit of a net has nothing to activate yet; the next normalisation makes a bias superfluous.
            x = zoo.conv_unit(
                4 * 2 ** (k // 2),
                ordering=str(row.after_entry if k == 0 else row),
                use_bias=not row.makes_bias_superfluous_in_a_chain,
                name=f"stage{k // 2 + 1}_conv{k % 2 + 1}",
            )(x)
            x = layers.MaxPooling2D(2, strides=2, name=f"stage{k // 2 + 1}_pool")(x) if k % 2 else x
        x = layers.Flatten(name="head_flatten")(zoo.unit_end(ordering, name="head")(x))
        x = layers.Dense(10, name="predictions")(x)
        return keras.Model(image, layers.Activation("softmax", name="predictions_act")(x))

    theirs = zoo.build("convnet", ordering=ordering, input_shape=IMAGE, width=4)
    assert configured(ours()) == configured(theirs)


def test_a_unit_has_the_options_of_a_net_and_says_what_each_is():
    fields = [field.name for field in dataclasses.fields(UnitSpec)]
    assert set(fields) <= {field.name for field in dataclasses.fields(zoo.ModelSpec)}
    attributes = UnitSpec.__doc__.split("Attributes:")[1].split("Example:")[0]
    assert [line.split(":")[0].strip() for line in attributes.splitlines() if line[8:9].isalpha()] == fields
    for unit in (zoo.conv_unit, zoo.residual_unit, zoo.unit_end):
        arguments = unit.__doc__.split("Args:")[1].split("Returns:")[0]
        documented = [line.split(":")[0].strip() for line in arguments.splitlines() if line[8:9].isalpha()]
        assert documented == list(inspect.signature(unit).parameters)


def test_a_net_holds_the_placement_of_its_units():
    spec = zoo.catalog.specify("resnet20v2", shortcut="dropout", dropout_rate=0.25)
    assert spec.unit == UnitSpec(
        ordering="full_pre_activation", block="basic", shortcut="dropout", dropout_rate=0.25
    )
    assert spec.unit.placement is spec.placement is RESIDUAL["full_pre_activation"]
    spec = zoo.catalog.specify("vgg16")
    assert spec.unit == UnitSpec(ordering="conv_act", layout="keras")
    assert spec.unit.placement is PLAIN["conv_act"]


# ------------------------------------------------------------------ names


def test_names_follow_the_rule_under_the_prefix():
    model = net(zoo.conv_unit(4, name="stem"), zoo.conv_unit(4, ordering="norm act conv norm", name="second"))
    assert names(model) == "stem stem_norm stem_act second_norm second_act second second_2_norm".split()
    model = net(zoo.residual_unit(8, name="a", strides=2), zoo.unit_end(name="end"))
    assert sorted(names(model)) == sorted(
        "a_conv1_norm a_conv1_act a_conv1_pad a_conv1 a_conv2_norm a_conv2_act a_conv2 a_shortcut_conv a_add "
        "end_norm end_act".split()
    )


def test_without_a_name_each_call_has_one_of_its_own():
    unit, residual = zoo.conv_unit(3), zoo.residual_unit(3)
    model = net(unit, unit, residual, residual, zoo.unit_end(), zoo.unit_end())
    found = names(model)
    assert len(set(found)) == len(found) == len(model.layers) - 1
    prefixes = [
        name for name in found if name.startswith("conv_unit") and "_unit" in name and name[-1].isdigit()
    ]
    assert len(prefixes) == 2
    first, second = (model.get_layer(name) for name in prefixes)
    assert first.kernel is not second.kernel
    assert np.any(np.asarray(first.kernel) != np.asarray(second.kernel))


# ------------------------------------------------------------------ ranks and data formats

SHAPES = {1: (12, 3), 2: (12, 10, 3), 3: (6, 8, 4, 3)}


@pytest.mark.parametrize("axes", SHAPES)
@pytest.mark.parametrize("ordering", PLAIN)
def test_units_take_one_two_and_three_axes(axes, ordering):
    model = net(zoo.conv_unit(5, ordering=ordering, strides=2), shape=SHAPES[axes])
    x = np.random.default_rng(0).normal(size=(2, *SHAPES[axes])).astype("float32")
    assert model(x).shape == (2, *(-(-n // 2) for n in SHAPES[axes][:-1]), 5)
    (conv,) = (layer for layer in model.layers if "Conv" in type(layer).__name__)
    assert type(conv) is {1: layers.Conv1D, 2: layers.Conv2D, 3: layers.Conv3D}[axes]


@pytest.mark.parametrize("axes", SHAPES)
@pytest.mark.parametrize("shortcut", [None, *SHORTCUTS])
@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_residual_units_take_one_two_and_three_axes(axes, shortcut, block):
    shape = SHAPES[axes]
    unit = zoo.residual_unit(8, block=block, strides=2, shortcut=shortcut)
    model = net(unit, zoo.residual_unit(8, shortcut=shortcut), zoo.unit_end(), shape=shape)
    x = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
    y = model(x, training=True)
    assert y.shape == (2, *(-(-n // 2) for n in shape[:-1]), 8)
    assert np.all(np.isfinite(array(y)))


@pytest.mark.parametrize("axes", SHAPES)
@pytest.mark.parametrize("strides", [1, 2, 3])
def test_zeros_are_padded_to_the_channels_and_nowhere_else(axes, strides):
    shape = SHAPES[axes]
    unit = zoo.residual_unit(6, shortcut="identity_pad", strides=strides, kernel_initializer="zeros")
    x = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
    every = (slice(None), *[slice(None, None, strides)] * axes)
    expected = np.pad(x[every], [(0, 0)] * (axes + 1) + [(1, 2)])
    np.testing.assert_array_equal(array(net(unit, shape=shape)(x)), expected)


@pytest.fixture
def channels_first():
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format(before)


@pytest.mark.parametrize("axes", SHAPES)
def test_channels_first(channels_first, axes):
    *spatial, channels = SHAPES[axes]
    x = keras.Input((channels, *spatial))
    for shortcut in (None, *SHORTCUTS):
        y = zoo.residual_unit(8, strides=2, shortcut=shortcut)(zoo.conv_unit(4)(x))
        assert y.shape == (None, 8, *(-(-n // 2) for n in spatial)), shortcut
        norms = [layer for layer in keras.Model(x, y).layers if isinstance(layer, layers.BatchNormalization)]
        assert norms and {layer.axis for layer in norms} == {1}


def test_channels_first_pads_the_channels(channels_first):
    for axes, (*spatial, channels) in SHAPES.items():
        x = keras.Input((channels, *spatial))
        y = zoo.residual_unit(6, shortcut="identity_pad", name=f"unit{axes}")(x)
        pad = keras.Model(x, y).get_layer(f"unit{axes}_shortcut_pad")
        value = np.random.default_rng(0).normal(size=(2, channels, *spatial)).astype("float32")
        np.testing.assert_array_equal(pad(value), np.pad(value, [(0, 0), (1, 2)] + [(0, 0)] * axes))


# ------------------------------------------------------------------ factories


def group(name):
    return layers.GroupNormalization(2, name=name)


@pytest.mark.parametrize(
    "norm", [group, layers.LayerNormalization, layers.BatchNormalization], ids=lambda norm: norm.__name__
)
@pytest.mark.parametrize("axes", SHAPES)
def test_any_normalisation(norm, axes):
    model = net(
        zoo.conv_unit(4, norm=norm, name="stem"),
        zoo.residual_unit(8, norm=norm, strides=2, ordering="original", name="unit"),
        zoo.residual_unit(8, norm=norm, ordering="full_pre_activation"),
        zoo.unit_end(norm=norm),
        shape=SHAPES[axes],
    )
    kind = type(norm(name="x"))
    found = [layer for layer in model.layers if "Normalization" in type(layer).__name__]
    # stem; two and that of the projection; two; the end
    assert len(found) == 7 and {type(layer) for layer in found} == {kind}
    assert model.get_layer("unit_shortcut_norm") and model.get_layer("stem_norm")
    x = np.random.default_rng(0).normal(size=(2, *SHAPES[axes])).astype("float32")
    assert np.all(np.isfinite(array(model(x))))


@pytest.mark.parametrize(
    ("conv", "kind", "shape", "expected"),
    [
        (layers.Conv1D, layers.Conv1D, (8, 3), (None, 4, 4)),
        (layers.Conv3D, layers.Conv3D, (4, 4, 4, 3), (None, 2, 2, 2, 4)),
        (layers.SeparableConv2D, layers.SeparableConv2D, IMAGE, (None, 4, 4, 4)),
        (layers.SeparableConv1D, layers.SeparableConv1D, (8, 3), (None, 4, 4)),
        (layers.Conv2DTranspose, layers.Conv2DTranspose, IMAGE, (None, 16, 16, 4)),
        (functools.partial(layers.Conv2D, groups=1), layers.Conv2D, IMAGE, (None, 4, 4, 4)),
        (lambda f, k, **rest: layers.Conv2D(f, k, **rest), layers.Conv2D, IMAGE, (None, 4, 4, 4)),
    ],
)
def test_any_convolution(conv, kind, shape, expected):
    x = keras.Input(shape)
    y = zoo.conv_unit(4, conv=conv, strides=2, ordering="act conv norm", name="unit")(x)
    assert y.shape == expected
    model = keras.Model(x, y)
    assert [layer.name for layer in model.layers[1:]] == ["unit_act", "unit", "unit_norm"]
    assert type(model.get_layer("unit")) is kind and not model.get_layer("unit").use_bias


def test_the_initialiser_reaches_every_kernel():
    model = net(zoo.conv_unit(4, conv=layers.SeparableConv2D, kernel_initializer="ones", name="unit"))
    for weight in model.get_layer("unit").weights:
        np.testing.assert_array_equal(weight, np.ones(weight.shape))
    model = net(zoo.residual_unit(4, kernel_initializer="ones", name="unit"))
    for name in ("unit_conv1", "unit_conv2", "unit_shortcut_conv"):
        np.testing.assert_array_equal(
            model.get_layer(name).kernel, np.ones_like(model.get_layer(name).kernel)
        )


def test_separable_convolutions_in_a_residual_unit():
    model = net(zoo.residual_unit(8, conv=layers.SeparableConv2D, strides=2, name="unit"))
    assert {type(model.get_layer(f"unit_conv{k}")) for k in (1, 2)} == {layers.SeparableConv2D}
    assert type(model.get_layer("unit_shortcut_conv")) is layers.Conv2D
    assert model.output_shape == (None, 4, 4, 8)


def test_kernel_and_strides_may_differ_by_axis():
    x = zoo.conv_unit(4, (1, 5), strides=(1, 2), padding="valid")(keras.Input(IMAGE))
    assert x.shape == (None, 8, 2, 4)
    assert zoo.conv_unit(4, padding="causal")(keras.Input((8, 3))).shape == (None, 8, 4)


def test_a_stateful_activation_is_copied_for_each_site():
    given = layers.PReLU(shared_axes=[1, 2])
    units = [
        zoo.conv_unit(4, activation=given),
        zoo.residual_unit(4, activation=given, ordering="original"),
        zoo.residual_unit(4, activation=given),
        zoo.unit_end(activation=given),
    ]
    sites = [layer for layer in net(*units).layers if isinstance(layer, layers.PReLU)]
    assert len(sites) == len({id(site.alpha) for site in sites}) == 6
    assert given not in sites and not given.built
    assert {tuple(site.shared_axes) for site in sites} == {(1, 2)}


def test_no_activation_and_any_function():
    model = net(zoo.conv_unit(4, activation=None, ordering="conv_act", name="unit"))
    assert model.get_layer("unit_act").activation is keras.activations.linear
    model = net(zoo.conv_unit(4, activation=keras.ops.tanh, ordering="conv_act", form="builtin", name="unit"))
    assert model.get_layer("unit").activation is keras.ops.tanh


# ------------------------------------------------------------------ transforms and probes see every site


def mixed(form="separate", shape=IMAGE):
    """A net of units of every kind: 1 + 1 sites of plain units, 2 + 3 of residual ones, 1 of the end."""
    return net(
        zoo.conv_unit(4, ordering="conv_norm_act", name="a"),
        zoo.conv_unit(4, ordering="conv act norm", form=form, name="b"),
        zoo.residual_unit(4, ordering="original", name="c"),
        zoo.residual_unit(8, ordering="full_pre_activation", block="bottleneck", strides=2, name="d"),
        zoo.unit_end("full_pre_activation", name="end"),
        shape=shape,
    )


SITES = ["a_act", "b_act", "c_conv1_act", "c_add_act", "d_conv1_act", "d_conv2_act", "d_conv3_act", "end_act"]


@pytest.mark.parametrize("axes", SHAPES)
def test_transforms_see_every_site(axes):
    model = mixed("builtin", SHAPES[axes])
    x = np.random.default_rng(0).normal(size=(2, *SHAPES[axes])).astype("float32")
    split = zoo.transforms.split_activations(model)
    np.testing.assert_array_equal(array(split(x)), array(model(x)))
    swapped = zoo.transforms.swap_activation(split, "relu", "gelu")
    assert sorted(swapped.sites) == sorted(SITES)
    folded = zoo.transforms.fold_batchnorm(model)
    # What follows a convolution directly folds, and what is followed by one before any activation: not behind padding.
    assert {"a_norm", "c_conv1_norm", "c_conv2_norm", "d_conv2_norm", "d_conv3_norm"} <= set(folded.folded)
    assert len(folded.folded) + len(folded.kept) == 8
    assert folded.max_error < 1e-5


def test_probes_see_every_site():
    rows = zoo.probes.activation_stats(mixed(), np.ones((2, *IMAGE), "float32"))
    assert [row["site"] if isinstance(row, dict) else row.site for row in rows] == SITES


WITHOUT_ZOO = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "zoo":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocked())
import keras, numpy as np
model = keras.models.load_model(sys.argv[1])
assert not any(name.split(".")[0] == "zoo" for name in sys.modules)
np.save(sys.argv[2], keras.ops.convert_to_numpy(model(np.load(sys.argv[3]))))
"""


def test_a_saved_net_of_units_loads_where_zoo_is_not_installed(tmp_path):
    model = net(
        zoo.conv_unit(4),
        zoo.conv_unit(4, ordering="act conv norm", norm=group, conv=layers.SeparableConv2D),
        zoo.residual_unit(8, strides=2, shortcut="identity_pad", activation=layers.PReLU(shared_axes=[1, 2])),
        zoo.residual_unit(8, ordering="original", shortcut="exclusive_gating"),
        zoo.unit_end(),
    )
    x = np.random.default_rng(0).normal(size=(2, *IMAGE)).astype("float32")
    model.save(tmp_path / "net.keras")
    np.save(tmp_path / "x.npy", x)
    program = [
        sys.executable,
        "-c",
        WITHOUT_ZOO,
        tmp_path / "net.keras",
        tmp_path / "y.npy",
        tmp_path / "x.npy",
    ]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), array(model(x)), rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------------ refusals

CONV = [
    (
        dict(ordering="conv relu"),
        ValueError,
        "ordering='conv relu': 'relu' is no operation; a row is made of the words 'conv', 'norm', 'act'.",
    ),
    (
        dict(ordering="act norm"),
        ValueError,
        "ordering='act norm': a row has exactly one 'conv', and 'act norm' has none.",
    ),
    (
        dict(ordering=""),
        ValueError,
        "ordering='': a row has exactly one 'conv', and '' has none.",
    ),
    (
        dict(ordering="conv act conv"),
        ValueError,
        "ordering='conv act conv': a row has exactly one 'conv', and 'conv act conv' has 2.",
    ),
    (
        dict(ordering="conv_norm_atc"),
        ValueError,
        "ordering='conv_norm_atc' is neither one of the plain orderings 'conv_act', 'conv_norm_act', 'conv_act_norm', "
        "'norm_act_conv' and 'act_conv_norm' nor a row of the words 'conv', 'norm' and 'act', such as 'act conv norm'. "
        "Did you mean 'conv_norm_act' or 'conv_act_norm'?",
    ),
    (
        dict(ordering="original"),
        ValueError,
        "ordering='original' is neither one of the plain orderings 'conv_act', 'conv_norm_act', 'conv_act_norm', "
        "'norm_act_conv' and 'act_conv_norm' nor a row of the words 'conv', 'norm' and 'act', such as 'act conv norm'. "
        "It is a residual one, for zoo.residual_unit.",
    ),
    (
        dict(ordering=("conv", "act")),
        TypeError,
        "ordering must be a name or a row of words, received ('conv', 'act').",
    ),
    (
        dict(form="builtin"),
        ValueError,
        "form='builtin' cannot put BatchNormalization between convolution and activation (ordering='conv_norm_act'); use "
        "form='separate' or ordering='conv_act_norm'.",
    ),
    (
        dict(form="builtin", ordering="act conv norm"),
        ValueError,
        "form='builtin' cannot put an activation before a convolution (ordering='act conv norm'); use form='separate'.",
    ),
    (
        dict(form="builtin", ordering="conv norm"),
        ValueError,
        "form='builtin' cannot put an activation into a row that has none (ordering='conv norm'); use form='separate'.",
    ),
    (
        dict(form="inside"),
        ValueError,
        "form='inside' is not known; expected one of 'separate', 'builtin'.",
    ),
    (
        dict(form="builtin", ordering="conv_act", activation=layers.PReLU()),
        ValueError,
        "form='builtin' takes activation as a function or its name, received the layer PReLU, which is a site of its own; "
        "use form='separate'.",
    ),
    (dict(filters=0), ValueError, "filters must be at least 1, received 0."),
    (dict(filters=-4), ValueError, "filters must be at least 1, received -4."),
    (dict(filters=4.0), TypeError, "filters must be an integer, received 4.0 of type float."),
    (dict(filters=True), TypeError, "filters must be an integer, received True of type bool."),
    (dict(filters=(4, 4)), TypeError, "filters must be an integer, received (4, 4) of type tuple."),
    (dict(kernel_size=0), ValueError, "kernel_size must be at least 1, received 0."),
    (dict(kernel_size=(3, 0)), ValueError, "kernel_size must be at least 1, received (3, 0)."),
    (
        dict(kernel_size="3"),
        TypeError,
        "kernel_size must be an integer or a tuple of integers, received '3' of type str.",
    ),
    (
        dict(kernel_size=()),
        TypeError,
        "kernel_size must be an integer or a tuple of integers, received () of type tuple.",
    ),
    (dict(strides=0), ValueError, "strides must be at least 1, received 0."),
    (dict(strides=(1, -1)), ValueError, "strides must be at least 1, received (1, -1)."),
    (
        dict(padding="full"),
        ValueError,
        "padding='full' is not known; expected one of 'same', 'valid', 'causal'.",
    ),
    (dict(use_bias=1), TypeError, "use_bias must be True, False or None, received 1."),
    (dict(use_bias="no"), TypeError, "use_bias must be True, False or None, received 'no'."),
    (
        dict(norm="batch"),
        TypeError,
        "norm must be a factory, which makes a layer for each place, such as "
        "lambda name: keras.layers.GroupNormalization(8, name=name); received 'batch'.",
    ),
    (
        dict(conv=2),
        TypeError,
        "conv must be a factory, which makes a layer for each place, such as keras.layers.SeparableConv2D; received 2.",
    ),
    (
        dict(activation="rleu"),
        ValueError,
        "activation='rleu' is not what keras.activations.get takes: ",
    ),
    (
        dict(activation=layers.ReLU),
        TypeError,
        "activation must be a name, a function or a layer, received the class ",
    ),
    (
        dict(kernel_initializer="he"),
        ValueError,
        "kernel_initializer='he' does not initialise a kernel: ",
    ),
    (dict(name="a/b"), ValueError, "name='a/b': a Keras layer's name is a non-empty string without '/'."),
    (dict(name=""), ValueError, "name='': a Keras layer's name is a non-empty string without '/'."),
    (dict(name=3), TypeError, "name must be a string or None, received 3."),
]


def refusal(kind, make):
    with pytest.raises(kind) as error:
        make()
    assert type(error.value) is kind
    return str(error.value)


@pytest.mark.parametrize(("options", "kind", "text"), CONV, ids=lambda v: str(v)[:50])
def test_refusals_of_a_unit(options, kind, text):
    said = refusal(kind, lambda: zoo.conv_unit(**{"filters": 4} | options))
    assert said.startswith(text) if text.endswith((": ", " class ")) else said == text


def test_one_normalisation_cannot_serve_several_places():
    shared = layers.BatchNormalization()
    assert refusal(TypeError, lambda: zoo.conv_unit(4, norm=shared)).startswith("norm must be a factory")
    built = layers.LayerNormalization(name="unit_norm")
    built.build((None, 8, 8, 4))
    unit = zoo.conv_unit(4, norm=lambda name: built, name="unit")
    assert "returned a layer that is in use, 'unit_norm'." in refusal(ValueError, lambda: net(unit))


def test_factories_that_are_none():
    def text(kind, **options):
        return refusal(kind, lambda: net(zoo.conv_unit(4, name="unit", **options)))

    assert text(TypeError, norm=lambda: None).startswith(
        "norm must be a factory of layers that can be called with (name=): got an unexpected keyword argument 'name'"
    )
    assert "returned None." in text(TypeError, norm=lambda name: None)
    assert "returned a layer called 'other'." in text(ValueError, norm=lambda name: group("other"))
    assert "returned a layer called 'group_normalization" in text(
        ValueError, norm=lambda name: layers.GroupNormalization(2)
    )
    odd = text(ValueError, norm=lambda name: layers.GroupNormalization(3, name=name))
    assert odd.startswith("norm=") and "that does not take a tensor of shape (None, 8, 8, 4)" in odd
    assert text(TypeError, conv=layers.Dense).startswith(
        "conv must be a factory of layers that can be called with (4, 3, "
    )
    assert text(TypeError, conv=layers.DepthwiseConv2D).startswith(
        "conv must be a factory of layers that can be called"
    )
    assert "that does not take a tensor of shape (None, 8, 8, 3)" in text(ValueError, conv=layers.Conv1D)
    assert "called with (4, 3, " in text(ValueError, conv=functools.partial(layers.Conv2D, groups=3))


RESIDUAL_REFUSALS = [
    (
        dict(ordering="conv_act"),
        ValueError,
        "ordering='conv_act' is not one of the residual orderings 'original', 'bn_after_addition', 'relu_before_addition', "
        "'relu_only_pre_activation' and 'full_pre_activation'. It is a plain one, for zoo.conv_unit.",
    ),
    (
        dict(ordering="full_preactivation"),
        ValueError,
        "ordering='full_preactivation' is not one of the residual orderings 'original', 'bn_after_addition', "
        "'relu_before_addition', 'relu_only_pre_activation' and 'full_pre_activation'. Did you mean 'full_pre_activation' "
        "or 'relu_only_pre_activation'?",
    ),
    (dict(ordering=None), TypeError, "ordering must be a name or a row of words, received None."),
    (
        dict(block="wide"),
        ValueError,
        "block='wide' is not known; expected one of 'basic', 'bottleneck'.",
    ),
    (dict(block=None), ValueError, "block=None is not known; expected one of 'basic', 'bottleneck'."),
    (dict(filters=0), ValueError, "filters must be at least 1, received 0."),
    (dict(strides=0), ValueError, "strides must be at least 1, received 0."),
    (dict(strides=(2, 2)), TypeError, "strides must be an integer, received (2, 2) of type tuple."),
    (
        dict(block="bottleneck", filters=6),
        ValueError,
        "filters=6: the inner convolutions of a bottleneck have a quarter of the channels; use a multiple of 4 or "
        "block='basic'.",
    ),
    (
        dict(shortcut="identity"),
        ValueError,
        "shortcut='identity' is not known; expected one of None, 'identity_pad', 'projection', 'constant_scaling', "
        "'exclusive_gating', 'shortcut_only_gating', 'conv1x1', 'dropout'.",
    ),
    (
        dict(gate_bias=-3.0),
        ValueError,
        "gate_bias=-3.0 belongs to shortcut='exclusive_gating' or 'shortcut_only_gating', but shortcut=None.",
    ),
    (
        dict(shortcut="dropout", dropout_rate=1.0),
        ValueError,
        "dropout_rate must be in [0, 1), received 1.0.",
    ),
    (
        dict(layout="keras"),
        ValueError,
        "layout='keras' exists with bottleneck units only, received block='basic'; use block='bottleneck' or "
        "layout='he2016'.",
    ),
    (
        dict(layout="timm", shortcut="identity_pad"),
        ValueError,
        "layout='timm' fixes shortcut='projection', received shortcut='identity_pad'; use layout='he2016' to vary the "
        "shortcut.",
    ),
    (
        dict(layout="torch"),
        ValueError,
        "layout='torch' is not known; expected one of 'he2016', 'keras', 'kerashub', 'timm', 'torchvision', "
        "'keras_resnet', 'keras_cifar10'.",
    ),
    (
        dict(layout="torchvision", ordering="relu_only_pre_activation"),
        ValueError,
        "layout='torchvision' has no net that activates before its convolutions, received ordering="
        "'relu_only_pre_activation'; use layout='timm' or ordering='original'.",
    ),
    (dict(opens=1), TypeError, "opens must be True or False, received 1."),
]


@pytest.mark.parametrize(("options", "kind", "text"), RESIDUAL_REFUSALS, ids=lambda v: str(v)[:50])
def test_refusals_of_a_residual_unit(options, kind, text):
    assert refusal(kind, lambda: zoo.residual_unit(**{"filters": 4} | options)) == text


@pytest.mark.parametrize(
    "shortcut",
    ["identity_pad", "constant_scaling", "exclusive_gating", "shortcut_only_gating", "dropout"],
)
def test_a_shortcut_that_cannot_fit(shortcut):
    unit = zoo.residual_unit(2, shortcut=shortcut)
    assert refusal(ValueError, lambda: net(unit)) == (
        f"shortcut={shortcut!r} can add channels of zeros and not take 1 of 3 channels away; use shortcut='projection'."
    )
    for fits in (None, "projection", "conv1x1"):
        assert net(zoo.residual_unit(2, shortcut=fits)).output_shape == (None, 8, 8, 2)


def test_a_branch_that_cannot_fit():
    unit = zoo.residual_unit(4, conv=layers.Conv2DTranspose, strides=2)
    assert refusal(ValueError, lambda: net(unit)).startswith(
        "shortcut and branch do not fit each other: their shapes are "
    )


@pytest.mark.parametrize("make", [zoo.conv_unit, zoo.residual_unit], ids=["conv_unit", "residual_unit"])
def test_what_a_unit_is_called_on(make):
    unit = make(4)
    text = refusal(TypeError, lambda: unit(np.ones((2, 8, 8, 3), "float32")))
    assert text.startswith(
        "x must be a symbolic tensor, from keras.Input or a layer called on one, received ndarray"
    )
    assert refusal(ValueError, lambda: unit(keras.Input((8,)))).endswith("its shape is (None, 8).")
    assert refusal(ValueError, lambda: unit(keras.Input((8, 8, None)))) == (
        "x must have a known number of channels; its shape is (None, 8, 8, None)."
    )


def test_an_activation_that_changes_the_shape_is_refused():
    halves = zoo.conv_unit(4, activation=keras.activations.glu)
    assert refusal(ValueError, lambda: net(halves)).startswith("activation=<function glu")
    assert "changes the shape" in refusal(
        ValueError, lambda: net(zoo.unit_end(activation=keras.activations.glu), shape=(8, 8, 4))
    )


def test_refusals_of_an_end():
    assert "Did you mean 'full_pre_activation'" in refusal(
        ValueError, lambda: zoo.unit_end("full_preactivation")
    )
    assert refusal(ValueError, lambda: zoo.unit_end(layout="torch")).startswith("layout='torch' is not known")
    assert refusal(TypeError, lambda: zoo.unit_end(norm=3)).startswith("norm must be a factory")
    assert refusal(TypeError, lambda: zoo.unit_end("original")(3)).startswith("x must be a symbolic tensor")
