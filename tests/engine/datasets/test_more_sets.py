"""SVHN, CIFAR-10, small NORB and OMNIGLOT, in their public formats, from a host on loopback."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.io import savemat

from engine.datasets import Dataset
from engine.datasets.colour import (
    CIFAR10,
    CIFAR10_SMALL,
    SVHN,
    load_cifar10,
    load_cifar10_small,
    load_svhn,
)
from engine.datasets.matrices import read_cifar, read_matlab, read_norb
from engine.datasets.norb import SMALL_NORB, halved, load_small_norb
from engine.datasets.omniglot import OMNIGLOT, load_omniglot
from engine.datasets.places import load_arrays
from engine.datasets.sources import Layout, parse_files, read_npz, write_npz
from engine.errors import DatasetError
from engine.training.loop import Run
from engine.training.recipe import load_recipe
from tests.engine.datasets.conftest import PublicSet, describe

RANDOM = np.random.default_rng(3)
TRAIN, TEST = 20, 6
SMALL = {"train": TRAIN, "test": TEST}


def mat(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, arrays)
    return buffer.getvalue()


def images(count: int, *shape: int) -> np.ndarray:
    return RANDOM.integers(0, 256, (count, *shape), dtype=np.uint8)


def labels(count: int, classes: int = 10) -> np.ndarray:
    return (np.arange(count) % classes).astype(np.uint8)


def tar(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, body in members.items():
            entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            entry.size = len(body)
            archive.addfile(entry, io.BytesIO(body))
    return buffer.getvalue()


def records(pixels: np.ndarray, values: np.ndarray) -> bytes:
    rows = pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)  # red, then green, then blue
    return np.concatenate([values[:, None], rows], axis=1).tobytes()


def norb(array: np.ndarray) -> bytes:
    magic = {1: 0x1E3D4C55, 4: 0x1E3D4C54}[array.dtype.itemsize]
    sizes = [*array.shape, 1, 1, 1][: max(3, array.ndim)]
    head = struct.pack(f"<II{len(sizes)}i", magic, array.ndim, *sizes)
    return head + array.astype(array.dtype.newbyteorder("<")).tobytes()


def svhn_set() -> PublicSet:
    arrays, files = {}, {}
    for split, count in SMALL.items():
        arrays[f"{split}_images"] = images(count, 32, 32, 3)
        arrays[f"{split}_labels"] = labels(count)
        files[f"{split}_32x32.mat"] = mat(
            X=arrays[f"{split}_images"].transpose(1, 2, 3, 0),
            y=np.where(labels(count) == 0, 10, labels(count))[:, None],
        )
    return PublicSet(describe(SVHN, arrays, files, md5=True), arrays, files)


def cifar_set() -> PublicSet:
    arrays = {
        "train_images": images(TRAIN, 32, 32, 3),
        "train_labels": labels(TRAIN),
        "test_images": images(TEST, 32, 32, 3),
        "test_labels": labels(TEST),
    }
    pairs = zip(np.split(arrays["train_images"], 5), np.split(arrays["train_labels"], 5))  # noqa: B905
    batches = {f"data_batch_{i}": records(*pair) for i, pair in enumerate(pairs, start=1)}
    batches["test_batch"] = records(arrays["test_images"], arrays["test_labels"])
    files = {"cifar-10-binary.tar.gz": tar(**batches)}
    return PublicSet(describe(CIFAR10, arrays, files, md5=True), arrays, files)


def norb_set() -> PublicSet:
    arrays, files = {}, {}
    stems = [file.name.removesuffix("-dat.mat.gz") for file in SMALL_NORB.files[::2]]
    for (split, count), stem in zip(SMALL.items(), stems, strict=True):
        pairs = images(count, 2, 96, 96)
        means = pairs[:, 0].reshape(count, 48, 2, 48, 2).mean((2, 4))
        arrays[f"{split}_images"] = np.floor(means + 0.5).astype(np.uint8)
        arrays[f"{split}_labels"] = labels(count, 5)
        files[f"{stem}-dat.mat.gz"] = gzip.compress(norb(pairs), 1)
        files[f"{stem}-cat.mat.gz"] = gzip.compress(norb(labels(count, 5).astype(np.int32)), 1)
    return PublicSet(describe(SMALL_NORB, arrays, files, md5=True), arrays, files)


def omniglot_set() -> PublicSet:
    arrays, stored = {}, {}
    for split, count in SMALL.items():
        grey = arrays[f"{split}_images"] = images(count, 28, 28)
        arrays[f"{split}_labels"] = labels(count, 50)
        prefix = "test" if split == "test" else ""
        stored[f"{prefix}data"] = grey.transpose(0, 2, 1).reshape(count, 784).T / 255
        stored[f"{prefix}target"] = np.eye(50)[:, labels(count, 50)]
    files = {"chardata.mat": mat(**stored)}
    source = describe(OMNIGLOT, arrays, files, md5=True)
    return PublicSet(replace(source, optional=()), arrays, files)


Loader = Callable[..., Dataset]
SETS: dict[str, tuple[Callable[[], PublicSet], Loader, tuple[int, ...]]] = {
    "svhn": (svhn_set, load_svhn, (32, 32, 3)),
    "cifar10": (cifar_set, load_cifar10, (32, 32, 3)),
    "small-norb": (norb_set, load_small_norb, (48, 48)),
    "omniglot": (omniglot_set, load_omniglot, (28, 28)),
}


def made(name: str) -> PublicSet:
    made = SETS[name][0]()
    return replace(made, source=replace(made.source, layouts={}))


@pytest.mark.parametrize("name", SETS)
def test_a_public_set_is_downloaded_parsed_and_kept(name, host, cache, impatient) -> None:
    public = made(name)
    host.files, source = public.files, public.at(host.url)
    arrays = load_arrays(source, downloader=impatient)
    for key, array in public.arrays.items():
        np.testing.assert_array_equal(arrays[key], array)
    kept = read_npz(cache / f"{source.name}.npz", source)
    assert kept.keys() == public.arrays.keys()
    assert [name for name, _ in host.requests] == list(public.files)


@pytest.mark.parametrize("name", SETS)
def test_a_set_has_its_shape_splits_and_classes(name, tmp_path) -> None:
    public, (_, load, shape) = made(name), SETS[name]
    data = load(public.write(tmp_path), source=public.source, download=False)
    assert (data.name, data.image_shape) == (name, shape)
    assert data.data_dim == np.prod(shape)
    sizes = {split: len(pixels) for split, pixels in data.pixels.items()}
    assert sizes == {"train": TRAIN - TRAIN // 10, "valid": TRAIN // 10, "test": TEST}
    assert data.likelihood == ("bernoulli" if name == "omniglot" else "gaussian")
    assert data.labels is not None
    assert int(data.labels["test"].max()) < len(data.class_names)
    if not data.dynamic:
        pictures = data.test.view(-1, *shape)
        np.testing.assert_allclose(pictures * 255, public.arrays["test_images"], atol=1e-4)
        merged = torch.cat([data.labels["train"], data.labels["valid"]])
        assert merged.tolist() == public.arrays["train_labels"].tolist()


@pytest.mark.parametrize("name", SETS)
def test_the_shipped_recipe_of_a_set_trains_on_it(name, tmp_path) -> None:
    public, (_, load, _) = made(name), SETS[name]
    data = load(public.write(tmp_path), source=public.source, download=False)
    small = ["model.layers=[4,2]", "model.hidden=[5]", "training.compile=false"]
    recipe = load_recipe(f"dlgm-{name}", [*small, "training.epochs=2"])
    assert recipe.data == name
    *_, last = Run(recipe, data).records()
    assert last.step == last.steps
    assert last.point is not None
    assert np.isfinite(last.point["valid_elbo"])


def test_omniglot_draws_training_bits_afresh_and_the_others_once(tmp_path) -> None:
    public = made("omniglot")
    folder = public.write(tmp_path)
    data, again = (load_omniglot(folder, source=public.source) for _ in range(2))
    assert data.dynamic
    assert set(data.test.unique().tolist()) == {0.0, 1.0}
    assert data.test.equal(again.test)
    grey = torch.from_numpy(public.arrays["test_images"]).flatten(1)
    assert (data.test[grey == 255] == 1).all()
    assert (data.test[grey == 0] == 0).all()
    train = torch.from_numpy(public.arrays["train_images"]).flatten(1).tolist()
    assert all(row in train for row in data.pixels["train"].tolist())


@pytest.mark.parametrize("name", SETS)
def test_a_truncated_public_file_is_refused_by_name(name, tmp_path) -> None:
    public = made(name)
    folder = public.write(tmp_path)
    for file, body in public.files.items():
        (folder / file).write_bytes(body[: len(body) * 2 // 3])
        with pytest.raises(DatasetError, match=file.replace(".", r"\.").replace("-", ".")):
            parse_files(public.source, folder)
        (folder / file).write_bytes(body)
    parse_files(public.source, folder)


@pytest.mark.parametrize("name", SETS)
def test_what_is_not_the_public_set_is_refused_by_its_layout(name, tmp_path) -> None:
    public = made(name)
    real = {"svhn": SVHN, "cifar10": CIFAR10, "small-norb": SMALL_NORB, "omniglot": OMNIGLOT}[name]
    write_npz(tmp_path / "set.npz", public.arrays)
    with pytest.raises(
        DatasetError, match=rf"array 'train_images' of '{name}' is uint8 \(20, .* not"
    ):
        read_npz(tmp_path / "set.npz", real)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 2), np.uint8), None),
        (np.zeros((4, 2), np.int16), r"is int16 \(4, 2\), not uint8 \(4, 2\)"),
        (np.zeros((4, 3), np.uint8), r"is uint8 \(4, 3\), not uint8 \(4, 2\)"),
        (np.full((4, 2), 9, np.uint8), "holds 9, above 7"),
    ],
)
def test_a_layout_says_what_is_wrong(array, message) -> None:
    fault = Layout((4, 2), highest=7).fault(array)
    assert fault is None if message is None else np.any([message.replace("\\", "") in str(fault)])


def test_a_layout_counts_labels() -> None:
    layout = Layout((5,), 2, (2, 2, 1))
    assert layout.fault(np.array([0, 1, 2, 1, 0], np.uint8)) is None
    assert "holds its values (1, 2, 2) times" in str(
        layout.fault(np.array([0, 1, 2, 1, 2], np.uint8))
    )


def test_published_numbers_of_images_add_up() -> None:
    for source in (SVHN, CIFAR10, SMALL_NORB):
        for split in ("train", "test"):
            layout = source.layouts[f"{split}_labels"]
            assert layout.counts is not None
            assert (
                sum(layout.counts) == layout.shape[0] == source.layouts[f"{split}_images"].shape[0]
            )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.zeros((32, 32, 3, 4))}, r"must hold `X`, uint8 \(32, 32, 3, n\); got float64"),
        ({"X": np.zeros((32, 32, 1, 4), np.uint8)}, "must hold `X`"),
        ({"y": np.array([1, 2, 3])}, "must hold `y`, one label"),
        ({"y": np.array([0, 1, 2, 3])}, "must hold `y`, one label from 1 to 10"),
        ({"X": np.array(["a"])}, "must hold a numeric array `X`"),
    ],
)
def test_svhn_files_of_another_kind_are_refused(change, message, tmp_path) -> None:
    good = {"X": np.zeros((32, 32, 3, 4), np.uint8), "y": np.array([1, 2, 3, 10])}
    public = made("svhn")
    folder = public.write(tmp_path)
    (folder / "train_32x32.mat").write_bytes(mat(**(good | change)))
    with pytest.raises(DatasetError, match=message):
        parse_files(public.source, folder)


def test_a_matlab_file_without_the_array_is_refused(tmp_path) -> None:
    (tmp_path / "x.mat").write_bytes(mat(a=np.zeros(3)))
    with pytest.raises(DatasetError, match="must hold a numeric array `b`"):
        read_matlab(tmp_path / "x.mat", ["a", "b"])


@pytest.mark.parametrize("worst", [1.5, -0.5, np.nan])
def test_omniglot_values_outside_the_unit_interval_are_refused(worst, tmp_path) -> None:
    data = np.full((784, 3), worst)
    (tmp_path / "chardata.mat").write_bytes(mat(data=data, testdata=np.zeros((784, 2))))
    with pytest.raises(DatasetError, match=r"grey values in \[0, 1\]"):
        parse_files(made("omniglot").source, tmp_path)


def test_a_cifar_archive_with_a_member_missing_or_cut_is_refused(tmp_path) -> None:
    path = tmp_path / "cifar.tar.gz"
    path.write_bytes(tar(test_batch=records(images(2, 32, 32, 3), labels(2))[:-1]))
    with pytest.raises(DatasetError, match=r"test_batch\.bin in .* ends inside a record of 3073"):
        read_cifar(path, ["test_batch.bin"])
    with pytest.raises(DatasetError, match=r"holds no file data_batch_1\.bin"):
        read_cifar(path, ["data_batch_1.bin"])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not a NORB matrix"),
        (struct.pack("<II3i", 0x1E3D4C53, 1, 2, 1, 1), "not a NORB matrix of bytes or integers"),
        (norb(labels(5))[:16], "end inside the header"),
        (norb(labels(5))[:-1], r"truncated: 4 bytes for shape \(5,\), not 5"),
        (norb(labels(5)) + b"x", "holds too much"),
        (gzip.compress(norb(labels(5)))[:-4], "may be truncated"),
    ],
)
def test_a_malformed_norb_matrix_is_refused(body, message, tmp_path) -> None:
    path = tmp_path / "matrix.mat"
    path.write_bytes(body)
    with pytest.raises(DatasetError, match=message):
        read_norb(path)


def test_norb_matrices_of_any_number_of_axes_are_read(tmp_path) -> None:
    path = tmp_path / "matrix.mat"
    for array in (labels(5), np.arange(24, dtype=np.int32).reshape(1, 2, 3, 4)):
        path.write_bytes(norb(array))
        np.testing.assert_array_equal(read_norb(path), array)


def test_halved_images_are_rounded_means_of_four_pixels() -> None:
    four = np.array([[[0, 1], [0, 1]], [[255, 255], [255, 254]]], np.uint8)
    assert halved(four).ravel().tolist() == [1, 255]


def test_the_small_part_of_cifar_has_no_public_host(tmp_path) -> None:
    with pytest.raises(DatasetError, match=r"no public host .* the whole set, .* is 'cifar10'"):
        load_cifar10_small(tmp_path)
    arrays = made("cifar10").arrays
    write_npz(tmp_path / "cifar10_small.npz", arrays)
    with pytest.raises(DatasetError, match="has the wrong content"):
        load_cifar10_small(tmp_path, source=CIFAR10_SMALL)
    data = load_cifar10_small(
        tmp_path, source=replace(CIFAR10_SMALL, checksums={}, layouts=SMALLER)
    )
    assert data.protocol.startswith("For pictures only")
    assert data.image_shape == (32, 32, 3)


SMALLER = {
    "train_images": Layout((TRAIN, 32, 32, 3)),
    "train_labels": Layout((TRAIN,)),
    "test_images": Layout((TEST, 32, 32, 3)),
    "test_labels": Layout((TEST,)),
}
