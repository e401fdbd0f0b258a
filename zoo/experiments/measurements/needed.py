"""Which activations a trained net needs: each alone, many at once, and what the net takes when the rest is merged."""

from collections.abc import Iterable, Sequence

import keras
import numpy as np

from zoo.experiments.measurements import Context, Row, lighter
from zoo.experiments.measurements.turns import prediction, time_ratio
from zoo.planning import plan_depth
from zoo.planning.stretches import multiplications
from zoo.probes.rows import Rows
from zoo.transforms import fold_batchnorm
from zoo.transforms.kernels import has_kernel

BATCH = 500
TIMED = 32  # images of a call that is timed
ROUNDS = 30
CHEAP = 0.01  # of accuracy


def untrained(context: Context, first: str, kept: Sequence[float], drawn: int) -> Iterable[Row]:
    """Test accuracy of the trained net with fewer and fewer activations, affine maps in their place, nothing trained.

    Rows: `untrained_accuracy` over the share of activations that is kept. Where those that are needed least go first,
    also what each is worth alone, as `alone` says. So many training images, drawn at random, choose and fit.
    """
    rows = lighter.measured(context.model, context.images, drawn)
    if first == lighter.NEEDED_LEAST:
        yield from alone(rows)
    names = lighter.in_order(rows, first, context.seed)
    for share in kept:
        net = lighter.without(context.model, lighter.gone(names, share), context.images, drawn)
        yield Row("untrained_accuracy", _accuracy(net, context), share)


def alone(rows: Rows) -> Iterable[Row]:
    """What each activation is worth alone, on training images.

    Rows, over its place from the input, of what is lost if that one alone becomes linear: `points_lost`, of accuracy, and
    `loss_cost`.
    Single rows: `first_margin`, the loss that the first one costs minus that of the dearest other; `depth_correlation`,
    Spearman's rank correlation of that loss with the place; `cheap_share`, the share of activations that cost less than a
    point of accuracy each.
    """
    losses = np.array([row["loss_change"] for row in rows])
    drops = np.array([-row["accuracy_change"] for row in rows])
    for place, (loss, drop) in enumerate(zip(losses, drops, strict=True), start=1):
        yield Row("loss_cost", float(loss), place)
        yield Row("points_lost", 100 * float(drop), place)
    yield Row("first_margin", float(losses[0] - losses[1:].max()))
    yield Row("depth_correlation", float(np.corrcoef(np.arange(len(losses)), _ranks(losses))[0, 1]))
    yield Row("cheap_share", float((drops < CHEAP).mean()))


def merged(context: Context, kept: Sequence[float], drawn: int) -> Iterable[Row]:
    """Time of the net before over the time after, both folded, the latter with the activations that are needed least gone.

    Neighbours that are linear become one layer where that multiplies less often, which is not always less time; their
    padding is put before them, so a net like that is trained on before it is used. Rows over the share of activations
    that is kept: `time_ratio`; `layers_left`, how many layers with a kernel there are; `multiplications_ratio`.
    """
    net = context.model
    rows = lighter.measured(net, context.images, drawn)
    names = lighter.in_order(rows, lighter.NEEDED_LEAST, context.seed)
    before = fold_batchnorm(net).model
    x = keras.ops.convert_to_tensor(context.images.x_test[:TIMED])
    for share in kept:
        after = fold_batchnorm(_shorter(net, lighter.gone(names, share), context, drawn)).model
        predicts = [prediction(one) for one in (before, after)]
        for predict in predicts:
            predict(x)
        yield Row("time_ratio", time_ratio(*predicts, x, ROUNDS), share)
        yield Row("layers_left", sum(map(has_kernel, after.layers)), share)
        yield Row("multiplications_ratio", multiplications(before) / multiplications(after), share)


def _shorter(net: keras.Model, names: list[str], context: Context, drawn: int) -> keras.Model:
    """The net without these activations, merged where that multiplies less often."""
    light = lighter.without(net, names, context.images, drawn)
    if not names:
        return light
    free = [{"site": name, "loss_change": 0.0} for name in names]
    try:
        plan = plan_depth(net, free, budget=multiplications(net), latency=multiplications, border="move")
    except ValueError:  # no stretch multiplies less often as one layer
        return light
    return plan.merge(light).model


def _accuracy(net: keras.Model, context: Context) -> float:
    x, y = context.images.x_test, context.images.y_test
    predict = prediction(net)
    right = 0
    for start in range(0, len(x), BATCH):
        output = predict(keras.ops.convert_to_tensor(x[start : start + BATCH]))
        right += int(
            (np.argmax(keras.ops.convert_to_numpy(output), axis=-1) == y[start : start + BATCH]).sum()
        )
    return right / len(y)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0, equal values sharing the mean of theirs."""
    from scipy import stats

    return stats.rankdata(values) - 1
