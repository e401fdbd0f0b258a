"""Time to build a net, and its layers, against keras.applications and against depth."""

from __future__ import annotations

import functools
import statistics
import time

QUESTION = "How long does building a net take, next to keras.applications, and how does it grow with depth?"


def measure(quick=False, only=()):
    """A row a net: seconds to build and layers; `over_reference` divides by the time of the row named."""
    import keras

    import zoo

    def timed(make):
        keras.backend.clear_session()
        began = time.perf_counter()
        model = make()
        return time.perf_counter() - began, len(model.layers), model.count_params()

    pairs = {
        "ResNet50V2": (
            lambda: keras.applications.ResNet50V2(weights=None),
            lambda: zoo.build("resnet50v2", input_shape=(224, 224, 3), classes=1000),
        ),
        "VGG16": (
            lambda: keras.applications.VGG16(weights=None),
            lambda: zoo.build("vgg16", input_shape=(224, 224, 3), classes=1000),
        ),
    }
    for name in ("MobileNetV2", "Xception", "DenseNet121", "ConvNeXtTiny"):
        arguments = {"include_preprocessing": False} if name == "ConvNeXtTiny" else {}
        pairs[name] = (
            functools.partial(getattr(keras.applications, name), weights=None, **arguments),
            functools.partial(
                zoo.build, name.lower(), layout="keras", input_shape=(224, 224, 3), classes=1000
            ),
        )
    for name, makers in pairs.items():
        if quick and name not in ("ResNet50V2", "MobileNetV2"):
            continue
        times, sizes = ([], []), [None, None]
        for _ in range(3 if quick else 7):
            for side, make in enumerate(makers):
                seconds, *sizes[side] = timed(make)
                times[side].append(seconds)
        medians = [statistics.median(t) for t in times]
        for side, source in enumerate(("keras.applications", "zoo")):
            yield {
                "net": name,
                "source": source,
                "build_s": medians[side],
                "layers": sizes[side][0],
                "parameters": sizes[side][1],
                "over_reference": medians[side] / medians[0],
                "reference": "keras.applications",
            }
    depths = (20, 110) if quick else (20, 56, 110, 164, 326, 542, 1001, 1202)
    first = {}
    for rolled in (False, True):
        for depth in depths:
            seconds, layers, parameters = timed(lambda d=depth, r=rolled: zoo.build(f"resnet{d}v2", rolled=r))
            first.setdefault(rolled, seconds)
            yield {
                "net": f"resnet{depth}v2",
                "source": "zoo, rolled" if rolled else "zoo",
                "build_s": seconds,
                "layers": layers,
                "parameters": parameters,
                "over_reference": seconds / first[rolled],
                "reference": f"resnet{depths[0]}v2",
            }
