"""The transforms on every model of the catalog, and how many BatchNormalization layers each ordering can lose."""

import keras
import numpy as np
import pytest
from catalog_nets import KINDS, shallow
from keras import layers
from transform_nets import batch, error, outputs, randomised, same

import zoo
from zoo.activations import sites
from zoo.catalog import lookup, specify
from zoo.graph import graphs
from zoo.placement import FAMILIES
from zoo.transforms import (
    fold_batchnorm,
    fuse_activations,
    merge_branches,
    split_activations,
    swap_activation,
)
from zoo.transforms.fold import plan

# Full pre-activation folds what follows a convolution: 3n + 1 in basic units, 2 (3n) + 1 in bottleneck ones.
DEEP = {"resnet110": (109, 0), "resnet110v2": (55, 54), "resnet164v2": (109, 54), "plain110": (109, 0)}


BEYOND = [kind.values[0] for kind in KINDS if lookup(kind.values[0]).family in FAMILIES]


def small(name, **options):
    """At its depth, on an image as small as its strides allow."""
    entry = lookup(name)
    shape = (32, 32, 3) if entry.family == "vgg" or entry.stem == "imagenet" else (16, 16, 3)
    return zoo.build(name, input_shape=shape, classes=4, **options)


def narrow(name):
    """As narrow and shallow as has every kind of unit."""
    return zoo.assemble(shallow(name, input_shape=(32, 32, 3), classes=4))


# What a net asks of a transform is its kinds of unit, and how they follow each other: each kind of the catalog is
# here in shallow. Nets of full size are in test_transforms_applications.py; what depth alone asks, below.
@pytest.mark.parametrize("name", KINDS)
def test_every_transform_on_every_kind_of_net(name):
    every_transform(randomised(narrow(name)), own_activation(name), normalised=name != "mlp")


@pytest.mark.deep
@pytest.mark.timeout(900)  # 3,300 layers, made and compared five times
def test_every_transform_on_a_thousand_layers():
    """A walk that recurses, takes time by the square of the layers, or rounds more with each, ends here.

    Pre-activated: its sums grow with depth, and a part of its normalisations is kept, a part folds.
    """
    deepest = "resnet1001v2"
    assert specify(deepest).depth > 1000
    every_transform(randomised(small(deepest)), own_activation(deepest))


def own_activation(name):
    return keras.activations.get(lookup(name).defaults.get("activation", "relu"))


def every_transform(model, own, normalised=True):
    x = batch(model)
    expected = outputs(model, x)
    fused = fuse_activations(model)
    assert same(expected, outputs(fused, x))
    assert same(expected, outputs(split_activations(fused), x))
    if normalised:
        folds(model)
    expected = [site for site in sites(model) if site.function is own]
    swapped = swap_activation(model, own, "silu")
    assert len(swapped.sites) == len(expected) > 0
    assert not [site for site in sites(swapped.model) if site.function is own]


def folds(model):
    folded = fold_batchnorm(model)
    norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    assert len(folded.folded) + len(folded.kept) == len(norms)
    x = batch(model)
    assert error(outputs(model, x), outputs(folded.model, x)) < 1e-5


# The one that merges is the first: the case that other backends run, too.
@pytest.mark.parametrize("name", sorted(BEYOND, key=lambda name: name != "repvgg"))
def test_branches_merge_in_a_repvgg_and_nowhere_else(name):
    model = randomised(narrow(name))
    result = merge_branches(model)
    additions = [layer.name for layer in model.layers if isinstance(layer, layers.Add)]
    assert [*result.merged] == (additions if name == "repvgg" else [])
    assert result.max_error < 1e-5
    assert error(outputs(model, batch(model)), outputs(result.model, batch(model))) < 1e-5


@pytest.mark.parametrize("name", DEEP)
def test_how_many_fold_in_deep_nets(name):
    decided = plan(graphs(small(name)))
    assert (len(decided.folded), len(decided.kept)) == DEEP[name]


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize(
    ("ordering", "folded"),
    [
        ("original", lambda n: 6 * n + 1),
        ("relu_before_addition", lambda n: 6 * n + 1),
        ("relu_only_pre_activation", lambda n: 6 * n + 1),
        ("bn_after_addition", lambda n: 3 * n + 1),
        ("full_pre_activation", lambda n: 3 * n + 1),
    ],
)
def test_how_many_fold_in_a_net_of_depth_6n_plus_2(ordering, folded, n):
    model = randomised(small(f"resnet{6 * n + 2}", ordering=ordering))
    result = fold_batchnorm(model)
    assert (len(result.folded), len(result.folded) + len(result.kept)) == (folded(n), 6 * n + 1)
    assert error(outputs(model, batch(model)), outputs(result.model, batch(model))) < 1e-5


@pytest.mark.parametrize("name", ["convnet3", "vgg11", "mlp3"])
def test_the_two_forms_of_a_plain_net_are_each_others_transform(name):
    # Normalisation stands between convolution and activation, so the built-in form has none.
    options = {} if name == "mlp3" else {"ordering": "conv_act"}
    separate = small(name, form="separate", **options)
    builtin = small(name, form="builtin", **options)
    fused, split = fuse_activations(separate), split_activations(builtin)
    hidden = [layer.name for layer in builtin.layers]
    assert [layer.name for layer in fused.layers] == hidden
    assert [layer.name for layer in split.layers][:4] == [layer.name for layer in separate.layers][:4]
    builtin.set_weights(separate.get_weights())
    x = np.asarray(batch(builtin))
    assert same(outputs(builtin, x), outputs(separate, x))
    assert same(outputs(split_activations(builtin), x), outputs(fused, x))
