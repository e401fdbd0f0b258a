"""A loss as `fit` computes it, and what one batch counts among others."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.graph.internals import mask_of

# What `fit` makes of a function: it gives targets and outputs one dtype and one rank.
_FromFunction: Any = keras.losses.MeanSquaredError.__base__
# Those that divide by the number of positions, without the masked ones.
_MEANS = ("sum_over_batch_size", "mean", "mean_with_sample_weight")


class BatchLoss:
    """The loss of one batch at a time, as `fit` computes it.

    Args:
        given: Name, function or `keras.losses.Loss`.

    Attributes:
        sums: Whether it is the sum over the samples, and not their mean.
        dtype: In which it is computed, where Keras' own code computes it; that of a function is float32 or wider.
    """

    def __init__(self, given: Any):
        loss = keras.losses.get(given)
        if not isinstance(loss, keras.losses.Loss):
            wide = keras.config.floatx() == "float64"
            name = getattr(loss, "__name__", "loss")
            loss = _FromFunction(loss, name=name, dtype="float64" if wide else "float32")
        self.sums = loss.reduction == "sum"
        self.dtype = loss.dtype
        # Somebody's own may do anything when it is called.
        self._recorded = _Recording(loss) if type(loss).__call__ is keras.losses.Loss.__call__ else None
        self._loss = self._recorded or loss
        self._averages = loss.reduction in _MEANS
        self._may_mask = True

    def __call__(self, targets: Any, output: Any) -> Any:
        """The loss as one number, a tensor."""
        return ops.mean(self._loss(ops.convert_to_tensor(targets), output))

    def number(self, targets: Any, output: Any) -> tuple[float, int | None]:
        """The same as a number of Python, put together in float64 where nothing is masked; and what `unmasked` says."""
        if self._recorded is not None:
            wanted, found = (ops.convert_to_tensor(v, dtype=self.dtype) for v in (targets, output))
            values = self._recorded.call(wanted, found)
            if self._kept(output) is None:
                wide = np.asarray(ops.convert_to_numpy(values), "float64")
                return float(wide.sum() if self.sums else wide.mean()), None
        return float(ops.convert_to_numpy(self(targets, output))), self.unmasked(output)

    def unmasked(self, output: Any) -> int | None:
        """Of how many positions the loss that was computed last is the mean; None where nothing masks any.

        Args:
            output: That of the model, which it was computed of.
        """
        kept = self._kept(output) if self._averages else None
        return None if kept is None else int(np.count_nonzero(kept))

    def _kept(self, output: Any) -> np.ndarray | None:
        """Which values count of those that were computed last, if the model or the loss itself masks some."""
        if self._recorded is None or not self._may_mask or not self._recorded.values.shape:
            return None
        found = (mask_of(tensor) for tensor in (output, self._recorded.values))
        masks = [np.asarray(ops.convert_to_numpy(mask), bool) for mask in found if mask is not None]
        self._may_mask = bool(masks)  # which is so for one batch as for another, and takes time to ask
        return np.logical_and.reduce(masks) if masks else None


class _Recording(keras.losses.Loss):
    """A loss that keeps the values it takes the mean of."""

    def __init__(self, loss: Any):
        super().__init__(name=loss.name, reduction=loss.reduction, dtype=loss.dtype)
        self._each = loss.call
        self.values: Any = None

    def call(self, y_true: Any, y_pred: Any) -> Any:
        self.values = self._each(y_true, y_pred)
        return self.values
