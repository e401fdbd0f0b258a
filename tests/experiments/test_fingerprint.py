import keras
import pytest

import zoo
from zoo.experiments.fingerprint import graph_fingerprint


def net(units=4, activation="relu", names=("a", "b", "c"), swapped=False):
    image = keras.Input((5,), name=names[0])
    x = keras.layers.Dense(units, activation=activation, name=names[1])(image)
    y = keras.layers.Dense(units, name=names[2])(image)
    return keras.Model(image, keras.layers.Subtract()([y, x] if swapped else [x, y]))


def test_names_do_not_count():
    assert (
        graph_fingerprint(net()) == graph_fingerprint(net()) == graph_fingerprint(net(names=("x", "y", "z")))
    )


@pytest.mark.parametrize("change", [{"units": 5}, {"activation": "tanh"}, {"swapped": True}])
def test_layers_settings_and_connections_do(change):
    assert graph_fingerprint(net(**change)) != graph_fingerprint(net())


def test_a_shortcut_from_elsewhere_counts_though_the_layers_are_the_same():
    prints = set()
    for source in range(2):
        image = keras.Input((4,))
        first = keras.layers.Dense(4)(image)
        second = keras.layers.Dense(4)(first)
        prints.add(
            graph_fingerprint(keras.Model(image, keras.layers.Add()([second, (image, first)[source]])))
        )
    assert len(prints) == 2


def test_weights_do_not_count():
    a, b = net(), net()
    b.set_weights([w + 1 for w in b.get_weights()])
    assert graph_fingerprint(a) == graph_fingerprint(b)


def test_a_sequential_model_has_one_too():
    layers = lambda: [keras.Input((5,)), keras.layers.Dense(2), keras.layers.Dropout(0.5)]  # noqa: E731
    assert graph_fingerprint(keras.Sequential(layers())) == graph_fingerprint(keras.Sequential(layers()))


def test_options_of_the_zoo_tell_graphs_apart():
    options = (
        {},
        {"ordering": "full_pre_activation"},
        {"activation": "gelu"},
        {"shortcut": "projection"},
        {"width": 8},
    )
    prints = {graph_fingerprint(zoo.build("resnet8", input_shape=(8, 8, 1), **one)) for one in options}
    assert len(prints) == len(options)


def test_zeros_of_a_shortcut_are_hashed_as_the_operation_they_were():
    """What was published before they became a padding layer keeps its graph; other paddings are no such zeros."""
    import keras
    from keras.src.ops.numpy import Pad

    from zoo.experiments.fingerprint import earlier_fingerprint, graph_fingerprint

    def net(pad):
        image = keras.Input((4, 4, 3), name="image")
        return keras.Model(image, pad(image))

    zeros = net(keras.layers.ZeroPadding2D(((0, 0), (1, 2)), data_format="channels_first", name="zeros"))
    operation = net(Pad(((0, 0), (0, 0), (0, 0), (1, 2))))
    border = net(keras.layers.ZeroPadding2D(1))
    assert earlier_fingerprint(zeros) == graph_fingerprint(operation) != graph_fingerprint(zeros)
    assert earlier_fingerprint(border) == graph_fingerprint(border)
    more = net(keras.layers.ZeroPadding2D(((0, 0), (2, 2)), data_format="channels_first"))
    assert earlier_fingerprint(more) != earlier_fingerprint(zeros)
