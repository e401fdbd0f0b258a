"""Names are API: what each layer of each kind of net is called, written out."""

import keras
import pytest

import zoo
from zoo.naming import KerasResNetNames, VGGNames, ZooNames, activation_of

shapes_alone = pytest.mark.usefixtures("shapes_alone")

SMALL = dict(input_shape=(8, 8, 3), width=4)


def names(*args, **options):
    return [layer.name for layer in zoo.build(*args, **SMALL | options).layers]


@shapes_alone
def test_names_of_a_basic_unit():
    expected = """
        image stem_conv stem_conv_norm stem_conv_act
        stage1_unit1_conv1 stage1_unit1_conv1_norm stage1_unit1_conv1_act
        stage1_unit1_conv2 stage1_unit1_conv2_norm stage1_unit1_add stage1_unit1_add_act
        stage2_unit1_conv1_pad stage2_unit1_conv1 stage2_unit1_conv1_norm stage2_unit1_conv1_act
        stage2_unit1_shortcut_subsample stage2_unit1_conv2
        stage2_unit1_shortcut_pad stage2_unit1_conv2_norm stage2_unit1_add stage2_unit1_add_act
        stage3_unit1_conv1_pad stage3_unit1_conv1 stage3_unit1_conv1_norm stage3_unit1_conv1_act
        stage3_unit1_shortcut_subsample stage3_unit1_conv2
        stage3_unit1_shortcut_pad stage3_unit1_conv2_norm stage3_unit1_add stage3_unit1_add_act
        head_pool predictions predictions_act
    """
    assert sorted(op.name for op in zoo.build("resnet8", **SMALL).operations) == sorted(expected.split())


@shapes_alone
def test_names_stay_whatever_the_ordering():
    def weighted(ordering):
        model = zoo.build("resnet14", ordering=ordering, **SMALL)
        return {layer.name for layer in model.layers if isinstance(layer, keras.layers.Conv2D)}

    original = weighted("original")
    for ordering in (
        "bn_after_addition",
        "relu_before_addition",
        "full_pre_activation",
        "relu_only_pre_activation",
    ):
        assert weighted(ordering) == original


@shapes_alone
def test_what_follows_an_addition_is_named_after_it():
    assert {"stage1_unit1_add", "stage1_unit1_add_norm", "stage1_unit1_add_act"} <= set(
        names("resnet8", ordering="bn_after_addition")
    )


@shapes_alone
def test_head_of_a_pre_activation_net():
    assert names("resnet8v2")[-5:] == ["head_norm", "head_act", "head_pool", "predictions", "predictions_act"]


@pytest.mark.parametrize(
    ("shortcut", "expected"),
    [
        ("projection", {"conv", "norm"}),
        ("conv1x1", {"conv", "norm"}),
        ("constant_scaling", {"subsample", "pad", "scale"}),
        ("exclusive_gating", {"subsample", "pad", "gate", "carry", "gated"}),
        ("shortcut_only_gating", {"subsample", "pad", "gate", "carry", "gated"}),
        ("dropout", {"subsample", "pad", "dropout"}),
    ],
)
@shapes_alone
def test_names_on_the_shortcut(shortcut, expected):
    ops = zoo.build("resnet8", shortcut=shortcut, **SMALL).operations
    prefix = "stage2_unit1_shortcut_"
    assert {op.name.removeprefix(prefix) for op in ops if op.name.startswith(prefix)} == expected


@shapes_alone
def test_a_built_in_activation_split_out_of_a_layer_gets_the_name_the_zoo_gives():
    builtin = [
        n for n in names("convnet2", form="builtin") if n not in ("image", "stage1_pool", "head_flatten")
    ]
    separate = names("convnet2")
    assert builtin == ["stage1_conv1", "stage1_conv2", "predictions"]
    assert {activation_of(name) for name in builtin} == {n for n in separate if n.endswith("_act")}


@shapes_alone
def test_plain_nets_are_named_like_residual_ones_without_units():
    assert {"stem_conv", "stem_conv_norm", "stem_conv_act", "stage3_conv2", "stage3_conv2_norm"} <= set(
        names("plain8")
    )
    assert names("mlp")[1:] == ["head_flatten", "dense1", "dense1_act", "dense2", "dense2_act", "predictions",
                                "predictions_act"]  # fmt: skip


@pytest.mark.parametrize(
    ("theirs", "pre_activation", "call"),
    [
        ("conv2_block1_1_conv", True, lambda n: n.branch(n.unit(1, 1), 1)),
        ("conv2_block1_preact_bn", True, lambda n: n.norm("conv2_block1_1_conv")),
        ("conv2_block1_preact_relu", True, lambda n: n.act("conv2_block1_1_conv")),
        ("conv2_block1_1_bn", True, lambda n: n.norm("conv2_block1_2_conv")),
        ("conv2_block1_2_relu", True, lambda n: n.act("conv2_block1_3_conv")),
        ("conv2_block1_2_pad", True, lambda n: n.pad("conv2_block1_2_conv")),
        ("conv2_block1_out", True, lambda n: n.add("conv2_block1")),
        ("conv2_block1_0_conv", True, lambda n: n.shortcut("conv2_block1", "conv")),
        ("conv1_bn", False, lambda n: n.norm("conv1_conv")),
        ("conv1_relu", False, lambda n: n.act("conv1_conv")),
        ("conv1_pad", False, lambda n: n.pad("conv1_conv")),
        ("pool1_pad", False, lambda n: n.pad("pool1_pool")),
        ("conv2_block1_1_bn", False, lambda n: n.norm("conv2_block1_1_conv")),
        ("conv2_block1_add", False, lambda n: n.add("conv2_block1")),
        ("conv2_block1_out", False, lambda n: n.act("conv2_block1_add")),
        ("conv2_block1_0_bn", False, lambda n: n.shortcut("conv2_block1", "norm")),
        ("post_bn", True, lambda n: n.norm("post")),
    ],
)
def test_names_of_keras_applications(theirs, pre_activation, call):
    assert call(KerasResNetNames(pre_activation)) == theirs


def test_names_have_no_slash():
    for rule in (ZooNames(), VGGNames(), KerasResNetNames(True), KerasResNetNames(False)):
        unit = rule.unit(1, 1)
        made = [
            rule.conv(1, 1),
            rule.branch(unit, 1),
            rule.add(unit),
            rule.norm(rule.stem),
            rule.act(rule.stem),
        ]
        assert not any("/" in name for name in made)
