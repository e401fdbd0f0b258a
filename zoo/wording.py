"""Phrases that messages share: names in a row, and what to try instead of one that does not exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

SHOWN = 8


def listed(names: Iterable[object], last: str) -> str:
    """Names as a sentence has them: `'a', 'b' and 'c'`."""
    return _joined([*map(repr, names)], last)


def nearest(given: str, known: Iterable[str], most: int = 3, cutoff: float = 0.6) -> list[str]:
    """Names like the one given, the nearest first; capitals make no difference.

    Args:
        given: What was received.
        known: What there is.
        most: Names, at the most.
        cutoff: How much alike they must be, from 0 to 1, by `difflib.get_close_matches`.
    """
    as_written = {name.lower(): name for name in known}
    return [as_written[near] for near in get_close_matches(given.lower(), as_written, n=most, cutoff=cutoff)]


def did_you_mean(given: str, known: Iterable[str], most: int = 3, cutoff: float = 0.6) -> str:
    """The end of a message: the nearest names as a question, and where none is near, what there is.

    Example:
        >>> from zoo.wording import did_you_mean
        >>> did_you_mean("rlu", ["relu", "elu", "tanh"])
        "did you mean 'relu' or 'elu'?"
        >>> did_you_mean("softplus", ["relu", "tanh"])
        "there are 'relu' and 'tanh'."
        >>> did_you_mean("relu", [])
        'there are none.'
    """
    known = list(known)
    near = nearest(given, known, most, cutoff)
    if near:
        return f"did you mean {listed(near, 'or')}?"
    if not known:
        return "there are none."
    more = [f"{len(known) - SHOWN} more"] if len(known) > SHOWN else []
    shown = [*map(repr, known[:SHOWN]), *more]
    return f"there {'is' if len(known) == 1 else 'are'} {_joined(shown, 'and')}."


def _joined(words: list[str], last: str) -> str:
    *first, end = words
    return f"{', '.join(first)} {last} {end}" if first else end
