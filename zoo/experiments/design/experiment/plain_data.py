"""A spec as plain values: the form in which it is stored, sent and hashed."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:
    """A spec as dicts, lists and plain values, the form in which it is stored and hashed.

    Raises:
        TypeError: A value in it is not data.
    """
    if value is None or isinstance(value, (str, bool, int, float)):  # most of them: asked first
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    raise TypeError(f"a spec holds plain values (numbers, strings, lists, dicts); received {value!r}")


def canonical(value: Any) -> str:
    """A spec as one line of JSON that depends on its content alone."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
