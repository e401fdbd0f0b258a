"""Every transform on eight models of keras.applications, with random weights and statistics."""

import deep
import keras
import pytest
from keras import layers
from transform_nets import APPLICATIONS, application, batch, error, gradients, outputs, same

from zoo.activations import sites
from zoo.graph import read
from zoo.transforms import (
    collapse_linear,
    fold_batchnorm,
    fuse_activations,
    split_activations,
    swap_activation,
)

# How many BatchNormalization layers fold, of how many.
FOLDS = {
    "VGG16": (0, 0),
    "ResNet50": (53, 53),
    "ResNet50V2": (32, 49),
    "MobileNetV2": (52, 52),
    "EfficientNetB0": (49, 49),
    "DenseNet121": (59, 121),
    "InceptionV3": (94, 94),
    "Xception": (40, 40),
}
# VGG16 activates every convolution.
NOT_COLLAPSED = {"VGG16": "nothing to collapse"}
# Of the eleven blocks of InceptionV3 two shrink the image by a maximum; each of the others has one branch that
# averages over 3 x 3 pixels of a padded image in front of its convolution, which joins the normalisation after it alone.
KEPT = {"InceptionV3": (9, "averages fewer pixels at the border")}
# What most of the activations of a model are.
USUAL = {"MobileNetV2": "relu6", "EfficientNetB0": "silu"}


@pytest.fixture(scope="module", params=deep.marked(APPLICATIONS, deep=("DenseNet121", "InceptionV3")))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def model(name):
    yield application(name)
    keras.backend.clear_session(free_memory=False)


@pytest.fixture(scope="module")
def x(model):
    return batch(model)


@pytest.fixture(scope="module")
def expected(model, x):
    """What it computes: asked once, since no transform may change the model it is given."""
    return outputs(model, x)


def norms(model):
    return [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]


def built_in(model):
    return [site.name for site in sites(model) if site.built_in]


def test_splitting_and_fusing_change_no_bit(model, x, expected):
    split = split_activations(model)
    again = fuse_activations(split)
    assert not built_in(split)
    assert built_in(again)
    assert same(expected, outputs(split, x))
    assert same(expected, outputs(again, x))


def test_gradients_of_the_split_model_are_the_same_bits(model, x):
    assert same(gradients(model, x), gradients(split_activations(model), x))


def test_as_many_fold_as_can_be(name, model, x, expected):
    result = fold_batchnorm(model)
    folded, total = FOLDS[name]
    assert (len(result.folded), len(result.folded) + len(result.kept)) == (folded, total)
    assert len(norms(result.model)) == total - folded
    assert error(expected, outputs(result.model, x)) < 1e-5
    assert result.max_error < 1e-5


def swapped_by_hand(model, old, new):
    """A clone with `new` in place of `old` in every configuration that names it."""
    count = 0

    def change(layer):
        nonlocal count
        config = layer.get_config()
        if config.get("activation") == old:
            count += 1
            config["activation"] = new
        elif isinstance(layer, layers.ReLU) and old == ("relu6" if config["max_value"] == 6 else "relu"):
            count += 1
            return layers.Activation(new, name=layer.name)
        return type(layer).from_config(config)

    clone = keras.models.clone_model(model, clone_function=change)
    clone.set_weights(model.get_weights())
    return clone, count


def test_swapping_changes_every_site(name, model, x):
    old = USUAL.get(name, "relu")
    by_hand, count = swapped_by_hand(model, old, "tanh")
    result = swap_activation(model, old, "tanh")
    assert len(result.sites) == count > 10
    assert same(outputs(by_hand, x), outputs(result.model, x))


def test_linear_runs_collapse_or_are_refused(name, model, x, expected):
    if name in NOT_COLLAPSED:
        with pytest.raises(ValueError, match=NOT_COLLAPSED[name]):
            collapse_linear(model)
        return
    collapsed, _, kept = collapse_linear(model)
    count, reason = KEPT.get(name, (0, ""))
    assert (len(kept), all(reason in why for why in kept.values())) == (count, True)
    graph = read(model)
    pooling = [node for node in graph.nodes if isinstance(node.operation, layers.AveragePooling2D)]
    averages = [node for node in pooling if node.operation.padding == "same"]
    assert [*kept] == [
        reader.operation.name for node in averages for reader in graph.readers(node.outputs[0])
    ]
    assert len(collapsed.layers) < len(model.layers)
    assert error(expected, outputs(collapsed, x)) < 1e-5


def test_the_model_is_what_it_was(model, x, expected):
    """After all of the above that ran in this process, the same bits."""
    assert same(expected, outputs(model, x))
