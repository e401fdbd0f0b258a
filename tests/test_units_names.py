"""What the layers of a unit are called."""

import numpy as np
from unit_nets import net

import zoo


def names(model):
    return [layer.name for layer in model.layers[1:]]


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
