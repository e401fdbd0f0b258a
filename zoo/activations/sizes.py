"""Which values in Python code are sizes: what is computed from shapes and settings alone bends no feature map."""

from __future__ import annotations

import dis
import inspect
import types
from collections.abc import Iterator, Sequence

# What gives the size of something, as an attribute or as a function.
_SIZE = frozenset({"shape", "ndim", "rank", "len"})


def sizes(code: types.CodeType, steps: Sequence[dis.Instruction]) -> set[str]:
    """The variables of a function that hold sizes, such as those of `batch, height, width, channels = x.shape`.

    Those that never hold anything else, and are no parameters.

    Args:
        code: That of the function.
        steps: Its instructions, as `single` gives them.
    """
    stores = list(stored(steps))
    known = {name for name, _ in stores} - set(_parameters(code))
    while lost := {name for name, value in stores if name in known and not is_of_sizes(value, known)}:
        known -= lost
    return known


def stored(steps: Sequence[dis.Instruction]) -> Iterator[tuple[str, list[dis.Instruction]]]:
    """Each time that a variable of the function is set: its name, and the instructions that compute the value."""
    value: list[dis.Instruction] = []
    storing = False
    for step in steps:
        stores = step.opname.startswith(("STORE_FAST", "UNPACK"))
        if (storing and not stores) or step.opname.startswith(("POP_TOP", "RESUME", "RETURN")):
            value = []
        storing = stores
        if not stores:
            value.append(step)
        elif step.opname.startswith("STORE_FAST"):
            yield step.argval, value


def single(instructions: Sequence[dis.Instruction]) -> list[dis.Instruction]:
    """The instructions, each about one variable at most: newer Pythons load two at a time, or store one and load one.

    The second of two has no position in the source.
    """
    steps = []
    for step in instructions:
        if not (isinstance(step.argval, tuple) and step.opname.startswith(("LOAD_FAST", "STORE_FAST"))):
            steps.append(step)
            continue
        kinds = _PAIRS.get(step.opname, ("LOAD_FAST", "LOAD_FAST"))
        for kind, name, positions in zip(kinds, step.argval, (step.positions, None), strict=True):
            steps.append(step._replace(opname=kind, argval=name, argrepr=name, positions=positions))
    return steps


_PAIRS = {
    "STORE_FAST_LOAD_FAST": ("STORE_FAST", "LOAD_FAST"),
    "STORE_FAST_STORE_FAST": ("STORE_FAST", "STORE_FAST"),
}


def is_of_sizes(parts: Sequence[dis.Instruction], known: set[str]) -> bool:
    """Whether an expression has to do with sizes, numbers and settings of `self`, and with no other variable.

    Args:
        parts: Its instructions, in order, as `single` gives them.
        known: The variables that hold sizes.
    """
    asked = {
        id(part) for question in parts if _asks_a_size(question, parts) for part in within(parts, question)
    }
    for place, part in enumerate(parts):
        # What has no position is the first thing that the next instruction is about.
        if part.positions is None and place + 1 < len(parts) and _reads_a_size(parts[place + 1]):
            continue
        if id(part) not in asked and not all(name in known or name == "self" for name in locals_read(part)):
            return False
    return True


def _asks_a_size(step: dis.Instruction, parts: Sequence[dis.Instruction]) -> bool:
    """Whether an instruction is `x.shape`, or the call of `ops.shape(x)`."""
    return _reads_a_size(step) or called(parts, step) in _SIZE


def _reads_a_size(step: dis.Instruction) -> bool:
    return step.opname in ("LOAD_ATTR", "LOAD_METHOD") and step.argval in _SIZE


def called(steps: Sequence[dis.Instruction], call: dis.Instruction) -> str:
    """The name of the function that an instruction calls; empty where it has none, or nothing is called."""
    at = call.positions
    if not call.opname.startswith("CALL") or at is None:
        return ""
    # The function is what begins where the call does, and ends last of all that do.
    parts = [
        (part.positions.end_lineno, part.positions.end_col_offset, place)
        for place, part in enumerate(steps)
        if part.positions is not None
        and part.opname.startswith(("LOAD", "CALL", "BINARY"))
        and part.opname != "LOAD_CONST"
        and (part.positions.lineno, part.positions.col_offset) == (at.lineno, at.col_offset)
        and _is_inside(part.positions, at)
        and not _is_inside(at, part.positions)
    ]
    last = steps[max(parts)[2]] if parts else call
    return str(last.argval) if last.opname.startswith("LOAD") else ""


def within(steps: Sequence[dis.Instruction], whole: dis.Instruction) -> list[dis.Instruction]:
    """The instructions of an expression, by where they stand in the source, but for its last, `whole`.

    One without a position is taken to be where the next one is.
    """
    at = whole.positions
    if at is None or at.lineno is None or at.col_offset is None:
        return []
    found, after = [], whole
    for step in reversed(steps):
        if step is not whole and _is_inside((after if step.positions is None else step).positions, at):
            found.append(step)
        after = step if step.positions is not None else after
    return found[::-1]


def locals_read(step: dis.Instruction) -> tuple[str, ...]:
    """The variable of the function, or of one around it, that an instruction reads, if it reads one."""
    kind = step.opname
    if kind == "LOAD_DEREF" or (kind.startswith("LOAD_FAST") and kind != "LOAD_FAST_AND_CLEAR"):
        return (step.argval,)
    return ()


def _parameters(code: types.CodeType) -> tuple[str, ...]:
    flags = bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + flags]


def _is_inside(part: dis.Positions | None, whole: dis.Positions) -> bool:
    if part is None or None in part or None in whole:
        return False
    return (whole.lineno, whole.col_offset) <= (part.lineno, part.col_offset) and (
        part.end_lineno,
        part.end_col_offset,
    ) <= (whole.end_lineno, whole.end_col_offset)
