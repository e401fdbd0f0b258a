"""What an experiment is: a question, arms, data, a recipe, seeds, and what one expects to see.

Everything here is data: frozen, keyword-only, made of plain values, so that an experiment can be hashed,
stored beside its results, and sent to another machine. Nothing here imports Keras.

From the values that a field may have (`values`), by what an experiment is made of (`dataset`, `recipe`, `hook`, `arm`,
`expectation`, `figure`), to the whole (`experiment`); arms are found by their factors (`finding`), `--quick` cuts the whole
down (`quick_look`), and all of it becomes plain values (`plain_data`).
"""

from zoo.experiments.design.experiment.arm import Arm, Continuation
from zoo.experiments.design.experiment.dataset import Dataset
from zoo.experiments.design.experiment.expectation import Comparison, Expectation
from zoo.experiments.design.experiment.experiment import Experiment
from zoo.experiments.design.experiment.figure import Chart, Curves, Dots, Factor, Figure, Series, Strip, Table
from zoo.experiments.design.experiment.finding import label_of, select
from zoo.experiments.design.experiment.hook import Hook
from zoo.experiments.design.experiment.plain_data import canonical, plain
from zoo.experiments.design.experiment.quick_look import Quick, quick
from zoo.experiments.design.experiment.recipe import Recipe
from zoo.experiments.design.experiment.values import AUGMENTATIONS, LOSSES, MOMENTS, SCALES, SCHEDULES, SIGNS

__all__ = [
    "AUGMENTATIONS",
    "LOSSES",
    "MOMENTS",
    "SCALES",
    "SCHEDULES",
    "SIGNS",
    "Arm",
    "Chart",
    "Comparison",
    "Continuation",
    "Curves",
    "Dataset",
    "Dots",
    "Expectation",
    "Experiment",
    "Factor",
    "Figure",
    "Hook",
    "Quick",
    "Recipe",
    "Series",
    "Strip",
    "Table",
    "canonical",
    "label_of",
    "plain",
    "quick",
    "select",
]
