"""Random options: each combination builds a net that works, or is refused by name. Nothing else, ever."""

import os
import re
from collections import Counter

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import zoo
from zoo import spec as words
from zoo.spec import OPTIONS

# ZOO_EXAMPLES=2000 looks for faults; the default keeps watch.
EXAMPLES = int(os.environ.get("ZOO_EXAMPLES", "60"))
# Softmax of one class is 1, as Keras warns: legal, if useless.
pytestmark = pytest.mark.filterwarnings("ignore:You are using a softmax over axis")

SHALLOW = [
    "mlp", "mlp1", "convnet", "convnet1", "convnet3", "vgg11", "plain8", "plain14", "resnet8", "resnet11", "resnet14",
    "resnet20", "resnet8v2", "resnet11v2", "resnet20v2", "resnet18", "resnet18v2", "resnet34", "resnet50", "resnet50v2",
    "mobilenetv2", "xception", "densenet13", "densenet16", "convnexttiny", "wrn10_1", "wrn16_1", "repvgg",
]  # fmt: skip

NONSENSE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(),
    st.text(max_size=4),
    st.just([]),
    st.just({}),
    st.just(()),
    st.just(b"relu"),
    st.builds(object),
    st.builds(lambda: np.zeros(2)),
    st.just(keras.layers.Dense),
    st.just({"class_name": "Nothing", "config": {}}),
    st.just({"class_name": ["relu"]}),
)

LEGAL = {
    "include_preprocessing": st.booleans(),
    "input_shape": st.one_of(
        st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(1, 4)),
        st.sampled_from([(8, 8, 3), (9, 11, 1), (32, 32, 3), (33, 40, 4), [16, 16, 3], (32, 32)]),
        st.sampled_from([(None, None, 3), (None, 8, 1), (8, 8, None), (12,), (0, 8, 3)]),
    ),
    "classes": st.integers(1, 5),
    "include_top": st.booleans(),
    "pooling": st.sampled_from(words.POOLINGS),
    "classifier_activation": st.sampled_from(["softmax", None, "sigmoid", "linear"]),
    "weights": st.sampled_from([None, "none.weights.h5", "Imagenet", __file__]),
    "activation": st.sampled_from(
        ["relu", "gelu", "tanh", None, "prelu", "rleu", keras.ops.sin, keras.activations.elu]
    ),
    "activated": st.sampled_from(["all", "last"]),
    "form": st.sampled_from(words.FORMS),
    "ordering": st.sampled_from(words.RESIDUAL_ORDERINGS + words.PLAIN_ORDERINGS),
    "shortcut": st.sampled_from(words.SHORTCUTS),
    "shortcut_scale": st.floats(-2, 2),
    "branch_scale": st.floats(-2, 2),
    "gate_bias": st.floats(-8, 1),
    "dropout_rate": st.floats(-0.1, 1.1),
    "layout": st.sampled_from(words.LAYOUTS),
    "block": st.sampled_from(words.BLOCKS),
    "padding": st.sampled_from(["same", "valid"]),
    "downsampling": st.sampled_from(["max_pool", "average_pool", "stride", "none"]),
    "pooling_order": st.sampled_from(["act_pool", "pool_act"]),
    "kernel_initializer": st.sampled_from([None, "he_normal", "zeros", "nothing"]),
    "rolled": st.sampled_from(words.ROLLED),
    "normalization": st.sampled_from(words.NORMALIZATIONS),
    "alpha": st.floats(-0.1, 2.0),
    "narrow_activation": st.sampled_from(["relu", None, "same", "rleu"]),
    "depthwise_activation": st.sampled_from(["elu", None, "same", "rleu"]),
    "between_activation": st.sampled_from(["elu", None, "same", "rleu"]),
    "activations_per_block": st.integers(0, 4),
    "norms_per_block": st.integers(0, 4),
    "convolutions": st.integers(0, 4),
    "merged": st.sampled_from([True, False, 1]),
}


def chosen(strategies):
    """Some of the options, each with a value."""
    names = st.lists(st.sampled_from(sorted(strategies)), max_size=5, unique=True)
    return names.flatmap(lambda keys: st.fixed_dictionaries({k: strategies[k] for k in keys}))


def test_every_option_takes_part():
    assert set(LEGAL) | {"width"} == set(OPTIONS)


def named(text, name, options):
    """Whether an error's text holds the name of an argument that was given, or of the net."""
    return any(re.search(rf"\b{re.escape(word)}\b", text) for word in (*options, name, "input_shape") if word)


def build_or_be_refused(name, options, outcomes):
    try:
        model = zoo.build(name, **{"width": 2} | options)
    except (ValueError, TypeError) as error:
        text = str(error)
        assert named(text, name, options), text
        # Ours, not one of Keras' that passed through: those run over many lines.
        assert "\n" not in text.split(": ")[0], text
        outcomes["refused"] += 1
        return
    harness(model, options)
    outcomes["built"] += 1


def harness(model, options):
    """A light one: what comes out has the declared shape and is finite."""
    declared = model.input_shape[1:]
    shape = tuple(34 if n is None else n for n in declared)
    x = np.random.default_rng(0).normal(size=(1, *shape)).astype("float32")
    y = keras.ops.convert_to_numpy(model(x, training=False))
    # A scale of 1e300 is a number; what it leads to in float32 is not ours.
    if not any(isinstance(v, float) and abs(v) > 10 for v in options.values()):
        assert np.isfinite(y).all()
    assert len(y.shape) == len(model.output_shape)
    for received, expected in zip(y.shape, model.output_shape, strict=True):
        assert expected is None or received == expected
    if options.get("include_top", True) in (True, None):
        assert y.shape == (1, options.get("classes") or 10)
    names = [layer.name for layer in model.layers]
    assert len(set(names)) == len(names)
    keras.backend.clear_session(free_memory=False)


relaxed = settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


def test_options_that_may_contradict_each_other():
    outcomes = Counter()

    @relaxed
    @given(name=st.sampled_from(SHALLOW), options=chosen(LEGAL))
    def judge(name, options):
        build_or_be_refused(name, options, outcomes)

    judge()
    assert min(outcomes["built"], outcomes["refused"]) >= EXAMPLES / 10, outcomes


def test_nonsense_for_one_option():
    outcomes = Counter()

    @relaxed
    @given(
        name=st.sampled_from(SHALLOW),
        good=chosen(LEGAL),
        bad=st.sampled_from(sorted(OPTIONS)),
        value=NONSENSE,
    )
    def judge(name, good, bad, value):
        build_or_be_refused(name, good | {bad: value}, outcomes)

    judge()
    # None is what many an option is where nothing is said.
    assert outcomes["built"] and outcomes["refused"] >= EXAMPLES / 4, outcomes


@settings(max_examples=4 * EXAMPLES)
@given(options=st.dictionaries(st.text(max_size=8), NONSENSE, min_size=1, max_size=2))
def test_options_of_any_name(options):
    for option in set(OPTIONS) | {"name", "model"}:
        options.pop(option, None)
    if options:
        with pytest.raises(TypeError, match="is not an option of zoo"):
            zoo.build("resnet8", **options)


@pytest.mark.parametrize("name", SHALLOW)
def test_names_of_nets_are_taken(name):
    """What follows would pass if every name were refused."""
    from zoo.catalog import specify

    assert specify(name).name == name


@settings(max_examples=4 * EXAMPLES)
@given(
    name=st.one_of(
        st.text(max_size=12),
        st.builds(
            "{}{}{}".format,
            st.sampled_from(["resnet", "plain", "mlp", "vgg"]),
            st.integers(-9, 200),
            st.text(),
        ),
        NONSENSE,
    )
)
def test_names_of_any_kind(name):
    """A name is a net, or is refused with itself in the text."""
    from zoo.catalog import specify

    try:
        specify(name)
    except ValueError as error:
        assert str(error).startswith(f"model {name!r}")
    except TypeError as error:
        assert str(error).startswith("name must be a string such as 'resnet20v2', received")
