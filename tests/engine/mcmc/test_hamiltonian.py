"""HMC on the latents, exact draws of the missing pixels: the right law, tuned and then still."""

from __future__ import annotations

from itertools import islice

import pytest
import torch

from engine.mcmc import HamiltonianGibbs, build_kernel, impute, suitable_methods
from engine.mcmc.comparison import compare
from engine.mcmc.tiny import TINY
from engine.random import make_generator
from tests.engine.mcmc.exact import LinearGaussian
from tests.engine.models import tiny

METHOD = "hmc"
ON_A_GRID = sorted(name for name in tiny.GAUSSIANS if not name.startswith("dlgm-2"))


@pytest.mark.parametrize("name", ON_A_GRID)
def test_it_reaches_the_exact_conditional_of_every_model_from_a_random_fill(name: str) -> None:
    model = tiny.build(name)
    x = torch.zeros(model.data_dim, dtype=torch.float64)
    observed = torch.zeros(model.data_dim, dtype=torch.bool)
    x[0] = observed[0] = 1
    found = compare(
        model,
        x,
        observed,
        methods=[METHOD],
        transitions=150,
        chains=256,
        generator=make_generator(0),
    )
    result = found.methods[METHOD]
    off = ((result.frequencies - found.exact).abs() / result.standard_errors).max()
    assert float(off) < 3
    assert float(result.standard_errors.max()) < 0.01


def test_it_is_right_where_pseudo_gibbs_is_far_off() -> None:
    found = compare(*TINY["blob"](), methods=[METHOD], transitions=300, generator=make_generator(0))
    result = found.methods[METHOD]
    off = (result.frequencies - found.exact).abs() / result.standard_errors
    print(f"{float(off.nan_to_num(0).max()):.1f} s.e., {result.total_variation:.3f}")
    assert float(off.nan_to_num(0).max()) < 3
    assert result.total_variation < 0.03
    assert result.acceptance == pytest.approx(0.8, abs=0.1)  # the target of its tuning


def test_gaussian_pixels_reach_the_conditional_mean_and_variance() -> None:
    model = LinearGaussian(data_dim=5, latent_dim=2, scale=0.5, seed=3)
    x = torch.tensor([[1.5, -0.5, 0.0, 0.0, 0.0]], dtype=torch.float64)
    observed = torch.tensor([[True, True, False, False, False]])
    covariance = model.covariance()
    gain = covariance[2:, :2] @ covariance[:2, :2].inverse()
    mean = model.offset[2:] + gain @ (x[0, :2] - model.offset[:2])
    variances = (covariance[2:, 2:] - gain @ covariance[:2, 2:]).diagonal()
    chains = 10_000
    chain = impute(model, x, observed, METHOD, chains, make_generator(2))
    draws = next(islice(chain, 59, None)).x[:, 0, 2:]
    assert float(((draws.mean(0) - mean) / (variances / chains).sqrt()).abs().max()) < 3.5
    assert float((draws.var(0) / variances - 1).abs().max()) < 3.5 * (2 / chains) ** 0.5


def test_each_image_has_a_step_size_that_is_tuned_and_then_stays() -> None:
    # One image has all of its pixels seen, the other none: the second may take larger steps.
    model = LinearGaussian(data_dim=5, latent_dim=2, scale=0.05, seed=3)
    x = torch.zeros(2, 5, dtype=torch.float64)
    observed = torch.tensor([[True] * 5, [False] * 5])
    kernel, generator = HamiltonianGibbs(model, tune=60), make_generator(0)
    state = kernel.init(x, observed, chains=200, generator=generator)
    sizes, rates = [], []
    for _ in range(100):
        state = kernel.step(state, generator=generator)
        sizes.append(state.step_size.average)
        rates.append(state.accepted.double().mean(0))
    assert float(sizes[-1][1]) > 5 * float(sizes[-1][0])
    assert torch.equal(sizes[60], sizes[-1])
    assert not torch.equal(sizes[50], sizes[60])
    late = torch.stack(rates[60:]).mean(0)
    assert bool(((late > 0.65) & (late < 0.95)).all())


def test_it_suits_models_whose_latents_are_real_and_says_so_of_others() -> None:
    assert "hmc" in suitable_methods(tiny.build("vae"))
    assert suitable_methods(tiny.build("sbn-1")) == [
        "pseudo-gibbs",
        "metropolis-within-gibbs",
        "ac-mwg",
    ]
    with pytest.raises(ValueError, match=r"'hmc' needs a `model` with Gaussian latents; those of"):
        build_kernel(METHOD, tiny.build("sbn-1"))
    with pytest.raises(ValueError, match="`leapfrog_steps` must be a whole number"):
        HamiltonianGibbs(tiny.build("vae"), leapfrog_steps=0)


def test_it_continues_a_chain_of_pseudo_gibbs() -> None:
    example, generator = TINY["blob"](), make_generator(0)
    start = build_kernel("pseudo-gibbs", example.model)
    state = start.init(example.x[None], example.observed[None], chains=3, generator=generator)
    state = start.step(state, generator=generator)
    after = build_kernel(METHOD, example.model).step(state, generator=generator)
    assert after.step == 2
    assert torch.equal(after.x[:, 0, example.observed], example.x[example.observed].expand(3, -1))
