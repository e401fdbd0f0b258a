"""Every refusal of a spec, on its text: what was expected, what was received, what to do."""

import dataclasses
import math
import subprocess
import sys

import pytest

from zoo.catalog import specify
from zoo.spec import OPTIONS, ModelSpec

# (net, options, kind of error, the whole text)
REFUSALS = [
    # values that are none of a few
    (
        "resnet20",
        dict(pooling="foo"),
        ValueError,
        "pooling='foo' is not known; expected one of None, 'avg', 'max'.",
    ),
    ("resnet20", dict(pooling=0), ValueError, "pooling=0 is not known; expected one of None, 'avg', 'max'."),
    (
        "resnet20",
        dict(form="seperate"),
        ValueError,
        "form='seperate' is not known; expected one of 'separate', 'builtin'.",
    ),
    (
        "resnet20",
        dict(shortcut="identity"),
        ValueError,
        "shortcut='identity' is not known; expected one of 'identity_pad', 'projection', 'constant_scaling', "
        "'exclusive_gating', 'shortcut_only_gating', 'conv1x1', 'dropout'.",
    ),
    (
        "resnet20",
        dict(layout="torch"),
        ValueError,
        "layout='torch' is not known; expected one of 'he2016', 'keras', 'kerashub', 'timm', 'torchvision', "
        "'keras_resnet', 'keras_cifar10'.",
    ),
    (
        "plain20",
        dict(layout="torch"),
        ValueError,
        "layout='torch' is not known; expected one of 'he2016', 'keras', 'kerashub', 'timm', 'torchvision', "
        "'keras_resnet', 'keras_cifar10'.",
    ),
    (
        "resnet20",
        dict(block="wide"),
        ValueError,
        "block='wide' is not known; expected one of 'basic', 'bottleneck'.",
    ),
    (
        "mlp",
        dict(activated="first"),
        ValueError,
        "activated='first' is not known; expected one of 'all', 'last'.",
    ),
    (
        "resnet20",
        dict(rolled="yes"),
        ValueError,
        "rolled='yes' is not known; expected one of False, True, 'remat'.",
    ),
    ("resnet20", dict(rolled=1), ValueError, "rolled=1 is not known; expected one of False, True, 'remat'."),
    (
        "convnet",
        dict(padding="full"),
        ValueError,
        "padding='full' is not known; expected one of 'same', 'valid'.",
    ),
    (
        "convnet",
        dict(downsampling="pool"),
        ValueError,
        "downsampling='pool' is not known; expected one of 'max_pool', 'average_pool', 'stride', 'none'.",
    ),
    (
        "vgg16",
        dict(downsampling="stride"),
        ValueError,
        "downsampling='stride' is not known; expected one of 'max_pool', 'average_pool'.",
    ),
    (
        "convnet",
        dict(pooling_order="before"),
        ValueError,
        "pooling_order='before' is not known; expected one of 'act_pool', 'pool_act'.",
    ),
    # orderings of the other kind
    (
        "resnet20",
        dict(ordering="conv_act"),
        ValueError,
        "ordering='conv_act' is not one of the residual orderings that resnet20 has: 'original', 'bn_after_addition', "
        "'relu_before_addition', 'relu_only_pre_activation', 'full_pre_activation'.",
    ),
    (
        "vgg16",
        dict(ordering="original"),
        ValueError,
        "ordering='original' is not one of the plain orderings that vgg16 has: 'conv_act', 'conv_norm_act', "
        "'conv_act_norm', 'norm_act_conv', 'act_conv_norm'.",
    ),
    (
        "resnet20v2",
        dict(ordering="original"),
        ValueError,
        "ordering='original' contradicts the name 'resnet20v2', in which v2 means full_pre_activation; use the name "
        "'resnet20' with this ordering.",
    ),
    # placements that cannot be built in
    (
        "plain20",
        dict(form="builtin"),
        ValueError,
        "form='builtin' cannot put BatchNormalization between convolution and activation (ordering='conv_norm_act'); "
        "use form='separate' or ordering='conv_act_norm'.",
    ),
    (
        "resnet20",
        dict(form="builtin"),
        ValueError,
        "form='builtin' cannot put BatchNormalization between convolution and activation (ordering='original'); "
        "use form='separate'.",
    ),
    (
        "resnet20v2",
        dict(form="builtin"),
        ValueError,
        "form='builtin' cannot put an activation before a convolution (ordering='full_pre_activation'); use "
        "form='separate'.",
    ),
    (
        "convnet",
        dict(form="builtin", ordering="norm_act_conv"),
        ValueError,
        "form='builtin' cannot put an activation before a convolution (ordering='norm_act_conv'); use "
        "form='separate'.",
    ),
    (
        "plain20",
        dict(form="builtin", ordering="act_conv_norm"),
        ValueError,
        "form='builtin' cannot put an activation before a convolution (ordering='act_conv_norm'); use "
        "form='separate'.",
    ),
    (
        "convnet",
        dict(form="builtin", pooling_order="pool_act"),
        ValueError,
        "form='builtin' cannot put pooling between convolution and activation (pooling_order='pool_act'); use "
        "form='separate'.",
    ),
    (
        "resnet20",
        dict(activated="last"),
        ValueError,
        "activated='last' is for plain families; a residual unit has its activations by its ordering.",
    ),
    # sizes
    (
        "resnet20",
        dict(input_shape=32),
        TypeError,
        "input_shape must be a tuple such as (32, 32, 3), received 32.",
    ),
    (
        "resnet20",
        dict(input_shape="32,32,3"),
        TypeError,
        "input_shape must be a tuple such as (32, 32, 3), received '32,32,3'.",
    ),
    (
        "resnet20",
        dict(input_shape=(32, 32)),
        ValueError,
        "input_shape must have three entries such as (32, 32, 3), received (32, 32).",
    ),
    ("mlp", dict(input_shape=()), ValueError, "input_shape must have at least one entry, received ()."),
    (
        "resnet20",
        dict(input_shape=(0, 32, 3)),
        ValueError,
        "every entry of input_shape must be at least 1, received 0.",
    ),
    (
        "resnet20",
        dict(input_shape=(32, 32.0, 3)),
        TypeError,
        "every entry of input_shape must be an integer, received 32.0 of type float.",
    ),
    ("resnet20", dict(classes=0), ValueError, "classes must be at least 1, received 0."),
    ("resnet20", dict(classes=-5), ValueError, "classes must be at least 1, received -5."),
    ("resnet20", dict(classes=2.5), TypeError, "classes must be an integer, received 2.5 of type float."),
    ("resnet20", dict(classes="10"), TypeError, "classes must be an integer, received '10' of type str."),
    ("resnet20", dict(classes=True), TypeError, "classes must be an integer, received True of type bool."),
    ("resnet20", dict(width=0), ValueError, "width must be at least 1, received 0."),
    ("resnet20", dict(width=1.5), TypeError, "width must be an integer, received 1.5 of type float."),
    # the head
    ("resnet20", dict(include_top=1), TypeError, "include_top must be True or False, received 1."),
    (
        "resnet20",
        dict(pooling="avg"),
        ValueError,
        "pooling='avg' only says what follows the last feature map under include_top=False; leave it None or pass "
        "include_top=False.",
    ),
    (
        "mlp",
        dict(pooling="max", include_top=False),
        ValueError,
        "pooling='max' needs a feature map, and mlp has none; leave it None.",
    ),
    *[
        (
            name,
            dict(input_shape=(None, 32, 3)),
            ValueError,
            f"input_shape=(None, 32, 3): {name} flattens its feature map, so height, width and channels must be known; "
            f"give the sizes{instead}.",
        )
        for name, instead in [
            ("mlp", ""),
            ("convnet", " or pass include_top=False"),
            ("vgg11", " or pass include_top=False"),
        ]
    ],
    # what belongs to residual units
    (
        "convnet",
        dict(shortcut="projection"),
        ValueError,
        "shortcut='projection' belongs to residual units, and convnet has none.",
    ),
    (
        "plain20",
        dict(block="basic"),
        ValueError,
        "block='basic' belongs to residual units, and plain20 has none.",
    ),
    (
        "vgg16",
        dict(gate_bias=0.0),
        ValueError,
        "gate_bias=0.0 belongs to residual units, and vgg16 has none.",
    ),
    (
        "plain20",
        dict(rolled=True),
        ValueError,
        "rolled=True rolls identical residual units, and plain20 has none; use a resnet.",
    ),
    ("convnet", dict(layout="keras"), ValueError, "layout='keras' has no convnet; use layout='he2016'."),
    (
        "vgg16",
        dict(layout="timm"),
        ValueError,
        "layout='timm' has no vgg16; use layout='keras' or 'torchvision'.",
    ),
    (
        "vgg16",
        dict(layout="torchvision", ordering="act_conv_norm"),
        ValueError,
        "layout='torchvision' has no vgg16 with ordering='act_conv_norm'; use ordering='conv_act' or 'conv_norm_act', or "
        "another layout.",
    ),
    (
        "plain20",
        dict(layout="torchvision"),
        ValueError,
        "layout='torchvision' has no plain20; use layout='he2016'.",
    ),
    # parameters of another shortcut
    (
        "resnet20",
        dict(gate_bias=-3.0),
        ValueError,
        "gate_bias=-3.0 belongs to shortcut='exclusive_gating' or 'shortcut_only_gating', but "
        "shortcut='identity_pad'.",
    ),
    (
        "resnet20",
        dict(shortcut="dropout", shortcut_scale=0.5),
        ValueError,
        "shortcut_scale=0.5 belongs to shortcut='constant_scaling', but shortcut='dropout'.",
    ),
    (
        "resnet20",
        dict(shortcut="dropout", dropout_rate="half"),
        TypeError,
        "dropout_rate must be a number, received 'half' of type str.",
    ),
    (
        "resnet20",
        dict(shortcut="dropout", dropout_rate=1.0),
        ValueError,
        "dropout_rate must be in [0, 1), received 1.0.",
    ),
    (
        "resnet20",
        dict(shortcut="dropout", dropout_rate=-0.1),
        ValueError,
        "dropout_rate must be in [0, 1), received -0.1.",
    ),
    (
        "resnet20",
        dict(shortcut="constant_scaling", branch_scale=math.nan),
        ValueError,
        "branch_scale must be finite, received nan.",
    ),
    (
        "resnet20",
        dict(shortcut="exclusive_gating", gate_bias=-math.inf),
        ValueError,
        "gate_bias must be finite, received -inf.",
    ),
    (
        "resnet20",
        dict(shortcut="exclusive_gating", gate_bias=True),
        TypeError,
        "gate_bias must be a number, received True of type bool.",
    ),
    # what a layout fixes
    (
        "resnet50",
        dict(shortcut="conv1x1"),
        ValueError,
        "layout='keras' fixes shortcut='projection', received shortcut='conv1x1'; use layout='he2016' to vary the "
        "shortcut.",
    ),
    (
        "resnet20",
        dict(layout="keras", shortcut="projection"),
        ValueError,
        "layout='keras' exists with bottleneck units only, and resnet20 has basic ones; use layout='he2016' or, where "
        "the depth allows, block='bottleneck'.",
    ),
    (
        "resnet50",
        dict(layout="keras_cifar10"),
        ValueError,
        "layout='keras_cifar10' is a CIFAR net, and resnet50 has an ImageNet stem; use 'keras'.",
    ),
    (
        "resnet50v2",
        dict(layout="torchvision"),
        ValueError,
        "layout='torchvision' has no net that activates before its convolutions, received ordering="
        "'full_pre_activation'; use layout='timm' or ordering='original'.",
    ),
    (
        "resnet11v2",
        dict(layout="keras", shortcut="projection"),
        ValueError,
        "layout='keras' puts the stride in the last unit of a stage and the projection in the first, so each stage of "
        "resnet11v2 needs two units; use a deeper net or layout='he2016'.",
    ),
    # pooling layers
    (
        "resnet20",
        dict(padding="valid"),
        ValueError,
        "padding='valid' is for convnet only, and resnet20 is of family 'resnet'.",
    ),
    (
        "convnet",
        dict(downsampling="stride", pooling_order="pool_act"),
        ValueError,
        "pooling_order='pool_act' needs a pooling layer, but downsampling='stride'.",
    ),
    (
        "convnet",
        dict(ordering="norm_act_conv", pooling_order="pool_act"),
        ValueError,
        "pooling_order='pool_act' moves a trailing activation behind the pooling, and ordering='norm_act_conv' has "
        "none; use ordering='conv_act' or 'conv_norm_act'.",
    ),
    *[
        (
            "convnet",
            dict(ordering=ordering, pooling_order="pool_act"),
            ValueError,
            f"pooling_order='pool_act' moves a trailing activation behind the pooling, and ordering={ordering!r} has "
            "none; use ordering='conv_act' or 'conv_norm_act'.",
        )
        for ordering in ("conv_act_norm", "act_conv_norm")
    ],
    (
        "resnet20",
        dict(downsampling="stride"),
        ValueError,
        "downsampling='stride' is for convnet and vgg, and resnet20 is of family 'resnet'.",
    ),
    (
        "mlp",
        dict(pooling_order="act_pool"),
        ValueError,
        "pooling_order='act_pool' is for convnet and vgg, and mlp is of family 'mlp'.",
    ),
]


@pytest.mark.parametrize(("name", "options", "kind", "text"), REFUSALS, ids=lambda v: str(v)[:60])
def test_refusal(name, options, kind, text):
    with pytest.raises(kind) as error:
        specify(name, **options)
    assert type(error.value) is kind
    assert str(error.value) == text


def test_family_of_a_hand_made_spec():
    with pytest.raises(ValueError) as error:
        dataclasses.replace(specify("mlp"), family="rnn")
    assert str(error.value) == (
        "family='rnn' is not known; expected one of 'mlp', 'convnet', 'vgg', 'plain', 'resnet', 'mobilenetv2', "
        "'xception', 'densenet', 'convnext', 'wrn', 'repvgg'."
    )


def test_spec_is_frozen_keyword_only_and_hashable():
    spec = specify("resnet20")
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.classes = 3
    with pytest.raises(TypeError):
        ModelSpec("resnet20")
    assert hash(spec) == hash(specify("resnet20")) and spec == specify("resnet20")


def test_every_field_is_documented_and_an_option_or_part_of_the_name():
    attributes = ModelSpec.__doc__.split("Attributes:")[1]
    names = [line.split(":")[0].strip() for line in attributes.splitlines() if ": " in line]
    assert names == [field.name for field in dataclasses.fields(ModelSpec)]
    assert set(names) - set(OPTIONS) == {"name", "family", "stem", "stages"}


@pytest.mark.parametrize(
    ("name", "options", "depth", "stride"),
    [
        ("mlp", {}, 3, 1),
        ("convnet", {}, 4, 4),
        ("convnet", {"downsampling": "stride"}, 4, 4),
        ("convnet", {"downsampling": "none"}, 4, 1),
        ("convnet5", {}, 5, 4),
        ("vgg16", {}, 16, 32),
        ("plain20", {}, 20, 4),
        ("resnet20", {}, 20, 4),
        ("resnet164", {}, 164, 4),
        ("resnet1202", {}, 1202, 4),
        ("resnet18", {}, 18, 32),
        ("resnet152v2", {}, 152, 32),
    ],
)
def test_depth_and_stride(name, options, depth, stride):
    spec = specify(name, **options)
    assert (spec.depth, spec.total_stride) == (depth, stride)


@pytest.mark.parametrize("module", ["zoo", "zoo.placement", "zoo.spec", "zoo.naming", "zoo.catalog"])
def test_importing_imports_no_backend(module):
    code = (
        f"import sys, {module}, zoo; zoo.list_models();"
        "print([m for m in ('keras', 'tensorflow', 'jax', 'numpy') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_listing_the_models_takes_less_than_03_seconds():
    code = (
        "import time; t = time.process_time(); import zoo; zoo.list_models(); print(time.process_time() - t)"
    )
    times = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    ]
    assert min(times) < 0.3
