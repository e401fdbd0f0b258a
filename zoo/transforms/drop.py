"""Activations go: the identity, or the best affine map, takes their place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers

from zoo.activations import Site, is_linear, split_parts
from zoo.activations.sites import TRANSPOSED
from zoo.batches import read_batches
from zoo.bias_axis import takes_width_for_channels
from zoo.graph import (
    ChannelAxes,
    Graph,
    Part,
    calls,
    copy_layer,
    copy_variables,
    full_precision,
    graphs,
    leads_to_its_model,
    names,
    producer,
    rewrite,
    seeds_untouched,
    set_values,
    shadow,
)
from zoo.graph.nested import called_in_training
from zoo.naming import activation_of
from zoo.slimming.execution import Execution, without_gradients
from zoo.slimming.linear_fit import AffineMap, check_finite
from zoo.slimming.selection import choose, keep_one
from zoo.transforms.batchnorm import call_obstacle, is_batchnorm
from zoo.transforms.kernels import Kernel, has_kernel, is_computed, obstacle, to_numpy
from zoo.transforms.kernels import channel_axis as kernel_axis


@leads_to_its_model
class DroppedModel(NamedTuple):
    """What `drop_activations` returns; it unpacks, the model first.

    Attributes:
        model: The model without the activations.
        dropped: Name of each site that is gone, in order -> where its affine map went: "identity", "into
            'conv1'", or "layer 'act'".
    """

    model: keras.Model
    dropped: dict[str, str]


@seeds_untouched()
def drop_activations(
    model: keras.Model,
    sites: Any,
    *,
    fit: Any = None,
    include_classifier: bool = False,
    batch_size: int | None = None,
    batches: int | None = None,
) -> DroppedModel:
    r"""Make activations linear: $a = f(z)$ becomes $a = s_c z + t_c$ in channel $c$; all else stays.

    Without `fit`, $s = 1$ and $t = 0$: the identity. With `fit`, inputs, the map with the least
    squared error over samples and pixels on the values that `model` itself has there, all sites fitted on the
    model as it is given, before any of them goes:

    $$s_c = \operatorname{Cov}(z_c, a_c) / \operatorname{Var}(z_c), \qquad
    t_c = \bar a_c - s_c \bar z_c,$$

    and $s_c = 0$ where $z_c$ never varies. A site that is called several times, as part of a shared layer or of
    a nested model, has one map for all calls.

    The map goes, in this order and only where that is exact, into

    - the kernel of the layer whose `activation=` it was: $W' = s W$, $b' = s b + t$;
    - the kernel or the BatchNormalization whose output the activation alone reads;
    - the kernel of the layer that alone reads the activation: $W' = W s$, $b' = b + \sum W t$; not where a
      zero padding would have to be $t$;
    - else a BatchNormalization in its place, of the site's name, frozen, with $\gamma = s$, $\beta = t$, mean
      0, variance 1 and epsilon 0: stock Keras, so a saved file loads without zoo.

    Args:
        model: A Functional or built Sequential model. It is left untouched.
        sites: Name or names of activation sites, as `zoo.probes.activation_importance` has them.
        fit: Inputs to fit on, as `model.predict` takes arrays, or a `tf.data` Dataset, a PyDataset, a loader or a
            generator, whose targets are left out; None for the identity.
        include_classifier: Allow the classifier's softmax or sigmoid among the sites.
        batch_size: Samples of arrays computed at a time while fitting; by default that of the model if fixed, else 32.
        batches: Number of batches to fit on; all by default. Required where `fit` may have no end.

    Returns:
        The new model, not compiled, and the sites that are gone.

    Raises:
        TypeError: `model` is subclassed, so its computation is not a graph; or `sites` are no names.
        ValueError: a site that does not exist, is named twice, is the classifier, or changes the shape; inputs
            that do not fit; a blended activation; an activation layer with an `activity_regularizer`, which
            would be lost; a name `X_act` that is needed and taken; or, with `fit`, a layer called on tensors of
            different widths, or a mask that goes through a site.

    Example:
        >>> import keras
        >>> from keras import layers
        >>> from zoo.transforms import drop_activations
        >>> parts = [layers.Dense(4, name="fc"), layers.ReLU(name="act")]
        >>> model = keras.Sequential([keras.Input((3,)), *parts])
        >>> short, dropped = drop_activations(model, "act")
        >>> [layer.name for layer in short.layers], dropped
        (['fc'], {'act': 'identity'})
    """
    chosen = choose(model, sites, include_classifier=include_classifier, argument="sites")
    for site in chosen:
        applied = (site.function,) if site.built_in else (site.operation, site.function)
        if any(getattr(part, "activity_regularizer", None) is not None for part in applied):
            raise ValueError(
                f"cannot drop {site.name!r}: its activity_regularizer would be lost with it. Build the layer without."
            )
    if fit is None and (batch_size, batches) != (None, None):
        raise ValueError(
            f"batch_size={batch_size!r} and batches={batches!r} say how `fit` is read, and there is none: pass fit=, or "
            "leave them out."
        )
    maps: list[AffineMap | None] = [None] * len(chosen)
    if fit is not None:
        data = read_batches(model, fit, batch_size=batch_size, batches=batches, argument="fit")
        with without_gradients():
            execution = Execution(model, [site.name for site in chosen])
            maps = [moments.best() for moments in execution.measure(arrays for arrays, _ in data)]
        for site, found in zip(chosen, maps, strict=True):
            if found is not None:
                check_finite(site.name, found, "fit")
    dropping = _Dropping(model)
    for site, found in zip(chosen, maps, strict=True):
        dropping.drop(site, found)
    keep_one(dropping.found, dropping.replace)
    new = rewrite(model, dropping.replace, undone=dropping.undone)
    return DroppedModel(new, dropping.dropped)


class _Dropping:
    """What takes the place of what, site after site."""

    def __init__(self, model: keras.Model):
        self.found = graphs(model)
        self.calls = calls(self.found)
        self.axes = ChannelAxes(model)
        self.in_training = called_in_training(self.found)
        self.taken = names(self.found)
        self.replace: dict[Any, list[Part]] = {}
        self.undone: dict[Any, Callable[..., Any]] = {}
        self.kernels: dict[int, Kernel] = {}
        self.gone: set[int] = set()
        self.dropped: dict[str, str] = {}

    def drop(self, site: Site, found: AffineMap | None) -> None:
        operation = site.operation
        if found is not None and found.is_identity:
            found = None
        for _, node in self.calls[id(operation)]:
            if len(node.input_tensors) != 1:
                raise ValueError(
                    f"cannot drop {site.name!r}: it is called with {len(node.input_tensors)} tensors, a mask among them. "
                    f"Call it without."
                )
        if site.built_in:
            self.dropped[site.name] = self._drop_built_in(site, found)
        elif found is None:
            self.replace[operation] = self._nothing(site)
            self.gone.add(id(operation))
            self.dropped[site.name] = "identity"
        else:
            into = None if self._casts(site) else self._into_neighbour(site, found)
            if into is None:
                self.replace[operation] = [self._layer(site, found, operation.name)]
                self.dropped[site.name] = f"layer {operation.name!r}"
            else:
                self.replace[operation] = []
                self.gone.add(id(operation))
                self.dropped[site.name] = f"into {into!r}"

    def _nothing(self, site: Site) -> list[Part]:
        operation = site.operation
        if not self._casts(site):
            return []
        # What stays of it is the cast: a layer of float32 at the end of a net of float16, say.
        return [Part(layers.Activation("linear", name=operation.name, dtype=operation.dtype_policy))]

    def _casts(self, site: Site) -> bool:
        nodes = [node for _, node in self.calls[id(site.operation)]]
        return any(node.input_tensors[0].dtype != node.outputs[0].dtype for node in nodes)

    def _drop_built_in(self, site: Site, found: AffineMap | None) -> str:
        layer = site.operation
        own = layer.activation.variables if isinstance(layer.activation, layers.Layer) else []
        if found is not None and has_kernel(layer) and self._takes_map(layer):
            kernel = self._kernel(layer, drop_activation=True)
            kernel.transform_outputs(found.scale, found.shift)
            if kernel.is_finite():
                self._put(layer, kernel)
                return f"into {layer.name!r}"
            raise ValueError(
                f"cannot drop {site.name!r}: its kernel would not be finite with the fitted map in it."
            )
        if found is None and id(layer) in self.kernels:
            self._put(layer, self._kernel(layer, drop_activation=True))
            return "identity"
        if found is None:
            part = Part(copy_layer(layer, activation=None), copy_variables(layer, drop=len(own)))
            self.replace[layer] = [part]
            # In a call of the layer, as the original has it: that is where Keras passes a mask on.
            self.undone[layer] = lambda *args, **kwargs: shadow(part.layer, {"activation": layer.activation})(
                *args, **kwargs
            )
            return "identity"
        name = activation_of(layer.name)
        if name in self.taken:
            raise ValueError(
                f"cannot drop {site.name!r}: a layer {name!r} would have to hold the fitted map, and the model already "
                f"has a layer of that name. Rename one of the two."
            )
        if layer.activity_regularizer is not None:
            raise ValueError(
                f"cannot drop {site.name!r}: its activity_regularizer acts on its output, which a layer after it "
                f"would have to make. Build the layer without."
            )
        self.taken.add(name)
        linear, _ = split_parts(layer, name)
        self.replace[layer] = [linear, self._layer(site, found, name)]
        return f"layer {name!r}"

    def _takes_map(self, layer: Any) -> bool:
        """Whether a layer with a kernel can have another kernel, and a bias that is added to its channels."""
        outputs = [node.outputs[0] for _, node in self.calls[id(layer)]]
        settable = obstacle(layer) is None and not is_computed(layer)
        return settable and not any(takes_width_for_channels(layer, output) for output in outputs)

    def _kernel(self, layer: Any, *, drop_activation: bool = False) -> Kernel:
        kernel = self.kernels.get(id(layer))
        kernel = Kernel(layer) if kernel is None else kernel.copy()
        if drop_activation:
            kernel.linear = True
        return kernel

    def _put(self, layer: Any, kernel: Kernel) -> None:
        self.kernels[id(layer)] = kernel
        self.undone.pop(layer, None)  # another kernel now
        self.replace[layer] = [kernel.part()]

    def _layer(self, site: Site, found: AffineMap, name: str) -> Part:
        sited = self.calls[id(site.operation)]
        tensor = sited[0][1].outputs[0]
        places = {(len(n.outputs[0].shape), self._axis(n.outputs[0])) for _, n in sited}
        if len(places) > 1:
            raise ValueError(
                f"cannot drop {site.name!r}: it is one layer called on tensors of different rank or channel axis, so "
                f"that no one layer holds its map. Give each place an activation of its own."
            )
        ((_, axis),) = places
        is_layer = isinstance(site.operation, layers.Layer)
        norm = layers.BatchNormalization(
            axis=axis if axis != len(tensor.shape) - 1 else -1,
            epsilon=0.0,
            name=name,
            trainable=False,
            dtype=full_precision(site.operation.dtype_policy) if is_layer else tensor.dtype,
        )
        return Part(
            norm,
            set_values(
                gamma=found.scale,
                beta=found.shift,
                moving_mean=np.zeros_like(found.scale),
                moving_variance=np.ones_like(found.scale),
            ),
        )

    def _axis(self, tensor: Any) -> int:
        return self.axes.of(tensor) % len(tensor.shape)

    def _into_neighbour(self, site: Site, found: AffineMap) -> str | None:
        sited = self.calls[id(site.operation)]
        if len(sited) != 1:
            return None
        graph, node = sited[0]
        (tensor,) = node.input_tensors
        axis = self._axis(tensor)
        return self._into_before(graph, node, axis, found) or self._into_after(graph, node, axis, found)

    def _into_before(self, graph: Graph, node: Any, axis: int, found: AffineMap) -> str | None:
        (tensor,) = node.input_tensors
        if graph.is_output(tensor) or len(graph.readers(tensor)) != 1 or _is_input(graph, tensor):
            return None
        source = producer(tensor).operation
        if len(self.calls[id(source)]) != 1 or getattr(source, "activity_regularizer", None) is not None:
            return None
        if source in self.replace and id(source) not in self.kernels:
            return None
        if has_kernel(source):
            kernel = self._kernel(source)
            linear = is_linear(source.activation) or kernel.linear
            if not linear or not self._takes_map(source) or kernel_axis(source, len(tensor.shape)) != axis:
                return None
            kernel.transform_outputs(found.scale, found.shift)
            if not kernel.is_finite():
                return None
            self._put(source, kernel)
            return source.name
        if is_batchnorm(source) and source not in self.replace:
            if (
                call_obstacle(self.calls[id(source)], self.in_training)
                or source.axis % len(tensor.shape) != axis
            ):
                return None
            gamma = to_numpy(source.gamma) if source.scale else np.ones_like(found.scale)
            beta = to_numpy(source.beta) if source.center else np.zeros_like(found.scale)
            gamma, beta = found.scale * gamma, found.scale * beta + found.shift
            fill = copy_variables(source, gamma=gamma, beta=beta)
            self.replace[source] = [Part(copy_layer(source, scale=True, center=True), fill)]
            return source.name
        return None

    def _into_after(self, graph: Graph, node: Any, axis: int, found: AffineMap) -> str | None:
        (tensor,) = node.outputs
        readers = graph.readers(tensor)
        if graph.is_output(tensor) or len(readers) != 1 or len(readers[0].input_tensors) != 1:
            return None
        reader = readers[0].operation
        if not has_kernel(reader) or len(self.calls[id(reader)]) != 1 or not self._takes_map(reader):
            return None
        if reader in self.replace and id(reader) not in self.kernels:
            return None
        if kernel_axis(reader, len(tensor.shape)) != axis:
            return None
        if np.any(found.shift):
            padded = (
                not isinstance(reader, layers.Dense)
                and reader.padding != "valid"
                and max(reader.kernel_size) > 1
            )
            if padded or isinstance(reader, TRANSPOSED):
                return None
        kernel = self._kernel(reader)
        kernel.transform_inputs(found.scale, found.shift)
        if not kernel.is_finite():
            return None
        self._put(reader, kernel)
        return reader.name


def _is_input(graph: Graph, tensor: Any) -> bool:
    return any(tensor is t for t in keras.tree.flatten(graph.model.inputs))
