"""Who called the zoo: a warning is about their line, however deep in the zoo it is found out."""

from __future__ import annotations

import sys


def outside() -> int:
    """The `stacklevel` of a warning that is given where this is called: the nearest line that is not the zoo's."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in ("zoo", "contextlib"):
        level, frame = level + 1, frame.f_back
    return level
