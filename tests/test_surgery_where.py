"""How surgery is told where: names, layers and places that are none."""

import keras
import pytest
from keras import layers
from surgery_nets import backbone, nested, shared

from zoo.surgery import cut, flatten, remove


def test_a_layer_of_the_model():
    model = nested()
    assert remove(model, model.get_layer("base").get_layer("norm")).report.removed == ("base/norm",)


def test_what_is_not_there():
    with pytest.raises(ValueError, match=r"where='hed' is no layer of model 'outer'; did you mean 'head'"):
        remove(nested(), "hed")
    with pytest.raises(ValueError, match=r"where='x\*' matches no layer"):
        remove(nested(), "x*")
    with pytest.raises(ValueError, match="where=LSTM: model 'outer' has no layer of that class"):
        remove(nested(), layers.LSTM)
    with pytest.raises(ValueError, match="'elsewhere' is a layer that model 'outer' does not call"):
        remove(nested(), layers.ReLU(name="elsewhere"))
    with pytest.raises(TypeError, match="must be a name, a pattern, a layer"):
        remove(nested(), 3)
    with pytest.raises(ValueError, match="where is empty"):
        remove(nested(), [])
    with pytest.raises(ValueError, match="'fc' is called 2 times"):
        remove(shared(), "fc:3")


def test_a_name_in_two_nested_models():
    x = keras.Input((8, 8, 3))
    model = keras.Model(x, layers.Add()([backbone("left")(x), backbone("right")(x)]))
    with pytest.raises(ValueError, match=r"means several layers: 'left/act', 'right/act'. Say which"):
        remove(model, "act")
    assert remove(model, "*/act").report.removed == ("left/act", "right/act")


def test_a_subclassed_model():
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    for operate in (lambda m: remove(m, "x"), flatten, lambda m: cut(m, "x")):
        with pytest.raises(TypeError, match="subclassed"):
            operate(Own())
