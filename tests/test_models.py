"""One harness over every net of the catalog, made of properties; and counts and bits on nets of their own."""

import dataclasses
import gc
import re
import subprocess
import sys

import deep
import keras
import numpy as np
import pytest

import zoo
from zoo.catalog import lookup, specify
from zoo.families import skeleton
from zoo.models import smallest_input
from zoo.placement import FAMILIES

NAMES = zoo.list_models()
TENSORFLOW = keras.backend.backend() == "tensorflow"


def shallow(name, **options):
    """The net with at most two units a stage and four channels: every kind of unit and layer, at little cost."""
    spec = specify(name, **{"width": 4} | options)
    if spec.family in ("plain", "resnet", *FAMILIES):
        units = 4 if spec.family == "plain" else 2
        # Beyond residual nets a unit that follows one of its kind is met in the second stage, and that is enough.
        most = [units if k == 1 or spec.family not in FAMILIES else 1 for k, _ in enumerate(spec.stages)]
        spec = dataclasses.replace(spec, stages=tuple(map(min, most, spec.stages)))
    return spec


def kinds():
    """The catalog without depth: nets that are one and the same in shallow stand under their first name."""
    groups = {}
    for name in NAMES:
        spec = shallow(name)
        # The factor on the channels in a name is a number like the width.
        alpha = None if spec.alpha is None else 1.0
        v2 = spec.family == "resnet" and name.endswith("v2")
        kind = dataclasses.replace(spec, name="v2" * v2, alpha=alpha)
        groups.setdefault(kind, []).append(name)
    families = {lookup(names[0]).family: names[0] for names in reversed(groups.values())}
    return [
        pytest.param(
            names[0],
            id="=".join(names),
            marks=() if families[lookup(names[0]).family] == names[0] else pytest.mark.deep,
        )
        for names in groups.values()
    ]


KINDS = kinds()
# One net of each family is built and run every time; the other kinds of a family are units of other widths.
FIRST = [kind for kind in KINDS if not kind.marks]


def one_of_each_family():
    """The kinds, the first of each family marked for every backend: its layers are asked of it there."""
    first = {}
    for kind in KINDS:
        first.setdefault(specify(kind.values[0]).family, kind)
    return [
        pytest.param(*kind.values, id=kind.id, marks=[pytest.mark.backend] if kind in first.values() else [])
        for kind in KINDS
    ]


def least(name):
    """The smallest image of a net: deep nets cost what their feature maps cost."""
    return max(smallest_input(specify(name)), 4)


def outputs(model, x):
    return keras.ops.convert_to_numpy(model(x, training=False))


def images(*shape):
    return np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")


def forget():
    # Hundreds of nets in one process: Keras keeps what it traced until told otherwise.
    keras.backend.clear_session(free_memory=False)
    gc.collect()


# ---------------------------------------------------------- at its full depth

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
    model = zoo.build(name, input_shape=(size, size, 3))
    assert type(model) is keras.src.models.functional.Functional
    assert model.name == name
    assert model.output_shape == (None, 10)
    if name in COUNTS:
        assert (trainable(model), model.count_params()) == COUNTS[name]
    spec = specify(name)
    if spec.depth <= 200 or name == "resnet1202":
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
def test_count_with_projections(name, options, count):
    assert trainable(zoo.build(name, **options)) == count


def test_orderings_have_the_weights_of_their_normalisations():
    counts = {o: trainable(zoo.build("resnet20", ordering=o)) for o in ("original", "relu_before_addition")}
    assert set(counts.values()) == {269_722}
    # Without weights on the first norm of unit 1 (the stem did it) and with the head's instead, v2 has the same.
    assert trainable(zoo.build("resnet20v2")) == 269_722


# ------------------------------------------------------------ each in shallow


def fixed_size(name):
    return lookup(name).family in ("mlp", "convnet", "vgg")


@pytest.mark.parametrize("name", KINDS)
def test_declared_output_shape(name):
    """Classifier and each pooling, odd sizes, 1, 3 and 4 channels, unknown sizes."""
    family, stride = lookup(name).family, specify(name).total_stride
    size = max(33 if stride == 32 else 9, least(name))
    other = size + 4

    def sizes_after(pixels):
        if family in FAMILIES:
            return skeleton(family).map_size(specify(name), pixels)
        # Pooling without padding drops what is left over; a strided convolution keeps it.
        return pixels // stride if family in ("convnet", "vgg") else -(-pixels // stride)

    model = zoo.assemble(shallow(name, input_shape=(size, other, 1), classes=3))
    assert model.output_shape == (None, 3)
    assert outputs(model, images(size, other, 1)).shape == (2, 3)

    maps = [
        ((size, other, 4), None),
        ((None, other, 3), "avg"),
        ((None, None, 1), "max"),
        ((None, None, 2), None),
    ]
    for shape, pooling in maps if family != "mlp" else ():
        model = zoo.assemble(shallow(name, input_shape=shape, include_top=False, pooling=pooling))
        y = outputs(model, images(size, other, shape[-1]))
        assert np.isfinite(y).all()
        if pooling:
            assert y.shape == (2, model.output_shape[-1])
            continue
        assert y.shape == (2, sizes_after(size), sizes_after(other), model.output_shape[-1])
        assert model.output_shape[1:3] == ((None, None) if None in shape else y.shape[1:3])

    if family == "mlp":
        assert zoo.assemble(shallow(name, include_top=False)).output_shape == (None, 4)
    if fixed_size(name):
        with pytest.raises(
            ValueError, match=f"{name} flattens its feature map, so height, width and channels must"
        ):
            zoo.build(name, input_shape=(None, None, 3))
    else:
        model = zoo.assemble(shallow(name, input_shape=(None, None, 3), classes=3))
        assert outputs(model, images(size, other, 3)).shape == (2, 3)
    forget()


def gradients(model, x, y):
    """Gradients of the mean squared error, by whatever the backend differentiates with."""
    if TENSORFLOW:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = keras.ops.mean((model(x, training=True) - y) ** 2)
        found = tape.gradient(loss, [w.value for w in model.trainable_weights])
        return {
            w.path: None if g is None else np.asarray(g)
            for w, g in zip(model.trainable_weights, found, strict=True)
        }
    if keras.backend.backend() == "torch":
        import torch

        loss = keras.ops.mean((model(x, training=True) - keras.ops.convert_to_tensor(y)) ** 2)
        values = [w.value for w in model.trainable_weights]
        found = torch.autograd.grad(loss, values, allow_unused=True)
        return {
            w.path: None if g is None else keras.ops.convert_to_numpy(g)
            for w, g in zip(model.trainable_weights, found, strict=True)
        }
    import jax

    def loss(values):
        out, _ = model.stateless_call(
            values, [w.value for w in model.non_trainable_weights], x, training=True
        )
        return keras.ops.mean((out - y) ** 2)

    found = jax.jit(jax.grad(loss))([w.value for w in model.trainable_weights])
    return {w.path: np.asarray(g) for w, g in zip(model.trainable_weights, found, strict=True)}


@pytest.mark.parametrize("name", one_of_each_family())
def test_every_weight_gets_a_finite_gradient(name):
    size = max(least(name), 32 if specify(name).total_stride == 32 else 8)
    # Logits and a smooth activation: an exact zero then means that nothing arrives.
    spec = shallow(name, input_shape=(size, size, 3), classifier_activation=None, activation="tanh")
    model = zoo.assemble(spec)
    found = gradients(model, images(size, size, 3), np.ones((2, 10), "float32"))
    assert len(found) == len(model.trainable_weights) > 0
    for weight, gradient in found.items():
        assert gradient is not None, weight
        assert np.isfinite(gradient).all(), weight
    # A bias in front of a normalisation in training mode has gradient zero by mathematics; a kernel never has.
    assert all(np.any(g) for w, g in found.items() if w.endswith("kernel"))
    forget()


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


@pytest.mark.parametrize(
    "kinds", [pytest.param(KINDS, id="all", marks=pytest.mark.deep), pytest.param(FIRST, id="families")]
)
def test_saved_nets_load_where_zoo_cannot_be_imported(kinds, tmp_path):
    # JAX compiles each operation of each shape: there a few nets are enough.
    names = [kind.values[0] for kind in kinds][:: 1 if TENSORFLOW else 5]
    variants = {name: shallow(name, input_shape=(least(name), least(name), 3)) for name in names}
    small = dict(input_shape=(8, 8, 3))
    for ordering in ("bn_after_addition", "relu_before_addition", "relu_only_pre_activation"):
        variants[ordering] = shallow("resnet20", ordering=ordering, **small)
    for shortcut in ("projection", "constant_scaling", "exclusive_gating", "shortcut_only_gating", "dropout"):
        variants[shortcut] = shallow("resnet20", shortcut=shortcut, **small)
    variants["prelu"] = shallow("resnet20", activation=keras.layers.PReLU(shared_axes=[1, 2]), **small)
    variants["builtin"] = shallow("vgg11", form="builtin", input_shape=(32, 32, 3))
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


@pytest.fixture
def mixed(request):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("mixed", ["mixed_bfloat16"], indirect=True)
def test_mixed_precision_keeps_a_float32_head(name, mixed):
    forms = ("separate", "builtin") if fixed_size(name) else ("separate",)
    size = least(name)
    for form in forms:
        model = zoo.assemble(shallow(name, form=form, input_shape=(size, size, 3)))
        layers = [layer for layer in model.layers if layer.weights]
        head = layers[-1].name
        assert head == "predictions" or head.endswith("_head_dense")  # so ConvNeXt calls it
        assert {layer.compute_dtype for layer in layers[:-1]} <= {"bfloat16"}
        assert {layer.compute_dtype for layer in model.layers if layer.name.startswith(head)} == {"float32"}
        y = model(images(size, size, 3), training=False)
        assert keras.backend.standardize_dtype(y.dtype) == "float32"
        np.testing.assert_allclose(keras.ops.convert_to_numpy(y).sum(axis=1), 1, rtol=1e-5)
    forget()


# ------------------------------------------------------------- bits and seeds


@pytest.mark.parametrize("name", ["convnet", "resnet8", "resnet8v2", "plain8", "mlp", "vgg11"])
def test_the_same_seed_gives_the_same_bits(name):
    nets = []
    for seed in (11, 11, 12):
        keras.utils.set_random_seed(seed)
        nets.append(zoo.assemble(shallow(name, input_shape=(32, 32, 3))).get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(nets[0], nets[1], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(nets[0], nets[2], strict=True))


PAIRS = [
    ("convnet", "conv_act"),
    ("convnet", "conv_act_norm"),
    ("plain8", "conv_act_norm"),
    ("mlp", "conv_act"),
    ("vgg11", "conv_act"),
]


def pair(name, ordering):
    for form in ("separate", "builtin"):
        keras.utils.set_random_seed(5)
        yield zoo.build(name, form=form, ordering=ordering, input_shape=(32, 32, 3), width=4)


def assert_equal_weights(a, b):
    def by_name(model):
        return {f"{layer.name}/{w.name}": np.asarray(w) for layer in model.layers for w in layer.weights}

    a, b = by_name(a), by_name(b)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.mark.parametrize(("name", "ordering"), PAIRS)
def test_separate_and_builtin_are_equal_to_the_bit(name, ordering):
    separate, builtin = pair(name, ordering)
    assert len(separate.layers) > len(builtin.layers)
    assert_equal_weights(separate, builtin)
    x = images(32, 32, 3)
    np.testing.assert_array_equal(outputs(separate, x), outputs(builtin, x))
    a, b = (gradients(m, x, np.ones((2, 10), "float32")) for m in (separate, builtin))
    assert a.keys() == b.keys()
    for weight in a:
        np.testing.assert_array_equal(a[weight], b[weight], err_msg=weight)


@pytest.mark.tensorflow  # where equality to the bit is claimed
@pytest.mark.parametrize(("name", "ordering"), [PAIRS[0], *(deep.one(*pair) for pair in PAIRS[1:3])])
def test_separate_and_builtin_train_to_the_same_bits(name, ordering):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(24, 32, 32, 3)).astype("float32"), rng.integers(0, 10, 24)
    trained = []
    for model in pair(name, ordering):
        start = [np.asarray(w) for w in model.get_weights()]
        model.compile(
            keras.optimizers.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy", jit_compile=False
        )
        model.fit(x, y, batch_size=8, epochs=1, shuffle=False, verbose=0)
        assert not any(
            np.array_equal(a, b) for a, b in zip(start, model.get_weights(), strict=True) if a.ndim > 1
        )
        trained.append(model)
    assert_equal_weights(*trained)


def test_prelu_is_a_layer_with_weights_of_its_own_at_each_site():
    model = zoo.build(
        "convnet", activation=keras.layers.PReLU(shared_axes=[1, 2]), input_shape=(8, 8, 3), width=4
    )
    sites = [layer for layer in model.layers if isinstance(layer, keras.layers.PReLU)]
    assert [site.name for site in sites] == [f"stage{s}_conv{k}_act" for s in (1, 2) for k in (1, 2)]
    sites[0].set_weights([np.full(sites[0].alpha.shape, 7.0)])
    assert not np.any(sites[1].alpha)


# ---------------------------------------------------- refusals of the builder


@pytest.mark.parametrize(
    ("name", "options", "kind", "text"),
    [
        *[
            (
                name,
                {"input_shape": (size, 64, 3)},
                ValueError,
                rf"input_shape=\({size}, 64, 3\) is too small for the strides of {name}: height and width must be at least {least}\.",
            )
            for name, size, least in [
                ("vgg16", 31, 32),
                ("resnet20", 3, 4),
                ("resnet50", 31, 32),
                ("convnet", 3, 4),
            ]
        ],
        ("convnet", {"padding": "valid", "input_shape": (15, 15, 3)}, ValueError, "at least 16"),
        ("resnet20", {"input_shape": (32, 32, None)}, ValueError, "the number of channels must be known"),
        (
            "resnet20",
            {"activation": "rleu"},
            ValueError,
            "activation='rleu' is not what keras.activations.get takes: ",
        ),
        ("resnet20", {"activation": 3}, ValueError, "activation=3 is not what keras.activations.get takes"),
        (
            "resnet20",
            {"activation": keras.layers.ReLU},
            TypeError,
            "activation must be a name, a function or a layer, received the class ReLU; call it",
        ),
        (
            "convnet",
            {"activation": keras.layers.PReLU(), "form": "builtin"},
            ValueError,
            "form='builtin' takes activation as a function or its name, received the layer PReLU, which is a site of its "
            "own; use form='separate'",
        ),
        (
            "convnet",
            {"activation": keras.layers.Flatten()},
            ValueError,
            "changes the shape of a feature map from .* to .*; an activation acts on each value alone",
        ),
        ("convnet", {"activation": lambda: 3}, ValueError, "cannot be applied to a feature map"),
        (
            "resnet20",
            {"classifier_activation": "sofmax"},
            ValueError,
            "classifier_activation='sofmax' is not what keras.activations.get takes",
        ),
        (
            "resnet20",
            {"classifier_activation": keras.layers.Softmax},
            TypeError,
            "classifier_activation must be a name or a function, received the class Softmax",
        ),
        (
            "resnet20",
            {"kernel_initializer": "he"},
            ValueError,
            "kernel_initializer='he' does not initialise a kernel: Could not interpret",
        ),
        (
            "resnet20",
            {"name": "a/b"},
            ValueError,
            "name='a/b': a Keras model's name is a non-empty string without '/'",
        ),
        ("resnet20", {"name": ""}, ValueError, "name='': a Keras model's name"),
        ("resnet20", {"name": 3}, TypeError, "name=3: a Keras model's name"),
    ],
    ids=lambda v: re.sub(" at 0x[0-9a-f]+", "", str(v))[:50],
)
def test_refusal(name, options, kind, text):
    with pytest.raises(kind, match=text) as error:
        zoo.build(name, **options)
    assert type(error.value) is kind


@pytest.mark.parametrize("name", NAMES)
def test_one_pixel_less_than_the_smallest_input_is_refused(name):
    size = smallest_input(specify(name))
    if size == 1:
        assert lookup(name).family == "mlp"
        return
    with pytest.raises(ValueError, match=f"the strides of {name}: height and width must be at least {size}"):
        zoo.build(name, input_shape=(size, size - 1, 3))


def test_name_of_the_model():
    assert zoo.build("convnet2", input_shape=(8, 8, 3), name="mine").name == "mine"
    assert zoo.build("convnet2", input_shape=(8, 8, 3)).name == "convnet2"


@pytest.mark.parametrize(
    "activation",
    ["gelu", "leaky_relu", None, keras.ops.sin, keras.layers.LeakyReLU(0.3)],
    ids=lambda a: str(getattr(a, "__name__", a)),
)
def test_any_activation(activation):
    model = zoo.build("resnet8", activation=activation, input_shape=(8, 8, 3), width=4)
    assert np.isfinite(outputs(model, images(8, 8, 3))).all()


# ------------------------------------------------------ a tensor to build on


@pytest.mark.parametrize("name", ["resnet8", "convnet2", "vgg11", "mlp", "resnet50v2"])
def test_a_net_on_an_input_of_ones_own_is_the_same_net(name):
    spec = shallow(name, input_shape=(32, 32, 3))
    mine = keras.Input((32, 32, 3), name="mine")
    ours, plain = zoo.assemble(spec, input_tensor=mine), zoo.assemble(spec)
    assert (
        ours.input is mine and [layer.name for layer in ours.layers][1:] == [x.name for x in plain.layers][1:]
    )
    ours.set_weights(plain.get_weights())
    x = images(32, 32, 3)
    np.testing.assert_array_equal(outputs(ours, x), outputs(plain, x))


def test_layers_in_front_belong_to_the_model_and_stay_in_the_graph():
    image, flag = keras.Input((30, 30, 3), name="photo"), keras.Input((1,), name="flag")
    x = keras.layers.ZeroPadding2D(1, name="frame")(image)
    x = keras.layers.Conv2D(1, 1, name="grey")(x)
    net = zoo.build("resnet8", width=4, input_tensor=x)
    assert net.input_shape == (None, 30, 30, 3) and net.get_layer("stem_conv").input.shape == (
        None,
        32,
        32,
        1,
    )
    assert [layer.name for layer in net.layers][:4] == ["photo", "frame", "grey", "stem_conv"]
    two = zoo.build("mlp", input_tensor=keras.layers.Concatenate()([keras.layers.Flatten()(image), flag]))
    assert [i.name for i in two.inputs] == ["photo", "flag"] and two.output_shape == (None, 10)


@pytest.mark.parametrize("rolled", [False, pytest.param(True, marks=pytest.mark.tensorflow)])
def test_weights_are_for_the_net_and_not_for_what_lies_in_front(rolled, tmp_path):
    options = dict(width=4, rolled=rolled)
    file = zoo.build("resnet20", input_shape=(8, 8, 1), width=4)
    file.save_weights(tmp_path / "net.weights.h5")
    grey = keras.layers.Conv2D(1, 1, name="grey")
    x = grey(keras.Input((8, 8, 3)))
    before = grey.get_weights()
    net = zoo.build("resnet20", input_tensor=x, weights=tmp_path / "net.weights.h5", **options)
    for a, b in zip(grey.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    inner = keras.Model(x, net.output)
    greys = images(8, 8, 1)
    np.testing.assert_allclose(outputs(inner, greys), outputs(file, greys), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("given", "options", "kind", "text"),
    [
        (
            keras.Input((32, 32, 3)),
            {"input_shape": (32, 32, 1)},
            ValueError,
            "contradicts input_tensor, whose images",
        ),
        (
            keras.Input((None, None, 3)),
            {"input_shape": (32, 32, 3)},
            ValueError,
            "input_shape=(32, 32, 3) contradicts",
        ),
        (keras.Input((2, 2, 3)), {}, ValueError, "is too small for the strides"),
        (keras.Input((32, 32)), {}, ValueError, "input_shape must have three entries"),
        (
            np.zeros((1, 32, 32, 3)),
            {},
            TypeError,
            "input_tensor must be a symbolic tensor such as keras.Input",
        ),
        ((32, 32, 3), {}, TypeError, "received (32, 32, 3) of type tuple"),
        ("image", {"input_shape": (32, 32, 3)}, TypeError, "received 'image' of type str"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_tensor_that_cannot_be_built_on(given, options, kind, text):
    with pytest.raises(kind, match=re.escape(text)):
        zoo.build("resnet8", input_tensor=given, **options)


# ------------------------------------------------------------- what clients do


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


@pytest.mark.parametrize("name", ["resnet8", "resnet8v2", "resnet50", "convnet", "vgg11", "plain8", "mlp"])
def test_default_shapes_build_under_channels_first(name):
    keras.config.set_image_data_format("channels_first")
    try:
        net = zoo.build(name, width=2)
        assert net.input_shape == (None, 3, 32, 32) and net.output_shape == (None, 10)
    finally:
        keras.config.set_image_data_format("channels_last")


@pytest.mark.tensorflow
def test_shipped_weights_mean_the_same_under_channels_first():
    x = np.random.default_rng(0).random((2, 28, 28, 1), dtype="float32")
    for name in ("convnet", "resnet20v2"):
        expected = outputs(zoo.build(name, weights="fashion_mnist"), x)
        keras.config.set_image_data_format("channels_first")
        try:
            received = outputs(zoo.build(name, weights="fashion_mnist"), np.moveaxis(x, -1, 1))
        finally:
            keras.config.set_image_data_format("channels_last")
        np.testing.assert_allclose(received, expected, rtol=0, atol=1e-5)
