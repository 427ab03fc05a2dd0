"""The Estimators page in every state it can be in, and the pure functions below it."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from dashboard.components import charts, live_race
from dashboard.logic.estimators import gradients
from dashboard.logic.estimators import race as racing
from dashboard.logic.estimators.frontier import best, frontier_figure
from dashboard.logic.estimators.notes import NOTES
from dashboard.logic.estimators.recorded import recorded_figure, recorded_rows, told_last
from dashboard.scripts.estimators import recorded_script
from engine.checkpoints import write_curves
from engine.estimators.variants import VARIANTS, build_variant, suitable_variants
from engine.models import build_model
from engine.random import make_generator
from tests.dashboard.conftest import Shelf, words
from tests.dashboard.running import printed_by, rows_of

OpenPage = Callable[..., AppTest]

LABELS = ("score function", "+ baseline")


def recorded(layers: tuple[str, ...] = ("recognition 1", "generative")) -> list[dict[str, Any]]:
    """Rows as a training records them: the second estimator ten times less noisy."""
    return [
        {
            "step": step, "samples": 100 * step, "estimator": label, "layer": layer,
            "trace": 1000.0 / 10**index / (1 + step), "trace_se": 1.0 / 10**index / (1 + step),
            "mean_square": -1.0 if index == 0 and step == 0 else 0.5, "mean_square_se": 2.0,
            "snr": 0.1, "draws": 100, "minibatches": 10, "batch_size": 100,
            "fit_steps": 300 * index,
        }
        for step in (0, 100, 500)
        for index, label in enumerate(LABELS)
        for layer in layers
    ]  # fmt: skip


def add_recorded(shelf: Shelf, name: str, rows: list[dict[str, Any]]) -> None:
    shelf.add(name, "sbn", layers=[4], recipe={"estimator": {"name": "nvil"}})
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    write_curves(shelf.folder / f"{name}.variance.csv", columns)


def all_figures(page: AppTest) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]


def figures(page: AppTest) -> list[dict]:
    """Without that of the toy problem, which is always there."""
    return all_figures(page)[1:]


@pytest.fixture(autouse=True)
def long_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test has no other visitors to leave time to."""
    monkeypatch.setattr(live_race, "SLICE", 30.0)
    monkeypatch.setattr(racing, "FIT_STEPS", 20)


def press(page: AppTest) -> AppTest:
    page.button("estimators.start").click().run()
    assert not page.exception, page.exception
    return page


def live_code(page: AppTest) -> str:
    """The code for the live measurement."""
    return next(one.value for one in page.code if "GradientRace" in one.value)


def finish(page: AppTest) -> AppTest:
    """Rerun as the fragment's clock does, until the button offers to begin again."""
    for _ in range(400):
        if page.button("estimators.start").label == "Again":
            return page
        page.run()
        assert not page.exception, page.exception
    raise AssertionError("the measurement did not end")


def test_an_empty_shelf_says_what_to_train(shelf: Shelf, open_page: OpenPage) -> None:
    page = open_page("estimators")
    assert "There is no checkpoint with latent variables yet" in page.info[0].value
    assert "No training has recorded its gradient variance yet" in page.info[1].value
    assert "runs is recorded so far" in page.info[2].value
    assert not figures(page)
    # What the estimators are can be read all the same.
    assert len(page.expander) == len(NOTES)


def test_sections_are_headed_one_level_below_the_title(shelf: Shelf, open_page: OpenPage) -> None:
    page = open_page("estimators")
    assert [one.value for one in page.header] == [
        "One bit, and the known answer",
        "Measured live",
        "Over training",
        "Figures of the papers",
        "The estimators",
    ]
    assert not page.subheader


def test_recorded_curves_are_drawn_with_units_for_each_part_and_quantity(
    shelf: Shelf, open_page: OpenPage
) -> None:
    add_recorded(shelf, "recorded", recorded())
    page = open_page("estimators")
    (figure,) = figures(page)
    assert [trace["name"] for trace in figure["data"]] == list(LABELS)
    assert figure["layout"]["yaxis"]["type"] == "log"
    assert "nats²" in figure["layout"]["yaxis"]["title"]["text"]
    assert figure["layout"]["xaxis"]["ticktext"][0] == "0"
    assert "100 draws on each of 10 fixed minibatches of 100 training images" in words(page)
    assert "fitted to each on 300 minibatches" in words(page)
    assert "trained with NVIL" in words(page)

    page.selectbox("estimators.recorded.layer").set_value("generative").run()
    page.segmented_control("estimators.recorded.quantity").set_value("snr").run()
    assert not page.exception
    assert "signal-to-noise" in figures(page)[0]["layout"]["yaxis"]["title"]["text"]


def test_a_damaged_record_is_left_out_and_said(shelf: Shelf, open_page: OpenPage) -> None:
    add_recorded(shelf, "good", recorded())
    add_recorded(shelf, "torn", recorded())
    (shelf.folder / "torn.variance.csv").write_text("step,samples\n1\n")
    page = open_page("estimators")
    assert "`torn` is left out" in page.warning[0].value
    assert page.selectbox("estimators.recorded").options[0].startswith("good")
    assert len(page.selectbox("estimators.recorded").options) == 1


@pytest.mark.parametrize(
    ("kind", "config", "layers"),
    [
        ("vae", {"latent_dim": 2, "hidden": [8]}, ["recognition 1", "generative"]),
        (
            "dlgm",
            {"layers": [3, 2], "hidden": [8], "covariance": "rank-one"},
            ["recognition 1", "recognition 2", "recognition shared", "generative"],
        ),
        ("sbn", {"layers": [4, 3]}, ["recognition 1", "recognition 2", "generative"]),
    ],
)
def test_every_kind_of_model_is_measured_live_to_the_end(
    shelf: Shelf, open_page: OpenPage, kind, config, layers
) -> None:
    shelf.add("model", kind, **config)
    page = open_page("estimators")
    assert "Start, and the bars settle" in words(page)
    keys = next(one for one in page.multiselect if one.label == "Estimators").value
    page.select_slider("estimators.draws").set_value(50)
    page.select_slider("estimators.size").set_value(10)
    finish(press(page))
    figure, frontier = figures(page)
    assert {trace["name"] for trace in frontier["data"][:-1]} == {
        VARIANTS[key].title for key in keys
    }
    assert [trace["x"] for trace in figure["data"]] == [[VARIANTS[key].title] for key in keys]
    assert figure["layout"]["yaxis"]["type"] == "log"
    assert all(trace["error_y"]["array"][0] > 0 for trace in figure["data"])
    assert page.selectbox("estimators.live.layer").options == [
        gradients.layer_title(layer) for layer in layers
    ]
    table = page.dataframe[0].value
    assert list(table["Draws"]) == [50] * len(keys)
    for layer in layers:
        page.selectbox("estimators.live.layer").set_value(layer).run()
        page.segmented_control("estimators.live.quantity").set_value("snr").run()
        assert not page.exception


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("darn", {"layers": [4]}),
        ("fdarn", {"layers": [4, 3]}),
        ("sbn", {"layers": [4], "recognition": "autoregressive"}),
        ("vae", {"latent_dim": 2, "hidden": [4], "likelihood": "gaussian",
                 "dataset": "cifar10-small"}),
    ],
    ids=["darn", "fdarn", "linked", "colour"],
)  # fmt: skip
def test_models_with_links_or_colour_are_measured_by_what_suits_them(
    shelf: Shelf, open_page: OpenPage, kind: str, config: dict[str, Any]
) -> None:
    shelf.add("model", kind, **config)
    page = small(open_page("estimators"))
    asked = next(one for one in page.multiselect if one.label == "Estimators").value
    assert "leave-one-out" in asked or kind == "vae"
    finish(press(page))
    assert {row["estimator"] for row in page.session_state["estimators.race"].rows} == set(asked)


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("nade", {"hidden_dim": 4}),
        ("rbm", {"hidden": 4, "particles": 3}),
        ("dbn", {"layers": [4, 3], "particles": 3}),
        ("sbn", {"layers": [4], "likelihood": "multinomial", "dataset": "20-newsgroups"}),
    ],
    ids=["nade", "rbm", "dbn", "documents"],
)
def test_models_without_latents_and_of_documents_are_not_offered(
    shelf: Shelf, open_page: OpenPage, kind: str, config: dict[str, Any]
) -> None:
    shelf.add("other", kind, **config)
    page = open_page("estimators")
    assert "There is no checkpoint with latent variables yet" in page.info[0].value
    shelf.add("model", latent_dim=2, hidden=[8])
    fresh = open_page("estimators")
    assert next(one for one in fresh.selectbox if one.label == "Checkpoint").options == ["model"]


def test_measuring_can_be_stopped_and_gone_on_with_and_begun_again(
    shelf: Shelf, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.add("model", latent_dim=2, hidden=[8])
    page = open_page("estimators")
    page.select_slider("estimators.size").set_value(10)
    monkeypatch.setattr(live_race, "SLICE", 0.0)
    press(page)
    assert page.button("estimators.start").label == "Pause"
    press(page)
    assert page.button("estimators.start").label == "Go on"
    stopped = page.session_state["estimators.race"].done
    page.run()
    assert page.session_state["estimators.race"].done == stopped
    monkeypatch.setattr(live_race, "SLICE", 30.0)
    press(page)
    finish(page)
    first = page.session_state["estimators.race"].rows
    assert {row["draws"] for row in first} == {200}
    press(page)
    finish(page)
    second = page.session_state["estimators.race"].rows
    for one, other in zip(first, second, strict=True):
        assert one["trace"] != other["trace"]  # other noise, the same minibatch
        errors = math.hypot(one["trace_se"], other["trace_se"])
        assert abs(one["trace"] - other["trace"]) < 5 * errors


def test_a_changed_setting_ends_the_measurement(
    shelf: Shelf, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.add("model", latent_dim=2, hidden=[8])
    page = open_page("estimators")
    monkeypatch.setattr(live_race, "SLICE", 0.0)
    press(page)
    page.number_input("estimators.seed").set_value(3).run()
    assert not page.exception
    assert page.button("estimators.start").label == "Start"
    assert "estimators.race" not in page.session_state


SETTINGS = {
    "estimators": "sgvb-b,sgvb-a",
    "split": "valid",
    "size": "10",
    "seed": "4",
    "draws": "50",
    "part": "generative",
    "quantity": "snr",
}


def small(page: AppTest) -> AppTest:
    page.select_slider("estimators.draws").set_value(50)
    page.select_slider("estimators.size").set_value(10)
    return page


def test_a_link_to_a_finished_measurement_opens_the_same_numbers(
    shelf: Shelf, open_page: OpenPage
) -> None:
    for name in ("first", "model"):
        shelf.add(name, latent_dim=2, hidden=[8])
    page = small(open_page("estimators", checkpoint="model"))
    next(one for one in page.multiselect if one.label == "Estimators").set_value(
        ["sgvb-b", "sgvb-a"]
    )
    page.selectbox("estimators.data.split").set_value("valid")
    page.number_input("estimators.seed").set_value(4).run()
    finish(press(page))
    page.selectbox("estimators.live.layer").set_value("generative").run()
    page.segmented_control("estimators.live.quantity").set_value("snr").run()
    link = dict(page.query_params)
    assert link == {**SETTINGS, "checkpoint": "model", "measured": "yes"}
    fresh = finish(open_page("estimators", **link))
    assert figures(fresh) == figures(page)
    assert not fresh.warning

    finish(press(page))  # again, with other noise
    assert page.query_params["noise"] == "1"
    assert figures(page) != figures(fresh)
    assert figures(finish(open_page("estimators", **page.query_params))) == figures(page)

    page.number_input("estimators.seed").set_value(5).run()
    assert "measured" not in page.query_params
    assert page.button("estimators.start").label == "Start"


def test_the_recorded_curves_are_chosen_by_the_address(shelf: Shelf, open_page: OpenPage) -> None:
    for name in ("first", "second"):
        add_recorded(shelf, name, recorded())
    page = open_page("estimators")
    page.selectbox("estimators.recorded").set_value("second").run()
    page.selectbox("estimators.recorded.layer").set_value("generative").run()
    page.segmented_control("estimators.recorded.quantity").set_value("snr").run()
    link = dict(page.query_params)
    assert link == {
        "recorded": "second", "recorded_part": "generative", "recorded_quantity": "snr",
    }  # fmt: skip
    fresh = open_page("estimators", **link)
    assert figures(fresh) == figures(page)
    assert [chart.proto.alt for chart in fresh.get("plotly_chart")] == [
        chart.proto.alt for chart in page.get("plotly_chart")
    ]


@pytest.mark.parametrize(
    "name",
    [*SETTINGS, "checkpoint", "data", "noise", "measured", "on", "theta", "target", "toy",
     "recorded", "recorded_part", "recorded_quantity", "figure", "against"],
)  # fmt: skip
def test_a_broken_value_in_the_address_is_told_and_the_default_shown(
    name: str, shelf: Shelf, open_page: OpenPage
) -> None:
    add_recorded(shelf, "bits", recorded())
    page = open_page("estimators", **{name: "[nothing](http://known)"})
    (warning,) = page.warning
    assert f"`{name}`" in warning.value
    assert "nothing" not in warning.value
    assert figures(page) == figures(open_page("estimators"))
    assert page.button("estimators.start").label == "Start"
    page.run()
    assert not page.warning


@pytest.mark.parametrize("quantity", ["trace", "snr"])
def test_the_code_prints_the_recorded_curves(shelf: Shelf, quantity: str) -> None:
    rows = [{**one, "mean_square_se": 0.1} for one in recorded()]
    add_recorded(shelf, "it's odd", rows)
    figure = recorded_figure(rows, "generative", quantity)
    shown = {tuple(row[:2]): float(row[2]) for row in rows_of(charts.csv_text(figure))}
    printed = rows_of(printed_by(recorded_script("it's odd", "generative", quantity)))
    assert len(printed) == 6
    assert len(shown) == (6 if quantity == "trace" else 5)  # one ratio drowns in its noise
    for label, samples, value in printed:
        if (label, samples) in shown:
            assert float(value) == pytest.approx(shown[label, samples], rel=1e-6)


def toy(page: AppTest) -> dict:
    return all_figures(page)[0]


def test_the_toy_settles_on_the_closed_forms_and_its_code_gives_the_same_numbers(
    shelf: Shelf, open_page: OpenPage
) -> None:
    page = open_page("estimators")
    assert [trace["name"] for trace in toy(page)["data"]] == ["known"]
    page.select_slider("estimators.toy.theta").set_value(10)
    page.select_slider("estimators.toy.target").set_value(499).run()
    # The table of the reference: t = .499, theta = .1.
    assert toy(page)["layout"]["xaxis"]["type"] == "category"
    known = [5.661e-3, 1.476e-7, 1.303e-7, 1.296e-7]
    assert toy(page)["data"][0]["y"] == pytest.approx(known, rel=1e-3)
    page.button("estimators.toy.step").click().run()
    assert not page.exception
    assert "100 of 200,000 estimates" in words(page)
    page.button("estimators.toy.play").click().run()
    assert page.button("estimators.toy.play").label == "Pause"
    page.button("estimators.toy.play").click().run()
    stopped = words(page)
    page.run()
    assert words(page) == stopped
    page.button("estimators.toy.play").click().run()
    for _ in range(60):
        if page.query_params.get("toy"):
            break
        page.run()
        assert not page.exception
    link = dict(page.query_params)
    assert link == {"theta": "10", "target": "499", "toy": "yes"}
    shown, found = toy(page)["data"]
    for closed, value, error in zip(shown["y"], found["y"], found["error_y"]["array"], strict=True):
        assert abs(value - closed) < 5 * error
        assert error < 0.02 * closed
    fresh = open_page("estimators", **link)
    assert toy(fresh) == toy(page)
    assert not fresh.warning
    printed = rows_of(printed_by(page.code[0].value))
    assert [float(line[4]) for line in printed] == pytest.approx(found["y"], rel=1e-12)

    page.select_slider("estimators.toy.theta").set_value(50).run()
    assert "toy" not in page.query_params
    assert [trace["name"] for trace in toy(page)["data"]] == ["known"]
    assert toy(page)["layout"]["annotations"][0]["text"] == "exactly 0"  # DisARM at one half


def test_on_the_tiny_model_biases_are_seen_and_the_code_gives_them_too(
    shelf: Shelf, open_page: OpenPage
) -> None:
    page = small(open_page("estimators", on="tiny", estimators="disarm,straight-through"))
    page.select_slider("estimators.draws").set_value(1000)
    finish(press(page))
    page.segmented_control("estimators.live.quantity").set_value("bias").run()
    assert not page.exception
    table = page.dataframe[0].value
    fair, biased = (float(text.replace("−", "-")) for text in table["Bias (standard errors)"])
    assert abs(fair) < 8 < biased
    bars, _ = figures(page)
    assert "squared bias" in bars["layout"]["yaxis"]["title"]["text"]
    link = dict(page.query_params)
    assert link["on"] == "tiny"
    assert link["quantity"] == "bias"
    assert figures(finish(open_page("estimators", **link))) == figures(page)
    printed = list(csv.DictReader(io.StringIO(printed_by(live_code(page)))))
    rows = page.session_state["estimators.race"].rows
    assert [float(one["bias_z"]) for one in printed] == pytest.approx(
        [one["bias_z"] for one in rows], rel=1e-3
    )


def test_an_oracle_tells_biases_of_a_trained_model_and_its_own_error(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("bits", "sbn", layers=[14], dataset="digits-mini")
    keys = "disarm,concrete,vimco"
    page = small(open_page("estimators", oracle="yes", quantity="bias", estimators=keys))
    page.select_slider("estimators.draws").set_value(200).run()
    finish(press(page))
    race = page.session_state["estimators.race"]
    assert race.oracle.source == "mean of 800 draws of leave-one-out"
    assert set(race.truths) == {"disarm", "concrete"}  # VIMCO has another objective
    *told, unknown = page.dataframe[0].value["Bias (standard errors)"]
    assert unknown == "not known"
    fair, biased = (float(text.replace("−", "-")) for text in told)
    assert abs(fair) < 8 < biased
    spread = race.oracle.spreads["recognition 1"]
    own = gradients.short(math.sqrt(spread.trace / 800))
    assert f"off by about {own} nats itself" in words(page)
    bars, _ = figures(page)
    assert [trace["name"] if "name" in trace else trace["x"][0] for trace in bars["data"]] == [
        VARIANTS[key].title for key in ("disarm", "concrete")
    ]
    link = dict(page.query_params)
    assert link["oracle"] == "yes"
    assert figures(finish(open_page("estimators", **link))) == figures(page)
    printed = list(csv.DictReader(io.StringIO(printed_by(live_code(page)))))
    for one, other in zip(printed, race.rows, strict=True):
        if other["bias_z"] is None:
            assert one["bias_z"] == ""
        else:
            assert float(one["bias_z"]) == pytest.approx(other["bias_z"], rel=1e-2, abs=1e-2)
    page.toggle("estimators.oracle").set_value(False).run()
    assert page.button("estimators.start").label == "Start"
    assert "oracle" not in page.query_params


def test_the_oracle_is_drawn_bit_by_bit_where_somebody_asks_and_nobody_can_sum() -> None:
    pool = torch.rand(60, 16, generator=make_generator(0)).round()

    def race(model: Any, keys: list[str]) -> racing.Race:
        return racing.Race("a", model, keys, pool, pool[:10], draws=20, seed=1, oracle=200)

    large = build_model("sbn", data_dim=16, layers=[14]).eval().requires_grad_(False)
    large.reset_parameters(make_generator(0))
    one = race(large, ["disarm", "arm"])
    notes, shares = [], [one.share]
    while not one.finished:
        one.advance(0.0)
        notes.append(one.note)
        shares.append(one.share)
    drawn = [note for note in notes if note.startswith("drawing the oracle")]
    assert drawn[-1] == "drawing the oracle: 200 of 200"
    assert len(drawn) > 2
    assert shares == sorted(shares)
    assert max(share for share, note in zip(shares[1:], notes, strict=True) if note in drawn) < 1
    truth = one.oracle
    assert truth is not None
    assert one.truths == {"disarm": truth, "arm": truth}
    other = race(large, ["vimco"])  # of L_K alone
    other.advance(30.0)
    assert other.oracle is None
    small = build_model("sbn", data_dim=16, layers=[3]).eval().requires_grad_(False)
    summed = race(small, ["disarm"])
    summed.advance(30.0)
    assert summed.truths["disarm"].source == "enumeration"
    assert summed.oracle is None
    assert racing.oracle_draws(200) == 800
    assert racing.oracle_draws(5000) == 4000


def test_a_link_with_a_wrong_word_for_the_oracle_is_told(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("bits", "sbn", layers=[14])
    page = open_page("estimators", oracle="perhaps")
    assert "`oracle` must be one of: yes, no" in page.warning[0].value
    assert page.toggle("estimators.oracle").value is False


def test_the_tiny_model_needs_no_oracle(shelf: Shelf, open_page: OpenPage) -> None:
    assert not any(
        one.key == "estimators.oracle" for one in open_page("estimators", on="tiny").toggle
    )


def test_where_no_truth_is_known_the_bias_says_so(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("model", latent_dim=2, hidden=[8])
    page = small(open_page("estimators", estimators="sgvb-a", quantity="bias"))
    finish(press(page))
    assert any("The bias is measured where the true gradient can be summed" in info.value
               for info in page.info)  # fmt: skip
    assert page.dataframe[0].value["Bias (standard errors)"][0] == "not known"


def test_a_step_measures_a_little_and_stops(
    shelf: Shelf, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.add("model", latent_dim=2, hidden=[8])
    page = open_page("estimators", estimators="sgvb-a,sgvb-b", size="10", draws="200")
    monkeypatch.setattr(live_race, "SLICE", 0.0)
    page.button("estimators.step").click().run()
    assert not page.exception
    first = page.session_state["estimators.race"]
    share = first.share
    page.run()
    assert page.session_state["estimators.race"].share == share
    assert page.button("estimators.start").label == "Go on"
    for _ in range(4):
        page.button("estimators.step").click().run()
    assert page.session_state["estimators.race"] is first
    assert first.share > share


def test_the_frontier_names_the_least_variance_at_equal_cost() -> None:
    rows = [
        {**row(trace, 1.0, 0.1), "estimator": key, "evaluations": cost,
         "variance_evaluations": trace * cost}
        for key, trace, cost in (("nvil-c", 100.0, 1), ("leave-one-out", 30.0, 2),
                                 ("disarm", 10.0, 3), ("rebar", 9.0, 5))
    ]  # fmt: skip
    titles = {one["estimator"]: VARIANTS[one["estimator"]].title for one in rows}
    lead = best(rows, "recognition 1")
    assert lead is not None
    assert lead["estimator"] == "disarm"
    figure = frontier_figure(rows, "recognition 1", titles)
    *points, line = figure.data
    assert [(point.x[0], point.y[0], point.text[0]) for point in points] == [
        (one["evaluations"], one["trace"], titles[one["estimator"]]) for one in rows
    ]
    assert np.allclose(np.array(line.x) * np.array(line.y), 30)
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"
    assert best(rows, "generative") is None
    assert not frontier_figure(rows, "generative", titles).data


@pytest.mark.parametrize("here", [True, False], ids=["images", "own samples"])
def test_the_code_measures_what_the_page_measured(
    shelf: Shelf, open_page: OpenPage, here: bool
) -> None:
    if here:
        shelf.add("bits", "sbn", layers=[4], dataset="digits-mini")
    else:
        shelf.add("bits", dataset="frey", latent_dim=2, hidden=[8], likelihood="gaussian")
    page = small(open_page("estimators", seed="3"))
    finish(press(page))
    printed = csv.DictReader(io.StringIO(printed_by(live_code(page))))
    measured = page.session_state["estimators.race"].rows
    for one, other in zip(printed, measured, strict=True):
        assert (one["estimator"], one["layer"]) == (other["estimator"], other["layer"])
        for name in ("trace", "trace_se", "mean_square", "mean_square_se", "bias_square"):
            if other[name] is None:
                assert one[name] == ""
                continue
            assert float(one[name]) == pytest.approx(other[name], rel=1e-5, abs=1e-9)


def test_csv_of_a_chart_has_the_places_before_training_and_upper_ends() -> None:
    figure = recorded_figure(recorded(), "generative", "snr")
    lines = list(csv.reader(io.StringIO(charts.csv_text(figure))))
    assert lines[0][:2] == ["series", "training images seen"]
    assert lines[0][3:] == ["error below", "error above"]
    assert {line[0] for line in lines[1:]} >= {"score function, upper end"}
    assert {line[1] for line in lines[1:]} == {"0", "10000", "50000"}
    bars = gradients.bars([row(100.0, -1.0, 5.0)], "recognition 1", "snr", {"sgvb-a": "SGVB A"})
    assert rows_of(charts.csv_text(bars)) == [
        ["Recognition 1, upper end", "SGVB A", "0.2", "0", "0"]
    ]


def test_the_last_measurement_is_told_in_words() -> None:
    told = told_last(recorded(), "generative", "trace")
    assert told == "score function 2, + baseline 0.2"


def test_no_estimator_chosen_asks_for_one(shelf: Shelf, open_page: OpenPage) -> None:
    shelf.add("model", latent_dim=2, hidden=[8])
    page = open_page("estimators")
    next(one for one in page.multiselect if one.label == "Estimators").set_value([]).run()
    assert not page.exception
    assert any("Choose an estimator above" in info.value for info in page.info)


def test_faces_without_their_images_are_measured_on_the_models_own_samples(
    shelf: Shelf, open_page: OpenPage
) -> None:
    shelf.add("faces", dataset="frey", latent_dim=2, hidden=[8], likelihood="gaussian")
    page = open_page("estimators")
    assert any("are not on this machine" in info.value for info in page.info)
    page.select_slider("estimators.draws").set_value(50)
    page.select_slider("estimators.size").set_value(10)
    finish(press(page))
    assert page.session_state["estimators.race"].rows[0]["draws"] == 50


def test_a_broken_checkpoint_is_an_error_on_the_page(shelf: Shelf, open_page: OpenPage) -> None:
    path = shelf.add("torn", latent_dim=2, hidden=[8])
    path.write_bytes(path.read_bytes()[:-100])
    page = open_page("estimators")
    assert page.error or any("There is no checkpoint" in info.value for info in page.info)


def test_every_variant_has_a_note_with_formula_and_source() -> None:
    assert list(NOTES) == list(VARIANTS)
    for note in NOTES.values():
        assert note.formula
        assert "arXiv:" in note.source


def row(trace: float, square: float, error: float) -> dict[str, Any]:
    return {
        "estimator": "sgvb-a", "layer": "recognition 1", "draws": 10,
        "trace": trace, "trace_se": 1.0, "mean_square": square, "mean_square_se": error,
    }  # fmt: skip


def test_the_interval_of_the_ratio_reaches_zero_where_the_mean_drowns() -> None:
    assert gradients.interval(row(4.0, 16.0, 0.0), "snr") == (2, 2, 2)
    low, value, high = gradients.interval(row(100.0, -1.0, 5.0), "snr")
    assert low == value == 0
    assert high == pytest.approx(0.2)
    assert gradients.interval(row(4.0, 0.0, 0.0), "trace") == (3, 4, 5)
    assert all(math.isnan(part) for part in gradients.interval(row(0.0, 1.0, 1.0), "snr"))


@pytest.mark.parametrize(
    ("value", "text"), [(1813.2, "1,810"), (1.972e9, "1.97e9"), (36.78, "36.8"), (0.0515, "0.0515")]
)
def test_bars_carry_their_value_to_three_digits(value, text) -> None:
    one = {**row(value, 0.0, 0.0), "trace_se": 0.0}
    figure = gradients.bars([one], "recognition 1", "trace", {"sgvb-a": "A"})
    assert figure.data[0].text == (text,)


def test_a_ratio_that_drowns_is_an_upper_end_in_bar_and_table() -> None:
    rows = [row(100.0, -1.0, 5.0)]
    figure = gradients.bars(rows, "recognition 1", "snr", {"sgvb-a": "SGVB A"})
    assert figure.data[0].text == ("< 0.2",)
    assert figure.data[0].marker.opacity < 1
    table = gradients.table(rows, "recognition 1", {"sgvb-a": "SGVB A"})
    assert table["Signal-to-noise"] == ["below 0.2"]
    assert table["‖E g‖²"] == ["−1 ± 5"]


def test_recorded_ratios_that_drown_are_triangles_and_share_the_legend_entry() -> None:
    rows = [{**one, "mean_square_se": 0.1} for one in recorded()]
    figure = recorded_figure(rows, "recognition 1", "snr")
    lines = [trace for trace in figure.data if trace.mode != "markers"]
    assert [len(trace.x) for trace in lines] == [2, 3]  # the lost one drowns altogether
    lost = [trace for trace in figure.data if trace.mode == "markers"]
    assert not lost
    rows[0]["mean_square_se"] = 5.0
    figure = recorded_figure(rows, "recognition 1", "snr")
    (lost,) = [trace for trace in figure.data if trace.mode == "markers"]
    assert lost.y[0] == pytest.approx(math.sqrt(4 / 1000))
    assert lost.showlegend is False


def test_rows_of_a_file_without_the_needed_columns_are_none() -> None:
    assert recorded_rows({"step": np.zeros(2), "samples": np.zeros(2)}) == []


def test_csv_has_a_header_and_a_line_for_each_row() -> None:
    lines = list(csv.DictReader(io.StringIO(gradients.rows_csv(recorded()))))
    assert len(lines) == len(recorded())
    assert float(lines[0]["trace"]) == 1000
    assert gradients.rows_csv([]) == ""


def test_a_race_measures_what_the_engine_measures_and_leaves_the_model_alone() -> None:
    model = build_model("sbn", data_dim=16, layers=[3]).eval().requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    pool = torch.rand(60, 16, generator=make_generator(0)).round()
    keys = suitable_variants("bernoulli", 1)

    def run() -> racing.Race:
        race = racing.Race("a", model, keys, pool, pool[:10], draws=20, seed=1, fit_steps=15)
        shares = [race.share]
        while not race.finished:
            race.advance(0.0)
            shares.append(race.share)
        assert shares == sorted(shares)
        assert shares[-1] == 1
        return race

    race = run()
    assert race.fitted == {key: 15 if build_variant(key, model).state_dict() else 0 for key in keys}
    assert race.fitted["nvil-c"] == 15
    assert race.fitted["disarm"] == 0
    assert {one["estimator"] for one in race.rows} == set(keys)
    assert {one["draws"] for one in race.rows} == {20}
    assert race.rows == run().rows
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
