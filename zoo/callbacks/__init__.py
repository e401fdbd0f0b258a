"""Callbacks for `fit`."""

from zoo.callbacks.monitor import ActivationMonitor

__all__ = ["ActivationMonitor"]
