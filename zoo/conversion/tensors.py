"""Tensors out of the files that PyTorch's libraries save, without running anything that such a file says."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

SAFETENSORS, PICKLES = (".safetensors",), (".pth", ".pt")
#: The endings of the files that `read` takes.
SUFFIXES = (*SAFETENSORS, *PICKLES)


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """One tensor of a file.

    Attributes:
        shape: As the file has it.
        dtype: The name that the file has for its numbers.
        values: As float32, where that holds every one of them exactly; else None.
    """

    shape: tuple[int, ...]
    dtype: str
    values: np.ndarray | None


def read(path: str) -> dict[str, Tensor]:
    """The tensors of a `.safetensors`, `.pth` or `.pt` file by their names, sorted.

    Raises:
        ImportError: If the package that reads such files is not installed; the text says which.
        ValueError: If the file is damaged, or a pickle that holds anything but a state dict: it is not opened then.
    """
    ending = os.path.splitext(path)[1].lower()
    tensors = _read_safetensors(path) if ending in SAFETENSORS else _read_pickle(path, ending)
    return dict(sorted(tensors.items()))  # a safetensors file has no order


def _read_safetensors(path: str) -> dict[str, Tensor]:
    try:
        from safetensors import SafetensorError, deserialize
    except ImportError as error:
        raise ImportError(
            f"weights={path!r}: .safetensors files need the package safetensors: pip install safetensors."
        ) from error
    with open(path, "rb") as file:
        content = file.read()
    try:
        entries = deserialize(content)
    except SafetensorError as error:
        raise ValueError(
            f"weights file {path!r} cannot be read as safetensors ({error}); it is truncated, damaged or of another format: "
            "fetch or save it again."
        ) from error
    return {
        name: Tensor(
            shape=tuple(entry["shape"]),
            dtype=entry["dtype"],
            values=_as_float32(entry["dtype"], entry["data"], entry["shape"]),
        )
        for name, entry in entries
    }


def _as_float32(dtype: str, data: bytes, shape: list[int]) -> np.ndarray | None:
    """The numbers of a safetensors file, which are little-endian."""
    if dtype == "BF16":
        # The upper half of a float32, for which NumPy has no name.
        values = (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
    elif dtype in ("F32", "F16"):
        values = np.frombuffer(data, {"F32": "<f4", "F16": "<f2"}[dtype])
    else:
        return None
    return values.astype("float32").reshape(shape)


def _read_pickle(path: str, ending: str) -> dict[str, Tensor]:
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            f"weights={path!r}: {ending} files are read by PyTorch, so that the code a pickle may hold is not run: "
            "pip install torch; or save the state dict as .safetensors, which needs no PyTorch."
        ) from error
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of a file that is none PyTorch says all kinds of things
        raise ValueError(
            f"weights file {path!r} is not read: it is damaged, or a pickle of more than tensors, which can run code when "
            f"it is opened ({_first_sentence(error)}). Save model.state_dict() alone, with torch.save or as .safetensors."
        ) from error
    if not isinstance(held, Mapping) or not all(isinstance(t, torch.Tensor) for t in held.values()):
        raise ValueError(
            f"weights file {path!r} holds {_described(held)}, which is no state dict, names with a tensor each; save "
            "model.state_dict() alone."
        )
    exact = (torch.float32, torch.float16, torch.bfloat16)
    return {
        str(name): Tensor(
            shape=tuple(tensor.shape),
            dtype=str(tensor.dtype).removeprefix("torch."),
            values=tensor.detach().to(torch.float32).numpy() if tensor.dtype in exact else None,
        )
        for name, tensor in held.items()
    }


def _first_sentence(error: Exception) -> str:
    # What PyTorch says after it is how to run the pickle all the same.
    return re.split(r"[.,]?\s*(?:\n|\. )", str(error).strip() or type(error).__name__)[0].rstrip(".")


def _described(held: Any) -> str:
    if isinstance(held, Mapping):
        keys = [repr(key) for key in held]
        return f"a dict with the keys {', '.join(keys[:5])}{' ...' if len(keys) > 5 else ''}"
    return f"an object of type {type(held).__name__}"
