#!/usr/bin/env python
"""Train the small nets of the placement lab and write them, with a few test images, for the page to run.

    scripts/make_lab.py [--epochs N] [--retrain]

Writes docs/javascripts/placement-lab-data.js: the graphs of `zoo.build` as lists of operations, one set of
weights for each placement, rounded to half precision *before* anything is measured, and ten test images; and
docs/snippets/placement_lab_table.md, what a reader without JavaScript sees. Sets of weights that are in the
file already are kept; `--retrain` trains all of them again (about twenty minutes on one core).
"""

import argparse
import base64
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import keras  # noqa: E402
import numpy as np  # noqa: E402

import zoo  # noqa: E402
from zoo.graph import inbound_nodes  # noqa: E402

OUTPUT = ROOT / "docs" / "javascripts" / "placement-lab-data.js"
TABLE = ROOT / "docs" / "snippets" / "placement_lab_table.md"
# A script and not a JSON file, because a page opened from a folder may not fetch one.
HEAD, TAIL = "globalThis.zooLabData =\n", "\n;\n"
CLASSES = "T-shirt, Trouser, Pullover, Dress, Coat, Sandal, Shirt, Sneaker, Bag, Ankle boot".split(", ")
COMMON = {"input_shape": (28, 28, 1), "width": 4, "classifier_activation": None}
PLAIN = ("conv_norm_act", "conv_act_norm", "norm_act_conv", "conv_act")
RESIDUAL = (
    "original",
    "bn_after_addition",
    "relu_before_addition",
    "relu_only_pre_activation",
    "full_pre_activation",
)


def _plain(ordering: str, downsampling="max_pool", pooling_order="act_pool", activation="relu") -> tuple:
    pooling = {"downsampling": downsampling, "pooling_order": pooling_order}
    return "convnet4", {"ordering": ordering, "activation": activation, **pooling}


def _residual(ordering: str, activation="relu") -> tuple:
    # Shortcuts without weights: with projections, which read the pre-activated tensor, two of the five
    # orderings would be one function in a net with a single unit a stage.
    return "resnet8", {"ordering": ordering, "activation": activation}


# What the reader can choose. Max-pooling and average pooling have no weights, and the page puts in either.
GRAPHS = {
    f"plain|{ordering}|{order}": _plain(ordering, pooling_order=order)
    for ordering in PLAIN
    for order in ("act_pool", "pool_act")
    if order == "act_pool" or ordering.endswith("act")  # otherwise nothing could move behind the pooling
} | {f"residual|{ordering}|": _residual(ordering) for ordering in RESIDUAL}

# What was trained. With max-pooling and ReLU both orders are the same function, so one set serves both.
TRAINED = (
    {f"plain|{ordering}|max|relu": _plain(ordering) for ordering in PLAIN}
    | {
        f"plain|conv_norm_act|average {order}|relu": _plain("conv_norm_act", "average_pool", order)
        for order in ("act_pool", "pool_act")
    }
    | {
        "plain|conv_norm_act|max|linear": _plain("conv_norm_act", activation="linear"),
        "plain|conv_norm_act|average act_pool|linear": _plain(
            "conv_norm_act", "average_pool", activation="linear"
        ),
    }
    | {f"residual|{ordering}||relu": _residual(ordering) for ordering in RESIDUAL}
    | {"residual|original||linear": _residual("original", activation="linear")}
)


def build(recipe: tuple) -> keras.Model:
    name, options = recipe
    return zoo.build(name, **COMMON, **options)


def operations(model: keras.Model) -> list[dict]:
    """The graph as a list: each operation with the positions of its inputs in the list."""
    place, ops = {}, []
    for layer in model.operations:
        node = inbound_nodes(layer)[0]
        op = {"name": layer.name, "inputs": [place[id(tensor)] for tensor in node.input_tensors]}
        kind = type(layer).__name__
        if kind == "InputLayer":
            op |= {"op": "input"}
        elif kind == "Conv2D":
            op |= {"op": "conv", "strides": layer.strides[0], "padding": layer.padding}
            if layer.activation is not keras.activations.linear:
                raise ValueError(f"{layer.name}: the lab shows activations as layers of their own")
        elif isinstance(layer, keras.layers.BatchNormalization):
            op |= {"op": "norm", "epsilon": layer.epsilon}
        elif kind == "Activation":
            op |= {"op": "act"}
        elif kind == "ZeroPadding2D":
            # Told the other data format, it pads width and channels: a shortcut without weights.
            channels = layer.data_format == "channels_first"
            op |= {"op": "pad", "padding": [(0, 0), *layer.padding] if channels else [*layer.padding, (0, 0)]}
        elif kind in ("MaxPooling2D", "AveragePooling2D"):
            op |= {"op": "pool", "size": layer.pool_size[0], "strides": layer.strides[0]}
        elif kind in ("GlobalAveragePooling2D", "Flatten", "Dense", "Add"):
            op |= {"op": "mean" if kind == "GlobalAveragePooling2D" else kind.lower()}
        else:
            raise ValueError(f"{layer.name}: the page has no operation for a {kind}")
        place[id(node.output_tensors[0])] = len(ops)
        ops.append(op)
    return ops


def load_images() -> tuple:
    from zoo.experiments.data.sets import SOURCES

    x_train, y_train, x_test, y_test = SOURCES["fashion_mnist"]()
    return x_train.astype("float32") / 255, y_train, x_test, y_test


def train(key: str, recipe: tuple, data: tuple, epochs: int) -> dict:
    """Train one net, round its weights, and measure what is left."""
    x_train, y_train, x_test, y_test = data
    keras.utils.set_random_seed(0)
    model = build(recipe)
    steps = epochs * (len(x_train) // 128)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.01, steps)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    model.fit(x_train, y_train, batch_size=128, epochs=epochs, verbose=0)
    for weight in model.weights:
        weight.assign(keras.ops.convert_to_numpy(weight).astype("float16").astype("float32"))
    accuracy = model.evaluate(x_test.astype("float32") / 255, y_test, batch_size=500, verbose=0)[1]
    print(f"{key}: {accuracy:.4f}", flush=True)
    tensors, parts, offset = {}, [], 0
    for weight in model.weights:
        values = keras.ops.convert_to_numpy(weight).astype("<f2")
        if not np.all(np.isfinite(values)):
            raise ValueError(f"{key}: {weight.path} does not fit half precision")
        tensors[weight.path] = [offset, list(values.shape)]  # where its numbers begin, and their shape
        parts.append(values.ravel())
        offset += values.size
    half = base64.b64encode(np.concatenate(parts).tobytes()).decode()
    return {"accuracy": round(float(accuracy), 4), "tensors": tensors, "half": half}


def pick_images(x_test: np.ndarray, y_test: np.ndarray) -> list[dict]:
    """The first test image of each class."""
    return [
        {
            "label": int(label),
            "pixels": base64.b64encode(x_test[np.flatnonzero(y_test == label)[0]].tobytes()).decode(),
        }
        for label in range(10)
    ]


def load(key: str, content: dict) -> keras.Model:
    """The trained net of the file, as a Keras model."""
    model, stored = build(TRAINED[key]), content["weights"][key]
    values = np.frombuffer(base64.b64decode(stored["half"]), "<f2").astype("float32")
    for weight in model.weights:
        offset, shape = stored["tensors"][weight.path]
        weight.assign(values[offset : offset + int(np.prod(shape))].reshape(shape))
    return model


def images(content: dict) -> np.ndarray:
    """The pictures of the file, from 0 to 1, of shape (10, 28, 28, 1)."""
    raw = b"".join(base64.b64decode(picture["pixels"]) for picture in content["images"])
    return np.frombuffer(raw, np.uint8).reshape(-1, 28, 28, 1).astype("float32") / 255


def table(content: dict) -> str:
    """What the page shows without JavaScript."""
    lines = [
        "| net | placement | pooling | activation | test accuracy | zeros after the activations |",
        "|---|---|---|---|---|---|",
    ]
    for key, stored in content["weights"].items():
        net, ordering, pooling, activation = key.split("|")
        model = load(key, content)
        sites = [layer.output for layer in model.layers if isinstance(layer, keras.layers.Activation)]
        values = keras.Model(model.input, sites)(images(content))
        zeros = np.concatenate([np.ravel(value) == 0 for value in values]).mean()
        cells = (net, f"`{ordering}`", pooling.replace("_", ", then ") or "-", activation)
        # Of 10,000 images two digits are all there are: nothing to round, here and in the page's script.
        lines.append(f"| {' | '.join(cells)} | {100 * stored['accuracy']:.2f} % | {100 * zeros:.0f} % |")
    return "\n".join(lines) + "\n"


def read() -> dict:
    """What the file holds, or nothing."""
    if not OUTPUT.exists():
        return {}
    return json.loads(OUTPUT.read_text().removeprefix(HEAD).removesuffix(TAIL))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--retrain", action="store_true", help="train sets that are in the file already, too")
    arguments = parser.parse_args()
    data = load_images()
    kept = {} if arguments.retrain else read().get("weights", {})
    content = {
        "classes": CLASSES,
        "images": pick_images(*data[2:]),
        "graphs": {key: operations(build(recipe)) for key, recipe in GRAPHS.items()},
        "weights": {},
    }
    for key, recipe in TRAINED.items():
        content["weights"][key] = kept.get(key) or train(key, recipe, data, arguments.epochs)
        OUTPUT.write_text(HEAD + json.dumps(content, separators=(",", ":")) + TAIL)
        keras.backend.clear_session()
    TABLE.write_text(table(content))


if __name__ == "__main__":
    main()
