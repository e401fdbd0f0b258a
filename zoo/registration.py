"""Files of rolled nets load after `import zoo`, which imports no backend: Keras is told of our layer once it is there.

Keras finds a class that is not its own by a name registered before the file is read, and has no place to say so before
Keras itself is imported. So its import is watched: directly after it, the file with the registered layer is imported.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

REGISTERS = "zoo.rolled"
"""What registers itself by `keras.saving.register_keras_serializable` when it is imported."""


class AfterKeras:
    """A finder that finds nothing by itself; to the module `keras` it adds the import of `zoo.rolled`."""

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
            importlib.import_module(REGISTERS)

        setattr(loader, "exec_module", exec_module)  # noqa: B010 (this one loader, not its class)
        return spec


def register_with_keras() -> None:
    """Register now if Keras is imported, else as soon as it is."""
    if "keras" in sys.modules:
        importlib.import_module(REGISTERS)
    elif not any(isinstance(finder, AfterKeras) for finder in sys.meta_path):
        sys.meta_path.insert(0, AfterKeras())
