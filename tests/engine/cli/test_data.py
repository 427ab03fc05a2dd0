from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from engine.cli.data import data
from engine.datasets import DATASETS, has_host


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no data root, and a public host that refuses every connection."""
    monkeypatch.setenv("HELMHOLTZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HELMHOLTZ_DATA", raising=False)
    monkeypatch.setenv("HELMHOLTZ_MIRROR", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache"


def run(*arguments: str):
    return CliRunner().invoke(data, arguments)


def rows(output: str) -> dict[str, dict]:
    return {row["name"]: row for row in json.loads(output)["datasets"]}


def test_list_names_every_set_and_where_it_is() -> None:
    done = run("list")
    assert done.exit_code == 0
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert list(lines) == list(DATASETS)
    assert lines["mnist"] == "not here"
    assert lines["digits-mini"].endswith("mnist_5k.csv.gz")


def test_list_as_json_is_one_object() -> None:
    sets = rows(run("list", "--json").stdout)
    assert sets["frey"]["path"] is None
    assert Path(sets["digits-mini"]["path"]).is_file()


def test_check_describes_a_set_that_is_whole() -> None:
    done = run("check", "digits-mini", "--json")
    row = rows(done.stdout)["digits-mini"]
    assert done.exit_code == 0
    assert row["ok"] is True
    assert row["items"] == {"train": 4000, "valid": 500, "test": 500}
    assert "overlap with MNIST" in row["protocol"]
    assert "ok: 4000 / 500 / 500 items" in run("check", "digits-mini").stdout


def test_check_of_all_passes_over_sets_that_are_not_here() -> None:
    done = run("check")
    assert done.exit_code == 0
    assert done.stdout.count("not here") == len(DATASETS) - 1


def test_check_of_a_set_that_is_not_here_fails() -> None:
    done = run("check", "frey")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert "python -m engine data fetch frey" in done.stderr


def test_check_finds_a_broken_file(tmp_path, monkeypatch) -> None:
    path = tmp_path / "frey_faces.npz"
    np.savez(path, images=np.zeros((1965, 28, 20), np.uint8))
    monkeypatch.setenv("HELMHOLTZ_DATA", str(tmp_path))
    done = run("check", "--json")
    row = rows(done.stdout)["frey"]
    assert done.exit_code == 1
    assert row["ok"] is False
    assert f"{path} has the wrong content" in row["error"]


def test_fetch_without_a_network_fails_and_says_why() -> None:
    done = run("fetch", "frey", "--json")
    assert done.exit_code == 1
    assert "ConnectionRefusedError" in rows(done.stdout)["frey"]["error"]
    assert run("fetch", "digits-mini").exit_code == 0


def test_fetch_of_all_passes_over_sets_that_nobody_serves(monkeypatch) -> None:
    monkeypatch.setattr("engine.datasets.download.time.sleep", lambda seconds: None)
    every = rows(run("fetch", "--json").stdout)
    nobody = {name for name, row in every.items() if row["ok"] is None}
    assert nobody == {name for name in DATASETS if not has_host(name)}
    assert nobody == {"20-newsgroups", "cifar10-small"}
    done = run("fetch", "20-newsgroups", "--json")
    assert done.exit_code == 1
    assert "no public host" in rows(done.stdout)["20-newsgroups"]["error"]


def test_unknown_set_is_a_wrong_call() -> None:
    done = run("fetch", "cifar")
    assert done.exit_code == 2
    assert "'mnist-static'" in done.stderr
