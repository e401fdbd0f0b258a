"""Merging: branches with no activation become one convolution, exactly, or are kept with the reason."""

import re

import keras
import numpy as np
import pytest
from keras import layers
from transform_nets import batch, error, outputs, randomised

import zoo
from zoo.normalization import BatchNormalization
from zoo.transforms import fold_batchnorm, merge_branches


def conv(filters=4, kernel=3, **settings):
    return layers.Conv2D(filters, kernel, **{"padding": "same"} | settings)


def norm(**settings):
    return layers.BatchNormalization(**settings)


def net(*branches, shape=(9, 8, 4), stem=True):
    """Branches, each a list of layers, from one tensor into one addition, and an activation after it."""
    image = keras.Input(shape)
    x = layers.Activation("tanh")(image) if stem else image
    ends = []
    for branch in branches:
        y = x
        for layer in branch:
            y = layer(y)
        ends.append(y)
    return keras.Model(image, layers.ReLU()(layers.Add(name="sum")(ends)))


MERGES = {
    "repvgg": lambda: net([norm()], [conv(), norm()], [conv(kernel=1), norm()]),
    "no normalisation": lambda: net([], [conv()]),
    "normalised twice": lambda: net([norm(), norm()], [conv(), norm(), norm()]),
    "identity alone": lambda: net([], [], [conv(kernel=1)]),
    "other channels": lambda: net([conv(6), norm()], [conv(6, 1)]),
    "sizes that cross": lambda: net([conv(kernel=(1, 3))], [conv(kernel=(3, 1))], [norm()]),
    "sizes that cross, covered": lambda: net([conv(kernel=(1, 3))], [conv(kernel=(3, 1))], [conv(kernel=3)]),
    "even kernels": lambda: net([conv(kernel=2)], [conv(kernel=4)], [conv(kernel=1)], []),
    "valid": lambda: net([conv(padding="valid")], [conv(padding="valid"), norm()]),
    "stride, even size": lambda: net([conv(6, strides=2)], [conv(6, 1, strides=2)], shape=(8, 8, 4)),
    "stride, odd size": lambda: net([conv(6, strides=2)], [conv(6, 1, strides=2)], shape=(9, 9, 4)),
    "stride, mixed sizes": lambda: net([conv(6, 5, strides=2)], [conv(6, 3, strides=2)], shape=(8, 7, 4)),
    "zero padding": lambda: net(
        [layers.ZeroPadding2D(1), conv(6, strides=2, padding="valid")], [conv(6, 1, strides=2)]
    ),
    "zero padding on one side": lambda: net(
        [layers.ZeroPadding2D(((1, 1), (2, 0))), conv(padding="valid")], [conv(kernel=1), norm()]
    ),
    "dilation": lambda: net([conv(dilation_rate=2)], [conv(kernel=1)], []),
    "dilation of a 1x1": lambda: net([conv()], [conv(kernel=1, dilation_rate=3)]),
    "groups": lambda: net([conv(groups=2), norm()], [conv(kernel=1, groups=2)], [norm()]),
    "depthwise": lambda: net(
        [layers.DepthwiseConv2D(5, padding="same"), norm()], [layers.DepthwiseConv2D(3, padding="same")], [norm()]
    ),
    "depthwise, multiplied": lambda: net(
        [layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)], [layers.DepthwiseConv2D(1, depth_multiplier=2)]
    ),
    "one axis": lambda: net([layers.Conv1D(4, 3, padding="causal")], [layers.Conv1D(4, 1), norm()], [], shape=(9, 4)),
    "three axes": lambda: net([layers.Conv3D(3, 3, padding="same")], [layers.Conv3D(3, 1)], [], shape=(4, 5, 6, 3)),
    "size unknown": lambda: net([conv(), norm()], [conv(kernel=1)], [norm()], shape=(None, None, 4)),
    "fused normalisation": lambda: net([BatchNormalization()], [conv(), BatchNormalization()]),
    "from the image": lambda: net([conv()], [conv(kernel=1)], stem=False),
}  # fmt: skip


def sample(model):
    x = batch(model) if None not in model.input_shape[1:] else None
    return x if x is not None else np.random.default_rng(0).normal(size=(2, 7, 10, 4)).astype("float32")


def convolutions(model):
    return [layer for layer in model.layers if hasattr(layer, "kernel_size")]


@pytest.mark.parametrize("case", MERGES)
def test_branches_become_one_convolution(case):
    model = randomised(MERGES[case]())
    x = sample(model)
    expected = outputs(model, x)
    before = [np.array(w) for w in model.get_weights()]
    new, merged, kept, _ = merge_branches(model)
    assert (merged, kept) == (("sum",), {})
    assert len(convolutions(new)) == 1
    assert not [layer for layer in new.layers if isinstance(layer, (layers.BatchNormalization, layers.Add))]
    assert error(expected, outputs(new, x)) < 2e-6
    # The model is as it was.
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def shared():
    x = keras.Input((8, 8, 4))
    one = conv(name="one")
    y = layers.Add(name="sum")([one(x), conv(kernel=1)(x)])
    return keras.Model(x, [y, one(layers.ReLU()(x))])


def read_twice():
    x = keras.Input((8, 8, 4))
    wide = conv(name="wide")(x)
    y = layers.Add(name="sum")([wide, conv(kernel=1)(x)])
    return keras.Model(x, [y, layers.ReLU()(wide)])


def is_output():
    x = keras.Input((8, 8, 4))
    wide = conv(name="wide")(x)
    return keras.Model(x, [layers.Add(name="sum")([wide, conv(kernel=1)(x)]), wide])


def in_training():
    x = keras.Input((8, 8, 4))
    y = norm(name="norm")(conv()(x), training=True)
    return keras.Model(x, layers.Add(name="sum")([y, conv(kernel=1)(x)]))


def broadcast():
    x = keras.Input((8, 8, 4))
    return keras.Model(x, layers.Add(name="sum")([conv(4)(x), conv(1)(x)]))


def subclassed():
    class Doubled(layers.BatchNormalization):
        def call(self, inputs, training=None, mask=None):
            return 2 * super().call(inputs, training=training, mask=mask)

    return net([Doubled(name="norm")], [conv()])


def regularised_sum():
    x = keras.Input((8, 8, 4))
    add = layers.Add(name="sum", activity_regularizer="l2")
    return keras.Model(x, add([conv(name="a")(x), conv(kernel=1, name="b")(x)]))


KEPT = {
    "activation in a branch": (
        lambda: net([conv(), norm(), layers.ReLU(name="act")], [conv(kernel=1)]),
        "no two of its branches start from one tensor: they read 'act', 'activation",
        "'act' (ReLU) ends the linear part of a branch",
    ),
    "built-in activation": (
        lambda: net([conv(activation="relu", name="one")], [conv(kernel=1)]),
        "'one' applies relu in the branch",
    ),
    "activation after the normalisation": (
        lambda: net([conv(), layers.ELU(name="act"), norm()], []),
        "'act' (ELU) ends the linear part of a branch",
    ),
    "other strides on a map of one pixel": (
        lambda: net([conv(strides=2, name="one")], [], shape=(1, 1, 4)),
        "'one' has a stride, the branch without a convolution has none",
    ),
    "strides of two": (
        lambda: net([conv(strides=2, name="a")], [conv(strides=1, name="b")], shape=(1, 1, 4)),
        "'a', 'b' differ in strides: (2, 2), (1, 1)",
    ),
    "stride, size unknown": (
        lambda: net([conv(strides=2, name="a")], [conv(kernel=1, strides=2)], shape=(None, None, 4)),
        "'a' pads ('same') an image of unknown size by an amount that depends on it; give the input a size",
    ),
    "dilation": (
        lambda: net([conv(dilation_rate=2)], [conv()]),
        "kernels of different dilation (1, 2) are no one kernel",
    ),
    "between dilated positions": (
        lambda: net([conv(kernel=2, dilation_rate=3)], []),
        "a kernel reads between the positions of a dilated one",
    ),
    "no kernel covers": (
        lambda: net(
            [layers.ZeroPadding2D(((2, 0), (0, 2))), conv(padding="valid", name="a")],
            [layers.ZeroPadding2D(((0, 2), (2, 0))), conv(padding="valid", name="b")],
        ),
        "none of 'a', 'b' reads as far as all together do",
    ),
    "groups": (
        lambda: net([conv(groups=2, name="a")], [conv(name="b")]),
        "'a', 'b' differ in groups: 2, 1",
    ),
    "kinds": (
        lambda: net([layers.DepthwiseConv2D(3, padding="same", name="a")], [conv(name="b")]),
        "'a', 'b' are convolutions of different kinds",
    ),
    "multiplied channels of one": (
        lambda: net([layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="a")], [], shape=(8, 8, 1)),
        "a branch of shape (None, 8, 8, 1) is repeated to fit (None, 8, 8, 2)",
    ),
    "broadcast": (broadcast, "a branch of shape (None, 8, 8, 1) is repeated to fit (None, 8, 8, 4)"),
    "shared": (shared, "'one' is shared: called 2 times"),
    "read twice": (read_twice, "the output of 'wide' is read 2 times"),
    "an output": (is_output, "the output of 'wide' is also an output of the model"),
    "in training": (in_training, "'norm' cannot be folded: it is called with training=True"),
    "another axis": (
        lambda: net([norm(axis=1, name="norm")], [conv(name="a")]),
        "'norm' normalises axis 1, the channels are on another",
    ),
    "another axis after a convolution": (
        lambda: net([conv(), norm(axis=2, name="norm")], []),
        "'norm' normalises axis 2, the channels are on another",
    ),
    "subclass": (subclassed, "'norm' is of Doubled, a subclass with a call of its own"),
    "regularised": (
        lambda: net([conv(activity_regularizer="l2", name="a")], []),
        "the activity_regularizer of 'a' acts on its output",
    ),
    "sum regularised": (regularised_sum, "the activity_regularizer of 'sum' acts on the sum"),
    "padding regularised": (
        lambda: net(
            [layers.ZeroPadding2D(1, activity_regularizer="l2", name="pad"), conv(padding="valid")], [conv(kernel=1)]
        ),
        "the activity_regularizer of 'pad' acts on its output",
    ),
    "normalisation regularised": (
        lambda: net([conv(), norm(activity_regularizer="l2", name="norm")], [conv(kernel=1)]),
        "'norm' cannot be folded: its activity_regularizer acts on its output",
    ),
    "half precision": (
        lambda: net([conv(dtype="mixed_bfloat16", name="a")], []),
        "'a' computes in bfloat16, which rounds too coarsely",
    ),
    "nothing to merge": (lambda: net([], []), "no two of its branches"),
}  # fmt: skip


@pytest.mark.parametrize("case", KEPT)
def test_what_cannot_be_merged_is_kept_with_the_reason(case):
    make, *texts = KEPT[case]
    model = randomised(make())
    result = merge_branches(model)
    assert result.merged == ()
    assert list(result.kept) == ["sum"]
    for text in texts:
        assert text in result.kept["sum"]
    x = batch(model) if None not in model.input_shape[1:] else sample(model)
    assert all(np.array_equal(a, b) for a, b in zip(outputs(model, x), outputs(result.model, x), strict=True))


@pytest.mark.parametrize("case", ["sum regularised", "padding regularised", "normalisation regularised"])
def test_the_loss_stays_with_what_is_kept(case):
    model = randomised(KEPT[case][0]())
    result = merge_branches(model)
    x = batch(model)
    losses = []
    for one in (model, result.model):
        one(x)
        losses.append(float(sum(one.losses)))
    assert losses[0] > 0 and losses[1] == pytest.approx(losses[0], rel=1e-6)


class Renamed(layers.Add):
    """Adds as the stock layer does."""


class Averaged(layers.Add):
    def call(self, inputs):
        return super().call(inputs) / 2


@pytest.mark.parametrize(("kind", "merged"), [(Renamed, ("sum",)), (Averaged, ())])
def test_a_subclass_of_the_addition_is_one_if_it_has_no_code(kind, merged):
    x = keras.Input((8, 8, 4))
    model = randomised(keras.Model(x, kind(name="sum")([conv()(x), conv(kernel=1)(x)])))
    assert merge_branches(model).merged == merged


def test_what_can_be_merged_of_an_addition_is():
    x = keras.Input((8, 8, 4))
    far = layers.ReLU(name="far")(conv()(x))
    y = layers.Add(name="sum")([conv(name="a")(x), far, conv(kernel=1, name="b")(x)])
    model = randomised(keras.Model(x, y))
    result = merge_branches(model)
    assert result.merged == ("sum",)
    assert "they read 'input_layer" in result.kept["sum"]
    assert "'far' (ReLU) ends the linear part of a branch" in result.kept["sum"]
    assert {layer.name for layer in result.model.layers} >= {"a", "far", "sum"}
    assert "b" not in {layer.name for layer in result.model.layers}
    assert error(outputs(model, batch(model)), outputs(result.model, batch(model))) < 2e-6


def test_two_pairs_in_one_addition_become_two_convolutions():
    x = keras.Input((8, 8, 4))
    z = layers.ReLU()(x)
    y = layers.Add(name="sum")([conv(name="a")(x), conv(name="c")(z), conv(kernel=1)(x), z])
    model = randomised(keras.Model(x, y))
    result = merge_branches(model)
    assert result.merged == ("sum",)
    assert [layer.name for layer in convolutions(result.model)] == ["a", "c"]
    assert error(outputs(model, batch(model)), outputs(result.model, batch(model))) < 2e-6


ALIKE = {
    "kinds": (
        lambda: [
            *(layers.DepthwiseConv2D(k, padding="same", name=f"d{k}") for k in (3, 5)),
            *(conv(kernel=k, name=f"c{k}") for k in (1, 3)),
        ],
        ["d5", "c3"],
    ),
    "dilation": (
        lambda: [conv(dilation_rate=2, name="a"), conv(dilation_rate=2, name="b"), conv(name="c")],
        ["a", "c"],
    ),
    "groups": (
        lambda: [conv(groups=2, name="a"), conv(name="b"), conv(groups=2, kernel=1, name="c")],
        ["a", "b"],
    ),
}


@pytest.mark.parametrize("shortcut", [False, True])
@pytest.mark.parametrize("case", ALIKE)
def test_those_that_are_alike_are_merged_and_the_others_stay(case, shortcut):
    make, left = ALIKE[case]
    x = keras.Input((8, 8, 4))
    summands = [layer(x) for layer in make()]
    model = randomised(keras.Model(x, layers.Add(name="sum")(summands + [x] * shortcut)))
    result = merge_branches(model)
    assert result.merged == ("sum",) and "sum" in result.kept
    names = [layer.name for layer in result.model.layers if layer.variables]
    assert sorted(names) == sorted(left)
    reads = result.model.get_layer("sum").input
    assert len(reads) == 2  # the shortcut is part of a convolution
    assert error(outputs(model, batch(model)), outputs(result.model, batch(model))) < 2e-6


def test_a_sum_of_sums_and_the_operation_plus():
    x = keras.Input((8, 8, 4))
    y = conv(name="a")(x) + layers.Add(name="inner")([conv(kernel=1)(x), norm()(x)])
    model = randomised(keras.Model(x, layers.ReLU()(y)))
    result = merge_branches(model)
    assert len(result.merged) == 2 and result.kept == {}
    assert len(convolutions(result.model)) == 1
    assert error(outputs(model, batch(model)), outputs(result.model, batch(model))) < 2e-6


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("size", "use_bias", "merged"), [(4, True, ()), (5, True, ("sum",)), (4, False, ("sum",))]
)
def test_a_bias_that_keras_would_add_along_the_width_is_not_made(size, use_bias, merged):
    """What is decided: TensorFlow need not have such a convolution on this processor."""
    first = {"data_format": "channels_first", "use_bias": use_bias}
    model = randomised(net([conv(name="a", **first)], [conv(kernel=1, **first)], shape=(4, size, size)))
    result = merge_branches(model, probe=False)
    assert result.merged == merged
    if not merged:
        assert "'a' puts out as many channels as it is wide, and Keras would add a bias" in result.kept["sum"]


def test_what_is_frozen_in_the_convolution_that_takes_over_stays_frozen():
    model = randomised(net([conv(name="a")], [conv(kernel=1, name="b")]))
    model.get_layer("a").kernel.trainable = False
    layer = merge_branches(model).model.get_layer("a")
    assert [v.trainable for v in layer.variables] == [False, True]


def test_in_a_nested_model_and_before_a_convolution_that_another_reads():
    inner = net([norm()], [conv(name="a")])
    image = keras.Input((9, 8, 4))
    y = keras.Model(inner.input, inner.output, name="inner")(image)
    # A convolution whose output is a branch itself: the shortcut of the next.
    first = conv(name="first")(y)
    y = layers.Add(name="outer")([first, conv(name="second")(first)])
    model = randomised(keras.Model(image, y))
    result = merge_branches(model)
    assert (result.merged, result.kept) == (("outer", "inner/sum"), {})
    assert error(outputs(model, batch(model)), outputs(result.model, batch(model))) < 2e-6


@pytest.mark.parametrize("layout", ["cifar", "imagenet"])
def test_a_repvgg_to_train_becomes_the_one_to_use(layout):
    options = dict(width=8, layout=layout, input_shape=(33, 35, 3), classes=5, classifier_activation=None)
    model = randomised(zoo.build("repvgg", **options))
    result = merge_branches(model)
    assert result.kept == {}
    assert len(result.merged) == 22
    assert result.max_error < 1e-5
    ready = zoo.build("repvgg", merged=True, **options)
    assert [layer.name for layer in result.model.layers] == [layer.name for layer in ready.layers]
    ready.set_weights(result.model.get_weights())
    x = batch(model)
    assert all(np.array_equal(a, b) for a, b in zip(outputs(ready, x), outputs(result.model, x), strict=True))


def test_a_residual_net_has_nothing_to_merge():
    model = randomised(zoo.build("resnet8v2", width=4, input_shape=(8, 8, 3)))
    result = merge_branches(model)
    assert result.merged == ()
    assert list(result.kept) == ["stage1_unit1_add", "stage2_unit1_add", "stage3_unit1_add"]
    # A projection that another normalisation would fold is kept for what it is: it reads another tensor.
    assert fold_batchnorm(model).folded
    with pytest.raises(TypeError, match=r"expected a keras\.Model"):
        merge_branches(3)


@pytest.mark.parametrize("bare", [True, False])
def test_a_sum_in_another_precision_is_kept(bare):
    """One convolution would put out float32, where the sum was float64."""
    image = keras.Input((8, 8, 4), dtype="float64" if bare else "float32")
    branch = layers.Conv2D(4, 3, padding="same", name="c", dtype="float32")(image)
    other = image if bare else layers.Conv2D(4, 1, dtype="float32")(image)
    total = other + branch if bare else layers.Add(dtype="float64", name="add")([other, branch])
    found = merge_branches(keras.Model(image, total))
    (reason,) = found.kept.values()
    assert not found.merged and re.search("the sum is of .*float64, and", reason)
    assert found.model.outputs[0].dtype == total.dtype
