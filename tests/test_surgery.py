"""Surgery against nets put together by hand, and what it refuses."""

import re

import keras
import numpy as np
import pytest
from keras import layers, ops

import zoo
from zoo.graph import flatten_layers, inbound_nodes
from zoo.surgery import cut, flatten, insert_after, remove, replace
from zoo.transforms import fold_batchnorm


def array(tensor):
    return ops.convert_to_numpy(tensor)


def draw(model):
    """Weights and statistics that no two layers share."""
    rng = np.random.default_rng(3)
    for variable in model.weights:
        if "seed" not in variable.path:
            low = 0.5 if "variance" in variable.path else -0.7
            variable.assign(rng.uniform(low, 1.2, variable.shape))
    return model


def backbone(name="base", size=8):
    """Two convolutions, a residual addition, pooling."""
    image = keras.Input((size, size, 3), name="image")
    x = layers.Conv2D(4, 3, padding="same", name="conv")(image)
    x = layers.BatchNormalization(name="norm")(x)
    shortcut = x = layers.ReLU(name="act")(x)
    x = layers.Conv2D(4, 3, padding="same", name="conv2")(x)
    x = layers.Add(name="add")([x, shortcut])
    x = layers.MaxPooling2D(2, name="pool")(x)
    return draw(keras.Model(image, x, name=name))


def nested(training=None):
    """A backbone inside a model: what transfer learning makes."""
    photo = keras.Input((8, 8, 3), name="photo")
    x = layers.Rescaling(0.5, name="scale")(photo)
    x = backbone()(x) if training is None else backbone()(x, training=training)
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    head = layers.Dense(3, name="head")
    model = keras.Model(photo, head(x), name="outer")
    return draw(model)


def chain():
    parts = [layers.Dense(size, name=name) for size, name in ((4, "a"), (4, "b"), (3, "c"))]
    return draw(keras.Sequential([keras.Input((5,)), *parts], name="chain"))


def shared():
    """A Dense layer called before and after a ReLU; the model returns both and the input."""
    dense = layers.Dense(4, name="fc")
    x = keras.Input((4,), name="x")
    first = dense(x)
    second = dense(layers.ReLU(name="act")(first))
    return draw(keras.Model(x, {"first": first, "second": second}, name="shared"))


def towers():
    """One tower for two inputs, which the model takes by name."""
    tower = draw(keras.Sequential([keras.Input((4,)), layers.Dense(3, name="fc")], name="tower"))
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    difference = layers.Subtract(name="difference")([tower(a), tower(b)])
    return keras.Model({"a": a, "b": b}, difference, name="towers")


class Scale(layers.Layer):
    """A layer whose configuration does not say what it multiplies by."""

    factor = 1.0

    def call(self, inputs):
        return inputs * self.factor


class Net(keras.Model):
    """A model of a class of its own, made of inputs and outputs."""

    def train_step(self, *args):
        return super().train_step(*args)


def images(size=8, seed=0):
    return np.random.default_rng(seed).normal(size=(2, size, size, 3)).astype("float32")


def vectors(size, seed=0):
    return np.random.default_rng(seed).normal(size=(3, size)).astype("float32")


def names(model):
    return [layer.name for layer in model.layers if not isinstance(layer, layers.InputLayer)]


def state(model):
    """All that surgery must not touch."""
    parts = flatten_layers(model)
    operations = getattr(model, "operations", parts)
    return (
        model.to_json(),
        [array(weight).tobytes() for weight in model.weights],
        [(part.name, part.trainable) for part in parts],
        [len(inbound_nodes(operation)) for operation in operations],
    )


def same_weights(new, old, layer, other=None):
    a, b = new.get_layer(layer).get_weights(), old.get_layer(other or layer).get_weights()
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


class TestInsert:
    def test_all_readers_and_the_output_get_the_new_value(self):
        model = backbone()
        new, report = insert_after(model, "act", layers.Rescaling(3.0, name="triple"))
        assert report.added == {"triple": "act"} and report.shapes == {}
        x = images()
        act = keras.Model(model.input, model.get_layer("act").output)(x) * 3
        expected = model.get_layer("pool")(model.get_layer("conv2")(act) + act)
        np.testing.assert_allclose(array(new(x)), array(expected), rtol=1e-5, atol=1e-6)
        assert same_weights(new, model, "conv2") and same_weights(new, model, "norm")

    def test_after_an_output(self):
        model = backbone()
        new, _ = insert_after(model, "pool", layers.Rescaling(2.0))
        np.testing.assert_array_equal(array(new(images())), 2 * array(model(images())))

    @pytest.mark.parametrize("kind", ["functional", "sequential", "nested"])
    def test_after_an_input(self, kind):
        sequential = draw(keras.Sequential([keras.Input((8, 8, 3), name="image"), layers.Conv2D(2, 3)]))
        model = {"functional": backbone(), "sequential": sequential, "nested": nested()}[kind]
        new = insert_after(model, model.inputs[0].name, layers.Rescaling(0.5, name="half")).model
        np.testing.assert_allclose(array(new(images())), array(model(images() / 2)), rtol=1e-5, atol=1e-6)
        assert names(new)[0] == "half" and isinstance(new, type(model))

    def test_a_clone_with_weights_of_its_own_at_every_place(self):
        model = backbone()
        norm = layers.BatchNormalization(name="bn")
        new, report = insert_after(model, ["conv", "conv2"], norm)
        assert report.added == {"conv_bn": "conv", "conv2_bn": "conv2"}
        first, second = new.get_layer("conv_bn"), new.get_layer("conv2_bn")
        assert first is not second and first.gamma is not second.gamma and not norm.built
        np.testing.assert_allclose(array(new(images())), array(model(images())), rtol=5e-3)

    def test_a_built_layer_brings_its_weights(self):
        dense = layers.Dense(3, name="adapter")
        dense.build((None, 3))
        dense.set_weights([2 * np.eye(3), np.ones(3)])
        model = chain()
        new = insert_after(model, "c", dense).model
        x = vectors(5)
        np.testing.assert_allclose(array(new(x)), 2 * array(model(x)) + 1, rtol=1e-6)
        assert new.get_layer("adapter") is not dense
        unfit = layers.Dense(4, name="adapter")
        unfit.build((None, 3))
        with pytest.raises(
            ValueError, match=r"'adapter' comes with weights of the shapes .* at 'a' it needs"
        ):
            insert_after(model, "a", unfit)

    def test_a_sequential_model_stays_one(self):
        new = insert_after(chain(), layers.Dense, layers.ReLU(name="relu")).model
        assert isinstance(new, keras.Sequential)
        assert names(new) == ["a", "a_relu", "b", "b_relu", "c", "c_relu"]

    def test_in_a_nested_model(self):
        model = nested()
        new, report = insert_after(model, "base/act", layers.Rescaling(0.0, name="zero"))
        assert report.added == {"base/zero": "base/act"}
        assert "zero" in names(new.get_layer("base"))
        flat = insert_after(flatten(model).model, "act", layers.Rescaling(0.0)).model
        np.testing.assert_array_equal(array(new(images())), array(flat(images())))
        # Its name alone is enough where no other layer has it.
        assert insert_after(model, "act", layers.ReLU(name="r")).report.added == {"base/r": "base/act"}

    def test_after_all_calls_of_a_shared_layer_or_after_one(self):
        model, x = shared(), vectors(4)
        dense, act = model.get_layer("fc"), model.get_layer("act")
        both = insert_after(model, "fc", layers.Rescaling(2.0)).model(x)
        np.testing.assert_allclose(array(both["first"]), 2 * array(dense(x)), rtol=1e-6)
        np.testing.assert_allclose(array(both["second"]), 2 * array(dense(act(2 * dense(x)))), rtol=1e-5)
        one = insert_after(model, "fc:2", layers.Rescaling(2.0)).model(x)
        np.testing.assert_array_equal(array(one["first"]), array(dense(x)))
        np.testing.assert_allclose(array(one["second"]), 2 * array(dense(act(dense(x)))), rtol=1e-6)

    def test_by_a_function_of_the_layer_there(self):
        def norm(layer):
            return layers.LayerNormalization(name=f"{layer.name}_ln")

        report = insert_after(chain(), "a", norm).report
        assert report.added == {"a_ln": "a"}

    def test_the_dtype_policy_and_flags_stay(self):
        model = nested()
        model.get_layer("base").trainable = False
        model.get_layer("base").get_layer("conv2").trainable = True
        new = insert_after(model, "act", layers.BatchNormalization(name="bn")).model
        base = new.get_layer("base")
        flags = {layer.name: layer.trainable for layer in base.layers if layer.weights}
        assert flags == {"conv": False, "norm": False, "bn": True, "conv2": True}

    def test_refused(self):
        model = backbone()
        with pytest.raises(ValueError, match=r"'conv2' no longer fits.*\(3, 3, 4, 4\).*\(3, 3, 2, 4\)"):
            insert_after(model, "act", layers.Conv2D(2, 1))
        with pytest.raises(ValueError, match="'add' no longer fits"):
            insert_after(model, "conv2", layers.MaxPooling2D(2))
        with pytest.raises(ValueError, match=r"LSTM 'd' cannot be inserted after 'pool'.*\(None, 4, 4, 4\)"):
            insert_after(model, "pool", layers.LSTM(3, name="d"))
        with pytest.raises(ValueError, match=r"LSTM 'd' cannot be inserted after 'b'"):
            insert_after(chain(), "b", layers.LSTM(3, name="d"))
        with pytest.raises(TypeError, match=r"received the class ReLU: call it, ReLU\(\)"):
            insert_after(model, "act", layers.ReLU)
        with pytest.raises(TypeError, match="has to return a layer; it returned None"):
            insert_after(model, "act", lambda layer: None)
        x = keras.Input((5, 3))
        several = keras.Model(x, layers.LSTM(4, return_state=True, name="lstm")(x))
        with pytest.raises(ValueError, match="'lstm': it has 3 outputs"):
            insert_after(several, "lstm", layers.ReLU())

    @pytest.mark.parametrize("built", [False, True])
    def test_a_class_of_its_own_keeps_what_was_set_on_it(self, built):
        def scale(name, factor):
            layer = Scale(name=name)
            layer.factor = factor
            return layer

        x = keras.Input((4,))
        model = Net(x, scale("last", 3.0)(scale("first", 2.0)(x)), name="net")
        middle = scale("middle", 5.0)
        if built:
            middle(np.ones((1, 4)))
        new = insert_after(model, "first", middle).model
        assert isinstance(new, Net)
        np.testing.assert_array_equal(array(new(np.ones((1, 4)))), np.full((1, 4), 30.0))


class TestRemove:
    def test_readers_get_what_the_layer_read(self):
        model = backbone()
        new, report = remove(model, ["norm", "act"])
        assert report.removed == ("norm", "act")
        x = images()
        conv = model.get_layer("conv")(x)
        expected = model.get_layer("pool")(model.get_layer("conv2")(conv) + conv)
        np.testing.assert_allclose(array(new(x)), array(expected), rtol=1e-5, atol=1e-6)

    def test_the_last_layer(self):
        model = chain()
        new = remove(model, "c").model
        expected = model.get_layer("b")(model.get_layer("a")(vectors(5)))
        assert isinstance(new, keras.Sequential) and names(new) == ["a", "b"]
        np.testing.assert_array_equal(array(new(vectors(5))), array(expected))

    def test_a_class_means_layers_in_nested_models_too(self):
        model = nested()
        new, report = remove(model, layers.BatchNormalization)
        assert report.removed == ("base/norm",) and "norm" not in names(new.get_layer("base"))
        assert same_weights(new.get_layer("base"), model.get_layer("base"), "conv")

    def test_one_call(self):
        model, x = shared(), vectors(4)
        new = remove(model, "fc:1").model(x)
        np.testing.assert_array_equal(array(new["first"]), x)
        np.testing.assert_array_equal(array(new["second"]), array(model.get_layer("fc")(np.maximum(x, 0))))

    def test_shapes_that_change_are_reported(self):
        x = keras.Input((8, 8, 3))
        y = layers.Conv2D(4, 1, name="conv")(layers.MaxPooling2D(2, name="pool")(x))
        model = keras.Model(x, layers.GlobalAveragePooling2D(name="gap")(y))
        report = remove(model, "pool").report
        assert report.shapes == {"conv": ((None, 4, 4, 4), (None, 8, 8, 4))}

    def test_refused(self):
        with pytest.raises(ValueError, match="cannot remove 'add': it reads 2 tensors"):
            remove(backbone(), "add")
        with pytest.raises(ValueError, match="cannot remove 'image': it is an input"):
            remove(backbone(), "image")
        with pytest.raises(ValueError, match="'norm' no longer fits"):
            remove(backbone(), "conv")
        with pytest.raises(ValueError, match=r"layer 'b' no longer fits.*\(4, 4\).*\(5, 4\)"):
            remove(chain(), "a")
        with pytest.raises(ValueError, match="model 'chain' would have no layer left"):
            remove(chain(), ["a", "b", "c"])
        with pytest.raises(ValueError, match="model 'tower' would have no layer left"):
            remove(towers(), "tower/fc")
        with pytest.raises(ValueError, match="'base/act' is part of 'base'"):
            remove(nested(), ["base", "base/act"])

    @pytest.mark.parametrize("kind", ["masking", "embedding"])
    def test_a_layer_whose_mask_is_read_is_refused(self, kind):
        if kind == "masking":
            x = keras.Input((5, 3))
            y = layers.Masking(name="mask")(x)
        else:
            x = keras.Input((5,))
            y = layers.Embedding(6, 3, mask_zero=True, name="mask")(x)
        model = keras.Model(x, layers.LSTM(2, name="lstm")(layers.Dropout(0.1, name="drop")(y)))
        with pytest.raises(ValueError, match="'mask': it makes a mask, which 'lstm' reads"):
            replace(model, "mask", layers.Dense(3))
        assert names(remove(model, "drop").model)[0] == "mask"


class TestReplace:
    def test_the_head(self):
        model = nested()
        new, report = replace(model, "head", layers.Dense(7, name="flowers"))
        assert new.output_shape == (None, 7) and names(new)[-1] == "flowers"
        assert report.removed == ("head",) and report.added == {"flowers": "head"}
        assert same_weights(new.get_layer("base"), model.get_layer("base"), "conv2")

    def test_every_match_keeps_its_name_and_has_weights_of_its_own(self):
        model = backbone()
        new, report = replace(model, "conv*", lambda old: layers.Conv2D(old.filters, 1, name="other"))
        assert report.removed == ("conv", "conv2") and new.get_layer("conv2").kernel_size == (1, 1)
        assert new.get_layer("conv").kernel is not new.get_layer("conv2").kernel

    def test_by_an_equal_layer_with_its_weights_nothing_changes(self):
        model = backbone()
        new = replace(model, layers.Conv2D, lambda old: old).model
        np.testing.assert_array_equal(array(new(images())), array(model(images())))

    def test_a_nested_model(self):
        model = nested()
        other = draw(keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 5, name="k5")], name="small"))
        new = replace(model, "base", other).model
        assert same_weights(new.get_layer("small"), other, "k5") and new.get_layer("small") is not other
        x = other(images() / 2)
        expected = model.get_layer("head")(ops.mean(x, axis=(1, 2)))
        np.testing.assert_allclose(array(new(images())), array(expected), rtol=1e-5, atol=1e-6)

    def test_one_call_of_a_shared_layer(self):
        model, x = shared(), vectors(4)
        new = replace(model, "fc:2", layers.Dense(9, name="wide")).model
        assert new(x)["second"].shape == (3, 9) and same_weights(new, model, "fc")
        np.testing.assert_array_equal(array(new(x)["first"]), array(model(x)["first"]))

    def test_all_calls_stay_shared(self):
        new = replace(shared(), "fc", layers.Dense(4, name="other", use_bias=False)).model
        assert len(new.weights) == 1

    def test_a_layer_with_several_inputs(self):
        model = backbone()
        new = replace(model, "add", layers.Subtract(name="minus")).model
        act = keras.Model(model.input, model.get_layer("act").output)(images())
        expected = model.get_layer("pool")(model.get_layer("conv2")(act) - act)
        np.testing.assert_allclose(array(new(images())), array(expected), rtol=1e-5, atol=1e-6)

    def test_refused(self):
        with pytest.raises(ValueError, match=r"layer 'c' no longer fits.*\(4, 3\).*\(9, 3\)"):
            replace(chain(), "b", layers.Dense(9))
        with pytest.raises(ValueError, match=r"Conv2D 'k' cannot stand in the place of 'b'"):
            replace(chain(), "b", layers.Conv2D(9, 3, name="k"))
        with pytest.raises(ValueError, match=r"ReLU 'r' .* 'add': it returns 2 tensors, not 1"):
            replace(backbone(), "add", layers.ReLU(name="r"))
        with pytest.raises(ValueError, match="would be called 'a_b', and the model already has"):
            model = keras.Sequential(
                [keras.Input((4,)), *(layers.Dense(4, name=n) for n in ("a", "b", "a_b"))]
            )
            insert_after(model, "a", layers.Dense(4, name="b"))


class TestWhere:
    def test_a_layer_of_the_model(self):
        model = nested()
        assert remove(model, model.get_layer("base").get_layer("norm")).report.removed == ("base/norm",)

    def test_what_is_not_there(self):
        with pytest.raises(
            ValueError, match=r"where='hed' is no layer of model 'outer'; did you mean 'head'"
        ):
            remove(nested(), "hed")
        with pytest.raises(ValueError, match=r"where='x\*' matches no layer"):
            remove(nested(), "x*")
        with pytest.raises(ValueError, match="where=LSTM: model 'outer' has no layer of that class"):
            remove(nested(), layers.LSTM)
        with pytest.raises(ValueError, match="'elsewhere' is a layer that model 'outer' does not call"):
            remove(nested(), layers.ReLU(name="elsewhere"))
        with pytest.raises(TypeError, match="must be a name, a pattern, a layer"):
            remove(nested(), 3)
        with pytest.raises(ValueError, match="where is empty"):
            remove(nested(), [])
        with pytest.raises(ValueError, match="'fc' is called 2 times"):
            remove(shared(), "fc:3")

    def test_a_name_in_two_nested_models(self):
        x = keras.Input((8, 8, 3))
        model = keras.Model(x, layers.Add()([backbone("left")(x), backbone("right")(x)]))
        with pytest.raises(ValueError, match=r"means several layers: 'left/act', 'right/act'. Say which"):
            remove(model, "act")
        assert remove(model, "*/act").report.removed == ("left/act", "right/act")

    def test_a_subclassed_model(self):
        class Own(keras.Model):
            def call(self, inputs):
                return inputs

        for operate in (lambda m: remove(m, "x"), flatten, lambda m: cut(m, "x")):
            with pytest.raises(TypeError, match="subclassed"):
                operate(Own())


class TestFlatten:
    @pytest.mark.parametrize("training", [None, False, True])
    def test_outputs_gradients_and_statistics_are_equal_to_the_bit(self, training):
        model = nested(training)
        flat, report = flatten(model)
        assert report.removed == ("base",) and report.moved["base/conv"] == "conv"
        assert names(flat) == ["scale", "conv", "norm", "act", "conv2", "add", "pool", "gap", "head"]
        for mode in (None, False, True):
            np.testing.assert_array_equal(
                array(flat(images(), training=mode)), array(model(images(), training=mode))
            )
        for net in (model, flat):
            net.compile("sgd", "mse")
            net.fit(images(), vectors(3)[:2], verbose=0)
        for new, old in zip(flat.weights, model.weights, strict=True):
            np.testing.assert_array_equal(array(new), array(old), err_msg=old.path)

    def test_grad_cam_on_a_nested_backbone(self):
        """The case of tensorflow#44462: a model from an inner layer to the outer score."""
        model = nested()
        inner = model.get_layer("base").get_layer("conv2").output
        with pytest.raises(ValueError, match="not connected"):
            keras.Model(model.input, [inner, model.output])
        flat = flatten(model).model
        both = keras.Model(flat.input, [flat.get_layer("conv2").output, flat.output])
        maps, scores = both(images())
        assert maps.shape == (2, 8, 8, 4)
        np.testing.assert_array_equal(array(scores), array(model(images())))

    def test_a_sequential_model_with_a_nested_one(self):
        model = draw(
            keras.Sequential([keras.Input((8, 8, 3)), backbone(), layers.Flatten(), layers.Dense(2)])
        )
        flat = flatten(model).model
        assert not isinstance(flat, keras.Sequential) and "conv" in names(flat)
        np.testing.assert_array_equal(array(flat(images())), array(model(images())))

    def test_nothing_nested(self):
        new, report = flatten(chain())
        assert isinstance(new, keras.Sequential) and report == type(report)()

    def test_a_model_called_twice_becomes_layers_called_twice(self):
        model = towers()
        flat = flatten(model).model
        data = {"a": vectors(4), "b": vectors(4, seed=1)}
        np.testing.assert_array_equal(array(flat(data)), array(model(data)))
        assert len(flat.weights) == 2 and len(inbound_nodes(flat.get_layer("fc"))) == 2

    def test_names_that_meet_get_those_of_their_models(self):
        x = keras.Input((8, 8, 3), name="image")
        y = layers.Conv2D(3, 1, name="conv")(x)
        model = draw(keras.Model(x, layers.Add(name="sum")([backbone("left")(y), backbone("right")(y)])))
        flat, report = flatten(model)
        assert report.moved["left/conv"] == "left_conv" and report.moved["right/add"] == "right_add"
        assert same_weights(flat, model, "conv")
        assert same_weights(flat, model.get_layer("right"), "right_conv2", "conv2")
        np.testing.assert_array_equal(array(flat(images())), array(model(images())))

    def test_models_in_models_and_inputs_by_name(self):
        p, q = keras.Input((4,), name="z"), keras.Input((4,), name="a")
        inner = keras.Model([p, q], layers.Subtract(name="minus")([p, q]), name="inner")
        middle_in = keras.Input((4,))
        middle = keras.Model(middle_in, inner({"z": middle_in, "a": 2 * middle_in}), name="middle")
        x = keras.Input((4,))
        model = keras.Model(x, layers.ReLU(name="relu")(middle(x)))
        flat, report = flatten(model)
        assert report.moved["middle/inner/minus"] == "minus" and report.removed == ("middle", "middle/inner")
        np.testing.assert_array_equal(array(flat(vectors(4))), np.maximum(-vectors(4), 0))

    def test_a_frozen_model_with_one_layer_trained(self):
        model = nested()
        model.get_layer("base").trainable = False
        model.get_layer("base").get_layer("conv2").trainable = True
        flat = flatten(model).model
        assert {layer.name for layer in flat.layers if layer.trainable_weights} == {"conv2", "head"}

    def test_models_inside_wrappers_stay_and_are_named(self):
        frame = keras.Sequential([keras.Input((4,)), layers.Dense(2)], name="frame")
        x = keras.Input((5, 4))
        model = keras.Model(x, layers.TimeDistributed(frame, name="each")(x))
        new, report = flatten(model)
        assert report.kept == {"each": "TimeDistributed holds the model 'frame' and calls it itself"}
        data = np.ones((2, 5, 4), "float32")
        np.testing.assert_array_equal(array(new(data)), array(model(data)))

    def test_a_mask_goes_through(self):
        ids = keras.Input((5,))
        tail = keras.Sequential([keras.Input((5, 4)), layers.LSTM(3, name="lstm")], name="tail")
        tail.supports_masking = True
        model = keras.Model(ids, tail(layers.Embedding(6, 4, mask_zero=True)(ids)))
        data = np.array([[1, 2, 0, 0, 0], [1, 3, 1, 1, 0]])
        np.testing.assert_array_equal(array(flatten(model).model(data)), array(model(data)))

    def test_other_transforms_reach_what_was_nested(self):
        folded = fold_batchnorm(flatten(nested()).model)
        assert folded.folded == ("norm",)

    def test_no_calls_are_left_that_nobody_asked_for(self):
        kinds = [type(op).__name__ for op in flatten(nested()).model.operations]
        assert "ConvertToTensor" not in kinds

    def test_a_call_of_its_own_is_refused(self):
        class Doubled(keras.Model):
            def __call__(self, *args, **kwargs):
                return 2 * super().__call__(*args, **kwargs)

        x = keras.Input((4,))
        inner = Doubled(x, layers.Dense(3)(x), name="inner")
        y = keras.Input((4,))
        with pytest.raises(TypeError, match="__call__"):
            flatten(keras.Model(y, inner(y)))


class TestCut:
    @pytest.mark.parametrize("place", ["scale", "base", "gap", "base/add", "base/norm"])
    def test_both_halves_make_the_whole(self, place):
        model = nested()
        front, head = cut(model, outputs=place).model, cut(model, inputs=place).model
        np.testing.assert_array_equal(array(head(front(images()))), array(model(images())))

    @pytest.mark.parametrize("place", ["a", "b"])
    def test_of_a_sequential_model(self, place):
        model = chain()
        front, head = cut(model, outputs=place).model, cut(model, inputs=place).model
        np.testing.assert_array_equal(array(head(front(vectors(5)))), array(model(vectors(5))))
        assert head.input.name == place

    def test_what_is_left_and_what_is_not(self):
        front, report = cut(nested(), outputs="base")
        assert report.removed == ("gap", "head") and front.output_shape == (None, 4, 4, 4)
        head, report = cut(nested(), inputs="base/add")
        assert names(head) == ["pool", "gap", "head"] and report.added == {"add": "base/add"}
        assert report.moved == {"base/pool": "pool"}
        assert report.removed[:4] == ("photo", "scale", "base/conv", "base/norm")

    def test_a_cut_that_is_passed_by(self):
        with pytest.raises(ValueError, match=r"reads the input 'image', by a way that does not pass"):
            cut(backbone(), inputs="conv2")
        model = backbone()
        tail = cut(model, inputs=["conv2", "act"]).model
        maps = cut(model, outputs=["conv2", "act"]).model(images())
        np.testing.assert_array_equal(array(tail(maps)), array(model(images())))

    def test_tensors_and_dicts(self):
        model = backbone()
        tensor = model.get_layer("conv2").input
        piece = cut(model, tensor, {"sum": "add", "pooled": model.get_layer("pool")}).model
        result = piece(keras.Model(model.input, tensor)(images()))
        np.testing.assert_array_equal(array(result["pooled"]), array(model(images())))
        assert set(result) == {"sum", "pooled"}

    def test_calls_of_a_shared_layer(self):
        model, x = shared(), vectors(4)
        with pytest.raises(ValueError, match="inputs='fc' is called 2 times: say which, 'fc:1' to 'fc:2'"):
            cut(model, inputs="fc")
        middle = cut(model, "fc:1", "fc:2").model
        assert middle.input.name == "fc_input"
        np.testing.assert_array_equal(array(middle(model(x)["first"])), array(model(x)["second"]))

    def test_inputs_that_are_not_needed_go(self):
        half, report = cut(towers(), outputs="tower:1")
        assert [tensor.name for tensor in keras.tree.flatten(half.inputs)] == ["a"]
        assert report.removed == ("b", "difference")

    def test_inside_a_shared_model(self):
        with pytest.raises(ValueError, match=re.escape("'fc' is called 2 times, by way of a shared model")):
            cut(towers(), outputs="tower/fc")
        model = towers()
        both = cut(flatten(model).model, outputs=["fc:1", "fc:2"]).model
        data = {"a": vectors(4), "b": vectors(4, seed=1)}
        first, second = both([data["a"], data["b"]])
        np.testing.assert_array_equal(array(first - second), array(model(data)))

    def test_refused(self):
        with pytest.raises(ValueError, match="cut needs inputs, outputs or both"):
            cut(chain())
        with pytest.raises(ValueError, match="'b' is among the inputs and among the outputs"):
            cut(chain(), "b", "b")
        with pytest.raises(ValueError, match="the outputs do not need 'gap'"):
            cut(nested(), ["photo", "gap"], "scale")
        with pytest.raises(ValueError, match="is none of model 'chain'"):
            cut(chain(), outputs=backbone().output)

    def test_a_cut_in_half_precision(self):
        x = keras.Input((4,))
        y = layers.Dense(4, dtype="mixed_float16", name="half")(x)
        model = keras.Model(x, layers.Dense(2, dtype="float32", name="end")(y))
        assert cut(model, inputs="half").model.input.dtype == "float16"


OPERATIONS = {
    "insert": lambda model: insert_after(model, "act", layers.BatchNormalization()),
    "remove": lambda model: remove(model, "act"),
    "replace": lambda model: replace(model, "conv2", layers.Conv2D(4, 1)),
    "flatten": flatten,
    "cut": lambda model: cut(model, "conv", "gap"),
    "cut front": lambda model: cut(model, outputs="scale"),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_model_is_untouched(name):
    model = nested()
    before = state(model)
    new, report = OPERATIONS[name](model)
    assert state(model) == before
    assert not {id(weight) for weight in new.weights} & {id(weight) for weight in model.weights}
    assert str(report)


def test_results_save_and_load(tmp_path):
    for name, operate in OPERATIONS.items():
        new = operate(nested()).model
        new.save(tmp_path / "new.keras")
        loaded = keras.models.load_model(tmp_path / "new.keras")
        data = np.ones((2, *new.input_shape[1:]), "float32")
        np.testing.assert_array_equal(array(loaded(data)), array(new(data)), err_msg=name)


def test_a_layer_that_forgets_is_named():
    class Forgets(layers.Layer):
        def __init__(self, factor=1.0, **options):
            super().__init__(**options)
            self.cell = [lambda: factor]

        def get_config(self):
            return {"name": self.name}

        def call(self, inputs):
            return inputs * self.cell[0]()

    x = keras.Input((4,))
    model = keras.Model(
        x, layers.Dense(2, name="fc")(Forgets(3.0, name="forgets")(layers.Dense(4, name="first")(x)))
    )
    for operate in (
        lambda: insert_after(model, "fc", layers.ReLU()),
        lambda: cut(model, outputs="forgets"),
        lambda: cut(model, inputs="first"),
        lambda: flatten(model),
    ):
        with pytest.raises(ValueError, match="copy of layer 'forgets'"):
            operate()


def test_on_a_net_of_the_zoo():
    model = zoo.build("resnet8", input_shape=(16, 16, 3))
    features = cut(model, outputs=model.layers[-3].name).model
    assert features.count_params() < model.count_params()
    new = replace(model, model.layers[-1], layers.Dense(5, name="predictions")).model
    assert new.output_shape == (None, 5)
