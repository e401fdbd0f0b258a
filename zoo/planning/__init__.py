"""Which activations to take away so that the merged net meets a latency budget at the least expected loss.

From stretches of the net (`stretches`) and how long they take (`timing`), by what merging each saves (`savings`), what
dropping each site costs (`costs`) and the choices that no other one beats (`choices`), to the plan that should do
(`search`) and to carrying it out (`plan`).
"""

from zoo.planning.plan import CarriedOut, DepthPlan
from zoo.planning.search import BORDERS, plan_depth

__all__ = ["BORDERS", "CarriedOut", "DepthPlan", "plan_depth"]
