"""The gradient of the loss at every activation and every weight: one row of numbers a place."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from zoo.batches import fixed_size, input_arrays, read_labelled, refuse_targets, sample_count
from zoo.graph import seeds_untouched
from zoo.graph.internals import mask_of
from zoo.graph.reasons import reason
from zoo.probes.computation import compute
from zoo.probes.rows import Rows, complete
from zoo.probes.watching import Call, Place, Watched, is_value


@seeds_untouched()
def gradient_stats(
    model: keras.Model,
    x: Any,
    y: Any = None,
    loss: Any = None,
    *,
    batches: int | None = None,
) -> Rows:
    r"""The gradient of the loss at every activation site and every trainable weight, in inference.

    With $L$ the mean loss over the samples, a row has the norm $\lVert \partial L / \partial a \rVert_2$ of the
    gradient by the values $a$ after an activation, or by a weight, over all of its entries, and its root
    mean square. Of several batches, $L$ is the mean over the samples of all.

    Args:
        model: A Functional or built Sequential model. It is left untouched.
        x: Inputs, as `model.predict` takes arrays; one batch. Or a `tf.data` Dataset, a PyDataset, a loader or
            a generator of batches `(x, y)`; then `y` is left out.
        y: Targets, as the loss takes them; with several outputs a list or dict of them, or the structure of the outputs.
        loss: Name, function or `keras.losses.Loss`; what an output masks does not count, as in `fit`. With several outputs
            a list or dict of them, one for each output, None for one that does not count; $L$ is their sum.
        batches: Number of batches to read; all by default. Required where `x` may have no end.

    Returns:
        Rows in the order of the computation, the weights of a layer before the site after it, with the keys
        `kind` ("site" or "weight"), `name` (of the site as in `activation_stats`, or the path of the weight),
        `norm`, `rms`, `size` (number of entries). A list with the attribute `unseen`, as in `activation_stats`.

    Raises:
        TypeError: `model` is subclassed, so its computation is not a graph.
        ValueError: it has no graph yet; targets or losses do not fit its outputs, or a loss cannot be computed.
        NotImplementedError: the Keras backend is neither TensorFlow, JAX nor Torch.

    Reference:
        Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks".

    Example:
        >>> import keras, numpy as np
        >>> from zoo.probes import gradient_stats
        >>> fc = keras.layers.Dense(1, activation="relu", name="fc")
        >>> model = keras.Sequential([keras.Input((1,)), fc])
        >>> model.set_weights([np.array([[2.0]]), np.array([0.0])])
        >>> rows = gradient_stats(model, np.ones((1, 1)), np.zeros((1, 1)), "mse")
        >>> [(row["kind"], row["norm"]) for row in rows]
        [('weight', 4.0), ('weight', 4.0), ('site', 4.0)]
    """
    watched = Watched(model)
    objective = _Objective(model, loss)
    parts: dict[Any, _Part] = {}
    called: set[str] = set()
    unseen = dict(watched.unseen)
    samples = 0
    for arrays, targets in _pairs(model, x, y, batches):
        visits = _survey(watched, arrays, parts, called, unseen)
        weights = [part for part in parts.values() if part.variable is not None]
        by_shift, by_weight = _gradients(
            lambda shifts, arrays=arrays, targets=targets: objective(  # type: ignore[misc]
                watched, arrays, targets, shifts, unseen
            ),
            [np.zeros(shape, "float32") for _, shape in visits],
            [part.variable for part in weights],
        )
        count = 1 if objective.sums else sample_count(arrays)
        samples = 1 if objective.sums else samples + count
        for part, gradient in zip(weights, by_weight, strict=True):
            part.add(gradient, count)
        for (name, _), gradient in zip(visits, by_shift, strict=True):
            parts[name].add(gradient, count)
    unseen.update(watched.not_called(called))
    return complete("gradient_stats", model, [part.row(samples) for part in parts.values()], unseen)


@dataclass(eq=False)
class _Part:
    """The gradient at one place over the batches: that of a weight is added up, that of a site lies side by side."""

    name: str
    variable: Any = None
    size: int = 0
    total: Any = 0.0
    squares: float = 0.0

    def add(self, gradient: np.ndarray, count: int) -> None:
        gradient = np.asarray(gradient, "float64") * count
        if self.variable is not None:
            self.total, self.size = self.total + gradient, gradient.size
            self.squares = float(np.square(self.total).sum())
        else:
            self.size += gradient.size
            self.squares += float(np.square(gradient).sum())

    def row(self, samples: int) -> dict[str, Any]:
        norm = math.sqrt(self.squares) / samples
        return {
            "kind": "site" if self.variable is None else "weight",
            "name": self.name,
            "norm": norm,
            "rms": norm / math.sqrt(self.size),
            "size": self.size,
        }


def _survey(
    watched: Watched,
    arrays: list[Any],
    parts: dict[Any, _Part],
    called: set[str],
    unseen: dict[str, str],
) -> list[tuple[str, tuple[int, ...]]]:
    """Compute once without gradients: the order of the places, and the shape of each visit of a site."""
    visits: list[tuple[str, tuple[int, ...]]] = []
    # What is enabled inside a frozen model does not train.
    trained = {id(variable) for variable in watched.model.trainable_variables}

    def before(operation: Any) -> None:
        watched.count(operation)
        if isinstance(operation, layers.Layer) and not isinstance(operation, keras.Model):
            for variable in operation.trainable_variables:
                if id(variable) not in trained:
                    continue
                parts.setdefault(id(variable), _Part(variable.path, variable))

    def visit(place: Place, call: Call, _: Any, after: Any) -> None:
        called.add(call.site)
        if not is_value(after):
            unseen[call.site] = "it is computed in a compiled loop"
            return
        parts.setdefault(call.name, _Part(call.name))
        visits.append((call.name, tuple(after.shape)))

    with keras.StatelessScope(), watched.watch(visit):
        compute(watched.model, arrays, before=before)
    return visits


class _Objective:
    """The loss of a batch as a function of what is added to the values at every site.

    Attributes:
        sums: Whether the loss is a sum over the samples, and not their mean.
    """

    def __init__(self, model: keras.Model, loss: Any):
        self.names = _output_names(model)
        self.model = model
        found = self._by_output("loss", loss)
        if all(f is None for f in found):
            raise ValueError("loss is missing: pass a name, a function or a keras.losses.Loss.")
        self.losses = [
            None if f is None else _loss(f, name) for f, name in zip(found, self.names, strict=True)
        ]
        sums = {getattr(f, "reduction", None) == "sum" for f in self.losses if f is not None}
        if len(sums) > 1:
            raise ValueError("loss mixes losses that are sums over the samples with losses that are means.")
        self.sums = sums.pop()

    def __call__(
        self, watched: Watched, arrays: list[Any], y: Any, shifts: list[Any], unseen: dict[str, str]
    ) -> Any:
        """The loss with `shifts` added, one to each visit that can be seen."""
        pending = iter(shifts)

        def shift(place: Place, call: Call, _: Any, after: Any) -> Any:
            return None if call.site in unseen else after + ops.cast(next(pending), after.dtype)

        with watched.watch(shift):
            predicted = compute(self.model, arrays, before=watched.count)
        targets = self._by_output("y", y)
        return sum(
            self._of(loss, target, output, name)
            for loss, target, output, name in zip(self.losses, targets, predicted, self.names, strict=True)
            if loss is not None
        )

    def _of(self, loss: Any, target: Any, output: Any, name: str) -> Any:
        if mask_of(output) is not None and not isinstance(loss, keras.losses.Loss):
            # As in fit, where a name or function is made a Loss, which leaves out what is masked.
            loss = _Masked(loss)
        try:
            return ops.mean(loss(ops.convert_to_tensor(target), output))
        except Exception as error:
            raise ValueError(
                f"the loss of output {name!r} of {self.model.name!r}, whose shape is {tuple(output.shape)}, cannot be computed "
                f"with y of shape {np.shape(target)}: {reason(error)}"
            ) from error

    def _by_output(self, what: str, given: Any) -> list[Any]:
        """`given` as a list, one entry for each output."""
        flat = keras.tree.flatten(given)
        if _is_nested(self.model) and isinstance(given, (list, tuple, dict)) and len(flat) == len(self.names):
            return flat
        if len(self.names) == 1:
            nested = isinstance(given, (list, tuple)) and len(given) == 1
            return [given[0] if nested else given] if not isinstance(given, dict) else list(given.values())
        if isinstance(given, dict) and set(given) <= set(self.names):
            return [given.get(name) for name in self.names]
        if isinstance(given, (list, tuple)) and len(given) == len(self.names):
            return list(given)
        raise ValueError(
            f"{self.model.name!r} has the outputs {self.names}: {what} takes a list or a dict with one entry for "
            f"each of them (None for a loss that does not count); received {type(given).__name__}."
        )


class _Masked(keras.losses.Loss):
    def __init__(self, function: Any):
        super().__init__()
        self.function = function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.function(y_true, y_pred)


def _loss(given: Any, name: str) -> Any:
    try:
        return keras.losses.get(given)
    except Exception as error:
        raise ValueError(
            f"loss={given!r} of output {name!r} is none: it has to be a name, a function or a keras.losses.Loss. "
            f"{reason(error)}"
        ) from error


def _is_nested(model: keras.Model) -> bool:
    """Whether the outputs are a structure of more than one level."""
    if isinstance(model, keras.Sequential) or not isinstance(model.output, (list, tuple, dict)):
        return False
    first = model.output.values() if isinstance(model.output, dict) else model.output
    return any(isinstance(item, (list, tuple, dict)) for item in first)


def _output_names(model: keras.Model) -> list[str]:
    if isinstance(model, keras.Sequential):
        return [model.name]
    if _is_nested(model):
        return list(model.output_names)
    if isinstance(model.output, dict):
        return sorted(model.output)  # the order in which Keras flattens a dict
    return list(model.output_names)


def _pairs(model: keras.Model, x: Any, y: Any, batches: int | None) -> Iterator[tuple[list[Any], Any]]:
    refuse_targets(x, y)
    if y is None:
        yield from read_labelled(model, x, batches=batches)
    else:
        yield input_arrays(model, x, fixed_size(model)), y


def _gradients(
    objective: Callable[[list[Any]], Any], shifts: list[np.ndarray], variables: list[Any]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The gradients of `objective` by its arguments and by the variables it uses, as arrays."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tensors = [tf.constant(shift) for shift in shifts]
        with tf.GradientTape() as tape, keras.StatelessScope():
            for tensor in tensors:
                tape.watch(tensor)
            value = objective(tensors)
        sources = [*tensors, *(variable.value for variable in variables)]
        found = tape.gradient(value, sources, unconnected_gradients="zero")
    elif backend == "jax":
        import jax

        def function(tensors: list[Any], values: list[Any]) -> Any:
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return objective(tensors)

        by_shift, by_value = jax.grad(function, argnums=(0, 1))(shifts, [v.value for v in variables])
        found = [*by_shift, *by_value]
    elif backend == "torch":
        import torch

        tensors = [ops.convert_to_tensor(shift).requires_grad_() for shift in shifts]
        sources = [*tensors, *(variable.value for variable in variables)]
        with torch.enable_grad(), keras.StatelessScope():
            value = objective(tensors)
        found = torch.autograd.grad(value, sources, allow_unused=True)
        found = [torch.zeros_like(s) if g is None else g for s, g in zip(sources, found, strict=True)]
    else:
        raise NotImplementedError(
            f"gradient_stats needs TensorFlow, JAX or Torch as the Keras backend; this is {backend!r}."
        )
    arrays = [np.asarray(ops.convert_to_numpy(gradient)) for gradient in found]
    return arrays[: len(shifts)], arrays[len(shifts) :]
