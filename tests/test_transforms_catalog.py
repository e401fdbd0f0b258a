"""The transforms on every model of the catalog, and how many BatchNormalization layers each ordering can lose."""

import deep
import keras
import numpy as np
import pytest
from catalog_nets import kinds, shallow
from keras import layers
from transform_nets import batch, error, outputs, randomised, same

import zoo
from zoo.activations import sites
from zoo.catalog import lookup
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


BEYOND = [kind.values[0] for kind in kinds() if lookup(kind.values[0]).family in FAMILIES]
NAMES = [name for name in zoo.list_models() if lookup(name).family not in FAMILIES] + BEYOND


def small(name, **options):
    entry = lookup(name)
    # As small as the strides allow.
    shape = (32, 32, 3) if entry.family == "vgg" or entry.stem == "imagenet" else (16, 16, 3)
    if entry.family in FAMILIES:
        # As narrow and shallow as has every kind of unit.
        return zoo.assemble(shallow(name, input_shape=(32, 32, 3), classes=4, **options))
    return zoo.build(name, input_shape=shape, classes=4, **options)


@pytest.mark.timeout(900)  # 3,300 layers, made and compared four times
@pytest.mark.parametrize("name", deep.marked(NAMES))
def test_every_transform_on_every_model(name):
    model = randomised(small(name))
    x = batch(model)
    expected = outputs(model, x)
    fused = fuse_activations(model)
    assert same(expected, outputs(fused, x))
    assert same(expected, outputs(split_activations(fused), x))
    if name != "mlp":
        folded = fold_batchnorm(model)
        norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
        assert len(folded.folded) + len(folded.kept) == len(norms)
        assert error(expected, outputs(folded.model, x)) < 1e-5
    own = keras.activations.get(lookup(name).defaults.get("activation", "relu"))
    expected = [site for site in sites(model) if site.function is own]
    swapped = swap_activation(model, own, "silu")
    assert len(swapped.sites) == len(expected) > 0
    assert not [site for site in sites(swapped.model) if site.function is own]


# The one that merges is the first: the case that other backends run, too.
@pytest.mark.parametrize("name", sorted(BEYOND, key=lambda name: name != "repvgg"))
def test_branches_merge_in_a_repvgg_and_nowhere_else(name):
    model = randomised(small(name))
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
