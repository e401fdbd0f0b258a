"""The best affine map in place of an activation, channel by channel, and how much it leaves unexplained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

# Of a mean: values that lie no further from it are equal but for rounding, as those of a constant channel are.
ROUNDING = 16 * float(np.finfo("float32").eps)


@dataclass(frozen=True, eq=False)
class AffineMap:
    """`y = scale * x + shift`, channel by channel.

    Attributes:
        scale: Shape `(channels,)`, float64.
        shift: Shape `(channels,)`, float64, in units of the values.
        other: How many channels another batch had than the first, which the map is fitted to; None where all had the same.
    """

    scale: np.ndarray
    shift: np.ndarray
    other: int | None = None

    @classmethod
    def identity(cls, channels: int) -> AffineMap:
        """The map that changes nothing."""
        return cls(np.ones(channels), np.zeros(channels))

    @property
    def is_identity(self) -> bool:
        """Whether the map changes nothing."""
        return bool((self.scale == 1).all() and not self.shift.any())

    def on(self, tensor: Any, axis: int) -> Any:
        """The map of a tensor whose channels are on `axis`."""
        shape = [1] * len(tensor.shape)
        shape[axis] = -1
        scale, shift = (ops.cast(v.reshape(shape), tensor.dtype) for v in (self.scale, self.shift))
        return tensor * scale + shift


class Moments:
    r"""Means and centred second moments of values before, $z$, and after, $a$, an activation.

    Batches are merged by Chan's formula in float64, so that no difference of large numbers is taken.

    Attributes:
        other: How many channels a batch had that was left out, for it had others than the first; None without one.
    """

    def __init__(self) -> None:
        self.count = 0
        self.other: int | None = None
        self.mean, self.second = np.zeros((2, 1)), np.zeros((3, 1))

    def add(self, count: int, before: Any, after: Any, *second: Any) -> None:
        """Merge the moments of one batch, as `batch_moments` returns them."""
        mean = np.stack([np.asarray(ops.convert_to_numpy(v), "float64") for v in (before, after)])
        new = np.stack([np.asarray(ops.convert_to_numpy(v), "float64") for v in second])
        if not self.count:
            self.count, self.mean, self.second = count, mean, new
            return
        if mean.shape != self.mean.shape:
            self.other = mean.shape[1]
            return
        total = self.count + count
        apart = mean - self.mean
        share = self.count * count / total
        self.second = (
            self.second + new + share * np.stack([apart[0] ** 2, apart[0] * apart[1], apart[1] ** 2])
        )
        self.mean = self.mean + apart * (count / total)
        self.count = total

    def best(self) -> AffineMap:
        """The affine map with the least squared error; a channel that varies by rounding alone becomes a constant."""
        zz, za, _ = self.second
        varies = self._vary(zz, self.mean[0])
        scale = np.where(varies, za / np.where(varies, zz, 1.0), 0.0)
        return AffineMap(scale, self.mean[1] - scale * self.mean[0], self.other)

    def unexplained(self) -> float:
        """The share of the variance within channels after the activation that `best` does not explain."""
        zz, za, aa = self.second
        if not np.isfinite(aa.sum()):
            return float("nan")
        varies = self._vary(zz, self.mean[0])
        explained = np.where(varies, za**2 / np.where(varies, zz, 1.0), 0.0)
        total = aa[self._vary(aa, self.mean[1])].sum()
        return float(np.clip(1.0 - explained.sum() / total, 0.0, 1.0)) if total > 0 else 0.0

    def _vary(self, second: np.ndarray, mean: np.ndarray) -> np.ndarray:
        return np.asarray(second > self.count * (ROUNDING * np.abs(mean)) ** 2)


def require_channels(place: str, before: int, now: int) -> None:
    """Refuse a place that has other channels in one batch than in another.

    Args:
        place: Its name.
        before: How many it had.
        now: How many it has.

    Raises:
        ValueError: These differ.
    """
    if before != now:
        raise ValueError(
            f"{place!r} has {before} channels in one batch and {now} in another, so that its channels are no units of the net "
            "but places in the data, such as the steps of a sequence: pad all batches to one length."
        )


def check_channels(site: str, found: AffineMap) -> None:
    """Refuse a map that was fitted to the first batch alone, as a later one had other channels.

    Args:
        site: Where it was fitted.
        found: The map.

    Raises:
        ValueError: If a batch had.
    """
    if found.other is not None:
        require_channels(site, len(found.scale), found.other)


def check_finite(site: str, found: AffineMap, argument: str) -> None:
    """Refuse a map of numbers that are none, or of channels that are others from batch to batch.

    Args:
        site: Where it was fitted.
        found: The map.
        argument: The name under which the data were given.

    Raises:
        ValueError: If a scale or a shift is not finite, or a batch had other channels than the first.
    """
    check_channels(site, found)
    if not (np.isfinite(found.scale).all() and np.isfinite(found.shift).all()):
        raise ValueError(
            f"cannot fit {site!r}: its values on `{argument}` are not finite. Look for nan and inf in `{argument}` and in "
            "the weights before this site; where the net means them, as in a mask, leave the site out with sites=."
        )


def batch_moments(before: Any, after: Any, axis: int) -> tuple[Any, ...]:
    """Means and centred sums of squares and products over all axes but `axis`, as float32 tensors.

    Returns:
        Mean before, mean after, and the sums of `z z`, `z a` and `a a`, each of shape `(channels,)`.
    """
    z, a = ops.cast(before, "float32"), ops.cast(after, "float32")
    others = tuple(i for i in range(len(z.shape)) if i != axis)
    first = tuple(slice(None) if i == axis else slice(0, 1) for i in range(len(z.shape)))
    # Against the first value: the mean of equal numbers is that number to the last digit.
    means = [v[first] + _along(ops.mean, v - v[first], others) for v in (z, a)]
    z, a = z - means[0], a - means[1]
    flat = [
        ops.reshape(m, (-1,)) for m in (*means, *(_along(ops.sum, p, others) for p in (z * z, z * a, a * a)))
    ]
    return tuple(flat)


def _along(reduce: Any, values: Any, axes: tuple[int, ...]) -> Any:
    """A mean or sum over `axes`, one after the other: over all at once TensorFlow adds a million float32 in a row."""
    for axis in axes:
        values = reduce(values, axis=axis, keepdims=True)
    return values
