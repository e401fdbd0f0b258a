"""Files of the originals: their outputs are ours, and each file that does not fit is told why."""

import importlib.util
import json
import pickle
import struct
import sys
import types
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

import zoo
from zoo import conversion
from zoo.catalog import specify
from zoo.conversion.originals import modules
from zoo.weights import LeftOutWarning

HERE = Path(__file__).parent
FIXTURE = json.loads((HERE / "originals.json").read_text(encoding="utf-8"))
TORCH = [key for key in FIXTURE if not key.startswith("keras_hub/")]

_spec = importlib.util.spec_from_file_location("witness", HERE.parent / "scripts" / "witness.py")
witness = importlib.util.module_from_spec(_spec)
sys.modules["witness"] = witness  # dataclasses look their module up
_spec.loader.exec_module(witness)


# The format by hand, so that reading is not compared with the writing of the same package.
DTYPES = {"float32": "F32", "float16": "F16", "float64": "F64", "int64": "I64"}


def write(path, tensors):
    """A safetensors file: 8 bytes of length, a header in JSON, the numbers."""
    header, data = {}, b""
    for name, array in tensors.items():
        kind = DTYPES[array.dtype.name]
        if name.startswith("bf16:"):
            name, kind = name[5:], "BF16"
            array = (array.view("uint32") >> 16).astype("uint16")
        header[name] = {
            "dtype": kind,
            "shape": array.shape,
            "data_offsets": [len(data), len(data) + array.nbytes],
        }
        data += array.tobytes()
    head = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + data)
    return path


def file_of(key, folder):
    """The file that a small original saved, by the rule that its weights follow."""
    tensors = {name: witness.drawn(name, tuple(shape)) for name, shape in FIXTURE[key]["tensors"].items()}
    return write(folder / "net.safetensors", tensors)


def built(key, path, size=32, **options):
    row = FIXTURE[key]
    return zoo.build(row["ours"], weights=path, **{"input_shape": (size, size, 3)} | row["options"] | options)


def computed(net, size):
    return keras.ops.convert_to_numpy(net(witness.images(size), training=False))


def assert_agrees(received, expected):
    expected = np.array(expected)
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


# ------------------------------------------------------ the same outputs


@pytest.mark.parametrize("key", TORCH)
def test_outputs_are_those_of_the_original_at_an_even_and_an_odd_size(key, tmp_path):
    path = file_of(key, tmp_path)
    sizes = [int(size) for size in FIXTURE[key]["outputs"]]
    assert {size % 2 for size in sizes} == {0, 1}
    for size in sizes:
        shape = (size, size, 3) if "vgg" in key else (None, None, 3)
        net = built(key, path, input_shape=shape)
        assert_agrees(computed(net, size), FIXTURE[key]["outputs"][str(size)])


@pytest.mark.parametrize("key", [key for key in FIXTURE if key not in TORCH])
def test_outputs_are_those_of_kerashub(key, tmp_path):
    row = FIXTURE[key]
    spec = specify(row["ours"], input_shape=(None, None, 3), **row["options"])
    spec = replace(spec, stages=tuple(row["stages"]))
    net = zoo.assemble(spec)
    # A file of Keras under the original's names: that is what KerasHub saves.
    theirs = keras.models.clone_model(
        net, clone_function=renamed(modules(spec, [x.name for x in net.layers]))
    )
    for layer in theirs.layers:
        layer.set_weights([witness.drawn(f"{layer.name}/{w.name}", tuple(w.shape)) for w in layer.weights])
    held = {f"{layer.name}/{w.name}": list(w.shape) for layer in theirs.layers for w in layer.weights}
    assert held == row["tensors"]
    theirs.save_weights(tmp_path / "net.weights.h5")
    net = zoo.assemble(replace(spec, weights=tmp_path / "net.weights.h5"))
    for size, expected in row["outputs"].items():
        assert_agrees(computed(net, int(size))[:, : len(expected[0])], expected)
    with pytest.raises(ValueError, match="does not say in which range its weights want images"):
        zoo.assemble(replace(spec, weights=tmp_path / "net.weights.h5", include_preprocessing=True))


def renamed(names):
    def clone(layer):
        config = layer.get_config() | {"name": names.get(layer.name, layer.name)}
        return type(layer).from_config(config)

    return clone


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_half_precision_becomes_float32_exactly(kind, tmp_path):
    key = "torchvision/resnet18"
    values = np.array([1.0, -2.5, 2**-14, 3.140625], "float32")  # each is a number of both
    gamma = {"float16": {"bn1.weight": values.astype("float16")}, "bfloat16": {"bf16:bn1.weight": values}}[
        kind
    ]
    tensors = {n: witness.drawn(n, tuple(s)) for n, s in FIXTURE[key]["tensors"].items() if n != "bn1.weight"}
    net = built(key, write(tmp_path / "net.safetensors", tensors | gamma))
    np.testing.assert_array_equal(net.get_layer("stem_conv_norm").get_weights()[0], values)


@pytest.mark.tensorflow  # files are read alike everywhere; the loop of each backend is run by the tests of `roll`
def test_a_rolled_net_on_layers_of_ones_own_takes_the_same_file(tmp_path):
    row, path = FIXTURE["timm/resnetv2_50"], file_of("timm/resnetv2_50", tmp_path)
    doubled = keras.layers.Rescaling(2.0)(keras.Input((32, 32, 3)))
    net = zoo.build(row["ours"], weights=path, input_tensor=doubled, rolled=True, **row["options"])
    received = keras.ops.convert_to_numpy(net(witness.images(32) / 2, training=False))
    assert_agrees(received, row["outputs"]["32"])


def test_a_body_and_other_classes_leave_the_classifier_out_and_say_so(tmp_path):
    path = file_of("timm/resnetv2_18", tmp_path)
    whole = built("timm/resnetv2_18", path)
    for options in ({"include_top": False, "classes": None}, {"classes": 7}):
        with pytest.warns(LeftOutWarning, match=r"net\.safetensors': left out 'predictions', since"):
            net = built("timm/resnetv2_18", path, **options)
        for layer in net.layers:
            if layer.weights and layer.name != "predictions":
                for mine, full in zip(
                    layer.get_weights(), whole.get_layer(layer.name).get_weights(), strict=True
                ):
                    np.testing.assert_array_equal(mine, full)
    with pytest.warns(LeftOutWarning, match="left out 'fc1', 'fc2', 'predictions', since include_top=False"):
        built("torchvision/vgg11", file_of("torchvision/vgg11", tmp_path), include_top=False, classes=None)


# --------------------------------------------------------------- refused


def refusal(key, path, kind=ValueError, **options):
    with pytest.raises(kind) as error:
        built(key, path, **options)
    return str(error.value)


def test_the_first_tensor_that_disagrees_is_named(tmp_path):
    key = "torchvision/resnet18"
    tensors = {name: witness.drawn(name, tuple(shape)) for name, shape in FIXTURE[key]["tensors"].items()}
    path = tmp_path / "net.safetensors"
    start = f"weights file '{path}' does not fit resnet18: "
    missing = {n: a for n, a in tensors.items() if n not in ("layer2.0.bn1.running_mean", "fc.bias")}
    assert refusal(key, write(path, missing)) == start + (
        "the first tensor that disagrees is 'layer2.0.bn1.running_mean', of layer 'stage2_unit1_conv1_norm', which it "
        f"lacks (expected shape (8,)). It holds {len(missing)} tensors, the first is 'bn1.bias'."
    )
    wrong = tensors | {"layer1.1.conv2.weight": np.zeros((4, 4, 3, 1), "float32")}
    assert refusal(key, write(path, wrong)) == start + (
        "the first tensor that disagrees is 'layer1.1.conv2.weight', of layer 'stage1_unit2_conv2', expected shape "
        "(4, 4, 3, 3), received (4, 4, 3, 1)."
    )
    extra = tensors | {"layer4.2.conv1.weight": np.zeros((32, 32, 3, 3), "float32")}
    assert refusal(key, write(path, extra)) == start + (
        "it holds tensors that resnet18 lacks, the first is 'layer4.2.conv1.weight' of shape (32, 32, 3, 3)."
    )
    assert "which it lacks (expected shape (4, 3, 7, 7)). It holds 0 tensors." in refusal(
        key, write(path, {})
    )
    for kind in ("float64", "int64"):
        other = tensors | {"bn1.bias": np.zeros(4, kind)}
        assert (
            f"is 'bn1.bias', of layer 'stem_conv_norm', of dtype {DTYPES[kind]}, whose values float32 does not hold "
            "exactly; save float32, float16 or bfloat16."
        ) in refusal(key, write(path, other))


@pytest.mark.parametrize(
    ("held", "asked", "tensor"),
    [
        ("torchvision/resnet50", "torchvision/resnet18", "'layer1.0.conv1.weight'"),
        ("torchvision/resnet18", "torchvision/resnet50", "'layer1.0.conv1.weight'"),
        ("timm/resnetv2_50", "torchvision/resnet50", "'conv1.weight'"),
        ("torchvision/vgg11_bn", "torchvision/vgg11", "'features.3.weight'"),
        ("torchvision/resnet18", "timm/resnetv2_18", "'stem.conv.weight'"),
    ],
)
def test_weights_of_another_net(held, asked, tensor, tmp_path):
    assert f"the first tensor that disagrees is {tensor}, of layer" in refusal(
        asked, file_of(held, tmp_path), size=224 if "vgg" in asked else 32
    )


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 7, b"not safetensors at all" * 9, "cut", "cut late"], ids=str
)
def test_a_damaged_safetensors_file(content, tmp_path):
    path = file_of("torchvision/resnet18", tmp_path)
    whole = path.read_bytes()
    cut = {"cut": whole[: len(whole) // 2], "cut late": whole[:-1]}
    path.write_bytes(cut[content] if isinstance(content, str) else content)
    text = refusal("torchvision/resnet18", path)
    assert text.startswith(f"weights file '{path}' cannot be read as safetensors (")
    assert text.endswith("it is truncated, damaged or of another format: fetch or save it again.")


@pytest.mark.parametrize("ending", [".bin", ".npz", ".ckpt", ""])
def test_another_extension(ending, tmp_path):
    path = file_of("torchvision/resnet18", tmp_path).rename(tmp_path / f"net{ending}")
    assert refusal("torchvision/resnet18", path) == (
        f"weights file '{path}' has the extension {ending!r}; expected .weights.h5 or .h5, as Keras saves, or .safetensors "
        "or .pth or .pt, as PyTorch's libraries do."
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"layout": "he2016"},
            "saves a resnet18 with layout='he2016' and ordering='original' as .safetensors",
        ),
        ({"layout": "kerashub"}, "use layout='torchvision' with ordering='original', or layout='timm' with"),
        ({"ordering": "bn_after_addition"}, "with layout='torchvision' and ordering='bn_after_addition'"),
        (
            {"include_preprocessing": True},
            "does not say in which range its weights want images; leave it out",
        ),
    ],
    ids=str,
)
def test_nets_that_no_library_saves(options, text, tmp_path):
    assert text in refusal("torchvision/resnet18", file_of("torchvision/resnet18", tmp_path), **options)


def test_a_layer_with_weights_that_the_original_has_not(tmp_path):
    path = file_of("torchvision/resnet18", tmp_path)
    text = refusal("torchvision/resnet18", path, activation=keras.layers.PReLU(shared_axes=[1, 2]))
    assert (
        "the first layer that disagrees is 'stem_conv_act', a PReLU with weights, where the original" in text
    )


def test_a_family_without_original(tmp_path):
    path = file_of("torchvision/resnet18", tmp_path)
    with pytest.raises(ValueError, match="such files hold resnet and vgg nets"):
        zoo.build("plain8", weights=path)


@pytest.mark.parametrize("size", [32, 223, 256])
def test_a_vgg_of_torchvision_reads_maps_of_one_size(size):
    with pytest.raises(ValueError, match="read 7 x 7 maps, those of images of 224 to 255 pixels"):
        built("torchvision/vgg11", None, size)
    assert built("torchvision/vgg11", None, size, include_top=False, classes=None).output_shape[-1] == 32


# A computation by PyTorch needs the module itself.
replaces_torch = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="puts something else in the place of the backend"
)


@replaces_torch
def test_what_is_not_installed_is_named(tmp_path, monkeypatch):
    path = file_of("torchvision/resnet18", tmp_path)
    monkeypatch.setitem(sys.modules, "safetensors", None)
    assert "need the package safetensors: pip install safetensors." in refusal(
        "torchvision/resnet18", path, ImportError
    )
    monkeypatch.setitem(sys.modules, "torch", None)
    for ending in (".pth", ".pt"):
        pickled = tmp_path / f"net{ending}"
        pickled.write_bytes(pickle.dumps({}))
        assert f"{ending} files are read by PyTorch" in refusal("torchvision/resnet18", pickled, ImportError)


class Held(np.ndarray):
    """Of a tensor of PyTorch, what a reader calls; scripts/witness.py reads files of PyTorch itself."""

    detach = numpy = np.ndarray.view
    to = np.ndarray.astype


@pytest.fixture
def torch(monkeypatch):
    """A PyTorch that holds what it is told to, and runs no pickle."""
    module = types.ModuleType("torch")

    def load(path, *, map_location, weights_only):
        assert (map_location, weights_only) == ("cpu", True)
        if isinstance(module.held, Exception):
            raise module.held
        return module.held

    module.load, module.Tensor = load, Held
    module.float32, module.float16, module.bfloat16 = map(np.dtype, ("float32", "float16", "V2"))
    monkeypatch.setitem(sys.modules, "torch", module)
    return module


@replaces_torch
@pytest.mark.parametrize("ending", [".pth", ".PT"])
def test_a_state_dict_is_read_as_weights_only(ending, torch, tmp_path):
    key = "torchvision/resnet18"
    shapes = FIXTURE[key]["tensors"].items()
    torch.held = {name: witness.drawn(name, tuple(shape)).view(Held) for name, shape in shapes}
    path = tmp_path / f"net{ending}"
    path.write_bytes(b"a pickle")
    assert_agrees(computed(built(key, path), 32), FIXTURE[key]["outputs"]["32"])
    torch.held["bn1.bias"] = torch.held["bn1.bias"].astype("float64")
    assert "of dtype float64, whose values float32 does not hold exactly" in refusal(key, path)


@replaces_torch
@pytest.mark.parametrize(
    ("held", "text"),
    [
        (pickle.UnpicklingError("Weights only load failed. Re-running with `weights_only`..."), "(Weights only load failed). Save"),
        (EOFError(), "is not read: it is damaged, or a pickle of more than tensors, which can run code when it is opened "),
        ({"epoch": 3, "state_dict": {}}, "holds a dict with the keys 'epoch', 'state_dict', which is no state dict"),
        ({str(k): k for k in range(9)}, "the keys '0', '1', '2', '3', '4' ..., which is no state dict"),
        ([np.zeros(3)], "holds an object of type list, which is no state dict, names with a tensor each; save "),
    ],
    ids=["code", "nothing", "checkpoint", "numbers", "list"],
)  # fmt: skip
def test_a_pickle_that_is_no_state_dict(held, text, torch, tmp_path):
    torch.held = held
    path = tmp_path / "net.pth"
    path.write_bytes(b"a pickle")
    assert text in refusal("torchvision/resnet18", path)


# ------------------------------------------------------- names and page


def test_the_rows_name_every_layer_of_their_nets_once():
    for (layout, family, ordering), row in conversion.ORIGINALS.items():
        for name in {"resnet": ("resnet18", "resnet50"), "vgg": ("vgg11",)}[family]:
            spec = specify(name, layout=layout, ordering=ordering, width=4, include_top=False)
            spec = replace(spec, stages=(1, 2)) if family == "resnet" else spec
            named = [layer.name for layer in zoo.assemble(spec).layers if layer.weights]
            found = modules(spec, named)
            assert set(found) == set(named), (layout, name)
            assert len(set(found.values())) == len(named)
            assert row.saved_by == ("keras" if layout == "kerashub" else "torch")


def test_the_tables_of_the_page_are_those_of_the_data():
    data = json.loads(witness.DATA.read_text(encoding="utf-8"))
    for name, text in witness.tables(data).items():
        assert (witness.SNIPPETS / name).read_text(encoding="utf-8") == text
    assert list(data["witnesses"]) == list(witness.WITNESSES)
    for row in data["witnesses"].values():
        assert max(row["differences"].values()) <= 1e-5
