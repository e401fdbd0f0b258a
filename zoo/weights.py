"""Weights from files into a net: every layer is compared before any is set."""

from __future__ import annotations

import os
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import count, takewhile
from typing import Any

import h5py
import keras
import ml_dtypes
import numpy as np

from zoo import conversion, pretrained
from zoo.callers import outside
from zoo.catalog import ALPHAS, lookup, origin_of
from zoo.graph.internals import automatic_name, flatten_layers
from zoo.naming import in_classifier, is_classifier
from zoo.placement import FAMILIES
from zoo.spec import ModelSpec

_APPLICATIONS = {
    ("vgg", 16): "VGG16",
    ("vgg", 19): "VGG19",
    ("original", 50): "ResNet50",
    ("original", 101): "ResNet101",
    ("original", 152): "ResNet152",
    ("full_pre_activation", 50): "ResNet50V2",
    ("full_pre_activation", 101): "ResNet101V2",
    ("full_pre_activation", 152): "ResNet152V2",
}
_BEYOND = {
    "mobilenetv2": "MobileNetV2",
    "xception": "Xception",
    "densenet121": "DenseNet121",
    "densenet169": "DenseNet169",
    "densenet201": "DenseNet201",
    "convnexttiny": "ConvNeXtTiny",
    "convnextsmall": "ConvNeXtSmall",
    "convnextbase": "ConvNeXtBase",
    "convnextlarge": "ConvNeXtLarge",
    "convnextxlarge": "ConvNeXtXLarge",
}
# What Keras has weights of a MobileNetV2 for; a file for each size of image.
_ALPHAS = sorted((1.0, *ALPHAS))
_SIZES = (96, 128, 160, 192, 224)


_WHOLE = (
    " A .keras file is a whole model: keras.models.load_model(path).save_weights('NAME.weights.h5') makes a file of "
    "its weights."
)


class LeftOutWarning(UserWarning):
    """Weights hold a classifier that the net, by its options, does not have: the rest is loaded."""


def check(spec: ModelSpec) -> None:
    """Refuse, before a net is built, weights that no net of the spec could take.

    Args:
        spec: As for `load`.

    Raises:
        TypeError: If `spec.weights` is neither a string nor a path.
        ValueError: If it is no file and no name, or `"imagenet"` where `keras.applications` has no such net.
    """
    weights = spec.weights
    if isinstance(weights, keras.Model):
        raise TypeError(
            f"weights must be None, a name or a path, received the model {weights.name!r}; save them with "
            "model.save_weights('NAME.weights.h5') and pass that path."
        )
    if not isinstance(weights, (str, os.PathLike)):
        raise TypeError(
            f"weights must be None, a name or a path, received {weights!r} of type {type(weights).__name__}."
        )
    if weights == "imagenet":
        _twin(spec)
    elif pretrained.find(spec.name, weights) is None and not os.path.isfile(weights):
        published = _name_of_twin(spec) and spec.alpha in (None, *_ALPHAS)
        names = [*(["imagenet"] if published else []), *pretrained.names(spec.name)]
        expected = f"one of {', '.join(map(repr, names))} or the path" if names else "the path"
        raise ValueError(
            f"weights={os.fspath(weights)!r} is neither a file nor a name of weights for {spec.name}; expected {expected} of "
            f"a .weights.h5 file, or of a {' or '.join(conversion.SUFFIXES)} file of the library that layout= names."
        )


def load(net: keras.Model, spec: ModelSpec) -> None:
    """Set the weights that `spec.weights` names.

    A classifier in the file is left out where the net has none (`include_top=False`) or one of another number of classes,
    whose weights stay random; a `LeftOutWarning` names the layers. Everything else has to fit.

    Args:
        net: The net of the spec; changed in place.
        spec: `spec.weights` is `"imagenet"`, the name of shipped weights, or the path of a file: a `.weights.h5` or `.h5`
            file, saved from this net in any form or from its `keras.applications` or KerasHub twin, or a `.safetensors`,
            `.pth` or `.pt` file of the library that the layout is named after, see `zoo.conversion`.

    Raises:
        ImportError: If the package that reads such a file is not installed.
        TypeError: If `spec.weights` is neither a string nor a path.
        ValueError: If the file is missing, damaged or of another net; the first layer or tensor that disagrees is named.
    """
    check(spec)
    weights = spec.weights
    if weights == "imagenet":
        source, groups = "the ImageNet weights of keras.applications", _imagenet(spec)
    elif (shipped := pretrained.find(spec.name, weights)) is not None:
        source, groups = f"the shipped weights {weights!r}", list(_read(shipped.checked_path(), net))
    else:
        path = os.fspath(weights)
        source, groups = f"weights file {path!r}", _from_file(path, net, spec)
    groups, left_out = _without_classifier(net, spec, groups)
    _assign(net, groups, source, left_out)
    if left_out and not spec.include_top:
        _warn(
            f"{source}: left out {', '.join(map(repr, left_out))}, since include_top=False; all else is loaded."
        )
    elif left_out:
        _warn(
            f"{source}: left out {', '.join(map(repr, left_out))}, since it is not for classes={spec.classes}; it has "
            "random weights, all else is loaded."
        )


def _warn(text: str) -> None:
    warnings.warn(text, LeftOutWarning, stacklevel=outside())


Groups = list[tuple[str, list[np.ndarray]]]


def _without_classifier(net: keras.Model, spec: ModelSpec, groups: Groups) -> tuple[Groups, list[str]]:
    """The layers of a file without those of a classifier this net does not have, and the names of these."""
    if not spec.include_top:
        present = {layer.name for layer in net.layers}
        left_out = [name for name, _ in groups if name not in present and in_classifier(name, spec.family)]
    else:
        left_out = [
            name
            for name, arrays in groups
            if is_classifier(name) and arrays[0].ndim == 2 and arrays[0].shape[-1] != spec.classes
        ]
    return [group for group in groups if group[0] not in left_out], left_out


def _from_file(path: str, net: keras.Model, spec: ModelSpec) -> Groups:
    ending = os.path.splitext(path)[1].lower()
    if ending in conversion.SUFFIXES:
        return conversion.groups_of(path, net, spec)
    if ending not in (".h5", ".hdf5") and not h5py.is_hdf5(path):
        raise ValueError(
            f"weights file {path!r} has the extension {ending!r}; expected .weights.h5 or .h5, as Keras saves, or "
            f"{' or '.join(conversion.SUFFIXES)}, as PyTorch's libraries do.{_WHOLE if ending == '.keras' else ''}"
        )
    return conversion.under_our_names(path, list(_read(path, net)), net, spec)


def _imagenet(spec: ModelSpec) -> list[tuple[str, list[np.ndarray]]]:
    twin, arguments = _twin(spec)
    # Keras itself names, fetches and checks the file, so address and hash are always its own. The size of the
    # image is left to it: but for the dense layers of a VGG, checked by `_twin`, no weight depends on it.
    model = getattr(keras.applications, twin)(weights="imagenet", include_top=spec.include_top, **arguments)
    layers = flatten_layers(model)
    return [(x.name, x.get_weights()) for x in layers if x.weights and not isinstance(x, keras.Model)]


def _twin(spec: ModelSpec) -> tuple[str, dict[str, Any]]:
    """The function of `keras.applications` that has the weights, and its arguments."""
    channels_first = keras.config.image_data_format() == "channels_first"
    twin = _name_of_twin(spec)
    if twin is None:
        had = ", ".join(sorted([*_APPLICATIONS.values(), *_BEYOND.values()]))
        raise ValueError(
            f"weights='imagenet': keras.applications has no {spec.name} with ordering={spec.ordering!r}; it has {had}."
        )
    if spec.layout != "keras" and spec.family != "vgg":
        raise ValueError(f"weights='imagenet' fit layout='keras' only, received layout={spec.layout!r}.")
    defaults: dict[str, Any] = (
        lookup(origin_of(spec.name)).defaults if spec.family in FAMILIES else {"width": 64}
    )
    for option in ("width", "normalization", "between_activation", "norms_per_block"):
        own, given = defaults.get(option, getattr(ModelSpec, option, None)), getattr(spec, option)
        if given != own:
            raise ValueError(f"weights='imagenet' fit {option}={own!r} only, received {option}={given!r}.")
    arguments: dict[str, Any] = {}
    if spec.alpha is not None:
        if spec.alpha not in _ALPHAS:
            raise ValueError(
                f"weights='imagenet': keras.applications has weights for alpha {', '.join(map(str, _ALPHAS))}, received "
                f"alpha={spec.alpha}."
            )
        height, *_, right = spec.input_shape[1:] if channels_first else spec.input_shape[:-1]
        size = height if height == right and height in _SIZES else 224
        arguments = {
            "alpha": spec.alpha,
            "input_shape": (3, size, size) if channels_first else (size, size, 3),
        }
    if spec.input_shape[0 if channels_first else -1] != 3:
        raise ValueError(
            f"weights='imagenet' fit images of 3 channels, received input_shape={spec.input_shape!r}."
        )
    flattened = (3, 224, 224) if channels_first else (224, 224, 3)
    if spec.family == "vgg" and spec.include_top and spec.input_shape != flattened:
        raise ValueError(
            f"weights='imagenet' come with dense layers for input_shape={flattened!r}, received "
            f"input_shape={spec.input_shape!r}; pass the former or include_top=False."
        )
    return twin, arguments


def _name_of_twin(spec: ModelSpec) -> str | None:
    """The function of `keras.applications` that makes such a net, whatever its options; None: there is none."""
    if spec.family in FAMILIES:
        kind = origin_of(spec.name).partition("_")[0]
        twin = _BEYOND.get(kind)
        return twin if twin and spec.ordering == lookup(kind).defaults["ordering"] else None
    kind = "vgg" if spec.family == "vgg" and spec.ordering == "conv_act" else spec.ordering
    return _APPLICATIONS.get((kind, spec.depth)) if spec.stem == "imagenet" or kind == "vgg" else None


def _read(path: str, net: keras.Model) -> Iterator[tuple[str, list[np.ndarray]]]:
    """The layers of a Keras 3 `.weights.h5` or an older `.h5` file, in order."""
    try:
        with h5py.File(path, "r") as file:
            if not {"layer_names", "layer_names0"}.isdisjoint(file.attrs) or "model_weights" in file:
                yield from _read_legacy(file["model_weights"] if "model_weights" in file else file, net)
            elif "layers" in file:
                yield from _read_keras3(file["layers"], net)
            else:
                raise ValueError(
                    f"weights file {path!r} is an HDF5 file but holds no Keras weights; save them with "
                    "model.save_weights('NAME.weights.h5')."
                )
    except (OSError, KeyError, RuntimeError) as error:
        raise ValueError(
            f"weights file {path!r} cannot be read as HDF5 ({error}); it is truncated or damaged: fetch or save it again."
        ) from error


def _read_legacy(file, net: keras.Model) -> Iterator[tuple[str, list[np.ndarray]]]:
    known = {layer.name for layer in net.layers}
    for name in _texts(file, "layer_names"):
        group = file[name]
        arrays = defaultdict(list)
        for key in _texts(group, "weight_names"):
            # A nested model is one group; its weights say whose they are: "conv1/kernel:0".
            path = key.split("/")
            owner = path[-2] if name not in known and len(path) > 1 and path[-2] in known else name
            arrays[owner].append(_array(group[key]))
        yield from arrays.items()


def _texts(group, attribute: str) -> list[str]:
    """The texts of an attribute, which Keras splits into `layer_names0`, `layer_names1` and so on where HDF5 has no room."""
    pieces = [attribute]
    if attribute not in group.attrs and f"{attribute}0" in group.attrs:
        numbered = (f"{attribute}{number}" for number in count())
        pieces = list(takewhile(group.attrs.__contains__, numbered))
    found = [text for piece in pieces for text in group.attrs[piece]]
    return [text.decode() if isinstance(text, bytes) else str(text) for text in found]


def _read_keras3(layers, net: keras.Model) -> Iterator[tuple[str, list[np.ndarray]]]:
    named = _names_by_position(net)
    for key in sorted(layers, key=_file_order):
        if "layers" in layers[key]:  # a nested model
            yield from _read_keras3(layers[key]["layers"], net)
        variables = layers[key].get("vars", ())
        if len(variables):
            # Files of early Keras 3 hold no layer names, only the class and its number: conv2d, conv2d_1 ...
            name = variables.attrs.get("name", named.get(key, key))
            yield str(name), [_array(variables[k]) for k in sorted(variables, key=_number)]


def _number(key: str) -> int:
    if not key.isdigit():
        raise RuntimeError(f"a variable is called {key!r} in it, where Keras has numbers")
    return int(key)


def _array(variable: Any) -> np.ndarray:
    """A variable of a file as numbers. HDF5 has no bfloat16 and no float8: Keras writes their bytes, and the type beside them."""
    array = np.asarray(variable)
    if array.dtype.kind == "V":
        kind = variable.attrs.get("dtype", "none")
        stored = getattr(ml_dtypes, kind, None) or getattr(ml_dtypes, f"{kind}fn", None)
        if stored is None:
            raise RuntimeError(
                f"{variable.name!r} in it holds bytes of the dtype {kind!r}, which is no type of numbers"
            )
        array = array.view(stored).astype("float32")
    if array.dtype.kind not in "biuf":
        raise RuntimeError(f"{variable.name!r} in it holds {array.dtype}, where weights are real numbers")
    return array


def _names_by_position(net: keras.Model) -> dict[str, str]:
    """The key under which Keras 3 saves each layer, its class and number, to the layer's name."""
    names: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for layer in net.layers:
        kind = automatic_name(type(layer))
        names[f"{kind}_{counts[kind]}" if counts[kind] else kind] = layer.name
        counts[kind] += 1
    return names


def _file_order(key: str) -> tuple[str, int]:
    kind, _, number = key.rpartition("_")
    return (kind, int(number)) if number.isdigit() and kind else (key, 0)


def _assign(net: keras.Model, groups: Groups, source: str, left_out: list[str]) -> None:
    layers = [layer for layer in net.layers if layer.weights and layer.name not in left_out]
    groups = _with_our_names(groups, layers)
    by_name = dict(groups)
    for layer in layers:
        arrays = by_name.pop(layer.name, None)
        expected = [tuple(w.shape) for w in layer.weights]
        if arrays is None:
            raise ValueError(
                f"{source} does not fit {net.name}: the first layer that disagrees is {layer.name!r}, which it lacks "
                f"(expected weights of shapes {expected}). It holds {len(groups)} layers, {net.name} has {len(layers)}."
                f"{_rolled(by_name)}"
            )
        received = [a.shape for a in arrays]
        if received != expected:
            raise ValueError(
                f"{source} does not fit {net.name}: the first layer that disagrees is {layer.name!r}, expected weights "
                f"of shapes {expected}, received {received}."
            )
    if by_name:
        raise ValueError(
            f"{source} does not fit {net.name}: it holds layers that {net.name} lacks, the first is {next(iter(by_name))!r}."
        )
    arrays_of = dict(groups)
    for layer in layers:
        layer.set_weights(arrays_of[layer.name])


def _rolled(names: Iterable[str]) -> str:
    """What to do with a file that a rolled net has saved: it holds runs of units, and no layers of them."""
    runs = [name for name in names if re.fullmatch(r"\w+_to_\d+", name)]
    if not runs:
        return ""
    return (
        f" It holds {runs[0]!r}, a run of units as one layer: it was saved from a net with rolled=True. Build that net without "
        "weights and call its load_weights(path); zoo.transforms.unroll makes separate layers of the runs."
    )


def _with_our_names(groups: Groups, layers: list) -> Groups:
    """The groups of a file under the names, and in the shapes, of the net's layers.

    Keras names a layer that nobody names after its class and a number that counts up through the process: `conv2d_7`.
    Such layers say nothing but their order, which is then all there is to go by.
    """
    by_name = {layer.name: layer for layer in layers}
    held = {name for name, _ in groups}
    unnamed = defaultdict(list)
    for name, _ in groups:
        if name not in by_name and (automatic := re.fullmatch(r"([a-z0-9_]+?)(?:_(\d+))?", name)):
            unnamed[automatic[1]].append((int(automatic[2] or 0), name))
    renamed: dict[str, str] = {}
    for kind, found in unnamed.items():
        waiting = [x.name for x in layers if x.name not in held and automatic_name(type(x)) == kind]
        if len(waiting) == len(found):
            renamed |= zip((name for _, name in sorted(found)), waiting, strict=True)
    groups = [(renamed.get(name, name), arrays) for name, arrays in groups]
    return [(name, _as_depthwise(arrays, by_name.get(name))) for name, arrays in groups]


def _as_depthwise(arrays: list[np.ndarray], layer) -> list[np.ndarray]:
    """The kernel of a convolution in as many groups as channels, which is a depthwise one, in the shape of the latter."""
    if isinstance(layer, keras.layers.DepthwiseConv2D) and arrays[0].shape != tuple(layer.kernel.shape):
        if arrays[0].ndim == 4 and arrays[0].shape[2] == 1:
            return [arrays[0].swapaxes(2, 3), *arrays[1:]]
    return arrays
