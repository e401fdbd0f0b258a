"""ImageNet layouts are the graphs of keras.applications: same weights in, same outputs out.

To the bit for VGG. In a ResNet the zoo normalises with TensorFlow's fused kernel, which rounds differently:
there the outputs agree to 1e-5 of the largest.
"""

import gc
import re

import deep
import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format
from keras.src.utils import file_utils
from read_graph import signature

import zoo
from zoo.catalog import specify
from zoo.weights import LeftOutWarning, load

TWINS = {
    "vgg16": "VGG16",
    "vgg19": "VGG19",
    "resnet50": "ResNet50",
    "resnet101": "ResNet101",
    "resnet152": "ResNet152",
    "resnet50v2": "ResNet50V2",
    "resnet101v2": "ResNet101V2",
    "resnet152v2": "ResNet152V2",
}
FORMS = {name: ("separate", "builtin") if name.startswith("vgg") else ("separate",) for name in TWINS}
# Logits: a softmax would hide differences. 32 pixels are the least that keras.applications takes.
OPTIONS = dict(input_shape=(32, 32, 3), classes=10, classifier_activation=None)


def scramble(model):
    """Random weights and, unlike at initialisation, random statistics of the normalisations."""
    rng = np.random.default_rng(3)
    for layer in model.layers:
        values = []
        for w in layer.weights:
            shape = tuple(w.shape)
            if len(shape) > 1:
                scale = np.sqrt(2 / np.prod(shape[:-1])).astype("float32")
                values.append(rng.standard_normal(shape, "float32") * scale)
            elif w.name in ("gamma", "moving_variance"):
                values.append(rng.uniform(0.5, 1.5, shape).astype("float32"))
            else:
                values.append(rng.normal(0, 0.1, shape).astype("float32"))
        layer.set_weights(values)


def outputs(model, x):
    return keras.ops.convert_to_numpy(model(x, training=False))


def images(size=32):
    return np.random.default_rng(4).normal(size=(2, size, size, 3)).astype("float32")


def same(ours, theirs, x=None):
    x = images() if x is None else x
    expected = outputs(theirs, x)
    assert np.isfinite(expected).all() and expected.std() > 0
    fused = any(isinstance(layer, keras.layers.BatchNormalization) for layer in ours.layers)
    tolerance = 1e-5 * np.abs(expected).max() if fused else 0
    np.testing.assert_allclose(outputs(ours, x), expected, rtol=0, atol=tolerance)


@pytest.fixture(scope="module", params=deep.marked(TWINS, deep=("resnet50", "vgg19")))
def twin(request, tmp_path_factory):
    """A net of keras.applications and the file its weights were saved to."""
    model = getattr(keras.applications, TWINS[request.param])(weights=None, **OPTIONS)
    scramble(model)
    path = tmp_path_factory.mktemp("twin") / "net.weights.h5"
    model.save_weights(path)
    yield request.param, model, path
    path.unlink()
    del model
    keras.backend.clear_session(free_memory=False)
    gc.collect()


def test_the_twin_has_the_same_graph_names_and_outputs(twin):
    name, model, path = twin
    for form in FORMS[name]:
        ours = zoo.build(name, form=form, weights=path, **OPTIONS)
        assert ours.count_params() == model.count_params()
        same(ours, model)
    # The last form is the one of keras.applications.
    assert signature(ours) == signature(model)
    # Keras leaves the subsampling of V2 to its automatic names, which count up through a process.
    unnamed = re.compile(r"max_pooling2d(_\d+)?|.*_subsample")
    assert named(ours, unnamed) == named(model, unnamed)


def named(model, unnamed):
    return {layer.name for layer in model.layers[1:] if not unnamed.fullmatch(layer.name)}


@pytest.mark.parametrize(
    ("name", "pooling"),
    [
        ("vgg16", None),
        ("vgg16", "avg"),
        ("vgg16", "max"),
        deep.one("resnet50", None),
        deep.one("resnet50v2", "avg"),
    ],
)
def test_twin_without_its_top(name, pooling, tmp_path):
    model = getattr(keras.applications, TWINS[name])(
        weights=None, include_top=False, pooling=pooling, input_shape=(33, 47, 3)
    )
    scramble(model)
    model.save_weights(tmp_path / "net.weights.h5")
    options = dict(include_top=False, pooling=pooling, weights=tmp_path / "net.weights.h5")
    x = np.random.default_rng(5).normal(size=(1, 33, 47, 3)).astype("float32")
    same(zoo.build(name, input_shape=(33, 47, 3), **options), model, x)
    same(zoo.build(name, input_shape=(None, None, 3), **options), model, x)


@pytest.mark.deep
def test_classifier_activation_of_the_twin(tmp_path):
    model = keras.applications.ResNet50V2(weights=None, **OPTIONS | {"classifier_activation": "softmax"})
    model.save_weights(tmp_path / "net.weights.h5")
    options = OPTIONS | {"classifier_activation": "softmax"}
    same(zoo.build("resnet50v2", weights=tmp_path / "net.weights.h5", **options), model)


def save_as_old_weights(model, path):
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)


def save_as_old_model(model, path):
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file.create_group("model_weights"), model)


@pytest.mark.parametrize(
    ("name", "form", "save"),
    [
        ("vgg16", "separate", save_as_old_weights),
        ("vgg16", "builtin", save_as_old_model),
        deep.one("resnet50", "separate", save_as_old_weights),
    ],
)
def test_files_of_the_time_before_keras_3_load(name, form, save, tmp_path):
    options = dict(input_shape=(32, 32, 3), include_top=False)
    model = getattr(keras.applications, TWINS[name])(weights=None, **options)
    scramble(model)
    save(model, tmp_path / "old.h5")
    same(zoo.build(name, form=form, weights=tmp_path / "old.h5", **options), model)


# --------------------------------------------------------- weights="imagenet"

BASE = "https://storage.googleapis.com/tensorflow/keras-applications/"
NO_TOP = "_weights_tf_dim_ordering_tf_kernels_notop.h5"
TOP = "_weights_tf_dim_ordering_tf_kernels.h5"
# Address and MD5 of each file, from the source of Keras 3.15: (with top, without).
FILES = {
    "vgg16": ("vgg16/vgg16", "64373286793e3c8b2b4e3219cbf3544b", "6d6bbae143d832006294945121d1f1fc"),
    "vgg19": ("vgg19/vgg19", "cbe5617147190e668d6c5d5026f83318", "253f8cb515780f3b799900260a226db6"),
    "resnet50": ("resnet/resnet50", "2cb95161c43110f7111970584f804107", "4d473c1dd8becc155b73f8504c6f6626"),
    "resnet50v2": (
        "resnet/resnet50v2",
        "3ef43a0b657b3be2300d5770ece849e0",
        "fac2f116257151a9d068a22e544a4917",
    ),
    "resnet101v2": (
        "resnet/resnet101v2",
        "6343647c601c52e1368623803854d971",
        "c0ed64b8031c3730f411d2eb4eea35b5",
    ),
    "resnet152v2": (
        "resnet/resnet152v2",
        "a49b44d1979771252814e80f8ec446f9",
        "ed17cf2e0169df9d443503ef94b23b33",
    ),
}


class StandIn:
    """In place of Keras' download: notes what is asked for and hands out a local file."""

    def __init__(self, path):
        self.path, self.asked = path, []

    def __call__(self, fname, origin, *, cache_subdir, file_hash):
        self.asked.append((origin, file_hash))
        if self.path is None:
            raise ConnectionError("no network in this test")
        return str(self.path)


@pytest.mark.parametrize("name", deep.marked(["vgg16", "vgg19", "resnet50", "resnet50v2"], deep=["resnet50"]))
def test_imagenet_asks_for_the_file_keras_names(name, monkeypatch):
    fetch = StandIn(None)
    monkeypatch.setattr(file_utils, "get_file", fetch)
    with pytest.raises(ConnectionError):
        zoo.build(name, weights="imagenet", include_top=False)
    file, _, without_top = FILES[name]
    assert fetch.asked == [(BASE + file + NO_TOP, without_top)]


@pytest.mark.parametrize("include_top", [True, False])
@pytest.mark.parametrize("name", TWINS)
def test_imagenet_goes_through_the_twin(name, include_top, monkeypatch):
    asked = []

    def twin(**options):
        asked.append(options)
        raise ConnectionError

    monkeypatch.setattr(keras.applications, TWINS[name], twin)
    spec = specify(name, weights="imagenet", include_top=include_top, classes=1000, input_shape=(224, 224, 3))
    with pytest.raises(ConnectionError):
        load(None, spec)
    assert asked == [{"weights": "imagenet", "include_top": include_top}]


@pytest.mark.parametrize("name", deep.marked(["resnet50", "resnet50v2"], deep=["resnet50"]))
def test_imagenet_with_top(name, monkeypatch, tmp_path):
    options = dict(classes=1000, classifier_activation=None)
    model = getattr(keras.applications, TWINS[name])(weights=None, input_shape=(32, 32, 3), **options)
    scramble(model)
    save_as_old_weights(model, tmp_path / "imagenet.h5")
    fetch = StandIn(tmp_path / "imagenet.h5")
    monkeypatch.setattr(file_utils, "get_file", fetch)
    same(zoo.build(name, weights="imagenet", input_shape=(32, 32, 3), **options), model)
    file, with_top, _ = FILES[name]
    assert fetch.asked == [(BASE + file + TOP, with_top)]


def test_imagenet_with_other_classes_is_a_body(monkeypatch, tmp_path):
    model = keras.applications.ResNet50V2(weights=None, input_shape=(32, 32, 3))
    scramble(model)
    save_as_old_weights(model, tmp_path / "imagenet.h5")
    monkeypatch.setattr(file_utils, "get_file", StandIn(tmp_path / "imagenet.h5"))
    with pytest.warns(LeftOutWarning, match="left out 'predictions', since it is not for classes=7"):
        ours = zoo.build("resnet50v2", weights="imagenet", classes=7)
    assert ours.output_shape == (None, 7)
    ours, model = (keras.Model(m.input, m.get_layer("avg_pool").output) for m in (ours, model))
    same(ours, model)


def test_imagenet_has_a_thousand_classes_unless_others_are_asked_for():
    assert specify("resnet50", weights="imagenet").classes == 1000
    assert specify("resnet50", weights="imagenet", classes=7).classes == 7
    assert specify("resnet50").classes == 10


@pytest.mark.parametrize("form", ["separate", "builtin"])
def test_imagenet_in_every_form(form, monkeypatch, tmp_path):
    model = keras.applications.VGG16(weights=None, include_top=False, input_shape=(32, 32, 3))
    scramble(model)
    save_as_old_weights(model, tmp_path / "imagenet.h5")
    monkeypatch.setattr(file_utils, "get_file", StandIn(tmp_path / "imagenet.h5"))
    ours = zoo.build("vgg16", form=form, weights="imagenet", include_top=False, input_shape=(32, 32, 3))
    same(ours, model)


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        (
            "vgg11",
            {},
            r"keras.applications has no vgg11 with ordering='conv_act'; it has ConvNeXtBase, .*ResNet101, .*VGG16, VGG19",
        ),
        ("resnet20", {}, "keras.applications has no resnet20"),
        ("resnet18", {}, "keras.applications has no resnet18"),
        ("resnet50", {"ordering": "bn_after_addition"}, "no resnet50 with ordering='bn_after_addition'"),
        ("resnet50", {"layout": "he2016"}, "fit layout='keras' only, received layout='he2016'"),
        ("resnet50", {"width": 32}, "fit width=64 only, received width=32"),
        ("vgg16", {"ordering": "norm_act_conv"}, "no vgg16 with ordering='norm_act_conv'"),
        (
            "vgg16",
            {},
            r"input_shape=\(224, 224, 3\), received input_shape=\(32, 32, 3\); .*include_top=False",
        ),
        ("resnet50", {"input_shape": (32, 32, 1)}, r"3 channels, received input_shape=\(32, 32, 1\)"),
    ],
    ids=str,
)
def test_imagenet_is_refused_before_anything_is_fetched(name, options, text, monkeypatch):
    fetch = StandIn(None)
    monkeypatch.setattr(file_utils, "get_file", fetch)
    with pytest.raises(ValueError, match=f"weights='imagenet'.*{text}"):
        zoo.build(name, weights="imagenet", **{"classes": 1000} | options)
    assert fetch.asked == []
