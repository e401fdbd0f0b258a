"""BatchNormalization disappears into the convolution next to it."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers

from zoo.activations import is_linear, unseen
from zoo.activations.sites import TRANSPOSED
from zoo.bias_axis import takes_width_for_channels
from zoo.graph import (
    Graph,
    Part,
    calls,
    difference,
    graphs,
    in_inference,
    leads_to_its_model,
    producer,
    rewritten,
    seeds_untouched,
)
from zoo.graph.nested import called_in_training
from zoo.transforms.batchnorm import call_obstacle, is_batchnorm, scale_and_shift
from zoo.transforms.kernels import Kernel, channel_axis, has_kernel, is_computed, obstacle
from zoo.transforms.penalties import penalised, tell_penalised


@leads_to_its_model
class FoldedModel(NamedTuple):
    """What `fold_batchnorm` returns; it unpacks: `model, folded, kept, max_error = fold_batchnorm(...)`.

    Attributes:
        model: The folded model, for inference.
        folded: Names of the BatchNormalization layers that are gone, in the order of the computation.
        kept: Name of each that stays -> the reason.
        max_error: Largest difference between the outputs of both models on the probe batch, relative to the
            largest output; a number without unit. It is rounding: in float32 about 1e-7 a layer, more only where
            the net itself makes much of a little. Not a number where nothing was compared.
    """

    model: keras.Model
    folded: tuple[str, ...]
    kept: dict[str, str]
    max_error: float


@seeds_untouched()
def fold_batchnorm(model: keras.Model, probe: Any = None) -> FoldedModel:
    r"""Fold every BatchNormalization that can be folded exactly into the kernel of its neighbour.

    In inference BatchNormalization computes $y = s x + t$ for each channel, with
    $s = \gamma / \sqrt{\sigma^2 + \epsilon}$ and $t = \beta - s \mu$. So behind a layer computing $Wx + b$

    $$W' = s W, \qquad b' = s b + t,$$

    for any stride, padding and dilation, and in front of one

    $$W' = W s, \qquad b' = b + \sum W t,$$

    where the sum runs over everything the kernel sees. A padded border is zero *behind* the normalisation and
    not $t$, so in front of a layer with 'same' padding that is exact only for kernels of size 1 and where
    $t = 0$. Layers with a kernel are Dense, Conv1D to Conv3D, their Transpose (behind it), DepthwiseConv and
    SeparableConv.

    Folded is only where all of this holds; else the layer is kept, with the reason in `kept`:

    - behind: the layer with the kernel has a linear activation, one reader and one call, and its output is
      not an output of the model; in front: the same of BatchNormalization;
    - BatchNormalization runs over the channel axis, is called once, and not with `training=True`;
    - both compute in float32 or float64; no LoRA, no quantization, no `activity_regularizer` on either.

    The result is for inference: it has no batch statistics to train with. A warning names the layers whose regularizers
    or constraints are gone or act on other weights now.

    Then both models compute a batch, layer by layer on the same values: where a layer and what was folded into
    it were, the results differ by at most 1e-5 of the largest, and nothing is returned where they differ more.

    Args:
        model: A Functional or built Sequential model. It is left untouched.
        probe: The batch, as `model` takes it, on which `max_error` is measured too. None draws one or two
            samples from a standard normal distribution; False compares nothing.

    Returns:
        The folded model, not compiled, and what was folded, what was kept and why, and the measured error.

    Raises:
        TypeError: `model` is subclassed, so its computation is not a graph.
        ValueError: it has no graph yet; a copy computes something else; the difference is more than rounding; or
            no probe of a usual size fits its unknown input dimensions.

    Reference:
        Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
        Inference", arXiv 1712.05877, section 3.2.

    Example:
        >>> import keras
        >>> from keras import layers
        >>> from zoo.transforms import fold_batchnorm
        >>> parts = [
        ...     layers.Conv2D(4, 3, name="conv"),
        ...     layers.BatchNormalization(name="norm"),
        ...     layers.ReLU(),
        ... ]
        >>> result = fold_batchnorm(keras.Sequential([keras.Input((8, 8, 3)), *parts]))
        >>> result.folded, result.kept
        (('norm',), {})
    """
    found = graphs(model)
    folding = plan(found)
    folding.kept.update(unseen(model, activations=False, norms=True))
    replace = folding.replacements()
    result = rewritten(model, replace, exact=True, probe=probe)
    tell_penalised("fold_batchnorm", penalised(found, replace))
    error = measured_error(result.outputs, result.model, result.batch) if folding.folded else 0.0
    return FoldedModel(result.model, tuple(folding.folded), folding.kept, error)


def measured_error(expected: tuple[Any, ...], model: keras.Model, batch: Any) -> float:
    """Largest difference between `expected` and what `model` makes of `batch`, relative; no number without `expected`."""
    if not expected:
        return float("nan")
    outputs = in_inference(lambda: keras.tree.flatten(model(batch, training=False)))
    return max(map(difference, expected, outputs))


def plan(found: list[Graph]) -> Folding:
    """Decide for every BatchNormalization in `found` whether it is folded, without making a model."""
    folding = Folding(found)
    for graph in found:
        for node in graph.nodes:
            if isinstance(node.operation, layers.BatchNormalization):
                folding.visit(graph, node)
    return folding


class Folding:
    """What was decided so far.

    Attributes:
        kernels: `id` of a layer -> its kernel with what was folded into it.
        removed: `id` -> BatchNormalization layer that is folded.
        folded: Their names.
        kept: Name of each of the others -> the reason.
    """

    def __init__(self, found: list[Graph]):
        self.calls = calls(found)
        self.in_training = called_in_training(found)
        self.kernels: dict[int, Kernel] = {}
        self.removed: dict[int, Any] = {}
        self.folded: list[str] = []
        self.kept: dict[str, str] = {}

    def replacements(self) -> dict[Any, list[Part]]:
        """What takes the place of what, as `zoo.graph.rewrite` takes it."""
        folded: dict[Any, list[Part]] = {kernel.layer: [kernel.part()] for kernel in self.kernels.values()}
        return folded | {layer: [] for layer in self.removed.values()}

    def visit(self, graph: Graph, node: Any) -> None:
        """Decide for the BatchNormalization called at `node`."""
        layer, name = node.operation, graph.path + node.operation.name
        if name in self.kept:
            return  # the second call of a shared layer
        reason = self._why_not(graph, node)
        if reason is None:
            self.folded.append(name)
            self.removed[id(layer)] = layer
        else:
            self.kept[name] = reason

    def _why_not(self, graph: Graph, node: Any) -> str | None:
        """Fold and return None, or say why not."""
        layer = node.operation
        if not is_batchnorm(layer):
            return f"{type(layer).__name__} is a subclass with a call of its own"
        reason = call_obstacle(self.calls[id(layer)], self.in_training)
        if reason is not None:
            return reason
        scale, shift = scale_and_shift(layer)
        if not (np.isfinite(scale).all() and np.isfinite(shift).all()):
            return "its moving statistics give a scale or shift that is not finite"

        behind = self._behind_obstacle(graph, node)
        if behind is None:
            target = self._producer(node.input_tensors[0]).operation
            behind = self._apply(target, "transform_outputs", scale, shift)
            if behind is None:
                return None
        front = self._front_obstacle(graph, node, shift)
        if front is None:
            front = self._apply(graph.readers(node.outputs[0])[0].operation, "transform_inputs", scale, shift)
            if front is None:
                return None
        return f"{behind}; {front}"

    def _apply(self, target: Any, method: str, scale: np.ndarray, shift: np.ndarray) -> str | None:
        before = self.kernels.get(id(target))
        changed = Kernel(target) if before is None else before.copy()
        getattr(changed, method)(scale, shift)
        if not changed.is_finite():
            return f"the folded kernel of {target.name!r} would not be finite in {target.variable_dtype}"
        self.kernels[id(target)] = changed
        return None

    def _producer(self, tensor: Any) -> Any:
        node = producer(tensor)
        while id(node.operation) in self.removed:  # folded behind its own producer
            node = producer(node.input_tensors[0])
        return node

    def _behind_obstacle(self, graph: Graph, node: Any) -> str | None:
        (tensor,) = node.input_tensors
        source = self._producer(tensor).operation
        if not has_kernel(source):
            return f"it reads {source.name!r} ({type(source).__name__}), which has no kernel to fold into"
        if not is_linear(source.activation):
            function = getattr(source.activation, "__name__", type(source.activation).__name__)
            return f"it reads {source.name!r}, which applies {function} first"
        if graph.is_output(tensor):
            return f"the output of {source.name!r} is also an output of the model"
        readers = graph.readers(tensor)
        if len(readers) > 1:
            others = sorted({reader.operation.name for reader in readers} - {node.operation.name})
            return f"the output of {source.name!r} is also read by {', '.join(map(repr, others))}"
        reason = self._target_obstacle(node.operation, source, tensor)
        if reason is None and source.activity_regularizer is not None:
            return f"the activity_regularizer of {source.name!r} acts on its output before normalisation"
        return reason

    def _front_obstacle(self, graph: Graph, node: Any, shift: np.ndarray) -> str | None:
        (tensor,) = node.outputs
        if graph.is_output(tensor):
            return "its output is an output of the model"
        readers = graph.readers(tensor)
        if len(readers) != 1:
            return f"its output is read by {', '.join(repr(reader.operation.name) for reader in readers)}"
        reader = readers[0].operation
        if not has_kernel(reader):
            return f"its output is read by {reader.name!r} ({type(reader).__name__}), which has no kernel"
        reason = self._target_obstacle(node.operation, reader, readers[0].outputs[0])
        if reason is not None:
            return reason
        if np.any(shift):
            if isinstance(reader, TRANSPOSED):
                return f"at the border {reader.name!r}, being transposed, adds up fewer shifted values"
            if isinstance(reader, layers.Dense):
                return None
            if reader.padding != "valid" and max(reader.kernel_size) > 1:
                return (
                    f"{reader.name!r} pads ('{reader.padding}') with zeros, which would have to be the shift"
                )
        return None

    def _target_obstacle(self, norm: Any, target: Any, output: Any) -> str | None:
        rank = len(output.shape)
        axis, channels = norm.axis % rank, channel_axis(target, rank)
        if axis != channels:
            return f"it normalises axis {axis}, the channels of {target.name!r} are on axis {channels}"
        count = len(self.calls[id(target)])
        if count > 1:
            return f"{target.name!r} is shared: called {count} times"
        if target.compute_dtype != norm.compute_dtype:
            return f"it computes in {norm.compute_dtype}, {target.name!r} in {target.compute_dtype}"
        if is_computed(target):
            return f"{type(target).__name__} {target.name!r} computes its kernel, so none can be set"
        if takes_width_for_channels(target, output):
            return f"{target.name!r} puts out as many channels as it is wide, and Keras would add a bias along the width"
        return obstacle(target)
