"""What a built Functional graph does, read from its operations and edges; layer names are never looked at."""

import keras
from keras import layers


def operations(model):
    """The operations of a model, inputs before outputs; each is called once."""
    for op in model.operations:
        assert len(op._inbound_nodes) == 1, f"{op} is called {len(op._inbound_nodes)} times"
    return model.operations


def inputs(op):
    """The operations whose outputs an operation reads, in order."""
    return [tensor._keras_history.operation for tensor in op._inbound_nodes[0].input_tensors]


def word(op):
    """An operation in one word: what it computes, its kernel and its stride."""
    if isinstance(op, layers.DepthwiseConv2D):
        return f"depthwise{op.kernel_size[0]}{_stride(op)}"
    if isinstance(op, layers.SeparableConv2D):
        return f"separable{op.kernel_size[0]}"
    if isinstance(op, layers.Conv2D):
        return f"conv{op.kernel_size[0]}{_stride(op)}{_built_in(op)}"
    if isinstance(op, layers.Dense):
        return f"dense{_built_in(op)}"
    if isinstance(op, (layers.BatchNormalization, layers.LayerNormalization)):
        return "norm"
    if isinstance(op, layers.Activation):
        return "softmax" if op.activation is keras.activations.softmax else "act"
    if isinstance(op, (layers.ReLU, layers.PReLU, layers.LeakyReLU)):
        return "act"
    if isinstance(op, layers.MaxPooling2D):
        return f"subsample{_stride(op)}" if op.pool_size == (1, 1) else f"max{op.pool_size[0]}{_stride(op)}"
    if isinstance(op, layers.Rescaling):
        return f"times({op.scale:g})" if not op.offset else f"times({op.scale:g})plus({op.offset:g})"
    if isinstance(op, layers.Dropout):
        return f"dropout({op.rate:g})"
    return {
        "InputLayer": "image",
        "ZeroPadding2D": "zeros" if _pads_channels(op) else "pad",
        "Add": "add",
        "Concatenate": "concat",
        "EinsumDense": "scale",
        "Multiply": "mul",
        "AveragePooling2D": "average2/2",
        "GlobalAveragePooling2D": "mean",
        "GlobalMaxPooling2D": "maximum",
        "Flatten": "flatten",
    }[type(op).__name__]


def _pads_channels(op):
    """A shortcut without weights pads the channels: a padding layer told the other data format."""
    return isinstance(op, layers.ZeroPadding2D) and op.data_format != keras.config.image_data_format()


def _stride(op):
    assert op.strides[0] == op.strides[1]
    return f"/{op.strides[0]}" if op.strides[0] > 1 else ""


def _built_in(op):
    function = op.activation
    if function is keras.activations.linear:
        return ""
    return {"sigmoid": "+sigmoid", "softmax": "+softmax"}.get(function.__name__, "+act")


def words(ops):
    return " ".join(map(word, ops))


def back(op):
    """From an operation against the edges, up to one that joins several, or the image."""
    path = [op]
    while len(inputs(path[-1])) == 1:
        path += inputs(path[-1])
    return path


def chain(model):
    """All operations of a net without branches, in order."""
    path = back(model.outputs[0]._keras_history.operation)
    assert word(path[-1]) == "image"
    assert len(path) == len(operations(model))
    return words(reversed(path[:-1]))


def additions(model):
    return [op for op in operations(model) if isinstance(op, layers.Add)]


def residual_units(model):
    """For each addition: the operations both of its paths share, those of the shortcut, those of the branch.

    What two paths share starts behind the addition before, or the image: it holds what follows that addition.
    """
    for add in additions(model):
        shortcut, branch = (back(op) for op in inputs(add))
        split = next(op for op in shortcut if op in branch)
        at = shortcut.index(split)
        yield tuple(
            words(reversed(ops)) for ops in (shortcut[at:-1], shortcut[:at], branch[: branch.index(split)])
        )


def after_last_addition(model):
    """From the last addition to the output."""
    path = back(model.outputs[0]._keras_history.operation)
    assert word(path[-1]) == "add"
    return words(reversed(path[:-1]))


def formula(op, x):
    """What an operation computes of `x`, an operation before it, as one expression."""
    if op is x:
        return "x"
    return f"{word(op)}({', '.join(formula(i, x) for i in inputs(op))})"


def signature(model):
    """The graph without names: equal signatures are equal graphs, with the same weights the same function."""
    # Numbered by a walk from the output, so that the order in which layers were made plays no part.
    number, rows, stack = {}, [], [model.outputs[0]._keras_history.operation]
    while stack:
        op = stack[-1]
        waiting = [i for i in inputs(op) if id(i) not in number]
        if waiting:
            stack += reversed(waiting)
            continue
        stack.pop()
        if id(op) not in number:
            number[id(op)] = len(number)
            rows.append((word(op), _details(op), tuple(number[id(i)] for i in inputs(op))))
    return rows


def _details(op):
    if isinstance(op, layers.Conv2D):
        # A 1x1 kernel never reaches over the border: 'same' and 'valid' are one there.
        padding = op.padding if op.kernel_size != (1, 1) else None
        return op.filters, op.kernel_size, op.strides, padding, op.use_bias
    if isinstance(op, layers.BatchNormalization):
        return op.momentum, op.epsilon, op.axis % 4
    if isinstance(op, layers.ZeroPadding2D):
        return op.padding
    if isinstance(op, layers.MaxPooling2D):
        return op.pool_size, op.padding
    return ()
