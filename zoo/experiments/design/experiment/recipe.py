"""How an arm is trained."""

from dataclasses import dataclass

from zoo.experiments.design.experiment.values import AUGMENTATIONS, LOSSES, SCHEDULES, choice, positive


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How an arm is trained: stochastic gradient descent with momentum.

    The learning rate at step t of T is `learning_rate` times min(1, (t + 1) / warmup) times the schedule:
    1 for `constant`, (1 + cos(pi t / T)) / 2 for `cosine`, and for `steps` a tenth for every entry of
    `milestones` (fractions of T) that is passed.

    Attributes:
        learning_rates: The grid. With more than one entry the rate is tuned for each arm by itself: short
            runs with `tuning_seeds`, and the rate with the lowest mean training loss is taken. The test
            images are not looked at.
        momentum: Of the gradient's running sum, v <- momentum v - rate gradient.
        nesterov: Nesterov's variant of it.
        schedule: `constant`, `cosine` or `steps`.
        milestones: Only for `steps`.
        warmup: Steps over which the rate rises linearly.
        decay: Added to the gradient of every kernel (variables of rank two and more) as decay times the
            kernel. It is the "weight decay" of the papers and twice the factor of `keras.regularizers.L2`.
        batch: Images a step. The images left over at the end of an epoch wait for another epoch.
        epochs: Length of the run in passes over the training images; exclusive with `steps`.
        steps: Length of the run in optimiser steps.
        record_every: Steps between two recorded lines; `None` is once an epoch.
        loss: One of `LOSSES`; must fit the model's last activation.
        augmentation: `shift_flip` shifts by up to an eighth of the side and mirrors half of the images.
        tuning_epochs: Length of a tuning run in epochs; `None` is a third of the run, at least one epoch.
        tuning_seeds: Seeds of the tuning runs; none of them may be used for evaluation.
        evaluate: Whether test images are evaluated at every recorded line.
    """

    learning_rates: tuple[float, ...] = (0.1,)
    momentum: float = 0.9
    nesterov: bool = False
    schedule: str = "cosine"
    milestones: tuple[float, ...] = ()
    warmup: int = 0
    decay: float = 0.0
    batch: int = 128
    epochs: float | None = None
    steps: int | None = None
    record_every: int | None = None
    loss: str = "crossentropy_from_logits"
    augmentation: str = "none"
    tuning_epochs: float | None = None
    tuning_seeds: tuple[int, ...] = (1000,)
    evaluate: bool = True

    def __post_init__(self):
        choice(self, "schedule", SCHEDULES)
        choice(self, "loss", LOSSES)
        choice(self, "augmentation", AUGMENTATIONS)
        positive(self, "batch", "epochs", "steps", "record_every", "tuning_epochs")
        if (self.epochs is None) == (self.steps is None):
            raise ValueError(
                f"Recipe needs either epochs or steps; received epochs={self.epochs!r}, steps={self.steps!r}"
            )
        if not self.learning_rates or not all(rate >= 0 for rate in self.learning_rates):
            raise ValueError(
                f"Recipe.learning_rates must hold one or more rates >= 0; received {self.learning_rates!r}"
            )
        if bool(self.milestones) != (self.schedule == "steps"):
            raise ValueError(
                f"Recipe.milestones belong to schedule='steps' and are needed there; received "
                f"schedule={self.schedule!r}, milestones={self.milestones!r}"
            )
