"""The dtype policy of a new layer beside an old one."""

from __future__ import annotations

from typing import Any

import keras


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
