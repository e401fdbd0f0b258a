"""What a model computes, as a hash: its graph, without names that say nothing."""

import hashlib
import json
from typing import Any


def _without_names(value: Any, position: dict[str, int]) -> Any:
    if isinstance(value, dict):
        return {
            key: [position.get(item[0], item[0]), *item[1:]]
            if key == "keras_history"
            else _without_names(item, position)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_without_names(item, position) for item in value]
    return value


def _ends(value: Any, position: dict[str, int]) -> Any:
    """Inputs and outputs of a graph, which its config gives as [layer name, node, tensor]."""
    if isinstance(value, (list, tuple)):
        if len(value) == 3 and isinstance(value[0], str):
            return [position.get(value[0], value[0]), *value[1:]]
        return [_ends(item, position) for item in value]
    if isinstance(value, dict):
        return [_ends(item, position) for item in value.values()]
    return value


def graph_fingerprint(model: Any) -> str:
    """Hash of the layers' classes and settings and of how they are connected.

    Names of layers and of the model do not count: a layer is its place in the graph's order. Weights do not
    count.

    Args:
        model: A Functional or Sequential Keras model.

    Returns:
        64 hexadecimal digits.
    """
    return _hash(model.get_config())


def earlier_fingerprint(model: Any) -> str:
    """The same as it was while the zeros of a shortcut without weights were a bare operation, `Pad`.

    They are a stock padding layer now, which computes the same. What was published before is told by its first losses.
    """
    config = model.get_config()
    layers = [_as_operation(layer) for layer in config["layers"]]
    return _hash({**config, "layers": layers})


def _as_operation(layer: dict[str, Any]) -> dict[str, Any]:
    config = layer["config"]
    if layer["class_name"] != "ZeroPadding2D" or config["data_format"] != "channels_first":
        return layer
    # Told the other data format it pads width, which it leaves alone, and channels.
    widths = [[0, 0], [0, 0], *config["padding"]]
    return {
        **layer,
        "class_name": "Pad",
        "config": {"name": config["name"], "pad_width": widths, "mode": "constant"},
    }


def _hash(config: dict[str, Any]) -> str:
    position = {layer["config"]["name"]: index for index, layer in enumerate(config["layers"])}
    layers = [
        {
            "class": layer["class_name"],
            "config": {
                key: _without_names(value, position)
                for key, value in layer["config"].items()
                if key != "name"
            },
            "inbound": _without_names(layer.get("inbound_nodes"), position),
        }
        for layer in config["layers"]
    ]
    graph = {
        "layers": layers,
        "inputs": _ends(config.get("input_layers"), position),
        "outputs": _ends(config.get("output_layers"), position),
    }
    return hashlib.sha256(json.dumps(graph, sort_keys=True, default=repr).encode()).hexdigest()
