"""What labels and the end of a classifier ask for: which cross-entropy, and when an answer is right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from zoo.activations import classifier_names, families
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


def read_labels(model: keras.Model, y: Any) -> Labels:
    """How `model` is to be judged on the labels `y`.

    Args:
        model: With one output of shape `(samples, classes)`.
        y: Class numbers, of shape `(samples,)` or `(samples, 1)`, or rows of shape `(samples, classes)`: one-hot or
            shares; for a model that ends in a sigmoid, yes or no for each class.

    Raises:
        ValueError: `y` does not fit the output, or the model ends in `log_softmax`, which no loss of Keras takes.
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
