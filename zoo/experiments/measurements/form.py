"""What a model is made of, and how long it takes beside the same net in the other form."""

from collections.abc import Iterable

import keras
from keras import ops

import zoo
from zoo.activations import sites
from zoo.experiments.measurements import Context, Row
from zoo.experiments.measurements.turns import prediction, time_ratio

ROUNDS = 100


def anatomy(context: Context) -> Iterable[Row]:
    """Layers, activation layers, parameters; on TensorFlow the operations of the traced graph; and a time.

    `time_ratio` is the processor time of a prediction of 100 images over that of the same net in the other form,
    which `zoo.transforms` makes of it, both in turns.
    """
    model = context.model
    activations = sum(not site.built_in for site in sites(model))
    yield Row("layers", len(model.layers))
    yield Row("activation_layers", activations)
    yield Row("parameters", model.count_params())
    other = (zoo.transforms.fuse_activations if activations else zoo.transforms.split_activations)(model)
    images = ops.convert_to_tensor(context.images.x_test[:100])
    predict, beside = prediction(model), prediction(other)
    for traced in (predict, beside):
        traced(images)
    if keras.backend.backend() == "tensorflow":
        yield Row("operations", len(predict.get_concrete_function(images).graph.get_operations()))
    yield Row("time_ratio", time_ratio(predict, beside, images, ROUNDS))
