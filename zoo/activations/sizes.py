"""Which values in Python code are sizes: what is computed from shapes and settings alone bends no feature map."""

from __future__ import annotations

import dis
from collections.abc import Sequence

# What gives the size of something, as an attribute or as a function.
_SIZE = frozenset({"shape", "ndim", "rank", "len"})


def sizes(instructions: Sequence[dis.Instruction]) -> set[str]:
    """The variables of a function that hold sizes, such as those of `batch, height, width, channels = x.shape`."""
    known: set[str] = set()
    value: list[dis.Instruction] = []
    storing = False
    for step in instructions:
        stores = step.opname.startswith(("STORE_FAST", "UNPACK"))
        if (storing and not stores) or step.opname in ("POP_TOP", "RESUME"):
            value = []
        storing = stores
        if not stores:
            value.append(step)
        elif step.opname.startswith("STORE_FAST"):
            names = step.argval if isinstance(step.argval, tuple) else (step.argval,)
            if value and is_of_sizes(value, known):
                known.update(names)
            else:
                known.difference_update(names)
    return known


def is_of_sizes(parts: Sequence[dis.Instruction], known: set[str]) -> bool:
    """Whether an expression has to do with sizes, numbers and settings of `self`, and with no other variable.

    Args:
        parts: Its instructions, in order.
        known: The variables that hold sizes.
    """
    for place, part in enumerate(parts):
        after = parts[place + 1].argval if place + 1 < len(parts) else None
        before = next((step.argval for step in reversed(parts[:place]) if step.opname != "PUSH_NULL"), None)
        # `x.shape`, `ops.shape(x)`.
        asked = str(after) in _SIZE or str(before) in _SIZE
        if not all(asked or name in known or name == "self" for name in locals_read(part)):
            return False
    return True


def within(steps: Sequence[dis.Instruction], whole: dis.Instruction) -> list[dis.Instruction]:
    """The instructions of an expression, by where they stand in the source, but for its last, `whole`."""
    at = whole.positions
    if at is None or at.lineno is None or at.col_offset is None:
        return []
    return [step for step in steps if step is not whole and _is_inside(step.positions, at)]


def locals_read(step: dis.Instruction) -> tuple[str, ...]:
    """The variables of the function, or of one around it, that an instruction reads; newer Pythons read two at a time."""
    kind, about = step.opname, step.argval
    if kind == "STORE_FAST_LOAD_FAST":
        return (about[1],)
    if kind == "LOAD_DEREF" or (kind.startswith("LOAD_FAST") and kind != "LOAD_FAST_AND_CLEAR"):
        return about if isinstance(about, tuple) else (about,)
    return ()


def _is_inside(part: dis.Positions | None, whole: dis.Positions) -> bool:
    if part is None or None in part or None in whole:
        return False
    return (whole.lineno, whole.col_offset) <= (part.lineno, part.col_offset) and (
        part.end_lineno,
        part.end_col_offset,
    ) <= (whole.end_lineno, whole.end_col_offset)
