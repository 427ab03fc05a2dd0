"""The imputation chain: exact where the recognition is, honest about its arguments."""

from __future__ import annotations

import itertools
from itertools import islice

import pytest
import torch
from torch import Tensor

from engine.distributions import DiagonalNormal, FactorizedBernoulli
from engine.mcmc import METHODS, State, build_kernel, impute
from engine.models import build_model
from engine.models.base import LatentVariableModel
from engine.random import make_generator
from tests.engine.mcmc.exact import ExactRecognition, LinearGaussian, all_bits

DATA = 5
every_method = pytest.mark.parametrize("method", METHODS)
MODELS = [
    ("vae", {"latent_dim": 2, "hidden": (4,)}),
    ("vae", {"latent_dim": 2, "hidden": (4,), "likelihood": "gaussian"}),
    ("dlgm", {"layers": (3, 2)}),
    ("dlgm", {"layers": (3, 2), "covariance": "rank-one"}),
    ("sbn", {"layers": (3, 2)}),
]
every_model_and_method = pytest.mark.parametrize(
    ("name", "config", "method"),
    [
        (*model, method)
        for model in MODELS
        for method in METHODS
        if (model[0], method) != ("sbn", "hmc")
    ],
)


def sbn(seed: int = 0) -> LatentVariableModel:
    """A small SBN in double precision with weights large enough for strong correlations."""
    model = build_model("sbn", data_dim=DATA, layers=(2, 2)).double().eval()
    generator = make_generator(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(1.5 * torch.randn(parameter.shape, generator=generator).double())
    return model


def vae(seed: int = 0, pixels: str = "bernoulli") -> LatentVariableModel:
    model = build_model("vae", data_dim=DATA, latent_dim=2, hidden=(4,), likelihood=pixels)
    generator = make_generator(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return model.eval()


def bits(*rows: str, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.tensor([[float(bit) for bit in row] for row in rows], dtype=dtype)


def run(model: object, x: Tensor, observed: Tensor, steps: int = 4, **options: object) -> State:
    """The state after `steps` transitions."""
    return next(islice(impute(model, x, observed, **options), steps - 1, None))


@torch.no_grad()
def conditional(exact: ExactRecognition, x: Tensor, observed: Tensor) -> Tensor:
    """p(x' | x_o) for every x' in the order of `all_bits`, for one item; 0 where x'_o != x_o."""
    every_x = all_bits(DATA)
    compatible = (every_x == x)[:, observed].all(-1)
    log_p = exact.log_table(every_x).logsumexp(-1)
    return torch.where(compatible, log_p, -torch.inf).softmax(0)


def standard_errors_off(draws: Tensor, expected: Tensor) -> float:
    """The largest deviation of the draws' frequencies from `expected`, in standard errors.

    The draws of independent chains are independent, so each count is binomial.
    """
    codes = (draws @ 2.0 ** torch.arange(DATA - 1, -1, -1).double()).long()
    share = codes.bincount(minlength=2**DATA) / len(draws)
    error = (expected * (1 - expected) / len(draws)).sqrt()
    assert share[expected == 0].sum() == 0
    return ((share - expected).abs() / error)[expected > 0].max().item()


def test_stationary_law_is_the_conditional_by_enumeration_where_recognition_is_exact() -> None:
    exact = ExactRecognition(sbn())
    x = bits("10110", "01001", dtype=torch.float64)
    observed = bits("11000", "00010").bool()
    state = run(exact, x, observed, 40, chains=10_000, generator=make_generator(1))
    for item in range(len(x)):
        expected = conditional(exact, x[item], observed[item])
        assert standard_errors_off(state.x[:, item], expected) < 5


def test_a_recognition_that_is_not_the_posterior_leads_to_another_law() -> None:
    # The chain's known flaw, and the proof that the test above can fail.
    model = sbn()
    x, observed = bits("10110", dtype=torch.float64), bits("11000").bool()
    state = run(model, x, observed, 40, chains=10_000, generator=make_generator(1))
    expected = conditional(ExactRecognition(model), x[0], observed[0])
    assert standard_errors_off(state.x[:, 0], expected) > 10


def test_rao_blackwellised_mean_agrees_with_the_conditional_by_enumeration() -> None:
    exact = ExactRecognition(sbn())
    x, observed = bits("10110", dtype=torch.float64), bits("11000").bool()
    chains = 10_000
    state = run(exact, x, observed, 40, chains=chains, generator=make_generator(2))
    expected = conditional(exact, x[0], observed[0]) @ all_bits(DATA)

    draws, means = state.x[:, 0], state.mean[:, 0]
    error = means.std(0) / chains**0.5
    assert (means.mean(0) - expected).abs().le(5 * error + 1e-12).all()
    missing = ~observed[0]
    assert (means.std(0) < draws.std(0))[missing].all()


def test_gaussian_pixels_reach_the_conditional_mean_and_covariance() -> None:
    model = LinearGaussian(data_dim=DATA, latent_dim=2, scale=0.5, seed=3)
    x = torch.tensor([[1.5, -0.5, 0.0, 0.0, 0.0]], dtype=torch.float64)
    observed = bits("11000").bool()
    chains = 40_000
    state = run(model, x, observed, 80, chains=chains, generator=make_generator(4))

    covariance = model.covariance()
    gain = covariance[2:, :2] @ covariance[:2, :2].inverse()
    mean = model.offset[2:] + gain @ (x[0, :2] - model.offset[:2])
    conditional = covariance[2:, 2:] - gain @ covariance[:2, 2:]

    draws = state.x[:, 0, 2:]
    error = (conditional.diagonal() / chains).sqrt()
    assert (draws.mean(0) - mean).abs().le(5 * error).all()
    variances = conditional.diagonal()
    spread = ((variances.outer(variances) + conditional.square()) / chains).sqrt()
    assert (draws.T.cov() - conditional).abs().le(5 * spread).all()


@every_method
@pytest.mark.parametrize("pixels", ["bernoulli", "gaussian"])
def test_observed_pixels_stay_bit_for_bit_and_missing_ones_move(pixels: str, method: str) -> None:
    model = vae(pixels=pixels)
    generator = make_generator(0)
    x = torch.rand(3, DATA, generator=generator)
    observed = torch.rand(3, DATA, generator=generator) < 0.5
    moved = torch.zeros(3, DATA, dtype=torch.bool)
    chain = impute(model, x, observed, method, chains=4, generator=generator)
    for state in islice(chain, 100):
        assert state.x.shape == state.mean.shape == (4, 3, DATA)
        assert state.z.shape == (4, 3, 2)
        assert torch.equal(state.x[:, observed], x[observed].expand(4, -1))
        assert torch.equal(state.mean[:, observed], x[observed].expand(4, -1))
        assert state.accepted.shape == state.log_joint.shape == (4, 3)
        assert state.accepted.dtype == torch.bool
        moved |= (state.x != state.x[:1]).any(0)
    assert torch.equal(moved, ~observed)


@every_model_and_method
def test_every_model_runs_chains_of_several_images_at_once(
    name: str, config: dict[str, object], method: str
) -> None:
    model = build_model(name, data_dim=DATA, **config).eval()
    x = torch.zeros(2, DATA)
    observed = torch.zeros(2, DATA, dtype=torch.bool)
    state = run(model, x, observed, 2, method=method, chains=3, generator=make_generator(0))
    assert state.x.shape == (3, 2, DATA)
    assert state.z.shape == (3, 2, sum(model.layer_sizes))
    assert state.x.isfinite().all()
    assert not state.x.requires_grad
    assert not state.log_joint.requires_grad


@every_model_and_method
def test_log_joint_is_that_of_the_latents_and_the_observed_pixels(
    name: str, config: dict[str, object], method: str
) -> None:
    model = build_model(name, data_dim=DATA, **config).double().eval()
    generator = make_generator(3)
    x = torch.rand(2, DATA, generator=generator, dtype=torch.float64).round()
    observed = bits("11010", "00101").bool()
    kernel = build_kernel(method, model)
    state = kernel.init(x, observed, chains=3, generator=generator)
    for _ in range(6):
        for chain, item in itertools.product(range(3), range(2)):
            z = state.z[chain, item : item + 1]
            seen = observed[item]
            pixels = model.likelihood(z)
            if model.likelihood_kind == "bernoulli":
                part = FactorizedBernoulli(pixels.logits[:, seen])
            else:
                part = DiagonalNormal(pixels.loc[:, seen], pixels.log_scale[:, seen])
            expected = model.prior().log_prob(z) + part.log_prob(x[item, seen])
            torch.testing.assert_close(state.log_joint[chain, item], expected[0])
            mean = torch.where(seen, x[item], pixels.mean[0])
            if state.step:
                torch.testing.assert_close(state.mean[chain, item], mean)
        state = kernel.step(state, generator=generator)


@every_method
def test_the_same_generator_seed_gives_the_same_chain_bit_for_bit(method: str) -> None:
    model, x, observed = vae(), bits("10110"), bits("11000").bool()
    first = run(model, x, observed, method=method, chains=8, generator=make_generator(5))
    again = run(model, x, observed, method=method, chains=8, generator=make_generator(5))
    other = run(model, x, observed, method=method, chains=8, generator=make_generator(6))
    assert torch.equal(first.x, again.x)
    assert torch.equal(first.z, again.z)
    assert not torch.equal(first.z, other.z)


@every_method
def test_torchs_default_generator_is_left_alone(method: str) -> None:
    model = vae()
    before = torch.get_rng_state()
    run(model, bits("10110"), bits("11000").bool(), method=method, generator=make_generator(5))
    assert torch.equal(torch.get_rng_state(), before)


def test_chains_and_images_are_independent_of_each_other() -> None:
    model = vae()
    x, observed = bits("10110", "10110"), bits("11000", "11000").bool()
    state = run(model, x, observed, 10, chains=20_000, generator=make_generator(7))
    z = (state.z - state.z.mean(0)) / state.z.std(0)
    neighbours = (z[1:] * z[:-1]).mean((0, 1))  # chain against the next chain
    images = (z[:, 0] * z[:, 1]).mean(0)
    assert neighbours.abs().max() < 5 / 40_000**0.5
    assert images.abs().max() < 5 / 20_000**0.5


@every_method
def test_what_stands_at_missing_pixels_is_never_looked_at(method: str) -> None:
    model, observed = vae(), bits("11000").bool()
    x = bits("10110")
    hidden = x.where(observed, torch.nan)
    first = run(model, x, observed, method=method, generator=make_generator(8))
    other = run(model, hidden, observed, method=method, generator=make_generator(8))
    assert torch.equal(first.x, other.x)
    assert torch.equal(first.mean, other.mean)
    assert torch.equal(first.log_joint, other.log_joint)


def test_the_fill_is_step_zero_and_the_iterator_starts_after_one_transition() -> None:
    model, x, observed = vae(), bits("10110"), bits("11000").bool()
    model.set_data_mean(torch.tensor([0.5, 0.5, 0.0, 0.3, 0.9]))
    generator = make_generator(9)
    kernel = build_kernel("pseudo-gibbs", model)
    fill = kernel.init(x, observed, chains=500, generator=generator)
    assert fill.step == 0
    assert fill.chains == 500
    assert fill.accepted.all()
    assert set(fill.x.unique().tolist()) == {0.0, 1.0}
    assert (fill.x[..., :2] == x[:, :2]).all()
    for at, mean in ((2, 0.0), (3, 0.3), (4, 0.9)):  # bits are on as often as in training
        torch.testing.assert_close(fill.mean[..., at], torch.full((500, 1), mean))
        error = (mean * (1 - mean) / 500) ** 0.5
        assert (fill.x[..., at].mean() - mean).abs() <= 5 * error

    first = next(impute(model, x, observed, chains=500, generator=make_generator(9)))
    assert first.step == 1
    assert torch.equal(first.x, kernel.step(fill, generator=generator).x)


def test_gaussian_pixels_are_filled_uniformly_between_zero_and_one() -> None:
    kernel = build_kernel("pseudo-gibbs", vae(pixels="gaussian"))
    observed = torch.zeros(1, DATA, dtype=torch.bool)
    fill = kernel.init(torch.zeros(1, DATA), observed, chains=2000, generator=make_generator(1))
    flat = fill.x.flatten().sort().values
    # Kolmogorov-Smirnov: 1.95 / sqrt(n) is passed once in a thousand seeds.
    expected = torch.linspace(0, 1, len(flat))
    assert (flat - expected).abs().max() < 1.95 / len(flat) ** 0.5


@every_method
def test_a_kept_state_resumes_and_is_never_changed(method: str) -> None:
    model, x, observed = vae(), bits("10110"), bits("11000").bool()
    kernel = build_kernel(method, model)
    state = kernel.init(x, observed, chains=2, generator=make_generator(1))
    kept = state.x.clone()
    left = kernel.step(state, generator=make_generator(2))
    right = kernel.step(state, generator=make_generator(2))
    assert torch.equal(left.x, right.x)
    assert torch.equal(state.x, kept)


@every_method
def test_all_observed_stays_and_none_observed_runs(method: str) -> None:
    model, x = vae(), bits("10110")
    nothing = torch.zeros(1, DATA, dtype=torch.bool)
    full = run(model, x, ~nothing, method=method, generator=make_generator(0))
    empty = run(model, x, nothing, method=method, generator=make_generator(0))
    assert torch.equal(full.x[0], x)
    assert empty.x.shape == (1, 1, DATA)
    assert torch.equal(empty.log_joint, model.prior().log_prob(empty.z))


def test_pseudo_gibbs_rejects_nothing() -> None:
    model, x = vae(), bits("10110")
    chain = impute(model, x, bits("11000").bool(), chains=50, generator=make_generator(0))
    assert all(state.accepted.all() for state in islice(chain, 10))


def test_the_draws_of_pseudo_gibbs_are_the_same_as_ever() -> None:
    # Links with a seed must lead to the same picture: the order of draws is part of the method.
    model, x, observed = vae(), bits("10110"), bits("11000").bool()
    generator, by_hand = make_generator(5), make_generator(5)
    state = run(model, x, observed, 3, chains=2, generator=generator)

    fill = (torch.rand(2, 1, DATA, generator=by_hand) < 0.5).float()
    completed = torch.where(observed, x, fill)
    torch.randn(2, 2, generator=by_hand)  # the latents of step 0
    for _ in range(3):
        q = model.recognition(completed[:, 0])
        z = q.loc + q.log_scale.exp() * torch.randn(2, 2, generator=by_hand)
        coins = torch.rand(2, DATA, generator=by_hand) < model.likelihood(z).mean
        completed = torch.where(observed, x, coins.float()[:, None])
    assert torch.equal(state.x, completed)
    torch.testing.assert_close(state.z[:, 0], z)
    assert torch.equal(generator.get_state(), by_hand.get_state())


X, OBSERVED = bits("10110"), bits("11000").bool()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "gibbs"}, r"one of 'pseudo-gibbs', .*, 'hmc'; got 'gibbs'"),
        ({"model": sbn().float(), "method": "hmc"}, r"'hmc' needs .* of SBN are bernoulli"),
        ({"chains": 0}, r"`chains` must be .* at least 1; got 0"),
        ({"chains": 2.0}, r"`chains` must be a whole number, .* got 2.0"),
        ({"chains": True}, r"`chains` must be a whole number, .* got True"),
        ({"x": X[0]}, r"`x` must have shape \(batch, 5\); got \(5,\)"),
        ({"x": torch.zeros(1, 4)}, r"`x` must have shape \(batch, 5\); got \(1, 4\)"),
        ({"x": X.to(torch.uint8)}, r"`x` must be a floating-point tensor; got torch.uint8"),
        ({"x": [[1.0]]}, r"`x` must be a floating-point tensor; got a list"),
        ({"x": X.double()}, r"`x` must have the model's dtype torch.float32; got torch.float64"),
        ({"x": 255 * X}, r"observed pixels of `x` must lie in \[0, 1\]; got 255"),
        ({"x": X - 0.5}, r"observed pixels of `x` must lie in \[0, 1\]; got -0.5"),
        ({"x": X * torch.nan}, r"observed pixels of `x` must lie in \[0, 1\]; got nan"),
        ({"observed": OBSERVED.float()}, r"`observed` must be a bool tensor.* got torch.float32"),
        ({"observed": OBSERVED[0]}, r"`observed` must have the shape of `x`, \(1, 5\); got \(5,\)"),
    ],
)
def test_bad_arguments_are_refused_at_the_call(changes: dict[str, object], message: str) -> None:
    arguments = {"model": vae(), "x": X, "observed": OBSERVED, **changes}
    with pytest.raises(ValueError, match=message):
        impute(**arguments)


def test_gaussian_pixels_may_lie_outside_the_unit_interval_but_not_be_infinite() -> None:
    model = vae(pixels="gaussian")
    impute(model, X + 0.2, OBSERVED)
    with pytest.raises(ValueError, match="must be finite; got inf"):
        impute(model, X + torch.inf, OBSERVED)


def test_methods_cannot_be_changed_from_outside() -> None:
    with pytest.raises(TypeError):
        METHODS["other"] = METHODS["pseudo-gibbs"]  # type: ignore[index]
