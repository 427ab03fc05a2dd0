"""What cards say in words."""

from __future__ import annotations

import pytest

import engine
from dashboard import cards
from dashboard.cards import titles

VAE = {
    "model": "vae",
    "dataset": "mnist-static",
    "config": {"data_dim": 784, "latent_dim": 2, "hidden": [500], "activation": "tanh"},
}
SBN = {
    "model": "sbn",
    "dataset": "mnist-static",
    "config": {"data_dim": 784, "layers": [200, 100], "hidden": []},
}
FACES = {
    "model": "vae",
    "dataset": "frey",
    "config": {"data_dim": 560, "latent_dim": 10, "hidden": [200], "likelihood": "gaussian"},
}


def test_models_are_described_by_what_tells_them_apart() -> None:
    assert cards.describe(VAE) == "VAE, 500 tanh, 2 latents"
    assert cards.describe(SBN) == "SBN, 200-100 binary latents"
    dlgm = {"model": "dlgm", "config": {"data_dim": 4, "layers": [1], "covariance": "rank-one"}}
    assert cards.describe(dlgm) == "DLGM, 1 latent, rank-one q"


def test_a_model_of_some_of_the_items_serves_a_comparison() -> None:
    few = {**VAE, "recipe": {"data": {"name": "mnist-static", "items": 1000}}}
    told = cards.aids({"all": {**VAE, "recipe": {"data": {"name": "mnist-static"}}}, "few": few})
    assert list(told) == ["few"]
    assert told["few"].startswith("trained on 1000 images")


def test_the_first_model_of_a_row_is_meant_to_be_looked_at_though_others_start_from_it() -> None:
    def from_(start: str) -> dict[str, object]:
        return {**SBN, "recipe": {"training": {"start": start}}}

    first, second = "sbn-200-mnist-static", "sbn-200-vimco-mnist-static"
    known = {first: SBN, second: from_(first), "sbn-200-vimco-refit-mnist-static": from_(second)}
    assert cards.aids(known) == {second: "the start of sbn-200-vimco-refit-mnist-static"}


def test_layers_and_kinds_are_read_from_the_config() -> None:
    assert cards.layer_sizes(VAE) == (2,)
    assert cards.layer_sizes(SBN) == (200, 100)
    assert cards.latent_dim(SBN) == 300
    assert cards.latent_kind(SBN) == "bernoulli"
    assert cards.latent_kind(VAE) == "gaussian"
    assert cards.is_density(FACES)
    assert not cards.is_density(VAE)


def test_faces_are_28_by_20_and_other_pictures_square() -> None:
    assert cards.picture_shape(FACES) == (28, 20)
    assert cards.picture_shape(VAE) == (28, 28)
    with pytest.raises(ValueError, match="got 6"):
        cards.picture_shape({"config": {"data_dim": 6}})


def test_metrics_prefer_the_test_split_and_show_the_digits_of_the_error() -> None:
    card = {
        "metrics": [
            {"name": "elbo", "split": "valid", "value": -97.0, "standard_error": 0.1},
            {"name": "elbo", "split": "test", "value": -98.214, "standard_error": 0.127},
        ]
    }
    assert cards.format_metric(cards.metric(card, "elbo")) == "−98.21 ± 0.13"
    assert cards.metric(card, "elbo", "valid")["value"] == -97.0
    assert cards.metric(card, "L_5000") is None
    assert cards.format_metric({"value": 1300.04, "standard_error": 12.5}) == "1300.0 ± 12.5"
    assert cards.format_metric({"value": -1.0}) == "−1.00"


def test_the_tightest_bound_comes_first() -> None:
    card = {"metrics": [{"name": name} for name in ("L_100", "elbo", "L_5000", "L_1000")]}
    assert cards.likelihood_bounds(card) == ["L_5000", "L_1000", "L_100"]
    assert cards.metric_title("L_5000") == "L₅₀₀₀"


def test_checkpoints_are_ordered_by_model_then_digits_before_faces_then_size() -> None:
    shelf = {"sbn": SBN, "faces": FACES, "b": VAE, "a": VAE}
    assert sorted(shelf, key=lambda name: cards.order(name, shelf[name])) == [
        "a",
        "b",
        "faces",
        "sbn",
    ]


def test_training_is_summed_up_with_its_estimator_and_cost() -> None:
    card = {
        "recipe": {"estimator": {"name": "iwae", "samples": 5}},
        "training": {"samples": 2e7, "seconds": 600, "device": "cuda:0"},
    }
    assert (
        cards.training_summary(card) == "trained with IWAE, K = 5, 20 million images, 10 min, GPU"
    )
    assert cards.training_summary({"training": {}}) == ""
    begun = {**VAE, "recipe": {"estimator": {"name": "sgvb-b"}, "training": {"start": "a-start"}}}
    assert cards.training_summary(begun).endswith(", from a-start")
    begun["recipe"]["training"]["start"] = "vae-2-mnist-static"
    assert cards.training_summary(begun).endswith(", from vae-2")


def test_numbers_of_documents_are_of_documents() -> None:
    config = {"data_dim": 9, "layers": [2], "likelihood": "multinomial"}
    texts = {"model": "sbn", "dataset": "20-newsgroups", "config": config}
    elbo = {"name": "elbo", "split": "test", "items": 2000, "samples": 5}
    assert cards.unit(elbo, texts) == "nats per document"
    assert cards.where_measured(elbo, texts) == "2\u202f000 test documents"
    assert cards.how_measured(elbo, texts) == "Mean over 5 draws of z a document from q(z | x)."
    assert cards.training_summary({**texts, "training": {"samples": 900}}) == (
        "trained with 900 documents"
    )
    assert cards.unit(elbo, VAE) == "nats per image"
    assert cards.where_measured(elbo, VAE) == "2\u202f000 test images"
    assert cards.how_measured(elbo, VAE) == "Mean over 5 draws of z an image from q(z | x)."


def test_every_model_and_estimator_has_a_title_and_every_model_a_family() -> None:
    assert set(titles.MODEL_TITLES) == set(engine.MODELS)
    assert set(titles.ESTIMATOR_TITLES) == set(engine.ESTIMATORS)
    families = {cards.family({"model": name}) for name in engine.MODELS}
    assert families == set(cards.FAMILY_TITLES) - {"others"}
    assert cards.family({"model": "gan"}) == "others"


def test_links_of_neighbours_alone_are_told() -> None:
    model = engine.build_model("darn", data_dim=9, layers=[2], link_reach=2, image_width=3)
    told = cards.describe({"model": "darn", "config": model.config})
    assert told == "DARN, 2 binary latents, pixels linked up to 2 apart"
