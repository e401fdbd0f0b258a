"""The losses a recipe may name, on integer labels, averaged over the batch."""

from typing import Any

from keras import losses, ops


def loss_of(name: str, labels: Any, outputs: Any) -> Any:
    """Mean loss of a batch.

    Args:
        name: One of `zoo.experiments.design.experiment.LOSSES`.
        labels: Class indices of shape (n,).
        outputs: Model outputs of shape (n, classes).
    """
    if name.startswith("crossentropy"):
        each = ops.sparse_categorical_crossentropy(labels, outputs, from_logits=name.endswith("logits"))
    else:
        targets = ops.one_hot(labels, outputs.shape[-1], dtype=outputs.dtype)
        if name.startswith("binary"):
            each = losses.binary_crossentropy(targets, outputs, from_logits=name.endswith("logits"))
        else:
            each = ops.mean(ops.square(targets - outputs), axis=-1)
    return ops.mean(ops.cast(each, "float32"))
