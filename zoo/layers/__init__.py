"""Layers of the zoo's own, for training; what ships is stock Keras."""

from zoo.layers.blended import BlendedActivation

__all__ = ["BlendedActivation"]
