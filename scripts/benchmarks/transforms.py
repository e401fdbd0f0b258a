"""Time of each transform on a large net."""

from __future__ import annotations

import time

QUESTION = "How long does each transform take on ResNet152V2, next to building and cloning it?"


def measure(quick=False, only=()):
    """A row a transform."""
    import keras

    from zoo import transforms

    make = keras.applications.ResNet50V2 if quick else keras.applications.ResNet152V2
    net = make(weights=None, input_shape=(64, 64, 3), classes=10)
    split = transforms.split_activations(net)
    cases = {
        "keras.applications builds it": lambda: make(weights=None, input_shape=(64, 64, 3), classes=10),
        "keras.models.clone_model": lambda: keras.models.clone_model(net),
        "split_activations": lambda: transforms.split_activations(net),
        "fuse_activations": lambda: transforms.fuse_activations(split),
        "swap_activation": lambda: transforms.swap_activation(net, "relu", "gelu"),
        "fold_batchnorm": lambda: transforms.fold_batchnorm(net),
        "roll": lambda: transforms.roll(net),
    }
    for name, run in cases.items():
        began = time.perf_counter()
        result = run()
        seconds = time.perf_counter() - began
        model = getattr(result, "model", result)
        yield {
            "transform": name,
            "net": net.name,
            "seconds": seconds,
            "layers_before": len(net.layers),
            "layers_after": len(model.layers),
        }
