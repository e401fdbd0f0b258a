"""A subclass that computes something of its own is not the stock layer: nothing is swapped, merged or dropped for it."""

import keras
import pytest
from keras import layers, ops
from transform_nets import batch, configuration, error, outputs, randomised, same

from zoo.graph import read, rewrite
from zoo.transforms import (
    collapse_linear,
    fold_batchnorm,
    fuse_activations,
    split_activations,
    swap_activation,
)


class Half(layers.ReLU):
    def call(self, x):
        return super().call(x) / 2


class Scaled(layers.Activation):
    def call(self, x):
        return 3 * super().call(x)


class Leak(layers.LeakyReLU):
    def call(self, x):
        return 2 * super().call(x)


class Slopes(layers.PReLU):
    def call(self, x):
        return 2 * super().call(x)


class Exponential(layers.ELU):
    def call(self, x):
        return 2 * super().call(x)


class Temperature(layers.Softmax):
    def call(self, x):
        return super().call(x / 3)


class Twice(layers.Dropout):
    def call(self, x, training=False):
        return 2 * super().call(x, training=training)


class Square(layers.Activation):
    def call(self, x):
        return super().call(x) ** 2


class Cube(layers.Identity):
    def call(self, x):
        return x**3


def around(layer, shape=(4,)):
    """A net with a stock activation, then `layer`, each after a dense layer."""
    x = keras.Input(shape)
    y = layers.Dense(4, activation="relu", name="stock")(x)
    y = layer(layers.Dense(4, name="fc")(y))
    return randomised(keras.Model(x, layers.Dense(2, name="top")(y)))


# layer: the name of what it would be without its code
ACTIVATIONS = {
    "ReLU": (lambda: Half(name="own"), "relu"),
    "Activation": (lambda: Scaled("relu", name="own"), "relu"),
    "LeakyReLU": (lambda: Leak(0.1, name="own"), "leaky_relu"),
    "PReLU": (lambda: Slopes(name="own"), "prelu"),
    "ELU": (lambda: Exponential(name="own"), "elu"),
    "Softmax": (lambda: Temperature(name="own"), "softmax"),
}


@pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning")
@pytest.mark.parametrize("case", ACTIVATIONS)
def test_swapping_a_name_leaves_subclasses_with_code_of_their_own(case):
    make, name = ACTIVATIONS[case]
    model = around(make())
    x = batch(model)
    if name == "relu":
        result = swap_activation(model, "relu", "tanh")
        assert result.sites == ("stock",)
        stock, own, fc, top = map(model.get_layer, ("stock", "own", "fc", "top"))
        expected = top(own(fc(ops.tanh(ops.matmul(x, stock.kernel) + stock.bias))))
        assert error([ops.convert_to_numpy(expected)], outputs(result.model, x)) < 1e-6
    else:
        with pytest.raises(
            ValueError, match=rf"applies '{name}'; .*{type(model.get_layer('own')).__name__} \(1\)"
        ):
            swap_activation(model, name, "tanh")


@pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning")
@pytest.mark.parametrize("case", ACTIVATIONS)
def test_the_class_itself_and_its_stock_parent_are_told_apart(case):
    model = around(ACTIVATIONS[case][0]())
    own, x = model.get_layer("own"), batch(model)
    parent = type(own).__mro__[1]
    with pytest.raises(ValueError, match="no site of"):
        swap_activation(model, parent, "tanh")
    result = swap_activation(model, type(own), "tanh")
    assert result.sites == ("own",)
    stock, fc, top = map(model.get_layer, ("stock", "fc", "top"))
    expected = ops.convert_to_numpy(top(ops.tanh(fc(stock(x)))))
    assert error([expected], outputs(result.model, x)) < 1e-6


@pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning")
@pytest.mark.parametrize("case", ACTIVATIONS)
def test_subclasses_of_activation_layers_are_not_fused(case):
    model = around(ACTIVATIONS[case][0]())
    fused = fuse_activations(model)
    assert configuration(fused) == configuration(model)
    assert same(outputs(model, batch(model)), outputs(fused, batch(model)))


# What looks linear, as `activation=`, and is not.
NOT_LINEAR = {
    "Activation": lambda: Square("linear"),
    "Identity": Cube,
}


@pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning")
@pytest.mark.parametrize("case", NOT_LINEAR)
def test_a_built_in_subclass_of_what_is_linear_is_an_activation(case):
    own = NOT_LINEAR[case]()
    kind = type(own).__name__
    x = keras.Input((4,))
    activated = layers.Dense(3, activation=own, name="fc")(x)

    model = randomised(keras.Model(x, layers.ReLU(name="act")(activated)))
    fused = fuse_activations(model)
    assert [layer.name for layer in fused.layers[1:]] == ["fc", "act"]
    assert same(outputs(model, batch(model)), outputs(fused, batch(model)))

    model = randomised(keras.Model(x, layers.BatchNormalization(name="norm")(activated)))
    folded = fold_batchnorm(model)
    assert (folded.folded, folded.max_error) == ((), 0.0)
    assert f"'fc', which applies {kind} first" in folded.kept["norm"]
    assert same(outputs(model, batch(model)), outputs(folded.model, batch(model)))

    model = randomised(keras.Model(x, layers.Dense(2, name="top")(activated)))
    with pytest.raises(ValueError, match=rf"nothing to collapse.*'fc' applies {kind}"):
        collapse_linear(model)


# What would be a part of a run of linear layers without its code.
BETWEEN = {
    "Activation": lambda: Square("linear", name="own"),
    "Identity": lambda: Cube(name="own"),
    "Dropout": lambda: Twice(0.5, name="own"),
}


@pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning")
@pytest.mark.parametrize("case", BETWEEN)
def test_a_subclass_between_two_linear_layers_ends_the_run(case):
    x = keras.Input((4,))
    y = layers.Dense(4, name="b")(layers.Dense(4, name="a")(x))
    y = BETWEEN[case]()(y)
    model = randomised(keras.Model(x, layers.Dense(3, name="d")(layers.Dense(4, name="c")(y))))
    result = collapse_linear(model)
    assert result.collapsed == {"b": ("a", "b"), "d": ("c", "d")}
    assert error(outputs(model, batch(model)), outputs(result.model, batch(model))) < 1e-5


class Clipped(layers.Dense):
    def call(self, x, training=None):
        return ops.clip(super().call(x, training=training), -1, 1)


class Standardised(layers.Conv2D):
    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, kernel - ops.mean(kernel, axis=(0, 1, 2)))


class Added(layers.BatchNormalization):
    def call(self, x, training=None, mask=None):
        return super().call(x, training=training, mask=mask) + 1


WITH_CODE = {
    "call": (lambda: Clipped(4, name="own"), (4,)),
    "convolution_op": (lambda: Standardised(4, 1, name="own"), (5, 5, 4)),
}


@pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning")
@pytest.mark.parametrize("case", WITH_CODE)
def test_a_layer_with_a_kernel_and_code_of_its_own_is_left_alone(case):
    make, shape = WITH_CODE[case]
    x = keras.Input(shape)
    model = randomised(keras.Model(x, layers.BatchNormalization(name="norm")(make()(x))))
    folded = fold_batchnorm(model)
    assert folded.folded == () and _reads_no_kernel(folded.kept["norm"], model)
    assert same(outputs(model, batch(model)), outputs(folded.model, batch(model)))
    model = randomised(keras.Model(x, layers.Dense(3)(make()(layers.Dense(4, name="a")(x)))))
    with pytest.raises(ValueError, match=r"nothing to collapse.*'own'"):
        collapse_linear(model)


def _reads_no_kernel(reason, model):
    kind = type(model.get_layer("own")).__name__
    return f"it reads 'own' ({kind}), which has no kernel" in reason


def test_a_normalisation_with_code_of_its_own_is_left_alone():
    x = keras.Input((4,))
    y = Added(name="norm")(layers.Dense(4, name="b")(layers.Dense(4, name="a")(x)))
    model = randomised(keras.Model(x, y))
    folded = fold_batchnorm(model)
    assert folded.kept == {"norm": "Added is a subclass with a call of its own"}
    result = collapse_linear(model)
    assert result.collapsed == {"b": ("a", "b")}
    assert result.kept == {"norm": "'norm' (Added) has a call of its own"}
    for new in (folded.model, result.model):
        assert error(outputs(model, batch(model)), outputs(new, batch(model))) < 1e-5


class After(layers.Dense):
    def __call__(self, x, **options):
        return super().__call__(x, **options) + 1


class Before(layers.ReLU):
    def __call__(self, x, **options):
        return super().__call__(2 * x, **options)


class Double(layers.Identity):
    def __call__(self, x, **options):
        return 2 * super().__call__(x, **options)


ROUND = {
    "after": lambda: After(4, name="own"),
    "before": lambda: Before(name="own"),
    "of what is linear": lambda: Double(name="own"),
}


@pytest.mark.filterwarnings("ignore::zoo.activations.UnseenWarning")
@pytest.mark.parametrize("case", ROUND)
def test_what_a_class_computes_round_keras_own_call_is_copied_once(case):
    x = keras.Input((4,))
    y = layers.Dense(4, name="b")(layers.Dense(4, name="a")(x))
    y = layers.Dense(4, activation="gelu", name="c")(ROUND[case]()(y))
    y = layers.BatchNormalization(name="norm")(layers.Dense(4, name="d")(y))
    model = randomised(keras.Model(x, y))
    expected = outputs(model, batch(model))
    split = split_activations(model)
    assert [type(node.operation) for node in read(rewrite(model)).nodes] == [
        type(node.operation) for node in read(model).nodes
    ]
    for new in (rewrite(model), split, fuse_activations(split)):
        assert same(expected, outputs(new, batch(model)))
    folded, collapsed = fold_batchnorm(model), collapse_linear(model)
    assert folded.folded == ("norm",) and collapsed.collapsed == {"b": ("a", "b"), "d": ("d", "norm")}
    for new in (folded.model, collapsed.model):
        assert error(expected, outputs(new, batch(model))) < 1e-5


class Masked(layers.Dense):
    """Small weights count as zero."""

    @property
    def kernel(self):
        return self._kernel * ops.cast(ops.abs(self._kernel) > 0.2, "float32")


class Centred(layers.Conv2D):
    """Weights without their mean."""

    @property
    def kernel(self):
        return self._kernel - ops.mean(self._kernel)

    @kernel.setter
    def kernel(self, value):
        self._kernel = value


class Positive(layers.Dense):
    """A bias above zero."""

    @property
    def bias(self):
        return None if self._bias is None else ops.exp(self._bias)

    @bias.setter
    def bias(self, value):
        self._bias = value


COMPUTED = {
    "kernel of Dense": (lambda: Masked(4, name="own"), (4,)),
    "kernel of Conv2D": (lambda: Centred(4, 2, name="own"), (5, 5, 4)),
    "bias": (lambda: Positive(4, name="own"), (4,)),
}


@pytest.mark.parametrize("case", COMPUTED)
@pytest.mark.parametrize("side", ["behind", "in front"])
def test_a_computed_kernel_is_kept_by_fold_with_the_reason(case, side):
    make, shape = COMPUTED[case]
    x = keras.Input(shape)
    norm = layers.BatchNormalization(name="norm")
    y = norm(make()(x)) if side == "behind" else make()(norm(layers.ReLU()(x)))
    model = randomised(keras.Model(x, y))
    folded = fold_batchnorm(model)
    kind = type(model.get_layer("own")).__name__
    assert folded.folded == ()
    assert f"{kind} 'own' computes its kernel, so none can be set" in folded.kept["norm"]
    assert same(outputs(model, batch(model)), outputs(folded.model, batch(model)))


@pytest.mark.parametrize("case", COMPUTED)
def test_a_computed_kernel_collapses_as_it_computes(case):
    make, shape = COMPUTED[case]
    x = keras.Input(shape)
    model = randomised(keras.Model(x, layers.Dense(3, name="last")(layers.BatchNormalization()(make()(x)))))
    result = collapse_linear(model)
    assert [*result.collapsed] == ["last"]
    assert error(outputs(model, batch(model)), outputs(result.model, batch(model))) < 1e-5
