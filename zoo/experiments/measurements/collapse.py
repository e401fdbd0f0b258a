"""Nets without activation are one affine map: collapse them and compare."""

from collections.abc import Iterable

import numpy as np

from zoo.experiments.measurements import Context, Row


def collapsed(context: Context) -> Iterable[Row]:
    """Collapse the trained model into one layer and compare both on the test images.

    Rows: `collapsed_accuracy`; `same_predictions`, the share of test images that both put into the same
    class; `collapse_error`, the largest difference of a logit relative to the largest logit;
    `parameters_after`.
    """
    from zoo.transforms import collapse_linear

    images, labels = context.images.x_test, context.images.y_test
    small = collapse_linear(context.model).model
    before, after = (np.asarray(model.predict_on_batch(images)) for model in (context.model, small))
    yield Row("collapsed_accuracy", float((after.argmax(-1) == labels).mean()))
    yield Row("same_predictions", float((after.argmax(-1) == before.argmax(-1)).mean()))
    yield Row("collapse_error", float(np.abs(after - before).max() / np.abs(before).max()))
    yield Row("parameters_after", small.count_params())
