"""Units of models of documents by their words."""

from __future__ import annotations

import pytest
import torch

from dashboard.logic.topics import top_words
from engine.models import build_model

WORDS = ("ball", "game", "disk", "drive", "god", "faith")


def test_a_unit_is_shown_by_the_words_that_it_raises_most() -> None:
    model = build_model("sbn", data_dim=6, layers=[3], likelihood="multinomial").eval()
    weight = torch.zeros(6, 3)
    weight[2, 0], weight[3, 0] = 2.0, 1.5  # unit 1: disk, drive
    weight[4, 2], weight[5, 2] = 4.0, 3.0  # unit 3: god, faith, and more so
    with torch.no_grad():
        model.decoder[0].weight.copy_(weight)
    found = top_words(model, WORDS, units=2, words=2)
    assert found == [(2, ["god", "faith"]), (0, ["disk", "drive"])]


def test_gaussian_latents_have_words_too() -> None:
    model = build_model("vae", data_dim=6, latent_dim=2, hidden=[4], likelihood="multinomial")
    found = top_words(model.eval(), WORDS, units=5, words=3)
    assert sorted(unit for unit, _ in found) == [0, 1]
    assert all(len(words) == 3 for _, words in found)


def test_models_of_images_and_other_vocabularies_are_refused() -> None:
    with pytest.raises(ValueError, match="must be of documents"):
        top_words(build_model("sbn", data_dim=6, layers=[3]), WORDS, units=1, words=1)
    model = build_model("sbn", data_dim=6, layers=[3], likelihood="multinomial")
    with pytest.raises(ValueError, match="must have 6 words"):
        top_words(model, WORDS[:2], units=1, words=1)
