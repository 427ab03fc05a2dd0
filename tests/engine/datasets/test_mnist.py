from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from engine.datasets import load_dataset
from engine.datasets.mnist import load_mnist, load_mnist_dynamic, load_mnist_static
from engine.datasets.sources import content_checksum, write_npz
from engine.errors import DatasetError


@pytest.fixture
def root(grey, static, tmp_path):
    write_npz(tmp_path / "mnist.npz", grey.arrays)
    write_npz(tmp_path / "binarized_mnist.npz", static.arrays)
    return tmp_path


def test_grey_set_validates_on_the_last_sixth_of_the_training_file(grey, root) -> None:
    data = load_mnist(root, source=grey.source)
    images = torch.from_numpy(grey.arrays["train_images"]).flatten(1) / 255
    torch.testing.assert_close(data.train, images[:50])
    torch.testing.assert_close(data.valid, images[50:])
    torch.testing.assert_close(
        data.test, torch.tensor(grey.arrays["test_images"] / 255.0).flatten(1).float()
    )
    assert data.labels is not None
    assert data.labels["valid"].tolist() == list(range(10))
    assert data.labels["test"].dtype == torch.int64
    assert (data.image_shape, data.likelihood, data.dynamic) == ((28, 28), "bernoulli", False)
    assert "not a likelihood on bits" in data.protocol


def test_dynamic_set_redraws_its_bits_each_epoch_with_the_grey_values_as_mean(grey, root) -> None:
    data = load_mnist_dynamic(root, source=grey.source)
    generator, indices, epochs = torch.Generator().manual_seed(0), torch.arange(50), 400
    draws = [data.batch("train", indices, generator) for _ in range(epochs)]
    assert not draws[0].equal(draws[1])
    p = load_mnist(root, source=grey.source).train
    error = torch.stack(draws).mean(0) - p
    standard_error = (p * (1 - p) / epochs).sqrt()
    assert (error.abs() <= 6 * standard_error).all()  # of 39 200 pixels
    z = (error / standard_error.clamp_min(1e-9))[(p > 0) & (p < 1)]
    assert abs(z.square().mean() - 1) < 5 * (2 / z.numel()) ** 0.5


def test_dynamic_set_draws_its_other_splits_once_from_a_fixed_seed(grey, root) -> None:
    once, again = (load_mnist_dynamic(root, source=grey.source) for _ in range(2))
    means = load_mnist(root, source=grey.source)
    for split in ("valid", "test"):
        bits, p = getattr(once, split), getattr(means, split)
        assert bits.equal(getattr(again, split))
        assert set(bits.unique().tolist()) == {0.0, 1.0}
        standard_error = (p * (1 - p)).sum().sqrt() / p.numel()
        assert abs(bits.mean() - p.mean()) < 5 * standard_error
    assert "fixed seed" in once.protocol


def test_static_set_keeps_the_files_own_rows_and_splits(static, root) -> None:
    data = load_mnist_static(root, source=static.source, download=False)
    for split, count in {"train": 50, "valid": 10, "test": 12}.items():
        bits = np.unpackbits(static.arrays[f"{split}_bits"], axis=1)
        assert getattr(data, split).shape == (count, 784)
        np.testing.assert_array_equal(getattr(data, split).numpy(), bits)
    assert data.labels is None
    assert data.levels == 1


def test_static_set_takes_its_labels_from_the_file(static, root) -> None:
    labels = {f"{s}_labels": np.arange(n) % 10 for s, n in [("train", 50), ("valid", 10)]}
    path = root / "binarized_mnist.npz"
    write_npz(path, {**static.arrays, **labels})
    assert load_mnist_static(root, source=static.source).labels is None  # one split lacks them
    write_npz(path, {**static.arrays, **labels, "test_labels": np.arange(12) % 10})
    data = load_mnist_static(root, source=static.source)
    assert data.labels is not None
    assert data.labels["test"].tolist() == [*range(10), 0, 1]


def test_static_set_recovers_its_labels_from_mnist_where_that_is_here(
    grey, static, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr("engine.datasets.mnist.MNIST", grey.source)
    root = static.write(grey.write(tmp_path / "public"))
    data = load_mnist_static(root, source=static.source, download=False)
    assert data.labels is not None
    images = torch.from_numpy(grey.arrays["train_images"]).flatten(1)
    # Rows are random images here: each row's bits say which one it was.
    nearest = torch.cdist(data.train, images / 255).argmin(1)
    assert data.labels["train"].equal(torch.from_numpy(grey.arrays["train_labels"])[nearest].long())
    assert data.labels["test"].tolist() == grey.arrays["test_labels"].tolist()


@pytest.mark.parametrize("name", ["mnist", "mnist-static", "mnist-dynamic"])
def test_full_set_is_refused_where_the_file_holds_another(name, root) -> None:
    with pytest.raises(DatasetError, match="wrong content"):
        load_dataset(name, root)


@pytest.mark.parametrize("name", ["mnist", "mnist-static", "mnist-dynamic"])
def test_real_set_has_the_sizes_of_the_papers(name, real_root) -> None:
    data = load_dataset(name, real_root)
    assert data.name == name
    assert [len(pixels) for pixels in data.pixels.values()] == [50_000, 10_000, 10_000]
    assert data.labels is not None
    assert [len(values) for values in data.labels.values()] == [50_000, 10_000, 10_000]
    assert data.labels["test"].bincount().tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    assert abs(data.train_mean.mean() - 0.1308) < 5e-4


def test_bits_of_the_dynamic_test_split_are_the_same_on_every_machine(real_root) -> None:
    pixels = load_dataset("mnist-dynamic", real_root).pixels
    assert content_checksum(pixels["valid"].numpy()) == "cee8b3e0f09dd883"
    assert content_checksum(pixels["test"].numpy()) == "57056eff3e6ea521"


def test_static_set_loads_within_a_second(real_root) -> None:
    def seconds() -> float:
        start = time.perf_counter()
        load_dataset("mnist-static", real_root)
        return time.perf_counter() - start

    assert min(seconds() for _ in range(3)) < 1
