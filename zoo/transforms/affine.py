"""The matrix of an activation-free model, or a pair of inputs that shows that it has none."""

from __future__ import annotations

import math
import warnings
from typing import Any

import keras
import numpy as np
from keras import layers

from zoo.activations import is_linear, takes_activation
from zoo.graph import Part, graphs, in_inference, input_structure, rewrite, seeds_untouched
from zoo.graph.nested import called_in_training
from zoo.graph.reasons import reason
from zoo.transforms.batchnorm import is_batchnorm
from zoo.values import as_integer

AFFINE_LAYERS = (
    layers.AveragePooling1D,
    layers.AveragePooling2D,
    layers.AveragePooling3D,
    layers.GlobalAveragePooling1D,
    layers.GlobalAveragePooling2D,
    layers.GlobalAveragePooling3D,
    layers.ZeroPadding1D,
    layers.ZeroPadding2D,
    layers.ZeroPadding3D,
    layers.Cropping1D,
    layers.Cropping2D,
    layers.Cropping3D,
    layers.UpSampling1D,
    layers.UpSampling2D,
    layers.UpSampling3D,
    layers.Flatten,
    layers.Reshape,
    layers.Permute,
    layers.RepeatVector,
    layers.Add,
    layers.Subtract,
    layers.Average,
    layers.Concatenate,
    layers.Identity,
    layers.Rescaling,
    layers.Normalization,
)
# Nothing in inference.
NOISE = (
    layers.Dropout,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.SpatialDropout3D,
    layers.GaussianNoise,
    layers.GaussianDropout,
    layers.AlphaDropout,
    layers.ActivityRegularization,
    layers.RandomFlip,
    layers.RandomRotation,
    layers.RandomTranslation,
    layers.RandomZoom,
    layers.RandomContrast,
    layers.RandomBrightness,
)
AFFINE_OPERATIONS = frozenset(
    "Add Subtract Negative Concatenate Stack GetItem Reshape Transpose Squeeze ExpandDims Mean Sum Moveaxis "
    "Flip Roll Repeat Tile".split()
)
# What computes with what it gets, which small whole numbers do not hold: 200 + 100 is 44 in uint8.
_ARITHMETIC = frozenset("Add Subtract Average Negative Sum Multiply".split())
_SMALL = frozenset("bool int8 uint8 int16 uint16".split())
# Whole numbers that float32 holds, sums of two of them too.
_LARGEST_WHOLE = 2**23
SCALES = (1.0, 10.0, 0.1, 1e3, 1e-3, 1e6)
# A net with more inputs than this and a layer that is not affine is refused by that name, before anything is computed.
LARGEST_SEARCH = 2**14


class NotAffineError(ValueError):
    """A model is not affine: `f(u + v) + f(0)` differs from `f(u) + f(v)`.

    Attributes:
        u: An input, as the model takes it, with a batch of one; a list for several inputs.
        v: Another one.
        gap: The largest entry of `f(u + v) + f(0) - f(u) - f(v)`; 0 where no pair was found, or none was looked
            for because the net is large: then `u` and `v` are None.
    """

    def __init__(self, message: str, u: Any, v: Any, gap: float):
        super().__init__(message)
        self.u, self.v, self.gap = u, v, gap


@seeds_untouched()
def affine_map(
    model: keras.Model, *, batch_size: int = 256, probe: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    r"""The matrix $A$ and offset $c$ of an activation-free model: $y = A x + c$ for every input.

    $x$ is the input and $y$ the output, flattened row by row; several inputs, or outputs, stand one after
    the other in the order of `model.inputs`. Inputs may be whole numbers or truth values, 0 and 1.
    $c$ is the output for zeros; column $i$ of $A$ is the output for the $i$-th unit vector minus $c$. Computed in
    float64 where the backend has it, so that nothing but the weights is rounded.

    That is one forward pass for every number of the input: meant for small models.

    Args:
        model: A Functional or built Sequential model with fixed input sizes, whose layers are affine in
            inference. It is left untouched.
        batch_size: How many unit vectors go through the model at a time; bounds the memory.
        probe: Inputs, as `model` takes them, on which each layer of the float64 copy is compared with the
            original; None draws a small batch, False compares nothing.

    Returns:
        `(matrix, offset)`, float64, of shapes `(outputs, inputs)` and `(outputs,)`.

    Raises:
        TypeError: `model` is subclassed, so its computation is not a graph; or `batch_size` is no integer.
        NotAffineError: a `ValueError`; it names the layer and shows a pair of inputs $u, v$ with
            $f(u + v) + f(0) \ne f(u) + f(v)$, also in its attributes `u`, `v` and `gap`. Of a net with more
            than 16,384 inputs it names the layer only, at once.
        ValueError: an input is no number, or of unknown size; samples of a batch are mixed; a copy computes something else;
            or `batch_size` is less than 1.

    Example:
        >>> import keras, numpy as np
        >>> from zoo.transforms import affine_map
        >>> from keras import layers
        >>> parts = [layers.Conv2D(2, 3), layers.Flatten()]
        >>> model = keras.Sequential([keras.Input((4, 4, 1)), *parts])
        >>> matrix, offset = affine_map(model)
        >>> x = np.ones((1, 4, 4, 1), "float32")
        >>> bool(np.allclose(matrix @ x.ravel() + offset, model(x)[0], atol=1e-6))
        True
    """
    batch_size = as_integer("batch_size", batch_size)
    suspects = _not_affine(model)
    shapes = [tuple(tensor.shape[1:]) for tensor in keras.tree.flatten(model.inputs)]
    if any(None in shape for shape in shapes):
        raise ValueError(
            f"affine_map needs fixed sizes; the inputs of {model.name!r} have the shapes {shapes}."
        )
    words = [t.name for t in keras.tree.flatten(model.inputs) if t.dtype == "string"]
    if words:
        raise ValueError(
            f"affine_map needs numbers; the inputs {words} of {model.name!r} are strings. Take the part "
            f"behind them: zoo.surgery.cut(model, inputs=...)."
        )
    dtypes = [tensor.dtype for tensor in keras.tree.flatten(model.inputs)]
    if suspects:
        _refuse(_Flat(model, shapes, dtypes, "float32"), model, suspects)
    dtype = "float64" if _has_float64() else "float32"
    # Casts would round what is computed exactly.
    replace: dict[Any, list[Part]] = {cast: [] for cast in _casts(model)}
    function = _Flat(rewrite(model, replace, settings={"dtype": dtype}, probe=probe), shapes, dtypes, dtype)
    function.check_samples()
    _refuse_non_additive(function, model, [])
    zero = function(np.zeros((1, function.inputs)))
    columns = []
    for start in range(0, function.inputs, batch_size):
        stop = min(start + batch_size, function.inputs)
        units = np.zeros((stop - start, function.inputs))
        units[range(stop - start), range(start, stop)] = 1.0
        columns.append(function(units) - zero)
    return np.concatenate(columns).T, zero[0]


class _Flat:
    """A model as a function of rows of numbers.

    Args:
        model: The model, or a copy of it.
        shapes: Of a sample of each input.
        dtypes: Of each input of the model that was given.
        dtype: In which the numbers are passed.
    """

    def __init__(self, model: keras.Model, shapes: list[tuple[int, ...]], dtypes: list[str], dtype: str):
        self.dtype = dtype
        self.model = model
        self.shapes = shapes
        self.dtypes = dtypes
        self.inputs = sum(math.prod(shape) for shape in shapes)
        batch_sizes = {tensor.shape[0] for tensor in keras.tree.flatten(model.inputs)} - {None}
        self.batch_size = min(batch_sizes, default=None)

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        if self.batch_size is None:
            return self._of_batch(rows)
        results = []
        for start in range(0, len(rows), self.batch_size):
            some = rows[start : start + self.batch_size]
            padded = np.pad(some, ((0, self.batch_size - len(some)), (0, 0)))
            results.append(self._of_batch(padded)[: len(some)])
        return np.concatenate(results)

    def _of_batch(self, rows: np.ndarray) -> np.ndarray:
        result = in_inference(
            lambda: keras.tree.flatten(self.model(self.packed(rows), training=False)),
        )
        arrays = [np.asarray(keras.ops.convert_to_numpy(t), "float64") for t in result]
        if any(array.shape[:1] != (len(rows),) for array in arrays):
            self._refuse_mixing(f"of {len(rows)} samples it makes shapes {[array.shape for array in arrays]}")
        return np.concatenate([array.reshape(len(rows), -1) for array in arrays], axis=1)

    def check_samples(self) -> None:
        """Refuse a model that computes something else for a sample where others stand beside it."""
        count = max(2, self.batch_size or 2)
        rows = np.random.default_rng(1).normal(size=(count, self.inputs))
        together = self(rows)
        for place in (0, count - 1):
            beside = np.zeros_like(rows)
            beside[place] = rows[place]
            alone = self(rows[place : place + 1])[0] if self.batch_size is None else self(beside)[place]
            largest = max(np.abs(alone).max(initial=0), np.abs(together).max(initial=0)) or 1.0
            # Kernels for batches of another size round otherwise; also true for nan, which is told elsewhere.
            if np.abs(together[place] - alone).max(initial=0) > 1e-4 * largest:
                self._refuse_mixing("a sample comes out otherwise where another one stands beside it")

    def _refuse_mixing(self, how: str) -> None:
        raise ValueError(
            f"{self.model.name!r} mixes the samples of a batch: {how}. So it is no function of one input, which a matrix "
            f"would be. Let no operation work along the first axis."
        )

    def packed(self, rows: np.ndarray) -> Any:
        """Rows in the structure of the model's inputs."""
        return self._packed(rows, [self.dtype] * len(self.shapes))

    def shown(self, rows: np.ndarray) -> Any:
        """Rows as the model that was given takes them: whole numbers where it takes such."""
        return self._packed(rows, [d if _is_whole(d) else self.dtype for d in self.dtypes])

    def _packed(self, rows: np.ndarray, dtypes: list[str]) -> Any:
        edges = np.cumsum([math.prod(shape) for shape in self.shapes])[:-1]
        pieces = zip(np.split(rows, edges, axis=1), self.shapes, dtypes, strict=True)
        arrays = [piece.reshape(len(rows), *shape).astype(dtype) for piece, shape, dtype in pieces]
        return keras.tree.pack_sequence_as(input_structure(self.model), arrays)

    def pairs(self, rng: np.random.Generator, scale: float, count: int) -> tuple[np.ndarray, np.ndarray]:
        """`count` pairs of rows of numbers of that size, each of which, and the sum of both, every input can have."""
        drawn = [
            _pair(rng, scale, (count, math.prod(shape)), dtype)
            for shape, dtype in zip(self.shapes, self.dtypes, strict=True)
        ]
        u, v = zip(*drawn, strict=True)
        return np.concatenate(u, axis=1), np.concatenate(v, axis=1)


def _is_whole(dtype: str) -> bool:
    return dtype == "bool" or keras.backend.is_int_dtype(dtype)


def _pair(
    rng: np.random.Generator, scale: float, shape: tuple[int, ...], dtype: str
) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays that an input of `dtype` can have, and their sum too."""
    if not _is_whole(dtype):
        u, v = scale * rng.normal(size=(2, *shape))
    elif dtype == "bool":
        whose = rng.integers(3, size=shape)  # nobody's, u's or v's: a sum is 0 or 1
        u, v = whose == 1, whose == 2
    else:
        most = max(1, min(round(8 * scale), np.iinfo(dtype).max // 2, _LARGEST_WHOLE // 2))
        least = -most if dtype.startswith("int") else 0
        u, v = rng.integers(least, most, size=(2, *shape), endpoint=True)
    return u.astype("float64"), v.astype("float64")


def _has_float64() -> bool:
    # JAX gives float32 unless told otherwise, and warns: the answer is all that is asked for here. NumPy holds
    # float64 and convolves in float32, Keras on Torch multiplies matrices in float32: so both are asked.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one = keras.ops.convert_to_tensor(np.ones((1, 1, 1, 1)), "float64")
        try:
            results = [keras.ops.conv(one, one), keras.ops.matmul(one, one)]
        except Exception:  # a backend without such a convolution
            return False
    return {keras.backend.standardize_dtype(result.dtype) for result in results} == {"float64"}


def _refuse(function: _Flat, model: keras.Model, suspects: list[str]) -> None:
    """Say what is not affine, with a pair of inputs that shows it where that is cheap."""
    if function.inputs <= LARGEST_SEARCH:
        u = function.shown(np.zeros((1, function.inputs)))
        searched = (
            f"No pair of inputs that violates additivity was found at scales {SCALES}, which proves nothing."
        )
        try:
            _refuse_non_additive(function, model, suspects)
        except NotAffineError:
            raise
        except Exception as error:  # an index, say, is no such number
            u = None
            searched = f"It does not take the numbers that a pair was looked for with: {reason(error)}"
    else:
        u = None
        searched = f"It takes {function.inputs} numbers, so no pair of inputs was looked for that shows it."
    more = f"; and {len(suspects) - 12} more" if len(suspects) > 12 else ""
    raise NotAffineError(
        f"{model.name!r} cannot be shown to be affine: {'; '.join(suspects[:12])}{more}. {searched} Remove what is named.",
        u,
        u,
        0.0,
    )


def _refuse_non_additive(function: _Flat, model: keras.Model, suspects: list[str]) -> None:
    rng = np.random.default_rng(0)
    tolerance = 1e-9 if function.dtype == "float64" else 1e-4
    zero = function(np.zeros((1, function.inputs)))
    who = f" ({suspects[0]})" if suspects else ""
    for scale in SCALES:
        u, v = function.pairs(rng, scale, 8)
        of_u, of_v, of_sum = function(u), function(v), function(u + v)
        gaps = of_sum + zero - of_u - of_v
        size = max(np.abs(values).max() for values in (of_u, of_v, of_sum, zero)) or 1.0
        row, entry = np.unravel_index(np.abs(gaps).argmax(), gaps.shape)
        if abs(gaps[row, entry]) <= tolerance * size:  # also False for nan, which no affine map returns
            continue
        pair = function.shown(u[row : row + 1]), function.shown(v[row : row + 1])
        values = of_sum[row, entry], zero[0, entry], of_u[row, entry], of_v[row, entry]
        message = (
            f"{model.name!r} is not affine{who}. For u = {_shown(u[row])} and v = {_shown(v[row])}, output "
            f"{entry} has f(u + v) + f(0) = {values[0] + values[1]:.6g}, but f(u) + f(v) = "
            f"{values[2] + values[3]:.6g}."
        )
        raise NotAffineError(message, *pair, float(gaps[row, entry]))


def _shown(values: np.ndarray) -> str:
    numbers = ", ".join(f"{value:.4g}" for value in values[:4])
    return f"[{numbers}{', ...' if len(values) > 4 else ''}]"


def _not_affine(model: keras.Model) -> list[str]:
    """What in `model` is not known to be affine in inference, in words."""
    found = graphs(model)
    training = called_in_training(found)
    suspects = []
    for graph in found:
        for node in graph.nodes:
            reason = _suspicion(node, id(graph.model) in training)
            if reason is not None:
                suspects.append(f"{graph.path}{node.operation.name}: {reason}")
    return suspects


def _casts(model: keras.Model) -> list[Any]:
    """The bare casts in `model`."""
    nodes = (node for graph in graphs(model) for node in graph.nodes)
    return [node.operation for node in nodes if _is_bare_cast(node.operation)]


def _is_bare_cast(operation: Any) -> bool:
    return type(operation).__name__ == "Cast" and type(operation).__module__.startswith("keras.")


def _keeps_numbers(source: str, result: str) -> bool:
    """Whether a cast leaves every number as it is, but for rounding."""
    if keras.backend.is_float_dtype(result):
        return True
    return _is_whole(source) and _is_whole(result) and np.can_cast(source, result)


def _computes_in(node: Any) -> str:
    # A layer says its compute_dtype, to which it casts no whole numbers.
    if isinstance(node.operation, layers.Layer):
        return keras.backend.result_type(*(tensor.dtype for tensor in node.input_tensors))
    return node.outputs[0].dtype


def _suspicion(node: Any, training: bool) -> str | None:
    operation = node.operation
    kind = type(operation).__name__
    if kind in _ARITHMETIC and (dtype := _computes_in(node)) in _SMALL:
        return f"{kind} computes in {dtype}, which sums leave; cast to a float dtype first"
    if _is_bare_cast(operation):
        source, result = node.input_tensors[0].dtype, node.outputs[0].dtype
        return None if _keeps_numbers(source, result) else f"Cast makes {result} of {source}"
    if isinstance(operation, keras.Model) or type(operation) in AFFINE_LAYERS:
        return None
    if takes_activation(operation) or isinstance(operation, layers.Activation):
        if getattr(operation, "quantization_mode", None):
            return f"{kind} rounds to {operation.quantization_mode}"
        if is_linear(operation.activation):
            return None
        return (
            f"{kind} applies {getattr(operation.activation, '__name__', type(operation.activation).__name__)}"
        )
    training = training or bool(node.arguments.kwargs.get("training"))
    if is_batchnorm(operation) or type(operation) in NOISE:
        return f"{kind} is called with training=True" if training else None
    if not isinstance(operation, layers.Layer) and type(operation).__module__.startswith("keras."):
        if kind in AFFINE_OPERATIONS:
            return None
        if kind == "Pad" and operation.mode == "constant":
            return None
        if kind == "Multiply" and len(node.input_tensors) == 1:
            return None
        if kind in ("TrueDivide", "Divide") and len(node.input_tensors) == 1:
            return (
                None
                if isinstance(node.arguments.args[0], keras.KerasTensor)
                else f"{kind} divides by an input"
            )
    return f"{kind} is not affine"
