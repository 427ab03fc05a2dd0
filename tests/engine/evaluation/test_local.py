"""The best q for one item, against closed forms and gradients by enumeration."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from engine.distributions import IndependentLayers, RankOneNormal
from engine.evaluation import exact
from engine.evaluation.importance import draw
from engine.evaluation.local import family, fit_local
from engine.models.sbn import BeliefRecognition
from engine.random import make_generator
from tests.engine.evaluation.closed_form import linear_gaussian
from tests.engine.models import tiny


def test_the_best_factorised_gaussian_is_that_of_the_closed_form() -> None:
    model, x, truth = linear_gaussian(2, 0.5)
    q = fit_local(model, x, steps=600, samples=32, generator=make_generator(0))
    deviations = 1 / model.precision().diagonal().sqrt()
    torch.testing.assert_close(q.mean[0], truth.mean, atol=0.02 * float(deviations.min()), rtol=0)
    torch.testing.assert_close(q.stddev[0], deviations, atol=0, rtol=0.02)
    assert (deviations < 0.9 * truth.covariance.diagonal().sqrt()).any()  # not the marginal's


def test_a_rank_one_family_holds_a_posterior_of_rank_one_and_finds_it() -> None:
    # One pixel of a linear model: the posterior's precision is I + w w^T / scale^2.
    model, x, truth = linear_gaussian(2, 0.5, data=1)
    recognition = model.recognition
    model.recognition = lambda item: RankOneNormal(  # type: ignore[assignment, method-assign]
        recognition(item).loc, torch.zeros(1, 2).double(), torch.full((1, 2), 0.1).double()
    )
    q = fit_local(model, x, steps=600, generator=make_generator(0))
    assert isinstance(q, RankOneNormal)
    draws = draw(model, x[None], q, 2000, generator=make_generator(1))
    weights = draws.log_joint - draws.log_densities[0]
    assert weights.std() < 0.02  # q is the posterior: every weight is log p(x)
    assert float(weights.mean()) == pytest.approx(truth.log_marginal, abs=0.01)


@pytest.mark.parametrize("name", [*tiny.MODELS, "sbn-2-linked", "darn-2-linked"])
@torch.no_grad()
def test_the_amortised_q_is_a_member_and_the_search_does_better(name: str) -> None:
    model = tiny.build(name)
    x = tiny.all_data(model)[1:2]
    amortised, kind = model.recognition(x), family(model, x)
    z = amortised.sample((50,), generator=make_generator(0))
    torch.testing.assert_close(kind.build(kind.start).log_prob(z), amortised.log_prob(z))

    local = fit_local(model, x, generator=make_generator(0))
    assert type(local) is type(amortised)
    before, after = (
        draw(model, x, q, 4000, generator=make_generator(1)) for q in (amortised, local)
    )
    gain = (after.log_joint - after.log_densities[0]) - (before.log_joint - before.log_densities[0])
    assert gain.mean() > 4 * gain.std() / 4000**0.5


@pytest.mark.parametrize("name", ["sbn-1", "sbn-2", "sbn-3", "sbn-2-tanh"])
def test_bits_reach_the_top_that_ascent_by_enumeration_reaches(name: str) -> None:
    model = tiny.build(name)
    x = tiny.all_data(model)[1:2]
    states = exact.all_bits(sum(model.layer_sizes), dtype=torch.float64)[:, None]
    kind = family(model, x)
    with torch.no_grad():
        log_joint = exact.log_joint_table(model, x)

    def elbo(q) -> torch.Tensor:
        log_q = q.log_prob(states)
        return (log_q.exp() * (log_joint - log_q)).sum()

    values = [value.clone().requires_grad_() for value in kind.start]
    optimiser = torch.optim.Adam(values, lr=0.05)
    for _ in range(1500):
        gradients = torch.autograd.grad(-elbo(kind.build(values)), values)
        for value, gradient in zip(values, gradients, strict=True):
            value.grad = gradient
        optimiser.step()
    with torch.no_grad():
        start, top = float(elbo(kind.build(kind.start))), float(elbo(kind.build(values)))
        local = fit_local(model, x, steps=600, samples=64, generator=make_generator(0))
        found = float(elbo(local))
    assert isinstance(local, BeliefRecognition)
    assert start < found <= top + 1e-9
    assert top - found < 0.1 * (top - start)


def test_the_level_of_log_p_makes_no_noise_in_the_gradient_of_bits() -> None:
    model = tiny.build("sbn-2")
    x = tiny.all_data(model)[1]
    found = fit_local(model, x, steps=50, generator=make_generator(0))
    log_joint = model.log_joint
    model.log_joint = lambda x, z: log_joint(x, z) - 1000  # type: ignore[method-assign]
    lower = fit_local(model, x, steps=50, generator=make_generator(0))
    torch.testing.assert_close(lower.mean, found.mean)


def test_a_family_moved_keeps_its_widths_and_layers() -> None:
    model = tiny.build("dlgm-2-rank-one")
    kind = family(model, tiny.all_data(model)[:1])
    centre = torch.tensor([1.0, 2, 3]).double()
    start, moved = kind.build(kind.start), kind.build(kind.around(centre))
    assert isinstance(start, IndependentLayers)
    assert isinstance(moved, IndependentLayers)
    assert torch.equal(moved.mean, centre[None])
    assert torch.equal(moved.stddev, start.stddev)
    bits = tiny.build("sbn-2")
    with pytest.raises(ValueError, match="`centre` needs Gaussian latents"):
        family(bits, tiny.all_data(bits)[:1]).around(centre)


def test_the_model_is_only_read_and_seeds_reproduce() -> None:
    model = tiny.build("sbn-2")
    x = tiny.all_data(model)[3]
    before = [value.clone() for value in model.state_dict().values()]
    steps: list[int] = []
    found = [
        fit_local(model, x, steps=20, generator=make_generator(seed), progress=steps.append)
        for seed in (0, 0, 1)
    ]
    assert sum(steps) == 60
    assert torch.equal(found[0].mean, found[1].mean)
    assert not torch.equal(found[1].mean, found[2].mean)
    assert all(torch.equal(a, b) for a, b in zip(before, model.state_dict().values(), strict=True))
    assert all(value.grad is None for value in model.parameters())


def test_more_steps_come_nearer() -> None:
    model, x, truth = linear_gaussian(2, 0.5)
    off = [
        float(
            (fit_local(model, x, steps=steps, generator=make_generator(0)).mean - truth.mean).norm()
        )
        for steps in (1, 30, 600)
    ]
    assert all(later < 0.7 * earlier for earlier, later in pairwise(off))


def test_bad_arguments_are_refused() -> None:
    model, x, _ = linear_gaussian(2, 0.5)
    with pytest.raises(ValueError, match="`steps` must be a whole number, at least 1; got 0"):
        fit_local(model, x, steps=0, generator=make_generator(0))
    with pytest.raises(ValueError, match="`samples` must be at least 2, for a baseline; got 1"):
        fit_local(model, x, samples=1, generator=make_generator(0))
    with pytest.raises(ValueError, match=r"one item of 4 pixels; got \(3,\)"):
        fit_local(model, x[:3], generator=make_generator(0))
