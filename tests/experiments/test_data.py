import gzip
import struct

import numpy as np
import pytest

from zoo.experiments.data import sets
from zoo.experiments.data.sets import MissingDataError, balanced, load, read_idx, resize
from zoo.experiments.design.experiment import Dataset


def idx(values):
    return (
        b"\x00\x00\x08"
        + bytes([values.ndim])
        + struct.pack(f">{values.ndim}I", *values.shape)
        + values.tobytes()
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A small fashion_mnist in ZOO_DATA, with its hashes; two files compressed, two not."""
    import hashlib

    load.cache_clear()
    generator = np.random.default_rng(0)
    hashes = {}
    for position, name in enumerate(sets.FASHION_MNIST):
        count = 60 if name.startswith("train") else 20
        images = generator.integers(0, 256, (count, 28, 28)).astype(np.uint8)
        content = idx(images if "images" in name else (np.arange(count) % 10).astype(np.uint8))
        hashes[name] = hashlib.sha256(content).hexdigest()
        if position % 2:
            (tmp_path / name).write_bytes(content)
        else:
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
    monkeypatch.setattr(sets, "FASHION_MNIST", hashes)
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    yield tmp_path
    load.cache_clear()


def test_files_are_read_from_zoo_data(folder):
    images = load(Dataset())
    assert images.x_train.shape == (60, 28, 28, 1) and images.x_test.shape == (20, 28, 28, 1)
    assert images.x_train.dtype == np.float32 and images.y_train.dtype == np.int32
    assert images.x_train.mean() == pytest.approx(0, abs=1e-3) and images.x_train.std() == pytest.approx(
        1, abs=1e-3
    )
    assert (images.classes, images.shape) == (10, (28, 28, 1))


def test_the_hash_is_of_what_the_model_sees(folder):
    hashes = [
        load(Dataset(**changes)).sha256
        for changes in ({}, {"size": 14}, {"train": 50}, {"test": 10}, {"signs": "both"})
    ]
    assert len(set(hashes)) == 5
    load.cache_clear()
    assert load(Dataset()).sha256 == hashes[0]


@pytest.mark.parametrize("position", range(4))
def test_damaged_files_are_refused(folder, position):
    path = sorted(folder.iterdir())[position]
    content = bytearray(path.read_bytes())
    content[-20] ^= 255
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{path.name} is damaged.*fetch it again"):
        load(Dataset())


def test_half_a_file_and_half_a_set_are_refused(folder):
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="does not decompress"):
        load(Dataset())
    path.unlink()
    with pytest.raises(
        MissingDataError, match="only part of fashion_mnist; missing: train-images-idx3-ubyte"
    ):
        load(Dataset())


def test_what_is_not_idx_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(ValueError, match="not an IDX file of unsigned bytes: it begins with 504b0304"):
        read_idx(tmp_path / "a")
    (tmp_path / "b").write_bytes(idx(np.zeros((3, 2), np.uint8))[:-1])
    with pytest.raises(ValueError, match=r"announces \(3, 2\) values and holds 5"):
        read_idx(tmp_path / "b")


def test_a_missing_set_names_three_ways(tmp_path, monkeypatch):
    import keras

    def offline():
        raise OSError("no network")

    load.cache_clear()
    monkeypatch.delenv("ZOO_DATA", raising=False)
    monkeypatch.setattr(sets, "DEBIAN_FOLDER", tmp_path)
    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", offline)
    with pytest.raises(
        MissingDataError, match=r"ZOO_DATA, or install .*dataset-fashion-mnist, or let keras.datasets"
    ):
        load(Dataset())


def test_the_published_hashes_are_those_of_the_real_files():
    files = sets._fashion_mnist_files()
    if files is None:
        pytest.skip("fashion_mnist is not on this machine: neither in ZOO_DATA nor from Debian's package")
    for name, path in files.items():
        assert len(read_idx(path, sets.FASHION_MNIST[name])) in (60000, 10000)


def test_unknown_names_and_impossible_subsets():
    with pytest.raises(ValueError, match="unknown data set 'fashon_mnist'; did you mean 'fashion_mnist'"):
        load(Dataset(name="fashon_mnist"))
    with pytest.raises(ValueError, match="needs a multiple of 10 images; received 15"):
        load(Dataset(name="digits", train=15))
    with pytest.raises(ValueError, match="one class has only"):
        load(Dataset(name="digits", test=1000))


def test_subsets_are_balanced_and_in_order():
    labels = np.array([0, 0, 0, 1, 2, 1, 2, 1, 2])
    assert balanced(labels, 6).tolist() == [0, 1, 3, 4, 5, 6]
    assert balanced(labels, None).tolist() == list(range(9))
    counts = np.bincount(load(Dataset(name="digits", train=200, test=50)).y_train)
    assert counts.tolist() == [20] * 10


def slow_resize(image, size):
    """Pixel by pixel, by counting on a grid of size * side cells."""
    side = len(image)
    fine = np.repeat(np.repeat(image.astype(float), size, 0), size, 1)
    return np.array(
        [
            [fine[i * side : (i + 1) * side, j * side : (j + 1) * side].mean() for j in range(size)]
            for i in range(size)
        ]
    )


@pytest.mark.parametrize(("side", "size"), [(28, 14), (28, 7), (28, 10), (8, 8), (8, 12)])
def test_resizing_averages_over_areas(side, size):
    images = np.random.default_rng(0).integers(0, 256, (2, side, side, 1)).astype(np.uint8)
    expected = np.stack([slow_resize(image[:, :, 0], size) for image in images])
    assert np.abs(resize(images, size)[..., 0] - expected).max() <= 0.5 + 1e-3


def test_both_signs():
    images = load(Dataset(name="digits", train=50, test=20, signs="both"))
    assert np.array_equal(images.x_train[:50], -images.x_train[50:])
    assert np.array_equal(images.y_train[:50], images.y_train[50:])
    assert len(images.x_test) == 40
