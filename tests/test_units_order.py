"""Units in nets of one's own: the order of operations, read from the graph."""

import keras
import pytest
from keras import layers
from read_graph import additions, back, chain, formula, inputs, operations, word
from unit_nets import IMAGE, net

import zoo
from zoo.placement import PLAIN, RESIDUAL

shapes_alone = pytest.mark.usefixtures("shapes_alone")

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
@shapes_alone
def test_operations_of_a_unit_stand_in_the_order_of_its_row(ordering):
    one, two = CHAINS[ordering]
    assert chain(net(zoo.conv_unit(4, ordering=ordering))) == one
    units = [zoo.conv_unit(4, ordering=ordering) for _ in range(2)]
    assert chain(net(*units, zoo.unit_end(ordering))) == two


@pytest.mark.parametrize("ordering", CHAINS)
@shapes_alone
def test_a_factory_of_norms_is_called_where_the_row_has_one(ordering):
    """And nowhere else, so that one line serves all orderings."""
    made = []

    def norm(name):
        made.append(name)
        return layers.LayerNormalization(name=name)

    unit = zoo.conv_unit(4, ordering=ordering, norm=norm, name="unit")
    model = net(unit, zoo.unit_end(ordering, norm=norm, name="end"))
    assert len(made) == CHAINS[ordering][1].count("norm") - CHAINS[ordering][0].count("norm")
    assert len([x for x in model.layers if isinstance(x, layers.LayerNormalization)]) == len(made)


def test_every_plain_ordering_is_among_them():
    assert set(PLAIN) <= set(CHAINS)


@pytest.mark.parametrize("ordering", CHAINS)
@shapes_alone
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
@shapes_alone
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
@shapes_alone
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
@shapes_alone
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
@shapes_alone
def test_what_the_shortcut_is_where_shapes_differ(shortcut, filters, strides, expected):
    unit = zoo.residual_unit(filters, ordering="bn_after_addition", shortcut=shortcut, strides=strides)
    model = net(unit, shape=(8, 8, 4))
    path = back(inputs(additions(model)[0])[0])
    assert " ".join(map(word, reversed(path[:-1]))) == expected
    assert model.output_shape == (None, 8 // strides, 8 // strides, filters)
