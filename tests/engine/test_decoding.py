"""Codes to images and back, on small models: what is averaged, what is held, what is drawn."""

from __future__ import annotations

import pytest
import torch

from engine.decoding import (
    decode,
    direction_effects,
    effects,
    encode,
    layer_slice,
    prior_code,
    prior_images,
)
from engine.models import LatentVariableModel, build_model
from engine.random import make_generator


def small(kind: str, **config: object) -> LatentVariableModel:
    model = build_model(kind, data_dim=9, **config)
    model.reset_parameters(make_generator(3))
    return model.eval().requires_grad_(False)


def test_layers_lie_side_by_side() -> None:
    assert layer_slice((40, 2), 0) == slice(0, 40)
    assert layer_slice((40, 2), 1) == slice(40, 42)
    with pytest.raises(ValueError, match="`layer` must be from 0 to 1; got 2"):
        layer_slice((40, 2), 2)


def test_encode_gives_the_recognition_mean_in_pieces_too() -> None:
    model = small("vae", latent_dim=2, hidden=[5])
    x = torch.rand(4100, 9, generator=make_generator(0))
    torch.testing.assert_close(encode(model, x), model.recognition(x).mean)


def test_decode_of_bits_averages_over_the_layers_below() -> None:
    model = small("sbn", layers=[4, 3])
    z = torch.zeros(1, 7)
    z[:, 4:] = torch.tensor([1.0, 0.0, 1.0])
    # All 16 states of the layer below, weighted by their probability given the layer above.
    bits = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 4)
    states = torch.cat([bits, z[:, 4:].expand(16, 3)], dim=1)
    weights = model.prior().log_prob_layers(states)[0].exp()
    torch.testing.assert_close(weights.sum(), torch.tensor(1.0))
    exact = (weights[:, None] * model.likelihood(states).mean).sum(0)
    many = torch.stack([decode(model, z, layer=1, seed=seed)[0] for seed in range(60)])
    error = many.std(0) / 60**0.5
    assert ((many.mean(0) - exact).abs() < 5 * error + 1e-6).all()


def test_decode_ignores_bits_below_the_layer_and_not_those_of_it() -> None:
    model = small("sbn", layers=[4, 3])
    z = torch.zeros(1, 7)
    below, own = z.clone(), z.clone()
    below[:, :4], own[:, 4:] = 1, 1
    torch.testing.assert_close(decode(model, below, layer=1), decode(model, z, layer=1))
    assert not torch.allclose(decode(model, own, layer=1), decode(model, z, layer=1))


def test_decode_of_gaussians_is_the_likelihood_mean_within_the_range_of_pixels() -> None:
    model = small("dlgm", layers=[4, 2], hidden=[5], likelihood="gaussian")
    z = torch.randn(6, 6, generator=make_generator(1))
    images = decode(model, z, layer=1)
    torch.testing.assert_close(images, model.likelihood(z).mean)
    assert images.min() >= 0
    assert images.max() <= 1


def test_the_latent_with_the_largest_weights_has_the_largest_effect() -> None:
    model = small("sbn", layers=[5])
    with torch.no_grad():
        model.decoder[0].weight.mul_(0.1)
        model.decoder[0].weight[:, 3] = 2.0
    found = effects(model, 0)
    assert found.shape == (5,)
    assert found.argmax() == 3
    assert (found >= 0).all()


def test_effects_of_a_deep_layer_come_from_the_model_and_not_from_the_draws() -> None:
    model = small("sbn", layers=[4, 3])
    with torch.no_grad():
        model.transforms[0][0].weight[:, 1] = 0.0  # z_2 of the deepest layer decides nothing
    found = effects(model, 1)
    assert found[1] == 0
    assert found[0] > 0


def test_draws_repeat_with_their_seed_and_change_with_it() -> None:
    model = small("sbn", layers=[6])
    assert torch.equal(prior_code(model, 4), prior_code(model, 4))
    assert not torch.equal(
        prior_images(model, 5, 1, pixels=True), prior_images(model, 5, 2, pixels=True)
    )
    assert set(prior_images(model, 5, 1, pixels=True).unique().tolist()) <= {0.0, 1.0}
    assert prior_images(model, 5, 1, pixels=False).unique().numel() > 2


def test_an_axis_that_is_one_latent_has_its_effect() -> None:
    model = small("vae", latent_dim=3, hidden=[5])
    ways = torch.eye(3)
    torch.testing.assert_close(
        direction_effects(model, 0 * ways), torch.zeros(3), msg="no step, no effect"
    )
    one, two = direction_effects(model, ways), direction_effects(model, 2 * ways)
    assert (two > one).all()
