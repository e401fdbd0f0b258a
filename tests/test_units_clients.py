"""What is done with a net of units: transforms and probes see every site, and its file needs no zoo."""

import subprocess
import sys

import numpy as np
import pytest
from keras import layers
from unit_nets import IMAGE, SHAPES, array, group, net

import zoo


def mixed(form="separate", shape=IMAGE):
    """A net of units of every kind: 1 + 1 sites of plain units, 2 + 3 of residual ones, 1 of the end."""
    return net(
        zoo.conv_unit(4, ordering="conv_norm_act", name="a"),
        zoo.conv_unit(4, ordering="conv act norm", form=form, name="b"),
        zoo.residual_unit(4, ordering="original", name="c"),
        zoo.residual_unit(8, ordering="full_pre_activation", block="bottleneck", strides=2, name="d"),
        zoo.unit_end("full_pre_activation", name="end"),
        shape=shape,
    )


SITES = ["a_act", "b_act", "c_conv1_act", "c_add_act", "d_conv1_act", "d_conv2_act", "d_conv3_act", "end_act"]


@pytest.mark.parametrize("axes", SHAPES)
def test_transforms_see_every_site(axes):
    model = mixed("builtin", SHAPES[axes])
    x = np.random.default_rng(0).normal(size=(2, *SHAPES[axes])).astype("float32")
    split = zoo.transforms.split_activations(model)
    np.testing.assert_array_equal(array(split(x)), array(model(x)))
    swapped = zoo.transforms.swap_activation(split, "relu", "gelu")
    assert sorted(swapped.sites) == sorted(SITES)
    folded = zoo.transforms.fold_batchnorm(model)
    # What follows a convolution directly folds, and what is followed by one before any activation: not behind padding.
    assert {"a_norm", "c_conv1_norm", "c_conv2_norm", "d_conv2_norm", "d_conv3_norm"} <= set(folded.folded)
    assert len(folded.folded) + len(folded.kept) == 8
    assert folded.max_error < 1e-5


def test_probes_see_every_site():
    rows = zoo.probes.activation_stats(mixed(), np.ones((2, *IMAGE), "float32"))
    assert [row["site"] if isinstance(row, dict) else row.site for row in rows] == SITES


WITHOUT_ZOO = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "zoo":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocked())
import keras, numpy as np
model = keras.models.load_model(sys.argv[1])
assert not any(name.split(".")[0] == "zoo" for name in sys.modules)
np.save(sys.argv[2], keras.ops.convert_to_numpy(model(np.load(sys.argv[3]))))
"""


def test_a_saved_net_of_units_loads_where_zoo_is_not_installed(tmp_path):
    model = net(
        zoo.conv_unit(4),
        zoo.conv_unit(4, ordering="act conv norm", norm=group, conv=layers.SeparableConv2D),
        zoo.residual_unit(8, strides=2, shortcut="identity_pad", activation=layers.PReLU(shared_axes=[1, 2])),
        zoo.residual_unit(8, ordering="original", shortcut="exclusive_gating"),
        zoo.unit_end(),
    )
    x = np.random.default_rng(0).normal(size=(2, *IMAGE)).astype("float32")
    model.save(tmp_path / "net.keras")
    np.save(tmp_path / "x.npy", x)
    program = [
        sys.executable,
        "-c",
        WITHOUT_ZOO,
        tmp_path / "net.keras",
        tmp_path / "y.npy",
        tmp_path / "x.npy",
    ]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), array(model(x)), rtol=1e-5, atol=1e-6)
