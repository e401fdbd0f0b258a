"""The weights that ship with the package: what there is, how it was made, and a check that the file is the one meant."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """One shipped weights file.

    Attributes:
        model: Name of the net.
        weights: What `zoo.build(model, weights=...)` takes.
        file: Name of the file in this folder.
        sha256: Its checksum.
        options: Options of `zoo.build` the weights were trained with.
        accuracy: Fraction of the test images classified correctly.
        command: What made them.
    """

    model: str
    weights: str
    file: str
    sha256: str
    options: dict[str, Any]
    accuracy: float
    command: str

    def checked_path(self) -> str:
        """Path of the file; `ValueError` if it is missing or is not the file that was shipped."""
        path = _FOLDER / self.file
        if not path.is_file():
            raise ValueError(f"shipped weights {path} are missing; install the package again.")
        received = hashlib.sha256(path.read_bytes()).hexdigest()
        if received != self.sha256:
            raise ValueError(
                f"shipped weights {path} are damaged: expected sha256 {self.sha256}, received {received}; install the "
                "package again."
            )
        return str(path)


@cache
def manifest() -> tuple[Pretrained, ...]:
    """Everything that is shipped."""
    return tuple(Pretrained(**entry) for entry in json.loads((_FOLDER / "manifest.json").read_text()))


def find(model: str, weights: Any) -> Pretrained | None:
    """The shipped weights of this name for this net, if there are any."""
    if not isinstance(weights, str):
        return None
    return next((p for p in manifest() if p.model == model and p.weights == weights), None)


def names(model: str) -> list[str]:
    """Names of the weights shipped for a net."""
    return [p.weights for p in manifest() if p.model == model]
