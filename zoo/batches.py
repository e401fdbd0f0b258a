"""Data batch by batch, whatever holds it: arrays, `tf.data` Datasets, PyDatasets, loaders and generators."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np

from zoo.graph import input_structure, producer
from zoo.values import as_integer

DEFAULT_SIZE = 32


class Batches:
    """The inputs of batches that were drawn once, kept so that they can be read again.

    Args:
        batches: Elements as a Dataset yields them: `x`, `(x,)`, `(x, y)` or `(x, y, weights)`.

    Raises:
        ValueError: inputs are ragged or sparse.
    """

    def __init__(self, batches: Iterable[Any]):
        self._batches = [(_as_arrays(_split(batch)[0], "x"),) for batch in batches]

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._batches)


def keep(x: Any, batches: int | None) -> Any:
    """`x` itself if it is arrays, else its first `batches` batches, drawn now.

    Raises:
        ValueError: as `elements`.
    """
    return Batches(elements(x, batches)) if is_stream(x) else x


def is_stream(x: Any) -> bool:
    """Whether `x` yields batches: a Dataset, a PyDataset, a loader or a generator, and not arrays."""
    if isinstance(x, (list, tuple, dict, str, np.ndarray, Batches)) or hasattr(x, "shape"):
        return isinstance(x, Batches)
    return isinstance(x, keras.utils.PyDataset) or hasattr(x, "__iter__")


def elements(x: Any, batches: int | None, argument: str = "x") -> Iterator[Any]:
    """The first `batches` elements of a stream, given as `argument`; all where it has an end.

    Raises:
        TypeError: `batches` is no integer.
        ValueError: it is less than 1; or it is not given and the length of the stream is not known; or the stream
            has fewer batches, or none.
    """
    wanted = _if_given("batches", batches)
    length, kind = _length(x), type(x).__name__
    if wanted is None and length is None:
        raise ValueError(f"{argument} is a {kind}, which may never end: pass batches=, the number to read.")
    if isinstance(x, keras.utils.PyDataset):
        stream = (x[i] for i in (itertools.count() if length is None else range(length)))
    else:
        stream = iter(x)
    number = 0
    for element in itertools.islice(stream, wanted or length):
        number += 1
        yield element
    again = " A generator that was read before has to be made again." if stream is x else ""
    if not number:
        raise ValueError(f"{argument}, a {kind}, has no batches; expected one at least.{again}")
    if number < (wanted or length or 0):
        raise ValueError(
            f"{argument}, a {kind}, ended after {number} batches; batches={wanted or length}.{again}"
        )


def read_batches(
    model: keras.Model,
    x: Any,
    *,
    batch_size: int | None = None,
    batches: int | None = None,
    argument: str = "x",
) -> Iterator[tuple[list[Any], Any]]:
    """Pairs of the flat list of input arrays of `model` and the targets of that batch, if there are any.

    Args:
        model: What the inputs are for.
        x: Arrays as `model.predict` takes them, or a stream of batches.
        batch_size: Samples of arrays at a time; by default that of the model if fixed, else 32.
        batches: How many batches to read; all by default.
        argument: What `x` was given as.

    Raises:
        TypeError: `batch_size` or `batches` is no integer.
        ValueError: one of them is less than 1; or what is there does not fit `model`, is less than `batches`, is
            nothing, or may never end.
    """
    batch_size = _if_given("batch_size", batch_size)
    fixed = fixed_size(model)
    if is_stream(x):
        if batch_size is not None:
            raise ValueError(
                f"batch_size={batch_size} is for arrays; {argument}, a {type(x).__name__}, has batches of its own."
            )
        for element in elements(x, batches, argument):
            inputs, y = _split(element)
            yield input_arrays(model, _as_arrays(inputs, argument), fixed, argument), y
        return
    arrays = input_arrays(model, x, None, argument)
    size = batch_size or fixed or DEFAULT_SIZE
    samples = sample_count(arrays)
    if fixed is not None and (size != fixed or samples % fixed):
        raise ValueError(
            f"{model.name!r} takes batches of {fixed} samples; received {samples} samples"
            + (f" and batch_size={size}." if size != fixed else ", which leaves a smaller last batch.")
        )
    starts = range(0, samples, size)
    if (batches := _if_given("batches", batches)) is not None:
        if batches > len(starts):
            raise ValueError(f"batches={batches}, but {argument} has {len(starts)} of {size} samples.")
        starts = starts[:batches]
    for start in starts:
        yield [None if array is None else array[start : start + size] for array in arrays], None


def fixed_size(model: keras.Model) -> int | None:
    """The number of samples that `model` takes at a time, or None where any number will do."""
    return next((t.shape[0] for t in keras.tree.flatten(model.inputs) if t.shape[0] is not None), None)


def read_labelled(
    model: keras.Model, x: Any, *, batch_size: int | None = None, batches: int | None = None
) -> Iterator[tuple[list[Any], Any]]:
    """As `read_batches` of a stream that brings the targets with it.

    Raises:
        ValueError: it yields none.
    """
    for arrays, targets in read_batches(model, x, batch_size=batch_size, batches=batches):
        if targets is None:
            raise ValueError(f"x, a {type(x).__name__}, yields no targets: its elements have to be (x, y).")
        yield arrays, targets


def refuse_targets(x: Any, y: Any) -> None:
    """Targets come from `y` where `x` is arrays, and from a stream itself.

    Raises:
        ValueError: they would come from both, or from nowhere.
    """
    if is_stream(x) != (y is None):
        raise ValueError(
            "y is missing: pass the targets of x."
            if y is None
            else f"x, a {type(x).__name__}, brings the targets with it: leave out y, and pass what follows it by name."
        )


def input_arrays(model: keras.Model, x: Any, fixed: int | None, argument: str = "x") -> list[Any]:
    """`x`, given as `argument`, as a flat list, one array for each input of `model`; None for an optional one left out.

    Raises:
        ValueError: the number of arrays or of samples is not right, or None is given for an input that is not optional.
    """
    symbols = keras.tree.flatten(model.inputs)
    if isinstance(x, dict) and not isinstance(input_structure(model), dict):
        missing = [symbol.name for symbol in symbols if symbol.name not in x]
        arrays = [] if missing else [x[symbol.name] for symbol in symbols]
    else:
        arrays = keras.tree.flatten(x) if isinstance(x, (list, tuple, dict)) else [x]
    names = [symbol.name for symbol in symbols]
    arrays = [_dense(array, argument) for array in arrays]
    _refuse_none(model, symbols, arrays, argument)
    given = [array for array in arrays if array is not None]
    if not all(hasattr(array, "shape") for array in given):
        kinds = sorted({type(array).__name__ for array in given if not hasattr(array, "shape")})
        raise ValueError(
            f"{model.name!r} takes one array for each of {names}; {argument} holds {', '.join(kinds)}. Make arrays of "
            f"them: numpy.array({argument})."
        )
    shapes = [tuple(array.shape) for array in given]
    if len(arrays) != len(symbols) or not all(shapes) or len({shape[0] for shape in shapes}) != 1:
        raise ValueError(
            f"{model.name!r} takes one array for each of {names}, with the same number of samples; received "
            f"{keras.tree.map_structure(_shape, x)}."
        )
    filled = (symbol for symbol, array in zip(symbols, arrays, strict=True) if array is not None)
    for symbol, shape in zip(filled, shapes, strict=True):
        _refuse_shape(model, symbol, shape)
    if shapes[0][0] == 0:
        raise ValueError(f"{argument} has no samples: its shapes are {shapes}.")
    if fixed not in (None, shapes[0][0]):
        raise ValueError(f"{model.name!r} takes batches of {fixed} samples; received {shapes[0][0]}.")
    return arrays


def sample_count(arrays: list[Any]) -> int:
    """How many samples the input arrays of a model have; an optional one that is left out has none to count."""
    return next(len(array) for array in arrays if array is not None)


def _refuse_none(model: keras.Model, symbols: list[Any], arrays: list[Any], argument: str) -> None:
    """Refuse None where it stands for no optional input, or nothing else is given."""
    if not any(array is None for array in arrays) or len(arrays) != len(symbols):
        return
    for symbol, array in zip(symbols, arrays, strict=True):
        if array is None and not getattr(producer(symbol).operation, "optional", False):
            raise ValueError(
                f"{argument} has None for input {symbol.name!r} of {model.name!r}, which is not optional. Pass an array, or "
                f"make the input with keras.Input(..., optional=True)."
            )
    if all(array is None for array in arrays):
        raise ValueError(f"{argument} has no samples: it is None for every input of {model.name!r}.")


def _refuse_shape(model: keras.Model, symbol: Any, shape: tuple[int, ...]) -> None:
    """Refuse an array that is no batch for that input. As for Keras, a last axis of size one may lack or be too much."""
    wanted, taken = tuple(symbol.shape), shape
    if len(shape) == len(wanted) - 1 and wanted[-1] == 1:
        taken = (*shape, 1)
    elif len(shape) == len(wanted) + 1 and shape[-1] == 1:
        taken = shape[:-1]
    # One grey image of an open size could be a batch of its rows: it is asked which.
    is_sample = taken[0] > 1 and _fits(wanted[1:], shape)
    if _fits(wanted[1:], taken[1:]) and not is_sample:
        return
    missing = (
        ": a dimension is missing. Single samples have to be batched: x[None], or dataset.batch(32)"
        if len(shape) < len(wanted)
        else ""
    )
    raise ValueError(
        f"input {symbol.name!r} of {model.name!r} takes arrays of shape {wanted}, received {shape}{missing}."
    )


def _fits(wanted: tuple[int | None, ...], sizes: tuple[int, ...]) -> bool:
    """Whether each size that is known is that."""
    return len(wanted) == len(sizes) and all(w in (None, s) for w, s in zip(wanted, sizes, strict=True))


def _shape(array: Any) -> Any:
    return None if array is None else np.shape(array)


def _dense(array: Any, argument: str) -> Any:
    """`array`, if it has a value at each place of one shape."""
    kind = type(array).__name__
    if isinstance(array, keras.KerasTensor):
        raise ValueError(
            f"{argument} holds a {kind}, a place in a model, which has no values; pass arrays of them."
        )
    without = hasattr(array, "shape") and not hasattr(array, "__len__") and not hasattr(array, "__array__")
    # What is sparse, of SciPy, JAX or Torch.
    if without or hasattr(array, "todense") or getattr(array, "is_sparse", False):
        raise ValueError(f"{argument} holds a {kind}; only dense arrays are measured. Make one of it first.")
    return array


def _length(x: Any) -> int | None:
    if isinstance(x, keras.utils.PyDataset):
        return x.num_batches
    if hasattr(x, "cardinality"):
        length = int(x.cardinality())
        return length if length >= 0 else None
    try:
        return len(x)
    except TypeError:
        return None


def _split(element: Any) -> tuple[Any, Any]:
    x, y, _ = keras.utils.unpack_x_y_sample_weight(element)
    return x, y


def _as_arrays(structure: Any, argument: str) -> Any:
    # Tensors of another backend, of TensorFlow's Datasets above all, are arrays for all of them. A backend knows how
    # its own become one: on Torch from an accelerator, and out of a computation that has gradients.
    def convert(value: Any) -> Any:
        value = _dense(value, argument)
        if keras.ops.is_tensor(value):
            return np.asarray(keras.ops.convert_to_numpy(value))
        return np.asarray(value) if hasattr(value, "shape") and hasattr(value, "__array__") else value

    return keras.tree.map_structure(convert, structure)


def _if_given(argument: str, received: int | None) -> int | None:
    return None if received is None else as_integer(argument, received)
