"""Documents as their words: what is counted, read, expected, and how the page shows it."""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from dashboard import cache, capabilities, cards
from dashboard.logic.documents.code_map import map_picture
from dashboard.logic.documents.counting import count_words, telling
from dashboard.logic.documents.picture import ELSEWHERE, HIDDEN, SEEN, expected_words, words_picture
from dashboard.logic.documents.reading import (
    added,
    dreams,
    expected_shares,
    flip,
    gains,
    neighbours,
    perplexity,
    read_code,
    usual_shares,
)
from dashboard.logic.documents.table import shares_csv
from dashboard.logic.documents.units import favourite_classes, unit_words
from dashboard.scripts.documents import reading_script
from engine.datasets import find_dataset
from engine.models import SBN, build_model
from engine.random import make_generator
from tests.dashboard.conftest import Shelf, words
from tests.dashboard.running import printed_by

OpenPage = Callable[..., AppTest]
DATA = os.environ.get("HELMHOLTZ_DATA", "")
WORDS = ("ball", "game", "disk", "drive", "god", "faith")
KNOWN = (*WORDS, "orbit", "moon")
TEXT = "The Game of the disk: don't DRIVE, game!"


def sports_and_disks() -> SBN:
    """Unit 1 for balls and games, unit 2 for disks and drives, each read off its words."""
    model = build_model("sbn", data_dim=6, layers=[2], likelihood="multinomial").eval()
    model.set_data_mean(torch.tensor([1.0, 1.0, 1.0, 1.0, 2.0, 2.0]))
    raised = torch.tensor([[1.0, 1, 0, 0, 0, 0], [0.0, 0, 1, 1, 0, 0]])
    with torch.no_grad():
        model.decoder[0].weight.copy_(raised.T)
        model.recognisers[0][0].weight.copy_(4 * raised)
    return model.requires_grad_(False)


def test_a_text_is_counted_by_the_words_of_the_vocabulary() -> None:
    found = count_words(TEXT, WORDS)
    assert found.counts.tolist() == [0, 2, 1, 1, 0, 0]
    assert found.unknown == 5  # the, of, the, don, t
    assert count_words("", WORDS).counts.sum() == 0


def test_the_most_telling_words_come_first() -> None:
    counts = torch.tensor([1.0, 0, 3, 0, 3, 0])
    usual = torch.tensor([0.1, 0.1, 0.1, 0.1, 0.5, 0.1])
    assert telling(counts, usual, 2) == [2, 0]
    assert telling(counts, usual, 9) == [2, 0, 4]


def test_a_document_switches_on_the_unit_of_its_words() -> None:
    model = sports_and_disks()
    disks = torch.tensor([0.0, 0, 3, 3, 2, 2])
    assert read_code(model, disks).tolist() == [0, 1]
    assert flip(read_code(model, disks), [0]).tolist() == [1, 1]
    shares = expected_shares(model, read_code(model, disks))
    assert float(shares.sum()) == pytest.approx(1, abs=1e-5)
    assert expected_words(shares, usual_shares(model), 2) in ([2, 3], [3, 2])


def test_what_the_words_add_is_the_divergence_from_the_usual_shares() -> None:
    shares, usual = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.2, 0.4, 0.4])
    divergence = torch.distributions.kl_divergence(
        torch.distributions.Categorical(shares), torch.distributions.Categorical(usual)
    )
    assert float(added(shares, usual).sum()) == pytest.approx(float(divergence))


def test_the_worth_of_a_unit_is_what_its_flip_costs_the_document() -> None:
    model = sports_and_disks()
    disks = torch.tensor([0.0, 0, 3, 3, 2, 2])
    code = read_code(model, disks)
    worth = gains(model, code, disks)
    for unit in range(2):
        flipped = flip(code, [unit])
        change = model.likelihood(code).log_prob(disks) - model.likelihood(flipped).log_prob(disks)
        assert float(worth[unit]) == pytest.approx(float(change), abs=1e-5)
    assert (worth > 0).all()


def test_a_gaussian_latent_is_worth_what_setting_it_to_zero_costs() -> None:
    model = build_model("vae", data_dim=6, latent_dim=2, hidden=[4], likelihood="multinomial")
    model.reset_parameters(make_generator(3))
    model.requires_grad_(False)
    counts, code = torch.ones(6), torch.tensor([1.5, 0.0])
    worth = gains(model.eval(), code, counts)
    at_zero = model.likelihood(torch.zeros(2)).log_prob(counts)
    change = model.likelihood(code).log_prob(counts) - at_zero
    assert float(worth[0]) == pytest.approx(float(change), abs=1e-5)
    assert float(worth[1]) == pytest.approx(0, abs=1e-5)


def test_equally_likely_words_have_their_number_as_perplexity() -> None:
    assert perplexity(torch.full((8,), 1 / 8), torch.ones(8)) == pytest.approx(8)
    assert math.isnan(perplexity(torch.full((8,), 1 / 8), torch.zeros(8)))


def test_the_nearest_codes_point_the_same_way() -> None:
    codes = np.array([[1.0, 0.0], [3.0, 0.1], [0.0, 2.0], [-1.0, 0.0], [-3.0, -2.1]])
    found = neighbours(codes, 0, 2)
    assert [place for place, _ in found] == [1, 2]
    centred = codes - codes.mean(0)
    expected = centred[1] @ centred[0] / np.linalg.norm(centred[1]) / np.linalg.norm(centred[0])
    assert found[0][1] == pytest.approx(expected)
    assert len(neighbours(codes, 0, 9)) == 4


def test_a_dream_is_told_by_the_words_of_its_units() -> None:
    model = sports_and_disks()
    with torch.no_grad():
        model.prior_logits.copy_(torch.tensor([-20.0, 20.0]))  # disks, always
    (found,) = dreams(model, 1, 2, make_generator(0))
    assert sorted(found) == [2, 3]


def test_a_unit_is_shown_by_the_words_that_it_moves_most() -> None:
    model = build_model("sbn", data_dim=6, layers=[3], likelihood="multinomial").eval()
    weight = torch.zeros(6, 3)
    weight[2, 0], weight[3, 0], weight[1, 0] = 2.0, 1.5, -1.0  # unit 1: disk, drive, no game
    weight[4, 2], weight[5, 2] = 4.0, 3.0  # unit 3: god, faith, and more so
    with torch.no_grad():
        model.decoder[0].weight.copy_(weight)
    first, second, _ = unit_words(model, WORDS, words=2)
    assert (first.unit, first.raised) == (2, ["god", "faith"])
    assert (second.unit, second.raised, second.lowered[0]) == (0, ["disk", "drive"], "game")


def test_gaussian_latents_have_words_too() -> None:
    model = build_model("vae", data_dim=6, latent_dim=2, hidden=[4], likelihood="multinomial")
    found = unit_words(model.eval(), WORDS, words=3)
    assert sorted(one.unit for one in found) == [0, 1]
    assert all(len(one.raised) == len(one.lowered) == 3 for one in found)


def test_models_of_images_and_other_vocabularies_are_refused() -> None:
    with pytest.raises(ValueError, match="must be of documents"):
        unit_words(build_model("sbn", data_dim=6, layers=[3]), WORDS, words=1)
    model = build_model("sbn", data_dim=6, layers=[3], likelihood="multinomial")
    with pytest.raises(ValueError, match="must have 6 words"):
        unit_words(model, WORDS[:2], words=1)


def test_the_favourite_class_of_a_unit_is_where_it_is_highest() -> None:
    codes = torch.tensor([[0.9, 0.0], [0.7, 0.2], [0.1, 0.4], [0.2, 0.6]])
    assert favourite_classes(codes, torch.tensor([0, 0, 2, 2]), 3) == [0, 2]


def test_the_map_has_a_colour_a_theme_and_a_ring_around_the_document() -> None:
    codes = np.random.default_rng(0).normal(size=(6, 3))
    names = ("comp.graphics", "comp.windows", "sci.space")
    figure = map_picture(codes, np.array([0, 1, 2, 2, 0, 1]), names, 3)
    comp, science, ring = figure.data
    assert [trace.name for trace in figure.data] == ["comp", "sci", "this document"]
    assert [row[0] for row in comp.customdata] == [0, 1, 4, 5]
    assert science.customdata[1][1] == "sci.space, "
    assert ring.x[0] == pytest.approx(science.x[1], abs=1e-5)
    assert len(map_picture(codes, None, (), 0).data) == 2


def test_bars_say_where_a_word_stands() -> None:
    shares, usual = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.4, 0.4])
    figure = words_picture(
        [0, 1, 2], WORDS[:3], shares, usual, torch.tensor([1.0, 2, 0]), torch.tensor([1.0, 0, 0])
    )
    bars = {trace.name: (list(trace.y), list(trace.x)) for trace in figure.data}
    assert bars[SEEN] == (["ball"], [50.0])
    assert bars[HIDDEN][0] == ["game"]
    assert bars[ELSEWHERE][0] == ["disk"]
    assert bars["Usual share"][1] == pytest.approx([20, 40, 40])


def test_the_file_has_a_row_a_word_and_units() -> None:
    shares, usual = torch.tensor([0.2, 0.5, 0.3]), torch.tensor([0.2, 0.4, 0.4])
    text = shares_csv(
        WORDS[:3], torch.tensor([1.0, 2, 0]), torch.tensor([1.0, 0, 0]), shares, usual
    )
    header, first, *_ = csv.reader(io.StringIO(text))
    assert header[3] == "expected share (%)"
    assert first == ["game", "2", "yes", "50", "40"]


# The page


def vocabulary() -> list[str]:
    """As many words as the data has, a few of them known to `TEXT`."""
    letters = "abcdefghij"
    made = ["".join(letters[int(digit)] for digit in f"{number:04d}") for number in range(2000)]
    return [*KNOWN, *made[len(KNOWN) :]]


def put(shelf: Shelf, name: str = "documents", kind: str = "sbn", **options: object) -> None:
    given: dict = {"layers": [4]} if kind == "sbn" else {"latent_dim": 3, "hidden": [4]}
    shelf.add(
        name,
        kind,
        dataset="20-newsgroups",
        likelihood="multinomial",
        vocabulary=vocabulary(),
        data_mean=0.01,
        **(given | options),
    )


def test_a_card_without_its_whole_vocabulary_is_not_offered(shelf: Shelf) -> None:
    put(shelf)
    card = cache.card("documents")
    assert cards.vocabulary(card)[:2] == ("ball", "game")
    assert capabilities.pages_for(card) == ["documents"]
    for broken in (None, ["ball"], [1] * 2000):
        assert capabilities.pages_for({**card, "vocabulary": broken}) == []


def test_without_the_data_one_reads_a_text_of_ones_own(shelf: Shelf, open_page: OpenPage) -> None:
    put(shelf)
    page = open_page("documents", checkpoint="documents")
    page.text_area("documents.text").set_value(TEXT).run()
    assert "4 of its 9 words are among the 2000" in words(page)
    buttons = page.get("button_group")
    assert [option.content for option in buttons[1].proto.options] == ["game ×2", "disk", "drive"]
    assert not page.error
    page.text_area("documents.text").set_value("zzz").run()
    assert "None of these words" in page.info[0].value
    assert page.dataframe  # the units are there all the same
    page.segmented_control(next(one.key for one in page.segmented_control)).set_value("data").run()
    assert not page.exception
    assert "documents this model was trained on" in page.info[0].value


def test_hidden_words_of_a_text_have_a_perplexity_and_are_in_no_link(
    shelf: Shelf, open_page: OpenPage
) -> None:
    put(shelf)
    page = open_page("documents", checkpoint="documents")
    page.text_area("documents.text").set_value(TEXT).run()
    assert page.metric[1].value == "–"
    page.button("documents.half").click().run()
    assert not page.exception
    assert page.metric[1].value.isdigit()
    assert "hidden" not in page.query_params  # a link to them would miss the text
    page.button("documents.all").click().run()
    assert page.metric[1].value == "–"
    linked = open_page("documents", checkpoint="documents", hidden="game", flipped="1")
    assert not linked.warning
    assert not {"hidden", "flipped"} & set(linked.query_params)


def test_what_was_hidden_does_not_stay_hidden_in_another_text(
    shelf: Shelf, open_page: OpenPage
) -> None:
    put(shelf)
    page = open_page("documents", checkpoint="documents")
    page.text_area("documents.text").set_value(TEXT).run()
    page.button("documents.half").click().run()
    page.text_area("documents.text").set_value("god and faith").run()
    assert page.metric[1].value == "–"
    assert not page.warning


def test_gaussian_latents_are_told_but_not_flipped(shelf: Shelf, open_page: OpenPage) -> None:
    put(shelf, "gaussian", "vae")
    page = open_page("documents", checkpoint="gaussian")
    assert not page.error
    assert "if this unit alone were at zero" in words(page)
    assert len(page.get("button_group")) == 2  # source, words


def test_the_overview_shows_the_words_of_a_model_of_documents(
    shelf: Shelf, open_page: OpenPage
) -> None:
    put(shelf)
    page = open_page("overview")
    assert re.search(r"- unit \d: `\w+ ", words(page))
    assert "documents" in [link.proto.page for link in page.get("page_link")]


def test_the_script_prints_the_words_of_the_page(shelf: Shelf) -> None:
    put(shelf)
    code = reading_script(
        "documents", {"game": 2, "disk": 1}, hidden=["disk"], flipped=[1], most=3, bits=True
    )
    printed = printed_by(code)
    model = cache.model("documents")
    counts = torch.zeros(2000)
    counts[1] = 2
    shares = expected_shares(model, flip(read_code(model, counts), [1]))
    expected = [vocabulary()[place] for place in expected_words(shares, usual_shares(model), 3)]
    assert [line.split()[0] for line in printed.splitlines()] == expected


@pytest.mark.parametrize("name", ["sbn-50-20-newsgroups", "fdarn-50-20-newsgroups"])
def test_the_page_reads_a_real_document_with_shipped_models(name: str, open_page: OpenPage) -> None:
    if find_dataset("20-newsgroups") is None:
        pytest.skip("the data set 20-newsgroups is not at hand")
    page = open_page("documents", checkpoint=name, image="2000", hidden="widget", flipped="5")
    assert not page.error
    assert not page.warning
    assert "From `comp.windows.x`: 21 words" in words(page)
    guessed, usual = (int(text) for text in (page.metric[0].value, usual_of(page)))
    assert guessed < usual
    assert page.metric[1].value.isdigit()
    page.button("documents.half").click().run()
    assert len(page.query_params["hidden"].split(",")) == 11
    similar = [one for one in page.button if one.label.startswith("Read ")]
    assert len(similar) == 5
    similar[0].click().run()
    assert not page.exception
    assert page.number_input("documents.index").value == int(similar[0].label.split()[1])
    assert "hidden" not in page.query_params


def usual_of(page: AppTest) -> str:
    """The first "by usual shares alone" of the page."""
    found = re.search(r"by usual shares alone (\d+)", words(page))
    assert found is not None
    return found.group(1)


def test_a_model_of_one_unit_is_read_without_a_map(
    shelf: Shelf, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELMHOLTZ_DATA", DATA)  # the shelf's is empty
    if find_dataset("20-newsgroups") is None:
        pytest.skip("the data set 20-newsgroups is not at hand")
    put(shelf, layers=[1])
    page = open_page("documents", checkpoint="documents")
    assert not page.error
    assert "Where it lies among the others" not in [header.value for header in page.header]


def test_words_that_a_page_could_take_for_markup_are_no_vocabulary(shelf: Shelf) -> None:
    put(shelf)
    card = cache.card("documents")
    for word in ("a b", "<b>", "one,two", "*", "", "x_y", "`"):
        assert cards.vocabulary({**card, "vocabulary": [word, *vocabulary()[1:]]}) == ()
    for word in ("don't", "e-mail", "été", "x11"):
        assert cards.vocabulary({**card, "vocabulary": [word, *vocabulary()[1:]]})[0] == word
