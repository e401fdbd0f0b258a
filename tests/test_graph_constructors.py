"""Layers that extend a stock one and choose for themselves what it would be told: `super().__init__(filters, 3)`."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from transform_nets import batch, outputs, same

from zoo.graph import rewrite

pytestmark = [pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning"), pytest.mark.backend]


class Stem(layers.Conv2D):
    def __init__(self, filters, **options):
        super().__init__(filters, 3, padding="same", **options)


class Doubled(layers.Dense):
    def __init__(self, units):
        super().__init__(units, activation="gelu")
        self.factor = 2.0

    def call(self, x):
        return self.factor * super().call(x)


class Drawn(layers.Dense):
    """Draws a number when it is made: another one each time."""

    def __init__(self, units):
        super().__init__(units)
        self.offset = np.random.default_rng().uniform(1, 2)

    def call(self, x):
        return super().call(x) + self.offset


class Six(layers.ReLU):
    def __init__(self):
        super().__init__(max_value=6)


class Norm(layers.BatchNormalization):
    def __init__(self):
        super().__init__(momentum=0.9, epsilon=0.1)


class Decayed(layers.Dense):
    def __init__(self, units, decay=1e-4, **options):
        super().__init__(units, kernel_regularizer=keras.regularizers.L2(decay), **options)


class Sequences(layers.LSTM):
    def __init__(self, units):
        super().__init__(units, return_sequences=True)


class Twice(layers.Activation):
    def __init__(self, function):
        super().__init__(lambda t: 2 * function(t))


class Deeper(Stem):
    """Extends a class that does so."""

    def __init__(self):
        super().__init__(4, name="deeper")


MADE = {
    "a kernel size": (lambda: Stem(4), (6, 6, 3)),
    "an activation, and a number": (lambda: Doubled(4), (5,)),
    "a number that is drawn": (lambda: Drawn(4), (5,)),
    "no argument at all": (Six, (5,)),
    "statistics": (Norm, (5,)),
    "a regularizer": (lambda: Decayed(4), (5,)),
    "a function of somebody's own beside it": (lambda: Decayed(4, activation=lambda t: t * t), (5,)),
    "a recurrent layer": (lambda: Sequences(3), (4, 5)),
    "a function that it makes": (lambda: Twice(ops.tanh), (5,)),
    "two classes deep": (Deeper, (6, 6, 3)),
    "inside a wrapper": (lambda: layers.TimeDistributed(Doubled(4)), (3, 5)),
    "inside a model": (lambda: keras.Sequential([Doubled(4), Norm()]), (5,)),
}


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@pytest.mark.parametrize("case", MADE)
def test_a_layer_is_copied_whatever_its_constructor_takes(case):
    make, shape = MADE[case]
    x = keras.Input(shape)
    model = keras.Model(x, make()(x))
    rng = np.random.default_rng(0)
    for variable in model.variables:
        if "float" in variable.dtype:
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    copy = rewrite(model)
    old, new = model.layers[-1], copy.layers[-1]
    assert type(new) is type(old) and new is not old and new.name == old.name
    assert same(outputs(model, batch(model)), outputs(copy, batch(copy)))
    assert len(copy.losses) == len(model.losses)


class Normed(layers.Dense):
    def __init__(self, units):
        super().__init__(units)
        self.norm = layers.LayerNormalization()

    def call(self, x):
        return self.norm(super().call(x))


class Scaled(layers.Dense):
    def __init__(self, units):
        super().__init__(units)
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def call(self, x):
        return self.scale * super().call(x)


class Half(layers.Dense):
    """Takes what it writes down, and makes something else of it."""

    def __init__(self, units, **options):
        super().__init__(units // 2, **options)


class Writes(layers.Dense):
    """Says itself what it is made from, and does not take it."""

    def __init__(self, units):
        super().__init__(units)

    def get_config(self):
        return super().get_config() | {"depth": 3}


@pytest.mark.parametrize(
    "kind, said",
    [
        (Normed, "keeps under 'norm' what its copy would lack"),
        (Scaled, "has variables .*scale.*its copy has"),
        (Half, "has variables .*its copy has"),
        (Writes, "cannot be copied from its configuration"),
    ],
)
def test_what_only_the_constructor_makes_is_missed_by_name(kind, said):
    x = keras.Input((5,))
    model = keras.Model(x, kind(4)(x))
    with pytest.raises(ValueError, match=said):
        rewrite(model)
