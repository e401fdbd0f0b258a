"""The dtype policy of a new layer beside an old one."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import keras

from zoo.graph.configuration import is_stock
from zoo.graph.internals import flatten_layers, pairs


def full_precision(policy: Any) -> Any:
    """`policy` without 8-bit or other quantisation, which belongs to the kernel that was quantised.

    A layer put beside a quantised one computes in the same floating point and quantises nothing.

    Args:
        policy: A `keras.DTypePolicy`.

    Example:
        >>> import keras
        >>> from zoo.graph import full_precision
        >>> full_precision(keras.dtype_policies.get("int8_from_float32")).name
        'float32'
    """
    if getattr(policy, "quantization_mode", None) is None:
        return policy
    computes, keeps = policy.compute_dtype, policy.variable_dtype
    return keras.DTypePolicy(computes if computes == keeps else f"mixed_{computes}")


def keep_policy(old: Any, new: Any) -> None:
    """Let the layer `new`, a copy of `old`, compute in the floating point that `old` computes in.

    A layer that a class of somebody's own makes has the policy that is global on that day, and no configuration says it.
    """
    before, after = old.dtype_policy, new.dtype_policy
    if any(isinstance(policy, keras.dtype_policies.DTypePolicyMap) for policy in (before, after)):
        return
    wanted = full_precision(before)
    # Variables that are there have their dtype already.
    if full_precision(after) != wanted and (not new.built or after.variable_dtype == wanted.variable_dtype):
        new.dtype_policy = wanted


@contextlib.contextmanager
def made_like(*copies: tuple[Any, Any]) -> Iterator[None]:
    """Within it, what classes of somebody's own make has the dtype policy of most layers that their originals made.

    Args:
        *copies: Each original, and its copy as far as it is made, or None.
    """
    names = Counter(policy.name for old, new in copies for policy in _missing(old, new))
    before = keras.config.dtype_policy()
    try:
        if names:
            keras.config.set_dtype_policy(names.most_common(1)[0][0])
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _missing(old: Any, new: Any) -> list[Any]:
    """The dtype policies of the layers in `old` that are not made in `new` yet, where a class of somebody's own makes some."""
    if not isinstance(old, keras.layers.Layer) or all(map(is_stock, inner := flatten_layers(old))):
        return []
    there = set() if new is None else {id(part) for part, _ in pairs(old, new)}
    found = [part.dtype_policy for part in [*inner[1:], old] if id(part) not in there]
    return [full_precision(p) for p in found if not isinstance(p, keras.dtype_policies.DTypePolicyMap)]
