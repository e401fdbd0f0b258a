"""Whether this processor trains a net faster in mixed bfloat16: measured on the net's own layers, or why not."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from zoo.activations import sites
from zoo.graph import Graph, copy_layer, flatten_layers, graphs, seeds_untouched
from zoo.slimming.neighbours import JOINING
from zoo.slimming.work import kind_of, multiplications
from zoo.values import as_integer

POLICY = "mixed_bfloat16"
# Without one of these a processor computes bfloat16 by way of float32, and gains nothing.
INSTRUCTIONS = ("avx512_bf16", "amx_bf16")
CPU_INFO = Path("/proc/cpuinfo")
# A smaller gain is not worth numbers of eight bits, nor told from the mood of a machine.
WORTH = 1.1
# A net of stages has as many kinds of layers that matter.
KINDS = 4
# Beyond this many multiplications the batch is cut: a step of some ten milliseconds says as much as a longer one.
MULTIPLICATIONS = 3e8
PAIRS, SECONDS = 5, 0.25
# Of a net's weights, how many have to be in layers that can be measured by themselves.
SEEN = 0.5

Step = Callable[[], Any]
_known: dict[str, tuple[float, float]] = {}


class Gain(NamedTuple):
    """What `bfloat16_gain` returns.

    Attributes:
        speedup: Time in float32 over time in mixed bfloat16, without unit; None where it was not measured.
        reason: A sentence: what was measured, or why nothing was.
    """

    speedup: float | None
    reason: str

    @property
    def proposed(self) -> bool:
        """Whether the gain is worth it."""
        return self.speedup is not None and self.speedup >= WORTH


@seeds_untouched()
def bfloat16_gain(model: keras.Model, batch_size: int = 32) -> Gain:
    r"""How many times faster this processor trains `model` in mixed bfloat16 than in float32.

    Not the model itself is timed, which would take as long as tracing it twice, but its heaviest kinds of layers: a
    convolution or dense layer with the normalisation and activation after it, on inputs of its own size, forward and
    backward. Both precisions take turns, pair by pair. With $n_k$ layers of kind $k$, $t_k$ the median time of one
    in float32 and $r_k$ the median, over pairs, of its time in float32 over that in bfloat16,

    $$r = \frac{\sum_k n_k t_k}{\sum_k n_k t_k / r_k}.$$

    Left out are additions, pooling, the optimiser and the input pipeline, so a whole step gains less where those
    matter. What was measured for one kind is remembered in this process. Nothing of `model` changes, and no random
    number is used up.

    Args:
        model: A Keras model, compiled or not.
        batch_size: Samples in a step, an integer above 0; of large layers fewer are taken.

    Returns:
        The ratio and a sentence, or None and the reason why nothing was measured.

    Raises:
        TypeError: `batch_size` is no integer.
        ValueError: `batch_size` is less than 1.

    Example:
        >>> import keras
        >>> from zoo.precision import bfloat16_gain
        >>> net = keras.Sequential(
        ...     [keras.Input((4,)), keras.layers.Dense(2, dtype="float64")]
        ... )
        >>> bfloat16_gain(net).speedup is None
        True
    """
    batch_size = as_integer("batch_size", batch_size)
    kinds: list[_Kind] = []
    reason = _machine() or _policy(model)
    if reason is None:
        kinds, reason = _heaviest(model)
    if reason is not None:
        return Gain(None, reason)
    before = after = 0.0
    for kind in kinds:
        seconds, ratio = _measured(kind, batch_size)
        before += kind.count * seconds
        after += kind.count * seconds / ratio
    return Gain(before / after, _sentence(before / after, len(kinds), model.compiled))


def _sentence(speedup: float, kinds: int, compiled: bool) -> str:
    layers = (
        "its heaviest kind of layer trains" if kinds == 1 else f"its {kinds} heaviest kinds of layers train"
    )
    said = f"measured: on this processor {layers} {speedup:.2f} times as fast in {POLICY} as in float32"
    if speedup < WORTH:
        return f"{said}; less than {WORTH} is not worth numbers of eight bits"
    again = ", and compile it anew" if compiled else ""
    return (
        f"{said}. This model stays as it is: call keras.config.set_dtype_policy({POLICY!r}) and build it again{again}. "
        "Compare the accuracy: bfloat16 keeps eight bits of a number"
    )


def _machine() -> str | None:
    """Why there is nothing to measure on this machine and backend."""
    backend = keras.backend.backend()
    if backend != "tensorflow":
        return f"not measured on {backend}: only TensorFlow's kernels are timed here"
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return "not measured on an accelerator: see what its maker says of bfloat16"
    flags = processor_flags()
    if flags is None:
        return f"not measured: {CPU_INFO} does not say what this processor can do"
    if not flags.intersection(INSTRUCTIONS):
        return f"not measured: this processor has neither {' nor '.join(INSTRUCTIONS)}, so bfloat16 gains nothing on it"
    return None


def processor_flags() -> frozenset[str] | None:
    """The instructions that the processor says it has; None where it cannot be asked.

    Example:
        >>> from zoo.precision import processor_flags
        >>> flags = processor_flags()
        >>> flags is None or "sse2" in flags
        True
    """
    try:
        lines = CPU_INFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    listed = (line.partition(":")[2].split() for line in lines if line.partition(":")[0].strip() == "flags")
    return next(map(frozenset, listed), None)


def _policy(model: keras.Model) -> str | None:
    """Why the policy of the model leaves nothing to propose."""
    layers = [
        layer for layer in flatten_layers(model) if layer.weights and not isinstance(layer, keras.Model)
    ]
    policies = {layer.name: layer.dtype_policy.name for layer in layers}
    others = {name: policy for name, policy in policies.items() if policy != "float32"}
    if not others:
        if model.dtype_policy.name == POLICY:
            return (
                f"not measured: the model was made under {POLICY}, but all of its layers are fixed to float32"
            )
        return None
    if set(others.values()) <= {POLICY, "bfloat16"}:
        fixed = [name for name in policies if name not in others]
        but = f", except {', '.join(map(repr, fixed[:3]))}, fixed to float32" if fixed else ""
        return f"not measured: the model computes in bfloat16 already{but}"
    name, policy = next((n, p) for n, p in others.items() if p not in (POLICY, "bfloat16"))
    made = "made and compiled" if model.compiled else "made"
    return f"not measured: {name!r} is {made} in {policy}, and only float32 is compared with bfloat16"


@dataclass
class _Kind:
    """Layers one after the other that occur `count` times in a model, alike but for names and weights."""

    layers: list[Any]
    shape: tuple[int, ...]
    multiplications: int
    key: str
    count: int = 0


def _heaviest(model: keras.Model) -> tuple[list[_Kind], str | None]:
    """The kinds that multiply most; or none, and why."""
    try:
        found = graphs(model)
    except TypeError:
        return [], "not measured: the model is subclassed, so the sizes that its layers see are not known"
    activations = {id(site.operation) for site in sites(model)}
    kinds: dict[str, _Kind] = {}
    seen: dict[int, int] = {}
    for graph in found:
        for node in graph.nodes:
            if not isinstance(node.operation, JOINING) or len(node.input_tensors) != 1:
                continue
            shape = tuple(node.input_tensors[0].shape[1:])
            if None in shape:
                continue
            layers = [node.operation, *_after(graph, node, activations)]
            key = f"{shape} {kind_of(layers)}"
            work = multiplications(node.operation, shape, tuple(node.outputs[0].shape[1:]))
            kinds.setdefault(key, _Kind(layers, shape, work, key)).count += 1
            seen[id(node.operation)] = node.operation.count_params()
    share = sum(seen.values()) / max(model.count_params(), 1)
    if share < SEEN:
        return [], (
            f"not measured: convolutions and dense layers of known size hold {100 * share:.0f} % of the weights, too few to "
            "judge the whole by"
        )
    ordered = sorted(kinds.values(), key=lambda kind: kind.count * kind.multiplications, reverse=True)
    return ordered[:KINDS], None


def _after(graph: Graph, node: Any, activations: set[int]) -> list[Any]:
    """Normalisation and activation that read what a layer computes, and nothing else does."""
    found: list[Any] = []
    while len(readers := graph.readers(node.outputs[0])) == 1:
        (node,) = readers
        operation = node.operation
        separate = id(operation) in activations and not isinstance(operation, JOINING)
        if (
            not (separate or isinstance(operation, keras.layers.BatchNormalization))
            or len(node.input_tensors) > 1
        ):
            break
        if not isinstance(operation, keras.layers.Layer):
            break
        found.append(operation)
    return found


def _measured(kind: _Kind, batch_size: int) -> tuple[float, float]:
    """Median seconds of a step in float32, and the median ratio."""
    batch = int(max(1, min(batch_size, MULTIPLICATIONS // max(kind.multiplications, 1))))
    key = f"{batch} {kind.key}"
    if key not in _known:
        steps = [_step(kind, batch, policy) for policy in ("float32", POLICY)]
        pairs = timed_in_turn(*steps)
        ratio = statistics.median(one / other for one, other in pairs)
        _known[key] = statistics.median(one for one, _ in pairs), ratio
    return _known[key]


def timed_in_turn(one: Step, other: Step) -> list[tuple[float, float]]:
    """Seconds of both, pair by pair, so that what else the machine does falls on both alike.

    Args:
        one: Called without arguments.
        other: The same.
    """
    for step in (one, other, one, other):  # compiled at the first call
        step()
    pairs: list[tuple[float, float]] = []
    stop = time.perf_counter() + SECONDS
    while len(pairs) < PAIRS or time.perf_counter() < stop:
        times = []
        for step in (one, other):
            began = time.perf_counter()
            step()
            times.append(time.perf_counter() - began)
        pairs.append((times[0], times[1]))
    return pairs


def _step(kind: _Kind, batch: int, policy: str) -> Step:
    """Forward and backward through copies of the layers, in that policy."""
    import tensorflow as tf

    computes = keras.DTypePolicy(policy).compute_dtype
    copies = [copy_layer(layer, dtype=policy) for layer in kind.layers]
    net = keras.Sequential([keras.Input(kind.shape, dtype=computes), *copies], name="measured")
    rng = np.random.default_rng(0)
    x, upstream = (
        tf.cast(rng.normal(size=(batch, *shape)), computes) for shape in (kind.shape, net.output_shape[1:])
    )

    @tf.function
    def both_ways(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = net(x, training=True)
        return tape.gradient(y, [x, *net.trainable_variables], tf.cast(upstream, y.dtype))

    return lambda: both_ways(x)[0].numpy()  # waits for the result
