"""The losses a recipe may name, on integer labels, averaged over the batch."""

import warnings
from typing import Any

from keras import losses, ops


def loss_of(name: str, labels: Any, outputs: Any) -> Any:
    """Mean loss of a batch.

    Keras warns of an output that its own softmax or sigmoid made where the loss asks for logits. Here the recipe
    says so, and such a mistake may be what is compared: nobody needs to be told.

    Args:
        name: One of `zoo.experiments.design.experiment.LOSSES`.
        labels: Class indices of shape (n,).
        outputs: Model outputs of shape (n, classes).
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*argument was produced by a ")
        return ops.mean(ops.cast(_each(name, labels, outputs), "float32"))


def _each(name: str, labels: Any, outputs: Any) -> Any:
    """The loss of each image."""
    if name.startswith("crossentropy"):
        return ops.sparse_categorical_crossentropy(labels, outputs, from_logits=name.endswith("logits"))
    targets = ops.one_hot(labels, outputs.shape[-1], dtype=outputs.dtype)
    if name.startswith("binary"):
        return losses.binary_crossentropy(targets, outputs, from_logits=name.endswith("logits"))
    return ops.mean(ops.square(targets - outputs), axis=-1)
