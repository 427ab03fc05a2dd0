"""The anatomy of the gap against closed forms, enumeration and quadrature."""

from __future__ import annotations

import time

import pytest
import torch

from engine import load_checkpoint, load_dataset
from engine.datasets import find_dataset
from engine.evaluation import exact
from engine.evaluation.gap import Measured, anatomy
from engine.random import make_generator
from tests.engine.evaluation.closed_form import linear_gaussian
from tests.engine.models import tiny

SMALL = {"samples": 1000, "repetitions": 4}


def within(found: Measured, expected: float, slack: float = 0.0) -> bool:
    return abs(found.value - expected) < 4 * found.standard_error + slack


@pytest.mark.parametrize("latents", [2, 3])
def test_every_part_agrees_with_the_closed_form(latents: int) -> None:
    model, x, truth = linear_gaussian(latents, 0.5)
    found = anatomy(model, x, generator=make_generator(0))
    assert found.source == ("grid" if latents == 2 else "importance")
    assert (found.grid is None) == (latents == 3)
    assert within(found.elbo, truth.elbo)
    assert within(found.local_elbo, truth.best_elbo, slack=1e-3)  # the search ends near the top
    assert within(found.log_marginal, truth.log_marginal, slack=1e-3)
    assert within(found.amortisation_gap, truth.best_elbo - truth.elbo, slack=1e-3)
    assert within(found.family_gap, truth.log_marginal - truth.best_elbo, slack=2e-3)
    assert found.amortisation_gap.value > 20 * found.amortisation_gap.standard_error
    assert found.family_gap.value > 20 * found.family_gap.standard_error


@pytest.mark.parametrize("name", [*tiny.MODELS, "sbn-2-linked", "darn-2-linked"])
@torch.no_grad()
def test_gaps_are_never_negative_and_sum_to_the_whole(name: str) -> None:
    model = tiny.build(name)
    for seed, x in enumerate(tiny.all_data(model)[[1, 6]]):
        found = anatomy(model, x, generator=make_generator(seed), **SMALL)
        for gap in (found.amortisation_gap, found.family_gap):
            assert gap.value > -4 * gap.standard_error
        whole = found.log_marginal.value - found.elbo.value
        assert found.amortisation_gap.value + found.family_gap.value == pytest.approx(whole)
        slack = 1e-3 if found.source == "grid" else 1e-9  # kinks of relu
        assert within(found.log_marginal, float(tiny.marginal(model, x[None])), slack)
        if model.latent_kind == "bernoulli":
            assert found.source == "enumeration"
            assert within(found.elbo, float(exact.elbo(model, x[None])))


def test_the_search_begins_at_the_top_of_the_posterior_too() -> None:
    # Two modes; the amortised q sits on the lower one, where the search would stay.
    model = tiny.build("vae")
    with torch.no_grad():
        for value in model.parameters():
            value.zero_()
        decoder = model.decoder
        decoder[0].weight[0, 0] = decoder[0].weight[1, 0] = 4.0
        decoder[0].bias[0], decoder[0].bias[1] = -12.0, 12.0  # steps at 3 and at -3
        decoder[2].weight[:, 0] = 4.0
        decoder[2].weight[:, 1] = -3.0
        model.encoder[2].bias[0], model.encoder[2].bias[2] = -3.3, -2.0
    model.data_mean.zero_()
    found = anatomy(model, torch.ones(3).double(), generator=make_generator(0), **SMALL)
    assert found.grid is not None
    assert found.grid.peak[0] > 2.5
    assert found.amortised.mean[0, 0] < -3
    assert found.local.mean[0, 0] > 2.5
    assert found.family_gap.value < 1


def test_a_grid_that_misses_the_posterior_is_not_trusted() -> None:
    ridge = torch.tensor([[1.0, 0.7], [0.5, 0.35], [0.2, 0.15], [-1.0, -0.7]]).double()
    model, x, truth = linear_gaussian(2, 0.005, loadings=ridge)
    found = anatomy(model, x, generator=make_generator(0), steps=20, **SMALL)
    assert found.grid is not None
    assert found.grid.error > 0.1
    assert found.source == "importance"
    assert found.log_marginal.value < truth.log_marginal + 4 * found.log_marginal.standard_error


def test_importance_sampling_agrees_with_enumeration(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny.build("sbn-2")
    x = tiny.all_data(model)[1]
    monkeypatch.setattr("engine.evaluation.gap.MAX_BITS", 4)
    found = anatomy(model, x, generator=make_generator(0))
    assert found.source == "importance"
    truth = float(exact.log_marginal(model, x[None]).detach())
    assert 0 < found.log_marginal.standard_error < 0.01
    assert within(found.log_marginal, truth, slack=1e-4)


def test_progress_climbs_to_one_and_what_it_raises_stops_the_work() -> None:
    model, x, _ = linear_gaussian(3, 0.5)
    seen: list[float] = []
    anatomy(model, x, generator=make_generator(0), progress=seen.append, steps=50, **SMALL)
    assert seen == sorted(seen)
    assert seen[0] < 0.05
    assert seen[-1] == 1
    assert seen[-2] > 0.8

    class LeftError(Exception):
        pass

    calls = 0

    def stop(share: float) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise LeftError

    with pytest.raises(LeftError):
        anatomy(model, x, generator=make_generator(0), progress=stop)
    assert calls == 3


def test_seeds_reproduce() -> None:
    model = tiny.build("sbn-2")
    x = tiny.all_data(model)[1]
    first, again, other = (
        anatomy(model, x, generator=make_generator(seed), steps=30, **SMALL) for seed in (0, 0, 1)
    )
    assert first.elbo == again.elbo
    assert first.local_elbo == again.local_elbo
    assert first.elbo != other.elbo


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "vae-2-mnist-static",
        "vae-20-mnist-static",
        "dlgm-rank-one-mnist-static",
        "sbn-200-200-mnist-static",
    ],
)
def test_one_image_of_a_shipped_model_takes_seconds(name: str) -> None:
    checkpoint = load_checkpoint(name)
    if find_dataset(checkpoint.card["dataset"]) is None:
        pytest.skip(f"the data set {checkpoint.card['dataset']} is not at hand")
    x = load_dataset(checkpoint.card["dataset"]).test[5]
    anatomy(checkpoint.model, x, generator=make_generator(0), steps=5, samples=100)
    start = time.process_time()
    found = anatomy(checkpoint.model, x, generator=make_generator(0))
    seconds = time.process_time() - start
    print(
        f"{name}: {seconds:.1f} s; ELBO {found.elbo.value:.2f}, "
        f"amortisation {found.amortisation_gap.value:.2f} ± "
        f"{found.amortisation_gap.standard_error:.2f}, family {found.family_gap.value:.2f} ± "
        f"{found.family_gap.standard_error:.2f}"
    )
    assert seconds < 3
    assert found.amortisation_gap.value > 10 * found.amortisation_gap.standard_error
    assert found.family_gap.value > 0
    assert (found.curve.bound.diff() > -4 * found.curve.standard_error[1:]).all()


def test_bad_arguments_are_refused() -> None:
    model, x, _ = linear_gaussian(2, 0.5)
    with pytest.raises(ValueError, match="`repetitions` must be a whole number, at least 2"):
        anatomy(model, x, repetitions=1, generator=make_generator(0))
    with pytest.raises(ValueError, match="`samples` must be a whole number, at least 1; got 0"):
        anatomy(model, x, samples=0, generator=make_generator(0))
