"""The order of operations, read back from the built graph and compared with tables written by hand."""

import itertools

import keras
import numpy as np
import pytest
from read_graph import (
    additions,
    after_last_addition,
    back,
    chain,
    formula,
    inputs,
    operations,
    residual_units,
    signature,
    word,
)

import zoo
from zoo.catalog import specify
from zoo.spec import BLOCKS, RESIDUAL_ORDERINGS, SHORTCUTS

shapes_alone = pytest.mark.usefixtures("shapes_alone")

SMALL = dict(input_shape=(8, 8, 3), width=4)

# He et al. 2016, arXiv 1603.05027, figure 4, table 2 and the appendix on first and last units, written out.
# ordering: unit: (between the addition before and the split; shortcut; branch); head: after the last addition.
BASIC = {
    "original": {
        "first": ("conv3 norm act", "", "conv3 norm act conv3 norm"),
        "middle": ("act", "", "conv3 norm act conv3 norm"),
        "change": ("act", "subsample/2 zeros", "pad conv3/2 norm act conv3 norm"),
        "last": ("act", "", "conv3 norm act conv3 norm"),
        "head": "act mean dense softmax",
    },
    "bn_after_addition": {
        "first": ("conv3 norm act", "", "conv3 norm act conv3"),
        "middle": ("norm act", "", "conv3 norm act conv3"),
        "change": ("norm act", "subsample/2 zeros", "pad conv3/2 norm act conv3"),
        "last": ("norm act", "", "conv3 norm act conv3"),
        "head": "norm act mean dense softmax",
    },
    "relu_before_addition": {
        "first": ("conv3 norm act", "", "conv3 norm act conv3 norm act"),
        "middle": ("", "", "conv3 norm act conv3 norm act"),
        "change": ("", "subsample/2 zeros", "pad conv3/2 norm act conv3 norm act"),
        "last": ("", "", "conv3 norm act conv3 norm act"),
        "head": "mean dense softmax",
    },
    "relu_only_pre_activation": {
        "first": ("conv3 norm act", "", "conv3 norm act conv3 norm"),
        "middle": ("", "", "act conv3 norm act conv3 norm"),
        "change": ("", "subsample/2 zeros", "act pad conv3/2 norm act conv3 norm"),
        "last": ("", "", "act conv3 norm act conv3 norm"),
        "head": "act mean dense softmax",
    },
    "full_pre_activation": {
        "first": ("conv3 norm act", "", "conv3 norm act conv3"),
        "middle": ("", "", "norm act conv3 norm act conv3"),
        "change": ("", "subsample/2 zeros", "norm act pad conv3/2 norm act conv3"),
        "last": ("", "", "norm act conv3 norm act conv3"),
        "head": "norm act mean dense softmax",
    },
}
BOTTLENECK = {
    "original": {
        "first": ("conv3 norm act", "conv1 norm", "conv1 norm act conv3 norm act conv1 norm"),
        "middle": ("act", "", "conv1 norm act conv3 norm act conv1 norm"),
        "change": ("act", "conv1/2 norm", "conv1/2 norm act conv3 norm act conv1 norm"),
        "last": ("act", "", "conv1 norm act conv3 norm act conv1 norm"),
        "head": "act mean dense softmax",
    },
    "bn_after_addition": {
        "first": ("conv3 norm act", "conv1", "conv1 norm act conv3 norm act conv1"),
        "middle": ("norm act", "", "conv1 norm act conv3 norm act conv1"),
        "change": ("norm act", "conv1/2", "conv1/2 norm act conv3 norm act conv1"),
        "last": ("norm act", "", "conv1 norm act conv3 norm act conv1"),
        "head": "norm act mean dense softmax",
    },
    "relu_before_addition": {
        "first": ("conv3 norm act", "conv1 norm", "conv1 norm act conv3 norm act conv1 norm act"),
        "middle": ("", "", "conv1 norm act conv3 norm act conv1 norm act"),
        "change": ("", "conv1/2 norm", "conv1/2 norm act conv3 norm act conv1 norm act"),
        "last": ("", "", "conv1 norm act conv3 norm act conv1 norm act"),
        "head": "mean dense softmax",
    },
    "relu_only_pre_activation": {
        "first": ("conv3 norm act", "conv1 norm", "conv1 norm act conv3 norm act conv1 norm"),
        "middle": ("", "", "act conv1 norm act conv3 norm act conv1 norm"),
        "change": ("act", "conv1/2 norm", "conv1/2 norm act conv3 norm act conv1 norm"),
        "last": ("", "", "act conv1 norm act conv3 norm act conv1 norm"),
        "head": "act mean dense softmax",
    },
    "full_pre_activation": {
        "first": ("conv3 norm act", "conv1", "conv1 norm act conv3 norm act conv1"),
        "middle": ("", "", "norm act conv1 norm act conv3 norm act conv1"),
        "change": ("norm act", "conv1/2", "conv1/2 norm act conv3 norm act conv1"),
        "last": ("", "", "norm act conv1 norm act conv3 norm act conv1"),
        "head": "norm act mean dense softmax",
    },
}


@pytest.mark.parametrize("ordering", RESIDUAL_ORDERINGS)
@pytest.mark.parametrize("block", BLOCKS)
@shapes_alone
def test_operations_of_a_residual_net_stand_in_the_order_of_the_paper(ordering, block):
    depth, expected = {"basic": (20, BASIC), "bottleneck": (29, BOTTLENECK)}[block]
    model = zoo.build(f"resnet{depth}", ordering=ordering, block=block, **SMALL)
    units, table = list(residual_units(model)), expected[ordering]
    assert len(units) == 9
    assert units[0] == table["first"]
    assert units[3] == units[6] == table["change"]
    assert units[1] == units[2] == units[4] == units[5] == units[7] == table["middle"]
    assert units[8] == table["last"]
    assert after_last_addition(model) == table["head"]


@shapes_alone
def test_default_orderings_are_those_of_the_names():
    for name, ordering in {"resnet8": "original", "resnet8v2": "full_pre_activation"}.items():
        assert signature(zoo.build(name, **SMALL)) == signature(
            zoo.build("resnet8", ordering=ordering, **SMALL)
        )


@pytest.mark.parametrize("block", BLOCKS)
@shapes_alone
def test_nothing_stands_on_the_identity_path_of_full_pre_activation(block):
    model = zoo.build("resnet56v2", block=block, **SMALL)
    adds = additions(model)
    free = sum(inputs(add)[0] is before for before, add in itertools.pairwise(adds))
    # All but the three units that change the shape (of a basic net two; the first of all reads the stem).
    assert free == len(adds) - 3


@pytest.mark.parametrize("name", ["resnet20", "resnet20v2"])
@shapes_alone
def test_addition_reads_the_shortcut_first(name):
    # The other order makes Keras' walk over the graph recurse through every branch; it ends near depth 360.
    for add in additions(zoo.build(name, **SMALL)):
        shortcut, branch = (back(op) for op in inputs(add))
        assert len(shortcut) < len(branch)


# The shortcuts of table 1 (ordering: original): x is the input of the unit, the first summand the shortcut.
F = "norm(conv3(act(norm(conv3(x)))))"
F2 = "norm(conv3(act(norm(conv3/2(pad(x))))))"
SHORTCUT_FORMULAS = {
    "identity_pad": (f"add(x, {F})", f"add(zeros(subsample/2(x)), {F2})"),
    "projection": (f"add(x, {F})", f"add(norm(conv1/2(x)), {F2})"),
    "conv1x1": (f"add(norm(conv1(x)), {F})", f"add(norm(conv1/2(x)), {F2})"),
    "constant_scaling": (
        f"add(times(0.5)(x), times(0.5)({F}))",
        f"add(times(0.5)(zeros(subsample/2(x))), times(0.5)({F2}))",
    ),
    "exclusive_gating": (
        f"add(mul(x, times(-1)plus(1)(conv1+sigmoid(x))), mul({F}, conv1+sigmoid(x)))",
        "add(mul(zeros(subsample/2(x)), times(-1)plus(1)(conv1/2+sigmoid(x))), "
        f"mul({F2}, conv1/2+sigmoid(x)))",
    ),
    "shortcut_only_gating": (
        f"add(mul(x, times(-1)plus(1)(conv1+sigmoid(x))), {F})",
        f"add(mul(zeros(subsample/2(x)), times(-1)plus(1)(conv1/2+sigmoid(x))), {F2})",
    ),
    "dropout": (f"add(dropout(0.5)(x), {F})", f"add(dropout(0.5)(zeros(subsample/2(x))), {F2})"),
}


@pytest.mark.parametrize("shortcut", SHORTCUTS)
@shapes_alone
def test_shortcut_computes_what_table_1_says(shortcut):
    model = zoo.build("resnet14", shortcut=shortcut, **SMALL)
    adds = additions(model)

    def act_after(add):
        return next(op for op in operations(model) if add in inputs(op))

    same, change = SHORTCUT_FORMULAS[shortcut]
    assert formula(adds[1], act_after(adds[0])) == same
    assert formula(adds[2], act_after(adds[1])) == change


def test_gate_of_a_unit_is_one_layer_and_starts_at_its_bias():
    model = zoo.build("resnet8", shortcut="exclusive_gating", gate_bias=-3.0, **SMALL)
    gates = [op for op in operations(model) if word(op).endswith("sigmoid")]
    assert len(gates) == len(additions(model)) == 3
    for gate in gates:
        np.testing.assert_array_equal(gate.bias, np.full(gate.filters, -3.0, "float32"))


@shapes_alone
def test_scales_and_rates_are_those_asked_for():
    model = zoo.build("resnet8", shortcut="constant_scaling", shortcut_scale=0.25, branch_scale=2, **SMALL)
    assert formula(additions(model)[0], back(inputs(additions(model)[0])[0])[1]).startswith(
        "add(times(0.25)(x), times(2)("
    )
    model = zoo.build("resnet8", shortcut="dropout", dropout_rate=0.1, **SMALL)
    assert sum(word(op) == "dropout(0.1)" for op in operations(model)) == 3


# ordering: (first weight layer, each further one, after the last)
PLAIN = {
    "conv_act": ("{} act", "{} act", ""),
    "conv_norm_act": ("{} norm act", "{} norm act", ""),
    "conv_act_norm": ("{} act norm", "{} act norm", ""),
    "norm_act_conv": ("{}", "norm act {}", "norm act"),
    "act_conv_norm": ("{} norm", "act {} norm", "act"),
}


def spell(ordering, layers, head):
    first, each, end = PLAIN[ordering]
    words = [(each if k else first).format(layer) for k, layer in enumerate(layers)]
    return " ".join(" ".join([*words, end, head]).split())


@pytest.mark.parametrize("ordering", PLAIN)
@shapes_alone
def test_operations_of_a_plain_net_stand_in_order(ordering):
    convs = ["conv3", "conv3", "conv3", "pad conv3/2", "conv3", "pad conv3/2", "conv3"]
    expected = spell(ordering, convs, "mean dense softmax")
    assert chain(zoo.build("plain8", ordering=ordering, **SMALL)) == expected


@pytest.mark.parametrize("ordering", PLAIN)
@shapes_alone
def test_operations_of_a_mlp_stand_in_order(ordering):
    expected = "flatten " + spell(ordering, ["dense", "dense"], "dense softmax")
    assert chain(zoo.build("mlp", ordering=ordering, **SMALL)) == expected


CONVNET = {
    "conv_act": "conv3 act conv3 act max2/2 conv3 act conv3 act max2/2",
    "conv_norm_act": "conv3 norm act conv3 norm act max2/2 conv3 norm act conv3 norm act max2/2",
    "conv_act_norm": "conv3 act norm conv3 act norm max2/2 conv3 act norm conv3 act norm max2/2",
    "norm_act_conv": "conv3 norm act conv3 max2/2 norm act conv3 norm act conv3 max2/2 norm act",
    "act_conv_norm": "conv3 norm act conv3 norm max2/2 act conv3 norm act conv3 norm max2/2 act",
}


@pytest.mark.parametrize("ordering", CONVNET)
@shapes_alone
def test_operations_of_a_convnet_stand_in_order(ordering):
    assert (
        chain(zoo.build("convnet", ordering=ordering, **SMALL))
        == f"{CONVNET[ordering]} flatten dense softmax"
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"pooling_order": "pool_act"}, "conv3 act conv3 max2/2 act"),
        ({"pooling_order": "pool_act", "ordering": "conv_norm_act"}, "conv3 norm act conv3 norm max2/2 act"),
        ({"downsampling": "average_pool"}, "conv3 act conv3 act average2/2"),
        ({"downsampling": "stride"}, "conv3 act pad conv3/2 act"),
        ({"downsampling": "none"}, "conv3 act conv3 act"),
        ({"activated": "last"}, "conv3 conv3 act max2/2"),
        ({"activated": "last", "ordering": "norm_act_conv"}, "conv3 norm conv3 max2/2 norm act"),
        ({"activated": "last", "ordering": "act_conv_norm"}, "conv3 norm conv3 norm max2/2 act"),
        ({"activated": "last", "pooling_order": "pool_act"}, "conv3 conv3 max2/2 act"),
        ({"form": "builtin"}, "conv3+act conv3+act max2/2"),
        ({"form": "builtin", "ordering": "conv_act_norm"}, "conv3+act norm conv3+act norm max2/2"),
        ({"form": "builtin", "activated": "last"}, "conv3 conv3+act max2/2"),
    ],
    ids=str,
)
@shapes_alone
def test_variants_of_a_convnet(options, expected):
    head = "dense+softmax" if options.get("form") == "builtin" else "dense softmax"
    assert chain(zoo.build("convnet2", **SMALL, **options)) == f"{expected} flatten {head}"


@shapes_alone
def test_operations_of_vgg11_stand_in_order():
    stages = "conv3 act max2/2 conv3 act max2/2" + " conv3 act conv3 act max2/2" * 3
    separate = f"{stages} flatten dense act dense act dense softmax"
    options = dict(input_shape=(32, 32, 3), width=2)
    assert chain(zoo.build("vgg11", **options)) == separate
    builtin = separate.replace(" act", "+act").replace(" softmax", "+softmax")
    assert chain(zoo.build("vgg11", form="builtin", **options)) == builtin


@pytest.mark.parametrize("name", ["plain8", "mlp", "convnet", "vgg11"])
@pytest.mark.parametrize("ordering", ["conv_act", "conv_act_norm"])
@shapes_alone
def test_builtin_form_carries_its_activation_as_an_argument(name, ordering):
    options = dict(ordering=ordering, width=2, activation="tanh", input_shape=(32, 32, 3))
    ops = operations(zoo.build(name, form="builtin", **options))
    weighted = [op for op in ops if isinstance(op, keras.layers.Conv2D | keras.layers.Dense)]
    assert {op.activation for op in weighted[:-1]} == {keras.activations.tanh}
    assert weighted[-1].activation is keras.activations.softmax
    assert not any(isinstance(op, keras.layers.Activation) for op in ops)
    separate = operations(zoo.build(name, **options))
    sites = [op.activation for op in separate if isinstance(op, keras.layers.Activation)]
    assert sites == [keras.activations.tanh] * (len(weighted) - 1) + [keras.activations.softmax]


@shapes_alone
def test_no_activation_leaves_no_activation():
    for name, ordering in [("convnet", "conv_act"), ("resnet8", "original")]:
        model = zoo.build(name, ordering=ordering, activation=None, classifier_activation=None, **SMALL)
        functions = [op.activation for op in operations(model) if hasattr(op, "activation")]
        assert set(functions) == {keras.activations.linear}


# The six graphs called "pre-activation ResNet", bottleneck units, each read from the source of its name:
# first unit behind an ImageNet stem (before the split; shortcut; branch), None where there is no such stem.
IMAGENET_FIRST = {
    "he2016": ("pad conv7/2 norm act pad max3/2", "conv1", "conv1 norm act conv3 norm act conv1"),
    "keras": ("pad conv7/2 pad max3/2 norm act", "conv1", "conv1 norm act pad conv3 norm act conv1"),
    "kerashub": ("pad conv7/2 max3 subsample/2 norm act", "conv1", "conv1 norm act conv3 norm act conv1"),
    "timm": ("pad conv7/2 max3 subsample/2 norm act", "conv1", "conv1 norm act conv3 norm act conv1"),
    "keras_resnet": ("conv7/2 norm act max3/2", "conv1", "conv1 norm act conv3 norm act conv1"),
    "keras_cifar10": None,
}
# Last unit of the first stage, first unit of the second; biases of the stem, of a branch, of a projection.
HE = (
    ("", "", "norm act conv1 norm act conv3 norm act conv1"),
    ("norm act", "conv1/2", "conv1/2 norm act conv3 norm act conv1"),
    (False, [False, False, False], False),
)
TORCH = (
    ("", "", "norm act conv1 norm act conv3 norm act conv1"),
    ("norm act", "conv1/2", "conv1 norm act pad conv3/2 norm act conv1"),
    (False, [False, False, False], False),
)
EXAMPLE = (
    ("", "", "norm act conv1 norm act conv3 norm act conv1"),
    ("", "conv1/2", "norm act conv1/2 norm act conv3 norm act conv1"),
    (True, [True, True, True], True),
)
KERAS = (
    ("", "subsample/2", "norm act conv1 norm act pad conv3/2 norm act conv1"),
    ("norm act", "conv1", "conv1 norm act pad conv3 norm act conv1"),
    (True, [False, False, True], True),
)
LAYOUTS = {
    "he2016": HE,
    "keras": KERAS,
    "kerashub": TORCH,
    "timm": TORCH,
    "keras_resnet": EXAMPLE,
    "keras_cifar10": EXAMPLE,
}


def v2(layout, **options):
    options = {"block": "bottleneck", "shortcut": "projection"} | options
    return zoo.build("resnet20v2", layout=layout, **SMALL, **options)


@pytest.mark.parametrize("layout", LAYOUTS)
@shapes_alone
def test_layout_is_the_graph_of_its_source(layout):
    model = v2(layout)
    units = list(residual_units(model))
    end_of_stage, change, _ = LAYOUTS[layout]
    # Behind a stem without pooling it makes no difference who brings the first norm and act: both paths read
    # them. (Keras has no CIFAR stem; what its layout does to every 3x3 convolution is done to this one.)
    stem = "pad conv3 norm act" if layout == "keras" else "conv3 norm act"
    assert units[0][:2] == (stem, "conv1")
    assert units[1] == units[3] == end_of_stage
    assert units[2] == units[4] == change
    assert after_last_addition(model) == "norm act mean dense softmax"


@pytest.mark.parametrize("layout", LAYOUTS)
@shapes_alone
def test_layout_has_the_biases_of_its_source(layout):
    model = v2(layout)
    stem = next(op for op in operations(model) if word(op) == "conv3")
    shortcut, branch = (back(op) for op in inputs(additions(model)[0]))
    branch = [op for op in reversed(branch[: branch.index(stem)]) if word(op).startswith("conv")]
    projection = shortcut[0]
    assert word(projection) == "conv1"
    assert (stem.use_bias, [op.use_bias for op in branch], projection.use_bias) == LAYOUTS[layout][2]


@pytest.mark.parametrize("layout", [name for name, unit in IMAGENET_FIRST.items() if unit])
@shapes_alone
def test_layout_has_the_imagenet_stem_of_its_source(layout):
    model = zoo.build("resnet50v2", layout=layout, classes=10, width=4, input_shape=(32, 32, 3))
    assert next(residual_units(model)) == IMAGENET_FIRST[layout]


@pytest.mark.parametrize(
    ("layout", "ordering", "words"),
    [
        ("he2016", "original", "pad conv7/2 norm act pad max3/2"),
        ("kerashub", "original", "pad conv7/2 norm act pad max3/2"),
        ("timm", "original", "pad conv7/2 norm act max3 subsample/2"),
        ("torchvision", "original", "pad conv7/2 norm act max3 subsample/2"),
        ("torchvision", "bn_after_addition", "pad conv7/2 norm act max3 subsample/2"),
    ],
)
@shapes_alone
def test_a_border_of_minus_infinity_where_torch_has_it(layout, ordering, words):
    options = dict(layout=layout, ordering=ordering, classes=10, width=4, input_shape=(32, 32, 3))
    units = list(residual_units(zoo.build("resnet50", **options)))
    assert units[0][0] == words
    strided = units[3][2]
    assert ("pad conv3/2" in strided) == (layout != "he2016"), "torch has its stride in the middle"


@pytest.mark.parametrize(
    ("ordering", "body"), [("conv_act", "conv3 act"), ("conv_norm_act", "conv3 norm act")]
)
@shapes_alone
def test_a_vgg_of_torchvision_has_every_bias_and_no_norm_between_its_dense_layers(ordering, body):
    model = zoo.build(
        "vgg11", layout="torchvision", ordering=ordering, width=2, input_shape=(224, 224, 3), classes=5
    )
    pool = "max2/2"
    stages = [body, body, f"{body} {body}", f"{body} {body}", f"{body} {body}"]
    top = "flatten dense act dense act dense softmax"
    assert chain(model) == " ".join([*(f"{stage} {pool}" for stage in stages), top])
    assert all(op.use_bias for op in operations(model) if hasattr(op, "use_bias"))


@pytest.mark.parametrize("layout", ["he2016", "keras_resnet", "keras_cifar10"])
@shapes_alone
def test_every_layout_has_the_widths_of_he(layout):
    """Keras' CIFAR-10 example itself has 16, 64 and 128 channels inside its units; its layout here has not."""
    model = zoo.build("resnet20v2", block="bottleneck", shortcut="projection", layout=layout)
    inner = [op.filters for op in operations(model) if word(op).startswith("conv3")]
    assert inner == [16, 16, 16, 32, 32, 64, 64]  # stem, and two units in each stage


@shapes_alone
def test_equal_graphs_under_different_names_are_known():
    # KerasHub and timm are one graph, on ImageNet too; keras-resnet and the CIFAR-10 example differ in having an ImageNet
    # stem, and on CIFAR are one graph. Every other pair differs.
    graphs = {layout: signature(v2(layout)) for layout in LAYOUTS}
    equal = {pair for pair in itertools.combinations(LAYOUTS, 2) if graphs[pair[0]] == graphs[pair[1]]}
    assert equal == {("kerashub", "timm"), ("keras_resnet", "keras_cifar10")}


@shapes_alone
def test_on_basic_units_the_first_activation_tells_layouts_apart():
    first = {
        layout: next(residual_units(v2(layout, block="basic")))
        for layout in ("he2016", "kerashub", "timm", "keras_resnet")
    }
    assert first["he2016"] == first["keras_resnet"] == ("conv3 norm act", "", "conv3 norm act conv3")
    assert first["kerashub"] == first["timm"] == ("conv3", "", "norm act conv3 norm act conv3")


@pytest.mark.parametrize("layout", ["he2016", "kerashub", "timm", "keras_resnet"])
@shapes_alone
def test_moving_statistics_are_configured_as_in_the_source(layout):
    norms = [op for op in operations(v2(layout)) if word(op) == "norm"]
    expected = (0.99, 1e-3) if layout == "keras_resnet" else (0.9, 1e-5)
    assert {(op.momentum, op.epsilon) for op in norms} == {expected}


@shapes_alone
def test_stateful_activation_layer_is_cloned_for_each_site():
    given = keras.layers.PReLU(shared_axes=[1, 2], name="given")
    model = zoo.build("resnet8", activation=given, **SMALL)
    sites = [op for op in operations(model) if isinstance(op, keras.layers.PReLU)]
    assert len(sites) == 7
    assert given not in sites
    assert len({id(site.alpha) for site in sites}) == 7
    assert {tuple(site.shared_axes) for site in sites} == {(1, 2)}
    assert not given.built


def test_initial_kernels_differ_between_layers_and_follow_the_paper():
    model = zoo.build("resnet20", width=64, input_shape=(32, 32, 3))
    kernels = [op.kernel for op in operations(model) if word(op) == "conv3"]
    assert len({float(np.asarray(k).ravel()[0]) for k in kernels}) == len(kernels)
    # He et al.: N(0, sqrt(2 / (k k out))), that is VarianceScaling(2, fan_out), untruncated.
    for kernel in kernels[1:]:
        np.testing.assert_allclose(np.std(kernel), np.sqrt(2 / (9 * kernel.shape[-1])), rtol=0.02)
    spec = specify("resnet20", kernel_initializer="zeros", **SMALL)
    assert all(not np.any(op.kernel) for op in operations(zoo.assemble(spec)) if word(op) == "conv3")


@pytest.mark.parametrize(
    "seeded",
    [
        lambda: keras.initializers.HeNormal(seed=1),
        lambda: keras.initializers.Orthogonal(seed=7),
        lambda: keras.initializers.HeNormal(seed=keras.random.SeedGenerator(3)),
    ],
)
def test_a_seed_starts_no_two_layers_alike_and_the_net_again_as_it_was(seeded):
    """One option for a whole net: with the same seed for each layer, all of one shape would start as one."""
    given = seeded()
    nets = [zoo.build("resnet8", kernel_initializer=given, **SMALL) for _ in range(2)]
    kernels = [keras.ops.convert_to_numpy(nets[0].get_layer(f"stage1_unit1_conv{k}").kernel) for k in (1, 2)]
    assert not np.array_equal(*kernels)
    for ours, again in zip(nets[0].weights, nets[1].weights, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (ours, again)))
    image = keras.Input((8, 8, 4))
    unit = keras.Model(image, zoo.residual_unit(4, kernel_initializer=given, name="u")(image))
    first, second = (keras.ops.convert_to_numpy(unit.get_layer(f"u_conv{k}").kernel) for k in (1, 2))
    assert not np.array_equal(first, second)
