"""The zoo's own nets, made of units; and a unit as data, beside the net that holds it."""

import dataclasses
import inspect

import keras
import pytest
from keras import layers
from unit_nets import IMAGE

import zoo
from zoo.placement import PLAIN, RESIDUAL
from zoo.spec import SHORTCUTS, UnitSpec

shapes_alone = pytest.mark.usefixtures("shapes_alone")


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
@shapes_alone
def test_residual_nets_of_units_are_those_of_the_zoo(ordering, block):
    for shortcut in SHORTCUTS:
        options = dict(ordering=ordering, block=block, shortcut=shortcut, input_shape=IMAGE, width=4)
        theirs = zoo.build({"basic": "resnet8", "bottleneck": "resnet11"}[block], **options)
        assert configured(resnet(ordering, block, shortcut)) == configured(theirs), shortcut


@pytest.mark.parametrize("ordering", PLAIN)
@shapes_alone
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
