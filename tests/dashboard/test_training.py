"""The Training page in every state it can be in, and the pure functions below it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import references
from dashboard.components import charts
from dashboard.logic.training.chart import curves_figure
from dashboard.logic.training.curves_file import curves_csv
from dashboard.logic.training.lines import focus, lines_of
from dashboard.scripts.training import curves_script
from tests.dashboard.conftest import Shelf, recorded, words
from tests.dashboard.running import printed_by, rows_of

OpenPage = Callable[..., AppTest]


def figures(page: AppTest) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]


def names_of(figure: dict) -> set[str]:
    return {trace["name"] for trace in figure["data"]}


def test_training_asks_for_a_training_when_no_curves_were_recorded(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("vae", latent_dim=2, hidden=[8])  # a checkpoint, but no curves beside it
    page = open_page("training")
    assert "There is no training with recorded curves yet" in page.info[0].value
    assert not page.get("plotly_chart")


def test_training_draws_one_chart_for_each_data_set(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("digits", latent_dim=2, hidden=[8], curves=recorded())
    shelf.add(
        "faces",
        dataset="frey",
        latent_dim=2,
        hidden=[8],
        likelihood="gaussian",
        curves=recorded(1200.0),
    )
    page = open_page("training")
    # At first those on the same data: two kinds of nats side by side would mislead.
    assert [names_of(figure) for figure in figures(page)] == [{"digits"}]
    page.multiselect("curves").set_value(["digits", "faces"]).run()
    assert [names_of(figure) for figure in figures(page)] == [{"digits"}, {"faces"}]
    assert [title.value for title in page.header] == ["MNIST, fixed binarisation", "Frey faces"]


def test_training_switches_quantity_and_axis_with_units(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("vae", latent_dim=2, hidden=[8], curves=recorded())
    page = open_page("training")
    layout = figures(page)[0]["layout"]
    assert layout["xaxis"]["title"]["text"] == "training images seen"
    assert layout["yaxis"]["title"]["text"] == "ELBO (nats per image)"

    page.segmented_control("training.quantity").set_value("kl").run()
    page.segmented_control("training.against").set_value("seconds").run()
    page.toggle("training.log").set_value(True).run()
    assert not page.exception
    layout = figures(page)[0]["layout"]
    assert layout["xaxis"]["title"]["text"] == "training time (minutes)"
    assert layout["xaxis"]["type"] == "log"
    assert "KL" in layout["yaxis"]["title"]["text"]
    assert "machine that trained" in words(page)


def test_training_shows_the_papers_values_with_their_source(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("sbn-200-mnist-static", "sbn", layers=[4], curves=recorded(-115.0))
    page = open_page("training")
    (figure,) = figures(page)
    assert [shape["y0"] for shape in figure["layout"]["shapes"]] == [-113.1]
    assert figure["layout"]["annotations"][0]["text"] == "SBN 200: −113.1"
    assert "arXiv:1402.0030" in words(page)

    page.toggle("training.papers").set_value(False).run()
    assert "shapes" not in figures(page)[0]["layout"]
    assert "arXiv:1402.0030" not in words(page)


def test_training_tells_estimates_of_the_likelihood_from_bounds(
    shelf: Shelf, open_page: OpenPage
) -> None:
    for kind in ("rank-one", "diagonal"):
        name = f"dlgm-{kind}-mnist-static"
        shelf.add(name, "dlgm", layers=[4], hidden=[8], curves=recorded())
    page = open_page("training")
    labels = [note["text"] for note in figures(page)[0]["layout"]["annotations"]]
    assert labels == [
        "DLGM, rank-one precision: −86.6, log p(x)",
        "DLGM, diagonal covariance: −87.3, log p(x)",
    ]
    assert "An ELBO lies below log p(x)" in words(page)


def test_training_tells_curves_that_go_on_from_another_checkpoint(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("first", latent_dim=2, hidden=[8], curves=recorded())
    page = open_page("training")
    assert "random weights" not in words(page)
    recipe = {"estimator": {"name": "iwae"}, "training": {"start": "first"}}
    shelf.add("second", latent_dim=2, hidden=[8], curves=recorded(), recipe=recipe)
    page.multiselect("curves").set_value(["first", "second"]).run()
    assert "Not trained from random weights: `second` with those of `first`." in words(page)


def test_training_asks_to_choose_when_every_checkpoint_is_taken_away(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("vae", latent_dim=2, hidden=[8], curves=recorded())
    page = open_page("training")
    page.multiselect("curves").set_value([]).run()
    assert not page.exception
    assert "Choose a checkpoint above" in page.info[0].value
    assert not page.get("plotly_chart")


def test_training_leaves_out_damaged_curves_and_says_so(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("good", latent_dim=2, hidden=[8], curves=recorded())
    shelf.add("torn", latent_dim=2, hidden=[8], curves=recorded())
    (shelf.folder / "torn.csv").write_text("step,samples\n1\n")
    page = open_page("training")
    assert "`torn` is left out" in page.warning[0].value
    assert names_of(figures(page)[0]) == {"good"}


def test_training_says_when_a_quantity_was_not_recorded(shelf: Shelf, open_page: OpenPage) -> None:
    curves = {k: v for k, v in recorded().items() if not k.endswith("_kl")}
    shelf.add("vae", latent_dim=2, hidden=[8], curves=curves)
    page = open_page("training")
    page.segmented_control("training.quantity").set_value("kl").run()
    assert not page.exception
    assert "`vae` did not record this quantity (KL) while it was trained" in page.info[0].value
    assert not page.get("plotly_chart")


def axes(page: AppTest) -> tuple[str, str]:
    (figure,) = figures(page)
    return tuple(figure["layout"][axis]["title"]["text"] for axis in ("xaxis", "yaxis"))


def without_parts() -> dict[str, np.ndarray]:
    """Curves of a model without latents."""
    curves = recorded(-90.0)
    parts = ("reconstruction", "kl")
    return {k: np.full(20, np.nan) if k.endswith(parts) else v for k, v in curves.items()}


def test_documents_are_counted_and_measured_as_documents(shelf: Shelf, open_page: OpenPage) -> None:
    options = {"dataset": "20-newsgroups", "layers": [4], "likelihood": "multinomial"}
    shelf.add("texts", "sbn", curves=recorded(-600.0), **options)
    page = open_page("training")
    assert axes(page) == ("training documents seen", "ELBO (nats per document)")
    assert page.segmented_control("training.against").options == ["Documents seen", "Time"]
    assert "On validation documents texts ends at" in page.get("plotly_chart")[0].proto.alt
    page.segmented_control("training.quantity").set_value("kl").run()
    assert axes(page)[1].endswith("(nats per document)")
    assert "image" not in words(page)
    shelf.add("digits", latent_dim=2, hidden=[8], curves=recorded())
    page = open_page("training", curves=["texts", "digits"])
    assert page.segmented_control("training.against").options == ["Items seen", "Time"]
    titles = [figure["layout"]["yaxis"]["title"]["text"] for figure in figures(page)]
    assert titles == ["ELBO (nats per document)", "ELBO (nats per image)"]


def test_a_model_without_latents_has_log_p_and_no_parts(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("nade", "nade", hidden_dim=4, curves=without_parts())
    page = open_page("training")
    assert axes(page)[1] == "log p(x) (nats per image)"
    for quantity in ("reconstruction", "kl"):
        page.segmented_control("training.quantity").set_value(quantity).run()
        assert not page.get("plotly_chart")
        assert "`nade` has no latents: nothing is encoded" in page.info[0].value


def test_beside_others_a_model_without_latents_is_told_to_be_left_out(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("vae", latent_dim=2, hidden=[8], curves=recorded())
    shelf.add("nade", "nade", hidden_dim=4, curves=without_parts())
    shelf.add("rbm", "rbm", hidden=4, particles=3, curves=without_parts())
    page = open_page("training")
    assert axes(page)[1] == "ELBO or log p(x) (nats per image)"
    page.segmented_control("training.quantity").set_value("kl").run()
    assert names_of(figures(page)[0]) == {"vae"}
    assert "`nade`, `rbm` have no latents" in words(page)
    assert not page.info


def test_training_takes_its_checkpoints_from_the_address(shelf: Shelf, open_page: OpenPage) -> None:
    for name in ("one", "two", "three"):
        shelf.add(name, latent_dim=2, hidden=[8], curves=recorded())
    page = open_page("training", curves="two")
    assert names_of(figures(page)[0]) == {"two"}


EVERYTHING = {
    "curves": ["two", "one"],
    "quantity": "kl",
    "axis": "seconds",
    "log": "yes",
    "start": "yes",
    "papers": "no",
}


def add_three(shelf: Shelf) -> None:
    for index, name in enumerate(("one", "two", "three")):
        shelf.add(name, latent_dim=2, hidden=[8], curves=recorded(-100.0 - index))


def test_every_choice_is_in_the_address_and_opens_the_same_chart(
    shelf: Shelf, open_page: OpenPage
) -> None:
    add_three(shelf)
    page = open_page("training")
    assert page.query_params == {}
    page.multiselect("curves").set_value(["two", "one"])
    page.segmented_control("training.quantity").set_value("kl")
    page.segmented_control("training.against").set_value("seconds")
    for key, value in (("log", True), ("start", True), ("papers", False)):
        page.toggle(f"training.{key}").set_value(value)
    page.run()
    # Bound widgets are put into the address by the browser, all others by the page.
    assert {**page.query_params, "curves": ["two", "one"]} == EVERYTHING
    fresh = open_page("training", **EVERYTHING)
    assert figures(fresh) == figures(page)
    assert not fresh.warning


@pytest.mark.parametrize("name", list(EVERYTHING))
def test_a_broken_value_in_the_address_is_told_and_the_default_shown(
    name: str, shelf: Shelf, open_page: OpenPage
) -> None:
    add_three(shelf)
    page = open_page("training", **{name: "[nothing](http://known)"})
    assert figures(page) == figures(open_page("training"))
    (warning,) = page.warning
    assert f"`{name}`" in warning.value
    assert "nothing" not in warning.value


def test_each_chart_has_its_values_and_the_page_has_its_code(
    shelf: Shelf, open_page: OpenPage
) -> None:
    add_three(shelf)
    page = open_page("training")
    labels = [button.proto.label for button in page.get("download_button")]
    assert labels == ["Values of this chart, CSV", "All that was recorded, CSV"]
    assert "load_checkpoint" in page.code[0].value


@pytest.mark.parametrize(
    ("quantity", "progress", "log_x"),
    [("elbo", "samples", False), ("kl", "seconds", True)],
)
def test_the_code_prints_the_lines_of_the_chart(
    shelf: Shelf, quantity: str, progress: str, log_x: bool
) -> None:
    names = ["plain", 'it\'s """ odd']
    curves = {}
    for index, name in enumerate(names):
        curves[name] = recorded(-100.0 - index)
        curves[name]["samples"][0] = 0.0
        curves[name]["seconds"][0] = 0.0
        shelf.add(name, latent_dim=2, hidden=[8], curves=curves[name])
    figure = draw(curves, quantity=quantity, progress=progress, log_x=log_x)
    script = curves_script({name: [name] for name in names}, quantity, progress, log_x=log_x)
    shown = rows_of(charts.csv_text(figure))
    assert len(shown) == 2 * (30 - log_x)
    for printed, row in zip(rows_of(printed_by(script)), shown, strict=True):
        assert printed[0] == row[0]
        # The file keeps seven digits.
        assert [float(v) for v in printed[1:]] == pytest.approx([float(v) for v in row[1:]], 1e-6)


def draw(curves: dict[str, dict[str, np.ndarray]], **options: object):
    """A chart of trainings of which none is another's seed."""
    return draw_series({name: {name: one} for name, one in curves.items()}, **options)


def draw_series(series: dict, *, quantity="elbo", progress="samples", log_x=False, apart=False):
    lines = lines_of(series, quantity, progress, log_x=log_x, apart=apart)
    colours = {name: i for i, name in enumerate(series)}
    return curves_figure(lines, colours, ("x", "y"), [], log_x=log_x, from_start=False)


def test_points_that_were_not_measured_are_left_out_of_the_lines() -> None:
    figure = draw({"vae": recorded(points=20)})
    lengths = {trace.line.dash: len(trace.y) for trace in figure.data}
    assert lengths == {"solid": 10, "dot": 20}
    assert all(np.isfinite(trace.y).all() for trace in figure.data)


def test_lines_of_one_checkpoint_share_a_colour_and_one_legend_entry() -> None:
    figure = draw({"one": recorded(), "two": recorded(-90.0)})
    colours = [trace.line.color for trace in figure.data]
    assert colours[0] == colours[1] != colours[2] == colours[3]
    assert [trace.showlegend for trace in figure.data] == [True, False, True, False]


def test_a_logarithmic_axis_leaves_out_the_point_at_zero() -> None:
    curves = recorded()
    curves["samples"][0] = 0.0
    assert min(min(trace.x) for trace in draw({"vae": curves}).data) == 0
    assert min(min(trace.x) for trace in draw({"vae": curves}, log_x=True).data) > 0


def test_focus_cuts_the_first_rise_and_keeps_the_papers_values() -> None:
    lines = lines_of({"vae": {"vae": recorded(-100.0, points=100)}}, "elbo", "samples")
    low, high = focus(lines, [-80.0])
    assert -120 < low < -110  # the first two points, below -136, are cut off
    assert -80 < high < -70
    low, _ = focus(lines, [], share=0.0)
    assert low < -199


def test_close_values_have_labels_that_do_not_overlap() -> None:
    names = ("sbn-200-200", "vae-20", "dlgm-diagonal", "dlgm-rank-one")
    cards = {f"{name}-mnist-static": {"dataset": "mnist-static"} for name in names}
    figure = curves_figure(
        lines_of({"vae": {"vae": recorded(-95.0)}}, "elbo", "samples"),
        {"vae": 0},
        ("x", "y"),
        references.matching(cards),
        log_x=False,
        from_start=False,
    )
    places = [(note.xanchor, note.yanchor, note.y) for note in figure.layout.annotations]
    assert len(places) == 4
    low, high = figure.layout.yaxis.range
    text = 0.045 * (high - low)
    edges = [(x, y if anchor == "bottom" else y - text) for x, anchor, y in places]
    for index, (side, edge) in enumerate(edges):
        for other_side, other in edges[index + 1 :]:
            assert side != other_side or abs(edge - other) >= text


def test_csv_holds_every_row_and_leaves_unmeasured_cells_empty() -> None:
    rows = list(csv.DictReader(io.StringIO(curves_csv({"a": recorded(), "b": recorded()}))))
    assert len(rows) == 40
    assert {row["checkpoint"] for row in rows} == {"a", "b"}
    assert rows[0]["valid_elbo"] == ""
    assert float(rows[1]["valid_elbo"]) == float(f"{recorded()['valid_elbo'][1]:.7g}")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("sbn-200-mnist-static-seed-1", [-113.1]),  # whatever the seed
        ("sbn-200-ar-mnist-static", [-103.8]),  # not that of the factorial recognition
        ("nlgbn-mnist-static", [-95.8]),  # not that of the DLGM of its shape
        ("sbn-50-20-newsgroups", []),  # perplexities are not in nats
        ("sbn-200-of-mine", []),
    ],
)
def test_a_papers_value_belongs_to_the_checkpoints_of_its_row(name, values) -> None:
    dataset = "20-newsgroups" if "newsgroups" in name else "mnist-static"
    found = references.matching({name: {"dataset": dataset}})
    assert [one.value for one in found] == values
    assert all(one.source for one in found)
    assert references.matching({name: {"dataset": "frey"}}) == []
