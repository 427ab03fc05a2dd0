from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.datasets.newsgroups import NEWSGROUPS, load_newsgroups
from engine.datasets.places import find
from engine.datasets.sources import Source, content_checksum, parse_files, write_npz
from engine.errors import DatasetError

WORDS = ("alpha", "beta", "gamma", "delta")
TRAIN = np.array([[0, 300, 0, 1], [2, 0, 0, 0], [0, 0, 1, 0], [1, 1, 1, 1]] * 5)
TEST = np.array([[1, 0, 0, 0], [0, 0, 0, 7]])


def csr(counts: np.ndarray, split: str) -> dict[str, np.ndarray]:
    rows, columns = counts.nonzero()
    starts = np.searchsorted(rows, np.arange(len(counts) + 1))
    return {
        f"{split}_data": counts[rows, columns].astype(np.uint16),
        f"{split}_indices": columns.astype(np.uint16),
        f"{split}_indptr": starts.astype(np.int32),
        f"{split}_labels": (np.arange(len(counts)) % 2).astype(np.uint8),
    }


@pytest.fixture
def documents(tmp_path) -> Source:
    """A small set in the layout of the file, in the data root `tmp_path`."""
    arrays = {
        **csr(TRAIN, "train"),
        **csr(TEST, "test"),
        "vocabulary": np.array(WORDS),
        "groups": np.array(["one", "two"]),
    }
    write_npz(tmp_path / "twenty_newsgroups.npz", arrays)
    checksums = {name: content_checksum(array) for name, array in arrays.items()}
    return replace(NEWSGROUPS, checksums=checksums)


def test_documents_are_dense_counts_with_their_words_and_groups(documents, tmp_path) -> None:
    data = load_newsgroups(tmp_path, source=documents)
    assert (data.likelihood, data.image_shape, data.data_dim) == ("multinomial", (4,), 4)
    assert data.vocabulary == WORDS
    assert data.class_names == ("one", "two")
    assert data.test.tolist() == TEST.tolist()
    assert {split: len(counts) for split, counts in data.pixels.items()} == {
        "train": 18,
        "valid": 2,
        "test": 2,
    }
    assert data.train.max() == 300  # not cut off at 255
    both = torch.cat([data.train, data.valid])
    assert sorted(both.tolist()) == sorted(TRAIN.tolist())
    assert data.batch("test", torch.tensor([1])).tolist() == [[0, 0, 0, 7]]
    torch.testing.assert_close(data.train_mean, data.train.mean(0))
    assert data.labels is not None
    assert data.labels["test"].tolist() == [0, 1]


def test_labels_stay_with_their_documents(documents, tmp_path) -> None:
    data = load_newsgroups(tmp_path, source=documents)
    again = load_newsgroups(tmp_path, source=documents)
    assert data.train.equal(again.train)
    assert data.labels is not None
    for split in ("train", "valid"):
        # of the four documents in turn the first and the third are of the first group
        assert data.labels[split].tolist() == [
            int(row in ([2, 0, 0, 0], [1, 1, 1, 1])) for row in data.pixels[split].tolist()
        ]


def test_a_set_without_a_public_host_says_what_is_needed(tmp_path) -> None:
    assert find(NEWSGROUPS, tmp_path) is None
    with pytest.raises(DatasetError, match=r"holds twenty_newsgroups\.npz; no public host .* CSR"):
        load_newsgroups(tmp_path)
    with pytest.raises(DatasetError, match="has no public files"):
        parse_files(NEWSGROUPS, tmp_path)


def test_other_counts_are_refused(documents, tmp_path) -> None:
    with pytest.raises(DatasetError, match="has the wrong content: array 'vocabulary'"):
        load_newsgroups(tmp_path)


def test_the_real_set_has_the_counts_of_the_papers(real_root) -> None:
    data = load_newsgroups(real_root)
    assert {split: tuple(counts.shape) for split, counts in data.pixels.items()} == {
        "train": (10290, 2000),
        "valid": (1000, 2000),
        "test": (7510, 2000),
    }
    assert all(data.pixels[split].sum(1).min() > 0 for split in data.pixels)
    assert int(data.pixels["test"].sum()) == 721643
    assert data.class_names[0] == "alt.atheism"
