"""What the weights of a model are called: no two by one name."""

from collections import Counter

import keras

from zoo.graph import graphs


def weight_names(model: keras.Model) -> dict[int, str]:
    """`id` of each weight that trains -> its name: its path.

    Keras lets a path start where the layer was made, so weights of two nested models can have the same. Those are named
    after the models and the layer they stand in; `name:2` is the second where that is not enough.
    """
    paths = {id(weight): weight.path for weight in model.trainable_variables}
    shared = {path for path, times in Counter(paths.values()).items() if times > 1}
    names = dict(paths)
    for graph in graphs(model) if shared else ():
        for layer in (node.operation for node in graph.nodes):
            if isinstance(layer, keras.layers.Layer) and not isinstance(layer, keras.Model):
                for weight in layer.trainable_variables:
                    # Of a layer that stands in several models, the first.
                    if paths.get(id(weight)) in shared and names[id(weight)] == weight.path:
                        names[id(weight)] = _from_the_top(weight.path, graph.path, layer.name)
    times: Counter[str] = Counter()
    for weight, name in names.items():
        times[name] += 1
        if times[name] > 1:
            names[weight] = f"{name}:{times[name]}"
    return names


def _from_the_top(path: str, nested: str, layer: str) -> str:
    """The path of a weight of `layer`, which stands in a model of the path `nested`."""
    _, inside, rest = f"/{path}".partition(f"/{layer}/")
    return f"{nested}{layer}/{rest if inside else path}"
