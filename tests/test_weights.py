"""Weights files: what loads, and what each file that does not fit is told."""

import hashlib
import json
import re

import h5py
import keras
import numpy as np
import pytest

import zoo
from zoo import pretrained
from zoo.catalog import specify
from zoo.weights import LeftOutWarning, load

SMALL = dict(input_shape=(8, 8, 3), width=4)


def scrambled(name, **options):
    model = zoo.build(name, **SMALL | options)
    rng = np.random.default_rng(1)
    for w in model.weights:
        w.assign(rng.uniform(0.5, 1.5, tuple(w.shape)))
    return model


def saved(tmp_path, name, **options):
    model = scrambled(name, **options)
    path = tmp_path / f"{name}.weights.h5"
    model.save_weights(path)
    return model, path


def weights(model):
    return {
        f"{layer.name}/{w.name}": keras.ops.convert_to_numpy(w)
        for layer in model.layers
        for w in layer.weights
    }


def assert_same_weights(a, b):
    a, b = weights(a), weights(b)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.mark.parametrize("saved_as", ["separate", "builtin"])
@pytest.mark.parametrize("loaded_as", ["separate", "builtin"])
@pytest.mark.parametrize("name", ["convnet", "mlp", "vgg11", "plain8"])
def test_a_file_of_one_form_loads_in_the_other(name, saved_as, loaded_as, tmp_path):
    options = dict(ordering="conv_act_norm", input_shape=(32, 32, 3))
    model, path = saved(tmp_path, name, form=saved_as, **options)
    assert_same_weights(zoo.build(name, form=loaded_as, weights=path, **SMALL | options), model)


@pytest.mark.parametrize("ordering", ["original", "relu_before_addition"])
def test_a_file_loads_whatever_the_order_of_its_layers(ordering, tmp_path):
    # original and relu_before_addition have the same weights at other places of the graph.
    model, path = saved(tmp_path, "resnet14", ordering="original")
    assert_same_weights(zoo.build("resnet14", ordering=ordering, weights=str(path), **SMALL), model)


def test_a_file_without_layer_names_loads_by_position(tmp_path):
    # As early Keras 3 wrote them: layers are numbered by class.
    model, path = saved(tmp_path, "resnet20")
    with h5py.File(path, "r+") as file:
        names = [
            group["vars"].attrs.pop("name", None) for group in file["layers"].values() if "vars" in group
        ]
    assert any(names)
    assert_same_weights(zoo.build("resnet20", weights=path, **SMALL), model)


def test_a_path_object_and_a_text_are_the_same(tmp_path):
    model, path = saved(tmp_path, "convnet2")
    for given in (path, str(path)):
        assert_same_weights(zoo.build("convnet2", weights=given, **SMALL), model)


def refusal(name, path, **options):
    with pytest.raises(ValueError) as error:
        zoo.build(name, weights=path, **SMALL | options)
    return str(error.value)


def test_missing_file(tmp_path):
    text = refusal("convnet2", tmp_path / "none.weights.h5")
    assert re.search(
        r"weights='.*none.weights.h5' is neither a file nor a name of weights for convnet2", text
    )
    assert "for convnet2; expected the path of a .weights.h5 file" in text


def test_a_folder_is_not_a_file(tmp_path):
    assert "is neither a file nor a name of weights" in refusal("convnet2", tmp_path)


@pytest.mark.parametrize("part", [0.05, 0.5, 0.99])
def test_truncated_file(part, tmp_path):
    _, path = saved(tmp_path, "resnet8")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    text = refusal("resnet8", path)
    assert f"weights file '{path}' cannot be read as HDF5" in text
    assert "it is truncated or damaged: fetch or save it again." in text


@pytest.mark.parametrize("content", [b"", b"not HDF5 at all" * 100])
def test_file_that_is_no_hdf5(content, tmp_path):
    (tmp_path / "text.weights.h5").write_bytes(content)
    assert "cannot be read as HDF5" in refusal("resnet8", tmp_path / "text.weights.h5")


def test_hdf5_file_without_keras_weights(tmp_path):
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["numbers"] = np.arange(3)
    text = refusal("resnet8", path)
    assert text == (
        f"weights file '{path}' is an HDF5 file but holds no Keras weights; save them with "
        "model.save_weights('NAME.weights.h5')."
    )


def test_file_of_another_architecture_names_the_first_layer_that_disagrees(tmp_path):
    _, path = saved(tmp_path, "resnet8")
    text = refusal("resnet14", path)
    assert text == (
        f"weights file '{path}' does not fit resnet14: the first layer that disagrees is 'stage1_unit2_conv1', which "
        "it lacks (expected weights of shapes [(3, 3, 4, 4)]). It holds 15 layers, resnet14 has 27."
    )


def test_file_of_a_deeper_net(tmp_path):
    _, path = saved(tmp_path, "resnet14")
    text = refusal("resnet8", path)
    assert text.startswith(
        f"weights file '{path}' does not fit resnet8: it holds layers that resnet8 lacks, the first"
    )


def test_file_of_another_family(tmp_path):
    _, path = saved(tmp_path, "convnet")
    text = refusal("resnet8", path)
    assert "does not fit resnet8: the first layer that disagrees is 'stem_conv', which it lacks" in text


@pytest.mark.parametrize(
    ("options", "layer", "expected", "received"),
    [
        ({"width": 8}, "stem_conv", "[(3, 3, 3, 8)]", "[(3, 3, 3, 4)]"),
        ({"input_shape": (8, 8, 1)}, "stem_conv", "[(3, 3, 1, 4)]", "[(3, 3, 3, 4)]"),
    ],
)
def test_shape_mismatch(options, layer, expected, received, tmp_path):
    _, path = saved(tmp_path, "resnet8")
    assert refusal("resnet8", path, **options) == (
        f"weights file '{path}' does not fit resnet8: the first layer that disagrees is '{layer}', expected weights "
        f"of shapes {expected}, received {received}."
    )


def test_nothing_is_set_when_something_does_not_fit(tmp_path):
    # The last unit is the last to be compared; the layers before it must not have been set.
    _, path = saved(tmp_path, "plain8", ordering="conv_act")
    with h5py.File(path, "r+") as file:
        (last,) = (
            g["vars"] for g in file["layers"].values() if g["vars"].attrs.get("name") == "stage3_conv2"
        )
        del last["0"]
        last["0"] = np.zeros((1, 1, 16, 16), "float32")
    net = scrambled("plain8", ordering="conv_act")
    before = weights(net)
    with pytest.raises(ValueError, match="'stage3_conv2', expected weights"):
        load(net, specify("plain8", ordering="conv_act", weights=path, **SMALL))
    after = weights(net)
    for name in before:
        np.testing.assert_array_equal(before[name], after[name])


@pytest.mark.parametrize("given", [3, True, ["a.weights.h5"], b"a.weights.h5", np.zeros(3)], ids=repr)
def test_weights_of_a_wrong_type(given):
    with pytest.raises(TypeError, match="weights must be None, a name or a path, received"):
        zoo.build("resnet8", weights=given, **SMALL)


# -------------------------------------------------- a body out of full weights

FULL = [
    ("resnet8", {}, ["predictions"]),
    ("resnet8v2", {}, ["predictions"]),
    ("plain8", {}, ["predictions"]),
    ("convnet2", {}, ["predictions"]),
    ("mlp", {}, ["predictions"]),
    ("mlp2", {"ordering": "norm_act_conv"}, ["predictions"]),
    ("vgg11", {"input_shape": (32, 32, 3)}, ["fc1", "fc2", "predictions"]),
    (
        "vgg11",
        {"input_shape": (32, 32, 3), "ordering": "conv_norm_act"},
        ["fc1", "fc1_norm", "fc2", "fc2_norm", "predictions"],
    ),
]


@pytest.mark.parametrize(("name", "options", "top"), FULL, ids=str)
def test_a_body_takes_its_weights_from_a_full_file(name, options, top, tmp_path):
    model, path = saved(tmp_path, name, **options)
    with pytest.warns(LeftOutWarning) as said:
        body = zoo.build(name, weights=path, include_top=False, **SMALL | options)
    (text,) = [str(w.message) for w in said]
    assert said[0].filename == __file__  # the line that asked for it, not one of the zoo
    start, _, rest = text.partition(": left out ")
    assert start == f"weights file '{path}'"
    listed, _, why = rest.partition(", since ")
    assert sorted(listed.replace("'", "").split(", ")) == top
    assert why == "include_top=False; all else is loaded."
    whole = weights(model)
    for weight, value in weights(body).items():
        np.testing.assert_array_equal(value, whole[weight])


@pytest.mark.parametrize("rolled", [False, True])
@pytest.mark.parametrize("classes", [1, 7, 100])
def test_other_classes_keep_a_random_classifier_and_say_so(classes, rolled, tmp_path):
    if rolled and keras.backend.backend() not in ("tensorflow", "jax"):
        rolled = False  # no loop there
    model, path = saved(tmp_path, "resnet20")
    with pytest.warns(
        LeftOutWarning, match=f"left out 'predictions', since it is not for classes={classes}; it has"
    ):
        net = zoo.build("resnet20", weights=path, classes=classes, rolled=rolled, **SMALL)
    if rolled:
        net = zoo.transforms.unroll(net)
    assert net.get_layer("predictions").get_weights()[0].shape == (16, classes)
    whole = weights(model)
    for weight, value in weights(net).items():
        if not weight.startswith("predictions/"):
            np.testing.assert_array_equal(value, whole[weight])


def test_the_shipped_weights_are_a_body_too():
    full = weights(zoo.build("resnet20v2", weights="fashion_mnist"))
    for options, missing in (({"include_top": False}, 2), ({"classes": 3}, 0)):
        with pytest.warns(
            LeftOutWarning, match="the shipped weights 'fashion_mnist': left out 'predictions'"
        ):
            body = weights(zoo.build("resnet20v2", weights="fashion_mnist", **options))
        assert len(full) - len(body) == missing
        same = [w for w in body if body[w].shape == full[w].shape and np.array_equal(body[w], full[w])]
        assert len(same) == len(full) - 2


@pytest.mark.parametrize(
    ("saved_with", "options", "text"),
    [
        # Only a classifier is left out, and only where the options say that the net has none like it.
        (
            {"classes": 10},
            {"include_top": False, "width": 8},
            "the first layer that disagrees is 'stem_conv'",
        ),
        ({"classes": 10}, {"classes": 7, "width": 8}, "the first layer that disagrees is 'stem_conv'"),
        ({"include_top": False}, {"classes": 7}, "is 'predictions', which it lacks"),
    ],
    ids=str,
)
def test_a_body_that_does_not_fit_is_refused(saved_with, options, text, tmp_path):
    _, path = saved(tmp_path, "resnet8", **saved_with)
    assert text in refusal("resnet8", path, **options)


def test_a_deeper_body_and_a_classifier_of_other_inputs_are_refused(tmp_path):
    _, path = saved(tmp_path, "resnet14")
    assert "it holds layers that resnet8 lacks" in refusal("resnet8", path, include_top=False)
    _, path = saved(tmp_path, "convnet2")  # flattened, so another image is another classifier
    assert "the first layer that disagrees is 'predictions'" in refusal(
        "convnet2", path, input_shape=(16, 16, 3)
    )


# ------------------------------------------------------------ shipped weights


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A folder of shipped weights with one file, in place of the package's own."""
    model, path = saved(tmp_path, "convnet2")
    entry = dict(
        model="convnet2",
        weights="digits",
        file=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        options=SMALL | {"input_shape": [8, 8, 3]},
        accuracy=0.9,
        command="none",
    )
    (tmp_path / "manifest.json").write_text(json.dumps([entry]))
    monkeypatch.setattr(pretrained, "_FOLDER", tmp_path)
    pretrained.manifest.cache_clear()
    yield model, path
    pretrained.manifest.cache_clear()


def test_shipped_weights_load_by_name(shipped):
    model, _ = shipped
    assert_same_weights(zoo.build("convnet2", weights="digits", **SMALL), model)


def test_shipped_weights_are_named_where_others_are_asked_for(shipped):
    assert "expected one of 'digits' or the path" in refusal("convnet2", "digit")
    assert "for resnet8; expected the path" in refusal("resnet8", "digits")


@pytest.mark.parametrize(
    ("name", "options", "there_are"),
    [
        ("resnet50", {}, True),
        ("resnet50", {"layout": "timm"}, True),  # its own error says what to change
        ("vgg16", {"include_top": False}, True),
        ("mobilenetv2_0.5", {"layout": "keras"}, True),
        ("resnet18", {}, False),
        ("resnet50", {"ordering": "bn_after_addition"}, False),
        ("mobilenetv2_0.6", {"layout": "keras"}, False),
        ("densenet40", {}, False),
    ],
)
def test_imagenet_is_offered_where_there_is_such_a_net(name, options, there_are):
    with pytest.raises(ValueError, match="is neither a file nor a name of weights") as error:
        zoo.build(name, weights="imagenett", **options)
    assert ("'imagenet'" in str(error.value)) == there_are


def test_shipped_weights_that_were_changed_are_refused(shipped):
    _, path = shipped
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    text = refusal("convnet2", "digits")
    assert re.search(r"are damaged: expected sha256 \w{64}, received \w{64}; install the package again", text)


def test_shipped_weights_that_are_gone(shipped):
    _, path = shipped
    path.unlink()
    assert "are missing; install the package again." in refusal("convnet2", "digits")


def test_manifest_of_the_package_is_readable_and_its_files_are_there():
    for entry in pretrained.manifest():
        assert entry.model and entry.weights in pretrained.names(entry.model)
        assert entry.checked_path().endswith(entry.file)
        zoo.build(entry.model, weights=entry.weights, **entry.options)


@pytest.mark.parametrize("rolled", [False, True])
def test_a_file_of_a_rolled_net_says_what_to_do(rolled, tmp_path):
    model, path = saved(tmp_path, "resnet20", rolled=True)
    text = refusal("resnet20", path, rolled=rolled)
    assert "the first layer that disagrees is 'stage1_unit1_conv1', which it lacks" in text
    assert "It holds 'stage1_unit1_to_3'" in text and "load_weights(path)" in text
    # What it says to do.
    again = zoo.build("resnet20", rolled=True, **SMALL)
    again.load_weights(path)
    assert_same_weights(again, model)
    separate = zoo.transforms.unroll(again)
    assert separate.get_layer("stage1_unit1_conv1").weights


def test_a_whole_model_in_the_place_of_its_weights(tmp_path):
    model = zoo.build("convnet2", **SMALL)
    with pytest.raises(TypeError, match=r"received the model 'convnet2'; save them with model.save_weights"):
        zoo.build("convnet2", weights=model, **SMALL)
    model.save(tmp_path / "net.keras")
    text = refusal("convnet2", tmp_path / "net.keras")
    assert text.endswith(
        "A .keras file is a whole model: keras.models.load_model(path).save_weights('NAME.weights.h5') makes a file of its "
        "weights."
    )
    (tmp_path / "net.npz").write_bytes(b"")
    assert "whole model" not in refusal("convnet2", tmp_path / "net.npz")


@pytest.mark.parametrize("policy", ["bfloat16", "float16", "mixed_bfloat16"])
def test_files_of_every_precision_that_keras_saves(policy, tmp_path):
    """HDF5 has no bfloat16: Keras writes its bytes."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model, path = saved(tmp_path, "resnet8")
    finally:
        keras.config.set_dtype_policy(before)
    ours = weights(zoo.build("resnet8", weights=path, **SMALL))
    for name, values in weights(model).items():
        np.testing.assert_array_equal(ours[name], np.asarray(values, "float32"), err_msg=name)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("kernel", np.zeros(3), "a variable is called 'kernel' in it, where Keras has numbers"),
        ("7", np.array([b"word"]), "holds .*, where weights are real numbers"),
        ("7", np.zeros(3, "complex64"), "holds complex64, where weights are real numbers"),
        ("7", np.zeros(3, "V2"), "holds bytes of the dtype 'none', which is no type of numbers"),
    ],
)
def test_variables_that_are_none(key, value, text, tmp_path):
    _, path = saved(tmp_path, "convnet2")
    with h5py.File(path, "r+") as file:
        file["layers/conv2d/vars"][key] = value
    with pytest.raises(ValueError, match=rf"weights file '.*' cannot be read as HDF5 \(.*{text}.*damaged"):
        zoo.build("convnet2", weights=path, **SMALL)


@pytest.mark.parametrize("encode", [str, str.encode])
def test_lists_of_names_that_keras_splits_over_several_attributes(tmp_path, encode):
    """Of nets of a thousand layers: HDF5 has room for 64,512 bytes in an attribute."""
    net, path = zoo.build("convnet2", input_shape=(8, 8, 3), width=2, classes=3), tmp_path / "net.h5"
    owners = [layer for layer in net.layers if layer.weights]
    values = {
        layer.name: [np.full(w.shape, k + i + 1.0) for i, w in enumerate(layer.weights)]
        for k, layer in enumerate(owners)
    }
    with h5py.File(path, "w") as file:
        for place, name in enumerate(values):
            file.attrs[f"layer_names{place}"] = [encode(name)]
            for number, array in enumerate(values[name]):
                file.create_group(name) if not number else None
                file[name].attrs[f"weight_names{number}"] = [encode(f"{name}/weight_{number}:0")]
                file[name][f"{name}/weight_{number}:0"] = array
    again = zoo.build("convnet2", input_shape=(8, 8, 3), width=2, classes=3, weights=path)
    for layer in owners:
        for a, b in zip(values[layer.name], again.get_layer(layer.name).get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
