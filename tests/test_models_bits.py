"""Bits of nets: the same from the same seed, and of both forms of the activation, trained too."""

import deep
import keras
import numpy as np
import pytest
from catalog_nets import gradients, images, outputs, shallow

import zoo


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
