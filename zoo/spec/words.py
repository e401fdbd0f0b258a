"""The words that an option may be: derived from the types of `zoo.options` and the rows of `zoo.placement`."""

from typing import get_args

from zoo.options import Block, Downsampling, FinalPooling, Form, Rolled, Shortcut, UnitNormalization
from zoo.placement import FAMILIES as BEYOND
from zoo.placement import LAYOUT, PLAIN, RESIDUAL

FAMILIES = ("mlp", "convnet", "vgg", "plain", "resnet", *BEYOND)
FORMS = get_args(Form)
RESIDUAL_ORDERINGS = tuple(RESIDUAL)
PLAIN_ORDERINGS = tuple(PLAIN)
SHORTCUTS = get_args(Shortcut)
LAYOUTS = tuple(LAYOUT)
# What a unit may have instead of batch normalisation.
NORMALIZATIONS = get_args(UnitNormalization)
# Those that standardise kernels and multiply activations by their gain.
STANDARDISED = ("scaled_ws", "nf_resnet")
# Those that scale the branch of a residual unit, and need one.
BRANCH_SCALING = ("skipinit", "nf_resnet")
BLOCKS = get_args(Block)
POOLINGS = get_args(FinalPooling)
ROLLED = get_args(Rolled)
WAYS_DOWN = get_args(Downsampling)

# Which parameter belongs to which shortcut, and the value He et al. 2016, table 1, uses for it.
SHORTCUT_PARAMETERS = {
    "shortcut_scale": (("constant_scaling",), 0.5),
    "branch_scale": (("constant_scaling",), 0.5),
    "gate_bias": (("exclusive_gating", "shortcut_only_gating"), -6.0),
    "dropout_rate": (("dropout",), 0.5),
}
