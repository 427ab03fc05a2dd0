"""Metropolis-within-Gibbs reaches the truth whatever the recognition, and rejects by the rule."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest
import torch
from torch import Tensor

from engine.evaluation.conditional import exact_conditional
from engine.evaluation.exact import all_bits
from engine.evaluation.grid import prior_grid
from engine.mcmc import State, build_kernel, impute
from engine.mcmc.comparison import compare
from engine.mcmc.tiny import TINY
from engine.models import build_model
from engine.random import make_generator
from tests.engine.mcmc.exact import ExactRecognition, LinearGaussian
from tests.engine.models import tiny

METHOD = "metropolis-within-gibbs"
CHAINS = 20_000
THREE_LATENTS = {"dlgm-2-diagonal", "dlgm-2-rank-one"}  # too many for a grid


class WrongRecognition(LinearGaussian):
    """The linear Gaussian with q wider than the posterior and off its centre."""

    def recognition(self, x: Tensor):
        q = super().recognition(x)
        q.loc = q.loc + 0.2
        q.log_scale = q.log_scale + 0.3
        return q


def shares(draws: Tensor, completions: Tensor) -> Tensor:
    """How often each completion occurs among the draws of independent chains."""
    return (draws[:, None] == completions).all(-1).double().mean(0)


def exact_states(kernel, x: Tensor, observed: Tensor, generator: torch.Generator) -> State:
    """`CHAINS` independent draws of p(x_m, z | x_o), as a state."""
    model = kernel.model
    if model.latent_kind == "bernoulli":
        z = all_bits(sum(model.layer_sizes), dtype=x.dtype)
        log_weights = model.prior().log_prob(z)
    else:
        z, log_weights = prior_grid(model)
    log_seen = model.likelihood(z).log_prob_terms(x)[:, observed[0]].sum(-1)
    probs = (log_weights + log_seen).softmax(0)
    z = z[torch.multinomial(probs, CHAINS, replacement=True, generator=generator)]
    draws = model.likelihood(z).sample(generator=generator)
    state = kernel.init(x, observed, chains=CHAINS, generator=generator)
    return replace(state, x=torch.where(observed, x, draws)[:, None], z=z[:, None])


@pytest.mark.parametrize("name", sorted({*tiny.MODELS} - THREE_LATENTS))
@torch.no_grad()
def test_the_exact_conditional_of_every_model_is_left_as_it_is(name: str) -> None:
    model = tiny.build(name)
    x = torch.zeros(1, model.data_dim, dtype=torch.float64)
    observed = torch.zeros(1, model.data_dim, dtype=torch.bool)
    x[0, 0] = observed[0, 0] = 1
    law = exact_conditional(model, x[0], observed[0])
    error = (law.probabilities * (1 - law.probabilities) / CHAINS).sqrt()
    off = {}
    for method in ("pseudo-gibbs", METHOD):
        kernel, generator = build_kernel(method, model), make_generator(4)
        state = exact_states(kernel, x, observed, generator)
        for _ in range(6):
            state = kernel.step(state, generator=generator)
        share = shares(state.x[:, 0], law.completions)
        off[method] = float(((share - law.probabilities) / error).abs().max())
    assert off[METHOD] < 4
    assert off["pseudo-gibbs"] > 5  # or the model tells nothing


@pytest.mark.parametrize("name", TINY)
def test_on_the_tiny_models_it_is_right_where_pseudo_gibbs_is_far_off(name: str) -> None:
    example = TINY[name]()
    found = compare(*example, generator=make_generator(0))
    errors = {}
    for method, result in found.methods.items():
        off = (result.frequencies - found.exact).abs() / result.standard_errors
        errors[method] = float(off.nan_to_num(0).max())
        print(
            f"{name}, {method}: total variation {result.total_variation:.3f}, "
            f"{errors[method]:.1f} s.e. at worst, acceptance {result.acceptance:.2f}"
        )
    right, wrong = found.methods[METHOD], found.methods["pseudo-gibbs"]
    assert errors[METHOD] < 4
    assert right.total_variation < 0.03
    assert 0.2 < right.acceptance < 0.6
    assert errors["pseudo-gibbs"] > 30
    assert wrong.total_variation > 0.25
    assert wrong.acceptance == 1


def test_gaussian_pixels_reach_the_conditional_mean_despite_a_wrong_recognition() -> None:
    model = WrongRecognition(data_dim=5, latent_dim=2, scale=0.5, seed=3)
    x = torch.tensor([[1.5, -0.5, 0.0, 0.0, 0.0]], dtype=torch.float64)
    observed = torch.tensor([[True, True, False, False, False]])
    covariance = model.covariance()
    gain = covariance[2:, :2] @ covariance[:2, :2].inverse()
    mean = model.offset[2:] + gain @ (x[0, :2] - model.offset[:2])
    conditional = (covariance[2:, 2:] - gain @ covariance[:2, 2:]).diagonal()

    def off(method: str) -> float:
        chain = impute(model, x, observed, method, CHAINS, make_generator(2))
        draws = next(islice(chain, 99, None)).x[:, 0, 2:]
        return float(((draws.mean(0) - mean) / (conditional / CHAINS).sqrt()).abs().max())

    assert off(METHOD) < 4
    assert off("pseudo-gibbs") > 15


def test_where_the_recognition_is_the_posterior_every_proposal_is_taken() -> None:
    sbn = tiny.build("sbn-2")
    for model in (ExactRecognition(sbn), LinearGaussian(3, latent_dim=2, scale=0.5, seed=1)):
        x = torch.tensor([[1.0, 0, 1], [0, 0, 1]], dtype=torch.float64)
        observed = torch.tensor([[True, False, False], [False, True, False]])
        chain = impute(model, x, observed, METHOD, chains=500, generator=make_generator(0))
        assert all(state.accepted.all() for state in islice(chain, 20))
    chain = impute(sbn, x, observed, METHOD, chains=500, generator=make_generator(0))
    assert not all(state.accepted.all() for state in islice(chain, 20))


@pytest.mark.parametrize("pixels", ["bernoulli", "gaussian"])
def test_proposals_are_taken_as_often_as_the_formula_says(pixels: str) -> None:
    model = build_model("vae", data_dim=4, latent_dim=1, hidden=(3,), likelihood=pixels).double()
    generator = make_generator(0)
    with torch.no_grad():
        for parameter in model.eval().parameters():
            parameter.normal_(0, 0.7, generator=generator)
    x = torch.tensor([[1.0, 0, 1, 1]], dtype=torch.float64)
    observed = torch.tensor([[True, False, True, False]])
    kernel = build_kernel(METHOD, model)
    one = kernel.init(x, observed, generator=generator)
    # The same state many times over: every copy proposes for itself.
    state = replace(
        one,
        **{
            name: getattr(one, name).repeat_interleave(CHAINS, 0)
            for name in ("x", "z", "mean", "accepted", "log_joint")
        },
    )
    taken = kernel.step(state, generator=generator).accepted.double().mean()

    # The chance by hand, integrated over the proposals q(z' | x) on a fine line.
    with torch.no_grad():
        q, line = model.recognition(one.x[0]), torch.linspace(-15, 15, 30_001).double()
        log_q = torch.distributions.Normal(q.loc[0, 0], q.log_scale[0, 0].exp()).log_prob

        def log_p(z: Tensor) -> Tensor:
            prior = -0.5 * z.square() - 0.918938533204673
            mean = model.likelihood(z[:, None]).mean
            if pixels == "bernoulli":
                return prior + torch.where(one.x[0] == 1, mean, 1 - mean).log().sum(-1)
            scale = model.likelihood(z[:, None]).log_scale.exp()
            return prior + torch.distributions.Normal(mean, scale).log_prob(one.x[0]).sum(-1)

        old = one.z[0, 0]
        ratio = (log_p(line) + log_q(old) - log_p(old) - log_q(line)).exp()
        expected = (ratio.clamp(max=1) * log_q(line).exp()).sum() * (line[1] - line[0])
    assert 0.05 < expected < 0.95
    assert abs(taken - expected) < 4 * (expected * (1 - expected) / CHAINS).sqrt()


def test_a_rejected_proposal_leaves_the_latents_and_draws_the_pixels_again() -> None:
    example = TINY["blob"]()
    kernel = build_kernel(METHOD, example.model)
    generator = make_generator(0)
    state = kernel.init(example.x[None], example.observed[None], chains=1000, generator=generator)
    state = kernel.step(state, generator=generator)
    after = kernel.step(state, generator=generator)
    stayed = ~after.accepted[:, 0]
    assert 200 < stayed.sum() < 980
    assert torch.equal(after.z[stayed], state.z[stayed])
    assert (after.z[~stayed] != state.z[~stayed]).any(-1).all()
    torch.testing.assert_close(after.mean[stayed], state.mean[stayed])
    assert (after.x[stayed] != state.x[stayed]).any(-1).any()


def test_a_chain_begun_by_pseudo_gibbs_is_continued() -> None:
    example = TINY["bars"]()
    first, second = (build_kernel(name, example.model) for name in ("pseudo-gibbs", METHOD))
    generator = make_generator(0)
    state = first.init(example.x[None], example.observed[None], chains=3, generator=generator)
    for kernel in (first, first, second, second):
        state = kernel.step(state, generator=generator)
    assert state.step == 4
    assert torch.equal(state.x[:, 0, example.observed], example.x[example.observed].expand(3, -1))
