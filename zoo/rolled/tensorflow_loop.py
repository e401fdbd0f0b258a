"""The loop over units on TensorFlow: two while-loops, forward and backward, with a gradient of our own.

TensorFlow can differentiate a while-loop by itself. It then keeps every intermediate tensor, and adds the
gradient of a slice of the stacked weights as a full stack of zeros in every iteration, a cost quadratic in
depth. Here the forward loop keeps a chosen few tensors, the backward loop recomputes the rest from them,
and each iteration writes its slice of the weights' gradient. Reading slice i of a stack copies nothing.
`zoo.rolled.loop.Loop` says what each function does.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

# Their gradient needs no value of their inputs, so nothing is kept or recomputed for them.
LINEAR = (keras.layers.Add, keras.layers.Rescaling, keras.layers.Identity)


def read(stack):
    """`Loop.read`."""
    return tf.convert_to_tensor(stack.value)


def infer(unit, x, weights, states):
    """`Loop.infer`."""
    count = weights[0].shape[0]

    def body(i, x):
        y, _ = unit(x, _slices(weights, i, 1), _slices(states, i, 1), training=False)
        return i + 1, _shaped(y, x.shape)

    return _loop(lambda i, _: i < count, body, (0, x), count)[1]


def train(unit, x, weights, states, *, units_per_iteration, remat):
    """`Loop.train`."""
    size = units_per_iteration
    turns = weights[0].shape[0] // size
    steps, dtypes, output = unit.steps(size)
    segments = [steps] if remat else _segments(steps)
    reads, writes = _borders(segments, output)
    kept = sorted({number for numbers in reads for number in numbers})
    shapes: dict[int, Any] = {}

    @tf.custom_gradient
    def run(x, *stacks):
        weights_, states_ = stacks[: len(weights)], stacks[len(weights) :]

        def forward(i, x, kept_arrays, state_arrays):
            tensors = {0: x}
            after = unit.run(steps, tensors, _slices(weights_, i, size), _slices(states_, i, size), True)
            shapes.update((number, tensors[number].shape) for number in kept)
            kept_arrays = [a.write(i, tensors[n]) for a, n in zip(kept_arrays, kept, strict=True)]
            return i + 1, _shaped(tensors[output], x.shape), kept_arrays, _write(state_arrays, i, after)

        start = (0, x, [tf.TensorArray(dtypes[n], turns) for n in kept], [_array(s) for s in states_])
        _, y, kept_arrays, state_arrays = _loop(lambda i, *_: i < turns, forward, start, turns)

        def gradient(dy, *_):
            def backward(i, dy, gradient_arrays):
                tensors = {n: _shaped(a.read(i), shapes[n]) for a, n in zip(kept_arrays, kept, strict=True)}
                w, s = _slices(weights_, i, size), _slices(states_, i, size)
                upstream, dw = {output: dy}, [[tf.zeros_like(v) for v in values] for values in w]
                for segment, inputs, outputs in reversed(list(zip(segments, reads, writes, strict=True))):
                    _backpropagate(unit, segment, inputs, outputs, tensors, w, s, upstream, dw)
                return i - 1, _shaped(upstream[0], dy.shape), _write(gradient_arrays, i, dw)

            start = (turns - 1, dy, [_array(w) for w in weights_])
            _, dx, gradient_arrays = _loop(lambda i, *_: i >= 0, backward, start, turns)
            return [dx, *(a.stack() for a in gradient_arrays), *(None for _ in states_)]

        return [y, *(a.stack() for a in state_arrays)], gradient

    y, *moved = run(x, *weights, *states)
    return y, moved


def _segments(steps):
    """Cut the steps behind every convolution: what lies between two cuts is cheap to run again."""
    segments: list[list[Any]] = [[]]
    for step in steps:
        segments[-1].append(step)
        if step.is_expensive:
            segments.append([])
    last = segments.pop()
    if last and segments and all(isinstance(step.node.operation, LINEAR) for step in last):
        segments[-1] += last
    elif last:
        segments.append(last)
    return segments


def _borders(segments, output):
    """The tensors that each segment reads from earlier ones and makes for later ones, by number."""
    made = [{n for step in segment for n in step.writes} for segment in segments]
    reads = [{n for step in s for n in step.reads} - m for s, m in zip(segments, made, strict=True)]
    writes = [m & ({output}.union(*reads[k + 1 :])) for k, m in enumerate(made)]
    return [sorted(r) for r in reads], [sorted(w) for w in writes]


def _backpropagate(unit, segment, inputs, outputs, tensors, weights, states, upstream, weight_gradients):
    """Carry `upstream`, gradients by tensor, from what a segment made to what it read and to its weights."""
    values = {n: tensors[n] for n in inputs}
    flat = [(u, k) for u, unit_weights in enumerate(weights) for k in range(len(unit_weights))]
    sources = [*values.values(), *(weights[u][k] for u, k in flat)]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(sources)
        unit.run(segment, values, weights, states, True)
    reached = [n for n in outputs if n in upstream]
    found = tape.gradient([values[n] for n in reached], sources, [upstream.pop(n) for n in reached])
    for number, gradient in zip(inputs, found, strict=False):
        if gradient is not None:
            upstream[number] = upstream[number] + gradient if number in upstream else gradient
    for (u, k), gradient in zip(flat, found[len(inputs) :], strict=True):
        if gradient is not None:
            weight_gradients[u][k] = gradient


def _loop(condition, body, start, turns):
    # One turn at a time: by default ten run ahead as far as they can, and what a turn of the backward loop computes
    # again depends on its number alone, so ten turns' tensors would be in memory at once.
    return tf.while_loop(condition, body, start, maximum_iterations=turns, parallel_iterations=1)


def _slices(stacks, i, size):
    return [[stack[i * size + u] for stack in stacks] for u in range(size)]


def _array(stack):
    return tf.TensorArray(stack.dtype, stack.shape[0], element_shape=stack.shape[1:])


def _write(arrays, i, of_units):
    """Write each unit's values at its place in the stacks."""
    for u, values in enumerate(of_units):
        arrays = [a.write(i * len(of_units) + u, v) for a, v in zip(arrays, values, strict=True)]
    return arrays


def _shaped(tensor, shape):
    tensor.set_shape(shape)
    return tensor
