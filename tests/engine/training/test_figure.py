"""Making a figure: what is trained, what is left alone, what is written."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from engine.checkpoints import load_checkpoint, read_curves
from engine.datasets import load_dataset
from engine.evaluation.grid import grid_posterior
from engine.evaluation.likelihood import subset
from engine.figures import Figure, figure_path, marginals_path, parse_figure
from engine.training import figure as making
from engine.training.figure import make_runs, marginal_rows

RECIPE = """
[data]
name = "digits-mini"
[model]
name = "vae"
latent_dim = 1
hidden = [8]
[estimator]
name = "sgvb-b"
[training]
epochs = 1
batch_size = 1000
evaluate_items = 20
[evaluation]
items = 5
samples = 3
elbo_samples = 1
"""


@pytest.fixture
def figure(tmp_path: Path) -> Figure:
    recipe = tmp_path / "small.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    plain = {"label": "a", "recipe": str(recipe)}
    changed = {"label": "b", "recipe": str(recipe), "set": ["training.seed=1"]}
    table = {
        "title": "t",
        "source": "s",
        "axis": "steps",
        "quantity": "elbo",
        "panel": [
            {"title": "one", "run": [plain]},
            {"title": "two", "run": [plain, changed]},
        ],
    }
    return parse_figure(table, "mine")


def test_each_different_run_is_trained_once_and_every_panel_has_its_curves(figure, tmp_path):
    seen: list[str] = []
    out, work = tmp_path / "out", tmp_path / "work"
    make_runs(figure, out, work, on_record=lambda recipe, record: seen.append(recipe.name))
    assert len(set(seen)) == 2
    assert [path.name for path in out.glob("small.safetensors")] == ["small.safetensors"]
    assert len(list(work.glob("*.csv"))) == 1
    columns = read_curves(figure_path("mine", out))
    pairs = list(dict.fromkeys(zip(columns["panel"], columns["run"], strict=True)))
    assert pairs == [("one", "a"), ("two", "a"), ("two", "b")]
    curves = load_checkpoint(out / "small.safetensors").curves
    own = columns["panel"] == "one"
    np.testing.assert_allclose(columns["valid"][own], curves["valid_elbo"])
    np.testing.assert_allclose(columns["train"][own], curves["train_elbo"])

    seen.clear()
    make_runs(figure, out, work, on_record=lambda recipe, record: seen.append(recipe.name))
    assert not seen


def test_one_panel_alone_leaves_the_runs_of_the_others(figure, tmp_path):
    make_runs(figure, tmp_path, tmp_path, panels=(0,))
    columns = read_curves(figure_path("mine", tmp_path))
    assert set(columns["run"]) == {"a"}
    assert set(columns["panel"]) == {"one", "two"}
    with pytest.raises(ValueError, match=r"between 0 and 1 for 'mine'; got \[2\]"):
        make_runs(figure, tmp_path, tmp_path, panels=(2,))


def test_a_run_of_a_changed_recipe_is_trained_again(figure, tmp_path):
    make_runs(figure, tmp_path, tmp_path, panels=(0,))
    recipe = Path(figure.panels[0].runs[0].recipe)
    recipe.write_text(RECIPE.replace("batch_size = 1000", "batch_size = 2000"), encoding="utf-8")
    steps: list[int] = []
    make_runs(
        figure,
        tmp_path,
        tmp_path,
        panels=(0,),
        on_record=lambda _, record: steps.append(record.steps),
    )
    assert set(steps) == {2}


def test_a_run_on_data_of_ones_own_is_trained_once(figure, tmp_path):
    path = tmp_path / "set.npz"
    np.savez(path, images=np.random.default_rng(0).integers(0, 2, (40, 5, 5), dtype=np.uint8))
    recipe = Path(figure.panels[0].runs[0].recipe)
    recipe.write_text(RECIPE.replace('name = "digits-mini"', f'path = "{path}"'), encoding="utf-8")
    figure = dataclasses.replace(figure, panels=figure.panels[:1], marginal_items=2)
    seen: list[str] = []
    for expected in (1, 1):
        make_runs(
            figure,
            tmp_path,
            tmp_path,
            panels=(0,),
            on_record=lambda recipe, record: seen.append(recipe.name),
        )
        assert len(seen) == expected
    assert set(read_curves(figure_path("mine", tmp_path))["run"]) == {"a"}
    assert set(read_curves(marginals_path("mine", tmp_path))["items"]) == {2}


def test_marginals_of_runs_that_were_trained_again_do_not_stay(figure, tmp_path, monkeypatch):
    figure, value = dataclasses.replace(figure, marginal_items=2), 1.0

    def rows(checkpoint: object, items: int, data: object) -> list[dict[str, object]]:
        assert data is None
        if value == 0:
            raise KeyboardInterrupt
        return [{"items": items, "value": value}]

    monkeypatch.setattr(making, "marginal_rows", rows)
    file = marginals_path("mine", tmp_path)
    make_runs(figure, tmp_path, tmp_path)
    assert set(read_curves(file)["value"]) == {1}
    value = 2.0
    make_runs(figure, tmp_path, tmp_path)
    assert set(read_curves(file)["value"]) == {1}  # nothing was trained
    recipe = Path(figure.panels[0].runs[0].recipe)
    recipe.write_text(RECIPE.replace("batch_size = 1000", "batch_size = 2000"), encoding="utf-8")
    value = 0.0
    with pytest.raises(KeyboardInterrupt):
        make_runs(figure, tmp_path, tmp_path)
    value = 3.0
    make_runs(figure, tmp_path, tmp_path)
    assert set(read_curves(file)["value"]) == {3}


def test_three_estimators_of_the_marginal_likelihood_stand_side_by_side(figure, tmp_path):
    make_runs(figure, tmp_path, tmp_path, panels=(0,))
    checkpoint = load_checkpoint(tmp_path / "small.safetensors")
    rows = marginal_rows(checkpoint, 3)
    assert [(row["split"], row["estimator"]) for row in rows] == [
        (split, name)
        for split in ("train", "test")
        for name in ("L_5000", "HMC and density estimate", "quadrature")
    ]
    importance, kernel, truth = (row["value"] for row in rows[3:])
    x = subset(load_dataset("digits-mini").test, 3)
    exact = np.mean([grid_posterior(checkpoint.model, item).log_marginal for item in x])
    assert truth == pytest.approx(exact)
    assert importance == pytest.approx(truth, abs=0.2)
    assert kernel == pytest.approx(truth, abs=0.5)
    assert not marginals_path("mine", tmp_path).exists()  # the figure does not ask for them
