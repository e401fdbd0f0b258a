"""Where a Keras model applies an activation, and what of it no graph shows."""

from zoo.activations.classifier import classifier_names
from zoo.activations.code import adds, adds_losses, is_addition
from zoo.activations.inside import (
    InnerSite,
    Inside,
    UnseenWarning,
    insides,
    listed,
    tell_unseen,
    unnamed,
    unseen,
    warn_unseen,
)
from zoo.activations.sites import (
    OPERATIONS,
    SEPARATE,
    WITH_BUILT_IN,
    Site,
    families,
    is_linear,
    label,
    operation_name,
    passes_values,
    separate_function,
    sites,
    split_parts,
    takes_activation,
)
from zoo.registration import register_with_keras

__all__ = [
    "OPERATIONS",
    "SEPARATE",
    "WITH_BUILT_IN",
    "InnerSite",
    "Inside",
    "Site",
    "UnseenWarning",
    "adds",
    "adds_losses",
    "classifier_names",
    "families",
    "insides",
    "is_addition",
    "is_linear",
    "label",
    "listed",
    "operation_name",
    "passes_values",
    "separate_function",
    "sites",
    "split_parts",
    "takes_activation",
    "tell_unseen",
    "unnamed",
    "unseen",
    "warn_unseen",
]

register_with_keras()
