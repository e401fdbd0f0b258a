"""`activation=` for single stages: which site gets which function, in every family, and what is refused."""

import keras
import numpy as np
import pytest

import zoo
from zoo.catalog import specify

shapes_alone = pytest.mark.usefixtures("shapes_alone")


@keras.saving.register_keras_serializable(package="tests")
def doubled(x):
    return 2 * x


SMALL = dict(width=4, input_shape=(32, 32, 3))


def functions(model):
    """Name of each separate activation -> name of its function, without the classifier's."""
    found = [layer for layer in model.layers if isinstance(layer, keras.layers.Activation)]
    return {layer.name: layer.activation.__name__ for layer in found[:-1]}


def by_prefix(model, *prefixes):
    """The functions of the sites whose names start with each prefix, as sets; those of no prefix come last."""
    groups = {prefix: set() for prefix in (*prefixes, "")}
    for name, function in functions(model).items():
        groups[next(p for p in (*prefixes, "") if name.startswith(p))].add(function)
    return list(groups.values())


# (net, options, activation, prefixes of names, functions under each and under none of them)
PLACES = [
    ("resnet20", {}, ("relu", "elu", "tanh"), ("stem", "stage1", "stage2", "stage3"), "relu relu elu tanh -"),
    ("resnet20v2", {}, ("relu", "elu", "tanh"), ("stem", "stage1", "stage2", "stage3", "head"), "relu relu elu tanh tanh -"),
    ("resnet20", {}, {"stage2": "elu", "rest": "relu"}, ("stem", "stage1", "stage2", "stage3"), "relu relu elu relu -"),
    ("resnet20v2", {}, {"head": "elu", "rest": "gelu"}, ("head", "stem"), "elu gelu gelu"),
    ("resnet20", {}, {"stem": None, "rest": "relu"}, ("stem",), "linear relu"),
    ("plain20", {}, ["elu", "relu", "relu"], ("stem", "stage1", "stage2", "stage3"), "elu elu relu relu -"),
    ("plain20", {"ordering": "norm_act_conv"}, {"head": "elu", "rest": "relu"}, ("head", "stage"), "elu relu -"),
    ("convnet", {}, ("elu", "relu"), ("stage1", "stage2"), "elu relu -"),
    ("convnet5", {}, ("elu", "relu", "tanh"), ("stage1", "stage2", "stage3"), "elu relu tanh -"),
    ("vgg11", {}, ("relu",) * 4 + ("elu",), ("block5", "fc"), "elu elu relu"),
    ("vgg11", {}, {"head": "elu", "rest": "relu"}, ("fc",), "elu relu"),
    ("mlp", {}, ("elu", "relu"), ("dense1", "dense2"), "elu relu -"),
    ("mobilenetv2", {"narrow_activation": "tanh"}, {"stage3": "elu", "rest": "relu"}, ("stage3",), "elu,tanh relu,tanh"),
    ("mobilenetv2", {}, {"stage7": "elu", "head": "gelu", "rest": "relu"}, ("stage7", "last"), "elu gelu relu"),
    ("xception", {}, {"stem": "elu", "stage2": "gelu", "head": "tanh", "rest": "relu"}, ("block1_", "block3", "block14"),
     "elu gelu tanh relu"),
    ("densenet40", {}, ("relu", "elu", "tanh"), ("stage1", "stage2", "stage3", "head"), "relu elu tanh tanh -"),
    ("densenet40", {"ordering": "conv_norm_act"}, {"stem": "elu", "rest": "relu"}, ("stem", "stage"), "elu relu -"),
    ("convnexttiny", {"layout": "cifar"}, ("relu", "elu", "tanh", "gelu"), ("stage1", "stage2", "stage3", "stage4"),
     "relu elu tanh gelu -"),
    ("wrn16_4", {}, ("relu", "elu", "tanh"), ("stage1", "stage2", "stage3", "head"), "relu elu tanh tanh -"),
    ("repvgg", {}, {"stem": "tanh", "stage4": "elu", "rest": "relu"}, ("stem", "stage4"), "tanh elu relu"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options", "activation", "prefixes", "expected"), PLACES)
@shapes_alone
def test_every_site_has_the_function_of_its_stage(name, options, activation, prefixes, expected):
    model = zoo.build(name, activation=activation, **SMALL, **options)
    expected = [set() if part == "-" else set(part.split(",")) for part in expected.split()]
    assert by_prefix(model, *prefixes) == expected


def test_one_function_for_every_stage_is_the_net_with_that_function():
    x = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")
    for name in ("resnet20v2", "mobilenetv2", "vgg11"):
        spec = specify(name, **SMALL)
        one = zoo.build(name, activation="elu", **SMALL)
        many = zoo.build(name, activation=("elu",) * spec.stage_count, **SMALL)
        many.set_weights(one.get_weights())
        np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(net(x)) for net in (one, many)))


@shapes_alone
def test_layers_and_built_in_activations_of_single_stages():
    prelu = keras.layers.PReLU(shared_axes=[1, 2])
    model = zoo.build("resnet20", activation={"stage3": prelu, "rest": "relu"}, **SMALL)
    found = [layer.name for layer in model.layers if isinstance(layer, keras.layers.PReLU)]
    assert len(found) == 6 and all(name.startswith("stage3_") for name in found)
    model = zoo.build("convnet", form="builtin", activation=("elu", "tanh"), **SMALL)
    convs = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [c.activation.__name__ for c in convs] == ["elu", "elu", "tanh", "tanh"]


def test_rolled_stages_have_functions_of_their_own():
    options = dict(activation=("relu", "elu", "tanh"), **SMALL)
    separate, rolled = zoo.build("resnet26", **options), zoo.build("resnet26", rolled=True, **options)
    assert functions(zoo.transforms.unroll(rolled)) == functions(separate)


@shapes_alone
def test_a_mapping_with_a_class_name_is_one_activation_as_keras_writes_it():
    written = keras.saving.serialize_keras_object(doubled)
    assert "class_name" in written
    assert set(functions(zoo.build("mlp", activation=written)).values()) == {"doubled"}


def test_the_spec_keeps_a_mapping_of_its_own():
    given = {"stage1": "elu", "rest": "relu"}
    spec = specify("resnet20", activation=given)
    given["stage1"] = "tanh"
    assert spec.activation == {"stage1": "elu", "rest": "relu"}


REFUSED = [
    ("resnet20", ("relu", "elu"), "activation has 2 entries, and resnet20 has 3 stages; give one for each, or a mapping."),
    ("convnet", ("relu",) * 4, "activation has 4 entries, and convnet has 2 stages"),
    ("mobilenetv2", [], "activation has 0 entries, and mobilenetv2 has 7 stages"),
    ("resnet20", {"stage4": "relu", "rest": "elu"}, "activation: 'stage4' is no place of resnet20; expected 'stem', 'stage1', "
     "'stage2', 'stage3', 'head', 'rest'."),
    ("resnet20", {1: "relu", "rest": "elu"}, "activation: 1 is no place of resnet20; expected 'stem'"),
    ("densenet40", {"stage_1": "relu", "rest": "elu"}, "activation: 'stage_1' is no place of densenet40"),
    ("resnet20", {"stage1": "relu"}, "activation={'stage1': 'relu'} says nothing of 'stem', where resnet20 has an activation; "),
    ("wrn16_4", {"stage1": "relu", "stage2": "relu", "stage3": "elu"}, "activation={'stage1': 'relu', 'stage2': 'relu', 'stage3': "
     "'elu'} says nothing of 'head', where wrn16_4"),
    ("resnet20", {"head": "elu", "rest": "relu"}, "activation['head']='elu' is nowhere in resnet20 with ordering='original'"),
    ("wrn16_4", {"stem": "elu", "rest": "relu"}, "activation['stem']='elu' is nowhere in wrn16_4"),
    ("mlp", {"stage1": "elu", "stage2": "relu", "rest": "relu"}, "activation['rest']='relu' is nowhere in mlp"),
    ("resnet20", {}, "activation={} names no activation; pass None for none at all."),
    ("resnet20", ("relu", "rleu", "elu"), "activation[1]='rleu' is not what keras.activations.get takes"),
    ("resnet20", {"stage1": "rleu", "rest": "relu"}, "activation['stage1']='rleu' is not what keras.activations.get takes"),
    ("resnet20", ("relu", "elu", keras.layers.ReLU), "activation[2] must be a name, a function or a layer, received the class ReLU"),
    ("resnet20", ("relu", lambda x: x[..., :1], "elu"), "activation[1]=<function <lambda> at"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "activation", "text"), REFUSED)
def test_what_is_refused(name, activation, text):
    with pytest.raises((ValueError, TypeError)) as error:
        zoo.build(name, activation=activation, **SMALL)
    assert str(error.value).startswith(text)


def test_activations_that_none_of_the_sites_would_have_are_refused_with_activated_last():
    with pytest.raises(ValueError, match=r"^activation\[0\]='elu' is nowhere in convnet"):
        zoo.build("convnet", activated="last", activation=("elu", "relu"), **SMALL)
