"""Runs of identical units as one layer, so that build and compile cost do not grow with depth."""

from zoo.rolled.layer import RolledUnits
from zoo.rolled.unit import UnitGraph

__all__ = ["RolledUnits", "UnitGraph"]
