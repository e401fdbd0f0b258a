"""Model in, new model out: every transform is exact, or refuses and says why.

Each takes a Functional or Sequential Keras model, `keras.applications` and nested ones among them, leaves it
untouched and returns a new, uncompiled one of plain Keras layers that carries the weights.
"""

from zoo.transforms.affine import NotAffineError, affine_map
from zoo.transforms.collapse import collapse_linear
from zoo.transforms.fold import FoldedModel, fold_batchnorm
from zoo.transforms.fuse import fuse_activations
from zoo.transforms.merge import MergedModel, merge_branches
from zoo.transforms.roll import roll, unroll
from zoo.transforms.split import split_activations
from zoo.transforms.swap import SwappedModel, swap_activation

__all__ = [
    "FoldedModel",
    "MergedModel",
    "NotAffineError",
    "SwappedModel",
    "affine_map",
    "collapse_linear",
    "fold_batchnorm",
    "fuse_activations",
    "merge_branches",
    "roll",
    "split_activations",
    "swap_activation",
    "unroll",
]
