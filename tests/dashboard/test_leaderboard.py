"""The Leaderboard page: what compares, what does not and why, and the ways to the other pages."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.components.ranking import ORDERS, read_order
from dashboard.logic.leaderboard.picture import Point, alt_text, picture, points_of, reach
from dashboard.logic.leaderboard.table import minus, table_rows
from dashboard.navigation import links_of
from dashboard.scripts.leaderboard import ranking_script
from engine.leaderboard import leaderboard, places
from engine.leaderboard.tables import ranking_csv
from tests.dashboard.conftest import Shelf, words
from tests.dashboard.running import printed_by
from tests.engine.leaderboard.test_leaderboard import bounds, card, metric

OpenPage = Callable[..., AppTest]

EXACT = (("log_likelihood", -88.0, 0.2, 1),)
CARDS = {
    "sbn-200-mnist-static": bounds(-112, -104, seconds=7200.0),
    "vae-20-mnist-static": bounds(-97, -92),
    "nade-500-mnist-static": card(metric("log_likelihood", -88.0, how="exact")),
    "vae-10-frey": card(metric("elbo", 1324.2), dataset="frey"),
}
COUNTS = {"sbn-200-mnist-static": 314_784}


def found(kind: str = "ELBO", protocol: str = "mnist-static"):
    return places(leaderboard(CARDS, COUNTS), protocol, kind)


def rows(kind: str = "ELBO") -> dict[str, dict]:
    return {row["key"]: row for row in table_rows(found(kind), lambda name: ["sample"])}


def put(shelf: Shelf) -> None:
    shelf.add("sbn-200-mnist-static", "sbn", layers=[4])
    shelf.add("vae-20-mnist-static", latent_dim=3, hidden=[4])
    shelf.add("nade-500-mnist-static", "nade", hidden_dim=4, metrics=EXACT)


def test_a_row_says_all_that_the_number_depends_on() -> None:
    row = rows()["sbn-200"]
    assert row["rank"] == "2"
    assert row["ours"] == "−112.00 ± 0.20"
    assert row["how"] == "ELBO, 2\u202f000 items"
    assert row["published"] == "−113.10 (ELBO)"
    assert "arXiv:1402.0030" in row["source"]
    assert "as it is commonly quoted" in row["source"]
    assert row["solid"] == {"text": "ELBO −112.5, L₅₀₀₀₀ −104.4", "met": True, "note": ""}
    assert row["moonshot"]["met"] is False
    assert row["parameters"] == "0.31 M"
    assert row["trained"] == "2.0 h, long budget"
    assert row["sort"]["ours"] == -112.0
    assert row["links"][0]["href"] == "sample?checkpoint=sbn-200-mnist-static"
    assert row["links"][-1]["href"] == "training?curves=sbn-200-mnist-static"


def test_what_does_not_compare_is_told_and_comes_last() -> None:
    all_rows = table_rows(found(), lambda name: [])
    comparable = [row["comparable"] for row in all_rows]
    assert comparable == sorted(comparable, reverse=True)
    told = rows()
    assert told["nade-500"]["reason"] == "other estimator: measured by exact, not by ELBO"
    assert told["nade-500"]["ours"] == "−88.00 ± 0.20"
    assert told["vae-10-frey"]["reason"].startswith("other protocol: Frey")
    assert told["vae-10-frey"]["ours"] == "1324.2 ± 0.2"
    assert told["sbn-500"]["reason"] == "not trained yet"
    assert told["sbn-500"]["links"] == []
    assert told["lda"]["published"] == "1091 (Perplexity)"


def test_a_name_in_a_link_is_quoted() -> None:
    assert links_of("a b&c", [])[0]["href"] == "training?curves=a%20b%26c"


def test_minus_signs_stand_before_numbers_alone() -> None:
    assert minus("sbn-200: -1.5, x -3") == "sbn-200: −1.5, x −3"


def test_the_picture_has_ours_with_errors_and_the_rest_hollow_or_as_ticks() -> None:
    points = points_of(found(), "mnist-static", "ELBO")
    fig = picture(points, "nats per image", "higher")
    by_name = {trace.name: trace for trace in fig.data}
    ours = by_name["Ours, ± standard error"]
    assert list(ours.y) == ["AEVB, 20 latents", "SBN 200"]
    assert list(ours.x) == [-97.0, -112.0]
    assert list(ours.error_x.array) == [0.2, 0.2]
    assert set(by_name["Published"].marker.symbol) == {"diamond-open"}
    assert set(by_name["Solid target"].marker.symbol) == {"line-ns-open"}
    assert list(by_name["Ours, ± standard error, other estimator"].y) == ["NADE 500"]
    assert fig.layout.yaxis.type == "category"
    assert fig.layout.yaxis.categoryarray[-1] == "AEVB, 20 latents"
    assert "higher is better" in fig.layout.xaxis.title.text


def test_what_is_far_out_stands_at_the_edge_with_its_number() -> None:
    values = [-112.0, -110.0, -104.0, -100.0, -97.0, -214.0]
    assert reach(values) == (-112.0, -97.0)
    assert reach([-97.0, -97.0]) == (-97.0, -97.0)
    points = [Point("ours", f"system {v}", v, 0.2, True, "") for v in values]
    fig = picture(points, "nats per image", "higher")
    (ours,) = fig.data
    assert list(ours.error_x.array) == [0.2] * 5 + [0.0]
    left = fig.layout.xaxis.range[0]
    assert -116 < left < min(ours.x) < -112
    assert list(ours.marker.symbol) == ["circle"] * 5 + ["triangle-left"]
    (told,) = fig.layout.annotations
    assert (told.text, told.y) == ("−214", "system -214.0")


def test_error_bars_have_room() -> None:
    points = [Point("ours", name, value, 14.0, True, "") for name, value in
              (("a", -641.1), ("b", -639.7))]  # fmt: skip
    low, high = picture(points, "nats per document", "higher").layout.xaxis.range
    assert low < -641.1 - 14
    assert high > -639.7 + 14


def test_a_system_has_grey_marks_only_where_it_has_no_others_of_their_kind() -> None:
    for kind in ("ELBO", "L_K", "exact"):
        points = points_of(found(kind), "mnist-static", kind)
        clear = {(p.series, p.system) for p in points if p.compares}
        grey = {(p.series, p.system) for p in points if not p.compares}
        assert not clear & grey


def test_what_is_in_another_unit_is_not_on_the_axis() -> None:
    by_bound = points_of(found("ELBO", "newsgroups"), "newsgroups", "ELBO")
    assert by_bound == []  # the papers have perplexities
    told = points_of(found("perplexity", "newsgroups"), "newsgroups", "perplexity")
    assert {point.value for point in told} >= {909.0, 917.0}


def test_published_values_of_another_estimator_are_not_sorted_among_the_others() -> None:
    row = rows("ELBO")["dlgm-diagonal"]
    assert "−87.30" in row["published"]
    assert row["sort"]["published"] is None
    assert rows("L_K")["dlgm-diagonal"]["sort"]["published"] == -87.3


def test_the_picture_is_told_in_words() -> None:
    told = alt_text(points_of(found(), "mnist-static", "ELBO"), "static MNIST", "ELBO")
    assert "Ours from the best: AEVB, 20 latents −97.0; SBN 200 −112.0" in told
    none = alt_text(points_of(found("AIS"), "mnist-static", "AIS"), "static MNIST", "AIS")
    assert "None of ours" in none


@pytest.mark.parametrize("report", [None, "rank", {"order": 3}, {"order": "size"}, {}])
def test_only_known_orders_are_taken_from_the_browser(report: object) -> None:
    assert read_order(report) is None
    assert all(read_order({"order": order}) == order for order in ORDERS)


def test_without_checkpoints_all_rows_stand_there_untrained(
    shelf: Shelf, open_page: OpenPage
) -> None:
    page = open_page("leaderboard")
    assert "No checkpoint of ours is here yet" in page.info[0].value
    assert page.segmented_control


def test_the_page_ranks_by_the_chosen_protocol_and_estimator(
    shelf: Shelf, open_page: OpenPage
) -> None:
    put(shelf)
    page = open_page("leaderboard", estimator="exact")
    key = "leaderboard.estimator.mnist-static"
    assert page.segmented_control(key).value == "exact"
    assert "places(rows, 'mnist-static', 'exact')" in page.code[0].value
    assert "log p(x) itself" in words(page)
    page.segmented_control(key).set_value("ELBO").run()
    assert not page.exception
    assert page.segmented_control(key).options[0] == "ELBO"
    page.selectbox("leaderboard.protocol").set_value("newsgroups").run()
    assert not page.exception
    assert page.query_params["protocol"] == "newsgroups"
    assert "None of ours is measured this way yet" in words(page)


def test_a_broken_link_says_what_is_wrong(shelf: Shelf, open_page: OpenPage) -> None:
    put(shelf)
    page = open_page("leaderboard", protocol="mine", estimator="guess", sort="size", others="some")
    told = page.warning[0].value
    assert all(f"`{name}`" in told for name in ("protocol", "estimator", "others", "sort"))


def test_the_code_for_the_view_prints_the_csv_of_the_page(shelf: Shelf) -> None:
    put(shelf)
    import engine
    from engine.leaderboard import count_parameters

    names = engine.list_checkpoints()
    cards = {name: engine.read_card(name) for name in names}
    board = leaderboard(cards, {name: count_parameters(name) for name in names})
    printed = printed_by(ranking_script("mnist-static", "L_K"))
    assert printed == ranking_csv(places(board, "mnist-static", "L_K"))
    first = next(csv.DictReader(io.StringIO(printed)))
    assert (first["rank"], first["estimator"], first["samples"]) == ("1", "L_5000", "5000")
