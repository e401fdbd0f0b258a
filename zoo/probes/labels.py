"""What labels and the end of a classifier ask for: which cross-entropy, and when an answer is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from zoo.activations import classifier_names, families, is_linear, passes_values, takes_activation
from zoo.graph import producer
from zoo.slimming.selection import choose

Kind = Literal["one", "shares", "each"]


@dataclass(frozen=True)
class Labels:
    """Labels that fit the output of a model.

    Attributes:
        targets: Class numbers of shape `(samples,)`, or rows of shape `(samples, classes)`.
        kind: "one": the number of a class. "shares": what each class has of a sample, in sum 1. "each": yes or no for
            each class by itself, of which several may be right.
        probabilities: Whether the model gives probabilities, by a softmax or a sigmoid, and not scores.
    """

    targets: np.ndarray
    kind: Kind
    probabilities: bool

    @property
    def threshold(self) -> float:
        """What an output must exceed to say yes, where each class is judged by itself."""
        return 0.5 if self.probabilities else 0.0

    def loss(self, targets: Any, output: Any) -> Any:
        """The cross-entropy of each sample."""
        function = {
            "one": keras.losses.sparse_categorical_crossentropy,
            "shares": keras.losses.categorical_crossentropy,
            "each": keras.losses.binary_crossentropy,
        }[self.kind]
        return function(targets, output, from_logits=not self.probabilities)

    def right(self, targets: Any, output: Any) -> Any:
        """1 where an answer is right and 0 where not: for each sample, or for each class of each."""
        if self.kind == "each":
            answers, wanted = output > self.threshold, targets > 0.5
        else:
            answers = ops.argmax(output, axis=-1)
            wanted = targets if self.kind == "one" else ops.argmax(targets, axis=-1)
        return ops.cast(ops.cast(answers, "int32") == ops.cast(wanted, "int32"), "float32")


def read_labels(
    model: keras.Model, y: Any, outputs: Callable[[], np.ndarray] | None = None, *, scored: bool = True
) -> Labels:
    """How `model` is to be judged on the labels `y`.

    Args:
        model: With one output of shape `(samples, classes)`.
        y: Class numbers, of shape `(samples,)` or `(samples, 1)`, or rows of shape `(samples, classes)`: one-hot or
            shares; for a model that ends in a sigmoid, yes or no for each class.
        outputs: Computes what the model gives for some samples. Without it, what does not end in a softmax or sigmoid of
            the graph gives scores.
        scored: Whether the loss is asked for, and not only which answers are right.

    Raises:
        ValueError: `y` does not fit the output, the model ends in `log_softmax`, which no loss of Keras takes, or its
            values may be probabilities or scores.
    """
    (output,) = keras.tree.flatten(model.outputs)
    y = np.asarray(y)
    if len(output.shape) != 2:
        raise ValueError(
            f"y is read as classes, one for each sample, but the output has the shape {output.shape}: pass loss= "
            f"and metric= that take such targets."
        )
    ends = classifier_functions(model)
    if "log_softmax" in ends:
        raise ValueError("loss must be given for a model that ends in log_softmax, such as loss=my_nll.")
    probabilities = bool(ends & {"softmax", "sigmoid"})
    classes = output.shape[-1]
    # Of several classes the largest is the answer, whichever they are.
    if (
        not probabilities
        and outputs is not None
        and (scored or classes == 1)
        and not _ends_in_a_kernel(output)
    ):
        probabilities = _are_probabilities(model, outputs())
    if y.ndim == 2 and y.shape[1] == classes > 1 and np.issubdtype(y.dtype, np.number) | (y.dtype == bool):
        rows = y.astype("float32")
        if "sigmoid" in ends:
            return Labels(rows, "each", probabilities)
        _check_shares(rows)
        return Labels(rows, "shares", probabilities)
    numbers = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    _check_numbers(numbers, y, classes)
    if classes == 1:
        return Labels(numbers.astype("float32")[:, None], "each", probabilities)
    return Labels(numbers.astype("int64"), "one", probabilities)


def classifier_functions(model: keras.Model) -> set[str]:
    """The names of the functions with which `model` turns scores into what it returns: softmax, sigmoid or none."""
    present = choose(model, None, include_classifier=True, argument="sites", all_by_default=True)
    names = classifier_names(model, present)
    return {family for site in present if site.name in names for family in families(site.function)}


def _ends_in_a_kernel(tensor: Any) -> bool:
    """Whether the values of an output are those of a layer with a kernel and no activation, moved or not."""
    while True:
        node = producer(tensor)
        operation = node.operation
        if isinstance(operation, keras.Model):
            place = [id(made) for made in node.outputs].index(id(tensor))
            tensor = keras.tree.flatten(operation.outputs)[place]
        elif len(node.input_tensors) == 1 and passes_values(operation):
            (tensor,) = node.input_tensors
        else:
            return takes_activation(operation) and is_linear(operation.activation)


def _are_probabilities(model: keras.Model, values: np.ndarray) -> bool:
    """Whether the outputs of a model, of which its graph does not say so, are probabilities.

    Raises:
        ValueError: They may be.
    """
    if not ((values >= 0) & (values <= 1 + 1e-3)).all():
        return False
    if values.shape[1] > 1 and (np.abs(values.sum(axis=1) - 1) < 1e-2).all():
        return True
    alone = values.shape[1] == 1
    raise ValueError(
        f"loss must be given for {model.name!r}{', and metric,' if alone else ''}: its outputs lie between 0 and 1 and do not "
        f"come from a softmax or sigmoid that can be seen, so that they may be probabilities or scores. Pass "
        f"loss=keras.losses.BinaryCrossentropy()"
        + (' and metric="binary_accuracy"' if alone else "")
        + " if they are probabilities."
    )


def _check_shares(rows: np.ndarray) -> None:
    sums = rows.sum(axis=-1)
    odd = np.flatnonzero((rows < 0).any(axis=-1) | (np.abs(sums - 1) > 1e-3))
    if odd.size:
        raise ValueError(
            f"y must have rows of shares that are not negative and sum to 1, for the classes exclude one another where a "
            f"model does not end in a sigmoid; row {odd[0]} is {rows[odd[0]].tolist()}. For classes that go together "
            f"end the model in a sigmoid, or pass loss= and metric=."
        )


def _check_numbers(numbers: np.ndarray, y: np.ndarray, classes: int) -> None:
    counts = np.issubdtype(numbers.dtype, np.integer) or numbers.dtype == bool
    whole = counts or (np.issubdtype(numbers.dtype, np.floating) and (numbers == np.round(numbers)).all())
    most = max(classes, 2)
    if numbers.ndim == 1 and whole and numbers.min() >= 0 and numbers.max() < most:
        return
    has_range = numbers.size and np.issubdtype(numbers.dtype, np.number)
    span = f" with values from {numbers.min()} to {numbers.max()}" if has_range else ""
    raise ValueError(
        f"y does not fit the output, which has {classes} classes: expected integers from 0 to {most - 1}, one "
        f"for each sample, or rows of {classes} numbers; received shape {y.shape}{span}. For "
        f"other targets pass loss= and metric=."
    )
