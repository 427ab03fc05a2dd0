"""The order in which places are looked in; nothing here asks a host but where it says so."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from engine.datasets.places import fetch, find, load_arrays
from engine.datasets.sources import write_npz
from engine.errors import DatasetError


def test_root_argument_goes_before_the_variable(film, tmp_path, monkeypatch) -> None:
    write_npz(tmp_path / "argument" / "frey_faces.npz", film.arrays)
    write_npz(tmp_path / "variable" / "frey_faces.npz", film.arrays)
    monkeypatch.setenv("HELMHOLTZ_DATA", str(tmp_path / "variable"))
    assert find(film.source, tmp_path / "argument") == tmp_path / "argument" / "frey_faces.npz"
    assert find(film.source) == tmp_path / "variable" / "frey_faces.npz"


def test_data_root_goes_before_the_cache_and_the_cache_before_the_host(
    host, film, cache, tmp_path, impatient
) -> None:
    host.files, source = film.files, film.at(host.url)
    load_arrays(source, downloader=impatient)
    assert len(host.requests) == 1
    assert find(source) == cache / "frey_faces.npz"

    load_arrays(source, downloader=impatient)
    assert len(host.requests) == 1

    root = tmp_path / "root" / "frey_faces.npz"
    write_npz(root, film.arrays)
    (cache / "frey_faces.npz").write_bytes(b"broken, and not looked at")
    load_arrays(source, root.parent, downloader=impatient)
    assert find(source, root.parent) == root
    assert len(host.requests) == 1


def test_public_files_in_the_root_are_read_and_kept_parsed(film, cache, tmp_path) -> None:
    root = film.write(tmp_path / "root")
    assert find(film.source, root) == root
    arrays = load_arrays(film.source, root, download=False)
    np.testing.assert_array_equal(arrays["images"], film.arrays["images"])
    assert find(film.source, root) == cache / "frey_faces.npz"


def test_public_files_in_the_root_are_read_where_the_cache_cannot_be_written(
    film, cache, tmp_path, caplog
) -> None:
    cache.write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        arrays = load_arrays(film.source, film.write(tmp_path / "root"), download=False)
    np.testing.assert_array_equal(arrays["images"], film.arrays["images"])
    assert "could not be written" in caplog.text


def test_broken_file_in_the_root_is_an_error_and_not_passed_over(
    host, film, tmp_path, impatient
) -> None:
    host.files = film.files
    path = tmp_path / "frey_faces.npz"
    path.write_bytes(b"broken")
    with pytest.raises(DatasetError) as caught:
        load_arrays(film.at(host.url), tmp_path, downloader=impatient)
    assert str(path) in str(caught.value)
    assert "data fetch frey" in str(caught.value)
    assert host.requests == []


def test_broken_public_file_in_the_root_is_an_error(film, tmp_path) -> None:
    root = film.write(tmp_path / "root")
    (root / "frey_rawface.mat").write_bytes(b"broken")
    with pytest.raises(DatasetError, match="no MATLAB 5 file"):
        load_arrays(film.source, root, download=False)


def test_nothing_is_downloaded_where_that_was_not_asked_for(host, film, tmp_path) -> None:
    host.files = film.files
    with pytest.raises(DatasetError, match=r"nowhere is not a folder.* no download was asked for"):
        load_arrays(film.at(host.url), tmp_path / "nowhere", download=False)
    assert host.requests == []
    assert find(film.source) is None


def test_labels_are_recovered_once_mnist_is_at_hand(
    host, grey, static, cache, impatient, monkeypatch
) -> None:
    monkeypatch.setattr("engine.datasets.mnist.MNIST", grey.source)
    host.files = static.files
    source = static.at(host.url)
    assert fetch(source, downloader=impatient) == cache / "binarized_mnist.npz"
    assert "train_labels" not in load_arrays(source)

    write_npz(cache / "mnist.npz", grey.arrays)
    fetch(source, downloader=impatient)
    assert load_arrays(source)["train_labels"].shape == (50,)
    assert len(host.requests) == 3
