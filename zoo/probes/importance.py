"""What each activation of a trained model is worth: loss and accuracy with that one made linear."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, get_args

import keras
import numpy as np
from keras import ops

from zoo.activations import classifier_names, families, label, tell_unseen, unseen
from zoo.batches import input_arrays, read_batches, read_labelled, refuse_targets, sample_count
from zoo.graph import graphs, seeds_untouched
from zoo.probes.rows import Rows
from zoo.slimming.execution import Execution, without_gradients
from zoo.slimming.linear_fit import AffineMap, check_finite
from zoo.slimming.neighbours import meeting
from zoo.slimming.selection import choose
from zoo.transforms.fold import plan

Fit = Literal["affine", "identity"]
FITS = get_args(Fit)


@seeds_untouched()
def activation_importance(
    model: keras.Model,
    x: Any,
    y: Any = None,
    *,
    fit: Fit = "affine",
    metric: Any = "accuracy",
    loss: Any = None,
    sites: Any = None,
    include_classifier: bool = False,
    batch_size: int | None = None,
    batches: int | None = None,
    progress: bool | None = None,
) -> Rows:
    r"""What the model loses if one activation is made linear and everything else stays, site by site.

    At a site $a = f(z)$ becomes $a = s_c z + t_c$ in channel $c$: with `fit="affine"` the map with the least
    squared error on `x` over samples and pixels,

    $$s_c = \operatorname{Cov}(z_c, a_c) / \operatorname{Var}(z_c), \qquad
    t_c = \bar a_c - s_c \bar z_c,$$

    a constant where $z_c$ never varies; with `fit="identity"` $s_c = 1$ and $t_c = 0$. A site that is called
    several times has one map. Nothing is trained: `zoo.transforms.drop_activations` makes the model that is
    measured here.

    One pass over `x` fits all maps. A second one computes, batch by batch, the model as it is, and from each
    site the calls after it once more; so half of the work of as many evaluations, on average. Memory is
    bounded by `batch_size`: at most the tensors of two runs are alive. The batches of a stream are read once and
    kept, so that both passes see the same.

    Args:
        model: A Functional or built Sequential model with one output. It is left untouched.
        x: Inputs, as `model.predict` takes arrays: one array, or a list or dict of them. Or a `tf.data` Dataset, a
            PyDataset, a loader or a generator of batches `(x, y)`; then `y` is left out, and sample weights do not
            count.
        y: Targets: classes as integers of shape `(samples,)` or `(samples, 1)`, one row of `(samples,
            classes)` each, or what `loss` and `metric` take.
        fit: "affine" or "identity".
        metric: "accuracy": the share of samples whose largest output is that of `y`; where the model has one
            output, whose output is on the same side of the threshold, one half for a sigmoid, else 0. Or a
            name, function or `keras.metrics.Metric`.
        loss: Name, function or `keras.losses.Loss`. By default the cross-entropy, of probabilities where the
            model ends in softmax or sigmoid, else of logits.
        sites: Names of the sites to look at; by default all but the classifier.
        include_classifier: Look at the classifier too.
        batch_size: Samples of arrays computed at a time; by default that of the model if fixed, else 32. A stream
            has batches of its own.
        batches: Number of batches to read; all by default. Required where `x` may have no end.
        progress: Whether to show a progress bar; by default where the output is a terminal.

    Returns:
        One row per site, in the order of the computation, with

        - `site`, `activation`, `built_in`: as `activation_stats` has them
        - `loss`, `accuracy` (or the name of the metric): with that site linear; numbers without unit
        - `loss_change`, `accuracy_change`: those minus the ones of the model as it is
        - `unexplained`: of the variance of $a$ within channels, the share that no affine map explains, from 0
          to 1
        - `merges`: names of the layers with a kernel that would stand in one linear stretch without it

        and `rows.unseen`: name of each place that may hold an activation nobody sees -> the reason, also in a
        warning; empty where `sites` are named.

    Raises:
        TypeError: `model` is subclassed, so its computation is not a graph.
        ValueError: an unknown `fit`, a site that does not exist or is the classifier, arrays that do not fit
            the model, a stream without targets or with less than `batches`, labels that do not fit the output,
            several outputs, blended activations, masks, or a
            site that is called on tensors of different widths.

    Reference:
        Dror et al. 2021, "Layer Folding", arXiv 2106.09309, asks the same question by training.

    Example:
        >>> import keras, numpy as np
        >>> from keras import layers
        >>> from zoo.probes import activation_importance
        >>> fc = layers.Dense(4, activation="relu", name="fc")
        >>> top = layers.Dense(2, activation="softmax", name="top")
        >>> model = keras.Sequential([keras.Input((3,)), fc, top])
        >>> x = np.random.default_rng(0).normal(size=(8, 3))
        >>> y = np.arange(8) % 2
        >>> row, = activation_importance(model, x, y)
        >>> row["site"], row["merges"], 0 < row["unexplained"] < 1
        ('fc', ('fc', 'top'), True)
    """
    if fit not in FITS:
        raise ValueError(f"fit must be one of {', '.join(map(repr, FITS))}; received {fit!r}.")
    chosen = choose(
        model, sites, include_classifier=include_classifier, argument="sites", all_by_default=True
    )
    hidden = unseen(model) if sites is None else {}
    if hidden:
        tell_unseen("activation_importance", model)
    if len(keras.tree.flatten(model.outputs)) != 1:
        raise ValueError(
            f"activation_importance takes a model with one output; {model.name!r} has {len(model.outputs)}. Cut out "
            f"the one to look at: keras.Model(model.inputs, model.outputs[i])."
        )
    data, targets, samples = _read(model, x, y, batch_size, batches)
    score = _Scoring(model, targets, samples, loss, metric)
    if not chosen:
        return Rows(unseen=hidden)
    # Normalisation that is part of a convolution is a pass over memory saved in every run.
    execution = Execution(model, [site.name for site in chosen], plan(graphs(model)).replacements())
    with without_gradients(), _progress(progress, 2 * len(data), model.name) as advance:
        moments = execution.measure(data, advance)
        best = [m.best() for m in moments]
        if fit == "affine":
            for site, map_ in zip(chosen, best, strict=True):
                check_finite(site.name, map_, "x")
        put = best if fit == "affine" else [AffineMap.identity(len(m.scale)) for m in best]
        whole, without = score.tally(), [score.tally() for _ in chosen]
        # What one run leaves behind, such as the state of a loop or the next seed, is not for the others.
        run = _each_from_the_start if execution.rewind() else _from_the_cut_on
        run(execution, score.pairs(data), put, whole, without, advance)
    base, merges = whole.result(), meeting(model)
    rows = Rows(unseen=hidden)
    for site, moment, tally in zip(chosen, moments, without, strict=True):
        found = tally.result()
        row = {"site": site.name, "activation": label(site.function), "built_in": site.built_in, **found}
        row |= {f"{key}_change": value - base[key] for key, value in found.items()}
        rows.append(row | {"unexplained": moment.unexplained(), "merges": merges[site.name]})
    return rows


def _from_the_cut_on(
    execution: Execution,
    pairs: Iterable[tuple[list[Any], np.ndarray]],
    put: list[AffineMap],
    whole: _Tally,
    without: list[_Tally],
    advance: Callable[[], None],
) -> None:
    """What comes before a site is computed once for all sites."""
    for batch, wanted in pairs:
        values, seen = execution.start(batch), set()
        for position, cut in enumerate(execution.cuts):
            first = cut.site not in seen
            seen.add(cut.site)
            values, before = execution.advance(values, position, look=first)
            if first:
                changed = values | {cut.writes: put[cut.site].on(before, cut.axis)}
                (output,) = execution.finish(changed, position + 1, cut.site, put[cut.site])
                without[cut.site].add(wanted, output)
        (output,) = execution.finish(values, len(execution.cuts))
        whole.add(wanted, output)
        advance()


def _each_from_the_start(
    execution: Execution,
    pairs: Iterable[tuple[list[Any], np.ndarray]],
    put: list[AffineMap],
    whole: _Tally,
    without: list[_Tally],
    advance: Callable[[], None],
) -> None:
    """The model as it is, and once more for each site, batch after batch from the state that it was given in."""
    pairs = list(pairs)
    for batch, wanted in pairs:
        (output,) = execution.finish(execution.start(batch), 0)
        whole.add(wanted, output)
        advance()
    for site, tally in enumerate(without):
        execution.rewind()
        for batch, wanted in pairs:
            (output,) = execution.finish(execution.start(batch), 0, site, put[site])
            tally.add(wanted, output)


def _read(
    model: keras.Model, x: Any, y: Any, batch_size: int | None, batches: int | None
) -> tuple[list[list[Any]], Any, int]:
    """Batches of input arrays, the targets of all samples that were given, and how many these are."""
    refuse_targets(x, y)
    if y is not None:
        data = [arrays for arrays, _ in read_batches(model, x, batch_size=batch_size, batches=batches)]
        return data, y, sample_count(input_arrays(model, x, None))
    pairs = list(read_labelled(model, x, batch_size=batch_size, batches=batches))
    targets = [np.asarray(target) for _, target in pairs]
    for (arrays, _), target in zip(pairs, targets, strict=True):
        if not target.ndim or len(target) != sample_count(arrays) or target.shape[1:] != targets[0].shape[1:]:
            raise ValueError(
                f"x, a {type(x).__name__}, must yield one target for each of its samples, in batches of one kind; received "
                f"targets of shape {target.shape} for {sample_count(arrays)} samples."
            )
    return [arrays for arrays, _ in pairs], np.concatenate(targets), sum(map(len, targets))


class _Scoring:
    """Loss and metric for the targets that were given, which have to fit the output of the model."""

    def __init__(self, model: keras.Model, y: Any, samples: int, loss: Any, metric: Any):
        (output,) = keras.tree.flatten(model.outputs)
        self.targets = np.asarray(y)
        if not self.targets.ndim or len(self.targets) != samples:
            raise ValueError(
                f"y must have one target for each of the {samples} samples of x; received shape {self.targets.shape}."
            )
        self.classes = output.shape[-1]
        self.sparse = False
        self.threshold = 0.0
        named = metric == "accuracy" if isinstance(metric, str) else False
        if loss is None or named:
            self._read_labels(output)
        ends = classifier_functions(model)
        self.threshold = 0.5 if "sigmoid" in ends else 0.0
        if loss is None and "log_softmax" in ends:
            raise ValueError("loss must be given for a model that ends in log_softmax, such as loss=my_nll.")
        self.loss = (
            self._cross_entropy(bool(ends & {"softmax", "sigmoid"}))
            if loss is None
            else keras.losses.get(loss)
        )
        self.metric: Any
        self.metric, self.name = (self._accuracy, "accuracy") if named else _metric(metric)

    def _read_labels(self, output: Any) -> None:
        y, classes = self.targets, self.classes
        if len(output.shape) != 2:
            raise ValueError(
                f"y is read as classes, one for each sample, but the output has the shape {output.shape}: pass loss= "
                f"and metric= that take such targets."
            )
        if y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        counts = np.issubdtype(y.dtype, np.integer) or y.dtype == bool
        whole = counts or (np.issubdtype(y.dtype, np.floating) and (y == np.round(y)).all())
        most = max(classes, 2)
        if y.ndim == 1 and whole and y.min() >= 0 and y.max() < most:
            self.sparse, self.targets = True, y.astype("int64")
        elif y.ndim == 2 and y.shape[1] == classes and classes > 1 and np.issubdtype(y.dtype, np.number):
            self.targets = y.astype("float32")
        else:
            span = (
                f" with values from {y.min()} to {y.max()}"
                if y.size and np.issubdtype(y.dtype, np.number)
                else ""
            )
            raise ValueError(
                f"y does not fit the output, which has {classes} classes: expected integers from 0 to {most - 1}, one "
                f"for each sample, or rows of {classes} numbers; received shape {self.targets.shape}{span}. For "
                f"other targets pass loss= and metric=."
            )

    def _cross_entropy(self, probabilities: bool) -> Callable[[Any, Any], Any]:
        if self.classes == 1:
            function = keras.losses.binary_crossentropy
        elif self.sparse:
            function = keras.losses.sparse_categorical_crossentropy
        else:
            function = keras.losses.categorical_crossentropy

        def loss(targets: Any, output: Any) -> Any:
            targets = ops.reshape(targets, (-1, 1)) if self.classes == 1 else targets
            return function(targets, output, from_logits=not probabilities)

        return loss

    def _accuracy(self, targets: Any, output: Any) -> Any:
        if self.classes == 1:
            right = ops.cast(output[:, 0] > self.threshold, "int32") == ops.cast(targets, "int32")
        else:
            wanted = targets if self.sparse else ops.argmax(targets, axis=-1)
            right = ops.cast(ops.argmax(output, axis=-1), "int32") == ops.cast(wanted, "int32")
        return ops.cast(right, "float32")

    def pairs(self, data: list[list[Any]]) -> Iterator[tuple[list[Any], np.ndarray]]:
        """The batches of `data` with their targets."""
        start = 0
        for batch in data:
            size = sample_count(batch)
            yield batch, self.targets[start : start + size]
            start += size

    def tally(self) -> _Tally:
        """Sums to be filled batch by batch."""
        metric: Any = self.metric
        if isinstance(metric, keras.metrics.Metric):
            metric = type(metric).from_config(metric.get_config())
        return _Tally(self.loss, metric, self.name)


class _Tally:
    def __init__(self, loss: Any, metric: Any, name: str):
        self.loss, self.metric, self.name = loss, metric, name
        self.count, self.losses, self.metrics = 0, 0.0, 0.0

    def add(self, targets: np.ndarray, output: Any) -> None:
        output, count = ops.cast(output, "float32"), len(targets)
        wanted = ops.convert_to_tensor(targets)
        self.count += count
        self.losses += count * _mean(self.loss(wanted, output))
        if isinstance(self.metric, keras.metrics.Metric):
            self.metric.update_state(wanted, output)
        else:
            self.metrics += count * _mean(self.metric(wanted, output))

    def result(self) -> dict[str, float]:
        stateful = isinstance(self.metric, keras.metrics.Metric)
        value = _mean(self.metric.result()) if stateful else self.metrics / self.count
        return {"loss": self.losses / self.count, self.name: value}


def classifier_functions(model: keras.Model) -> set[str]:
    """The names of the functions with which `model` turns scores into what it returns: softmax, sigmoid or none."""
    present = choose(model, None, include_classifier=True, argument="sites", all_by_default=True)
    names = classifier_names(model, present)
    return {family for site in present if site.name in names for family in families(site.function)}


def _metric(metric: Any) -> tuple[Any, str]:
    found = keras.metrics.get(metric)
    if not callable(found):
        raise ValueError(f"metric must be a name, a function or a keras.metrics.Metric, received {metric!r}.")
    name = str(getattr(found, "name", None) or getattr(found, "__name__", type(found).__name__))
    return found, "metric" if name == "loss" else name


def _mean(values: Any) -> float:
    return float(np.asarray(ops.convert_to_numpy(values), "float64").mean())


@contextlib.contextmanager
def _progress(shown: bool | None, steps: int, name: str) -> Iterator[Callable[[], None]]:
    if not (sys.stderr.isatty() if shown is None else shown):
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(f"importance of {name}", total=steps)
        yield lambda: bar.advance(task)
