"""Runs of linear layers, each the only reader of the one before it; and what ends a run, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keras import layers

from zoo.activations import is_linear
from zoo.activations.sites import TRANSPOSED
from zoo.graph import Graph, calls
from zoo.graph.channels import PADDING
from zoo.graph.nested import called_in_training, masked_tensors
from zoo.slimming.neighbours import POOLING, passes
from zoo.transforms.batchnorm import call_obstacle, is_batchnorm
from zoo.transforms.kernels import channel_axis, has_kernel, obstacle, precision_obstacle

GLOBAL_POOLING = (
    layers.GlobalAveragePooling1D,
    layers.GlobalAveragePooling2D,
    layers.GlobalAveragePooling3D,
)
MAX_POOLING = (
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.MaxPooling3D,
    layers.GlobalMaxPooling1D,
    layers.GlobalMaxPooling2D,
    layers.GlobalMaxPooling3D,
)


@dataclass(frozen=True)
class Run:
    """Consecutive nodes that compute one affine map; `members` are those with something to compute."""

    nodes: list[Any]
    members: list[Any]

    @property
    def named(self) -> Any:
        """The layer that the one layer is called after: the last with a kernel."""
        kernels = [node.operation for node in self.members if has_kernel(node.operation)]
        return kernels[-1] if kernels else self.members[-1].operation

    def cut(self, node: Any) -> list[Run]:
        """What is before the member `node` and what begins with it, where that is more than one member each."""
        place = self.members.index(node)
        pieces = []
        for members in (self.members[:place], self.members[place:] if place else self.members[1:]):
            if len(members) > 1:
                start, stop = self.nodes.index(members[0]), self.nodes.index(members[-1])
                pieces.append(Run(self.nodes[start : stop + 1], members))
        return pieces

    def between(self, names: tuple[str, ...], path: str) -> Run | None:
        """From the first to the last of the layers `names`, if they are here and leave out none between them."""
        known = [path + node.operation.name for node in self.members]
        here = {path + node.operation.name for node in self.nodes}
        wanted = [name for name in names if name in known]  # Dropout and the like may be named or not
        if len(wanted) < 2 or not set(names) <= here:
            return None
        first, last = known.index(wanted[0]), known.index(wanted[-1])
        if known[first : last + 1] != wanted:
            return None
        members = self.members[first : last + 1]
        return Run(self.nodes[self.nodes.index(members[0]) : self.nodes.index(members[-1]) + 1], members)

    @property
    def crosses_to_features(self) -> bool:
        """Whether an image becomes features on the way."""
        return any(gathers(node.operation) for node in self.nodes)


class RunFinder:
    """The runs of a model, what ended each, and what is linear and yet in none."""

    def __init__(self, found: list[Graph]):
        self.calls = calls(found)
        self.in_training = called_in_training(found)
        self.masked = masked_tensors(found)
        self.ends: list[str] = []
        self.refused: dict[str, str] = {}
        self.obstacles: dict[str, str] = {}
        self.apart: set[str] = set()

    def runs(self, graph: Graph) -> list[Run]:
        """Those of more than one member, in the order of the computation."""
        runs: list[Run] = []
        used: set[int] = set()
        for node in graph.nodes:
            if self._is_linear(node) and (reason := self._obstacle(node)) is not None:
                self.obstacles[graph.path + node.operation.name] = reason
            if id(node) in used or not self._is_member(node):
                continue
            nodes = [node]
            while (following := self._next(graph, nodes)) is not None:
                nodes.append(following)
            while not self._is_member(nodes[-1]):
                nodes.pop()
            used.update(map(id, nodes))
            members = [node for node in nodes if self._is_member(node)]
            if len(members) > 1 and not self._normalises_rows(members):
                runs.append(Run(nodes, members))
        return runs

    def _normalises_rows(self, members: list[Any]) -> bool:
        """Whether the members are normalisations of axis 1 alone, which no convolution says are channels."""
        if any(not is_batchnorm(node.operation) or channel_place(node) != "first" for node in members):
            return False
        self._end(
            f"{members[0].operation.name!r} normalises axis 1, and no layer here has its channels there"
        )
        return True

    def _next(self, graph: Graph, nodes: list[Any]) -> Any:
        last = nodes[-1]
        operation, (tensor,) = last.operation, last.outputs
        name = operation.name
        if not is_linear(getattr(operation, "activation", None)):
            function = getattr(operation.activation, "__name__", type(operation.activation).__name__)
            return self._end(f"{name!r} applies {function}")
        if graph.is_output(tensor):
            return self._end(f"the output of {name!r} is an output of the model")
        readers = graph.readers(tensor)
        if len(readers) != 1:
            return self._end(f"the output of {name!r} has {len(readers)} readers")
        reader = readers[0]
        other = reader.operation
        if self._is_member(reader) or self._joins(reader):
            if self._same_layout(nodes, reader):
                before, after = tensor.dtype, reader.outputs[0].dtype
                if before == after:
                    return reader
                reason = f"{name!r} and {other.name!r}: the first puts out {before}, the second {after}"
                self.refused[graph.path + other.name] = reason
                return self._end(reason)
            return self._end(f"{name!r} and {other.name!r} have their channels on different axes")
        if self._is_linear(reader):
            self.apart.add(graph.path + other.name)
        self._refuse_between(graph, name, reader)
        own_way = self._own_way(reader)
        why = "" if own_way is None else f", and {own_way}"
        return self._end(f"{other.name!r} ({type(other).__name__}) follows {name!r}{why}")

    def _end(self, reason: str) -> None:
        if reason not in self.ends:
            self.ends.append(reason)

    def _refuse_between(self, graph: Graph, before: str, node: Any) -> None:
        """Say what keeps two linear layers apart that have no activation between them."""
        operation = node.operation
        followers = graph.readers(node.outputs[0])
        if graph.is_output(node.outputs[0]) or len(followers) != 1:
            return
        after = followers[0]
        while self._joins(after) and len(graph.readers(after.outputs[0])) == 1:
            (after,) = graph.readers(after.outputs[0])
        if not self._is_member(after):
            return
        between = f"between {before!r} and {after.operation.name!r}, which have no activation between them"
        if isinstance(operation, MAX_POOLING):
            self.refused[graph.path + operation.name] = (
                f"{before!r} and {after.operation.name!r}: {operation.name!r} ({type(operation).__name__}) stands "
                f"{between}, and it is not linear itself: the maximum of a sum is not the sum of the maxima. "
                f"Average pooling or a stride is."
            )
        elif isinstance(operation, PADDING) and _pads_channels(after, node):
            self.refused[graph.path + operation.name] = (
                f"{before!r} and {after.operation.name!r}: {operation.name!r} ({type(operation).__name__}, "
                f"data_format={operation.data_format!r}) stands {between}, and adds channels of zeros."
            )
        elif isinstance(operation, PADDING):
            self.refused[graph.path + operation.name] = (
                f"{before!r} and {after.operation.name!r}: {operation.name!r} ({type(operation).__name__}) stands "
                f"{between}: its zeros are not what {before!r} computes outside the image: affine, but no "
                f"convolution. Pad once, in front of {before!r}, and build what follows with padding='valid'."
            )

    def _is_member(self, node: Any) -> bool:
        return self._is_linear(node) and self._obstacle(node) is None

    def _is_linear(self, node: Any) -> bool:
        """Whether the stock layer called here is linear in inference, whatever else keeps it from a run."""
        operation = node.operation
        if isinstance(operation, TRANSPOSED):
            return False
        norm = isinstance(operation, layers.BatchNormalization)
        return norm or type(operation) in POOLING or has_kernel(operation)

    def _obstacle(self, node: Any) -> str | None:
        """Why what is linear belongs to no run, or None."""
        operation, sited = node.operation, self.calls[id(node.operation)]
        if len(sited) != 1:
            return f"{operation.name!r} is shared: called {len(sited)} times"
        if isinstance(operation, layers.BatchNormalization):
            if not is_batchnorm(operation):
                return f"{operation.name!r} ({type(operation).__name__}) has a call of its own"
            if operation.axis % len(node.outputs[0].shape) not in (1, len(node.outputs[0].shape) - 1):
                return f"{operation.name!r} normalises axis {operation.axis}, which is no channel axis"
            reason = call_obstacle(sited, self.in_training) or precision_obstacle(operation)
            return reason and f"{operation.name!r}: {reason}"
        if len(node.input_tensors) != 1:
            return f"{operation.name!r} is called with {len(node.input_tensors)} tensors"
        if getattr(operation, "activity_regularizer", None) is not None:
            return f"the activity_regularizer of {operation.name!r} acts on its output"
        return precision_obstacle(operation) if type(operation) in POOLING else obstacle(operation)

    def _joins(self, node: Any) -> bool:
        operation = node.operation
        if len(self.calls[id(operation)]) != 1 or len(node.input_tensors) != 1:
            return False
        if getattr(operation, "activity_regularizer", None) is not None:
            return False
        if isinstance(operation, layers.Layer) and precision_obstacle(operation):
            return False
        if gathers(operation):
            sizes = node.input_tensors[0].shape[1:]
            last = getattr(operation, "data_format", "channels_last") == "channels_last"
            fixed = last and None not in sizes and not getattr(operation, "keepdims", False)
            return fixed and self._own_way(node) is None
        return passes(node) and self._own_way(node) is None

    def _own_way(self, node: Any) -> str | None:
        """Why what joins others elsewhere computes something else at this call, or None."""
        if type(node.operation) in GLOBAL_POOLING:
            given = node.arguments.kwargs.get("mask") is not None
            masked = given or any(id(tensor) in self.masked for tensor in node.input_tensors)
            return "it averages over what its mask leaves" if masked else None
        graph, _ = self.calls[id(node.operation)][0]
        training = id(graph.model) in self.in_training
        return "it is called with training=True" if passes(node) and not passes(node, training) else None

    def _same_layout(self, nodes: list[Any], node: Any) -> bool:
        axes = {channel_place(n) for n in [*nodes, node] if not passes(n)} - {None}
        return len(axes) <= 1


def _pads_channels(reader: Any, node: Any) -> bool:
    """Whether a padding layer, told the other data format than its neighbours, adds channels instead of pixels."""
    axis = channel_axis(reader.operation, len(node.outputs[0].shape))
    return node.outputs[0].shape[axis] != node.input_tensors[0].shape[axis]


def gathers(operation: Any) -> bool:
    """Whether an image becomes features."""
    return type(operation) is layers.Flatten or type(operation) in GLOBAL_POOLING


def channel_place(node: Any) -> str | None:
    """Where the channels are: "first", "last", or None where both are the same axis."""
    shape, operation = node.input_tensors[0].shape, node.operation
    if len(shape) == 2:
        return None
    if isinstance(operation, layers.BatchNormalization):
        axis = operation.axis % len(shape)
    elif gathers(operation):
        return "last"
    else:
        axis = channel_axis(operation, len(shape))
    return "first" if axis == 1 else "last"
