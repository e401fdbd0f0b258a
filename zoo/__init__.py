"""Keras models in which the placement of activations is one word.

Importing `zoo` imports no backend; what needs Keras is imported when it is first used.
"""

from importlib import import_module

from zoo.catalog import list_models
from zoo.placement import orderings
from zoo.spec import ModelSpec

__version__ = "0.1.0"

# public name -> module that defines it
_LAZY = {
    "build": "zoo.models",
    "conv_unit": "zoo.units",
    "residual_unit": "zoo.units",
    "unit_end": "zoo.units",
    "assemble": "zoo.models",
    "describe": "zoo.cards",
    "preprocess_input": "zoo.preprocessing",
    "fit_settings": "zoo.settings",
    "freeze": "zoo.freezing",
    "transforms": None,
    "surgery": None,
    "probes": None,
    "callbacks": None,
}

__all__ = ["ModelSpec", "__version__", "list_models", "orderings", *sorted(_LAZY)]


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}; it has {', '.join(__all__)}.")
    module = _LAZY[name]
    value = import_module(f"zoo.{name}") if module is None else getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__():
    return __all__
