"""Nets of the experiments that no name of the zoo's catalog gives."""

import dataclasses
from typing import Any

import keras

from zoo.catalog import specify
from zoo.graph import room_for
from zoo.models import assemble, build


def one_stage(*, family: str, units: int, **options: Any) -> keras.Model:
    """A net whose units are all alike: no strides, no change of width, nothing but depth.

    Args:
        family: `plain` or `resnet`.
        units: Residual units, or convolutions of a plain net, after the stem.
        **options: Of `zoo.build`.
    """
    spec = specify(f"{family}20", **options)
    # A unit that ends in addition, normalisation, activation is three frames of Keras' walk.
    with room_for(3 * units):
        return assemble(dataclasses.replace(spec, name=f"{family}_of_{units}", stages=(units,)))


def convnet_prelu(**options: Any) -> keras.Model:
    """The zoo's convnet with PReLU, which is a layer, one slope a channel as its authors have it."""
    return build("convnet", activation=keras.layers.PReLU(shared_axes=[1, 2]), **options)


def mixed_bfloat16(*, net: str, **options: Any) -> keras.Model:
    """A net of the catalog that computes in bfloat16, its variables and its outputs in float32.

    Args:
        net: Its name.
        **options: Of `zoo.build`.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build(net, **options)
    finally:
        keras.config.set_dtype_policy(before)
    # The loss is a matter of small differences of large numbers: eight bits are too few for it.
    outputs = keras.layers.Activation("linear", name="in_float32", dtype="float32")(model.output)
    return keras.Model(model.input, outputs, name=model.name)
