"""What happens inside a model on given data: activations, gradients, signal by depth; one row of numbers per place.

The model itself is computed, call by call, as it computes itself; its activations are looked at on the way and
left as they were: no weight, statistic, state or seed of it moves, nor a number, list or dict that the `call` of a
layer of one's own keeps as an attribute. Only `activation_importance` computes the model once outside of this, to
compare its copy with it: there such an attribute moves as in one call. What a probe could not see it names, in a
warning and in `rows.unseen`.
"""

from zoo.probes.activation import activation_stats
from zoo.probes.gradient import gradient_stats
from zoo.probes.importance import activation_importance
from zoo.probes.rows import Rows
from zoo.probes.signal import signal_propagation

__all__ = ["Rows", "activation_importance", "activation_stats", "gradient_stats", "signal_propagation"]
