"""Files with layers of the zoo's own load after `import zoo`, which imports no backend: Keras is told of them once it is there.

Keras finds a class that is not its own by a name registered before the file is read, and has no place to say so before
Keras itself is imported. So its import is watched: directly after it, the files with the registered layers are imported.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

REGISTERS: tuple[str, ...] = ("zoo.rolled", "zoo.normalizer_free")
"""What registers itself by `keras.saving.register_keras_serializable` when it is imported."""

NEEDED: tuple[str, ...] = ("zoo.graph", "zoo.activations")
"""What those import. Imported first, it imports Keras while it has no names yet; at its end it asks again."""


class AfterKeras:
    """A finder that finds nothing by itself; to the module `keras` it adds the import of what registers layers."""

    def __init__(self) -> None:
        self._asked = False

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where `keras` is, as the other finders say; None for all else."""
        if name != "keras" or self._asked:
            return None
        self._asked = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._asked = False
        if spec is None or spec.loader is None:
            return spec
        loader, execute = spec.loader, spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            del loader.exec_module
            sys.meta_path.remove(self)
            _register()

        setattr(loader, "exec_module", exec_module)  # noqa: B010 (this one loader, not its class)
        return spec


def _register() -> None:
    loaded = (sys.modules[name] for name in NEEDED if name in sys.modules)
    if not all(hasattr(module, "__all__") for module in loaded):
        return
    for module in REGISTERS:
        importlib.import_module(module)


def register_with_keras() -> None:
    """Register now if Keras is imported, else as soon as it is."""
    if "keras" in sys.modules:
        _register()
    elif not any(isinstance(finder, AfterKeras) for finder in sys.meta_path):
        sys.meta_path.insert(0, AfterKeras())
