"""Keras models in which the placement of activations is one word.

Importing `zoo` imports no backend; what needs Keras is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from zoo.catalog import list_models, register, specify
from zoo.placement import orderings
from zoo.registration import register_with_keras
from zoo.spec import ModelSpec

__version__ = "0.1.0"

# public name -> module that defines it; None: it is a module
_LAZY = {
    "build": "zoo.models",
    "conv_unit": "zoo.units",
    "residual_unit": "zoo.units",
    "unit_end": "zoo.units",
    "assemble": "zoo.models",
    "describe": "zoo.cards",
    "features": "zoo.feature_maps",
    "preprocess_input": "zoo.preprocessing",
    "fit_settings": "zoo.settings",
    "freeze": "zoo.freezing",
    "plan_depth": "zoo.planning",
    "trace_once": "zoo.tracing",
    "transforms": None,
    "surgery": None,
    "probes": None,
    "callbacks": None,
    "layers": None,
}

__all__ = ["ModelSpec", "__version__", "list_models", "orderings", "register", "specify", *sorted(_LAZY)]

# What a type checker reads in place of `_LAZY`; a test compares the two.
if TYPE_CHECKING:
    from zoo import callbacks as callbacks
    from zoo import layers as layers
    from zoo import probes as probes
    from zoo import surgery as surgery
    from zoo import transforms as transforms
    from zoo.cards import describe as describe
    from zoo.feature_maps import features as features
    from zoo.freezing import freeze as freeze
    from zoo.models import assemble as assemble
    from zoo.models import build as build
    from zoo.planning import plan_depth as plan_depth
    from zoo.preprocessing import preprocess_input as preprocess_input
    from zoo.settings import fit_settings as fit_settings
    from zoo.tracing import trace_once as trace_once
    from zoo.units import conv_unit as conv_unit
    from zoo.units import residual_unit as residual_unit
    from zoo.units import unit_end as unit_end
else:

    def __getattr__(name):
        if name not in _LAZY:
            raise AttributeError(f"module 'zoo' has no attribute {name!r}; it has {', '.join(__all__)}.")
        module = _LAZY[name]
        value = import_module(f"zoo.{name}") if module is None else getattr(import_module(module), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__


register_with_keras()
