"""Model in, new model out: every transform is exact, changes what it says, or refuses and says why.

Each takes a Functional or Sequential Keras model, `keras.applications` and nested ones among them, leaves it
untouched and returns a new, uncompiled one of plain Keras layers that carries the weights.
"""

from zoo.transforms.affine import NotAffineError, affine_map
from zoo.transforms.collapse import CollapsedModel, collapse_linear
from zoo.transforms.drop import DroppedModel, drop_activations
from zoo.transforms.fold import FoldedModel, fold_batchnorm
from zoo.transforms.fuse import fuse_activations
from zoo.transforms.pad import PaddedModel, pad_once
from zoo.transforms.roll import roll, unroll
from zoo.transforms.softening import HardenedModel, SoftenedModel, harden, soften
from zoo.transforms.split import split_activations
from zoo.transforms.swap import SwappedModel, swap_activation

__all__ = [
    "CollapsedModel",
    "DroppedModel",
    "FoldedModel",
    "HardenedModel",
    "NotAffineError",
    "PaddedModel",
    "SoftenedModel",
    "SwappedModel",
    "affine_map",
    "collapse_linear",
    "drop_activations",
    "fold_batchnorm",
    "fuse_activations",
    "harden",
    "pad_once",
    "roll",
    "soften",
    "split_activations",
    "swap_activation",
    "unroll",
]
