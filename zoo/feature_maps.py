"""The feature maps inside a net, by name, taken before or after the activation."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from itertools import count
from typing import Any, Literal, Unpack, get_args

import keras
from keras import layers

from zoo.activations import is_linear, takes_activation
from zoo.catalog import specify
from zoo.families import convnext, skeleton
from zoo.graph import Graph, input_structure, not_a_model, read, room_for
from zoo.models import build
from zoo.naming import KerasResNetNames, VGGNames, ZooNames
from zoo.options import Options
from zoo.probes.signal import is_activation, is_normalization
from zoo.rolled import RolledUnits
from zoo.spec import require_one_of

Tap = Literal["before_act", "after_act"]
TAPS = get_args(Tap)

# What may stand between a layer and the activation that follows it, besides a normalisation: it scales or makes smaller.
PASSED = (
    layers.Rescaling,
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.MaxPooling3D,
    layers.AveragePooling1D,
    layers.AveragePooling2D,
    layers.AveragePooling3D,
)


def features(
    name_or_model: str | keras.Model,
    at: str = "stage*",
    tap: Tap = "after_act",
    **options: Unpack[Options],
) -> keras.Model:
    r"""A model from images to the feature maps inside a net, by name.

    A place is the end of a stage, called `"stage1"`, `"stage2"` ..., or a layer, called by its name. The end of a stage is
    the addition of its last residual unit (a DenseNet's last concatenation) or, without shortcuts, its last convolution. Let $u$ be
    what that layer puts out
    and $f$ the activation that follows it, with the normalisation or pooling $n$ on the way, if there is any:

    $$u \;\to\; n(u) \;\to\; f(n(u))$$

    - `tap="before_act"` is $u$: the sum or convolution itself, before normalisation and activation.
    - `tap="after_act"` is $f(n(u))$.

    | ordering | `before_act` of a stage | `after_act` of a stage |
    |---|---|---|
    | `original` | the sum that the last unit activates | the last unit's output |
    | `bn_after_addition` | the sum, before its normalisation | the last unit's output |
    | `relu_before_addition` | the sum; its summands are activated | refused: nothing activates the sum |
    | `relu_only_pre_activation` | the sum: the last unit's output | what the next unit's activation makes of it |
    | `full_pre_activation` | the sum: the last unit's output | what the next unit's normalisation and activation make of it |
    | `conv_act`, `conv_norm_act`, `conv_act_norm` | the convolution, before normalisation | the activation's output |
    | `norm_act_conv`, `act_conv_norm` | the convolution | what the next unit's activation makes of it |

    Families beyond these have stages too: those of `activation=` by stage. Where a unit ends without an activation and none
    follows, as in a mobilenetv2 or a convnext, `after_act` is refused. So it is where the net flattens its maps first, as at the
    end of a VGG whose orderings activate before the next layer.

    For the last stage, the next normalisation and activation are those at the end of the net. Where the next unit
    pools first, `after_act` is that much smaller. At a layer that is an activation itself, `before_act` is what it reads
    and `after_act` what it puts out; a built-in activation has no tensor before it.

    Args:
        name_or_model: Name of a net, which is built, or a Functional or Sequential model, whose layers the result shares.
        at: Pattern as in `fnmatch`: over the stages where it matches one, else over the names of layers. Nets of
            `keras.applications` that the zoo has too have the same stages, but for Xception and ConvNeXt, whose additions
            are not named after their place.
        tap: The side of the activation, `"before_act"` or `"after_act"`.
        **options: Options of `zoo.build`, for a name.

    Returns:
        A Functional model from the net's inputs to a dict, name of the place -> feature map, usually
        (batch, height, width, channels). It has the net's weights, not copies.

    Raises:
        TypeError: If `name_or_model` is neither a name nor a model, or is subclassed; if options come with a model.
        ValueError: If nothing matches `at`, with what there is; if `tap` is not known or has no tensor at a place, with
            the reason.

    Reference:
        He et al. 2016, Identity Mappings in Deep Residual Networks, arXiv 1603.05027, figure 4.

    Example:
        >>> import zoo
        >>> net = zoo.features("resnet20v2", at="stage[23]")
        >>> {name: y.shape for name, y in net.output.items()}
        {'stage2': (None, 16, 16, 32), 'stage3': (None, 8, 8, 64)}
    """
    for argument, value in (("at", at), ("tap", tap)):
        if not isinstance(value, str):
            raise TypeError(
                f"{argument} must be a string, received {value!r} of type {type(value).__name__}."
            )
    require_one_of("tap", tap, TAPS)
    if isinstance(name_or_model, str):
        model = build(name_or_model, **options)
    elif not isinstance(name_or_model, keras.Model):
        raise TypeError(
            not_a_model(name_or_model, "name_or_model must be the name of a net or a keras.Model")
        )
    elif options:
        raise TypeError(
            f"{', '.join(options)}: options are for a net to be built, and here is a built model."
        )
    else:
        model = name_or_model
    graph = read(model)
    taps = _taps(graph, _places(graph, at), tap)
    with room_for(len(graph.nodes)):
        return keras.Model(input_structure(model), taps, name=f"{model.name}_features")


def _taps(graph: Graph, places: dict[str, Any], tap: str) -> dict[str, Any]:
    """Name of each place -> the tensor there; one that has none is refused, with those that have."""
    taps, refused = {}, []
    for name, operation in places.items():
        try:
            taps[name] = _tensor(graph, operation, name, tap)
        except ValueError as error:
            refused.append(str(error))
    if refused:
        others = f" Of what at= matches, {_listed(taps)} can be had." if taps else ""
        raise ValueError(refused[0] + others)
    return taps


def _places(graph: Graph, at: str) -> dict[str, Any]:
    """Name of each place that matches -> the layer or operation there."""
    operations = {node.operation.name: node.operation for node in graph.nodes}
    rolled = [o.name for o in operations.values() if isinstance(o, RolledUnits)]
    if rolled:
        raise ValueError(
            f"model {graph.model.name!r} has rolled units ({rolled[0]!r}), whose inner tensors cannot be read; build it with "
            "rolled=False, or pass zoo.transforms.unroll(model)."
        )
    stages = _stage_ends(operations)
    for found in (stages, operations):
        if chosen := {name: place for name, place in found.items() if fnmatchcase(name, at)}:
            return chosen
    there = f"the stages {_listed(stages)}" if stages else "no stages"
    raise ValueError(
        f"at={at!r} matches nothing in {graph.model.name!r}, which has {there} and the layers {_listed(operations)}."
    )


def _stage_ends(operations: dict[str, Any]) -> dict[str, Any]:
    """`stage1`, `stage2` ... -> the layer that ends it, by the rule that named the layers."""
    for rule in _rules(operations):
        ends: dict[str, Any] = {}
        for stage in count(1):
            for index in count(1):
                names = rule.ends(stage, index)
                last = next((operations[name] for name in names if name in operations), None)
                if last is None:
                    break
                ends[f"stage{stage}"] = last
            if f"stage{stage}" not in ends:
                break
        if ends:
            return ends
    return {}


def _rules(operations: Iterable[str]) -> Iterable[ZooNames]:
    """The rules by which the layers of a net may be called."""
    yield ZooNames()
    # A block of an Xception begins with the same names, and without a pooling of its own.
    if "block1_pool" in operations:
        yield VGGNames()
    yield from (KerasResNetNames(False), KerasResNetNames(True))
    for family in ("mobilenetv2", "xception"):
        spec = specify(family, layout="keras")
        yield skeleton(family).names(spec)
    for name in operations:
        if size := re.fullmatch(r"convnext_(.+)_stage_0_block_0_depthwise_conv", name):
            yield convnext.KerasNames(size[1])


def _tensor(graph: Graph, operation: Any, name: str, tap: str) -> Any:
    nodes = [node for node in graph.nodes if node.operation is operation]
    if len(nodes) > 1:
        raise ValueError(
            f"at: layer {operation.name!r} is called {len(nodes)} times in {graph.model.name!r}, so its name is no one place."
        )
    (node,) = nodes
    if len(node.outputs) > 1:
        raise ValueError(
            f"at: layer {operation.name!r} has {len(node.outputs)} outputs; choose one that has one."
        )
    (output,) = node.outputs
    if is_activation(operation):
        return output if tap == "after_act" else node.input_tensors[0]
    if takes_activation(operation) and not is_linear(operation.activation):
        if tap == "after_act":
            return output
        raise ValueError(
            f"tap='before_act': {name!r} ends in {operation.name!r}, whose activation is built in, so no tensor lies before "
            "it; use form='separate', or pass zoo.transforms.split_activations(model)."
        )
    if tap == "before_act":
        return output
    following = {id(tensor): tensor for tensor in _activated(graph, output)}
    if len(following) == 1:
        return next(iter(following.values()))
    how_many = "no activation follows" if not following else f"{len(following)} activations follow"
    raise ValueError(
        f"tap='after_act': {how_many} {operation.name!r}, the end of {name!r}, with at most normalisation and pooling on the "
        "way; tap='before_act' is its output."
    )


def _activated(graph: Graph, tensor: Any) -> Iterable[Any]:
    for reader in graph.readers(tensor):
        if is_activation(reader.operation):
            yield reader.outputs[0]
        elif is_normalization(reader.operation) or isinstance(reader.operation, PASSED):
            yield from _activated(graph, reader.outputs[0])


def _listed(names: Iterable[str], most: int = 8) -> str:
    quoted = [repr(name) for name in names]
    return ", ".join(quoted[:most]) + (f" and {len(quoted) - most} more" if len(quoted) > most else "")
