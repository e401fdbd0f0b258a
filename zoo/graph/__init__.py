"""Read a Keras model as a graph of calls, and rebuild it with some of its layers replaced.

Keras records every symbolic call of a layer as a node: the layer, the arguments, the tensors that came out.
`read` puts the nodes of a Functional or Sequential model in the order of the computation; `rewrite` walks
that order once and calls a fresh copy of each layer, or what is to stand in its place, on the tensors of the
new model; then it compares the two, layer by layer, on a batch. Everything that turns one model into another
is a choice of what stands in the place of what.
"""

from zoo.graph.calling import Stretch, in_inference
from zoo.graph.channels import ChannelAxes, default_axis, own_axis
from zoo.graph.comparing import difference
from zoo.graph.configuration import described, is_stock
from zoo.graph.copying import Part, copy_layer
from zoo.graph.forgotten import take_attributes
from zoo.graph.held import contents, is_function
from zoo.graph.internals import attributes, flatten_layers, inbound_nodes, plain_attributes, producer, shadow
from zoo.graph.policies import full_precision
from zoo.graph.process import room_for, seeds_untouched
from zoo.graph.reading import Graph, calls, graphs, input_structure, names, piece, read
from zoo.graph.results import leads_to_its_model, not_a_model
from zoo.graph.rewriting import rewrite, rewritten
from zoo.graph.samples import sample
from zoo.graph.variables import copy_variables, draw_nothing, set_values
from zoo.registration import register_with_keras

__all__ = [
    "ChannelAxes",
    "Graph",
    "Part",
    "Stretch",
    "attributes",
    "calls",
    "contents",
    "copy_layer",
    "copy_variables",
    "default_axis",
    "described",
    "difference",
    "draw_nothing",
    "flatten_layers",
    "full_precision",
    "graphs",
    "in_inference",
    "inbound_nodes",
    "input_structure",
    "is_function",
    "is_stock",
    "leads_to_its_model",
    "names",
    "not_a_model",
    "own_axis",
    "piece",
    "plain_attributes",
    "producer",
    "read",
    "rewrite",
    "rewritten",
    "room_for",
    "sample",
    "seeds_untouched",
    "set_values",
    "shadow",
    "take_attributes",
]

register_with_keras()
