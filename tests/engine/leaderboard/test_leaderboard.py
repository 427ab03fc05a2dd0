"""Joining the papers' rows with cards, and ranking what compares."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from engine.__main__ import main
from engine.autoregressive import Links
from engine.checkpoints import save_checkpoint
from engine.leaderboard import (
    count_parameters,
    is_met,
    kinds_of,
    leaderboard,
    measured_of,
    places,
)
from engine.leaderboard.published import Target
from engine.leaderboard.tables import json_rows, markdown_rows, ranking_csv
from engine.models import MODELS, build_model

SMALL = {
    "darn": {"layers": [3]},
    "dlgm": {"layers": [3], "hidden": [4]},
    "eonade": {"hidden": [4], "orderings": 2},
    "fdarn": {"layers": [3, 2]},
    "mixture": {"components": 3},
    "nade": {"hidden_dim": 4},
    "rbm": {"hidden": 3},
    "sbn": {"layers": [3, 2]},
    "vae": {"latent_dim": 2, "hidden": [4]},
}


def metric(
    name: str,
    value: float,
    *,
    samples: int = 1,
    split: str = "test",
    how: str = "",
    items: int = 2000,
) -> dict:
    return {
        "name": name, "value": value, "standard_error": 0.2, "estimator": how, "samples": samples,
        "split": split, "items": items,
    }  # fmt: skip


def card(*metrics: dict, dataset: str = "mnist-static", seconds: float = 1800.0) -> dict:
    return {
        "dataset": dataset, "recipe": {}, "seed": 0, "metrics": list(metrics),
        "training": {"seconds": seconds},
    }  # fmt: skip


def bounds(elbo: float, bound: float, samples: int = 5000, **more) -> dict:
    return card(metric("elbo", elbo), metric(f"L_{samples}", bound, samples=samples), **more)


def by_key(rows) -> dict:
    return {row.system.key: row for row in rows}


def ranks(cards: dict, protocol: str, kind: str) -> dict[str, int | None]:
    found = places(leaderboard(cards), protocol, kind)
    return {place.row.system.key: place.rank for place in found if place.measured is not None}


def reason(cards: dict, key: str, protocol: str, kind: str) -> str:
    found = places(leaderboard(cards), protocol, kind)
    return next(place.reason for place in found if place.row.system.key == key)


def test_without_checkpoints_every_system_has_an_empty_row() -> None:
    rows = leaderboard({})
    assert len(rows) > 50
    assert all(not row.entries and row.solid is None and row.moonshot is None for row in rows)
    assert all(place.rank is None and place.reason for place in places(rows, "frey", "ELBO"))


def test_better_numbers_rank_first_within_a_kind_of_estimator() -> None:
    cards = {
        "sbn-200-mnist-static": bounds(-111, -103),
        "vae-20-mnist-static": bounds(-97, -92),
        "nade-500-mnist-static": card(metric("log_likelihood", -88.0, how="exact")),
    }
    assert ranks(cards, "mnist-static", "ELBO") == {"vae-20": 1, "sbn-200": 2}
    assert ranks(cards, "mnist-static", "exact") == {"nade-500": 1}
    assert "measured by exact, not by ELBO" in reason(cards, "nade-500", "mnist-static", "ELBO")
    assert reason(cards, "sbn-500", "mnist-static", "ELBO") == "not trained yet"


def test_lower_perplexities_rank_first() -> None:
    cards = {
        "sbn-50-20-newsgroups": card(metric("perplexity_elbo", 905.0), dataset="20-newsgroups"),
        "fdarn-50-20-newsgroups": card(metric("perplexity_elbo", 870.0), dataset="20-newsgroups"),
    }
    bounds = {"sbn-50-20-newsgroups": -641.0, "fdarn-50-20-newsgroups": -639.0}
    for name, bound in bounds.items():
        cards[name]["metrics"].append(metric("elbo", bound))
    assert ranks(cards, "newsgroups", "ELBO") == ranks(cards, "newsgroups", "perplexity")
    found = ranks(cards, "newsgroups", "perplexity")
    assert found == {"fdarn-50-20-newsgroups": 1, "sbn-50-20-newsgroups": 2}
    assert by_key(leaderboard(cards))["sbn-50-20-newsgroups"].solid is True
    assert by_key(leaderboard(cards))["sbn-50-20-newsgroups"].moonshot is False


def test_other_data_splits_and_protocols_are_not_ranked() -> None:
    cards = {
        "sbn-200-mnist-static": bounds(-80, -79, dataset="mnist-dynamic"),
        "sbn-500-mnist-static": card(metric("elbo", -90.0, split="valid")),
        "vae-2-frey": card(metric("elbo", 900.0), dataset="frey"),
        "vae-20-mnist-static": bounds(-97, -92),
    }
    found = ranks(cards, "mnist-static", "ELBO")
    assert found == {"vae-20": 1, "sbn-200": None, "sbn-500": None}
    assert "mnist-dynamic" in reason(cards, "sbn-200", "mnist-static", "ELBO")
    assert "other split" in reason(cards, "sbn-500", "mnist-static", "ELBO")
    assert "other protocol: Frey" in reason(cards, "vae-2-frey", "mnist-static", "ELBO")
    assert by_key(leaderboard(cards))["sbn-200"].solid is None


def test_importance_bounds_of_another_k_are_not_ranked() -> None:
    cards = {
        "sbn-200-mnist-static": bounds(-111, -103),
        "sbn-500-mnist-static": bounds(-111, -103),
        "vae-20-mnist-static": bounds(-97, -90, samples=100),
    }
    assert ranks(cards, "mnist-static", "L_K")["vae-20"] is None
    assert "100 samples, not 5000" in reason(cards, "vae-20", "mnist-static", "L_K")
    both = card(metric("L_5000", -91.0, samples=5000), metric("L_50000", -90.9, samples=50_000))
    cards["vae-20-mnist-static"] = both
    assert ranks(cards, "mnist-static", "L_K")["vae-20"] == 1


def test_numbers_of_other_items_are_not_ranked() -> None:
    cards = {
        "vae-20-mnist-static": bounds(-97, -92),
        "sbn-200-mnist-static": bounds(-111, -103),
        "vae-200-mnist-static": card(metric("L_5000", -90.0, samples=5000, items=500)),
    }
    assert ranks(cards, "mnist-static", "L_K") == {"vae-20": 1, "sbn-200": 2, "vae-200": None}
    said = reason(cards, "vae-200", "mnist-static", "L_K")
    assert said == "other items: measured on 500, not 2000"


def test_trainings_on_fewer_items_are_not_ranked() -> None:
    few = bounds(-150, -140) | {"recipe": {"data": {"name": "mnist-static", "items": 1000}}}
    cards = {"vae-20-mnist-static": bounds(-97, -92), "vae-3-hundred-mnist-static": few}
    said = reason(cards, "vae-3-of-1000", "mnist-static", "ELBO")
    assert said == "less data: trained on 1000 items"


def test_bounds_with_an_annealed_log_z_are_ranked_as_ais_and_by_both_directions() -> None:
    numbers = {"elbo": -90.0, "L_500": -84.9, "log_partition": 200.0, "log_partition_upper": 200.8}
    made = card(*(metric(name, value) for name, value in numbers.items()))
    (found,) = measured_of(made)
    assert (found.estimator, found.value) == ("AIS", -84.9)
    assert found.careful == pytest.approx(-85.7)
    row = by_key(leaderboard({"dbn-500-2000-mnist-static": made}))["dbn-500-2000"]
    assert row.solid is False


def test_all_targets_must_be_met_by_their_own_estimator() -> None:
    # sbn-200: solid ELBO -112.5 and L_50000 -104.4, moonshot L_5000 -98.5.
    name = "sbn-200-mnist-static"
    row = by_key(leaderboard({name: bounds(-112, -104)}))["sbn-200"]
    assert (row.solid, row.moonshot) == (True, False)
    assert by_key(leaderboard({name: bounds(-113, -98)}))["sbn-200"].solid is False
    assert by_key(leaderboard({name: bounds(-112, -105)}))["sbn-200"].solid is None
    assert by_key(leaderboard({name: bounds(-112, -98)}))["sbn-200"].moonshot is True


@pytest.mark.parametrize(
    ("estimator", "samples", "value", "met"),
    [
        ("L_5000", 5000, -98.0, True),
        ("L_5000", 5000, -99.0, False),
        ("L_5000", 100, -98.0, True),
        ("L_5000", 100, -99.0, None),
        ("L_5000", 50_000, -98.0, None),
        ("L_K", 100, -99.0, False),
        ("ELBO", 5000, -98.0, None),
    ],
)
def test_a_bound_meets_a_target_of_as_many_samples_or_more(
    estimator: str, samples: int, value: float, met: bool | None
) -> None:
    measured = measured_of(card(metric(f"L_{samples}", value, samples=samples)))
    assert is_met(Target(-98.5, estimator), measured) is met


def test_both_directions_of_annealing_must_reach_the_target() -> None:
    def measured(lower: float):
        return measured_of(
            card(
                metric("log_likelihood", -86.0, how="AIS, 14500 temperatures", samples=100),
                metric("log_likelihood_lower", lower, how="reverse AIS", samples=100),
                metric("log_partition", 400.0, how="AIS, 14500 temperatures", samples=100),
            )
        )

    assert [one.estimator for one in measured(-86.5)] == ["AIS"]
    assert is_met(Target(-87, "AIS"), measured(-86.5)) is True
    assert is_met(Target(-87, "AIS"), measured(-95.0)) is False


def test_a_target_in_words_is_left_to_judgement() -> None:
    rows = by_key(leaderboard({"vae-2-frey": card(metric("elbo", 1600.0), dataset="frey")}))
    assert (rows["vae-2-frey"].solid, rows["vae-2-frey"].moonshot) == (None, True)


def test_a_row_is_ranked_by_the_best_of_its_checkpoints_at_one_k() -> None:
    first, second = "dbn-500-2000-joint-mnist-static", "dbn-500-2000-mnist-static"

    def best(kind: str, one: dict, other: dict) -> str:
        entry = by_key(leaderboard({first: one, second: other}))["dbn-500-2000"].entry(kind)
        assert entry is not None
        return entry.checkpoint

    assert best("ELBO", bounds(-96, -92), bounds(-97, -91)) == first
    assert best("L_K", bounds(-96, -92), bounds(-97, -91)) == second
    assert best("L_K", bounds(-96, -92), bounds(-96, -92)) == first
    many = metric("L_50000", -90.5, samples=50000)  # tighter by more draws: that proves nothing
    longer = card(metric("elbo", -97), metric("L_5000", -92.5, samples=5000), many)
    assert best("L_K", bounds(-96, -92), longer) == first
    assert best("AIS", card(metric("AIS", -86)), bounds(-80, -79)) == first


def test_the_budget_is_the_papers_up_to_an_hour() -> None:
    cards = {
        "dbn-500-2000-joint-mnist-static": card(seconds=3600.0),
        "dbn-500-2000-mnist-static": card(seconds=3601.0),
    }
    row = by_key(leaderboard(cards))["dbn-500-2000"]
    assert [entry.budget for entry in row.entries] == ["paper", "long"]


def test_what_a_training_started_from_counts_among_its_seconds() -> None:
    first, second = "sbn-200-mnist-static", "sbn-200-vimco-mnist-static"
    third = "sbn-200-vimco-refit-mnist-static"
    cards = {name: card(seconds=3000.0) for name in (first, second, third)}
    cards[second]["recipe"] = {"training": {"start": first}}
    cards[third]["recipe"] = {"training": {"start": second}}
    seconds = {one.checkpoint: one.seconds for one in by_key(leaderboard(cards))["sbn-200"].entries}
    assert seconds == {first: 3000.0, second: 6000.0, third: 9000.0}
    cards[third]["training"]["start_seconds"] = 5000.0  # what it started from may be gone
    assert by_key(leaderboard(cards))["sbn-200"].entries[2].seconds == 8000.0
    cards[third]["training"].pop("start_seconds")
    cards[first]["recipe"] = {"training": {"start": third}}  # nonsense ends all the same
    assert by_key(leaderboard(cards))["sbn-200"].entries[0].seconds == 9000.0
    cards[second]["recipe"] = {"training": {"start": "elsewhere.safetensors"}}
    assert by_key(leaderboard(cards))["sbn-200"].entries[1].seconds == 3000.0


def test_kinds_are_those_with_numbers_the_most_frequent_first() -> None:
    rows = leaderboard(
        {
            "vae-20-mnist-static": bounds(-97, -92),
            "vae-3-mnist-static": card(metric("elbo", -140.0)),
        }
    )
    kinds = kinds_of(rows, "mnist-static")
    assert kinds[:2] == ["ELBO", "L_K"]
    assert {"exact", "AIS"} < set(kinds)
    assert kinds_of(rows, "newsgroups") == ["perplexity"]


def test_an_unknown_kind_is_told() -> None:
    with pytest.raises(ValueError, match="`estimator` must be one of"):
        places([], "mnist-static", "guess")


def test_quadrature_is_exact_and_a_density_estimate_is_not() -> None:
    found = measured_of(
        card(
            metric("log_likelihood", -140.0, how="quadrature"),
            metric("log_likelihood", -141.0, how="HMC and density estimate", samples=50),
            metric("kl", 20.0),
        )
    )
    assert [one.estimator for one in found] == ["exact", "density estimate"]


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        *((kind, SMALL.get(kind, {})) for kind in sorted(MODELS)),
        ("darn", {"layers": [3], "link_reach": 1, "image_width": 3}),
    ],
)
def test_parameters_are_counted_from_the_header(
    kind: str, config: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELMHOLTZ_PRETRAINED", str(tmp_path))
    model = build_model(kind, data_dim=9, **config)
    made = {
        "model": kind,
        "config": model.config,
        "dataset": "toy",
        "protocol": "",
        "recipe": {},
        "seed": 0,
        "metrics": [],
        "training": {},
    }
    save_checkpoint(tmp_path / "one.safetensors", model.state_dict(), made)
    links = [module for module in model.modules() if isinstance(module, Links)]
    unused = sum(int((~one.allowed).sum()) for one in links)
    assert count_parameters("one") == sum(p.numel() for p in model.parameters()) - unused


def test_the_command_prints_rankings_json_and_markdown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELMHOLTZ_PRETRAINED", str(tmp_path))
    model = build_model("sbn", data_dim=784, layers=[2])
    made = {"model": "sbn", "config": model.config, "protocol": "", **bounds(-112, -104)}
    save_checkpoint(tmp_path / "sbn-200-mnist-static.safetensors", model.state_dict(), made)
    printed = {
        option: CliRunner().invoke(main, option, catch_exceptions=False).output
        for option in (("leaderboard",), ("leaderboard", "--json"), ("list", "--markdown"))
    }
    assert "1 SBN 200 " in printed[("leaderboard",)]
    assert "published ELBO -113.1" in printed[("leaderboard",)]
    rows = {row["system"]["key"]: row for row in json.loads(printed[("leaderboard", "--json")])}
    assert rows["sbn-200"]["solid"] is True
    assert rows["sbn-200"]["entries"][0]["budget"] == "paper"
    assert rows["sbn-200"]["entries"][0]["parameters"] == sum(p.numel() for p in model.parameters())
    table = printed[("list", "--markdown")]
    assert "Other checkpoints" not in table
    line = next(line for line in table.splitlines() if "| SBN 200 |" in line)
    assert "ELBO -112.00 ± 0.20 (2000 items)" in line
    assert line.count("**met**") == 1
    assert "**missed**" in line


def test_markdown_has_a_line_for_each_system() -> None:
    rows = leaderboard({})
    table = markdown_rows(rows)
    assert all(f"| {row.system.title} |" in table for row in rows)
    assert len(json_rows(rows)) == len(rows)


def test_a_number_of_some_of_the_items_says_of_how_many() -> None:
    how = "importance-weighted bound of 500 items, the ELBO of all as control variate"
    some = card(metric("elbo", -97.0), metric("L_5000", -92.0, samples=5000, how=how))
    text = markdown_rows(leaderboard({"vae-20-mnist-static": some}))
    assert "ELBO -97.00 ± 0.20 (2000 items); L_5000 -92.00 ± 0.20 (500 of 2000 items)" in text


def test_csv_has_a_line_for_each_place_with_its_reason() -> None:
    cards = {"sbn-200-mnist-static": bounds(-111, -103)}
    lines = ranking_csv(places(leaderboard(cards), "mnist-static", "ELBO")).splitlines()
    assert len(lines) == len(leaderboard({})) + 1
    assert lines[1].startswith("1,SBN 200,Belief networks,")
    assert "-113.1,ELBO,quoted," in lines[1]
    assert ",sbn-200-mnist-static,-111.0000,0.2000,ELBO,1,2000,test,,1800.0,paper," in lines[1]
    assert all(line.startswith(",") for line in lines[2:])
    assert any(line.endswith(",not trained yet") for line in lines)
