"""The skeletons of the families beyond plain and residual nets, a file each; `zoo.blocks` places their activations.

A file says `names(spec)`, the names of the layers; `body(x, parts)`, from the image to the last feature map; and
`map_size(spec, pixels)`, the height or width of that map.
"""

from importlib import import_module
from types import ModuleType


def skeleton(family: str) -> ModuleType:
    """The file of a family."""
    return import_module(f"zoo.families.{family}")
