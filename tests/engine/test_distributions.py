"""Densities, divergences and draws against torch.distributions and dense linear algebra."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch import distributions as reference

from engine.distributions import (
    DiagonalNormal,
    FactorizedBernoulli,
    IndependentLayers,
    RankOneNormal,
)
from engine.random import Replay, make_generator

COUNT = 20_000


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=make_generator(seed), dtype=torch.float64)


def rank_one(batch: int = 3, size: int = 4, *, factor: float = 1.0, seed: int = 0) -> RankOneNormal:
    loc, log_precision, u = randn(3, batch, size, seed=seed)
    return RankOneNormal(loc, log_precision, factor * u)


def dense_covariance(q: RankOneNormal) -> Tensor:
    """(D + u u^T)^-1, inverted as a matrix."""
    precision = torch.diag_embed(q.log_precision.exp()) + torch.einsum(
        "...i,...j->...ij", q.factor, q.factor
    )
    return torch.linalg.inv(precision)


def dense(q: RankOneNormal) -> reference.MultivariateNormal:
    precision = torch.linalg.inv(dense_covariance(q))
    return reference.MultivariateNormal(q.loc, precision_matrix=(precision + precision.mT) / 2)


def push_basis(q: DiagonalNormal | RankOneNormal | IndependentLayers) -> Tensor:
    """The matrix R of z = loc + R noise, ``(*batch, event, event)``, a column at a time."""
    *batch, size = q.mean.shape
    basis = torch.eye(size, dtype=q.mean.dtype).reshape(size, *[1] * len(batch), size)
    noise = basis.expand(size, *batch, size)
    parts = q.sizes if isinstance(q, IndependentLayers) else [size]
    columns = q.rsample((size,), generator=Replay(noise.split(parts, -1))) - q.mean
    return columns.movedim(0, -1)


sizes = st.integers(1, 6)
seeds = st.integers(0, 10_000)
# from a factor that rounds away beside D to one beside which D nearly does
factors = st.sampled_from([0.0, 1e-12, 1e-6, 1e-3, 0.1, 1.0, 10.0, 1e3])


# --- rank one -----------------------------------------------------------------------------------


@given(size=sizes, factor=factors, seed=seeds)
def test_rank_one_draws_have_exactly_the_covariance_of_the_dense_inverse(size, factor, seed):
    q = rank_one(2, size, factor=factor, seed=seed)
    root = push_basis(q)
    torch.testing.assert_close(root @ root.mT, dense_covariance(q), rtol=1e-7, atol=1e-9)


@given(size=sizes, factor=factors, seed=seeds)
def test_rank_one_log_density_is_that_of_the_dense_gaussian(size, factor, seed):
    q = rank_one(2, size, factor=factor, seed=seed)
    z = q.rsample((5,), generator=make_generator(seed))
    precision = torch.diag_embed(q.log_precision.exp()) + torch.einsum(
        "...i,...j->...ij", q.factor, q.factor
    )
    expected = reference.MultivariateNormal(q.loc, precision_matrix=precision).log_prob(z)
    torch.testing.assert_close(q.log_prob(z), expected, rtol=1e-6, atol=1e-6)


@given(size=sizes, factor=factors, seed=seeds)
def test_rank_one_log_determinant_is_that_of_the_dense_covariance(size, factor, seed):
    q = rank_one(2, size, factor=factor, seed=seed)
    torch.testing.assert_close(
        q.log_det_covariance(), torch.logdet(dense_covariance(q)), rtol=1e-7, atol=1e-7
    )


@given(size=sizes, factor=factors, seed=seeds)
def test_rank_one_variance_is_the_diagonal_of_the_dense_covariance(size, factor, seed):
    q = rank_one(2, size, factor=factor, seed=seed)
    expected = dense_covariance(q).diagonal(dim1=-2, dim2=-1)
    torch.testing.assert_close(q.variance, expected, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(q.stddev.square(), q.variance)


@given(size=sizes, factor=factors, seed=seeds)
def test_rank_one_kl_is_that_of_the_dense_gaussian(size, factor, seed):
    q = rank_one(2, size, factor=factor, seed=seed)
    standard = reference.MultivariateNormal(
        torch.zeros(size, dtype=torch.float64), torch.eye(size, dtype=torch.float64)
    )
    expected = reference.kl_divergence(dense(q), standard)
    torch.testing.assert_close(q.kl_standard_normal(), expected, rtol=1e-6, atol=1e-6)


def test_rank_one_without_a_factor_is_diagonal():
    q = rank_one(factor=0.0)
    diagonal = DiagonalNormal(q.loc, -0.5 * q.log_precision)
    z = randn(6, 3, 4, seed=1)
    torch.testing.assert_close(q.log_prob(z), diagonal.log_prob(z))
    torch.testing.assert_close(q.kl_standard_normal(), diagonal.kl_standard_normal())
    torch.testing.assert_close(push_basis(q), push_basis(diagonal))
    torch.testing.assert_close(q.stddev, diagonal.stddev)


def test_rank_one_gradients_stay_finite_where_the_factor_is_zero():
    loc, log_precision, factor = (torch.zeros(2, 3, requires_grad=True) for _ in range(3))
    q = RankOneNormal(loc, log_precision, factor)
    z = q.rsample((4,), generator=make_generator(0))
    (q.log_prob(z).mean() + q.kl_standard_normal().mean() + z.square().mean()).backward()
    for argument in (loc, log_precision, factor):
        assert argument.grad is not None
        assert argument.grad.isfinite().all()


@pytest.mark.parametrize("size", [1e-30, 1e-8, 1e2, 1e4, 1e8])
def test_rank_one_stays_finite_and_positive_in_float32_for_any_size_of_the_factor(size):
    factor = torch.tensor([[size, 1.0, -1.0], [size, size, size]])
    q = RankOneNormal(torch.zeros(2, 3), torch.zeros(2, 3), factor)
    z = q.rsample((5,), generator=make_generator(0))
    assert (q.stddev > 0).all()
    for values in (q.stddev, z, q.log_prob(torch.zeros(2, 3)), q.kl_standard_normal()):
        assert values.isfinite().all()


def test_rank_one_draws_spread_as_its_covariance_says():
    q = rank_one(1, 3, factor=2.0)
    z = q.sample((COUNT,), generator=make_generator(0)).squeeze(1)
    error = (q.variance.squeeze(0) / COUNT).sqrt()
    assert ((z.mean(0) - q.loc.squeeze(0)).abs() < 5 * error).all()
    covariance = dense_covariance(q).squeeze(0)
    scale = torch.outer(covariance.diagonal(), covariance.diagonal()).sqrt()
    # Var of a sample covariance of Gaussians: (C_ii C_jj + C_ij ** 2) / n
    assert ((z.T.cov() - covariance).abs() < 5 * (2 / COUNT) ** 0.5 * scale).all()


# --- diagonal -----------------------------------------------------------------------------------


def test_diagonal_normal_agrees_with_torch():
    loc, log_scale = randn(2, 3, 4)
    q = DiagonalNormal(loc, log_scale)
    other = reference.Independent(reference.Normal(loc, log_scale.exp()), 1)
    standard = reference.Independent(
        reference.Normal(torch.zeros_like(loc), torch.ones_like(loc)), 1
    )
    z = randn(5, 3, 4, seed=1)
    torch.testing.assert_close(q.log_prob(z), other.log_prob(z))
    torch.testing.assert_close(q.kl_standard_normal(), reference.kl_divergence(other, standard))
    torch.testing.assert_close(q.mean, other.mean)
    torch.testing.assert_close(q.stddev, other.stddev)
    torch.testing.assert_close(push_basis(q), torch.diag_embed(log_scale.exp()))


def test_one_log_scale_serves_every_coordinate_of_a_diagonal_normal():
    loc = randn(3, 4)
    shared = DiagonalNormal(loc, torch.tensor([0.7], dtype=torch.float64))
    spelled = DiagonalNormal(loc, torch.full_like(loc, 0.7))
    z = randn(5, 3, 4, seed=1)
    torch.testing.assert_close(shared.log_prob(z), spelled.log_prob(z))
    torch.testing.assert_close(shared.kl_standard_normal(), spelled.kl_standard_normal())
    torch.testing.assert_close(shared.stddev, spelled.stddev)


def test_gradients_reach_the_arguments_through_rsample_but_not_through_sample():
    loc, log_scale = (torch.zeros(2, 3, requires_grad=True) for _ in range(2))
    q = DiagonalNormal(loc, log_scale)
    assert not q.sample(generator=make_generator(0)).requires_grad
    noise = torch.randn(2, 3, generator=make_generator(0))
    q.rsample(generator=make_generator(0)).sum().backward()
    torch.testing.assert_close(loc.grad, torch.ones(2, 3))
    torch.testing.assert_close(log_scale.grad, noise)


@pytest.mark.parametrize("shape", [(), (5,), (2, 5)])
@pytest.mark.parametrize("kind", ["diagonal", "rank-one", "layers", "bits"])
def test_samples_come_first_and_the_event_comes_last(kind, shape):
    q = {
        "diagonal": DiagonalNormal(randn(3, 4), randn(3, 4)),
        "rank-one": rank_one(),
        "layers": IndependentLayers([rank_one(3, 1), DiagonalNormal(randn(3, 3), randn(3, 3))]),
        "bits": FactorizedBernoulli(randn(3, 4)),
    }[kind]
    z = q.sample(shape, generator=make_generator(0))
    assert z.shape == (*shape, 3, 4)
    assert q.log_prob(z).shape == (*shape, 3)
    assert q.mean.shape == (3, 4)


# --- layers -------------------------------------------------------------------------------------


def test_independent_layers_are_the_product_of_their_parts_side_by_side():
    first, second = rank_one(3, 2), DiagonalNormal(randn(3, 4), randn(3, 4, seed=1))
    q = IndependentLayers([first, second])
    z = randn(5, 3, 6, seed=2)
    torch.testing.assert_close(
        q.log_prob(z), first.log_prob(z[..., :2]) + second.log_prob(z[..., 2:])
    )
    torch.testing.assert_close(
        q.kl_standard_normal(), first.kl_standard_normal() + second.kl_standard_normal()
    )
    torch.testing.assert_close(q.mean, torch.cat([first.mean, second.mean], -1))
    torch.testing.assert_close(q.stddev, torch.cat([first.stddev, second.stddev], -1))
    root = push_basis(q)
    torch.testing.assert_close(root[:, :2, :2], push_basis(first))
    torch.testing.assert_close(root[:, 2:, 2:], push_basis(second))
    assert (root[:, :2, 2:] == 0).all()
    assert (root[:, 2:, :2] == 0).all()


# --- bits ---------------------------------------------------------------------------------------


def test_factorized_bernoulli_agrees_with_torch():
    logits = randn(3, 4) * 5
    p = FactorizedBernoulli(logits)
    bits = (randn(6, 3, 4, seed=1) > 0).double()
    other = reference.Independent(reference.Bernoulli(logits=logits), 1)
    torch.testing.assert_close(p.log_prob(bits), other.log_prob(bits))
    torch.testing.assert_close(p.mean, other.mean)


def test_factorized_bernoulli_stays_exact_where_probabilities_round_to_zero_and_one():
    p = FactorizedBernoulli(torch.tensor([[200.0, -200.0]]))
    assert p.log_prob(torch.tensor([[1.0, 0.0]])).item() == 0
    assert p.log_prob(torch.tensor([[0.0, 1.0]])).item() == -400


def test_factorized_bernoulli_of_grey_values_is_the_cross_entropy():
    logits, grey = randn(3, 4), randn(3, 4, seed=1).sigmoid()
    probs = logits.sigmoid()
    expected = (grey * probs.log() + (1 - grey) * (1 - probs).log()).sum(-1)
    torch.testing.assert_close(FactorizedBernoulli(logits).log_prob(grey), expected)


def test_bits_are_drawn_with_their_probabilities_and_without_gradient():
    logits = torch.tensor([-3.0, 0.0, 2.0], requires_grad=True)
    bits = FactorizedBernoulli(logits).sample((COUNT,), generator=make_generator(0))
    probs = logits.detach().sigmoid()
    assert not bits.requires_grad
    assert set(bits.unique().tolist()) == {0.0, 1.0}
    error = (probs * (1 - probs) / COUNT).sqrt()
    assert ((bits.mean(0) - probs).abs() < 5 * error).all()


def test_kl_divergences_are_the_means_of_the_sampled_ones():
    layers = [rank_one(1, 2, factor=2.0), DiagonalNormal(randn(1, 2), randn(1, 2, seed=1))]
    for q in (*layers, IndependentLayers(layers)):
        z = q.sample((COUNT,), generator=make_generator(0))
        log_prior = -0.5 * (z.square() + math.log(2 * math.pi)).sum(-1)
        sampled = (q.log_prob(z) - log_prior).squeeze(-1)
        error = sampled.std() / COUNT**0.5
        assert abs(sampled.mean() - q.kl_standard_normal().item()) < 5 * error


# --- terms --------------------------------------------------------------------------------------


def test_terms_are_the_densities_of_single_components_and_sum_to_the_whole():
    loc, log_scale, value = randn(3, 2, 5)
    normal = DiagonalNormal(loc, log_scale)
    expected = reference.Normal(loc, log_scale.exp()).log_prob(value)
    torch.testing.assert_close(normal.log_prob_terms(value), expected)
    torch.testing.assert_close(normal.log_prob(value), expected.sum(-1))

    bits = (randn(3, 2, 5, seed=1) > 0).double()  # with a sample axis that broadcasts
    coins = FactorizedBernoulli(loc)
    expected = reference.Bernoulli(logits=loc).log_prob(bits)
    torch.testing.assert_close(coins.log_prob_terms(bits), expected)
    torch.testing.assert_close(coins.log_prob(bits), expected.sum(-1))
