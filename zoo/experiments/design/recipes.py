"""Data and recipes that several experiments share, so that a run they have in common is done once."""

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
