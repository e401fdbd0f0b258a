"""Which images."""

from dataclasses import dataclass

from zoo.experiments.design.experiment.values import SIGNS, choice, positive


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Which images an arm trains and is tested on.

    Attributes:
        name: `digits`, `fashion_mnist`, `cifar10_jpeg`, `cifar10` or `cifar100`.
        size: Side of the images in pixels after area-averaging; `None` keeps the original.
        train: Number of training images, the same number from each class, first come first; `None` is all.
        test: Number of test images, likewise.
        signs: `both` adds the negative of every (standardised) image, to training and to test images. Then no
            affine classifier has a lower mean cross-entropy than one that ignores its input: the loss of
            (W, b) averaged over x and -x is, by convexity, at least the loss of (0, b).
    """

    name: str = "fashion_mnist"
    size: int | None = None
    train: int | None = None
    test: int | None = None
    signs: str = "given"

    def __post_init__(self):
        choice(self, "signs", SIGNS)
        positive(self, "size", "train", "test")
