"""Files of nets: they come back equal to the bit, where zoo cannot be imported too, and as old `.h5` files."""

import dataclasses
import subprocess
import sys

import keras
import numpy as np
import pytest
from catalog_nets import FIRST, KINDS, OTHERS, TENSORFLOW, forget, images, least, outputs, shallow

import zoo


@pytest.mark.parametrize("name", KINDS)
def test_both_kinds_of_file_come_back_equal_to_the_bit(name, tmp_path):
    size = least(name)
    # Logits: of a probability that is nearly zero the last digits say nothing.
    spec = shallow(name, input_shape=(size, size, 3), classifier_activation=None)
    model = zoo.assemble(spec)
    rng = np.random.default_rng(0)
    for w in model.weights:
        w.assign(rng.uniform(0.1, 0.5, tuple(w.shape)))
    x = images(size, size, 3)
    expected = outputs(model, x)

    model.save_weights(tmp_path / "net.weights.h5")
    again = zoo.assemble(dataclasses.replace(spec, weights=tmp_path / "net.weights.h5"))
    np.testing.assert_array_equal(outputs(again, x), expected)
    for w in again.weights:
        w.assign(np.zeros(tuple(w.shape)))
    again.load_weights(tmp_path / "net.weights.h5")  # as Keras does it
    np.testing.assert_array_equal(outputs(again, x), expected)
    # Names are the same each time, and no two layers share one.
    names = [layer.name for layer in model.layers]
    assert [layer.name for layer in again.layers] == names
    assert len(set(names)) == len(names)

    model.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    assert [layer.name for layer in loaded.layers] == names
    for before, after in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(after), keras.ops.convert_to_numpy(before))
    # A loaded net holds Keras' own normalisation, whose sums may round otherwise than the fused kernel's.
    has_norm = any(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers)
    np.testing.assert_allclose(outputs(loaded, x), expected, rtol=1e-5 if has_norm else 0, atol=0)
    forget()


WITHOUT_ZOO = """
import pathlib, sys
sys.modules["zoo"] = None  # any import of it raises ImportError
import keras, numpy as np
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.keras")):
    model = keras.saving.load_model(path)
    assert not [layer for layer in model.layers if type(layer).__module__.startswith("zoo")], path
    received = keras.ops.convert_to_numpy(model(np.load(path.with_suffix(".x.npy")), training=False))
    np.testing.assert_allclose(received, np.load(path.with_suffix(".y.npy")), rtol=1e-5, err_msg=str(path))
    print(path.stem)
"""


def options_of_a_net():
    small = dict(input_shape=(8, 8, 3))
    orderings = ("bn_after_addition", "relu_before_addition", "relu_only_pre_activation")
    shortcuts = ("projection", "constant_scaling", "exclusive_gating", "shortcut_only_gating", "dropout")
    return {
        **{ordering: shallow("resnet20", ordering=ordering, **small) for ordering in orderings},
        **{shortcut: shallow("resnet20", shortcut=shortcut, **small) for shortcut in shortcuts},
        "prelu": shallow("resnet20", activation=keras.layers.PReLU(shared_axes=[1, 2]), **small),
        "builtin": shallow("vgg11", form="builtin", input_shape=(32, 32, 3)),
    }


@pytest.mark.parametrize(
    "kinds", [pytest.param(FIRST, id="families"), pytest.param(OTHERS, id="others", marks=pytest.mark.deep)]
)
def test_saved_nets_load_where_zoo_cannot_be_imported(kinds, tmp_path):
    # JAX compiles each operation of each shape: there a few nets are enough.
    names = [kind.values[0] for kind in kinds][:: 1 if TENSORFLOW else 5]
    variants = {name: shallow(name, input_shape=(least(name), least(name), 3)) for name in names}
    if kinds is FIRST:
        variants |= options_of_a_net()
    for name, spec in variants.items():
        model = zoo.assemble(spec)
        x = images(*spec.input_shape)
        model.save(tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}.x.npy", x)
        np.save(tmp_path / f"{name}.y.npy", outputs(model, x))
    forget()
    run = subprocess.run([sys.executable, "-c", WITHOUT_ZOO, tmp_path], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == sorted(variants)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet8", {}),
        ("resnet8v2", {}),
        ("resnet8", {"shortcut": "exclusive_gating"}),
        ("resnet50v2", {}),
        ("plain8", {}),
        ("convnet2", {"form": "builtin"}),
        pytest.param("resnet20", {"rolled": True}, marks=pytest.mark.tensorflow),
    ],
    ids=str,
)
def test_old_h5_files_come_back(name, options, tmp_path):
    net = zoo.assemble(shallow(name, input_shape=(32, 32, 3), **options))
    net.save(tmp_path / "net.h5")
    loaded = keras.models.load_model(tmp_path / "net.h5", compile=False)
    x = images(32, 32, 3)
    np.testing.assert_allclose(outputs(loaded, x), outputs(net, x), rtol=0, atol=1e-5)
