"""Execution settings: what they are, that they have reasons, and that `compile` takes them."""

import keras
import numpy as np
import pytest

import zoo
from zoo import settings


def net(**options):
    return zoo.build("resnet14", input_shape=(8, 8, 3), width=2, **options)


def test_settings_for_this_machine_go_into_compile():
    model = net()
    found = zoo.fit_settings(model, measure=False)
    model.compile("sgd", "sparse_categorical_crossentropy", **found)
    assert dict(found) == {"jit_compile": False, "steps_per_execution": 1}
    assert model.jit_compile is False
    assert model.steps_per_execution == 1
    model.fit(np.zeros((4, 8, 8, 3)), np.zeros(4), verbose=0)


def test_every_setting_has_a_reason():
    found = zoo.fit_settings(net())
    assert set(found.reasons) == {"jit_compile", "steps_per_execution", "threads", "dtype_policy"}
    assert found.reasons["jit_compile"].startswith("TensorFlow on the CPU")
    assert found.threads >= 1


def test_other_machines(monkeypatch):
    monkeypatch.setattr(settings, "_has_accelerator", lambda: True)
    assert zoo.fit_settings(net(), measure=False).jit_compile is True
    assert zoo.fit_settings(net(rolled=True), measure=False).jit_compile is False
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert zoo.fit_settings(net(), measure=False).jit_compile is True


def test_refuses_what_is_no_model():
    with pytest.raises(TypeError, match=r"expected a keras\.Model, received .resnet20.: .*zoo\.build builds"):
        zoo.fit_settings("resnet20")
