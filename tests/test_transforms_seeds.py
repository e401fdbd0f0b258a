"""Looking at a model and transforming it leave Python's random numbers alone: training after it has the same bits."""

import random

import keras
import numpy as np
import pytest

import zoo
from zoo import probes, transforms

IMAGES = np.random.default_rng(0).random((4, 8, 8, 1), dtype="float32")
LABELS = np.arange(4)
FIRST = "stage1_conv1_act"


def separate():
    return zoo.build("convnet2", form="separate", width=4, input_shape=(8, 8, 1))


def builtin():
    return zoo.build("convnet2", form="builtin", width=4, input_shape=(8, 8, 1))


def linear():
    return zoo.build(
        "convnet2",
        activation="linear",
        downsampling="stride",
        width=4,
        input_shape=(20, 20, 1),
        padding="valid",
        classifier_activation=None,
    )


def residual(**options):
    return zoo.build("resnet20", width=4, input_shape=(8, 8, 1), **options)


def padded():
    """Two 'same' convolutions with nothing between them."""
    return keras.Sequential(
        [keras.Input((8, 8, 1)), *(keras.layers.Conv2D(2, 3, padding="same") for _ in "ab")]
    )


def branched():
    return zoo.build("repvgg", width=4, input_shape=(16, 16, 1))


CASES = {
    "split_activations": (builtin, transforms.split_activations),
    "fuse_activations": (separate, transforms.fuse_activations),
    "swap_activation": (builtin, lambda model: transforms.swap_activation(model, "relu", "gelu")),
    "fold_batchnorm": (residual, transforms.fold_batchnorm),
    "collapse_linear": (linear, transforms.collapse_linear),
    "affine_map": (linear, transforms.affine_map),
    "roll": (residual, transforms.roll),
    "unroll": (lambda: residual(rolled=True), transforms.unroll),
    "drop_activations": (separate, lambda model: transforms.drop_activations(model, FIRST)),
    "soften": (separate, lambda model: transforms.soften(model, FIRST)),
    "harden": (lambda: transforms.soften(separate(), FIRST).model, transforms.harden),
    "pad_once": (padded, transforms.pad_once),
    "merge_branches": (branched, transforms.merge_branches),
    "activation_importance": (separate, lambda model: probes.activation_importance(model, IMAGES, LABELS)),
    "activation_stats": (builtin, lambda model: probes.activation_stats(model, IMAGES)),
    "gradient_stats": (
        builtin,
        lambda model: probes.gradient_stats(model, IMAGES, LABELS, "sparse_categorical_crossentropy"),
    ),
    "signal_propagation": (residual, lambda model: probes.signal_propagation(model, IMAGES)),
}


def test_every_transform_and_probe_is_here():
    functions = {name for name in (*transforms.__all__, *probes.__all__) if name[0].islower()}
    assert set(CASES) == functions


@pytest.mark.parametrize("name", CASES)
def test_random_numbers_go_on_as_if_nothing_had_been(name):
    make, use = CASES[name]
    keras.utils.set_random_seed(3)
    model = make()
    state = random.getstate()
    use(model)
    assert random.getstate() == state
