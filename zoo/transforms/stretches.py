"""Which stretches of a net are meant: each by the names of its layers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def as_stretches(stretches: Any) -> list[tuple[str, ...]]:
    """The names of the layers of each stretch, as they were given.

    Raises:
        TypeError: a string, where several stretches or several names are expected; a layer instead of its name; or
            something else that holds no names.
        ValueError: there is no stretch, or one without names.
    """
    found = []
    several = _several(stretches, "stretches must be stretches, each the names of its layers, [['a', 'b']]")
    for stretch in several:
        if isinstance(stretch, str):
            names = [name for name in several if isinstance(name, str)]
            raise TypeError(
                f"stretches must hold stretches, each the names of its layers; received the name {stretch!r} for one. Write "
                f"{[names]} for one stretch of these layers."
            )
        names = _several(stretch, "each of stretches must be the names of its layers, ['a', 'b']")
        for name in names:
            if not isinstance(name, str):
                raise TypeError(
                    f"each of stretches must hold names of layers, received {name!r} of type {type(name).__name__}."
                    f"{_name_of(name)}"
                )
        if not names:
            raise ValueError("stretches holds a stretch without names; leave it out.")
        found.append(tuple(names))
    if not found:
        raise ValueError(
            "stretches names no stretch: there is nothing to do. Leave it out, or pass None, for all of them."
        )
    return found


def _several(given: Any, expected: str) -> list[Any]:
    if isinstance(given, (str, bytes, dict)) or not isinstance(given, Iterable):
        raise TypeError(f"{expected}; received {given!r} of type {type(given).__name__}.{_name_of(given)}")
    return list(given)


def _name_of(received: Any) -> str:
    name = getattr(received, "name", None)
    return f" Pass its name, {name!r}." if isinstance(name, str) else ""
