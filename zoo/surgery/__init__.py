"""Take layers out of a model, put others in, cut it, un-nest it: exact, or refused with the layer's name.

Each function takes a Functional or Sequential Keras model, leaves it untouched and returns a new, uncompiled one
that carries the weights, with a report of what changed. Whatever is not named stays as it was, and is compared
with the original on a batch.
"""

from zoo.surgery.cutting import cut
from zoo.surgery.flattening import flatten
from zoo.surgery.inserting import insert_after
from zoo.surgery.removing import remove
from zoo.surgery.replacing import replace
from zoo.surgery.report import Operated, Report

__all__ = ["Operated", "Report", "cut", "flatten", "insert_after", "remove", "replace"]
