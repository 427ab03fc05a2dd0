"""Figures of the papers: the files that describe them, and the curves that are shipped."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from engine.errors import RecipeError
from engine.figures import list_figures, load_figure, marginals, parse_figure, recorded
from engine.training.recipe import load_recipe

TABLE = {
    "title": "A title",
    "source": "a paper",
    "axis": "steps",
    "quantity": "elbo",
    "panel": [
        {
            "title": "one",
            "run": [
                {"label": "a", "recipe": "vae-2-frey"},
                {"label": "b", "recipe": "vae-2-frey", "set": ["training.seed=1"]},
            ],
            "reading": [{"label": "b", "value": -3.5, "source": "Table 9"}],
        }
    ],
}


@pytest.mark.parametrize("name", list_figures())
def test_every_run_of_a_shipped_figure_has_a_recipe_that_can_be_trained(name):
    figure = load_figure(name)
    assert figure.panels
    for panel in figure.panels:
        for run in panel.runs:
            load_recipe(run.recipe, run.overrides)


@pytest.mark.parametrize("name", list_figures())
def test_shipped_curves_belong_to_the_runs_of_their_figure_and_end_finite(name):
    columns = recorded(name)
    if not columns:
        pytest.xfail(f"{name} is not recorded yet")
    listed = {(p.title, run.label) for p in load_figure(name).panels for run in p.runs}
    shown = set(zip(columns["panel"], columns["run"], strict=True))
    assert shown == listed
    for panel, run in shown:
        own = (columns["panel"] == panel) & (columns["run"] == run)
        assert (np.diff(columns["step"][own]) > 0).all()
        assert np.isfinite(columns["valid"][own]).all()
        assert columns["valid"][own][-1] > columns["valid"][own][0]


def test_the_marginal_likelihoods_of_the_three_latent_models_agree_with_quadrature():
    table = marginals("kingma-3")
    if not table:
        pytest.xfail("kingma-3 is not recorded yet")
    rows = {
        key: float(value)
        for *key_, value in zip(
            table["panel"], table["run"], table["split"], table["estimator"], table["value"],
            strict=True,
        )
        for key in [tuple(key_)]
    }  # fmt: skip
    gaps: dict[str, list[float]] = {}
    for (*run, estimator), value in rows.items():
        gaps.setdefault(estimator, []).append(value - rows[(*run, "quadrature")])
    # A bound, loose where q over-fits; noise of some hundredths of a nat above.
    assert all(-5 < gap < 0.3 for gap in gaps["L_5000"])
    # Two runs have posteriors that short chains do not find: those lie nats too low.
    kernel = gaps["HMC and density estimate"]
    assert sum(abs(gap) < 0.5 for gap in kernel) >= len(kernel) - 2
    assert max(kernel) < 0.5


def test_a_figure_is_read_with_its_runs_and_readings():
    figure = parse_figure(TABLE, "mine")
    (panel,) = figure.panels
    assert [run.label for run in panel.runs] == ["a", "b"]
    assert panel.runs[1].overrides == ("training.seed=1",)
    assert panel.readings[0].samples is None
    assert figure.marginal_items == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("source"), "lacks 'source'"),
        (lambda t: t["panel"][0].pop("run"), "lacks 'run'"),
        (lambda t: t.update(axis="hours"), "`axis` of a figure must be one of"),
        (lambda t: t.update(quantity="loss"), "`quantity` of a figure must be one of"),
        (lambda t: t["panel"][0]["run"][1].update(label="a"), "two runs of one label"),
        (lambda t: t["panel"][0]["reading"][0].update(label="c"), "readings of no run"),
    ],
)
def test_a_malformed_figure_is_refused_by_what_is_wrong(change, message):
    table = copy.deepcopy(TABLE)
    change(table)
    with pytest.raises(RecipeError, match=message):
        parse_figure(table, "mine")


def test_an_unknown_figure_is_refused_with_those_there_are():
    with pytest.raises(RecipeError, match=r"no figure 'x'; there are .*kingma-2"):
        load_figure("x")
