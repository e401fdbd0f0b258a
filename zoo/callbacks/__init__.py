"""Callbacks for `fit`: watch the activations of a model while it trains, or anneal them away."""

from zoo.callbacks.annealing import ActivationAnnealing
from zoo.callbacks.monitor import ActivationMonitor

__all__ = ["ActivationAnnealing", "ActivationMonitor"]
