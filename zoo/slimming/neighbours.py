"""What stands next to an activation: the linear layers that would meet if it went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from zoo.activations import Site, is_linear, sites, takes_activation
from zoo.activations.sites import CONVOLUTIONS, DEPTHWISE, SEPARABLE
from zoo.graph import Graph, calls, graphs
from zoo.graph.channels import PADDING
from zoo.graph.nested import called_in_training

# Those that can become one layer with a neighbour of their kind: no transposed convolution can, and none is
# known of an EinsumDense.
JOINING = (layers.Dense, *CONVOLUTIONS, *DEPTHWISE, *SEPARABLE)
POOLING = (layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D)


@dataclass(frozen=True, eq=False)
class Chain:
    """Calls one after the other, each the only reader of the one before it, linear but for its sites.

    Attributes:
        graph: The graph they stand in.
        nodes: The calls. One with a built-in activation is a linear layer first, and its site after that.
        sites: Names of the sites, in order.
        ends: For each site, how many of `nodes` come before its activation is applied.
    """

    graph: Graph
    nodes: tuple[Any, ...]
    sites: tuple[str, ...]
    ends: tuple[int, ...]

    def stretch(self, first: int, last: int) -> list[Any]:
        """The nodes from after site number `first` - 1 to before site number `last`, both ends of the chain included."""
        begin = self.ends[first - 1] if first else 0
        end = self.ends[last] if last < len(self.ends) else len(self.nodes)
        return list(self.nodes[begin:end])

    def blocks(self) -> int:
        """How many linear stretches the sites leave."""
        return len(self.sites) + 1


def chains(model: keras.Model, droppable: set[str] | None = None, *, padding: bool = False) -> list[Chain]:
    """Every longest chain of linear layers, and of those sites that may go, in which two linear layers meet or would.

    Args:
        model: A Functional or built Sequential model.
        droppable: Names of the sites that do not end a chain; None for all that keep the shape.
        padding: Whether layers that only pad with zeros belong to a chain.
    """
    found = graphs(model)
    index, in_training = calls(found), called_in_training(found)
    by_operation = {id(site.operation): site for site in sites(model)}

    def site_of(node: Any) -> Site | None:
        return by_operation.get(id(node.operation))

    def may_go(node: Any) -> bool:
        site = site_of(node)
        return site is not None and (droppable is None or site.name in droppable)

    def joins(node: Any) -> bool:
        site, sited = site_of(node), index[id(node.operation)]
        once = len(sited) == 1 and len(node.input_tensors) == 1
        separate = site is not None and not site.built_in and may_go(node)
        training = id(sited[0][0].model) in in_training
        return once and (is_linear_call(node, padding, training) or separate)

    result = []
    for graph in found:
        used: set[int] = set()
        for node in graph.nodes:
            if id(node) in used or not joins(node):
                continue
            nodes = [node]
            while not _ends(graph, nodes[-1], site_of(nodes[-1]), may_go(nodes[-1])):
                (following,) = graph.readers(nodes[-1].outputs[0])
                if not joins(following):
                    break
                nodes.append(following)
            used.update(map(id, nodes))
            chain = _chain(graph, nodes, site_of, may_go)
            if sum(has_numbers(n) for n in chain.nodes) > 1:
                result.append(chain)
    return result


def is_linear_call(node: Any, padding: bool = False, in_training: bool = False) -> bool:
    """Whether what is called at `node`, before a built-in activation, is linear in inference, channel mixing or not.

    Args:
        node: The call.
        padding: Whether a layer that only pads with zeros counts as well.
        in_training: Whether it stands in a nested model that is called with `training=True`.
    """
    operation = node.operation
    if passes(node, in_training):
        return True
    if isinstance(operation, JOINING):
        return takes_activation(operation)
    if isinstance(operation, layers.BatchNormalization):
        return not (in_training or node.arguments.kwargs.get("training"))
    return type(operation) in POOLING or (padding and type(operation) in PADDING)


def has_numbers(node: Any) -> bool:
    """Whether the call computes something that could become part of a neighbour: kernel, pooling, normalisation."""
    return isinstance(node.operation, (*JOINING, *POOLING, layers.BatchNormalization))


def passes(node: Any, in_training: bool = False) -> bool:
    """Whether inference leaves the values as they are; `in_training` as in `is_linear_call`."""
    operation = node.operation
    if type(operation) is layers.Activation:
        return is_linear(operation)
    if type(operation) is layers.Dropout:
        return not (in_training or node.arguments.kwargs.get("training"))
    return type(operation) is layers.Identity


def meeting(model: keras.Model) -> dict[str, tuple[str, ...]]:
    """For each site: the layers with a kernel that would stand in one linear stretch if that site alone went.

    Empty where none would meet. Whether the stretch is one layer exactly depends on its padding, and whether that
    is faster on its sizes: `zoo.transforms.collapse_linear` and `zoo.plan_depth` say.
    """
    found: dict[str, tuple[str, ...]] = {site.name: () for site in sites(model)}
    for chain in chains(model):
        path = chain.graph.path
        for number, name in enumerate(chain.sites):
            whole = chain.stretch(number, number + 1)
            before = len(chain.stretch(number, number))
            sides = whole[:before], whole[before:]
            kernels = [[n.operation.name for n in side if isinstance(n.operation, JOINING)] for side in sides]
            if all(kernels):
                found[name] = tuple(path + kernel for side in kernels for kernel in side)
    return found


def _ends(graph: Graph, node: Any, site: Site | None, may_go: bool) -> bool:
    (tensor,) = node.outputs
    if site is not None and site.built_in and not may_go:
        return True
    return graph.is_output(tensor) or len(graph.readers(tensor)) != 1


def _chain(graph: Graph, nodes: list[Any], site_of: Any, may_go: Any) -> Chain:
    names, ends = [], []
    linear: list[Any] = []
    for node in nodes:
        site = site_of(node)
        if site is None or site.built_in:
            linear.append(node)
        if site is not None and may_go(node):
            names.append(site.name)
            ends.append(len(linear))
    # A site at either end separates nothing.
    while ends and ends[0] == 0:
        names, ends = names[1:], ends[1:]
    while ends and ends[-1] == len(linear):
        names, ends = names[:-1], ends[:-1]
    return Chain(graph, tuple(linear), tuple(names), tuple(ends))
