"""Seeds of one recipe, really trained: bands in the Training page, last in every picker."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import cache, cards
from dashboard.components import charts
from dashboard.components.exports import Export
from dashboard.logic.leaderboard.picture import points_of
from dashboard.logic.leaderboard.table import table_rows
from dashboard.logic.training.chart import curves_figure
from dashboard.logic.training.lines import lines_of
from dashboard.logic.training.words import seeds_told
from dashboard.pages import training
from dashboard.scripts.training import curves_script
from engine.checkpoints import read_curves, write_curves
from engine.leaderboard import leaderboard, places
from engine.training.recipe import load_recipe
from engine.training.run import train
from tests.dashboard.conftest import Shelf, recorded, words
from tests.dashboard.running import printed_by, rows_of

OpenPage = Callable[..., AppTest]

RECIPE = """
[data]
name = "digits-mini"

[model]
name = "vae"
latent_dim = 2
hidden = [8]

[estimator]
name = "sgvb-b"

[training]
epochs = 3
evaluate_items = 50

[evaluation]
samples = 3
items = 40
elbo_samples = 2
"""
NAMES = ["tiny", "tiny-seed-1", "tiny-seed-2"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    recipe = folder / "tiny.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    for seed in (0, 1, 2):
        train(load_recipe(recipe, seed=seed), folder)
    return folder


@pytest.fixture
def seeds(shelf: Shelf, trained: Path) -> Shelf:
    """The three on a shelf."""
    for name in NAMES:
        for ending in (".safetensors", ".csv"):
            shutil.copy(trained / f"{name}{ending}", shelf.folder)
    return shelf


def curves_of(shelf: Shelf) -> dict[str, dict[str, np.ndarray]]:
    return {name: read_curves(shelf.folder / f"{name}.csv") for name in NAMES}


def cut(shelf: Shelf, name: str, points: int) -> None:
    """As if a training had been stopped."""
    path = shelf.folder / f"{name}.csv"
    write_curves(path, {key: values[:points] for key, values in read_curves(path).items()})


def traces(page: AppTest) -> list[dict]:
    (chart,) = page.get("plotly_chart")
    return json.loads(chart.proto.spec)["data"]


def told(page: AppTest) -> list[str]:
    return [trace["meta"] for trace in traces(page)]


# --- lines --------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["valid", "train"])
@pytest.mark.parametrize("quantity", ["elbo", "kl"])
def test_the_band_goes_from_the_lowest_to_the_highest_seed_around_their_mean(
    seeds: Shelf, split: str, quantity: str
) -> None:
    curves = curves_of(seeds)
    (line,) = [one for one in lines_of({"tiny": curves}, quantity, "samples") if one.split == split]
    values = np.stack([curves[name][f"{split}_{quantity}"] for name in NAMES])
    np.testing.assert_array_equal(line.low, values.min(0))
    np.testing.assert_array_equal(line.high, values.max(0))
    np.testing.assert_allclose(line.y, values.mean(0), rtol=1e-12)
    np.testing.assert_array_equal(line.x, curves["tiny"]["samples"])
    assert (line.high > line.low).all()


def test_the_band_ends_where_a_seed_was_trained_for_a_shorter_time(seeds: Shelf) -> None:
    cut(seeds, "tiny-seed-1", 3)
    curves = curves_of(seeds)
    lines = lines_of({"tiny": curves}, "elbo", "samples")
    line = lines[0]
    assert line.x.tolist() == curves["tiny-seed-1"]["samples"].tolist()
    assert len(curves["tiny"]["samples"]) == 4
    note = seeds_told(lines, {"tiny": curves}, dict.fromkeys(NAMES, 0), "samples", apart=False)
    assert "`tiny-seed-1` was trained for fewer steps, and mean and band end there" in note
    assert len(lines_of({"tiny": curves}, "elbo", "samples", apart=True)[0].x) == 4


def test_only_points_that_all_seeds_measured_are_in_the_band() -> None:
    one, other = recorded(-100.0), recorded(-90.0)
    other["valid_elbo"][5] = np.nan
    valid, train_ = lines_of({"a": {"a": one, "b": other}}, "elbo", "samples")
    assert valid.x.tolist() == [2000.0, 4000.0, *range(8000, 20_001, 2000)]
    assert len(train_.x) == 20


def test_a_seed_that_did_not_record_the_quantity_is_not_in_the_mean() -> None:
    plain = {key: v for key, v in recorded(-90.0).items() if not key.endswith("_kl")}
    (line, _) = lines_of({"a": {"a": recorded(), "b": plain}}, "kl", "samples")
    assert (line.seeds, line.low, line.called("mean")) == (1, None, "a, validation")
    assert lines_of({"a": {"a": plain, "b": plain}}, "kl", "samples") == []


def test_against_time_the_mean_stands_at_the_mean_of_the_times(seeds: Shelf) -> None:
    curves = curves_of(seeds)
    (line, _) = lines_of({"tiny": curves}, "elbo", "seconds")
    times = np.mean([curves[name]["seconds"] for name in NAMES], axis=0) / 60
    np.testing.assert_allclose(line.x, times, rtol=1e-12)
    assert "times are means" in seeds_told(
        [line], {"tiny": curves}, dict.fromkeys(NAMES, 0), "seconds", apart=False
    )


def test_a_seed_that_is_chosen_beside_its_recipe_is_drawn_once(seeds: Shelf) -> None:
    curves = curves_of(seeds)
    series = {"tiny": curves, "tiny-seed-2": {"tiny-seed-2": curves["tiny-seed-2"]}}
    apart = lines_of(series, "elbo", "samples", apart=True)
    assert [line.title for line in apart if line.split == "valid"] == [
        f"{name}, validation" for name in NAMES
    ]
    together = lines_of(series, "elbo", "samples")
    assert [(line.name, line.seeds) for line in together[::2]] == [("tiny", 3), ("tiny-seed-2", 1)]


# --- page ---------------------------------------------------------------------------------------


def test_the_page_draws_the_seeds_of_a_recipe_as_one(seeds: Shelf, open_page: OpenPage) -> None:
    page = open_page("training")
    assert page.multiselect("curves").value == ["tiny"]
    assert page.multiselect("curves").options == NAMES
    drawn = traces(page)
    assert {trace["name"] for trace in drawn} == {"tiny, 3 seeds"}
    assert told(page) == [
        f"tiny, {split}, {part} of 3 seeds"
        for split in ("validation", "training")
        for part in ("lowest", "highest", "mean")
    ]
    assert [trace["showlegend"] for trace in drawn] == [False, False, True, False, False, False]
    assert [trace.get("fill") for trace in drawn] == [None, "tonexty", None] * 2
    # In the colour of the line, translucent.
    assert {trace["fillcolor"][:7] for trace in drawn if "fill" in trace} == {
        drawn[2]["line"]["color"]
    }
    assert all(0 < int(trace["fillcolor"][7:], 16) < 128 for trace in drawn if "fill" in trace)
    ends = sorted(curves["valid_elbo"][-1] for curves in curves_of(seeds).values())
    said = f"`tiny` (seeds 0, 1, 2: {ends[0]:.2f} to {ends[-1]:.2f} at the end)".replace("-", "−")
    assert f"from the lowest to the highest seed: {said}" in words(page)


def test_seeds_are_drawn_apart_when_asked(seeds: Shelf, open_page: OpenPage) -> None:
    page = open_page("training")
    page.toggle("training.apart").set_value(True).run()
    assert not page.exception
    assert page.query_params["apart"] == "yes"
    assert told(page) == [
        f"{name}, {split}" for name in NAMES for split in ("validation", "training")
    ]
    drawn = traces(page)
    assert len({trace["line"]["color"] for trace in drawn}) == 1
    assert sum(trace["showlegend"] for trace in drawn) == 1
    assert "Thin lines of one colour" in words(page)
    assert told(open_page("training", apart="yes")) == told(page)


def test_a_seed_in_the_address_is_drawn_alone(seeds: Shelf, open_page: OpenPage) -> None:
    page = open_page("training", curves="tiny-seed-1")
    assert told(page) == ["tiny-seed-1, validation", "tiny-seed-1, training"]
    assert "band" not in words(page)
    assert not page.warning


def test_without_seeds_there_is_nothing_to_take_apart(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("vae", latent_dim=2, hidden=[8], curves=recorded())
    assert "training.apart" not in [one.key for one in open_page("training").toggle]


def test_words_and_files_keep_every_seed(
    seeds: Shelf, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    files: list[Export] = []
    show = training.show_exports
    monkeypatch.setattr(
        training,
        "show_exports",
        lambda given, *rest, **options: [files.extend(given), show(given, *rest, **options)],
    )
    page = open_page("training")
    alt = page.get("plotly_chart")[0].proto.alt
    assert "tiny (3 seeds)" in alt
    for name, curves in curves_of(seeds).items():
        end = f"{curves['valid_elbo'][-1]:.1f}".replace("-", "−")
        assert f"{name} ends at {end}" in alt
    rows = list(csv.DictReader(io.StringIO(files[0].make().decode())))
    assert [row["checkpoint"] for row in rows] == [name for name in NAMES for _ in range(4)]


@pytest.mark.parametrize(
    ("progress", "log_x", "apart"),
    [("samples", False, False), ("seconds", True, False), ("samples", True, True)],
)
def test_the_code_prints_the_lines_of_the_chart(
    seeds: Shelf, progress: str, log_x: bool, apart: bool
) -> None:
    cut(seeds, "tiny-seed-2", 3)
    seeds.add("other", latent_dim=2, hidden=[8], curves=recorded())
    curves = {**curves_of(seeds), "other": read_curves(seeds.folder / "other.csv")}
    members = {"tiny": NAMES, "tiny-seed-1": ["tiny-seed-1"], "other": ["other"]}
    series = {name: {one: curves[one] for one in many} for name, many in members.items()}
    lines = lines_of(series, "elbo", progress, log_x=log_x, apart=apart)
    figure = curves_figure(
        lines, dict.fromkeys(series, 0), ("x", "y"), [], log_x=log_x, from_start=False
    )
    script = curves_script(members, "elbo", progress, log_x=log_x, apart=apart)
    shown = rows_of(charts.csv_text(figure))
    assert any("lowest of 3 seeds" in row[0] for row in shown) is not apart
    printed = rows_of(printed_by(script))
    assert [row[0] for row in printed] == [row[0] for row in shown]
    for row, expected in zip(printed, shown, strict=True):
        assert [float(v) for v in row[1:]] == pytest.approx([float(v) for v in expected[1:]])


# --- elsewhere ----------------------------------------------------------------------------------


def test_other_seeds_come_last_in_the_pickers_and_can_be_chosen(
    seeds: Shelf, open_page: OpenPage
) -> None:
    seeds.add("wide", latent_dim=7, hidden=[8])
    page = open_page("sample")
    assert page.selectbox("checkpoint").options == ["tiny", "wide", *NAMES[1:]]
    assert page.selectbox("checkpoint").value == "tiny"
    page = open_page("sample", checkpoint="tiny-seed-1")
    assert page.selectbox("checkpoint").value == "tiny-seed-1"
    assert not page.warning


def test_the_overview_keeps_other_seeds_apart(seeds: Shelf, open_page: OpenPage) -> None:
    page = open_page("overview")
    titles = [one.value for one in page.markdown if one.value.startswith("#### ")]
    assert titles == ["#### tiny"]
    assert "**tiny-seed-2**: tiny with another seed" in words(page)


def test_a_start_is_not_told_to_serve_the_other_seeds_too(seeds: Shelf) -> None:
    known = {name: json.loads(json.dumps(card)) for name, card in cache.cards().items()}
    for card in known.values():
        card["recipe"]["training"]["start"] = "begin"
    told = cards.aids({**known, "begin": {"recipe": {}}})
    assert told["begin"] == "the start of tiny"
    assert list(told) == ["begin", *NAMES[1:]]


def test_a_row_of_the_leaderboard_says_mean_and_deviation_over_the_seeds(seeds: Shelf) -> None:
    known = {
        name.replace("tiny", "vae-20-mnist-static"): {**card, "dataset": "mnist-static"}
        for name, card in cache.cards().items()
    }
    found = places(leaderboard(known), "mnist-static", "ELBO")
    rows = {row["key"]: row for row in table_rows(found, lambda name: [])}
    elbos = [next(m["value"] for m in c["metrics"] if m["name"] == "elbo") for c in known.values()]
    said = f"3 seeds: {np.mean(elbos):.2f} ± {np.std(elbos, ddof=1):.2f}".replace("-", "−")
    assert rows["vae-20"]["seeds"] == said
    assert rows["vae-20"]["checkpoint"] == "vae-20-mnist-static"
    assert rows["vae-20"]["ours"].startswith(f"{elbos[0]:.2f}".replace("-", "−"))
    assert rows["sbn-200"]["seeds"] == ""
    (ours,) = [p for p in points_of(found, "mnist-static", "ELBO") if p.series == "ours"]
    assert said in ours.told
    assert ours.value == elbos[0]


def test_the_leaderboard_page_explains_the_spread(
    seeds: Shelf, open_page: OpenPage, trained: Path
) -> None:
    assert "standard deviation" not in words(open_page("leaderboard"))
    for name in NAMES:
        renamed = name.replace("tiny", "vae-20-mnist-static")
        shutil.copy(trained / f"{name}.safetensors", seeds.folder / f"{renamed}.safetensors")
    assert "their mean ± standard deviation" in words(open_page("leaderboard"))
