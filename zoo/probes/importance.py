"""What each activation of a trained model is worth: loss and accuracy with that one made linear."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, get_args

import keras
import numpy as np

from zoo.activations import label, tell_unseen, unseen
from zoo.batches import input_arrays, read_batches, read_labelled, refuse_targets, sample_count
from zoo.graph import graphs, seeds_untouched
from zoo.probes.computation import as_array, compute
from zoo.probes.rows import Rows
from zoo.probes.scoring import Scoring, Tally
from zoo.slimming.execution import Execution, without_gradients
from zoo.slimming.linear_fit import AffineMap, check_channels, check_finite
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
            classes)` each, or what `loss` and `metric` take. A row has a share for each class, in sum 1; where the
            model ends in a sigmoid, yes or no (1 or 0) for each, and several may be right.
        fit: "affine" or "identity".
        metric: "accuracy": the share of samples whose largest output is that of `y`; where the model has one output, or
            rows of yes and no, the share of outputs on the right side of the threshold, one half for a sigmoid, else
            0. Or a name, function or `keras.metrics.Metric`.
        loss: Name, function or `keras.losses.Loss`, computed as `fit` computes it; one with `reduction="sum"` is the sum
            over all samples. By default the cross-entropy, of probabilities where the model ends in softmax or sigmoid,
            or what it gives for the first batch lies between 0 and 1 and sums to 1, else of logits; the binary one for one
            output and for yes and no.
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
        TypeError: `model` is subclassed, so its computation is not a graph; `sites` are no names; `batch_size` or
            `batches` is no integer.
        ValueError: an unknown `fit`, a site that does not exist or is the classifier, arrays that do not fit
            the model, a stream without targets or with less than `batches`, labels that do not fit the output, outputs
            that may be probabilities or scores, a metric that cannot be copied, several outputs, blended activations,
            a mask that goes through a site or to the output, or a site that is called on tensors of different widths,
            in one batch or in two.

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
    score = Scoring(model, targets, samples, loss, metric, lambda: _outputs(model, data[0]))
    if not chosen:
        return Rows(unseen=hidden)
    # Normalisation that is part of a convolution is a pass over memory saved in every run.
    execution = Execution(model, [site.name for site in chosen], plan(graphs(model)).replacements())
    execution.refuse_masked_outputs()
    with without_gradients(), _progress(progress, 2 * len(data), model.name) as advance:
        moments = execution.measure(data, advance)
        best = [m.best() for m in moments]
        for site, map_ in zip(chosen, best, strict=True):
            if fit == "affine":
                check_finite(site.name, map_, "x")
            else:
                check_channels(site.name, map_)
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


def _outputs(model: keras.Model, arrays: list[Any]) -> np.ndarray:
    """The output of `model` for one batch."""
    with without_gradients(), keras.StatelessScope():
        (output,) = compute(model, arrays)
    return as_array(output)


def _from_the_cut_on(
    execution: Execution,
    pairs: Iterable[tuple[list[Any], np.ndarray]],
    put: list[AffineMap],
    whole: Tally,
    without: list[Tally],
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
    whole: Tally,
    without: list[Tally],
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
