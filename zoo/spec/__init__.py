"""Specs: a unit and a net as data. Every option is a field, written down once, and impossible combinations are refused.

From the words that an option may be (`words`) and what one value has to be (`values`), by what does not go together
(`refusals`, a file for each subject), to one unit (`unit`) and one net (`model`). No Keras.
"""

from zoo.spec.model import OPTIONS, ModelSpec
from zoo.spec.unit import UnitSpec
from zoo.spec.words import (
    BLOCKS,
    BRANCH_SCALING,
    FAMILIES,
    FORMS,
    LAYOUTS,
    NORMALIZATIONS,
    PLAIN_ORDERINGS,
    POOLINGS,
    RESIDUAL_ORDERINGS,
    ROLLED,
    SHORTCUT_PARAMETERS,
    SHORTCUTS,
    STANDARDISED,
    WAYS_DOWN,
)
from zoo.values import is_one_of, require_one_of

__all__ = [
    "BLOCKS",
    "BRANCH_SCALING",
    "FAMILIES",
    "FORMS",
    "LAYOUTS",
    "NORMALIZATIONS",
    "OPTIONS",
    "PLAIN_ORDERINGS",
    "POOLINGS",
    "RESIDUAL_ORDERINGS",
    "ROLLED",
    "SHORTCUTS",
    "SHORTCUT_PARAMETERS",
    "STANDARDISED",
    "WAYS_DOWN",
    "ModelSpec",
    "UnitSpec",
    "is_one_of",
    "require_one_of",
]
