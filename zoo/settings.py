"""How to execute a model here: what measurements favour on this machine and backend, and why."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import keras

from zoo.graph import flatten_layers, not_a_model
from zoo.precision import POLICY, Gain, bfloat16_gain
from zoo.values import as_integer, require_bool

NOT_ASKED = Gain(None, "not measured: measure=False")


@dataclass(frozen=True)
class FitSettings:
    """Execution settings for one model; unpack it into `compile`: `model.compile("sgd", loss, **settings)`.

    Attributes:
        jit_compile: Whether to compile the step with XLA.
        steps_per_execution: Steps between two returns to Python.
        threads: Threads this process may use, for a single process; two processes of one thread each do more
            work than one process of two.
        dtype_policy: The policy to build the net under instead, `"mixed_bfloat16"`; None leaves it as it is. A policy is
            chosen before a net is built, so this is for you to do: no model is changed.
        bfloat16_speedup: Time of training in float32 over that in mixed bfloat16, measured here as
            `zoo.precision.bfloat16_gain` says; None where it was not measured.
        reasons: For each setting, the measurement or rule behind it.
    """

    jit_compile: bool
    steps_per_execution: int
    threads: int
    dtype_policy: str | None
    bfloat16_speedup: float | None
    reasons: dict[str, str]

    def keys(self) -> tuple[str, ...]:
        """The arguments of `keras.Model.compile` among the settings."""
        return ("jit_compile", "steps_per_execution")

    def __getitem__(self, name: str) -> Any:
        if name not in self.keys():
            raise KeyError(name)
        return getattr(self, name)


def fit_settings(model: keras.Model, *, measure: bool = True, batch_size: int = 32) -> FitSettings:
    """The execution settings that measurements favour for `model` on this machine and backend.

    Nothing is set behind your back: the settings are returned, with reasons, for you to pass on.

    Mixed bfloat16 is proposed where this processor gains from it: on TensorFlow, on a processor with `avx512_bf16` or
    `amx_bf16`, where the heaviest layers of `model` train at least 1.1 times as fast, which takes about a second to
    find out, the first time in a process.

    Args:
        model: A model, compiled or not. It is left untouched.
        measure: Whether to measure that.
        batch_size: Samples in the steps that are measured.

    Returns:
        The settings.

    Raises:
        TypeError: `model` is no Keras model, `measure` no bool, or `batch_size` no integer.
        ValueError: `batch_size` is less than 1.

    Example:
        >>> import zoo
        >>> model = zoo.build("resnet20v2")
        >>> settings = zoo.fit_settings(model)
        >>> model.compile("sgd", "sparse_categorical_crossentropy", **settings)
        >>> print(settings.reasons["jit_compile"].split(":")[0])
        TensorFlow on the CPU
        >>> settings.dtype_policy in (None, "mixed_bfloat16")
        True
    """
    if not isinstance(model, keras.Model):
        raise TypeError(not_a_model(model))
    require_bool("measure", measure)
    batch_size = as_integer("batch_size", batch_size)
    gain = bfloat16_gain(model, batch_size) if measure else NOT_ASKED
    jit_compile, why = _jit_compile(model, keras.backend.backend())
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return FitSettings(
        jit_compile=jit_compile,
        steps_per_execution=1,
        threads=threads,
        dtype_policy=POLICY if gain.proposed else None,
        bfloat16_speedup=gain.speedup,
        reasons={
            "jit_compile": why,
            "steps_per_execution": "measured: returning to Python costs about a millisecond a step, a fifth of the step "
            "of a convnet on 8x8 pictures and nothing beside that of a ResNet-20; with more steps per execution, "
            "callbacks and metrics come later, so the choice is yours",
            "threads": f"the processors this process may run on: {threads}",
            "dtype_policy": gain.reason,
        },
    )


def _jit_compile(model, backend: str) -> tuple[bool, str]:
    if backend == "jax":
        return True, "JAX: every step is compiled with XLA, there is no other way that is fast"
    if backend != "tensorflow":
        return False, f"{backend}: Keras' own default"
    if not _has_accelerator():
        return False, (
            "TensorFlow on the CPU: XLA trains these nets slower than TensorFlow's own kernels, and "
            "compiles for longer (see the Performance page); Keras' default where there is no accelerator"
        )
    if not all(layer.supports_jit for layer in flatten_layers(model)):
        return False, "TensorFlow on an accelerator: a layer of this model does not support XLA"
    return True, "TensorFlow on an accelerator: Keras' own default, not measured here"


def _has_accelerator() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
