"""Time to build a net, and its layers, against keras.applications and against depth."""

from __future__ import annotations

import functools
import statistics
import time

QUESTION = "How long does building a net take, next to keras.applications, and how does it grow with depth?"
#: Nets that keras.applications builds too, with the options that make the zoo's the same.
TWINS = {
    "ResNet50V2": {},
    "VGG16": {},
    "MobileNetV2": {"layout": "keras"},
    "Xception": {"layout": "keras"},
    "DenseNet121": {"layout": "keras"},
    "ConvNeXtTiny": {"layout": "keras"},
}


def measure(quick=False, only=()):
    """A row a net: seconds to build and layers; `over_reference` divides by the time of the row named."""
    import keras

    import zoo

    def timed(make):
        keras.backend.clear_session()
        began = time.perf_counter()
        model = make()
        return time.perf_counter() - began, len(model.layers), model.count_params()

    pairs = {}
    for name, options in TWINS.items():
        theirs = {"include_preprocessing": False} if name == "ConvNeXtTiny" else {}
        pairs[name] = (
            functools.partial(getattr(keras.applications, name), weights=None, **theirs),
            functools.partial(zoo.build, name.lower(), input_shape=(224, 224, 3), classes=1000, **options),
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
