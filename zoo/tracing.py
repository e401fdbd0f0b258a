"""One trace of the training step instead of two: what is made in the first step is made before it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.batches import is_stream
from zoo.graph import not_a_model
from zoo.graph.internals import returned


def trace_once(model: keras.Model, y: Any) -> None:
    """Make the variables of the optimiser and of the metrics of a compiled model, so that its first step is traced once.

    Keras makes them inside the first training step, and TensorFlow traces a function that makes variables twice. For a
    deep net tracing is most of what the first step takes. The variables are those that Keras would make: what is
    trained afterwards is the same to the bit. On JAX and Torch, where `fit` makes them before the first step anyway,
    nothing is gained or lost.

    Call it after `compile`, and again after another `compile`. The metrics are reset, as at the start of an epoch.

    Args:
        model: A compiled Functional or built Sequential model.
        y: Targets as `fit` takes them, or some of them: metrics look at their shape.

    Raises:
        TypeError: `model` is no Keras model, or it is subclassed, so that the shape of its output is not known; or `y` is
            not made of arrays.
        ValueError: `model` is not compiled, its output has a size that is not known, or `y` is empty.

    Example:
        >>> import numpy as np
        >>> import zoo
        >>> model = zoo.build("resnet20v2", rolled=True)
        >>> loss = "sparse_categorical_crossentropy"
        >>> model.compile("adam", loss, metrics=["accuracy"])
        >>> y = np.zeros(128, "int64")
        >>> zoo.trace_once(model, y)
        >>> model.optimizer.built
        True
    """
    if not isinstance(model, keras.Model):
        raise TypeError(not_a_model(model))
    if not model.compiled:
        raise ValueError(
            f"{model.name!r} has no optimiser and no metrics yet: call model.compile(...) first."
        )
    if not hasattr(model, "outputs"):
        raise TypeError(
            f"{model.name!r} is subclassed, so the shape of its output is not known before a call. Train one batch of "
            f"two samples, or call model.optimizer.build(model.trainable_variables), which leaves the metrics out."
        )
    if is_stream(y):
        raise TypeError(
            f"y is a {type(y).__name__}, which yields batches: pass the targets of one of them, as an array."
        )
    # None is for an output that has no loss.
    several = isinstance(y, (list, tuple, dict))
    targets = keras.tree.map_structure(lambda one: None if several and one is None else _two(one), y)
    count = min((len(one) for one in keras.tree.flatten(targets) if one is not None), default=0)
    if not count:
        raise ValueError("y must hold one target at least; received none.")
    outputs = keras.tree.map_structure(lambda one: _zeros(model, one, count), returned(model))
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    model.compute_metrics(None, targets, outputs)
    model.reset_metrics()


def _two(one: Any) -> np.ndarray:
    """The first two targets: of one, a target and a class of an output could not be told apart."""
    if not getattr(one, "shape", ()) or isinstance(one, keras.KerasTensor):
        raise TypeError(
            f"y must be arrays of targets, as fit takes them; received {one!r} of type {type(one).__name__}. Of a list, "
            f"make an array: numpy.asarray(y)."
        )
    return np.asarray(ops.convert_to_numpy(one[:2]) if ops.is_tensor(one) else one[:2])


def _zeros(model: keras.Model, output: Any, count: int) -> Any:
    shape = output.shape[1:]
    if None in shape:
        raise ValueError(
            f"an output of {model.name!r} has the shape {output.shape}: build the model for one size, with input_shape=, "
            f"or leave trace_once out."
        )
    return ops.zeros((count, *shape), output.dtype)
