"""Every model with every estimator through one set of checks (interface.md)."""

from __future__ import annotations

import itertools

import pytest
import torch

import engine
from engine.estimators.layers import LayerEstimator
from engine.evaluation import exact
from engine.evaluation.likelihood import standard_error
from engine.random import make_generator
from tests.engine.models.tiny import GAUSSIANS, MODELS, all_data, build, marginal

OPTIONS = {
    "mcem": [{"leapfrog_steps": 3}, {"trajectories": 2, "leapfrog_steps": 2, "start": "prior"}],
    "nvil": [
        {"hidden": 4},
        {"local_signals": False},
        {"centring": False, "input_baseline": False, "normalise": False, "local_signals": False},
    ],
    "concrete": [{}, {"density": "mass", "temperature": 0.3}],
    "dreg": [{"samples": 3}],
    "iwae": [{"samples": 3}],
    "leave-one-out": [{}, {"samples": 3}],
    "relax": [{"hidden": 4}],
    "reweighted-wake-sleep": [{"samples": 3, "phi": phi} for phi in ("wake", "sleep", "both")],
    "rezende": [{"form": "hessian", "samples": 2}, {"form": "noise"}],
    "sgvb-a": [{}, {"samples": 2}],
    "sgvb-b": [{}, {"samples": 2}],
    "sticking-the-landing": [{}, {"samples": 2}],
    "vimco": [{"samples": 3}],
}
LINKED = ("sbn-2-linked", "fdarn-1", "darn-2-linked")


def _suits(name: str, estimator: str) -> bool:
    kind = engine.ESTIMATORS[estimator]
    if "density" not in kind.prior_kinds:
        return False
    if name in GAUSSIANS:
        return "gaussian" in kind.latent_kinds
    by_bit = issubclass(kind, LayerEstimator) and name.endswith("-linked")
    return "bernoulli" in kind.latent_kinds and not by_bit


EVERY = [
    pytest.param(name, estimator, options, id=f"{name}-{estimator}-{index}")
    for name, estimator in itertools.product([*MODELS, *LINKED], engine.ESTIMATORS)
    for index, options in enumerate(OPTIONS.get(estimator, [{}]))
    if _suits(name, estimator)
]


@pytest.mark.parametrize(("name", "estimator_name", "options"), EVERY)
def test_an_estimate_is_a_bound_an_item_and_a_scalar_loss(name, estimator_name, options):
    model = build(name).train()
    x = all_data(model)
    estimator = engine.build_estimator(estimator_name, model=model, **options).double()
    assert isinstance(estimator.objective, str)
    assert isinstance(estimator.unbiased, bool)
    estimate = estimator(model, x, generator=make_generator(0))
    assert estimate.elbo.shape == (len(x),)
    assert not estimate.elbo.requires_grad
    assert estimate.loss.shape == ()
    assert estimate.elbo.isfinite().all()
    estimate.loss.backward()
    for key, parameter in [*model.named_parameters(), *estimator.named_parameters()]:
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key


@pytest.mark.parametrize(("name", "estimator_name", "options"), EVERY)
def test_an_estimate_depends_on_the_generator_alone(name, estimator_name, options):
    x = all_data(build(name))
    before = torch.get_rng_state()
    results = []
    for seed in (3, 3, 4):
        model = build(name).eval()
        estimator = engine.build_estimator(estimator_name, model=model, **options).double()
        estimator.reset_parameters(make_generator(1))
        torch.set_rng_state(before)  # building draws weights; what comes now must not draw
        results.append(estimator(model, x, generator=make_generator(seed)))
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(results[0].elbo, results[1].elbo)
    assert torch.equal(results[0].loss, results[1].loss)
    assert not torch.equal(results[0].elbo, results[2].elbo)


@pytest.mark.parametrize(("name", "estimator_name", "options"), EVERY)
def test_the_reported_bound_lies_below_the_log_likelihood(name, estimator_name, options):
    model = build(name, scale=0.5).eval()
    item = all_data(model)[1:2]
    estimator = engine.build_estimator(estimator_name, model=model, **options).double()
    estimate = estimator(model, item.expand(4000, -1), generator=make_generator(0))
    mean, error = float(estimate.elbo.mean()), standard_error(estimate.elbo)
    assert mean < float(marginal(model, item).detach()) + 5 * error
    if model.latent_kind == "bernoulli":
        assert abs(mean - float(exact.elbo(model, item).detach())) < 5 * error


@pytest.mark.parametrize("name", ["sbn-1", "sbn-3-tanh"])
@pytest.mark.parametrize("estimator", ["sgvb-a", "sgvb-b", "iwae"])
def test_pathwise_estimators_refuse_bits(name, estimator):
    with pytest.raises(ValueError, match=r"needs latents that are gaussian.*SBN are bernoulli"):
        engine.build_estimator(estimator, model=build(name))


def test_registries_map_names_to_what_builds_them_and_cannot_be_changed():
    assert {"vae", "dlgm", "sbn", "rbm"} <= set(engine.MODELS)
    assert {"sgvb-a", "score-function", "nvil", "vimco"} <= set(engine.ESTIMATORS)
    assert {"mnist", "mnist-static", "mnist-dynamic", "frey", "digits-mini"} <= set(engine.DATASETS)
    for registry in (engine.MODELS, engine.ESTIMATORS, engine.DATASETS):
        assert all(callable(build) for build in registry.values())
        with pytest.raises(TypeError):
            registry["mine"] = object  # type: ignore[index]


@pytest.mark.parametrize("name", [*MODELS, *LINKED])
def test_a_model_has_the_shapes_of_the_interface(name):
    model = build(name)
    latent = sum(model.layer_sizes)
    x = all_data(model)
    generator = make_generator(0)
    z = model.recognition(x).sample((5, 2), generator=generator)
    assert z.shape == (5, 2, len(x), latent)
    assert model.recognition(x).log_prob(z).shape == (5, 2, len(x))
    assert model.log_joint(x, z).shape == (5, 2, len(x))
    assert model.likelihood(z).mean.shape == (5, 2, len(x), model.data_dim)
    assert model.likelihood(z).log_prob(x).shape == (5, 2, len(x))
    prior = model.prior().sample((4, 3), generator=generator)
    assert prior.shape == (4, 3, latent)
    assert model.prior().log_prob(prior).shape == (4, 3)
    assert model.sample(7, generator=generator).shape == (7, model.data_dim)
    assert model.resample(prior[0], [True] * len(model.layer_sizes)).shape == (3, latent)


def test_a_name_or_option_that_does_not_exist_is_refused():
    model = build("vae")
    with pytest.raises(ValueError, match=r"`name`.*nvil.*'magic'"):
        engine.build_estimator("magic", model=model)
    with pytest.raises(ValueError, match=r"'sgvb-b'.*colour.*samples"):
        engine.build_estimator("sgvb-b", model=model, colour="red")
    for samples in (0, 2.5, True, "3"):
        with pytest.raises(ValueError, match=rf"`samples` must be a whole.*got {samples!r}"):
            engine.build_estimator("sgvb-b", model=model, samples=samples)
    with pytest.raises(ValueError, match=r"`name`.*'imagenet'"):
        engine.load_dataset("imagenet")
