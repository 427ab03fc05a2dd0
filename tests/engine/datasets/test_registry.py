from __future__ import annotations

import subprocess
import sys

import pytest

from engine.datasets import DATASETS, fetch_dataset, find_dataset, load_dataset
from engine.errors import DatasetError

WITHOUT_HOST = {"digits-mini", "20-newsgroups", "cifar10-small"}


def test_registry_holds_the_known_sets_and_cannot_be_changed() -> None:
    assert list(DATASETS) == [
        "mnist",
        "mnist-static",
        "mnist-dynamic",
        "frey",
        "frey-blocks",
        "digits-mini",
        "20-newsgroups",
        "omniglot",
        "small-norb",
        "svhn",
        "cifar10",
        "cifar10-small",
    ]
    with pytest.raises(TypeError):
        DATASETS["mnist"] = DATASETS["frey"]  # type: ignore[index]


@pytest.mark.parametrize("call", [load_dataset, find_dataset, fetch_dataset])
def test_unknown_name_is_refused_with_the_known_ones(call) -> None:
    with pytest.raises(ValueError, match=r"`name` must be one of mnist, .* got 'cifar'"):
        call("cifar")


@pytest.mark.parametrize("name", [name for name in DATASETS if name not in WITHOUT_HOST])
def test_set_that_is_nowhere_is_an_error_that_says_what_to_do(name) -> None:
    assert find_dataset(name) is None
    with pytest.raises(DatasetError, match=r"Set HELMHOLTZ_DATA .* data fetch .* 'digits-mini'"):
        load_dataset(name, download=False)


def test_embedded_digits_are_found_without_any_data() -> None:
    path = find_dataset("digits-mini")
    assert path is not None
    assert path.is_file()
    assert fetch_dataset("digits-mini") == path


def test_loading_imports_only_torch_and_numpy(real_root, tmp_path) -> None:
    # where the cache is not named, pooch has to be asked for its place
    named = {"HELMHOLTZ_DATA": str(real_root), "HELMHOLTZ_CACHE": str(tmp_path)}
    code = (
        "import sys, torch, numpy; before = set(sys.modules)\n"
        "from engine.datasets import DATASETS, find_dataset, load_dataset\n"
        "for name in DATASETS:\n"
        "    if find_dataset(name): load_dataset(name)\n"
        "heavy = {'pooch', 'requests', 'tqdm', 'scipy', 'mlxtend', 'pandas', 'sklearn', 'PIL'}\n"
        "print(sorted(heavy & (set(sys.modules) - before)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**named, "PATH": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
