"""Monte Carlo EM against the gradient of log p(x) by a sum over a grid of z."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.estimators import GradientEstimator, build_estimator
from engine.mcmc.hmc import HMC
from engine.models import LatentVariableModel
from engine.random import make_generator
from tests.engine.estimators.exact import bits, exact_gradient, measured
from tests.engine.estimators.grids import vae


def log_marginal(model: LatentVariableModel, x: Tensor) -> Tensor:
    z = torch.linspace(-9, 9, 3001, dtype=torch.float64)
    log_joint = model.log_joint(x, z[:, None, None])[:, 0]
    return torch.logsumexp(log_joint, 0) + (z[1] - z[0]).log()


def distance(model: LatentVariableModel, estimator: GradientEstimator, x: Tensor) -> float:
    """Of the gradients of p from those of log p(x), in standard errors, the largest."""
    truth = exact_gradient(model, log_marginal(model, x))
    means, errors = measured(model, estimator.double().eval(), x, draws=20_000, chunk=20_000)
    return max(
        float(((means[name] - value).abs() / (errors[name] + 1e-12)).max())
        for name, value in truth.items()
        if name.startswith("decoder")
    )


def sharp() -> LatentVariableModel:
    """A posterior that is narrower than the prior and away from q."""
    model = vae("bernoulli")
    with torch.no_grad():
        model.decoder[-1].weight.mul_(3)
    return model


@pytest.mark.parametrize("start", ["recognition", "prior"])
def test_long_chains_give_the_gradient_of_the_log_likelihood_and_short_ones_do_not(start) -> None:
    model, x = sharp(), bits(1)
    options = {"start": start, "step_size": 0.2, "leapfrog_steps": 5}
    long = build_estimator("mcem", model=model, trajectories=25, **options)
    short = build_estimator("mcem", model=model, trajectories=1, **options)
    assert (short.objective, short.unbiased) == ("log-likelihood", False)
    assert distance(model, long, x) < 5
    assert distance(model, short, x) > 5


def test_the_step_size_reaches_nine_acceptances_of_ten_and_rests_in_evaluation_mode() -> None:
    model, x = sharp(), bits(50)
    estimator = build_estimator("mcem", model=model, step_size=3.0, leapfrog_steps=4)
    generator = make_generator(0)
    for _ in range(100):
        estimator(model, x, generator=generator)
    tuned = float(estimator.log_step_size.exp())
    kernel, rates = HMC(lambda z: model.log_joint(x, z), leapfrog_steps=4), []
    for _ in range(20):
        state = kernel.init(model.recognition(x).sample(generator=generator))
        rates.append(float(kernel.step(state, tuned, generator=generator).acceptance.mean()))
    assert sum(rates) / len(rates) == pytest.approx(0.9, abs=0.05)
    estimator.eval()
    estimator(model, x, generator=generator)
    assert float(estimator.log_step_size.exp()) == tuned


def test_the_recognition_climbs_the_likelihood_of_the_draws() -> None:
    model, x = sharp(), bits(6)
    estimator = build_estimator("mcem", model=model, leapfrog_steps=4)
    optimiser = torch.optim.Adam(model.encoder.parameters(), lr=0.04)
    divergences = []
    generator = make_generator(1)
    z = torch.linspace(-9, 9, 3001, dtype=torch.float64)[:, None, None]
    for step in range(101):
        if step % 100 == 0:
            with torch.no_grad():
                posterior = torch.softmax(model.log_joint(x, z), dim=0)
                log_q = model.recognition(x).log_prob(z)
                divergences.append(float(-(posterior * log_q).sum(0).mean()))
        optimiser.zero_grad()
        estimator(model, x, generator=generator).loss.backward()
        optimiser.step()
    assert divergences[1] < divergences[0] - 0.2


def test_prices_count_every_leapfrog_step_and_bad_options_are_refused() -> None:
    model = vae("bernoulli")
    assert build_estimator("mcem", model=model).evaluations == 12
    assert build_estimator("mcem", model=model, trajectories=3).evaluations == 32
    for options, message in (
        ({"start": "data"}, r"`start` must be one of .*'prior'.*got 'data'"),
        ({"acceptance": 1.0}, r"`acceptance` must lie between 0 and 1; got 1.0"),
        ({"step_size": 0.0}, r"`step_size` must be a positive number; got 0.0"),
        ({"trajectories": 0}, r"`trajectories` must be .*got 0"),
        ({"leapfrog_steps": 0}, r"`leapfrog_steps` must be .*got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            build_estimator("mcem", model=model, **options)
