"""Bounds against enumeration; the memory that they take; what a card says of them."""

from __future__ import annotations

import math
import weakref
from itertools import pairwise

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from engine.evaluation import exact, likelihood
from engine.evaluation.likelihood import (
    Bounds,
    Curve,
    bound_metrics,
    bounds,
    metrics,
    standard_error,
    subset,
)
from engine.models import build_model
from engine.random import make_generator
from tests.engine.models.tiny import BITS, GAUSSIANS, all_data, build, marginal

K = 20_000


def measured(model, x, samples, seed=0):
    return bounds(model, x, samples=samples, generator=make_generator(seed))


def log_weights(model, x):
    """log p(x, z) - log q(z | x) and q(z | x), each ``(states, items)``."""
    log_q = exact.recognition_table(model, x).detach()
    return exact.log_joint_table(model, x).detach() - log_q, log_q.exp()


# --- against enumeration ------------------------------------------------------------------------


@pytest.mark.parametrize("name", BITS)
def test_elbo_agrees_with_enumeration_for_every_item(name):
    model = build(name)
    x = all_data(model)
    weights, q = log_weights(model, x)
    expected = exact.elbo(model, x).detach()
    error = ((q * (weights - expected).square()).sum(0) / K).sqrt()
    result = measured(model, x, K)
    assert ((result.elbo - expected).abs() < 5 * error).all()


@pytest.mark.parametrize("name", BITS)
def test_the_bound_of_many_samples_reaches_the_exact_log_likelihood(name):
    model = build(name)
    x = all_data(model)
    weights, q = log_weights(model, x)
    expected = exact.log_marginal(model, x).detach()
    # L_K is log p plus the log of a mean of w / p, whose variance is known: delta method
    error = ((q * ((weights - expected).exp() - 1).square()).sum(0) / K).sqrt()
    result = measured(model, x, K)
    assert ((result.bound - expected).abs() < 5 * error).all()


def test_the_bound_of_two_samples_has_the_expectation_of_every_pair():
    model = build("sbn-2")
    x = all_data(model)[2:3]
    weights, q = log_weights(model, x)
    pairs = torch.logaddexp(weights, weights.T) - math.log(2)
    expected = float((q * q.T * pairs).sum())
    result = measured(model, x.expand(20_000, -1), 2)
    assert abs(float(result.bound.mean()) - expected) < 5 * standard_error(result.bound)


def test_the_bound_increases_with_the_samples_up_to_the_log_likelihood():
    model = build("sbn-2-tanh")
    x = all_data(model)
    gap = exact.log_marginal(model, x) - exact.elbo(model, x)
    x = x[gap.argmax()][None]  # where there is most to gain
    top = float(exact.log_marginal(model, x).detach())
    results = [measured(model, x.expand(10_000, -1), k, seed=k).bound for k in (1, 3, 9, 27)]
    for fewer, more in pairwise(results):
        error = math.hypot(standard_error(fewer), standard_error(more))
        assert more.mean() - fewer.mean() > 5 * error
    assert results[-1].mean() < top + 5 * standard_error(results[-1])
    elbo = float(exact.elbo(model, x).detach())
    assert abs(results[0].mean() - elbo) < 5 * standard_error(results[0])


@pytest.mark.parametrize("name", GAUSSIANS)
def test_the_bound_of_gaussian_latents_reaches_the_quadrature(name):
    # weights so small that q covers the posterior: importance weights of bounded variance
    model = build(name, scale=0.2)
    x = all_data(model)[5:6]
    result = measured(model, x.expand(60, -1), 2000)
    slack = 5 * standard_error(result.bound) + 1e-3  # L_2000 itself lies below by some 1e-4
    assert slack < 0.1
    assert abs(float(result.bound.mean()) - float(marginal(model, x).detach())) < slack


@pytest.mark.parametrize("name", ["sbn-2", "dlgm-2-rank-one"])
def test_elbo_is_reconstruction_less_kl_and_lies_below_the_bound(name):
    model = build(name)
    result = measured(model, all_data(model), 50)
    torch.testing.assert_close(result.elbo, result.reconstruction - result.kl)
    assert (result.bound >= result.elbo).all()  # Jensen, on the very same samples
    assert {v.dtype for v in (result.elbo, result.kl, result.bound)} == {torch.float64}


def test_the_sampled_kl_agrees_with_the_closed_form():
    model = build("dlgm-2-rank-one")
    x = all_data(model)[1:2]
    result = measured(model, x.expand(5000, -1), 4)
    expected = float(model.recognition(x).kl_standard_normal().detach())
    assert abs(float(result.kl.mean()) - expected) < 5 * standard_error(result.kl)


# --- chunks and memory --------------------------------------------------------------------------


def test_chunks_do_not_change_the_result(monkeypatch):
    # one layer of bits, an item at a time: the same draws in the same order, whatever the chunk
    model = build("sbn-1")
    x = all_data(model)
    results = []
    for rows in (300, 70, 1):
        monkeypatch.setattr(likelihood, "CHUNK_ROWS", rows)
        results.append(measured(model, x, 300))
    for other in results[1:]:
        for name in ("elbo", "reconstruction", "kl", "bound"):
            torch.testing.assert_close(getattr(other, name), getattr(results[0], name))


def test_items_keep_their_places_in_chunks_of_several(monkeypatch):
    model = build("sbn-1")
    x = all_data(model)
    expected = exact.log_marginal(model, x).detach()
    weights, q = log_weights(model, x)
    error = ((q * ((weights - expected).exp() - 1).square()).sum(0) / K).sqrt()
    monkeypatch.setattr(likelihood, "CHUNK_ROWS", 3 * K)
    result = measured(model, x, K)
    assert ((result.bound - expected).abs() < 5 * error).all()
    # a wrong place would show
    assert ((expected.roll(1) - expected).abs() > 5 * error).float().mean() > 0.8


class LiveBytes(TorchDispatchMode):
    """The most bytes that tensors made inside have held at one time; views of `given` do not."""

    def __init__(self, given: torch.Tensor) -> None:
        super().__init__()
        self.users: dict[int, int] = {given.untyped_storage()._cdata: 1}
        self.live = self.peak = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                key, size = storage._cdata, storage.nbytes()
                if key not in self.users:
                    self.live += size
                self.users[key] = self.users.get(key, 0) + 1
                weakref.finalize(tensor, self.drop, key, size)
        self.peak = max(self.peak, self.live)
        return result

    def drop(self, key: int, size: int) -> None:
        self.users[key] -= 1
        if not self.users[key]:
            del self.users[key]
            self.live -= size


def peak(model, items: int, samples: int) -> int:
    x = torch.zeros(items, model.data_dim)
    with LiveBytes(x) as memory:
        measured(model, x, samples)
    return memory.peak


def test_memory_grows_by_a_weight_a_sample_and_by_the_results_of_an_item(monkeypatch):
    monkeypatch.setattr(likelihood, "CHUNK_ROWS", 500)
    model = build_model("vae", data_dim=20, latent_dim=3, hidden=(10,))
    one = peak(model, items=1, samples=500)
    chunk = 500 * 20 * 4
    assert 2 * chunk < one < 10 * chunk
    assert peak(model, items=1, samples=5000) < 1.2 * one + 8 * 5000
    results = 40 * (4 + 9) * 8  # four numbers of eight bytes an item, and nine of the curve
    assert peak(model, items=40, samples=500) < 1.2 * one + 2 * results
    few = peak(model, items=166, samples=3)
    assert peak(model, items=1660, samples=3) < 1.2 * few + 10 * 2 * 166 * 4 * 8


def test_an_image_with_5000_samples_takes_a_small_part_of_two_gigabytes():
    # items come one after the other, so 10 000 of them take what one takes
    model = build_model("vae", data_dim=784, latent_dim=20, hidden=(100,))
    assert peak(model, items=2, samples=5000) < 200e6


def test_progress_counts_every_decoded_image():
    model = build("sbn-1")
    x = all_data(model)
    seen: list[int] = []
    bounds(model, x, samples=3000, generator=make_generator(0), progress=seen.append)
    assert sum(seen) == 3000 * len(x)
    assert max(seen) <= likelihood.CHUNK_ROWS


# --- behaviour ----------------------------------------------------------------------------------


def test_bounds_are_measured_without_input_noise_and_leave_the_mode_as_it_was():
    model = build("vae", input_noise="bit-flip", noise_rate=0.4)
    x = all_data(model)
    quiet = measured(model.eval(), x, 5)
    assert not model.training
    loud = measured(model.train(), x, 5)
    assert model.training
    assert torch.equal(quiet.elbo, loud.elbo)


def test_bounds_depend_on_the_generator_alone_and_keep_no_graph():
    model = build("sbn-2")
    before = torch.get_rng_state()
    first, again = (measured(model, all_data(model), 7, seed=3) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.bound, again.bound)
    assert not first.bound.requires_grad


def test_the_mode_is_restored_when_something_fails():
    model = build("sbn-2").train()

    def fail(_: int) -> None:
        assert not model.training  # while it is measured
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bounds(model, all_data(model), samples=2, generator=make_generator(0), progress=fail)
    assert model.training


@pytest.mark.parametrize("samples", [0, -3, 2.5])
def test_too_few_samples_are_refused(samples):
    model = build("sbn-1")
    with pytest.raises(
        ValueError, match=rf"`samples` must be a whole number, at least 1; got {samples}"
    ):
        measured(model, all_data(model), samples)


@pytest.mark.parametrize("shape", [(3, 5), (4,), (0, 4), (2, 3, 4)])
def test_data_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"`x` must be \(items, 4\)"):
        measured(build("sbn-1"), torch.zeros(shape), 2)


# --- statistics ---------------------------------------------------------------------------------


def test_standard_error_is_that_of_a_mean():
    values = torch.tensor([1.0, 2.0, 4.0, 5.0])
    assert standard_error(values) == pytest.approx(math.sqrt(10 / 3) / 2)
    with pytest.raises(ValueError, match="at least 2 items; got 1"):
        standard_error(values[:1])


def test_a_subset_is_chosen_at_random_by_its_seed_in_the_order_of_the_items():
    x = torch.arange(100)[:, None]
    chosen = subset(x, 10)
    assert torch.equal(chosen, subset(x, 10))
    assert not torch.equal(chosen, subset(x, 10, seed=1))
    assert not torch.equal(chosen, x[:10])
    assert (chosen.diff(dim=0) > 0).all()
    assert subset(x, None) is x
    assert subset(x, 100) is x
    with pytest.raises(ValueError, match="`limit` must be at least 2; got 1"):
        subset(x, 1)


def test_metrics_name_value_error_estimator_samples_split_and_items():
    columns = [torch.tensor([1.0, 3.0]) * scale for scale in (1, 2, 3, 5)]
    curve = Curve((50, 100, 200), torch.tensor([[1.0, 3.0]]) * torch.tensor([[3], [4], [5]]))
    rows = metrics(Bounds(*columns, samples=200, curve=curve), "test")
    names = ["elbo", "reconstruction", "kl", "L_100", "L_200"]
    assert [row["name"] for row in rows] == names
    for row, scale in zip(rows, (1, 2, 3, 4, 5), strict=True):
        assert row["value"] == pytest.approx(2 * scale)
        assert row["standard_error"] == pytest.approx(scale)
        samples = 100 if row["name"] == "L_100" else 200
        assert (row["samples"], row["split"], row["items"]) == (samples, "test", 2)
        assert row["estimator"]


# --- the curve ----------------------------------------------------------------------------------


def of(elbo, gap):
    bound = elbo + gap
    return Bounds(elbo, elbo, elbo * 0, bound, 5, Curve((1, 5), torch.stack([elbo, bound])))


def test_a_bound_of_few_items_is_told_of_all_by_their_elbo_with_its_standard_error():
    found = []
    for seed in range(2000):
        noise = torch.randn(3, 400, generator=make_generator(seed), dtype=torch.float64)
        elbo = 20 * noise[0] - 100
        gap = 5 - 0.1 * (elbo + 100) + noise[1]  # the harder an item, the wider
        few = of(elbo[:40] + noise[2][:40], gap[:40] - noise[2][:40])  # by draws of its own
        (entry,) = bound_metrics(few, "test", of(elbo, gap))
        assert (entry["items"], entry["samples"]) == (400, 5)
        assert entry["estimator"].endswith("of 40 items, the ELBO of all as control variate")
        found.append((entry["value"], entry["standard_error"]))
    values, errors = torch.tensor(found).T
    assert abs(values.mean() + 95) < 5 * values.std() / 2000**0.5
    # The relative standard error of a standard deviation of n values is 1 / sqrt(2 n).
    deviation = float(values.std())
    assert float(errors.square().mean().sqrt()) == pytest.approx(deviation, rel=5 / 4000**0.5)
    assert deviation < 0.5 * standard_error(few.bound)


def test_a_bound_of_all_items_is_the_better_control_where_q_has_rare_draws_that_are_far_off():
    found = []
    for seed in range(2000):
        generator = make_generator(seed)
        noise = torch.randn(4, 400, generator=generator, dtype=torch.float64)
        far = (torch.rand(2, 400, generator=generator) < 0.01).double() * 400
        small = 20 * noise[0] - 100
        large = small + 5 + noise[1]
        whole = Bounds(small - far[0], small, small * 0, small, 5, Curve((5,), small[None]))
        own = small[:40] + 0.1 * noise[2][:40]  # by draws of its own
        curve = Curve((5, 100), torch.stack([own, large[:40]]))
        few = Bounds(own - far[1][:40], own, own * 0, large[:40], 100, curve)
        (entry,) = bound_metrics(few, "test", whole, "bound")
        assert (entry["items"], entry["samples"]) == (400, 100)
        assert entry["estimator"].endswith("of 40 items, L_5 of all as control variate")
        (other,) = bound_metrics(few, "test", whole)
        found.append((entry["value"], entry["standard_error"], other["value"]))
    values, errors, others = torch.tensor(found).T
    deviation = float(values.std())
    assert abs(values.mean() + 95) < 5 * deviation / 2000**0.5
    assert float(errors.square().mean().sqrt()) == pytest.approx(deviation, rel=5 / 4000**0.5)
    assert deviation < 0.5 * others.std()


def test_the_bound_that_controls_is_told_of_all_items_alone():
    model = build("vae")
    x = all_data(model)
    result, whole = measured(model, x[:5], 500), measured(model, x, 100)
    rows = {row["name"]: row for row in bound_metrics(result, "test", whole, "bound")}
    assert rows["L_100"]["value"] == pytest.approx(float(whole.bound.mean()))
    assert rows["L_100"]["standard_error"] == pytest.approx(standard_error(whole.bound))
    assert rows["L_100"]["estimator"] == "importance-weighted bound"
    assert rows["L_500"]["estimator"].endswith("of 5 items, L_100 of all as control variate")
    with pytest.raises(ValueError, match="no L_3 to control it by"):
        bound_metrics(result, "test", measured(model, x, 3), "bound")


@pytest.mark.parametrize("rows", [7, 8192])
def test_the_curve_goes_from_the_elbo_to_the_bound_by_the_same_draws(rows, monkeypatch):
    monkeypatch.setattr(likelihood, "CHUNK_ROWS", rows)
    model = build("vae")
    x = all_data(model)
    result = measured(model, x, 600)
    assert result.curve.ks == (1, 2, 5, 10, 20, 50, 100, 200, 500, 600)
    torch.testing.assert_close(result.curve.bound[0], result.elbo)
    torch.testing.assert_close(result.curve.bound[-1], result.bound)
    rows = likelihood.curve_rows(result)
    values = [row["value"] for row in rows]
    assert values[:8] == sorted(values[:8])  # up to 200 each K divides 600: always
    assert [row["samples"] for row in rows] == list(result.curve.ks)
    exact = float(marginal(model, x).mean().detach())
    assert values[0] + 0.5 < values[4] < values[-1] < exact + 0.05


def test_two_samples_of_the_curve_have_the_bound_of_their_definition():
    model = build("sbn-1")
    x = all_data(model)[:3]
    weights, q = log_weights(model, x)
    # E log((w_1 + w_2) / 2) over every pair of states
    pairs = torch.logaddexp(weights[:, None], weights[None]) - math.log(2)
    chances = q[:, None] * q[None]
    expected = (chances * pairs).sum((0, 1))
    error = ((chances * (pairs - expected).square()).sum((0, 1)) / (K / 2)).sqrt()
    result = measured(model, x, K)
    found = result.curve.bound[1]
    assert ((found - expected).abs() < 4 * error).all()
    assert ((found - result.elbo) > 4 * error).any()
