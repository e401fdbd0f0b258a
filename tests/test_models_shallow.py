"""Every kind of net in shallow: declared shapes, gradients, mixed precision, names and activations."""

import keras
import numpy as np
import pytest
from catalog_nets import KINDS, forget, gradients, images, least, one_of_each_family, outputs, shallow

import zoo
from zoo.catalog import lookup, specify
from zoo.families import skeleton
from zoo.placement import FAMILIES


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
