"""Tensors of an original and layers of a net: what belongs to what, compared in the words of the original."""

from __future__ import annotations

import os

import keras
import numpy as np

from zoo.conversion.originals import ORIGINALS, modules, original_of
from zoo.conversion.tensors import SUFFIXES, Tensor, read
from zoo.graph import producer
from zoo.naming import in_classifier, is_classifier
from zoo.spec import ModelSpec

Groups = list[tuple[str, list[np.ndarray]]]

# Weight of a Keras layer -> tensor of a Torch module.
_TENSORS = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
# A count of the batches that were trained on, which no output depends on.
_IGNORED = "num_batches_tracked"


def groups_of(path: str, net: keras.Model, spec: ModelSpec) -> Groups:
    """The layers of a net with the weights that a file of its original has for them.

    Kernels of convolutions go from (out, in, height, width) to (height, width, in, out), those of dense layers from
    (out, in) to (in, out); inputs that were flattened map by map are sorted as Keras flattens them, pixel by pixel. Half
    precision becomes float32, exactly. A classifier that the net has not, or for other classes, is among the groups.

    Args:
        path: A `.safetensors`, `.pth` or `.pt` file.
        net: The net of the spec; left unchanged.
        spec: Whose layout says which library saved the file.

    Raises:
        ImportError: If what reads the file is not installed.
        ValueError: If the zoo knows no original of the net, the file is damaged or no state dict, or does not fit: the
            first tensor that disagrees is named.
    """
    _check_has_original(path, spec)
    tensors = read(path)
    fitting = _Fitting(path, net, spec, tensors)
    groups = [fitting.layer(layer) for layer in net.layers if layer.weights]
    return groups + fitting.left_over()


def under_our_names(path: str, groups: Groups, net: keras.Model, spec: ModelSpec) -> Groups:
    """The layers of a Keras file under the names of the net's, where they have those that the original gives them."""
    original = original_of(spec)
    if original is None or original.saved_by != "keras":
        return groups
    ours = {theirs: layer for layer, theirs in modules(spec, (x.name for x in net.layers)).items()}
    if any(ours.get(name, name) != name for name, _ in groups):
        _check_scales_nothing(path, spec)
    return [(ours.get(name, name), arrays) for name, arrays in groups]


def _check_has_original(path: str, spec: ModelSpec) -> None:
    original = original_of(spec)
    if original is None or original.saved_by != "torch":
        known = [
            f"layout={layout!r} with ordering={ordering!r}"
            for (layout, family, ordering), row in ORIGINALS.items()
            if family == spec.family and row.saved_by == "torch"
        ]
        raise ValueError(
            f"weights={path!r}: no library is known that saves a {spec.name} with layout={spec.layout!r} and ordering="
            f"{spec.ordering!r} as {' or '.join(SUFFIXES)}; "
            + (f"use {', or '.join(known)}." if known else "such files hold resnet and vgg nets.")
        )
    _check_scales_nothing(path, spec)


def _check_scales_nothing(path: str, spec: ModelSpec) -> None:
    if spec.include_preprocessing:
        raise ValueError(
            f"include_preprocessing=True: the file {path!r} does not say in which range its weights want images; leave it "
            "out, and scale images as the original does."
        )


class _Fitting:
    """The tensors of a file, taken out one by one as a net's layers ask for them."""

    def __init__(self, path: str, net: keras.Model, spec: ModelSpec, tensors: dict[str, Tensor]):
        self.net, self.spec = net, spec
        self.source = f"weights file {os.fspath(path)!r}"
        self.held = len(tensors)
        self.first = next(iter(tensors), None)
        self.tensors = {name: t for name, t in tensors.items() if name.split(".")[-1] != _IGNORED}
        self.modules = modules(spec, (layer.name for layer in net.layers))

    def layer(self, layer: keras.layers.Layer) -> tuple[str, list[np.ndarray]]:
        """A layer with its weights, as Keras has them."""
        if layer.name not in self.modules:
            raise ValueError(
                f"{self.source} does not fit {self.net.name}: the first layer that disagrees is {layer.name!r}, a "
                f"{type(layer).__name__} with weights, where the original has none."
            )
        return layer.name, [self._weight(layer, w.name, tuple(w.shape)) for w in layer.weights]

    def left_over(self) -> Groups:
        """The classifier that the net has not; anything else is refused."""
        original = original_of(self.spec)
        assert original is not None
        groups: Groups = []
        present = {layer.name for layer in self.net.layers}
        for ours, theirs in original.modules.items():
            if ours not in present and in_classifier(ours, self.spec.family):
                mine = [name for name in self.tensors if name.rpartition(".")[0] == theirs]
                arrays = [self.tensors.pop(name).values for name in mine]
                if arrays:
                    groups.append((ours, [a for a in arrays if a is not None]))
        if self.tensors:
            name = next(iter(self.tensors))
            raise ValueError(
                f"{self.source} does not fit {self.net.name}: it holds tensors that {self.net.name} lacks, the first is "
                f"{name!r} of shape {self.tensors[name].shape}."
            )
        return groups

    def _weight(self, layer: keras.layers.Layer, weight: str, shape: tuple[int, ...]) -> np.ndarray:
        name = f"{self.modules[layer.name]}.{_TENSORS[weight]}"
        disagrees = (
            f"{self.source} does not fit {self.net.name}: the first tensor that disagrees is {name!r}, of layer "
            f"{layer.name!r},"
        )
        expected = _as_saved(shape)
        tensor = self.tensors.pop(name, None)
        if tensor is None:
            raise ValueError(
                f"{disagrees} which it lacks (expected shape {expected}). It holds {self.held} tensors"
                + (f", the first is {self.first!r}." if self.first is not None else ".")
            )
        received = tensor.shape
        # timm's classifier of a pre-activation net is a convolution of 1 x 1 pixels.
        if len(expected) == 2 and received[2:] == (1, 1):
            received = received[:2]
        # Of a classifier for other classes the caller says that it is left out.
        free = is_classifier(layer.name) and len(received) == len(expected)
        if received[free:] != expected[free:]:
            raise ValueError(f"{disagrees} expected shape {expected}, received {tensor.shape}.")
        if tensor.values is None:
            raise ValueError(
                f"{disagrees} of dtype {tensor.dtype}, whose values float32 does not hold exactly; save float32, float16 or "
                "bfloat16."
            )
        values = tensor.values.reshape(received)
        if len(shape) == 4:
            return values.transpose(2, 3, 1, 0)
        return self._dense(layer, values) if len(shape) == 2 else values

    def _dense(self, layer: keras.layers.Layer, values: np.ndarray) -> np.ndarray:
        source = producer(layer.input).operation
        if isinstance(source, keras.layers.Flatten):
            maps = tuple(source.input.shape[1:])
            if source.data_format == "channels_last":
                maps = (maps[-1], *maps[:-1])
            values = values.reshape(-1, *maps).transpose(0, 2, 3, 1).reshape(len(values), -1)
        return values.T


def _as_saved(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that Torch has for a weight of a shape of Keras."""
    return (shape[3], shape[2], shape[0], shape[1]) if len(shape) == 4 else shape[::-1]
