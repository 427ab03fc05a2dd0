from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from engine.__main__ import main
from engine.checkpoints import read_curves, write_curves
from engine.estimators.variants import suitable_variants


@pytest.fixture(autouse=True)
def without_data(shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The small models, and no data but the embedded digits."""
    monkeypatch.setenv("HELMHOLTZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HELMHOLTZ_DATA", raising=False)


def run(*arguments: str):
    quick = ("--draws", "6", "--minibatches", "2", "--batch-size", "10", "--fit-steps", "5")
    return CliRunner().invoke(main, ["variance", *quick, *arguments])


def test_every_suitable_estimator_is_measured_by_default(shelf: Path) -> None:
    done = run("bits", "--json")
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    keys = suitable_variants("bernoulli", 2)
    assert list(result["estimators"]) == keys
    assert [row["estimator"] for row in result["rows"]] == [k for k in keys for _ in range(3)]
    layers = ["recognition 1", "recognition 2", "generative"]
    assert [row["layer"] for row in result["rows"]] == layers * len(keys)
    assert {(row["draws"], row["minibatches"]) for row in result["rows"]} == {(6, 2)}
    assert all(row["trace"] > 0 for row in result["rows"])
    assert result["estimators"]["score-function"]["fit_steps"] == 0
    assert result["estimators"]["nvil-c"]["fit_steps"] == 5
    assert result["estimators"]["nvil-c"]["unbiased"] is True
    assert result["estimators"]["nvil"]["unbiased"] is False
    assert result["estimators"]["disarm"]["evaluations"] == 3
    assert result["estimators"]["disarm"]["truth"] == "enumeration"  # ten bits
    assert result["estimators"]["wake-sleep"]["truth"] is None
    assert all(one["seconds_per_draw"] > 0 for one in result["estimators"].values())
    assert "bits: " in done.stderr


def test_the_same_seed_gives_the_same_numbers_and_another_gives_others(shelf: Path) -> None:
    arguments = ("reals", "--estimators", "sgvb-a,sgvb-b", "--json")
    first, again, other = (run(*arguments, "--seed", seed) for seed in ("1", "1", "2"))
    assert json.loads(first.stdout)["rows"] == json.loads(again.stdout)["rows"]
    assert json.loads(first.stdout)["rows"] != json.loads(other.stdout)["rows"]


def test_the_table_names_estimators_layers_and_what_was_fitted(shelf: Path) -> None:
    done = run("bits", "--estimators", "nvil-c")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert "6 draws on each of 2 minibatches of 10 train items of digits-mini" in lines[0]
    assert "fitted on 5 minibatches first" in lines[1]
    assert "against enumeration" in lines[2]
    assert [line.split()[0] for line in lines[4:]] == ["nvil-c"] * 3
    assert "fitted" not in run("reals", "--estimators", "sgvb-b").stdout


def test_columns_are_wide_enough_for_every_name(shelf: Path) -> None:
    lines = run("bits", "--estimators", "gumbel-straight-through,nvil").stdout.splitlines()
    assert len({len(line) for line in lines if "recognition" in line or "bias z" in line}) == 1
    assert "gumbel-straight-through  recognition 1" in "\n".join(lines)


def test_two_processes_give_the_numbers_of_one(shelf: Path) -> None:
    arguments = ("bits", "--estimators", "nvil,rebar,arm", "--json")
    one, two = (run(*arguments, "--processes", count) for count in ("1", "2"))
    assert two.exit_code == 0, two.stderr
    for a, b in zip(json.loads(one.stdout)["rows"], json.loads(two.stdout)["rows"], strict=True):
        assert (a["estimator"], a["layer"]) == (b["estimator"], b["layer"])
        assert a["trace"] == pytest.approx(b["trace"], rel=1e-5)
        assert a["bias_z"] == pytest.approx(b["bias_z"], rel=1e-3, abs=1e-3)


def test_an_oracle_stands_in_where_nothing_can_be_enumerated(shelf: Path) -> None:
    arguments = ("reals", "--estimators", "sgvb-a", "--json")
    plain, given = run(*arguments), run(*arguments, "--oracle-draws", "20")
    assert json.loads(plain.stdout)["rows"][0]["bias_z"] is None
    summary = json.loads(given.stdout)
    assert summary["estimators"]["sgvb-a"]["truth"] == "mean of 20 draws of sgvb-b"
    assert abs(summary["rows"][0]["bias_z"]) < 8


def test_a_record_has_the_columns_of_one_in_training(shelf: Path) -> None:
    done = run("reals", "--estimators", "sgvb-a,dreg", "--oracle-draws", "8", "--out", str(shelf))
    assert done.exit_code == 0, done.stderr
    columns = read_curves(shelf / "reals.variance.csv")
    assert list(columns["estimator"]) == ["SGVB A", "SGVB A", "DReG, K = 5", "DReG, K = 5"]
    assert list(columns["evaluations"]) == [1, 1, 5, 5]
    assert list(columns["truth"]) == ["mean of 8 draws of sgvb-b"] * 2 + [""] * 2
    assert np.isfinite(columns["bias_z"][:2]).all()
    assert np.isnan(columns["bias_z"][2:]).all()
    assert (columns["seconds"] > 0).all()
    assert set(columns["batch_size"]) == {10}


def test_a_record_of_a_training_is_not_overwritten(shelf: Path) -> None:
    path = shelf / "reals.variance.csv"
    write_curves(path, {"step": [0, 100], "samples": [0, 1000]})
    before = path.read_bytes()
    done = run("reals", "--estimators", "sgvb-a", "--out", str(shelf))
    assert done.exit_code == 1
    assert "was recorded over a training" in done.stderr
    assert path.read_bytes() == before


@pytest.mark.parametrize("names", ["magic", "sgvb-a,magic", ","])
def test_an_unknown_estimator_is_a_wrong_call(shelf: Path, names: str) -> None:
    done = run("reals", "--estimators", names)
    assert done.exit_code == 2
    assert "--estimators" in done.stderr
    assert "sgvb-a" in done.stderr
    assert done.stdout == ""


def test_an_estimator_that_does_not_suit_the_model_fails(shelf: Path) -> None:
    done = run("bits", "--estimators", "sgvb-a")
    assert done.exit_code == 1
    assert "SGVBA needs latents that are gaussian" in done.stderr


def test_an_unknown_checkpoint_fails_with_the_known_ones(shelf: Path) -> None:
    done = run("absent")
    assert done.exit_code == 1
    assert "no checkpoint 'absent'" in done.stderr
    assert "reals" in done.stderr
