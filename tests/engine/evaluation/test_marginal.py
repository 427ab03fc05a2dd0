"""The estimate by posterior draws and kernels, beside grids, closed forms and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import gaussian_kde

from engine.evaluation.grid import grid_posterior
from engine.evaluation.marginal import MULTIPLES, bandwidth, kernel_marginal, posterior_draws
from engine.random import make_generator
from tests.engine.evaluation.closed_form import linear_gaussian
from tests.engine.models import tiny


@pytest.mark.parametrize(("name", "latents"), [("vae", 2), ("dlgm-2-rank-one", 3)])
def test_it_agrees_with_the_grid_of_two_and_of_three_latents(name: str, latents: int) -> None:
    model = tiny.build(name, scale=1.5, activation="tanh")
    assert sum(model.layer_sizes) == latents
    x = tiny.all_data(model)
    exact = torch.tensor([grid_posterior(model, item).log_marginal for item in x])
    found = kernel_marginal(
        model, x, samples=1000, trajectories=150, leapfrog_steps=8, generator=make_generator(0)
    )
    off = (found.estimate - exact) / found.standard_error
    print(f"{name}: worst {float(off.abs().max()):.1f} s.e. of {found.standard_error.mean():.3f}")
    assert float(off.abs().max()) < 3.5
    assert float((found.estimate - exact).abs().max()) < 0.2
    assert float(found.standard_error.max()) < 0.1


def test_more_draws_come_closer_to_the_closed_form_from_above() -> None:
    # Fifty draws as in the paper, and the same items with many: one item over and over.
    model, x, known = linear_gaussian(3, 0.3)
    copies, off = 40, {}
    for samples in (14, 50, 400):
        found = kernel_marginal(
            model,
            x.expand(copies, -1),
            samples=samples,
            trajectories=30,
            leapfrog_steps=8,
            generator=make_generator(1),
        )
        difference = found.estimate - known.log_marginal
        off[samples] = float(difference.mean())
        error = float(difference.std()) / copies**0.5
        print(f"{samples} draws: {off[samples]:.3f} ± {error:.3f} nats too high")
        assert float(found.acceptance.min()) > 0.7
    assert off[14] > off[50] > off[400] > -0.05
    assert off[400] < 0.1


def test_the_ends_of_the_chains_have_the_moments_of_the_posterior() -> None:
    model, x, known = linear_gaussian(2, 0.3)
    model.shift = 3.0  # q stands beside the posterior: the chains have to move
    z, log_joint, acceptance = posterior_draws(
        model,
        x[None],
        samples=2000,
        trajectories=40,
        leapfrog_steps=8,
        generator=make_generator(2),
    )
    assert z.shape == (2000, 1, 2)
    torch.testing.assert_close(log_joint, model.log_joint(x[None], z).detach())
    variances = known.covariance.diagonal()
    off = (z[:, 0].mean(0) - known.mean) / (variances / 2000).sqrt()
    assert float(off.abs().max()) < 3.5
    assert float((z[:, 0].var(0) / variances - 1).abs().max()) < 3.5 * (2 / 2000) ** 0.5
    assert float(acceptance) == pytest.approx(0.9, abs=0.07)


@pytest.mark.parametrize("latents", [1, 2, 3])
def test_the_bandwidth_is_the_best_by_leaving_one_out_with_scipy(latents: int) -> None:
    rng = np.random.default_rng(latents)
    two = rng.normal(size=(latents, 25)) + 12 * (np.arange(25) % 2)  # two clumps: Scott's is wide
    chosen = bandwidth(two)
    scores = []
    for multiple in MULTIPLES:
        whole = gaussian_kde(two)
        # The kernels of all the points' covariance, as the chosen density has them.
        total = 0.0
        for point in range(25):
            rest = np.delete(two, point, axis=1)
            kernel = gaussian_kde(rest)
            kernel.covariance = whole.covariance * multiple**2
            kernel.cho_cov = np.linalg.cholesky(kernel.covariance)
            kernel.log_det = 2 * np.log(np.diag(kernel.cho_cov * np.sqrt(2 * np.pi))).sum()
            total += float(kernel.logpdf(two[:, point])[0])
        scores.append(total)
    assert chosen == MULTIPLES[int(np.argmax(scores))]
    assert (chosen < 0.5) == (latents == 1)  # in more dimensions they are a ridge


def test_one_seed_one_result_and_chunks_of_items_are_put_together(monkeypatch) -> None:
    model = tiny.build("vae")
    x = tiny.all_data(model)
    seen: list[int] = []
    settings = {"samples": 12, "trajectories": 5}
    first, again = (
        kernel_marginal(model, x, **settings, generator=make_generator(0), progress=seen.append)
        for _ in "ab"
    )
    assert torch.equal(first.estimate, again.estimate)
    assert sum(seen) == 2 * 12 * 8 * 5
    monkeypatch.setattr("engine.evaluation.marginal.CHUNK_ROWS", 36)
    parts = kernel_marginal(model, x, **settings, generator=make_generator(0))
    assert parts.estimate.shape == parts.standard_error.shape == parts.multiples.shape == (8,)
    assert parts.acceptance.shape == (8,)


def test_bad_arguments_are_refused() -> None:
    generator = make_generator(0)
    x = torch.zeros(2, 3, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"one to 4 Gaussian latents.* got 5 gaussian"):
        kernel_marginal(tiny.build("vae", latent_dim=5), x, generator=generator)
    with pytest.raises(ValueError, match=r"one to 4 Gaussian latents.* got 5 bernoulli"):
        kernel_marginal(tiny.build("sbn-2"), x, generator=generator)
    with pytest.raises(ValueError, match=r"`samples` must be at least 8 for 2 latents.* got 7"):
        kernel_marginal(tiny.build("vae"), x, samples=7, generator=generator)
    with pytest.raises(ValueError, match=r"`x` must be \(items, 3\).* got \(2, 4\)"):
        kernel_marginal(tiny.build("vae"), torch.zeros(2, 4), generator=generator)
    with pytest.raises(ValueError, match="`trajectories` must be a whole number, at least 1"):
        kernel_marginal(tiny.build("vae"), x, trajectories=0, generator=generator)
