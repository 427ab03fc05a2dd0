"""The table of imputation quality: its plan, its file, and the recorded one."""

from __future__ import annotations

import math
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import pytest
import torch

import engine
from engine.datasets import find_dataset
from engine.datasets.masks import NAMED
from engine.errors import CheckpointError, RecipeError
from engine.evaluation.completion_bound import conditional_bound
from engine.evaluation.imputation import accuracy
from engine.evaluation.imputation_plan import ImputationPlan, load_plan
from engine.evaluation.imputation_report import imputation_markdown
from engine.evaluation.imputation_table import (
    ImputationRow,
    measure_group,
    read_table,
    table_path,
    write_table,
)
from engine.evaluation.imputation_task import load_task
from engine.mcmc import suitable_methods
from engine.random import make_generator

QUICK = ImputationPlan(
    checkpoints=("reals",), items=6, chains=2, start=2, warm_up=2, transitions=5, samples=30
)


def row(**changes: Any) -> ImputationRow:
    known = ImputationRow(
        "a", "digits-mini", "test", "80", 0.8, "hmc", 6, 2, 2, 2, 5, 30, 0, -50.25, 1.5,
        "bit_error", 0.0625, 0.004, -0.01, 0.002, 0.07, 0.003, 1.02, 0.05, 0.81, 0.01,
    )  # fmt: skip
    return replace(known, **changes)


# --- the plan -----------------------------------------------------------------------------------


def test_the_shipped_plan_has_four_checkpoints_and_every_mask() -> None:
    plan = load_plan()
    assert set(plan.checkpoints) <= set(engine.list_checkpoints())
    assert len(plan.checkpoints) == 4
    assert plan.masks == NAMED
    assert plan.items >= 100


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("items = [", "cannot be read as TOML"),
        ("items = 5", "`checkpoints` must be a list of one name or more; got None"),
        ('checkpoints = "a"', "`checkpoints` must be a list of one name or more; got 'a'"),
        ('checkpoints = ["a"]\nsteps = 5', r"unknown \['steps'\]; choose from"),
        ('checkpoints = ["a"]\nmasks = ["70"]', r"`masks` must be of 60, 80, square, half"),
        ('checkpoints = ["a"]\nmasks = []', "`masks` must be a list of one name or more"),
        ('checkpoints = ["a"]\nitems = 1', "`items` must be at least 2"),
        ('checkpoints = ["a"]\nchains = 0', "`chains` must be a whole number, at least 1; got 0"),
        ('checkpoints = ["a"]\nstart = -1', "`start` must be a whole number, at least 0; got -1"),
        ('checkpoints = ["a"]\nsplit = "all"', "`split` must be"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=message):
        load_plan(path)


def test_a_plan_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.toml cannot be read"):
        load_plan(tmp_path / "none.toml")


# --- the rows -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bits", "reals"])
def test_a_group_has_every_suitable_method_on_the_same_items(shelf: Path, name: str) -> None:
    done: list[int] = []
    rows = measure_group(QUICK, name, "square", progress=done.append)
    task = load_task(name, "square", items=6)
    methods = suitable_methods(task.model)
    assert [one.method for one in rows] == methods
    assert sum(done) == len(methods) * 6 * 2 * (2 + 2 + 5)
    assert len({one.log_conditional for one in rows}) == 1  # it belongs to the model
    errors = {}
    for one in rows:
        found, _ = accuracy(
            task.model, task.x, task.observed, method=one.method, chains=2, start=2, warm_up=2,
            transitions=5, generator=task.chains_generator(),
        )  # fmt: skip
        errors[one.method] = found.error
        assert one.error == pytest.approx(float(found.error.mean()))
        assert one.error_se == pytest.approx(float(found.error.std()) / math.sqrt(6))
        change = found.error - errors["pseudo-gibbs"]
        assert one.change == pytest.approx(float(change.mean()))
        assert one.change_se == pytest.approx(float(change.std()) / math.sqrt(6))
        assert one.acceptance == pytest.approx(float(found.acceptance.mean()))
        assert one.hidden == 0.25
    assert rows[0].acceptance == 1
    assert all(one.acceptance < 1 for one in rows[1:])


def test_log_p_of_the_hidden_pixels_is_the_models_whatever_guides_it(shelf: Path) -> None:
    plan = replace(QUICK, samples=3000)
    [first, *_] = measure_group(plan, "reals", "half")
    task = load_task("reals", "half", items=6)
    generator = make_generator(9)
    whole, seen = (
        conditional_bound(
            task.model, task.x, mask, task.x[None], samples=3000, generator=generator
        ).mean()
        for mask in (torch.ones_like(task.observed), task.observed)
    )
    assert first.log_conditional == pytest.approx(float(whole - seen), abs=0.3)


# --- the file -----------------------------------------------------------------------------------


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    rows = [row(), row(mask="square", method="pseudo-gibbs", change=0.0, change_se=0.0)]
    write_table(path, rows)
    assert read_table(path) == rows
    assert [type(cell) for cell in astuple(read_table(path)[0])] == [
        type(cell) for cell in astuple(rows[0])
    ]
    assert [file.name for file in tmp_path.iterdir()] == ["table.csv"]


def test_an_interrupted_write_leaves_the_old_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "table.csv"
    write_table(path, [row()])

    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="no space left"):
        write_table(path, [row(), row()])
    assert read_table(path) == [row()]
    assert len(list(tmp_path.iterdir())) == 1


def test_no_file_has_no_rows_and_a_broken_one_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    assert read_table(path) == []
    write_table(path, [row()])
    text = path.read_text()
    for broken, message in (
        ("", "has other columns"),
        (text.replace("checkpoint", "model", 1), "has other columns"),
        (text.replace("0.0625", "much"), "has a broken line"),
        (text.rstrip() + ",7\n", "has a broken line"),
    ):
        path.write_text(broken)
        with pytest.raises(CheckpointError, match=message) as caught:
            read_table(path)
        assert "python -m engine impute-table measure" in str(caught.value)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(CheckpointError, match="is not CSV"):
        read_table(path)


def test_markdown_has_a_row_for_each_checkpoint_and_mask() -> None:
    lines = imputation_markdown(
        [
            row(method="pseudo-gibbs"),
            row(),
            row(checkpoint="faces", mask="half", method="pseudo-gibbs", quantity="rmse"),
        ]
    ).splitlines()
    assert lines[0].split(" | ")[-2:] == ["pseudo-gibbs", "hmc |"]
    assert lines[2] == (
        "| `a` | 80 % of the pixels, at random | -50.2 ± 1.5 "
        "| 6.25 ± 0.40 %; 1.02 ± 0.05 | 6.25 ± 0.40 %; 1.02 ± 0.05 |"
    )
    assert lines[3] == (
        "| `faces` | the lower half | -50.2 ± 1.5 | 0.0625 ± 0.0040; 1.02 ± 0.05 |  |"
    )


# --- the recorded table -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recorded() -> list[ImputationRow]:
    return read_table()


def test_the_recorded_table_is_that_of_the_plan(recorded: list[ImputationRow]) -> None:
    plan = load_plan()
    assert table_path().is_file()
    wanted = [
        (name, mask, method)
        for name in plan.checkpoints
        for mask in plan.masks
        for method in suitable_methods(engine.load_checkpoint(name).model)
    ]
    assert [(one.checkpoint, one.mask, one.method) for one in recorded] == wanted
    lengths = {(r.split, r.items, r.chains, r.start, r.warm_up, r.transitions) for r in recorded}
    assert len(lengths) == 1  # or the methods could not be compared
    for one in recorded:
        assert 0 < one.acceptance <= 1
        assert min(one.error_se, one.draw_error_se, one.calibration_se, one.hidden) > 0
        assert (one.quantity == "rmse") == one.checkpoint.endswith("frey")
    for group in {one.group for one in recorded}:
        same = [one for one in recorded if one.group == group]
        assert len({one.log_conditional for one in same}) == 1


@pytest.mark.parametrize(
    ("checkpoint", "mask"), [("vae-20-mnist-static", "80"), ("vae-10-frey", "square")]
)
def test_a_row_computed_again_is_the_recorded_one_within_standard_errors(
    recorded: list[ImputationRow], checkpoint: str, mask: str
) -> None:
    torch.set_num_threads(1)
    dataset = engine.read_card(checkpoint)["dataset"]
    if find_dataset(dataset) is None:
        pytest.skip(f"the data set {dataset} is not at hand")
    # As long a warm-up as recorded: HMC tunes its step size in it.
    plan = replace(load_plan(), items=20, chains=3, transitions=30, samples=300, seed=5)
    old = {one.method: one for one in recorded if one.group == (checkpoint, mask)}
    for new in measure_group(plan, checkpoint, mask):
        for name in ("log_conditional", "error", "draw_error", "acceptance", "calibration"):
            values = [float(getattr(one, name)) for one in (new, old[new.method])]
            errors = [float(getattr(one, f"{name}_se")) for one in (new, old[new.method])]
            gap = abs(values[0] - values[1])
            print(f"{new.method:>24} {name:>16} {values[0]:9.4f} {values[1]:9.4f} ± {errors}")
            if name == "acceptance" and new.method != "hmc":
                continue  # falls with the length of the chain: it starts badly and finds its place
            assert gap <= 4 * math.hypot(*errors), (new.method, name)
