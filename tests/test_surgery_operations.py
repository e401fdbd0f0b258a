"""What all operations of surgery have in common: the model is untouched, results save, a layer that forgets is named."""

from typing import ClassVar

import keras
import numpy as np
import pytest
from keras import layers
from surgery_nets import array, nested, state

import zoo
from zoo.surgery import cut, flatten, insert_after, remove, replace

OPERATIONS = {
    "insert": lambda model: insert_after(model, "act", layers.BatchNormalization()),
    "remove": lambda model: remove(model, "act"),
    "replace": lambda model: replace(model, "conv2", layers.Conv2D(4, 1)),
    "flatten": flatten,
    "cut": lambda model: cut(model, "conv", "gap"),
    "cut front": lambda model: cut(model, outputs="scale"),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_model_is_untouched(name):
    model = nested()
    before = state(model)
    new, report = OPERATIONS[name](model)
    assert state(model) == before
    assert not {id(weight) for weight in new.weights} & {id(weight) for weight in model.weights}
    assert str(report)


def test_results_save_and_load(tmp_path):
    for name, operate in OPERATIONS.items():
        new = operate(nested()).model
        new.save(tmp_path / "new.keras")
        loaded = keras.models.load_model(tmp_path / "new.keras")
        data = np.ones((2, *new.input_shape[1:]), "float32")
        np.testing.assert_array_equal(array(loaded(data)), array(new(data)), err_msg=name)


def test_a_layer_that_forgets_is_named():
    class Forgets(layers.Layer):
        factors: ClassVar = {}

        def __init__(self, factor=1.0, **options):
            super().__init__(**options)
            self.factors[id(self)] = factor  # nothing that the layer holds tells

        def get_config(self):
            return {"name": self.name}

        def call(self, inputs):
            return inputs * self.factors[id(self)]

    x = keras.Input((4,))
    model = keras.Model(
        x, layers.Dense(2, name="fc")(Forgets(3.0, name="forgets")(layers.Dense(4, name="first")(x)))
    )
    for operate in (
        lambda: insert_after(model, "fc", layers.ReLU()),
        lambda: cut(model, outputs="forgets"),
        lambda: cut(model, inputs="first"),
        lambda: flatten(model),
    ):
        with pytest.raises(ValueError, match="copy of layer 'forgets'"):
            operate()


def test_on_a_net_of_the_zoo():
    model = zoo.build("resnet8", input_shape=(16, 16, 3))
    features = cut(model, outputs=model.layers[-3].name).model
    assert features.count_params() < model.count_params()
    new = replace(model, model.layers[-1], layers.Dense(5, name="predictions")).model
    assert new.output_shape == (None, 5)
