"""Two models compute one batch, call by call: the first copy that differs from its original is named."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from zoo.graph.calling import Stretch, accepted, call_operation, in_inference, name_of, nodes_of, outputs_of
from zoo.graph.internals import carry_mask, flatten_layers, mask_of, masks_kept, standardised
from zoo.graph.reading import Graph, input_structure, piece, read
from zoo.graph.samples import is_numeric, sample
from zoo.graph.wiring import Mark, Wiring

# Largest difference, relative to the largest value, that is rounding in float32; coarser types get 8 of their steps.
TOLERANCE = 1e-5


@dataclass(frozen=True, eq=False)
class _Pair:
    """A tensor of the original and the new model's: `same` where they agreed, so that the rest starts from one."""

    old: Any
    new: Any
    same: bool
    mark: Mark = field(default_factory=Mark)


def _refuse_number(model: keras.Model, probe: Any) -> None:
    """Refuse a probe of fewer arrays than `model` has inputs, or of more: of a dict, Keras takes what it needs."""
    held, taken = len(keras.tree.flatten(probe)), len(model.inputs)
    if held < taken or (held > taken and not isinstance(probe, dict)):
        names = ", ".join(repr(tensor.name) for tensor in model.inputs)
        raise ValueError(
            f"probe holds {held} array{'s' * (held != 1)}, and {model.name!r} takes {taken}: {names}. Pass a batch of inputs as "
            f"the model takes them, or probe=False to go without."
        )


class Comparison:
    """Compares a model with what a writer made of it.

    Every copied layer is called on what the original layer was called on, so each difference is found where it
    arises and rounding does not add up. Where something was replaced the new model goes on with its own values
    until both agree again.

    Args:
        writer: The `Writer` of `zoo.graph.writing`, finished.
        undone: `id` of what was replaced on purpose -> what computes the original with the new parts.
        exact: Whether whatever was replaced has to agree again before a copied layer reads it.
        whole: Whether `check_whole` will be asked.
    """

    def __init__(self, writer: Any, undone: dict[int, Callable[..., Any]], exact: bool, whole: bool = False):
        self.writer = writer
        self.undone = undone
        self.exact = exact
        self.begin = ("", 0.0)
        self.guessed = False
        self.starts: list[_Pair] = []
        self.ends: list[_Pair] = []
        self.wiring = Wiring() if whole else None

    def run(self, model: keras.Model, probe: Any, part: Graph | None = None) -> tuple[Any, tuple[Any, ...]]:
        """Compare on `probe`, or on a batch that is drawn where it is None; of `model`, `part` alone if given.

        Returns:
            The batch, and what `model` returned for it, flat; nothing where one of its layers has no weights yet.

        Raises:
            ValueError: something differs, or `model` does not take the batch.
        """
        if probe is not None:
            _refuse_number(model, probe)
        batches = list(sample(model)) if probe is None else [probe]
        for position, batch in enumerate(batches, start=1):
            try:
                with warnings.catch_warnings():
                    # What the model itself warns of when it is called is no matter of its copy.
                    warnings.simplefilter("ignore")
                    outputs = in_inference(functools.partial(self._start, model, batch, part))
                return batch, () if self.guessed else outputs
            except _CannotRun as error:
                if position == len(batches):
                    what = "the probe" if probe is not None else "a batch drawn at random"
                    raise ValueError(
                        f"cannot compare the new model with {model.name!r}, which does not take {what}: {error} "
                        f"Pass probe=, a batch of inputs it takes, or probe=False to go without."
                    ) from error.__cause__
        raise AssertionError("there is a batch to compare on: one that was passed, or one that was drawn")

    def _start(self, model: keras.Model, batch: Any, part: Graph | None) -> tuple[Any, ...]:
        try:
            values = standardised(model, batch)
        except Exception as error:
            raise _CannotRun(_line(error)) from error
        graph = part or read(model)
        if part is not None:
            values = self._lead(model, values, part)
        pairs = [
            _Pair(value, self._as_input(value, tensor), True)
            for value, tensor in zip(values, graph.starts, strict=True)
        ]
        results = self._walk(graph, pairs, "")
        if self.exact and not all(pair.same for pair in results):
            raise ValueError(self._differs(model))
        self.starts, self.ends = pairs, results
        return tuple(pair.old for pair in results)

    def check_whole(self, new: keras.Model) -> None:
        """Compare the outputs of the new model, as one, with those found before.

        Where it makes the very calls that agreed, they are known; else it is called.

        Raises:
            ValueError: they differ, though each layer alone agrees.
        """
        if self.guessed:
            return
        starts, ends = ([pair.mark for pair in pairs] for pairs in (self.starts, self.ends))
        if self.wiring is not None and self.wiring.is_followed_by(new, starts, ends):
            return
        inputs = keras.tree.pack_sequence_as(input_structure(new), [pair.new for pair in self.starts])
        results = in_inference(lambda: keras.tree.flatten(new(inputs, training=False)))
        for value, result in zip([pair.old for pair in self.ends], results, strict=True):
            if (gap := difference(value, result)) > _tolerance(value):
                raise ValueError(
                    f"every layer of the new model computes what it did in {new.name!r}, but together they differ by "
                    f"{gap:.2g} of the largest value. Nothing is returned."
                )

    def _lead(self, model: keras.Model, values: list[Any], part: Graph) -> list[Any]:
        """What the original computes at the starts of `part`."""
        found = {id(tensor): value for tensor, value in zip(read(model).starts, values, strict=True)}
        for node in piece(model, keras.tree.flatten(model.inputs), list(part.starts)).nodes:
            found.update(self._original(node, found, ""))
        return [found[id(tensor)] for tensor in part.starts]

    def _as_input(self, value: Any, tensor: Any) -> Any:
        dtype = self.writer.settings.get("dtype")
        return keras.ops.cast(value, dtype) if dtype is not None and is_numeric(tensor.dtype) else value

    def _walk(self, graph: Graph, pairs: list[_Pair], path: str) -> list[_Pair]:
        found = {id(tensor): pair for tensor, pair in zip(graph.starts, pairs, strict=True)}
        left = {key: len(nodes) for key, nodes in graph.consumers.items()}
        for step in self.writer.steps(graph):
            self._step(step, found, path)
            for node in nodes_of(step):
                for tensor in node.input_tensors:
                    left[id(tensor)] -= 1
                    if not left[id(tensor)] and not graph.is_output(tensor):
                        found.pop(id(tensor), None)
        return [found[id(tensor)] for tensor in keras.tree.flatten(graph.ends)]

    def _step(self, step: Any, found: dict[int, _Pair], path: str) -> None:
        replaced = self.writer.is_replaced(step)
        reads = [step.entry] if isinstance(step, Stretch) else step.input_tensors
        agree = all(found[id(tensor)].same for tensor in reads)
        name = path + name_of(step)
        if self.exact and not agree and not replaced:
            raise ValueError(self._differs(None, name))
        if not replaced and isinstance(step.operation, keras.Model):
            self._nested(step, found, name)
            return
        old = {key: pair.old for key, pair in found.items()}
        with masks_kept([side for id_ in map(id, reads) for side in (found[id_].old, found[id_].new)]):
            for node in nodes_of(step):
                old.update(self._original(node, old, path))
        values = [old[id(tensor)] for tensor in outputs_of(step)]
        waiting = any(_is_waiting(node.operation) for node in nodes_of(step))
        if waiting:
            results = values  # nothing to compare with: the original has no weights yet
        else:
            results = self._copy(step, found, name)
        like = agree and not replaced and all(_one_dtype(found[id(tensor)]) for tensor in reads)
        made = {}
        for tensor, value, result in zip(outputs_of(step), values, results, strict=True):
            if like and "dtype" not in self.writer.settings and _dtype(value) != _dtype(result):
                raise ValueError(_in_another_dtype(name, step.operation, value, result))
            gap = difference(value, result)
            same = gap <= _tolerance(value)
            if not same and agree and not replaced:
                raise ValueError(_unequal(name, step.operation, gap))
            if not same and replaced and not self.exact:
                self._check_undone(step, old, values, name)
                same = np.shape(value) == np.shape(result)
            if not same and replaced and agree:
                self.begin = (name, gap)
            made[id(tensor)] = _Pair(value, _as(value, result) if same else result, same)
        if self.wiring is not None and not replaced and not waiting:
            (copy,) = self.writer.parts(step)
            args, kwargs = self.writer.arguments(step, {key: pair.mark for key, pair in found.items()})
            self.wiring.note(copy, args, kwargs, [made[id(tensor)].mark for tensor in step.outputs])
        found.update(made)

    def _nested(self, node: Any, found: dict[int, _Pair], name: str) -> None:
        model = node.operation
        given = []
        for side in ("old", "new"):
            args, kwargs = node.arguments.fill_in({key: getattr(pair, side) for key, pair in found.items()})
            given.append(standardised(model, args[0] if args else kwargs["inputs"]))
        agree = all(found[id(tensor)].same for tensor in node.input_tensors)
        # What goes in as it is stays the same tensor, under the same mark.
        marks = {id(found[id(tensor)].new): found[id(tensor)].mark for tensor in node.input_tensors}
        pairs = [_Pair(a, b, agree, marks.get(id(b)) or Mark()) for a, b in zip(*given, strict=True)]
        results = self._walk(read(model), pairs, f"{name}/")
        found.update((id(tensor), pair) for tensor, pair in zip(node.outputs, results, strict=True))

    def _original(self, node: Any, old: dict[int, Any], path: str) -> dict[int, Any]:
        operation = node.operation
        args, kwargs = node.arguments.fill_in(old)
        try:
            if _is_waiting(operation):
                self.guessed = True
                specs = operation.compute_output_spec(*keras.tree.map_structure(_spec, args), **kwargs)
                rng = np.random.default_rng(0)
                results = [
                    keras.ops.convert_to_tensor(rng.normal(size=s.shape), dtype=s.dtype)
                    for s in keras.tree.flatten(specs)
                ]
            else:
                results = keras.tree.flatten(call_operation(operation, args, kwargs, False))
        except Exception as error:
            raise _CannotRun(f"layer {path + operation.name!r}: {_line(error)}") from error
        return {id(tensor): value for tensor, value in zip(node.outputs, results, strict=True)}

    def _copy(self, step: Any, found: dict[int, _Pair], name: str) -> list[Any]:
        try:
            return self.writer.call(step, {key: pair.new for key, pair in found.items()}, training=False)
        except Exception as error:
            raise ValueError(
                f"the copy of layer {name!r} cannot be called where the original can: {_line(error)}"
            ) from error

    def _check_undone(self, step: Any, old: dict[int, Any], values: list[Any], name: str) -> None:
        undo = self.undone.get(self.writer.key(step))
        if undo is None:
            return
        args, kwargs = step.arguments.fill_in(old)
        results = keras.tree.flatten(undo(*args, **accepted(step.operation, step, kwargs)))
        for value, result in zip(values, results, strict=True):
            if (gap := difference(value, result)) > _tolerance(value):
                raise ValueError(_unequal(name, step.operation, gap))

    def _differs(self, model: Any, reader: str = "") -> str:
        name, gap = self.begin
        where = f"what {reader!r} reads" if reader else f"an output of {model.name!r}"
        return (
            f"the new model does not compute what the original does: from layer {name!r} on it differs, by "
            f"{gap:.2g} of the largest value, and still does in {where}. Nothing is returned."
        )


class _CannotRun(Exception):
    pass


def difference(expected: Any, received: Any) -> float:
    """The largest difference of two tensors, relative to the largest value of the first; infinite if not alike.

    Not a number equals not a number. What has no numbers is equal or is not.
    """
    if received is expected:
        return 0.0
    a, b = (np.asarray(keras.ops.convert_to_numpy(value)) for value in (expected, received))
    if a.shape != b.shape:
        return np.inf
    if np.array_equal(a, b) and _same_mask(expected, received):
        return 0.0
    if not (_is_number(a) and _is_number(b)) or not _same_mask(expected, received):
        return np.inf
    a, b = a.astype("float64"), b.astype("float64")
    finite = np.isfinite(a)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True) or not np.isfinite(b[finite]).all():
        return np.inf
    largest = np.abs(a[finite]).max(initial=0.0)
    return float(np.abs(a[finite] - b[finite]).max(initial=0.0) / (largest or 1.0))


def _same_mask(expected: Any, received: Any) -> bool:
    first, second = mask_of(expected), mask_of(received)
    if first is None or second is None:
        return first is second
    one, other = (np.asarray(keras.ops.convert_to_numpy(mask)) for mask in (first, second))
    return np.array_equal(one, other)


def _is_number(array: np.ndarray) -> bool:
    return array.dtype.kind in "fiub" or array.dtype.name == "bfloat16"


def _tolerance(value: Any) -> float:
    coarse = {"float16": 2.0**-10, "bfloat16": 2.0**-7}
    return max(TOLERANCE, 8 * coarse.get(_dtype(value), 0.0))


def _dtype(value: Any) -> str:
    return keras.backend.standardize_dtype(value.dtype)


def _one_dtype(pair: _Pair) -> bool:
    return _dtype(pair.old) == _dtype(pair.new)


def _as(value: Any, like: Any) -> Any:
    """The original's value in the dtype of the new model."""
    if value.dtype == like.dtype:
        return value
    return carry_mask(value, keras.ops.cast(value, like.dtype))


def _is_waiting(operation: Any) -> bool:
    """Whether Keras would make weights of `operation` at its first call on data, which is not ours to make."""
    if not isinstance(operation, keras.layers.Layer):
        return False
    return any(
        not layer.built and type(layer).build is not keras.layers.Layer.build
        for layer in flatten_layers(operation)
    )


def _spec(value: Any) -> Any:
    return keras.KerasTensor(value.shape, value.dtype) if keras.ops.is_tensor(value) else value


def _unequal(name: str, operation: Any, gap: float) -> str:
    kind = type(operation).__name__
    return (
        f"the copy of layer {name!r} ({kind}) does not compute what the original does: on the same input it "
        f"differs by {gap:.2g} of the largest value. It keeps something that neither its get_config nor its "
        f"variables say, or draws random numbers in inference. Complete get_config, or save_own_variables and "
        f"load_own_variables, of {kind}; or pass probe=False if it may differ."
    )


def _in_another_dtype(name: str, operation: Any, value: Any, result: Any) -> str:
    kind = type(operation).__name__
    return (
        f"the copy of layer {name!r} ({kind}) returns {_dtype(result)} where the original returns {_dtype(value)}: the "
        f"original, or a layer in it, was made under another dtype policy than the global one of now, which its get_config "
        f"does not say. Set keras.config.set_dtype_policy(...) to that policy, or let {kind} pass dtype= to what it makes."
    )


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if text.endswith(".") else f"{text}."
