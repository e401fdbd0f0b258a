"""Every refusal of a spec: its text (what was expected, what was received, what to do), and the file it stands in."""

import dataclasses
import importlib
import math
import pkgutil
import traceback

import pytest

from zoo.catalog import specify
from zoo.spec import UnitSpec, refusals

# In place of a net: one unit, which no net has filled in.
UNIT = None

# file of zoo/spec/refusals -> (net, options, kind of error, the whole text)
REFUSALS = {
    "family": [
        (
            "mlp",
            dict(family="rnn"),
            ValueError,
            "family='rnn' is not known; expected one of 'mlp', 'convnet', 'vgg', 'plain', 'resnet', 'mobilenetv2', "
            "'xception', 'densenet', 'convnext', 'wrn', 'repvgg'.",
        ),
        (
            "xception",
            dict(ordering="norm_act_conv"),
            ValueError,
            "ordering='norm_act_conv' is none of those that xception, of family 'xception', has: 'act_conv_norm'.",
        ),
        (
            "resnet20",
            dict(stages=[3, 3]),
            TypeError,
            "stages must be a tuple such as (3, 3, 3), received [3, 3].",
        ),
        ("resnet20", dict(stages=()), ValueError, "stages must have at least one entry, received ()."),
        (
            "resnet20",
            dict(stages=(0, 3)),
            ValueError,
            "every entry of stages=(0, 3) must be at least 1, received 0.",
        ),
        (
            "densenet40",
            dict(stages=(2.0,)),
            TypeError,
            "every entry of stages=(2.0,) must be an integer, received 2.0 of type float.",
        ),
        (
            "xception",
            dict(stages=(2, 2, 2, 8, 2)),
            ValueError,
            "stages=(2, 2, 2, 8, 2) has no place in a net of family 'xception', whose stages are (1, 1, 1, n, 1).",
        ),
        (
            "mobilenetv2",
            dict(stages=(1, 2, 3)),
            ValueError,
            "stages=(1, 2, 3) has no place in a net of family 'mobilenetv2', whose stages are (n, n, n, n, n, n, n).",
        ),
        (
            "repvgg",
            dict(stages=(1, 1, 1, 1, 1)),
            ValueError,
            "stages=(1, 1, 1, 1, 1) has no place in a net of family 'repvgg', whose stages are (n,) or (n, n) or (n, n, n) "
            "or (n, n, n, n).",
        ),
        (
            "convnet",
            dict(stages=(3, 3)),
            ValueError,
            "stages=(3, 3) has no place in a net of family 'convnet', whose stages are (n,).",
        ),
        (
            "mlp",
            dict(stages=(2, 1)),
            ValueError,
            "stages=(2, 1) has no place in a net of family 'mlp', whose stages are (n,).",
        ),
        (
            "plain20",
            dict(stem="imagenet"),
            ValueError,
            "stem='imagenet' is none of those that plain20, of family 'plain', has: 'cifar'.",
        ),
        (
            "resnet50",
            dict(stem="imagnet"),
            ValueError,
            "stem='imagnet' is none of those that resnet50, of family 'resnet', has: 'cifar', 'imagenet'.",
        ),
        (
            "wrn16_4",
            dict(stem="cifar"),
            ValueError,
            "stem='cifar' is none of those that wrn16_4, of family 'wrn', has: None.",
        ),
    ],
    "own_options": [
        (
            "xception",
            dict(alpha=0.5),
            ValueError,
            "alpha=0.5 is an option of mobilenetv2, and xception is of family 'xception'.",
        ),
        ("repvgg", dict(merged=1), TypeError, "merged must be True or False, received 1."),
    ],
    "input_and_head": [
        (
            "resnet20",
            dict(pooling="foo"),
            ValueError,
            "pooling='foo' is not known; expected one of None, 'avg', 'max'.",
        ),
        (
            "resnet20",
            dict(pooling=0),
            ValueError,
            "pooling=0 is not known; expected one of None, 'avg', 'max'.",
        ),
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
        (
            "resnet20",
            dict(classes=True),
            TypeError,
            "classes must be an integer, received True of type bool.",
        ),
        ("resnet20", dict(width=0), ValueError, "width must be at least 1, received 0."),
        ("resnet20", dict(width=1.5), TypeError, "width must be an integer, received 1.5 of type float."),
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
    ],
    "activation": [
        (
            "resnet20",
            dict(activation=("relu", "elu")),
            ValueError,
            "activation has 2 entries, and resnet20 has 3 stages; give one for each, or a mapping.",
        ),
        (
            "mlp",
            dict(activated="first"),
            ValueError,
            "activated='first' is not known; expected one of 'all', 'last'.",
        ),
        (
            "resnet20",
            dict(activated="last"),
            ValueError,
            "activated='last' is for plain families; a residual unit has its activations by its ordering.",
        ),
    ],
    "ordering": [
        (
            UNIT,
            dict(ordering="act norm"),
            ValueError,
            "ordering='act norm': a row has exactly one 'conv', and 'act norm' has none.",
        ),
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
    ],
    "normalization": [
        (
            "mlp",
            dict(normalization="scaled_ws"),
            ValueError,
            "normalization='scaled_ws' is an option of plain and resnet; what mlp normalises, its ordering says.",
        ),
        (
            UNIT,
            dict(ordering="conv_act", normalization="skipinit"),
            ValueError,
            "normalization='skipinit' scales the branch of a residual unit, and a unit without block has none; use None or "
            "'scaled_ws'.",
        ),
    ],
    "form": [
        (
            "resnet20",
            dict(form="seperate"),
            ValueError,
            "form='seperate' is not known; expected one of 'separate', 'builtin'.",
        ),
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
    ],
    "residual": [
        (
            UNIT,
            dict(ordering="original", block="wide"),
            ValueError,
            "block='wide' is not known; expected one of None, 'basic', 'bottleneck'.",
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
            dict(rolled="yes"),
            ValueError,
            "rolled='yes' is not known; expected one of False, True, 'remat'.",
        ),
        (
            "resnet20",
            dict(rolled=1),
            ValueError,
            "rolled=1 is not known; expected one of False, True, 'remat'.",
        ),
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
    ],
    "layout": [
        (
            UNIT,
            dict(ordering="original", layout="keras", block="basic"),
            ValueError,
            "layout='keras' has bottleneck units only, received block='basic'; use block='bottleneck' or "
            "layout='he2016'.",
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
            "layout='keras' has bottleneck units only, and resnet20 has basic ones; use layout='he2016' or, where "
            "the depth allows, block='bottleneck'.",
        ),
        (
            "resnet20v2",
            dict(layout="keras_cifar10", shortcut="projection"),
            ValueError,
            "layout='keras_cifar10' has bottleneck units only, and resnet20v2 has basic ones; use layout='he2016' or, where "
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
    ],
    "pooling_layers": [
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
        (
            "convnet",
            dict(form="builtin", pooling_order="pool_act"),
            ValueError,
            "form='builtin' cannot put pooling between convolution and activation (pooling_order='pool_act'); use "
            "form='separate'.",
        ),
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
    ],
    # which net a name means, the catalog asks before there is a spec
    "catalog": [
        (
            "resnet20",
            dict(block="wide"),
            ValueError,
            "block='wide' is not known; expected one of 'basic', 'bottleneck'.",
        ),
    ],
}


def make(name, options):
    if name is UNIT:
        return UnitSpec(**options)
    # Of a spec made by hand only: names have their family, stages and stem from the catalog.
    by_hand = not {"family", "stages", "stem"}.isdisjoint(options)
    return dataclasses.replace(specify(name), **options) if by_hand else specify(name, **options)


def passed(error):
    """The functions of zoo that a refusal came through: (file, function), up to where the text is."""
    frames = traceback.extract_tb(error.__traceback__)
    path = [(frame.filename.replace("\\", "/"), frame.name) for frame in frames]
    return [
        (file.rpartition("/")[2].removesuffix(".py"), function)
        for file, function in path
        if "/zoo/" in file and not file.endswith("/zoo/values.py")
    ]


@pytest.mark.parametrize(
    ("file", "name", "options", "kind", "text"),
    [(file, *case) for file, cases in REFUSALS.items() for case in cases],
    ids=lambda v: str(v)[:60],
)
def test_refusal(file, name, options, kind, text):
    with pytest.raises(kind) as error:
        make(name, options)
    assert type(error.value) is kind
    assert str(error.value) == text
    assert passed(error.value)[-1][0] == file


def test_nothing_is_refused_without_a_case_above():
    files = [
        importlib.import_module(f"{refusals.__name__}.{m.name}")
        for m in pkgutil.iter_modules(refusals.__path__)
    ]
    there = {
        (file.__name__.rpartition(".")[2], name)
        for file in files
        for name, thing in vars(file).items()
        if getattr(thing, "__module__", None) == file.__name__ and name.startswith("refuse_")
    }
    tried = set()
    for name, options, kind, _ in (case for cases in REFUSALS.values() for case in cases):
        with pytest.raises(kind) as error:
            make(name, options)
        tried.update(passed(error.value))
    assert there and there - tried == set()


def test_the_listing_of_the_files_names_each_of_them():
    listed = [line.split("`")[1] for line in refusals.__doc__.splitlines() if line.startswith("| `")]
    assert sorted(listed) == sorted(m.name for m in pkgutil.iter_modules(refusals.__path__))
    assert set(listed) == set(REFUSALS) - {"catalog"}
