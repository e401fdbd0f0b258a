"""Nets at their full depth: parameters, names and order of layers, and what the orderings share."""

import re
from contextlib import nullcontext

import deep
import keras
import numpy as np
import pytest
from catalog_nets import KINDS, NAMES, forget, images, least, outputs

import zoo
from zoo.catalog import lookup, specify

shapes_alone = pytest.mark.usefixtures("shapes_alone")

# facts: (trainable, all) for 3 channels and 10 classes, convolutions without bias
COUNTS = {
    "plain20": (269_722, 271_098),
    "resnet20": (269_722, 271_098),
    "resnet20v2": (269_722, 271_098),
    "plain56": (853_018, 857_082),
    "resnet56": (853_018, 857_082),
    "resnet56v2": (853_018, 857_082),
    "plain110": (1_727_962, 1_736_058),
    "resnet110": (1_727_962, 1_736_058),
    "resnet110v2": (1_727_962, 1_736_058),
    "resnet164": (1_704_154, 1_729_274),
    "resnet164v2": (1_703_258, 1_727_482),
    "resnet1001": (10_328_602, 10_478_714),
    "resnet1001v2": (10_327_706, 10_476_922),
    # keras.applications, ten classes at 32 pixels
    "vgg16": (33_638_218, 33_638_218),
    "vgg19": (38_947_914, 38_947_914),
    "resnet50": (23_555_082, 23_608_202),
    "resnet101": (42_573_322, 42_678_666),
    "resnet50v2": (23_539_850, 23_585_290),
}
# What computes something finite when it is deep does so with fewer of the same units.
COMPUTED = {
    max(
        (name for name in kind.id.split("=") if specify(name).depth <= 200),
        key=lambda name: specify(name).depth,
    )
    for kind in KINDS
} | {"resnet1202"}


def trainable(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


# What a layer of each family may be called; the rule is in zoo.naming.
SERVED = "(_norm|_act|_pad)?"
RULE = {
    "mlp": rf"head_flatten|dense\d+{SERVED}",
    "convnet": rf"stage\d+_conv[12]{SERVED}|stage\d+_pool|head_flatten",
    "vgg": rf"block[1-5]_conv[1-4]{SERVED}|block[1-5]_pool|flatten|fc[12]{SERVED}",
    "plain": rf"stem_conv{SERVED}|stage[123]_conv\d+{SERVED}|head_pool",
    "resnet": rf"stem_conv{SERVED}|stem_pool(_pad)?|stage[1-4]_unit\d+_(conv[123]{SERVED}|shortcut_[a-z]+|add)(_act)?"
    "|head_(norm|act|pool)",
    "mobilenetv2": rf"stem_conv{SERVED}|last_conv{SERVED}|stage[1-7]_unit\d+_((expand|depthwise|project){SERVED}|add)"
    "|head_pool",
    "xception": r"block\d+_((sep)?conv[123](_bn|_act)?|pool|add|shortcut_(conv|norm))|avg_pool",
    "densenet": rf"stem_conv{SERVED}|stage[123]_(unit\d+_(conv[12]{SERVED}|concat)|transition_conv{SERVED}|pool)"
    "|head_(norm|act|pool)",
    "wrn": rf"stem_conv|stage[123]_unit\d+_(conv[12]{SERVED}|shortcut_conv|add)|head_(norm|act|pool)",
    "repvgg": r"(stem|stage\d_unit\d+)_((conv|pointwise)(_norm|_pad)?|identity_norm|add|act)|head_pool",
    "keras densenet": r"conv\d_((pad|conv|bn|relu)|block\d+_([012]_(conv|bn|relu)|concat|conv_pad))|conv1_conv_pad"
    r"|pool\d(_(pad|bn|relu|conv|pool))?|bn|relu|avg_pool",
    "keras convnext": r"convnext_[a-z]+_(stem|downsampling|stage_\d_block_\d+|head)_[a-z_]+\d?(_\d)?"
    r"|convnext_.*_add",
    "keras": r"conv1_(pad|conv|bn|relu)|pool1_(pad|pool)|conv[2-5]_block\d+_(([0-3]|preact)_(conv|bn|relu|pad|subsample)"
    r"|add|out)|post_(bn|relu)|avg_pool",
}
COMMON = r"image|predictions(_act)?"


@pytest.mark.tensorflow  # JAX compiles each operation of a thousand layers for minutes; the nets below are the same units
@pytest.mark.parametrize("name", deep.marked(NAMES))
def test_net_at_full_depth(name):
    """Shape, counts, finite outputs and names; 1,202 layers build and run here."""
    size = 32 if lookup(name).family in ("vgg", "mlp") else least(name)
    spec = specify(name)
    # The others are counted and read: their values would take most of the time to draw.
    with nullcontext() if name in COMPUTED else keras.StatelessScope(initialize_variables=False):
        model = zoo.build(name, input_shape=(size, size, 3))
    assert type(model) is keras.src.models.functional.Functional
    assert model.name == name
    assert model.output_shape == (None, 10)
    if name in COUNTS:
        assert (trainable(model), model.count_params()) == COUNTS[name]
    if name in COMPUTED:
        probabilities = outputs(model, images(size, size, 3))
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    if spec.depth <= 200:  # names of the deepest say nothing new, and have been made already
        rule = spec.family
        if spec.layout == "keras" and spec.family != "vgg":
            rule = "keras" if spec.family == "resnet" else f"keras {spec.family}"
        names = [layer.name for layer in model.layers]
        assert len(set(names)) == len(names)
        assert [n for n in names if not re.fullmatch(f"{RULE[rule]}|{COMMON}", n)] == []
    forget()


@pytest.mark.parametrize(
    ("name", "options", "count"),
    [
        ("resnet20v2", {"shortcut": "projection"}, 272_282),
        ("resnet110v2", {"shortcut": "projection"}, 1_730_522),
        # The original ordering normalises its two projections: 2 * (32 + 64) more.
        ("resnet20", {"shortcut": "projection"}, 272_282 + 192),
    ],
)
@shapes_alone
def test_count_with_projections(name, options, count):
    assert trainable(zoo.build(name, **options)) == count


@shapes_alone
def test_orderings_have_the_weights_of_their_normalisations():
    counts = {o: trainable(zoo.build("resnet20", ordering=o)) for o in ("original", "relu_before_addition")}
    assert set(counts.values()) == {269_722}
    # Without weights on the first norm of unit 1 (the stem did it) and with the head's instead, v2 has the same.
    assert trainable(zoo.build("resnet20v2")) == 269_722
