"""CIFAR-10 as JPEG files, on a small tree of the same shape."""

import hashlib
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from zoo.experiments.data import jpegs
from zoo.experiments.data.sets import DamagedDataError, MissingDataError, load
from zoo.experiments.design.experiment import Dataset

CLASSES = ("airplane", "bird", "cat")


def jpeg(side=8, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "jpeg", quality=95)
    return file.getvalue()


TREE = {
    f"{part}/{label}/{index:04d}.jpg": jpeg(seed=100 * place + index + (part == "test") * 50)
    for part, count in (("train", 4), ("test", 2))
    for place, label in enumerate(CLASSES)
    for index in range(count)
}
HASH = hashlib.sha256(
    b"".join(
        name.encode() + b"\0" + TREE[name]
        for part in jpegs.PARTS
        for name in sorted(TREE)
        if name.startswith(part)
    )
).hexdigest()


def unpacked(folder, tree=TREE):
    for name, content in tree.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def zipped(path, prefix="", tree=TREE):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in tree.items():
            archive.writestr(prefix + name, content)
    return path


@pytest.fixture
def places(tmp_path, monkeypatch):
    """What ZOO_DATA may name -> where the images are found."""
    monkeypatch.setattr(jpegs, "CIFAR10_JPEG", HASH)
    monkeypatch.setattr(jpegs.read, "__defaults__", (HASH,))
    load.cache_clear()
    yield {
        "the tree": unpacked(tmp_path / "tree"),
        "a clone beside other data": unpacked(tmp_path / "data" / "CIFAR-10-images").parent,
        "a zip": zipped(tmp_path / "some.zip"),
        "a folder with the zip": zipped(tmp_path / "CIFAR-10-images.zip").parent,
        "a zip as GitHub packs it": zipped(tmp_path / "packed.zip", "CIFAR-10-images-master/"),
    }
    load.cache_clear()


@pytest.mark.parametrize(
    "place",
    ["the tree", "a clone beside other data", "a zip", "a folder with the zip", "a zip as GitHub packs it"],
)
def test_images_are_found_and_read(places, monkeypatch, place):
    monkeypatch.setenv("ZOO_DATA", str(places[place]))
    images = load(Dataset(name="cifar10_jpeg"))
    assert images.x_train.shape == (12, 8, 8, 3) and images.x_test.shape == (6, 8, 8, 3)
    assert images.y_train.tolist() == [0] * 4 + [1] * 4 + [2] * 4 and images.classes == 3
    first = np.asarray(Image.open(io.BytesIO(TREE["train/airplane/0000.jpg"])))
    raw = jpegs.read(jpegs.find())[0]
    assert np.array_equal(raw[0], first)
    assert load(Dataset(name="cifar10_jpeg", size=4)).shape == (4, 4, 3)


def test_other_files_are_refused(places, tmp_path):
    other = TREE | {"train/cat/0003.jpg": jpeg(seed=999)}
    with pytest.raises(ValueError, match=r"its 18 images have sha256 .*, expected .*clone .* again"):
        jpegs.read(unpacked(tmp_path / "other", other))
    missing = {name: content for name, content in TREE.items() if name != "test/bird/0001.jpg"}
    with pytest.raises(ValueError, match="its 17 images have sha256"):
        jpegs.read(zipped(tmp_path / "short.zip", tree=missing))


def test_what_is_no_image_or_of_another_size_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"train/cat/0000.jpg does not decode"):
        jpegs.read(unpacked(tmp_path / "a", TREE | {"train/cat/0000.jpg": b"no image"}), None)
    with pytest.raises(ValueError, match="must share one size"):
        jpegs.read(unpacked(tmp_path / "b", TREE | {"train/cat/0000.jpg": jpeg(side=9)}), None)
    with pytest.raises(ValueError, match="holds no test/<class>"):
        jpegs.read(zipped(tmp_path / "c.zip", tree={"train/cat/0000.jpg": jpeg()}), None)


@pytest.mark.parametrize("named", [None, "", "an empty folder", "no such folder"])
def test_absent_images_say_how_to_get_them(tmp_path, monkeypatch, named):
    load.cache_clear()
    (tmp_path / "an empty folder").mkdir()
    monkeypatch.setenv("ZOO_DATA", str(tmp_path / named) if named else "")
    with pytest.raises(
        MissingDataError, match=r"clone .*CIFAR-10-images and name .*ZOO_DATA.*zip.*--dataset cifar10"
    ):
        load(Dataset(name="cifar10_jpeg"))


@pytest.mark.parametrize("named", ["the zip", "its folder"])
@pytest.mark.parametrize("damage", ["half of it", "a byte of an image"])
def test_a_zip_that_is_damaged_is_said(tmp_path, monkeypatch, named, damage):
    path = zipped(tmp_path / "CIFAR-10-images.zip")
    content = path.read_bytes()
    middle = content.index(TREE["train/cat/0000.jpg"]) + 100
    flipped = content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]
    path.write_bytes(content[: len(content) // 2] if damage == "half of it" else flipped)
    monkeypatch.setenv("ZOO_DATA", str(path if named == "the zip" else tmp_path))
    load.cache_clear()
    with pytest.raises(
        DamagedDataError, match=r"CIFAR-10-images\.zip is damaged, or only part .* fetch it again"
    ):
        load(Dataset(name="cifar10_jpeg"))
