"""`layout="keras"` of the families: every variant that keras.applications has, from its weights, to its outputs."""

import gc

import deep
import keras
import numpy as np
import pytest
from keras.src.utils import file_utils
from test_applications import OPTIONS, StandIn, images, outputs, save_as_old_model, save_as_old_weights

import zoo
from zoo.catalog import specify
from zoo.weights import LeftOutWarning, load

BARE = {"include_preprocessing": False}
TWINS = {
    "mobilenetv2": ("MobileNetV2", {}),
    **{f"mobilenetv2_{alpha}": ("MobileNetV2", {"alpha": alpha}) for alpha in (0.35, 0.5, 0.75, 1.3, 1.4)},
    "xception": ("Xception", {}),
    "densenet121": ("DenseNet121", {}),
    "densenet169": ("DenseNet169", {}),
    "densenet201": ("DenseNet201", {}),
    "convnexttiny": ("ConvNeXtTiny", BARE),
    "convnextsmall": ("ConvNeXtSmall", BARE),
    "convnextbase": ("ConvNeXtBase", BARE),
    "convnextlarge": ("ConvNeXtLarge", BARE),
    "convnextxlarge": ("ConvNeXtXLarge", BARE),
}
# The same graph as another, with other numbers.
LATER = [
    "mobilenetv2",
    "mobilenetv2_0.5",
    "mobilenetv2_0.75",
    "mobilenetv2_1.3",
    "mobilenetv2_1.4",
    "densenet121",
    "densenet169",
    "convnextsmall",
    "convnextbase",
    "convnextlarge",
    "convnextxlarge",
]
LEAST = {"xception": 71}


def scramble(model):
    """Random weights and statistics; scales of the branches that count, where Keras starts from a millionth."""
    rng = np.random.default_rng(3)
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.Model):
            continue
        values = []
        for w in layer.weights:
            shape = tuple(w.shape)
            if len(shape) > 1:
                scale = np.sqrt(2 / np.prod(shape[:-1])).astype("float32")
                values.append(rng.standard_normal(shape, "float32") * scale)
            elif w.name in ("gamma", "moving_variance") or layer.name.endswith("_scale"):
                values.append(rng.uniform(0.5, 1.5, shape).astype("float32"))
            else:
                values.append(rng.normal(0, 0.1, shape).astype("float32"))
        layer.set_weights(values)


def twin(name, **options):
    kind, arguments = TWINS[name]
    model = getattr(keras.applications, kind)(weights=None, **arguments, **options)
    scramble(model)
    return model


def same(ours, theirs, x):
    expected = outputs(theirs, x)
    assert np.isfinite(expected).all() and expected.std() > 0
    np.testing.assert_allclose(outputs(ours, x), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.fixture(autouse=True)
def forget():
    yield
    keras.backend.clear_session(free_memory=False)
    gc.collect()


@pytest.mark.parametrize("name", deep.marked(TWINS, deep=LATER))
def test_every_variant_computes_what_its_twin_does(name, tmp_path):
    size = LEAST.get(name, 37)
    options = OPTIONS | {"input_shape": (size, size + 4, 3)}
    model = twin(name, **options)
    model.save_weights(tmp_path / "net.weights.h5")
    ours = zoo.build(name, layout="keras", weights=tmp_path / "net.weights.h5", **options)
    assert ours.count_params() == model.count_params()
    same(ours, model, np.random.default_rng(4).normal(size=(2, size, size + 4, 3)).astype("float32"))
    theirs = {x.name for x in model._flatten_layers() if x.weights and not isinstance(x, keras.Model)}
    named = {x.name for x in ours.layers if x.weights}
    # Keras leaves the shortcuts of Xception to its automatic names.
    assert {
        n for n in named ^ theirs if "shortcut" not in n and not n.startswith(("conv2d", "batch_norm"))
    } == set()


@pytest.mark.parametrize(
    ("name", "pooling"),
    [
        ("mobilenetv2_0.35", None),
        deep.one("xception", "max"),
        deep.one("densenet121", "avg"),
        deep.one("convnexttiny", "avg"),
    ],
)
def test_without_the_top_and_at_unknown_size(name, pooling, tmp_path):
    size = LEAST.get(name, 33)
    options = dict(include_top=False, pooling=pooling)
    model = twin(name, input_shape=(size, size + 3, 3), **options)
    model.save_weights(tmp_path / "net.weights.h5")
    options |= dict(layout="keras", weights=tmp_path / "net.weights.h5")
    x = np.random.default_rng(5).normal(size=(1, size, size + 3, 3)).astype("float32")
    # Keras' own MobileNetV2 of unknown size pads as if every size were even; ours is that of the size it meets.
    same(zoo.build(name, input_shape=(None, None, 3), **options), model, x)


@pytest.mark.parametrize(
    ("name", "save"), [deep.one("convnexttiny", save_as_old_weights), ("xception", save_as_old_model)]
)
def test_files_of_the_time_before_keras_3(name, save, tmp_path):
    size = LEAST.get(name, 32)
    options = dict(input_shape=(size, size, 3), include_top=False)
    model = twin(name, **options)
    save(model, tmp_path / "old.h5")
    same(zoo.build(name, layout="keras", weights=tmp_path / "old.h5", **options), model, images(size))


def test_preprocessing_is_what_keras_puts_into_the_graph():
    model = keras.applications.ConvNeXtTiny(weights=None, input_shape=(32, 32, 3))
    layer = next(x for x in model.layers if isinstance(x, keras.layers.Normalization))
    x = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    np.testing.assert_allclose(zoo.preprocess_input("convnexttiny", x), layer(x), rtol=1e-4, atol=1e-5)
    for name, kind in (
        ("mobilenetv2_0.5", "mobilenet_v2"),
        ("xception", "xception"),
        ("densenet201", "densenet"),
    ):
        expected = getattr(keras.applications, kind).preprocess_input(x.copy())
        np.testing.assert_array_equal(zoo.preprocess_input(name, x, layout="keras"), expected)


# --------------------------------------------------------- weights="imagenet"


@pytest.mark.parametrize("name", TWINS)
def test_imagenet_goes_through_the_twin(name, monkeypatch):
    asked = []

    def stand_in(**options):
        asked.append(options)
        raise ConnectionError

    kind, arguments = TWINS[name]
    monkeypatch.setattr(keras.applications, kind, stand_in)
    options = dict(classes=1000, layout="keras", input_shape=(160, 160, 3))
    with pytest.raises(ConnectionError):
        load(None, specify(name, weights="imagenet", **options))
    expected = {"weights": "imagenet", "include_top": True}
    if kind == "MobileNetV2":
        # There is a file for each size; for other sizes Keras takes that of 224 pixels.
        expected |= {"alpha": arguments.get("alpha", 1.0), "input_shape": (160, 160, 3)}
        with pytest.raises(ConnectionError):
            load(None, specify(name, weights="imagenet", **options | {"input_shape": (33, 47, 3)}))
        assert asked.pop()["input_shape"] == (224, 224, 3)
    assert asked == [expected]


@pytest.mark.deep
def test_imagenet_weights_of_a_nested_model_arrive(monkeypatch, tmp_path):
    options = dict(input_shape=(32, 32, 3), include_top=False)
    model = twin("convnexttiny", **options)
    save_as_old_weights(model, tmp_path / "imagenet.h5")
    monkeypatch.setattr(file_utils, "get_file", StandIn(tmp_path / "imagenet.h5"))
    same(zoo.build("convnexttiny", weights="imagenet", **options), model, images())


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("mobilenetv2", {}, "fit layout='keras' only, received layout='cifar'"),
        ("mobilenetv2_0.6", {"layout": "keras"}, "has weights for alpha 0.35, 0.5, 0.75, 1.0, 1.3, 1.4, received alpha=0.6"),
        ("densenet121", {"width": 24}, "fit width=32 only, received width=24"),
        ("densenet121", {"ordering": "conv_norm_act"}, "has no densenet121 with ordering='conv_norm_act'"),
        ("densenet40", {}, "has no densenet40 with ordering='norm_act_conv'; it has ConvNeXtBase, "),
        ("wrn16_4", {}, "has no wrn16_4"),
        ("repvgg", {}, "has no repvgg"),
        ("convnexttiny", {"normalization": "batch"}, "fit normalization='layer' only, received normalization='batch'"),
        ("xception", {"layout": "keras", "between_activation": "relu"}, "fit between_activation=None only"),
        ("convnexttiny", {"input_shape": (32, 32, 1)}, "images of 3 channels"),
    ],
    ids=str,
)  # fmt: skip
def test_imagenet_is_refused_before_anything_is_fetched(name, options, text, monkeypatch):
    fetch = StandIn(None)
    monkeypatch.setattr(file_utils, "get_file", fetch)
    with pytest.raises(ValueError) as error:
        zoo.build(name, weights="imagenet", **{"classes": 1000} | options)
    assert str(error.value).startswith("weights='imagenet'")
    assert text in str(error.value)
    assert fetch.asked == []


@pytest.mark.parametrize(
    ("name", "other", "text"),
    [
        ("mobilenetv2_0.5", "mobilenetv2_0.75", "the first layer that disagrees is 'Conv1'"),
        deep.one(
            "densenet121",
            "densenet169",
            "the first layer that disagrees is 'conv4_block25_0_bn', which it lacks",
        ),
        deep.one("xception", "mobilenetv2_0.35", "the first layer that disagrees is 'Conv1', which it lacks"),
    ],
)
def test_weights_of_another_net_are_refused(name, other, text, tmp_path):
    options = dict(layout="keras", input_shape=(32, 32, 3), classes=3)
    path = tmp_path / "net.weights.h5"
    zoo.build(name, **options).save_weights(path)
    with pytest.raises(ValueError) as error:
        zoo.build(other, weights=path, **options)
    assert text in str(error.value)


@pytest.mark.parametrize("name", deep.marked(["mobilenetv2_0.35", "convnexttiny"], deep=["convnexttiny"]))
@pytest.mark.parametrize("options", [{"include_top": False}, {"classes": 5}], ids=str)
def test_a_classifier_that_the_net_does_not_have_is_left_out_with_a_warning(name, options, tmp_path):
    model = twin(name, input_shape=(32, 32, 3), classes=7)
    model.save_weights(tmp_path / "net.weights.h5")
    with pytest.warns(LeftOutWarning, match=f"left out '{model.layers[-1].name}'"):
        ours = zoo.build(
            name, layout="keras", weights=tmp_path / "net.weights.h5", input_shape=(32, 32, 3), **options
        )
    named = {layer.name: layer for layer in ours.layers if layer.weights}
    for layer in model._flatten_layers(include_self=False):
        if layer.weights and layer.name in named and layer is not model.layers[-1]:
            for a, b in zip(layer.get_weights(), named[layer.name].get_weights(), strict=True):
                # Keras' depthwise kernel there is one of a convolution in groups: the same numbers.
                np.testing.assert_array_equal(a.reshape(b.shape), b)
