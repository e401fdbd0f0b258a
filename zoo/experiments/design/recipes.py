"""Data and recipes that several experiments share, so that a run they have in common is done once."""

import dataclasses

from zoo.experiments.design.experiment import Dataset, Recipe

# Fashion-MNIST at a twelfth of its area: what makes five seeds of 56 layers affordable on two cores.
SMALL_IMAGES = Dataset(name="fashion_mnist", size=8, train=8000, test=2000)

# A rate chosen on one seed may be one at which the next seed does not train.
TUNING_SEEDS = (1000, 1001, 1002, 1003, 1004)

# `depth`, `ordering` and `shortcut`: an arm of one that is an arm of another is trained once.
RESIDUAL = Recipe(
    learning_rates=(0.05, 0.2),
    schedule="cosine",
    warmup=40,
    decay=1e-4,
    batch=64,
    epochs=4,
    tuning_epochs=1,
)
RESIDUAL_OPTIONS = {"classifier_activation": None, "width": 4}
# In the words of an axis.
RESIDUAL_TRAINING = f"{RESIDUAL.epochs} epochs of {SMALL_IMAGES.train:,} images"

# What answers a question of residual nets: nets of full width, trained to the end. At 16 x 16 pixels, because 32 x 32
# would take four times as long, and no arm would be finished in a day of two cores.
PHOTOGRAPHS = Dataset(name="cifar10_jpeg", size=16)
TO_THE_END = Recipe(
    learning_rates=(0.03, 0.1, 0.3, 1.0),
    schedule="cosine",
    warmup=100,
    decay=5e-4,
    batch=128,
    epochs=10,
    augmentation="shift_flip",
    tuning_epochs=1,
    tuning_seeds=TUNING_SEEDS[:3],
)

# Nets of 56 and 110 layers are tuned at their own depth: a rate taken over from 20 layers would let depth and rate vary
# together, in the very question whether deep nets train. At 20 layers 1.0 lost with every ordering on every tuning seed
# (0.1 and 0.3 were chosen); so it is left out, and a quarter of the tuning with it. Since then four of six nets of 56 layers
# have chosen 0.3, the end of this grid: what is trained from now on has 1.0 in its grid again.
DEEP = dataclasses.replace(TO_THE_END, learning_rates=TO_THE_END.learning_rates[:-1])
# Without normalisation nothing undoes too large a step: the grid goes on downwards.
UNNORMALISED = dataclasses.replace(TO_THE_END, learning_rates=(0.01, *TO_THE_END.learning_rates))
DEEP_SEEDS = {
    "seeds": (0, 1, 2),
    "seeds_reason": "an epoch of 110 layers takes six times as long as one of 20",
}
