"""Mixed bfloat16: what is measured and how it is put together, why it is not, and that nothing is changed on the way."""

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from zoo import precision
from zoo.precision import POLICY, bfloat16_gain, processor_flags


@pytest.fixture(autouse=True)
def able(monkeypatch):
    """A processor that can, which remembers nothing from test to test."""
    monkeypatch.setattr(precision, "processor_flags", lambda: frozenset({"avx512_bf16"}))
    monkeypatch.setattr(precision, "_known", {})


@pytest.fixture
def times(monkeypatch):
    """Seconds of each kind of layers, in float32 and in bfloat16, heaviest kind first."""
    left, asked = [], []

    def injected(one, other):
        asked.append((one, other))
        return left.pop(0)

    monkeypatch.setattr(precision, "timed_in_turn", injected)
    return left, asked


def conv(name, filters=4, **options):
    return layers.Conv2D(filters, 3, padding="same", use_bias=False, name=name, **options)


def net(count=3, **options):
    parts = []
    for i in range(count):
        parts += [conv(f"conv{i}", **options), layers.BatchNormalization(name=f"norm{i}", **options)]
        parts.append(layers.ReLU(name=f"act{i}", **options))
    head = [layers.GlobalAveragePooling2D(**options), layers.Dense(3, name="top", **options)]
    return keras.Sequential([keras.Input((8, 8, 4)), *parts, *head])


def test_a_gain_is_proposed_and_nothing_changes(times):
    times[0][:] = [[(3.0, 2.0)] * 3, [(1.0, 1.0)]]
    model = net()
    keras.utils.set_random_seed(7)
    expected = keras.random.normal((2,))
    keras.utils.set_random_seed(7)
    found = zoo.fit_settings(model)
    assert np.array_equal(keras.random.normal((2,)), expected)
    assert found.dtype_policy == POLICY
    assert found.bfloat16_speedup == pytest.approx((3 * 3.0 + 1.0) / (3 * 2.0 + 1.0))
    assert "2 heaviest kinds of layers train 1.43 times as fast" in found.reasons["dtype_policy"]
    assert f"keras.config.set_dtype_policy('{POLICY}') and build it again." in found.reasons["dtype_policy"]
    assert {layer.dtype_policy.name for layer in [model, *model.layers]} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"
    model.compile("sgd", "mse", **found)
    times[0][:] = [[(3.0, 2.0)], [(1.0, 1.0)]]
    assert "and compile it anew" in bfloat16_gain(model, batch_size=2).reason


def test_each_pair_counts_as_much_as_the_other(times):
    """The median of ratios: a pause in the middle of one measurement moves nothing."""
    times[0][:] = [[(2.0, 1.0), (900.0, 1.0), (2.0, 1.0), (2.0, 300.0), (4.0, 2.0)], [(1.0, 1.0)]]
    gain = bfloat16_gain(net())
    assert gain.speedup == pytest.approx((3 * 2.0 + 1.0) / (3 * 1.0 + 1.0))
    times[0][:] = [[(1.05, 1.0)], [(1.0, 1.0)]]
    small = bfloat16_gain(net(), batch_size=2)
    assert not small.proposed and "1.04 times as fast" in small.reason
    assert "less than 1.1 is not worth" in small.reason
    assert zoo.fit_settings(net(), batch_size=2).dtype_policy is None


def test_what_was_measured_is_remembered(times):
    left, asked = times
    left[:] = [[(2.0, 1.0)], [(1.0, 1.0)], [(4.0, 1.0)]]
    first = bfloat16_gain(net())
    assert bfloat16_gain(net()) == first and len(asked) == 2
    # One kind less is known already: four convolutions of a kind that was measured.
    assert bfloat16_gain(net(4)).speedup == pytest.approx((4 * 2.0 + 1.0) / (4 + 1.0)) and len(asked) == 2
    other = keras.Sequential([keras.Input((8, 8, 4)), conv("a", filters=5)])
    assert bfloat16_gain(other).speedup == pytest.approx(4.0) and len(asked) == 3


def test_it_is_measured_here():
    """On any processor: slower where bfloat16 is emulated, but a number."""
    gain = bfloat16_gain(net(1), batch_size=2)
    assert 0 < gain.speedup < 100 and gain.reason.startswith("measured: on this processor its 2 heaviest")


@pytest.mark.parametrize("policy, computes", [("float32", "float32"), (POLICY, "bfloat16")])
def test_a_step_goes_both_ways_in_its_precision(policy, computes):
    (kind, _), reason = precision._heaviest(net(2))
    assert (
        reason is None and [la.name for la in kind.layers] == ["conv0", "norm0", "act0"] and kind.count == 2
    )
    assert kind.multiplications == 8 * 8 * 3 * 3 * 4 * 4
    gradient = precision._step(kind, 2, policy)()
    assert gradient.dtype.name == computes and gradient.shape == (2, 8, 8, 4)
    assert np.abs(gradient.astype("float32")).max() > 0


def subclassed():
    class Mine(keras.Model):
        def call(self, x):
            return x

    return Mine()


def compiled_in_half():
    model = net(1, dtype="mixed_float16")
    model.compile("sgd", "mse")
    return model


def fixed():
    keras.config.set_dtype_policy(POLICY)
    try:
        return net(1, dtype="float32")
    finally:
        keras.config.set_dtype_policy("float32")


def words():
    return keras.Sequential([keras.Input((5,)), layers.Embedding(100, 4), layers.Dense(2)])


NOT_MEASURED = {
    "the model is subclassed": subclassed,
    "the model computes in bfloat16 already": lambda: net(1, dtype=POLICY),
    "already, except 'top', fixed to float32": lambda: keras.Sequential(
        [keras.Input((4,)), layers.Dense(4, dtype=POLICY), layers.Dense(2, dtype="float32", name="top")]
    ),
    "all of its layers are fixed to float32": fixed,
    "'conv0' is made and compiled in mixed_float16": compiled_in_half,
    "'a' is made in float64": lambda: keras.Sequential(
        [keras.Input((4,)), layers.Dense(2, dtype="float64", name="a")]
    ),
    "dense layers of known size hold 2 % of the weights": words,
    "dense layers of known size hold 0 % of the weights": lambda: keras.Sequential(
        [keras.Input((None, None, 3)), conv("a")]
    ),
}


@pytest.mark.parametrize("said", NOT_MEASURED)
def test_why_a_model_is_not_measured(said, times):
    found = zoo.fit_settings(NOT_MEASURED[said]())
    assert found.dtype_policy is None and found.bfloat16_speedup is None
    assert found.reasons["dtype_policy"].startswith("not measured") and said in found.reasons["dtype_policy"]


@pytest.mark.parametrize(
    "flags, said", [(frozenset({"avx2"}), "neither avx512_bf16 nor amx_bf16"), (None, "does not say what")]
)
def test_why_a_processor_is_not_measured(monkeypatch, flags, said, times):
    monkeypatch.setattr(precision, "processor_flags", lambda: flags)
    assert said in bfloat16_gain(net(1)).reason and bfloat16_gain(net(1)).speedup is None


def test_other_backends_and_machines_are_not_measured(monkeypatch, times):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert "not measured on jax" in bfloat16_gain(net(1)).reason
    monkeypatch.undo()
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    assert "not measured on an accelerator" in bfloat16_gain(net(1)).reason


def test_flags_are_read_as_the_processor_lists_them(monkeypatch, tmp_path):
    told = tmp_path / "cpuinfo"
    told.write_text("model name\t: P\nflags\t\t: fpu avx512_bf16 sse2\n\nflags\t\t: fpu\n")
    monkeypatch.setattr(precision, "CPU_INFO", told)
    assert processor_flags() == {"fpu", "avx512_bf16", "sse2"}
    told.write_text("Features\t: fp asimd\n")
    assert processor_flags() is None
    monkeypatch.setattr(precision, "CPU_INFO", tmp_path / "none")
    assert processor_flags() is None


def test_it_can_be_switched_off(times):
    found = zoo.fit_settings(net(1), measure=False)
    assert (found.dtype_policy, found.bfloat16_speedup) == (None, None) and not times[1]
    assert found.reasons["dtype_policy"] == "not measured: measure=False"
    with pytest.raises(TypeError, match="measure must be True or False, received 'yes'"):
        zoo.fit_settings(net(1), measure="yes")
    for wrong, error in ((0, ValueError), (1.5, TypeError), (True, TypeError)):
        for ask in (zoo.fit_settings, bfloat16_gain, lambda m, **o: zoo.fit_settings(m, measure=False, **o)):
            with pytest.raises(error, match=f"batch_size must be an integer of at least 1, received {wrong}"):
                ask(net(1), batch_size=wrong)
    assert zoo.fit_settings(net(1), measure=False, batch_size=np.int64(4)).threads > 0
