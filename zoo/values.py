"""What one value has to be, whatever the others are: one of a few, an integer, a number, True or False."""

import math
import numbers
from typing import Any


def is_one_of(received: object, allowed: tuple) -> bool:
    """Whether a value is among the allowed ones; unlike `in`, not misled by 1 == True or by an array's `==`."""
    return any(received is a or (type(received) is type(a) and received == a) for a in allowed)


def require_one_of(argument: str, received: object, allowed: tuple) -> None:
    """A word out of a few."""
    if not is_one_of(received, allowed):
        raise ValueError(
            f"{argument}={received!r} is not known; expected one of {', '.join(map(repr, allowed))}."
        )


def require_bool(argument: str, received: object) -> None:
    """True or False, and no number that equals one."""
    if not isinstance(received, bool):
        raise TypeError(f"{argument} must be True or False, received {received!r}.")


def require_integer(argument: str, received: object, least: int) -> None:
    """A whole number, and no bool, of at least `least`."""
    if isinstance(received, bool) or not isinstance(received, int):
        raise TypeError(
            f"{argument} must be an integer, received {received!r} of type {type(received).__name__}."
        )
    if received < least:
        raise ValueError(f"{argument} must be at least {least}, received {received}.")


def require_number(argument: str, received: object) -> None:
    """A finite number, and no bool."""
    if isinstance(received, bool) or not isinstance(received, (int, float)):
        raise TypeError(
            f"{argument} must be a number, received {received!r} of type {type(received).__name__}."
        )
    if received != received or received in (float("inf"), float("-inf")):
        raise ValueError(f"{argument} must be finite, received {received!r}.")


def require_rate(argument: str, received: Any) -> None:
    """A share that is dropped: a number of at least 0 and less than 1."""
    require_number(argument, received)
    if not 0 <= received < 1:
        raise ValueError(f"{argument} must be in [0, 1), received {received!r}.")


def as_integer(argument: str, received: object, least: int = 1) -> int:
    """The whole number that was received, of Python or of NumPy, no bool, of at least `least`."""
    if isinstance(received, bool) or not isinstance(received, numbers.Integral):
        raise TypeError(
            f"{argument} must be an integer of at least {least}, received {received!r} of type {type(received).__name__}."
        )
    if received < least:
        raise ValueError(f"{argument} must be an integer of at least {least}, received {received}.")
    return int(received)


def as_number(
    argument: str, received: object, low: float = -math.inf, high: float = math.inf, *, above: bool = False
) -> float:
    """The finite number that was received, of Python or of NumPy, no bool, from `low` to `high`.

    Args:
        argument: What it is called.
        received: What was received.
        low: The least that it may be.
        high: The largest.
        above: Whether it must be more than `low`.
    """
    expected = _range(low, high, above)
    if isinstance(received, bool) or not isinstance(received, numbers.Real):
        raise TypeError(
            f"{argument} must be a number{expected}, received {received!r} of type {type(received).__name__}."
        )
    number = float(received)
    if not math.isfinite(number) or not low <= number <= high or (above and number == low):
        raise ValueError(f"{argument} must be a finite number{expected}, received {received!r}.")
    return number


def _range(low: float, high: float, above: bool) -> str:
    ends = [f"{'more than' if above else 'at least'} {low:g}"] if low > -math.inf else []
    ends += [f"at most {high:g}"] if high < math.inf else []
    return " of " + " and ".join(ends) if ends else ""
