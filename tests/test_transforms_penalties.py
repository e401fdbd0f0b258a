"""What transforms say of regularizers and constraints of the weights that they change."""

import keras
import numpy as np
import pytest
from keras import layers
from transform_nets import batch, error, outputs, randomised

from zoo.transforms import collapse_linear, fold_batchnorm, merge_branches


def folded(**options):
    x = keras.Input((6, 6, 3))
    return keras.Model(
        x, layers.BatchNormalization(name="norm")(layers.Conv2D(4, 3, name="conv", **options)(x))
    )


def scaled():
    x = keras.Input((6,))
    norm = layers.BatchNormalization(gamma_regularizer="l2", name="norm")
    return keras.Model(x, norm(layers.Dense(4, name="fc")(x)))


def collapsed():
    x = keras.Input((6,))
    first = layers.Dense(4, bias_constraint="non_neg", name="first")
    return keras.Model(x, layers.Dense(3, kernel_regularizer="l1", name="second")(first(x)))


def nested():
    x = keras.Input((6,))
    return keras.Model(x, layers.Dense(2, activation="relu")(scaled()(x)))


def merged():
    """Two additions: the second is found in the sum of the first."""
    x = keras.Input((6, 6, 3))
    a, b, c = (
        layers.Conv2D(3, 3, padding="same", name=name, kernel_regularizer=penalty)
        for name, penalty in (("a", None), ("b", "l2"), ("c", "l2"))
    )
    return keras.Model(x, layers.Add()([layers.Add()([a(x), b(x)]), c(x)]))


CASES = {
    "folded kernel": (fold_batchnorm, lambda: folded(kernel_regularizer="l2"), ["conv"]),
    "folded constraint": (fold_batchnorm, lambda: folded(kernel_constraint="max_norm"), ["conv"]),
    "folded scale": (fold_batchnorm, scaled, ["norm"]),
    "nested": (fold_batchnorm, nested, ["functional[^']*/norm"]),
    "collapsed": (collapse_linear, collapsed, ["first", "second"]),
    "merged": (merge_branches, merged, ["b", "c"]),
}


@pytest.mark.parametrize("case", CASES)
def test_layers_with_regularizers_or_constraints_are_named_once(case):
    transform, make, names = CASES[case]
    model = randomised(make())
    listed = ", ".join(f"'{name}'" for name in names)
    with pytest.warns(UserWarning, match=f"{transform.__name__} changes .*constraints: {listed}\\. ") as seen:
        new = transform(model).model
    assert [w.filename for w in seen if w.category is UserWarning] == [__file__]
    data = batch(model)
    assert error(outputs(model, data), outputs(new, data)) < 1e-5
    assert case == "folded constraint" or case == "nested" or sum(model.losses) != sum(new.losses)


def kept():
    """Neither the layer after the activation nor the slopes of the activation in the layer are changed."""
    x = keras.Input((6,))
    act = layers.PReLU(alpha_regularizer="l2", alpha_constraint="non_neg")
    y = layers.Dense(3, activation=act)(layers.BatchNormalization()(x))
    return keras.Model(x, layers.Dense(2, kernel_regularizer="l2", activation="relu")(y))


def test_what_stays_as_it_is_is_not_named():
    model = randomised(kept())
    new = fold_batchnorm(model)  # a warning would be an error
    assert new.folded
    assert np.isclose(float(sum(model.losses)), float(sum(new.model.losses)))
