"""How to execute a model here: what measurements favour on this machine and backend, and why."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import keras

from zoo.graph import flatten_layers


@dataclass(frozen=True)
class FitSettings:
    """Execution settings for one model; unpack it into `compile`: `model.compile("sgd", loss, **settings)`.

    Attributes:
        jit_compile: Whether to compile the step with XLA.
        steps_per_execution: Steps between two returns to Python.
        threads: Threads this process may use, for a single process; two processes of one thread each do more
            work than one process of two.
        reasons: For each setting, the measurement or rule behind it.
    """

    jit_compile: bool
    steps_per_execution: int
    threads: int
    reasons: dict[str, str]

    def keys(self) -> tuple[str, ...]:
        """The arguments of `keras.Model.compile` among the settings."""
        return ("jit_compile", "steps_per_execution")

    def __getitem__(self, name: str) -> Any:
        if name not in self.keys():
            raise KeyError(name)
        return getattr(self, name)


def fit_settings(model: keras.Model) -> FitSettings:
    """The execution settings that measurements favour for `model` on this machine and backend.

    Nothing is set behind your back: the settings are returned, with reasons, for you to pass on.

    Args:
        model: A model, compiled or not.

    Returns:
        The settings.

    Raises:
        TypeError: `model` is no Keras model.

    Example:
        >>> import zoo
        >>> model = zoo.build("resnet20v2")
        >>> settings = zoo.fit_settings(model)
        >>> model.compile("sgd", "sparse_categorical_crossentropy", **settings)
        >>> print(settings.reasons["jit_compile"].split(":")[0])
        TensorFlow on the CPU
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"expected a keras.Model, received {type(model).__name__}.")
    jit_compile, why = _jit_compile(model, keras.backend.backend())
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return FitSettings(
        jit_compile=jit_compile,
        steps_per_execution=1,
        threads=threads,
        reasons={
            "jit_compile": why,
            "steps_per_execution": "measured: returning to Python costs about a millisecond a step, a fifth of the step "
            "of a convnet on 8x8 pictures and nothing beside that of a ResNet-20; with more steps per execution, "
            "callbacks and metrics come later, so the choice is yours",
            "threads": f"the processors this process may run on: {threads}",
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
