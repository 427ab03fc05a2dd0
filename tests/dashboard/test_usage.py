"""KL of each unit against torch's own divergences and against the KL of the bound."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from dashboard.logic.sample.usage import unit_kl
from engine.models import LatentVariableModel, build_model
from engine.random import make_generator


def small(kind: str, **config: object) -> LatentVariableModel:
    model = build_model(kind, data_dim=9, **config)
    model.reset_parameters(make_generator(3))
    return model.eval().requires_grad_(False)


def images(n: int) -> torch.Tensor:
    return torch.rand(n, 9, generator=make_generator(0)).round()


def test_gaussian_units_have_the_closed_form_of_torch() -> None:
    model, x = small("vae", latent_dim=4, hidden=[6]), images(50)
    q = model.recognition(x)
    wanted = kl_divergence(Normal(q.mean, q.stddev), Normal(0.0, 1.0)).mean(0)
    torch.testing.assert_close(unit_kl(model, x), wanted)
    # a diagonal q: the units' KLs add up to the one of the bound
    torch.testing.assert_close(unit_kl(model, x).sum(), q.kl_standard_normal().mean())


def test_what_units_share_in_a_rank_one_q_is_not_counted() -> None:
    model, x = small("dlgm", layers=[5, 3], hidden=[6], covariance="rank-one"), images(50)
    with torch.no_grad():
        for head in model.factor_heads:
            head.bias.fill_(40.0)
    q = model.recognition(x)
    wanted = kl_divergence(Normal(q.mean, q.stddev), Normal(0.0, 1.0)).mean(0)
    torch.testing.assert_close(unit_kl(model, x), wanted)
    assert unit_kl(model, x).sum() < q.kl_standard_normal().mean() - 0.01


def test_bits_of_one_layer_add_up_to_the_kl_of_the_bound() -> None:
    model, x = small("sbn", layers=[4]), images(30)
    with torch.no_grad():
        model.prior_logits.copy_(torch.tensor([-2.0, 0.0, 0.5, 3.0]))
    q = model.recognition(x)
    prior = Bernoulli(logits=model.prior_logits.expand_as(q.mean))
    wanted = kl_divergence(Bernoulli(q.mean), prior).mean(0)
    torch.testing.assert_close(unit_kl(model, x), wanted, rtol=1e-4, atol=1e-6)
    # over all 16 codes: E_q[log q - log p]
    codes = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 4)[:, None].expand(16, 30, 4)
    log_q, log_p = q.log_prob(codes), model.prior().log_prob(codes)
    exact = (log_q.exp() * (log_q - log_p)).sum(0).mean()
    torch.testing.assert_close(unit_kl(model, x).sum(), exact, rtol=1e-4, atol=1e-6)


def test_bits_are_compared_with_the_layer_above_at_mean_field() -> None:
    model, x = small("sbn", layers=[6, 3]), images(30)
    first, second = model.recognition(x).mean.split([6, 3], dim=-1)
    prior = Bernoulli(logits=model.transforms[0](2 * second - 1))
    wanted = kl_divergence(Bernoulli(first), prior).mean(0)
    torch.testing.assert_close(unit_kl(model, x)[:6], wanted, rtol=1e-4, atol=1e-6)


def test_linked_bits_are_compared_given_those_before_them() -> None:
    model, x = small("fdarn", layers=[5], recognition="autoregressive"), images(30)
    with torch.no_grad():
        for links in (model.prior_links[0], model.recognition_links[0]):
            links.weight.normal_(generator=make_generator(1))
    q = model.recognition(x).mean
    given = model.prior_logits + torch.stack(
        [
            (2 * model.prior_links[0].weight[unit, :unit] * (q[:, :unit] - 0.5)).sum(-1)
            for unit in range(5)
        ],
        dim=-1,
    )
    wanted = kl_divergence(Bernoulli(q), Bernoulli(logits=given)).mean(0)
    torch.testing.assert_close(unit_kl(model, x), wanted, rtol=1e-4, atol=1e-6)


def test_certain_bits_have_a_finite_kl() -> None:
    model, x = small("sbn", layers=[4]), images(10)
    with torch.no_grad():
        model.recognisers[0][-1].bias.fill_(200.0)  # q = 1 in 32 bits
    wanted = torch.full((4,), 2.0).log()  # of a fair coin
    torch.testing.assert_close(unit_kl(model, x), wanted)


def test_a_unit_that_says_nothing_has_no_kl_and_many_images_are_taken_in_pieces() -> None:
    model, x = small("vae", latent_dim=2, hidden=[6]), images(4100)
    with torch.no_grad():
        last = model.encoder[-1] if hasattr(model.encoder, "__getitem__") else model.encoder
        last.weight[[0, 2]] = 0
        last.bias[[0, 2]] = 0
    found = unit_kl(model, x)
    assert found[0] == 0
    assert found[1] > 0.01
    q = model.recognition(x)
    torch.testing.assert_close(found.sum(), q.kl_standard_normal().mean())
    with pytest.raises(ValueError, match="at least one image"):
        unit_kl(model, x[:0])
