"""The families beyond plain and residual nets: sizes of the papers, options, refusals, and where their activations are."""

import dataclasses

import keras
import numpy as np
import pytest

import zoo
from zoo.catalog import specify
from zoo.models import smallest_input

shapes_alone = pytest.mark.usefixtures("shapes_alone")


def trainable(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


# Trainable weights for 3 channels and 10 classes; those of the papers' tables where they have one, in millions.
COUNTS = [
    ("mobilenetv2", {}, 2_236_682),
    ("xception", {}, 20_827_442),
    ("densenet40", {}, 1_019_722),  # 1.0
    ("densenet100", {}, 769_162),  # 0.8, DenseNet-BC
    ("densenet100", {"block": "basic"}, 6_979_642),  # 7.0
    ("wrn16_4", {}, 2_748_890),
    ("wrn28_10", {}, 36_479_194),  # 36.5
    *[("wrn40_2", {"convolutions": n}, 2_243_546) for n in (1, 2, 3, 4)],  # 2.2, of every kind of unit
    ("repvgg", {"layout": "imagenet", "classes": 1000}, 9_108_968),  # A0: 9.11 to train
    ("repvgg", {"layout": "imagenet", "classes": 1000, "merged": True}, 8_309_384),  # 8.31 to use
]  # fmt: skip


@pytest.mark.parametrize(("name", "options", "count"), COUNTS, ids=str)
@shapes_alone
def test_weights_as_in_the_papers(name, options, count):
    assert trainable(zoo.build(name, **options)) == count


@pytest.mark.parametrize(
    ("name", "depth"),
    [
        ("mobilenetv2_0.35", 53),
        ("xception", 37),
        ("densenet40", 40),
        ("densenet100", 100),
        ("densenet121", 121),
        ("densenet169", 169),
        ("densenet201", 201),
        ("wrn28_10", 28),
        ("wrn16_4", 16),
        ("convnexttiny", 59),
        ("repvgg", 23),
    ],
)
def test_depth_is_that_of_the_name(name, depth):
    assert specify(name).depth == depth


# ------------------------------------------------- where the activations are


def sites(model):
    """Names of the separate activations, the classifier's aside."""
    return [layer.name for layer in model.layers if isinstance(layer, keras.layers.Activation)][:-1]


def unit(model, name):
    return [site.removeprefix(f"{name}_") for site in sites(model) if site.startswith(f"{name}_")]


SMALL = dict(input_shape=(8, 8, 3), width=4)


@pytest.mark.parametrize(
    ("name", "options", "where", "expected"),
    [
        ("mobilenetv2", {}, "stage2_unit2", ["expand_act", "depthwise_act"]),
        ("mobilenetv2", {"narrow_activation": "relu"}, "stage2_unit2", ["expand_act", "depthwise_act", "project_act"]),
        ("mobilenetv2", {"depthwise_activation": None}, "stage2_unit2", ["expand_act"]),
        ("xception", {}, "block6", ["sepconv1_act", "sepconv2_act", "sepconv3_act"]),
        ("xception", {"between_activation": "elu"}, "block6",
         ["sepconv1_act", "sepconv1_depthwise_act", "sepconv2_act", "sepconv2_depthwise_act", "sepconv3_act",
          "sepconv3_depthwise_act"]),
        ("densenet40", {}, "stage2_unit2", ["conv1_act"]),
        ("densenet100", {}, "stage2_unit2", ["conv1_act", "conv2_act"]),
        ("densenet40", {}, "head", ["act"]),
        ("densenet40", {"ordering": "conv_norm_act"}, "head", []),
        ("convnexttiny", {"layout": "cifar"}, "stage1_unit2", ["expand_act"]),
        ("convnexttiny", {"layout": "cifar", "activations_per_block": 2}, "stage1_unit2", ["depthwise_act", "expand_act"]),
        ("convnexttiny", {"layout": "cifar", "activations_per_block": 3}, "stage1_unit2",
         ["depthwise_act", "expand_act", "add_act"]),
        ("wrn16_4", {}, "stage2_unit2", ["conv1_act", "conv2_act"]),
        ("repvgg", {}, "stage2_unit2", ["act"]),
        ("repvgg", {"merged": True}, "stage2_unit2", ["act"]),
    ],
    ids=str,
)  # fmt: skip
@shapes_alone
def test_sites_of_a_unit(name, options, where, expected):
    assert unit(zoo.build(name, **SMALL, **options), where) == expected


@shapes_alone
def test_an_option_of_its_own_names_the_function_of_a_site():
    model = zoo.build("mobilenetv2", narrow_activation="tanh", depthwise_activation="elu", **SMALL)
    named = {
        part: keras.activations.serialize(model.get_layer(f"stage2_unit2_{part}_act").activation)
        for part in ("expand", "depthwise", "project")
    }
    assert named == {"expand": "relu6", "depthwise": "elu", "project": "tanh"}
    prelu = keras.layers.PReLU(shared_axes=[1, 2])
    model = zoo.build("xception", between_activation=prelu, **SMALL)
    found = [layer for layer in model.layers if isinstance(layer, keras.layers.PReLU)]
    assert len(found) == len(set(map(id, found))) == 34
    assert prelu not in found


@shapes_alone
def test_dropout_stands_between_the_convolutions_and_never_on_the_shortcut():
    model = zoo.build("wrn16_4", dropout_rate=0.3, **SMALL)
    dropouts = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert len(dropouts) == 6
    for layer in dropouts:
        (before,), (after,) = layer._inbound_nodes, layer._outbound_nodes
        assert isinstance(before.input_tensors[0]._keras_history.operation, keras.layers.Activation)
        assert isinstance(after.operation, keras.layers.Conv2D)
    assert not [x for x in zoo.build("wrn16_4", **SMALL).layers if isinstance(x, keras.layers.Dropout)]


# ------------------------------------------------------------------- refusals

REFUSED = [
    ("resnet20", {"narrow_activation": "relu"},
     "narrow_activation='relu' is an option of mobilenetv2, and resnet20 is of family 'resnet'."),
    ("xception", {"alpha": 0.5}, "alpha=0.5 is an option of mobilenetv2, and xception is of family 'xception'."),
    ("vgg11", {"merged": False}, "merged=False is an option of repvgg, and vgg11 is of family 'vgg'."),
    ("densenet40", {"between_activation": "relu"}, "between_activation='relu' is an option of xception, "),
    ("mobilenetv2", {"dropout_rate": 0.1}, "dropout_rate=0.1 is an option of wrn, and mobilenetv2 is of family"),
    ("wrn16_4", {"block": "bottleneck"}, "block='bottleneck' is an option of densenet, and wrn16_4 is of family 'wrn'."),
    ("convnexttiny", {"activations_per_block": 0}, "activations_per_block must be at least 1, received 0."),
    ("convnexttiny", {"activations_per_block": 4}, "activations_per_block must be at most 3, received 4: "),
    ("convnexttiny", {"norms_per_block": True}, "norms_per_block must be an integer, received True"),
    ("mobilenetv2", {"alpha": 0.0}, "alpha must be positive, received 0.0."),
    ("mobilenetv2", {"alpha": "wide"}, "alpha must be a number, received 'wide'"),
    ("mobilenetv2_0.5", {"alpha": 0.75}, "alpha=0.75 contradicts the name 'mobilenetv2_0.5'; use the name 'mobilenetv2' "),
    ("wrn16_4", {"dropout_rate": 1.0}, "dropout_rate must be in [0, 1), received 1.0."),
    ("wrn40_2", {"convolutions": 1, "dropout_rate": 0.3}, "dropout_rate=0.3 stands between the convolutions of a unit, and "
     "wrn40_2 has convolutions=1; "),
    ("wrn22_8", {"convolutions": 1, "dropout_rate": 0.1}, "dropout_rate=0.1 stands between the convolutions"),
    ("wrn16_4", {"convolutions": 3}, "model 'wrn16_4': depth 16 fits no wrn with 3 convolutions a unit, whose depths are "
     "9n+4. The nearest are 'wrn13_4', 'wrn22_4', 'wrn31_4'."),
    ("wrn16_4", {"convolutions": 0}, "model 'wrn16_4' has convolutions=0; expected a whole number of at least 1."),
    ("wrn15_4", {}, "model 'wrn15_4': depth 15 fits no wrn with 2 convolutions a unit, whose depths are 6n+4. The nearest "
     "are 'wrn10_4', 'wrn16_4', 'wrn22_4'."),
    ("wrn16_0", {}, "model 'wrn16_0' has a factor of 0; expected"),
    ("wrn4_1", {}, "model 'wrn4_1': depth 4 fits no wrn"),
    ("densenet41", {}, "model 'densenet41': depth 41 fits no densenet, whose depths are 3n+4 (basic units) or 6n+4 (bottleneck "
     "units). The nearest are 'densenet37', 'densenet40', 'densenet43'."),
    ("densenet43", {"block": "bottleneck"}, "model 'densenet43': depth 43 fits no densenet, whose depths are 6n+4"),
    ("densenet121", {"block": "basic"}, "block='basic': densenet121 is the ImageNet net with bottleneck units"),
    ("mobilenetv2_0", {}, "alpha must be positive, received 0.0."),
    ("repvgg", {"merged": 1}, "merged must be True or False, received 1."),
    ("repvgg", {"ordering": "conv_norm_act"}, "ordering='conv_norm_act' is none of those that repvgg, of family 'repvgg', "
     "has: 'original'."),
    ("xception", {"ordering": "norm_act_conv"}, "ordering='norm_act_conv' is none of those that xception"),
    ("densenet40", {"layout": "keras"}, "layout='keras' is the graph of keras.applications, which has no densenet40; "),
    ("wrn16_4", {"layout": "keras"}, "layout='keras' is none of those that wrn16_4, of family 'wrn', has: 'cifar'."),
    ("resnet20", {"layout": "cifar"}, "layout='cifar' is not known"),
    ("convnexttiny", {"form": "builtin"}, "form='builtin' is none of those that convnexttiny"),
    ("mobilenetv2", {"shortcut": "projection"}, "shortcut='projection' is none of those that mobilenetv2"),
    ("mobilenetv2", {"normalization": "layer"}, "normalization='layer' is none of those that mobilenetv2"),
    ("densenet40", {"rolled": True}, "rolled=True is none of those that densenet40"),
    ("densenet40", {"input_shape": (3, 3, 3)}, "input_shape=(3, 3, 3) is too small for the strides of densenet40"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options", "text"), REFUSED, ids=str)
def test_what_a_family_does_not_have_is_refused(name, options, text):
    with pytest.raises((ValueError, TypeError)) as error:
        zoo.build(name, **options)
    assert str(error.value).startswith(text)


@pytest.mark.parametrize("argument", ["narrow_activation", "depthwise_activation"])
def test_an_activation_that_is_none_is_named_by_its_own_argument(argument):
    with pytest.raises(ValueError, match=f"^{argument}='rleu' is not what keras.activations.get takes"):
        zoo.build("mobilenetv2", **{argument: "rleu"}, **SMALL)


def test_names_by_their_numbers():
    assert specify("mobilenetv2_0.9").alpha == 0.9
    assert specify("mobilenetv2", alpha=2).alpha == 2
    assert (specify("wrn22_8").stages, specify("wrn22_8").width) == ((3, 3, 3), 128)
    assert specify("densenet190").block == "bottleneck"
    assert (specify("densenet40").block, specify("densenet40", block="bottleneck").stages) == (
        "basic",
        (6, 6, 6),
    )
    assert specify("wrn40_2", convolutions=3).stages == (4, 4, 4)


@pytest.mark.parametrize("rate", [None, 0.0])
def test_units_of_one_convolution_have_no_dropout_to_ask_for(rate):
    assert specify("wrn40_2", convolutions=1, dropout_rate=rate).dropout_rate == 0.0


# name, options, stages -> input pixels between two pixels of the last map
STRIDES = [
    *[
        ("mobilenetv2", {"layout": layout}, (1,) * 7, stride)
        for layout, stride in (("cifar", 8), ("keras", 32))
    ],
    *[
        ("xception", {"layout": layout}, (1, 1, 1, 2, 1), stride)
        for layout, stride in (("cifar", 8), ("keras", 32))
    ],
    *[("densenet40", {}, (1,) * n, 2 ** (n - 1)) for n in (1, 3, 5)],
    ("densenet121", {"layout": "keras"}, (1,) * 4, 32),
    *[("convnexttiny", {"layout": "cifar"}, (1,) * n, 2 ** (n - 1)) for n in (1, 4, 5)],
    *[("convnexttiny", {"layout": "keras"}, (1,) * n, 2 ** (n + 1)) for n in (1, 4, 5)],
    *[("wrn16_4", {}, (1,) * n, 2 ** (n - 1)) for n in (1, 3, 5)],
    *[("repvgg", {"layout": "cifar"}, (1,) * n, 2 ** (n - 1)) for n in (1, 4)],
    *[("repvgg", {"layout": "imagenet"}, (1,) * n, 2 ** (n + 1)) for n in (1, 4)],
]


@pytest.mark.parametrize(("name", "options", "stages", "stride"), STRIDES, ids=str)
@shapes_alone
def test_stride_is_that_of_the_graph(name, options, stages, stride):
    size = 4 * stride
    spec = specify(name, width=8, input_shape=(size, size, 3), include_top=False, **options)
    spec = dataclasses.replace(spec, name=name if "convnext" in name else "mine", stages=stages)
    assert spec.total_stride == smallest_input(spec) == stride
    assert zoo.assemble(spec).output_shape[1:3] == (4, 4)


# Halved by each stride of 2 on the way; a DenseNet for small images halves once between two stages.
SMALLEST = {
    **{("mobilenetv2", "cifar"): 8, ("xception", "cifar"): 8, ("convnext", "cifar"): 8},
    **{("repvgg", "cifar"): 8, ("wrn", "cifar"): 4},
    **{(family, "keras"): 32 for family in ("mobilenetv2", "xception", "densenet", "convnext")},
}


def test_the_smallest_image_of_each():
    asked = set()
    for name in zoo.list_models():
        for layout in ("cifar", "keras"):
            family = specify(name).family
            if (family, layout) in SMALLEST or (family, layout) == ("densenet", "cifar"):
                try:
                    spec = specify(name, layout=layout)
                except ValueError:  # not every net is one of Keras
                    assert layout == "keras"
                    continue
                asked.add((family, layout))
                expected = SMALLEST.get((family, layout), 2 ** (len(spec.stages) - 1))
                assert smallest_input(spec) == expected, (name, layout)
    assert asked == {*SMALLEST, ("densenet", "cifar")}
