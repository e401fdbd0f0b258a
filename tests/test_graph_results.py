"""Whoever passes or asks the result of a transform for what its model has is told where the model is."""

import copy
import pickle
from pathlib import Path

import keras
import pytest
from keras import layers

import zoo
from zoo.latency import measured_latency
from zoo.probes import activation_stats, gradient_stats
from zoo.surgery import remove
from zoo.transforms import collapse_linear, drop_activations, fold_batchnorm, soften, swap_activation


def small():
    x = keras.Input((4,))
    y = layers.Dense(3, activation="relu", name="fc")(x)
    return keras.Model(x, layers.Dense(2, name="top")(layers.Dropout(0.1, name="drop")(y)), name="small")


RESULTS = {
    "FoldedModel": fold_batchnorm,
    "SwappedModel": lambda model: swap_activation(model, "relu", "gelu"),
    "DroppedModel": lambda model: drop_activations(model, "fc"),
    "SoftenedModel": lambda model: soften(model, "fc"),
    "Operated": lambda model: remove(model, "drop"),
}


@pytest.mark.parametrize("kind", RESULTS)
def test_what_only_the_model_has(kind):
    result = RESULTS[kind](small())
    for name in ("save", "predict", "summary", "layers", "inputs", "output"):
        with pytest.raises(AttributeError) as error:
            getattr(result, name)
        assert str(error.value) == f"{kind!r} object has no attribute {name!r}; its model has: .model.{name}"
    with pytest.raises(AttributeError) as error:
        result.nonsense  # noqa: B018
    assert str(error.value) == f"{kind!r} object has no attribute 'nonsense'"
    assert not hasattr(result, "fit") and isinstance(result.model, keras.Model)


@pytest.mark.parametrize("kind", RESULTS)
@pytest.mark.parametrize(
    "ask",
    [
        collapse_linear,
        zoo.fit_settings,
        lambda model: activation_stats(model, [[1.0] * 4]),
        lambda model: zoo.trace_once(model, [1]),
        lambda model: remove(model, "top"),
        lambda model: gradient_stats(model, [[1.0] * 4], [[0.0] * 2], "mse"),
        lambda model: measured_latency(model, 1),
    ],
    ids=["transform", "settings", "probe", "tracing", "surgery", "gradient", "latency"],
)
def test_a_result_in_the_place_of_a_model(kind, ask):
    with pytest.raises(TypeError) as error:
        ask(RESULTS[kind](small()))
    assert str(error.value) == f"expected a keras.Model, received a {kind}: pass its model, result.model."


def test_a_result_in_the_place_of_a_model_or_its_name():
    with pytest.raises(TypeError) as error:
        zoo.features(fold_batchnorm(small()))
    assert str(error.value) == (
        "name_or_model must be the name of a net or a keras.Model, received a FoldedModel: pass its model, result.model."
    )


@pytest.mark.parametrize("path", ["net.keras", Path("net.keras"), "resnet20"])
def test_a_path_in_the_place_of_a_model(path):
    with pytest.raises(TypeError) as error:
        fold_batchnorm(path)
    assert str(error.value) == (
        f"expected a keras.Model, received {str(path)!r}: keras.models.load_model loads a file, zoo.build builds a net by "
        "its name."
    )


def test_anything_else_in_the_place_of_a_model():
    with pytest.raises(TypeError, match=r"^expected a keras.Model, received 3 of type int\.$"):
        fold_batchnorm(3)


def test_a_result_is_copied_and_pickled_like_any_tuple():
    result = fold_batchnorm(small())
    assert copy.copy(result).model is result.model
    assert pickle.loads(pickle.dumps(result[1:])) == result[1:]
    model, *_ = result
    assert model is result.model
