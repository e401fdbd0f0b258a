"""The nets of the zoo as data: a name is looked up here and becomes a `ModelSpec`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Unpack

from zoo import pretrained
from zoo.options import Options
from zoo.placement import V2
from zoo.spec import BLOCKS, OPTIONS, SHORTCUT_PARAMETERS, ModelSpec, is_one_of, require_one_of
from zoo.wording import nearest

KRIZHEVSKY = (
    "Krizhevsky et al. 2012, ImageNet Classification with Deep Convolutional Neural Networks, figure 1"
)
SIMONYAN = "Simonyan and Zisserman 2014, Very Deep Convolutional Networks, arXiv 1409.1556"
HE2015 = "He et al. 2015, Deep Residual Learning for Image Recognition, arXiv 1512.03385"
HE2016 = "He et al. 2016, Identity Mappings in Deep Residual Networks, arXiv 1603.05027"
SANDLER = "Sandler et al. 2018, MobileNetV2: Inverted Residuals and Linear Bottlenecks, arXiv 1801.04381"
CHOLLET = "Chollet 2016, Xception: Deep Learning with Depthwise Separable Convolutions, arXiv 1610.02357"
HUANG = "Huang et al. 2016, Densely Connected Convolutional Networks, arXiv 1608.06993"
LIU = "Liu et al. 2022, A ConvNet for the 2020s, arXiv 2201.03545"
ZAGORUYKO = "Zagoruyko and Komodakis 2016, Wide Residual Networks, arXiv 1605.07146"
DING = "Ding et al. 2021, RepVGG: Making VGG-style ConvNets Great Again, arXiv 2101.03697"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a name stands for before any option is given: a row of the catalog.

    `specify` makes a `ModelSpec` of an entry and options; `register` makes an entry of a spec, whose options become the
    defaults of the new name.

    Attributes:
        family: The builder it goes to.
        stages: Units or layers of each stage.
        defaults: Options that differ from the defaults of `ModelSpec`.
        reference: Where the net was published.
        stem: `"cifar"`, `"imagenet"` or None.
        fixed_block: Whether `block` is part of the name.
        preprocessing: The input range its published weights were trained for, see `range_of`.
        any_layout: Whether that holds whatever the layout, as somebody said who registered it.
        origin: Of a registered net, the published one that it was made from.
    """

    family: str
    stages: tuple[int, ...]
    defaults: dict[str, Any]
    reference: str
    stem: str | None = None
    fixed_block: bool = True
    preprocessing: str = "unit"
    any_layout: bool = False
    origin: str | None = None


PREPROCESSING = ("unit", "tf", "caffe", "torch")

_MLP = {"ordering": "conv_act", "width": 128, "layout": "he2016"}
_CONVNET = {
    "ordering": "conv_act",
    "width": 32,
    "layout": "he2016",
    "downsampling": "max_pool",
    "pooling_order": "act_pool",
}
_VGG = _CONVNET | {"width": 64, "layout": "keras"}
_PLAIN = {"ordering": "conv_norm_act", "width": 16, "layout": "he2016"}
_RESNET = {"ordering": "original", "width": 16, "layout": "he2016"}
_V2 = {"ordering": "full_pre_activation"}

_VGG_STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_IMAGENET_STAGES = {
    18: ("basic", (2, 2, 2, 2)),
    34: ("basic", (3, 4, 6, 3)),
    50: ("bottleneck", (3, 4, 6, 3)),
    101: ("bottleneck", (3, 4, 23, 3)),
    152: ("bottleneck", (3, 8, 36, 3)),
    200: ("bottleneck", (3, 24, 36, 3)),
}
_IN_KERAS_APPLICATIONS = (50, 101, 152)
# Both formulas fit these depths, and the literature builds them from bottleneck units.
_BOTTLENECK_BY_CUSTOM = (164, 272, 542)
_UNITS = {"basic": 6, "bottleneck": 9}


def _imagenet(depth: int, v2: bool) -> Entry:
    block, stages = _IMAGENET_STAGES[depth]
    return Entry(
        family="resnet",
        stem="imagenet",
        stages=stages,
        reference=HE2016 if v2 else HE2015,
        preprocessing=("tf" if v2 else "caffe") if depth in _IN_KERAS_APPLICATIONS else "unit",
        defaults=_RESNET
        | (_V2 if v2 else {})
        | {
            "width": 64,
            "block": block,
            "shortcut": "projection",
            "layout": "keras" if depth in _IN_KERAS_APPLICATIONS else "he2016",
        },
    )


def _cifar(family: str, depth: int, block: str | None, v2: bool) -> Entry:
    if family == "plain":
        return Entry(
            family=family,
            stem="cifar",
            stages=(_n(depth, "basic") * 2,) * 3,
            defaults=_PLAIN,
            reference=HE2015,
        )
    if block is None:
        block = "bottleneck" if depth in _BOTTLENECK_BY_CUSTOM or not _fits(depth, "basic") else "basic"
    return Entry(
        family=family,
        stem="cifar",
        stages=(_n(depth, block),) * 3,
        fixed_block=False,
        defaults=_RESNET
        | (_V2 if v2 else {})
        | {"block": block, "shortcut": "identity_pad" if block == "basic" else "projection"},
        reference=HE2016 if v2 or block == "bottleneck" else HE2015,
    )


def _fits(depth: int, block: str) -> bool:
    return depth > 2 and (depth - 2) % _UNITS[block] == 0


def _n(depth: int, block: str) -> int:
    return (depth - 2) // _UNITS[block]


MODELS: dict[str, Entry] = {}


# What a name says by itself: the family, and the depth that gives the stages.
_BY_DEPTH = re.compile(r"(plain|resnet|convnet|mlp)(0|[1-9][0-9]*)(v2)?")


def _add(name: str, entry: Entry) -> None:
    if name in MODELS:
        raise ValueError(f"model {name!r} is in the catalog already; choose another name.")
    MODELS[name] = entry


def _deep(family: str, layers: int) -> Entry:
    defaults, reference = {
        "mlp": (_MLP, "Rumelhart et al. 1986, Learning representations by back-propagating errors"),
        "convnet": (_CONVNET, KRIZHEVSKY),
    }[family]
    return Entry(family=family, stages=(layers,), defaults=defaults, reference=reference)


_add("mlp", _deep("mlp", 3))
_add("convnet", _deep("convnet", 4))
for _depth, _stages in _VGG_STAGES.items():
    _add(
        f"vgg{_depth}",
        Entry(family="vgg", stages=_stages, defaults=_VGG, reference=SIMONYAN, preprocessing="caffe"),
    )
for _depth in (20, 32, 44, 56, 110):
    _add(f"plain{_depth}", _cifar("plain", _depth, None, False))
for _v2 in (False, True):
    for _depth in (20, 32, 44, 56, 110, 164, 1001, 1202):
        _add(f"resnet{_depth}" + "v2" * _v2, _cifar("resnet", _depth, None, _v2))
    for _depth in _IMAGENET_STAGES:
        _add(f"resnet{_depth}" + "v2" * _v2, _imagenet(_depth, _v2))


def _mobilenetv2(alpha: float) -> Entry:
    return Entry(
        family="mobilenetv2",
        stages=(1, 2, 3, 4, 3, 3, 1),
        reference=SANDLER,
        preprocessing="tf",
        defaults={
            "ordering": "conv_norm_act",
            "width": 32,
            "layout": "cifar",
            "alpha": alpha,
            "activation": "relu6",
            "depthwise_activation": "same",
        },
    )


_DENSENET_STAGES = {121: (6, 12, 24, 16), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32)}
# With bottlenecks and compression in the paper, as DenseNet-BC.
_DENSENET_BC = (100, 190, 250)
_DENSE_LAYERS = {"basic": 3, "bottleneck": 6}


def _densenet(depth: int, block: str | None) -> Entry:
    defaults = {"ordering": "norm_act_conv"}
    if depth in _DENSENET_STAGES:
        if block == "basic":
            raise ValueError(
                f"block='basic': densenet{depth} is the ImageNet net with bottleneck units, by its name; leave block out, "
                "or choose a depth that no ImageNet net has."
            )
        return Entry(
            family="densenet",
            stages=_DENSENET_STAGES[depth],
            reference=HUANG,
            preprocessing="torch",
            defaults=defaults | {"width": 32, "layout": "keras", "block": "bottleneck"},
        )
    fitting = _DENSE_LAYERS if block is None else {block: _DENSE_LAYERS[block]}
    if block is None:
        block = "bottleneck" if depth in _DENSENET_BC or (depth - 4) % 3 else "basic"
    layers = _DENSE_LAYERS[block]
    if depth <= 4 or (depth - 4) % layers:
        rules = " or ".join(f"{n}n+4 ({kind} units)" for kind, n in fitting.items())
        raise ValueError(
            f"model 'densenet{depth}': depth {depth} fits no densenet, whose depths are {rules}. The nearest are "
            f"{_nearest('densenet{}', depth, 4, min(fitting.values()))}."
        )
    return Entry(
        family="densenet",
        stages=((depth - 4) // layers,) * 3,
        fixed_block=False,
        reference=HUANG,
        defaults=defaults | {"width": 12, "layout": "cifar", "block": block},
    )


def _wrn(depth: int, factor: int, convolutions: int | None) -> Entry:
    convolutions = 2 if convolutions is None else convolutions
    if factor < 1 or isinstance(convolutions, bool) or not isinstance(convolutions, int) or convolutions < 1:
        what = f"a factor of {factor}" if factor < 1 else f"convolutions={convolutions!r}"
        raise ValueError(f"model 'wrn{depth}_{factor}' has {what}; expected a whole number of at least 1.")
    layers = 3 * convolutions
    if depth <= 4 or (depth - 4) % layers:
        raise ValueError(
            f"model 'wrn{depth}_{factor}': depth {depth} fits no wrn with {convolutions} convolutions a unit, whose "
            f"depths are {layers}n+4. The nearest are {_nearest('wrn{}_' + str(factor), depth, 4, layers)}."
        )
    return Entry(
        family="wrn",
        stages=((depth - 4) // layers,) * 3,
        reference=ZAGORUYKO,
        defaults={
            "ordering": "full_pre_activation",
            "width": 16 * factor,
            "layout": "cifar",
            "convolutions": 2,
            "dropout_rate": 0.0,
        },
    )


def _nearest(pattern: str, depth: int, offset: int, step: int) -> str:
    n = max(1, round((depth - offset) / step))
    depths = [offset + step * k for k in range(max(1, n - 1), max(1, n - 1) + 3)]
    return ", ".join(repr(pattern.format(d)) for d in depths)


_CONVNEXT = {
    "tiny": ((3, 3, 9, 3), 96),
    "small": ((3, 3, 27, 3), 96),
    "base": ((3, 3, 27, 3), 128),
    "large": ((3, 3, 27, 3), 192),
    "xlarge": ((3, 3, 27, 3), 256),
}
#: Widths of MobileNetV2 that `keras.applications` has weights of, beside 1.
ALPHAS = (0.35, 0.5, 0.75, 1.3, 1.4)

_add("mobilenetv2", _mobilenetv2(1.0))
for _alpha in ALPHAS:
    _add(f"mobilenetv2_{_alpha}", _mobilenetv2(_alpha))
_add(
    "xception",
    Entry(
        family="xception",
        stages=(1, 1, 1, 8, 1),
        reference=CHOLLET,
        preprocessing="tf",
        defaults={"ordering": "act_conv_norm", "width": 32, "layout": "cifar"},
    ),
)
for _depth in (40, 100, *_DENSENET_STAGES):
    _add(f"densenet{_depth}", _densenet(_depth, None))
for _size, (_blocks, _width) in _CONVNEXT.items():
    _add(
        f"convnext{_size}",
        Entry(
            family="convnext",
            stages=_blocks,
            reference=LIU,
            preprocessing="torch",
            defaults={
                "ordering": "conv_norm_act",
                "width": _width,
                "layout": "keras",
                "activation": "gelu",
                "normalization": "layer",
                "activations_per_block": 1,
                "norms_per_block": 1,
            },
        ),
    )
for _depth, _factor in ((16, 4), (28, 10)):
    _add(f"wrn{_depth}_{_factor}", _wrn(_depth, _factor, None))
_add(
    "repvgg",
    Entry(
        family="repvgg",
        stages=(2, 4, 14, 1),
        reference=DING,
        defaults={"ordering": "original", "width": 48, "layout": "cifar", "merged": False},
    ),
)


# Families beyond plain and residual nets: pattern of the names -> the entry, from its numbers, block and convolutions.
_BY_NUMBERS: dict[str, Callable[..., Entry]] = {
    r"mobilenetv2_([0-9]+(?:\.[0-9]+)?)": lambda alpha, block, convolutions: _mobilenetv2(float(alpha)),
    r"densenet([1-9][0-9]*)": lambda depth, block, convolutions: _densenet(int(depth), block),
    r"wrn([1-9][0-9]*)_([0-9]+)": lambda depth, factor, block, convolutions: _wrn(
        int(depth), int(factor), convolutions
    ),
}


def _beyond(name: str, block: str | None, convolutions: int | None) -> Entry | None:
    """A net of the families beyond plain and residual ones, by the numbers in its name."""
    for pattern, entry in _BY_NUMBERS.items():
        if match := re.fullmatch(pattern, name):
            return entry(*match.groups(), block, convolutions)
    return None


def _named_by_numbers(name: str) -> bool:
    name = name.lower()
    return bool(_BY_DEPTH.fullmatch(name)) or any(re.fullmatch(pattern, name) for pattern in _BY_NUMBERS)


def list_models(pattern: str = "*") -> list[str]:
    """Names of the catalog, sorted.

    Any legal depth can be built too, listed or not: `plain` and `resnet` of depth 6n+2, bottleneck `resnet` of depth
    9n+2, `convnet` and `mlp` with their number of layers, `densenet` of depth 3n+4 or 6n+4, `wrn` of depth 6n+4 with
    its factor (`wrn22_8`), `mobilenetv2` with its (`mobilenetv2_0.9`).

    Args:
        pattern: Shell-style pattern (`*`, `?`, `[...]`), as in `fnmatch`.

    Returns:
        The matching names; an empty list where nothing matches.

    Raises:
        TypeError: If `pattern` is not a string.

    Example:
        >>> import zoo
        >>> zoo.list_models("vgg*")
        ['vgg11', 'vgg13', 'vgg16', 'vgg19']
    """
    if not isinstance(pattern, str):
        raise TypeError(f"pattern must be a string such as 'resnet*', received {pattern!r}.")
    return sorted(name for name in MODELS if fnmatchcase(name, pattern))


def lookup(name: str, block: str | None = None, convolutions: int | None = None) -> Entry:
    """The entry behind a name, of the catalog or by a depth formula.

    Raises:
        TypeError: If `name` is not a string.
        ValueError: If no net has this name or depth; the nearest are listed.
    """
    if isinstance(name, ModelSpec):
        raise TypeError(
            f"name must be a string such as 'resnet20v2', received the ModelSpec of {name.name!r}; zoo.assemble builds a spec."
        )
    if not isinstance(name, str):
        raise TypeError(f"name must be a string such as 'resnet20v2', received {name!r}.")
    if block is not None:
        require_one_of("block", block, BLOCKS)
    if block is not None or convolutions is not None or name not in MODELS:
        beyond = _beyond(name, block, convolutions)
        if beyond is not None:
            return beyond
    entry = MODELS.get(name)
    match = _BY_DEPTH.fullmatch(name)
    if entry is None and match is None:
        near = nearest(name, MODELS, most=4, cutoff=0.5)
        hint = f"The nearest names are {', '.join(map(repr, near))}. " if near else ""
        raise ValueError(f"model {name!r} is not known. {hint}zoo.list_models() lists them all.")
    if entry is not None and (entry.fixed_block or block is None or match is None):
        if block is not None and entry.family in ("resnet", "densenet") and block != entry.defaults["block"]:
            if match is None:
                raise ValueError(
                    f"block={block!r}: {name!r} is registered with {entry.defaults['block']} units; leave block out, or "
                    "register a spec with the other ones."
                )
            raise ValueError(
                f"block={block!r}: {name} is the ImageNet net with {entry.defaults['block']} units, by its name; "
                "leave block out, or choose a depth that no ImageNet net has."
            )
        return entry
    assert match is not None  # else the name would have been unknown
    family, depth, v2 = match[1], int(match[2]), bool(match[3])
    if v2 and family != "resnet":
        raise ValueError(f"model {name!r} is not known: only a resnet has a v2. Use {family + match[2]!r}.")
    if family in ("convnet", "mlp"):
        if depth < 1:
            raise ValueError(
                f"model {name!r}: a {family} needs at least one layer; the nearest is '{family}1'."
            )
        return _deep(family, depth)
    fitting = ("basic",) if family == "plain" else (block,) if block else BLOCKS
    if not any(_fits(depth, b) for b in fitting):
        raise ValueError(_illegal_depth(name, family, depth, fitting, "v2" * v2))
    return _cifar(family, depth, block, v2)


def _illegal_depth(name: str, family: str, depth: int, blocks: tuple[str, ...], suffix: str) -> str:
    rules = " or ".join(f"{_UNITS[b]}n+2 ({b})" for b in blocks)
    legal = {
        _UNITS[b] * n + 2 for b in blocks for n in range(max(1, _n(depth, b) - 3), max(1, _n(depth, b)) + 4)
    }
    if family == "resnet" and len(blocks) == 2:
        legal |= {*_IMAGENET_STAGES}
    near = sorted(sorted(legal, key=lambda d: (abs(d - depth), d))[:3])
    names = ", ".join(repr(f"{family}{d}{suffix}") for d in near)
    return (
        f"model {name!r}: depth {depth} fits no {family}, whose depths are {rules}. The nearest are {names}."
    )


# What other libraries take as an argument.
_SETTINGS_OF_KERAS = {
    "dtype": "keras.config.set_dtype_policy('mixed_bfloat16')",
    "data_format": "keras.config.set_image_data_format('channels_first')",
}
_SAID_OTHERWISE = {
    "depth": "the name of the net says it, such as 'resnet44'; zoo.list_models() lists them all.",
    **dict.fromkeys(
        ("family", "stages", "stem"),
        "the name of the net says it; dataclasses.replace(zoo.specify(...), name='mine', stages=(2, 3, 2)) is a spec "
        "that says something else, for zoo.assemble or zoo.register.",
    ),
    "pretrained": "weights= takes the name of weights, such as 'imagenet', or the path of a file.",
}

# Options in which None is a value of its own, and does not ask for the default of the net.
OWN_NONE = (
    *("activation", "classifier_activation", "depthwise_activation", "normalization"),
    *("kernel_initializer", "pooling", "weights"),
)


def specify(name: str, **options: Unpack[Options]) -> ModelSpec:
    """The complete spec of a net: the catalog's defaults, then those of the named weights it asks for, then the options.

    Of a registered net, the options that it was registered with come before those of `weights="imagenet"`: its `classes` stay.

    Args:
        name: Name of the net, see `zoo.list_models()`.
        **options: Options of `zoo.build`.

    Returns:
        The spec; `zoo.assemble` builds it, `zoo.register` gives it a name. Where `input_shape` is not given, its
        channels stand where `keras.config.image_data_format()` says, once Keras is imported.

    Raises:
        TypeError: If an option is not known, with the nearest names.
        ValueError: If the combination is impossible, with the reason.

    Example:
        >>> import zoo
        >>> zoo.specify("resnet110v2").ordering
        'full_pre_activation'
    """
    chosen: dict[str, Any] = dict(options)
    for option in chosen:
        if option not in OPTIONS:
            raise TypeError(f"{option!r} is not an option of zoo.build; {_instead_of(option)}")
    entry = lookup(name, chosen.get("block"), chosen.get("convolutions"))
    # None asks for the default of the net wherever None is no value of its own.
    given: dict[str, Any] = {k: v for k, v in chosen.items() if v is not None or k in OWN_NONE}
    shipped = pretrained.find(name, given.get("weights"))
    comes_with: dict[str, Any] = dict(shipped.options) if shipped else {}
    defaults: dict[str, Any] = {"input_shape": ModelSpec.input_shape} | entry.defaults | comes_with
    of_imagenet = is_one_of(given.get("weights"), ("imagenet",))
    # A registered net keeps every option; one whose classes nobody chose has the default.
    if of_imagenet and defaults.get("classes", ModelSpec.classes) == ModelSpec.classes:
        defaults["classes"] = 1000
    defaults["input_shape"] = _from_channels_last(tuple(defaults["input_shape"]))
    if given.get("shortcut", defaults.get("shortcut")) != defaults.get("shortcut"):
        defaults = {k: v for k, v in defaults.items() if k not in SHORTCUT_PARAMETERS}
    if isinstance(given.get("input_shape"), list):
        given["input_shape"] = tuple(given["input_shape"])
    spec = ModelSpec(
        name=name, family=entry.family, stem=entry.stem, stages=entry.stages, **(defaults | given)
    )
    missing: dict[str, Any] = {
        parameter: default
        for parameter, (owners, default) in SHORTCUT_PARAMETERS.items()
        if spec.shortcut in owners and getattr(spec, parameter) is None
    }
    return replace(spec, **missing) if missing else spec


def _instead_of(option: str) -> str:
    if option in _SETTINGS_OF_KERAS:
        return f"it is a setting of Keras for all that is built after it: {_SETTINGS_OF_KERAS[option]}."
    if option in _SAID_OTHERWISE:
        return _SAID_OTHERWISE[option]
    near = nearest(option, OPTIONS, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? The" if near else "the"
    return f"{hint} options are {', '.join(OPTIONS)}."


def _from_channels_last(shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
    """A default shape of the catalog, which has its channels last, in the data format of this process."""
    return (shape[-1], *shape[:-1]) if len(shape) == 3 and _channels_first() else shape


def _channels_first() -> bool:
    # Whoever builds has imported Keras. Whoever only lists and plans has no format, and needs no backend.
    keras = sys.modules.get("keras")
    return keras is not None and keras.config.image_data_format() == "channels_first"


def register(
    name: str, spec: ModelSpec, *, reference: str | None = None, preprocessing: str | None = None
) -> None:
    """Give a net of your own a name that `zoo.build`, `zoo.describe`, `zoo.features` and `zoo.list_models` know.

    Everything in the spec, options and weights included, becomes the default of the name; options of `zoo.build` still
    change it, but for `block`, which is part of the name. The name lives as long as the process.

    Args:
        name: A name that is free. `plain`, `resnet`, `convnet`, `mlp`, `densenet`, `wrn` and
            `mobilenetv2_` followed by a number are not: they name depths, widths and factors.
        spec: What the name stands for, from `zoo.specify`; `dataclasses.replace(spec, name="mine", stages=(1, 5, 1))`
            changes what is no option of it.
        reference: Where the net is described; None takes over that of the net the spec was made from.
        preprocessing: The input range of `zoo.preprocess_input`, whatever the layout: `"unit"` (0..1), `"tf"` (-1..1), `"caffe"` or
            `"torch"`; None takes over those of the net the spec was made from, and `"unit"` where the catalog does not know that.

    Raises:
        TypeError: If the name or the reference is no string, or the spec no `ModelSpec`.
        ValueError: If the name is taken; has a character other than letters, digits, `_`, `.`, `+` and `-`; or ends in `v2`
            though the residual net has another ordering than full_pre_activation. If `preprocessing` is not known.

    Example:
        >>> import zoo
        >>> thin = zoo.specify("resnet20v2", width=8, activation="gelu")
        >>> zoo.register("thin_resnet", thin)
        >>> zoo.build("thin_resnet", classes=5).output_shape
        (None, 5)
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be a string such as 'mine', received {name!r}.")
    if not re.fullmatch(r"\w[\w.+-]*", name):
        raise ValueError(
            f"name={name!r}: the name of a net is made of letters, digits and '_', '.', '+' or '-', as in 'my_resnet20'."
        )
    if near := next((known for known in MODELS if known != name and known.lower() == name.lower()), None):
        raise ValueError(f"name={name!r} differs from {near!r} in its capitals alone; choose another name.")
    if not isinstance(spec, ModelSpec):
        raise TypeError(
            f"spec must be a ModelSpec such as zoo.specify('resnet20v2', width=8), received {spec!r} of type "
            f"{type(spec).__name__}."
        )
    if name not in MODELS and _named_by_numbers(name):
        raise ValueError(
            f"name={name!r} is taken: a family followed by a number names a net. Choose a name such as 'my_{name}'."
        )
    if reference is not None and not isinstance(reference, str):
        raise TypeError(f"reference must be a string or None, received {reference!r}.")
    if preprocessing is not None:
        require_one_of("preprocessing", preprocessing, PREPROCESSING)
    origin = _found(entry_of, spec)
    replace(spec, name=name)  # refuses a name that contradicts the ordering
    defaults = {option: getattr(spec, option) for option in OPTIONS}
    if len(spec.input_shape) == 3 and _channels_first():
        defaults["input_shape"] = (*spec.input_shape[1:], spec.input_shape[0])
    if (shipped := pretrained.find(spec.name, spec.weights)) is not None:
        defaults["weights"] = shipped.checked_path()  # under the new name, nothing is shipped
    _add(
        name,
        Entry(
            family=spec.family,
            stem=spec.stem,
            stages=spec.stages,
            defaults=defaults,
            reference=reference or (origin.reference if origin else "not published"),
            preprocessing=preprocessing or (origin.preprocessing if origin else "unit"),
            any_layout=preprocessing is not None or origin is None or origin.any_layout,
            origin=origin_of(spec.name) if origin else None,
        ),
    )


def origin_of(name: str) -> str:
    """The published net that a registered one was made from, whose layers have its names; of any other its own name."""
    entry = _found(lookup, name)
    return (entry.origin if entry else None) or name


def entry_of(spec: ModelSpec) -> Entry:
    """The entry behind a spec: which depths a family has is a matter of the units that it is built of.

    Raises:
        ValueError: If the catalog has no net of this name.
    """
    return lookup(spec.name, spec.block, spec.convolutions)


def range_of(entry: Entry, layout: str, ordering: str) -> str:
    """The input range of a net: that of the published weights which fit its layout; of a net for small images 0..1.

    Args:
        entry: What its name stands for.
        layout: Whose graph it is.
        ordering: Its ordering: in the libraries, pre-activation nets were trained on other ranges than ResNets.
    """
    if entry.any_layout or entry.stem == "cifar":
        return entry.preprocessing
    if layout == "cifar":
        return "unit"
    if layout == "torchvision":
        return "torch"
    # timm's resnet50.a1_in1k and resnetv2_50.a1h_in1k, among others; KerasHub's weights are made from them.
    if layout in ("timm", "kerashub"):
        return "tf" if ordering == V2 else "torch"
    return "tf" if entry.preprocessing == "caffe" and ordering == V2 else entry.preprocessing


def _found(look: Callable[[Any], Entry], key: Any) -> Entry | None:
    try:
        return look(key)
    except ValueError:
        return None
