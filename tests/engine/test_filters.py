"""The weights of models as pictures: which there are, and what they say."""

from __future__ import annotations

import pytest
import torch

from engine.filters import banks_of
from engine.models import build_model
from engine.random import make_generator

KINDS: dict[str, tuple[dict, list[str]]] = {
    "vae": ({"latent_dim": 2, "hidden": [4]}, ["layer-1", "decoder", "recognition"]),
    "dlgm": (
        {"layers": [3, 2], "hidden": [4]},
        ["layer-1", "layer-2", "decoder", "recognition"],
    ),
    "sbn": ({"layers": [4, 3]}, ["layer-1", "layer-2", "decoder", "recognition"]),
    "fdarn": ({"layers": [4]}, ["layer-1", "decoder", "recognition"]),
    "darn": ({"layers": [4]}, ["layer-1", "decoder", "recognition", "links"]),
    "dbn": ({"layers": [4, 3], "particles": 3}, ["layer-1", "decoder", "recognition"]),
    "nade": ({"hidden_dim": 4}, ["inputs", "outputs"]),
    "eonade": ({"hidden": [4], "orderings": 2}, ["inputs", "known", "outputs"]),
    "mixture": ({"components": 3}, ["components"]),
    "rbm": ({"hidden": 4, "particles": 3}, ["couplings"]),
}


def fresh(kind: str, data_dim: int = 9, **config: object):
    model = build_model(kind, data_dim=data_dim, **config)
    model.reset_parameters(make_generator(1))
    model.set_data_mean(torch.full((data_dim,), 0.3))
    return model.eval().requires_grad_(False)


@pytest.mark.parametrize("kind", KINDS)
def test_each_bank_has_a_picture_and_an_answer_for_each_unit(kind: str) -> None:
    config, keys = KINDS[kind]
    model = fresh(kind, **config)
    banks = banks_of(model)
    assert list(banks) == keys
    x = (torch.rand(5, 9, generator=make_generator(2)) < 0.4).float()
    for bank in banks.values():
        weights = bank.make()
        assert weights.shape[1] == 9
        assert torch.isfinite(weights).all()
        if bank.answers is not None:
            assert bank.answers(x).shape == (5, len(weights))
            assert bank.answer


@pytest.mark.parametrize(("kind", "config"), [
    ("sbn", {"layers": [4, 3]}),
    ("fdarn", {"layers": [4]}),
    ("dbn", {"layers": [4, 3], "particles": 3}),
    ("vae", {"latent_dim": 4, "hidden": [5], "decoder_hidden": []}),
])  # fmt: skip
def test_a_linear_decoders_picture_is_what_a_unit_adds_to_the_logits(
    kind: str, config: dict
) -> None:
    model = fresh(kind, **config)
    z = torch.zeros(1, sum(model.layer_sizes))
    low = model.likelihood(z).mean.logit()
    for unit in range(4):
        one = z.clone()
        one[0, unit] = 1.0
        added = (model.likelihood(one).mean.logit() - low)[0]
        assert torch.allclose(banks_of(model)["decoder"].make()[unit], added, atol=1e-4)


def test_a_link_is_what_an_earlier_pixel_adds_to_the_logit_of_a_later_one() -> None:
    model = fresh("darn", layers=[2])
    model.pixel_links.weight.normal_(generator=make_generator(4))
    links = banks_of(model)["links"].make()
    z, x = torch.zeros(1, 2), torch.zeros(1, 9)
    off = model.likelihood(z).logits_given(x)[0]
    x[0, 3] = 1.0
    on = model.likelihood(z).logits_given(x)[0]
    assert torch.allclose(links[:, 3], on - off, atol=1e-5)
    assert not links.triu().any()


def test_a_known_pixel_adds_its_mask_and_its_value() -> None:
    model = fresh("eonade", hidden=[4], orderings=2)
    banks = banks_of(model)
    x, known = torch.zeros(1, 9), torch.zeros(1, 9)
    nothing = model.input(torch.cat([(x - model.data_mean) * known, known], -1))[0]
    known[0, 5] = 1.0
    off = model.input(torch.cat([(x - model.data_mean) * known, known], -1))[0]
    x[0, 5] = 1.0
    on = model.input(torch.cat([(x - model.data_mean) * known, known], -1))[0]
    assert torch.allclose(banks["inputs"].make()[:, 5], on - off, atol=1e-5)
    mean = off + model.data_mean[5] * (on - off)
    assert torch.allclose(banks["known"].make()[:, 5], mean - nothing, atol=1e-5)


@pytest.mark.parametrize(("kind", "config", "unit", "count"), [
    ("dlgm", {"layers": [4], "hidden": [4]}, "hidden unit", 4),
    ("sbn", {"layers": [4], "hidden": [4]}, "hidden unit", 4),
    ("sbn", {"layers": [4]}, "latent", 4),
    ("vae", {"latent_dim": 3, "hidden": []}, "latent", 3),
    ("vae", {"latent_dim": 4, "hidden": [4]}, "hidden unit", 4),
    ("dbn", {"layers": [4, 3], "particles": 2}, "latent", 4),
])  # fmt: skip
def test_the_recognitions_units_are_called_what_they_are(
    kind: str, config: dict, unit: str, count: int
) -> None:
    bank = banks_of(fresh(kind, **config))["recognition"]
    assert bank.unit == unit
    assert len(bank.make()) == count
    assert bank.answers is not None
    assert bank.answers(torch.zeros(2, 9)).shape == (2, count)


def test_a_latents_picture_is_the_change_of_the_mean_image() -> None:
    model = fresh("sbn", layers=[3])
    changes = banks_of(model)["layer-1"].make()
    z = model.prior().sample((12,), generator=make_generator(0))
    on, off = z.clone(), z.clone()
    on[:, 1], off[:, 1] = 1.0, 0.0
    expected = (model.likelihood(on).mean - model.likelihood(off).mean).mean(0)
    assert torch.allclose(changes[1], expected, atol=1e-6)


def test_the_couplings_of_a_machine_move_the_logits_of_its_pixels() -> None:
    model = fresh("rbm", hidden=4, particles=3)
    h = torch.zeros(1, 4)
    h[0, 2] = 1.0
    moved = model.visible_logits(h) - model.visible_logits(torch.zeros(1, 4))
    assert torch.allclose(banks_of(model)["couplings"].make()[2], moved[0], atol=1e-6)


def test_the_answers_of_components_are_a_distribution() -> None:
    model = fresh("mixture", components=3)
    bank = banks_of(model)["components"]
    x = (torch.rand(5, 9, generator=make_generator(2)) < 0.4).float()
    assert bank.answers is not None
    assert bank.shares is not None
    assert torch.allclose(bank.answers(x).sum(-1), torch.ones(5))
    assert float(bank.shares().sum()) == pytest.approx(1)
    assert not bank.signed
    assert 0 <= float(bank.make().min()) <= float(bank.make().max()) <= 1


def test_the_last_input_of_nades_units_is_what_they_answer() -> None:
    model = fresh("nade", hidden_dim=4)
    x = (torch.rand(3, 9, generator=make_generator(2)) < 0.4).float()
    found = banks_of(model)["inputs"].answers
    assert found is not None
    by_hand = model.hidden_bias + sum(x[:, [d]] * model.input_weight[d] for d in range(9))
    assert torch.allclose(found(x), by_hand, atol=1e-5)
