"""Time of each transform and operation on a large net, the comparison with the original included."""

from __future__ import annotations

import statistics
import time

QUESTION = "How long does each transform take on ResNet152V2, next to building and cloning it?"


def measure(quick=False, only=()):
    """A row a transform."""
    import keras

    import zoo
    from zoo import surgery, transforms

    make = keras.applications.ResNet50V2 if quick else keras.applications.ResNet152V2
    net = make(weights=None, input_shape=(64, 64, 3), classes=10)
    split = transforms.split_activations(net)
    rolled = transforms.roll(net)
    # The middle activation of the last three units: then three pairs of convolutions have nothing in between.
    some = [site.name for site in zoo.activations.sites(net)][-7:-1:2]
    dropped = transforms.drop_activations(net, some).model
    middle = net.layers[len(net.layers) // 2].name
    nested = keras.Sequential([keras.Input(net.input_shape[1:]), net])
    cases = {
        "keras.applications builds it": lambda: make(weights=None, input_shape=(64, 64, 3), classes=10),
        "keras.models.clone_model": lambda: keras.models.clone_model(net),
        "split_activations": lambda: transforms.split_activations(net),
        "fuse_activations": lambda: transforms.fuse_activations(split),
        "swap_activation": lambda: transforms.swap_activation(net, "relu", "gelu"),
        "fold_batchnorm": lambda: transforms.fold_batchnorm(net),
        "roll": lambda: transforms.roll(net),
        "unroll": lambda: transforms.unroll(rolled),
        "drop_activations": lambda: transforms.drop_activations(net, some),
        "collapse_linear": lambda: transforms.collapse_linear(dropped),
        "soften": lambda: transforms.soften(net, some),
        "surgery.insert_after": lambda: surgery.insert_after(net, middle, keras.layers.Dropout(0.1)),
        "surgery.cut": lambda: surgery.cut(net, outputs=middle),
        "surgery.flatten": lambda: surgery.flatten(nested),
        "freeze": lambda: zoo.freeze(net, until=middle),
    }
    times = {name: [] for name in cases}
    layers_after = {}
    for _ in range(1 if quick else 3):
        for name, run in cases.items():
            began = time.perf_counter()
            result = run()
            times[name].append(time.perf_counter() - began)
            layers_after[name] = len(getattr(result, "model", result).layers)
    built = statistics.median(times["keras.applications builds it"])
    for name, seconds in times.items():
        yield {
            "transform": name,
            "net": net.name,
            "seconds": statistics.median(seconds),
            "over_build": statistics.median(seconds) / built,
            "layers_before": len(net.layers),
            "layers_after": layers_after[name],
        }
