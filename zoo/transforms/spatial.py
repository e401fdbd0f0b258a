"""Convolutions as arrays: composing two into one, and pulling a dense layer back through one."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.transforms.kernels import Kernel


@dataclass(frozen=True, eq=False)
class Spatial:
    """A convolution over any number of spatial dimensions, none included, which is a dense layer.

    Attributes:
        kernel: Shape `(*sizes, input channels, output channels)`, dilation written out with zeros.
        bias: Shape `(output channels,)`.
        strides: One number for each spatial dimension.
        padding: Zeros put before and after, for each spatial dimension; `()` stands for none.
        dilation: The divisor of all positions of the kernel that can be non-zero; 0 for size 1. By default 1.
        mode: The `padding=` that pads like this, "same" or "causal"; "average" where the padded pixels are
            left out of an average, which no fixed kernel does; `""` where a layer of its own has to pad.
    """

    kernel: np.ndarray
    bias: np.ndarray
    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...] = ()
    dilation: tuple[int, ...] = ()
    mode: str = ""

    def __post_init__(self):
        # Fields are filled in here, so that everything else can rely on one entry per dimension.
        dims = len(self.strides)
        object.__setattr__(self, "padding", self.padding or ((0, 0),) * dims)
        if not self.dilation:
            sizes = self.kernel.shape[:-2]
            object.__setattr__(self, "dilation", tuple(int(size > 1) for size in sizes))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Size of the kernel in each spatial dimension."""
        return self.kernel.shape[:-2]

    @property
    def is_padded(self) -> bool:
        """Whether zeros are put round the input."""
        return any(map(any, self.padding))

    @property
    def is_pointwise(self) -> bool:
        """Whether each output sees one pixel, its own."""
        return set(self.sizes) <= {1} and set(self.strides) <= {1}


def stencil(
    padding: str, sizes: tuple[int, ...], strides: tuple[int, ...], image: tuple[int | None, ...], layer: Any
) -> tuple[tuple[int, int], ...]:
    r"""The zeros that a padding mode puts before and after each dimension of an image.

    'same' pads $\max((\lceil n / s \rceil - 1) s + k - n, 0)$ zeros, the larger half behind; 'causal' pads
    $k - 1$ in front.

    Args:
        padding: "valid", "same" or "causal".
        sizes: Of the kernel, dilation written out.
        strides: Of the layer.
        image: Sizes of its input; None where not known.
        layer: Named in the error.

    Raises:
        ValueError: 'same' with a stride on an image of unknown size.
    """
    if padding == "valid":
        return ((0, 0),) * len(sizes)
    if padding == "causal":
        return ((sizes[0] - 1, 0),)
    found = []
    for k, s, n in zip(sizes, strides, image, strict=True):
        if k == 1:
            total = 0
        elif s == 1:
            total = k - 1
        elif n is None:
            raise ValueError(
                f"{layer.name!r}: how much padding='same' adds under stride {s} depends on "
                f"the size of the image, which is not known. Fix it in keras.Input."
            )
        else:
            total = max((math.ceil(n / s) - 1) * s + k - n, 0)
        found.append((total // 2, total - total // 2))
    return tuple(found)


def dense_kernel(kernel: Kernel, depthwise: tuple[type, ...], separable: tuple[type, ...]) -> np.ndarray:
    """The kernel of any convolution layer as one of a plain convolution: no groups, dilation written out."""
    layer = kernel.layer
    if isinstance(layer, separable):
        first = _spread_depthwise(kernel.arrays["depthwise_kernel"])
        pointwise = kernel.arrays["pointwise_kernel"]
        array = first @ pointwise.reshape(pointwise.shape[-2:])
    elif isinstance(layer, depthwise):
        array = _spread_depthwise(kernel.arrays["kernel"])
    else:
        array = kernel.arrays["kernel"]
        if layer.groups > 1:
            *spatial, inputs, outputs = array.shape
            spread = np.zeros((*spatial, inputs * layer.groups, outputs))
            per_group = outputs // layer.groups
            for group in range(layer.groups):
                rows = slice(group * inputs, (group + 1) * inputs)
                columns = slice(group * per_group, (group + 1) * per_group)
                spread[..., rows, columns] = array[..., columns]
            array = spread
    sizes = tuple(d * (k - 1) + 1 for d, k in zip(layer.dilation_rate, layer.kernel_size, strict=True))
    dilated = np.zeros((*sizes, *array.shape[-2:]))
    dilated[tuple(slice(None, None, d) for d in layer.dilation_rate)] = array
    return dilated


def compose(a: Spatial, b: Spatial, first: Any, second: Any) -> Spatial:
    """One convolution that computes `b` of `a`.

    Args:
        a: What `first`, and all before it in the run, compute.
        b: What `second` computes.
        first: Named in errors.
        second: Named in errors.

    Raises:
        ValueError: it is not a convolution.
    """
    for part, layer in ((a, first), (b, second)):
        if part.mode == "average":
            raise ValueError(
                f"{layer.name!r} ({type(layer).__name__}): with padding='same' it averages "
                f"fewer pixels at the border than inside: affine, but no convolution. Use padding='valid'."
            )
    if b.is_padded and not (a.is_pointwise and not a.is_padded and not a.bias.any()):
        raise ValueError(_border(a, b, first, second))
    sizes = tuple(k + s * (m - 1) for k, s, m in zip(a.sizes, a.strides, b.sizes, strict=True))
    kernel = np.zeros((*sizes, a.kernel.shape[-2], b.kernel.shape[-1]))
    for place in itertools.product(*map(range, b.sizes)):
        window = tuple(slice(s * p, s * p + k) for s, p, k in zip(a.strides, place, a.sizes, strict=True))
        kernel[window] += a.kernel @ b.kernel[place]
    seen = b.kernel.sum(tuple(range(b.kernel.ndim - 2)))
    return Spatial(
        kernel,
        b.bias + a.bias @ seen,
        tuple(s * t for s, t in zip(a.strides, b.strides, strict=True)),
        b.padding if b.is_padded else a.padding,
        tuple(math.gcd(d, s * e) for d, s, e in zip(a.dilation, a.strides, b.dilation, strict=True)),
        b.mode if a.is_pointwise else a.mode if b.is_pointwise else "",
    )


def pull_back(layer: Spatial, matrix: np.ndarray, image: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """A dense layer over the outputs of a convolution as one over its inputs.

    Args:
        layer: The convolution; padding of any kind is in the result.
        matrix: Shape `(*output image, output channels, outputs)`.
        image: Shape of the input, channels last, without the batch.

    Returns:
        The matrix over the inputs, shape `(*image, outputs)`, and what the bias of `layer` adds to the
        outputs.
    """
    dims = len(layer.sizes)
    padded = [n + sum(p) for n, p in zip(image[:-1], layer.padding, strict=True)]
    if layer.mode == "average":
        matrix = matrix / _shares(layer, image, matrix.shape[:dims])
    canvas = np.zeros((*padded, image[-1], matrix.shape[-1]))
    for place in itertools.product(*map(range, layer.sizes)):
        window = tuple(
            slice(p, p + s * (n - 1) + 1, s)
            for p, s, n in zip(place, layer.strides, matrix.shape[:dims], strict=True)
        )
        canvas[window] += layer.kernel[place] @ matrix
    inside = tuple(slice(p[0], p[0] + n) for p, n in zip(layer.padding, image[:-1], strict=True))
    return canvas[inside], np.tensordot(layer.bias, matrix.sum(tuple(range(dims))), 1)


def _shares(layer: Spatial, image: tuple[int, ...], output: tuple[int, ...]) -> np.ndarray:
    """The share of each pooling window that lies inside the image, shape `(*output image, 1, 1)`."""
    share = np.ones(())
    parts = zip(layer.sizes, layer.strides, layer.padding, image[:-1], output, strict=True)
    for k, s, (before, _), n, m in parts:
        starts = np.arange(m) * s - before
        inside = np.minimum(starts + k, n) - np.maximum(starts, 0)
        share = share[..., None] * (inside / k)
    return share[..., None, None]


def _spread_depthwise(kernel: np.ndarray) -> np.ndarray:
    *sizes, channels, multiplier = kernel.shape
    spread = np.zeros((*sizes, channels, channels, multiplier))
    spread[..., range(channels), range(channels), :] = kernel
    return spread.reshape(*sizes, channels, channels * multiplier)


def _border(a: Spatial, b: Spatial, first: Any, second: Any) -> str:
    total = max(k - 1 for k in b.sizes) + max((k - 1 for k in a.sizes), default=0)
    wide = max(before + after for before, after in b.padding)
    why = (
        f"a bias of {first.name!r} reaches every pixel but the padded ones"
        if a.is_pointwise and not a.is_padded
        else f"{first.name!r} computes something else than zero there"
    )
    return (
        f"{first.name!r} and {second.name!r}: {second.name!r} has "
        f"padding={second.padding!r} and pads its input with {wide} zeros in a dimension, while {why}. The map "
        f"is affine, but no convolution: one would be wrong in a border of the image. Build the run with one zero padding of "
        f"{total} in a dimension in front (keras.layers.ZeroPadding{len(b.sizes)}D) and padding='valid' in "
        f"all of its layers: then it collapses exactly."
    )
