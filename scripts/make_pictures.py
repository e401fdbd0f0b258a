#!/usr/bin/env python
"""Draw the pictures of functions, convolutions and maps for the site, from tensors that Keras computes.

    scripts/make_pictures.py

Writes docs/diagrams/NAME.svg for each name in PICTURES. The maps are those of the placement lab's own net.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import make_lab  # noqa: E402

from zoo.site import from_convolution, from_functions, from_maps  # noqa: E402
from zoo.site.place import DOCS  # noqa: E402

IMAGE = 9  # of the lab's ten: the ankle boot, with which the lab opens


def maps() -> str:
    content = make_lab.read()
    model = make_lab.load("plain|conv_norm_act|max|relu", content)
    name = content["classes"][content["images"][IMAGE]["label"]]
    return from_maps.maps(model, make_lab.images(content)[IMAGE], name)


PICTURES: dict[str, Callable[[], str]] = {
    "functions": from_functions.functions,
    "convolution": from_convolution.sliding,
    "convolution-stride": from_convolution.stride,
    "convolution-padding": from_convolution.padding,
    "convolution-channels": from_convolution.channels,
    "maps": maps,
}

if __name__ == "__main__":
    for name, draw in PICTURES.items():
        (DOCS / "diagrams" / f"{name}.svg").write_text(draw())
