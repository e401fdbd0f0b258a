"""A run of linear layers is one linear layer: the function that does it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import keras

from zoo.graph import Part, graphs, leads_to_its_model, rewrite, seeds_untouched
from zoo.slimming.selection import refuse_blended
from zoo.transforms.linear_runs import Run, RunFinder
from zoo.transforms.one_layer import NotOneLayer, one_layer
from zoo.transforms.penalties import penalised, tell_penalised
from zoo.transforms.stretches import as_stretches


@leads_to_its_model
class CollapsedModel(NamedTuple):
    """What `collapse_linear` returns; it unpacks: `model, collapsed, kept = collapse_linear(...)`.

    Attributes:
        model: The model with one layer for each run, for inference.
        collapsed: Name of each layer that took the place of a run, in the order of the computation -> names of the
            layers that it stands for.
        kept: Name of each layer that could not be joined with the linear layer before it -> the reason.
    """

    model: keras.Model
    collapsed: dict[str, tuple[str, ...]]
    kept: dict[str, str]


@seeds_untouched()
def collapse_linear(
    model: keras.Model, stretches: Iterable[Iterable[str]] | None = None, *, probe: Any = None
) -> CollapsedModel:
    r"""Make one layer of every run of linear layers with no activation between them.

    A run is a chain of Dense, Conv1D to Conv3D, DepthwiseConv, SeparableConv, average pooling and
    BatchNormalization (in inference); a `linear` activation, Identity and Dropout (in inference: nothing)
    may stand in it. It ends at an activation, which stays, at a branch, at a shared layer and at anything
    else. What becomes one layer, exactly:

    - Dense layers: $W = W_2 W_1$, $b = W_2 b_1 + b_2$.
    - Convolutions without padding, of sizes $k_1, k_2$, strides $s_1, s_2$ and dilations $d_1, d_2$: one of
      size $d_1 (k_1 - 1) + 1 + s_1 d_2 (k_2 - 1)$ and stride $s_1 s_2$ with
      $W[u] = \sum_{u = d_1 p + s_1 d_2 q} W_2[q]\, W_1[p]$ and $b = b_2 + \sum_q W_2[q]\, b_1$.
      So $L$ of size 3 become one of size $2L + 1$.
    - Average pooling is the convolution whose weights are all one over the number of pixels;
      BatchNormalization and a Dense layer over channels are convolutions of size 1.
    - A padded first layer: the input is padded once, by a ZeroPadding layer, and the rest is 'valid'; where
      everything behind it has size 1, the result is 'same' again. A padded layer behind one of size 1, stride
      1 and no bias.
    - Anything of the above, padded or not, followed by Flatten or global average pooling (no mask) and a Dense layer:
      one Dense layer over all pixels. Each of its outputs sees every pixel, so the borders are in its
      weights.

    The result carries the name of the last convolution or dense layer of the run and is meant for inference.
    A warning names the layers whose regularizers or constraints are gone or act on other weights now.
    Where a layer cannot be joined with those before it, the run ends there, a new one begins, and `kept` says why.
    If there is no run at all, that reason is an error. It is one of these:

    - a layer pads the output of another with zeros ('same'): affine, but different at the border from any
      convolution. The message says how to build the stack so that it collapses: pad once, then 'valid';
    - max-pooling stands in it, which is not linear: $\max(a + b) \ne \max(a) + \max(b)$;
    - average pooling with 'same' padding divides by fewer pixels at the border;
    - the sizes of the image are not known where they matter.

    Fewer layers are not always faster: a convolution of 64 to 64 channels of size 3 and one of 64 to 256 of size
    1 have a third of the weights of the one that does both. `stretches` says what to collapse; `zoo.plan_depth`
    measures what is worth it.

    Args:
        model: A Functional or built Sequential model. It is left untouched.
        stretches: Each the names of the layers of a run, or of a part of one, that are to become one layer, in
            order, `[["a", "b"]]`: all or an error. By default every run.
        probe: Inputs, as `model` takes them, on which each run and each copied layer are compared with the
            original; None draws a small batch, False compares nothing.

    Returns:
        The new model, not compiled, which agrees with `model` up to the rounding of its dtype; what was
        collapsed, and what was kept and why.

    Raises:
        TypeError: `model` is subclassed, so its computation is not a graph; or `stretches` are no stretches: a string, or
            names where `[['a', 'b']]` is expected.
        ValueError: it has no graph yet; no two linear layers meet; none that meet are one layer; `stretches` are
            none, or name layers that do not follow one another in a run or are not one layer; a `BlendedActivation` is
            left; or a copy computes something else.

    Example:
        >>> import keras
        >>> from keras import layers
        >>> from zoo.transforms import collapse_linear
        >>> stack = [layers.Conv2D(4, 3, name=f"conv{i}") for i in (1, 2, 3)]
        >>> model = keras.Sequential([keras.Input((16, 16, 3)), *stack])
        >>> short = collapse_linear(model)
        >>> [(layer.name, layer.kernel_size) for layer in short.model.layers]
        [('conv3', (7, 7))]
        >>> short.collapsed
        {'conv3': ('conv1', 'conv2', 'conv3')}
    """
    result, layers = collapsed(model, stretches, probe)
    tell_penalised("collapse_linear", layers)
    return result


def collapsed(
    model: keras.Model, stretches: Iterable[Iterable[str]] | None, probe: Any
) -> tuple[CollapsedModel, list[str]]:
    """What `collapse_linear` returns, and what it warns of."""
    refuse_blended(model)
    named = None if stretches is None else as_stretches(stretches)
    found = graphs(model)
    finder = RunFinder(found)
    collapsing = _Collapsing(finder.refused)
    runs = [(run, graph.path) for graph in found for run in finder.runs(graph)]
    if named is not None:
        for names in named:
            collapsing.exactly(runs, names, finder.ends)
    else:
        for run, path in runs:
            collapsing.visit(run, path)
    if not collapsing.collapsed:
        if collapsing.kept:
            raise ValueError(f"cannot collapse {next(iter(collapsing.kept.values()))}")
        listed = (
            "; ".join([*finder.ends, *finder.obstacles.values()][:6])
            or "it has no convolution, dense layer or average pooling"
        )
        raise ValueError(f"nothing to collapse in {model.name!r}: no two linear layers meet: {listed}.")
    new = rewrite(model, collapsing.replace, exact=True, probe=probe)
    apart = {name: reason for name, reason in finder.obstacles.items() if name in finder.apart}
    result = CollapsedModel(new, collapsing.collapsed, apart | collapsing.kept if stretches is None else {})
    return result, [*penalised(found, collapsing.replace)]


class _Collapsing:
    """What becomes of the runs: one after the other is cut where it is not one layer."""

    def __init__(self, refused: dict[str, str]):
        self.kept = refused
        self.collapsed: dict[str, tuple[str, ...]] = {}
        self.replace: dict[Any, list[Part]] = {}

    def visit(self, run: Run, path: str) -> None:
        """Replace `run`, or the pieces of it that are one layer each."""
        try:
            parts = one_layer(run)
        except NotOneLayer as obstacle:
            for piece in run.cut(obstacle.node):
                self.visit(piece, path)
            self.kept.setdefault(path + obstacle.node.operation.name, str(obstacle))
            return
        self._put(run, path, parts)

    def exactly(self, runs: list[tuple[Run, str]], names: tuple[str, ...], ends: list[str]) -> None:
        """Replace the layers `names` by one, or raise ValueError that says why not."""
        listed = ", ".join(map(repr, names))
        for run, path in runs:
            part = run.between(names, path)
            if part is None:
                continue
            if any(node.operation in self.replace for node in part.nodes):
                raise ValueError(f"stretches names a layer of {listed} twice.")
            try:
                self._put(part, path, one_layer(part))
            except NotOneLayer as obstacle:
                raise ValueError(f"the stretch {listed} is not one layer: {obstacle}") from obstacle
            return
        raise ValueError(
            f"stretches names {listed}, which do not follow one another in one run of linear layers, each called once "
            f"and the only reader of the one before it. Runs end here: {'; '.join(ends[:6]) or 'there is none'}."
        )

    def _put(self, run: Run, path: str, parts: list[Part]) -> None:
        self.replace.update((node.operation, []) for node in run.nodes[:-1])
        self.replace[run.nodes[-1].operation] = parts
        self.collapsed[path + parts[-1].layer.name] = tuple(path + n.operation.name for n in run.members)
