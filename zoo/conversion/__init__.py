"""Weights that the original of a layout has saved, as weights of the zoo's layers.

A file becomes tensors in `tensors`, a table in `originals` says how each library calls them, and `fitting` compares them
with a net, in the original's own words, before any is set.
"""

from zoo.conversion.fitting import groups_of, under_our_names
from zoo.conversion.originals import ORIGINALS, Original, original_of
from zoo.conversion.tensors import SUFFIXES, Tensor, read

__all__ = [
    "ORIGINALS",
    "SUFFIXES",
    "Original",
    "Tensor",
    "groups_of",
    "original_of",
    "read",
    "under_our_names",
]
