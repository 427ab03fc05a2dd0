"""AC-MWG: the exact law from any recognition, by the rule of the paper, and unstuck."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest
import torch

from engine.distributions import DiagonalNormal
from engine.mcmc import AdaptiveCollapsed, build_kernel, impute
from engine.mcmc.adaptive import HistoryState
from engine.mcmc.comparison import compare
from engine.mcmc.tiny import TINY
from engine.random import make_generator
from tests.engine.mcmc.exact import LinearGaussian
from tests.engine.models import tiny

METHOD = "ac-mwg"
CHAINS = 20_000
THREE_LATENTS = {"dlgm-2-diagonal", "dlgm-2-rank-one"}  # too many for a grid


@pytest.mark.parametrize("name", sorted({*tiny.MODELS} - THREE_LATENTS))
def test_it_reaches_the_exact_conditional_of_every_model_from_a_random_fill(name: str) -> None:
    model = tiny.build(name)
    x = torch.zeros(model.data_dim, dtype=torch.float64)
    observed = torch.zeros(model.data_dim, dtype=torch.bool)
    x[0] = observed[0] = 1
    found = compare(model, x, observed, methods=[METHOD], generator=make_generator(0))
    result = found.methods[METHOD]
    off = ((result.frequencies - found.exact).abs() / result.standard_errors).max()
    assert float(off) < 3
    assert float(result.standard_errors.max()) < 0.01


@pytest.mark.parametrize("name", TINY)
def test_it_is_right_where_pseudo_gibbs_is_far_off(name: str) -> None:
    found = compare(*TINY[name](), methods=[METHOD], generator=make_generator(0))
    result = found.methods[METHOD]
    off = (result.frequencies - found.exact).abs() / result.standard_errors
    print(f"{name}: {float(off.nan_to_num(0).max()):.1f} s.e., {result.total_variation:.3f}")
    assert float(off.nan_to_num(0).max()) < 3
    assert result.total_variation < 0.02
    assert 0.2 < result.acceptance < 0.6


def test_gaussian_pixels_reach_the_conditional_mean_despite_a_wrong_recognition() -> None:
    class Wrong(LinearGaussian):
        def recognition(self, x):
            q = super().recognition(x)
            return DiagonalNormal(q.loc + 0.2, q.log_scale + 0.3)

    model = Wrong(data_dim=5, latent_dim=2, scale=0.5, seed=3)
    x = torch.tensor([[1.5, -0.5, 0.0, 0.0, 0.0]], dtype=torch.float64)
    observed = torch.tensor([[True, True, False, False, False]])
    covariance = model.covariance()
    gain = covariance[2:, :2] @ covariance[:2, :2].inverse()
    mean = model.offset[2:] + gain @ (x[0, :2] - model.offset[:2])
    variances = (covariance[2:, 2:] - gain @ covariance[:2, 2:]).diagonal()
    chain = impute(model, x, observed, METHOD, 4000, make_generator(2))
    draws = next(islice(chain, 99, None)).x[:, 0, 2:]
    assert float(((draws.mean(0) - mean) / (variances / 4000).sqrt()).abs().max()) < 3.5
    ratio = draws.var(0) / variances
    assert float((ratio - 1).abs().max()) < 3.5 * (2 / 4000) ** 0.5


def many(state: HistoryState, copies: int) -> HistoryState:
    """The same chain many times over: every copy proposes for itself."""
    per_chain = ("x", "z", "mean", "accepted", "log_joint", "available", "size", "pending")
    values = {name: getattr(state, name).repeat_interleave(copies, 0) for name in per_chain}
    return HistoryState(**values, observed=state.observed, step=state.step, seen=state.seen)


def test_proposals_are_taken_as_often_as_the_formula_says() -> None:
    model = tiny.build("vae", latent_dim=1, scale=1.2)
    x = torch.tensor([[1.0, 0, 1]], dtype=torch.float64)
    observed = torch.tensor([[True, False, True]])
    kernel = AdaptiveCollapsed(model, prior_share=0.4, memory=3)
    generator = make_generator(0)
    one = kernel.remember(kernel.init(x, observed, generator=generator))
    fills = torch.tensor([[1.0, 0, 1], [1.0, 1, 1]], dtype=torch.float64)
    one = HistoryState(
        **{name: getattr(one, name) for name in ("x", "z", "mean", "accepted", "log_joint")},
        observed=observed,
        step=1,
        # Two old fillings and one slot that is not to be used.
        available=torch.cat([fills, torch.full((1, 3), torch.nan).double()])[None, None],
        size=torch.full((1, 1), 2),
        pending=one.pending,
        seen=3,
    )
    taken = kernel.step(many(one, CHAINS), generator=generator).accepted.double().mean()
    with torch.no_grad():
        line = torch.linspace(-15, 15, 30_001, dtype=torch.float64)[:, None]

        def log_target(z):  # the missing pixel is not in it
            probs = model.likelihood(z).mean
            return probs[:, [0, 2]].log().sum(-1) - z.square().sum(-1) / 2

        expected = torch.zeros(()).double()
        for fill in fills:
            q = model.recognition(fill[None])
            prior = torch.distributions.Normal(0, 1).log_prob

            def density(z, q=q, prior=prior):
                normal = torch.distributions.Normal(q.loc[0, 0], q.log_scale[0, 0].exp())
                return 0.6 * normal.log_prob(z[:, 0]).exp() + 0.4 * prior(z[:, 0]).double().exp()

            old = one.z[0]
            ratio = (log_target(line) - log_target(old)).exp() * density(old) / density(line)
            weights = density(line) * (line[1] - line[0])
            expected += (ratio.clamp(max=1) * weights.where(weights > 0, 0)).nansum() / 2
    assert 0.05 < expected < 0.95
    assert abs(taken - expected) < 4 * (expected * (1 - expected) / CHAINS).sqrt()


def test_no_filling_by_the_present_latents_guides_a_proposal() -> None:
    example = TINY["blob"]()
    kernel = AdaptiveCollapsed(example.model, memory=64)
    generator = make_generator(0)
    observed = torch.zeros(1, 9, dtype=torch.bool)
    state = kernel.init(example.x[None], observed, chains=50, generator=generator)
    fill = state.x[:, 0]
    left = torch.zeros(50, dtype=torch.long)  # step of the last acceptance
    for step in range(1, 40):
        state = kernel.step(state, generator=generator)
        left = left.where(~state.accepted[:, 0], step)
        # Fillings 0, ..., step - 1 are older than an acceptance at that step; before any, the fill.
        assert torch.equal(state.size[:, 0], left.clamp(min=1))
        assert state.seen == step + 1
        assert torch.equal(state.pending[:, 0, step], state.x[:, 0])
        old = torch.arange(64) < left.clamp(min=1)[:, None]
        expected = torch.where(old[..., None], state.pending[:, 0], fill[:, None])
        assert torch.equal(state.available[:, 0], expected)


def test_the_memory_is_a_uniform_sample_of_all_fillings() -> None:
    example = TINY["blob"]()
    kernel, generator = AdaptiveCollapsed(example.model, memory=4), make_generator(1)
    observed = torch.ones(1, 9, dtype=torch.bool)
    state = kernel.remember(
        kernel.init(example.x[None], observed, chains=4000, generator=generator)
    )
    state = kernel._note(state, generator)
    for number in range(2, 20):  # the filling of step k is filled with k
        numbered = replace(state, x=torch.full_like(state.x, float(number)))
        state = kernel._note(numbered, generator)
    kept = state.pending[:, 0, :, 0]
    counts = torch.stack([(kept == number).sum() for number in range(2, 20)])
    # Each of the 20 fillings is in 4 of 20 memories: hypergeometric, so less than binomial noise.
    expected, error = 4000 * 4 / 20, (4000 * 0.2 * 0.8) ** 0.5
    assert float((counts - expected).abs().max()) < 4 * error


def test_it_leaves_a_filling_that_holds_metropolis_within_gibbs_back() -> None:
    # One pixel says which of two modes, nine copies of the same hidden pixel repeat it: z and the
    # filling hold one another, and nothing is observed.
    model = tiny.build("vae", data_dim=9, latent_dim=1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.data_mean.fill_(0.5)
        model.decoder[0].weight.fill_(8)
        model.decoder[-1].weight.fill_(1.25)  # four hidden units: logits of +-5
        model.encoder[0].weight.fill_(0.3)
        model.encoder[-1].weight[0].fill_(0.3)
        model.encoder[-1].bias[1] = -1.0
    x, observed = torch.zeros(1, 9).double(), torch.zeros(1, 9, dtype=torch.bool)
    crossings = {}
    for method in ("metropolis-within-gibbs", METHOD):
        chain = impute(model, x, observed, method, chains=50, generator=make_generator(0))
        sides = torch.stack([state.z[:, 0, 0] > 0 for state in islice(chain, 200)])
        crossings[method] = int((sides[1:] != sides[:-1]).sum())
    print(crossings)
    assert crossings[METHOD] > 1000
    assert crossings["metropolis-within-gibbs"] < crossings[METHOD] / 20


def test_it_continues_a_chain_of_pseudo_gibbs() -> None:
    example, generator = TINY["bars"](), make_generator(0)
    start = build_kernel("pseudo-gibbs", example.model)
    state = start.init(example.x[None], example.observed[None], chains=3, generator=generator)
    state = start.step(state, generator=generator)
    after = build_kernel(METHOD, example.model).step(state, generator=generator)
    assert after.step == 2
    assert torch.equal(after.pending[:, :, 0], state.x)
    assert torch.equal(after.x[:, 0, example.observed], example.x[example.observed].expand(3, -1))


def test_bad_numbers_are_refused() -> None:
    model = tiny.build("vae")
    with pytest.raises(ValueError, match=r"`prior_share` must lie between 0 and 1; got 0\.0"):
        AdaptiveCollapsed(model, prior_share=0.0)
    with pytest.raises(ValueError, match="`memory` must be a whole number, at least 1; got 0"):
        AdaptiveCollapsed(model, memory=0)
