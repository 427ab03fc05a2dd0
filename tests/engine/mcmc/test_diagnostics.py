"""R-hat and effective sample sizes against chains whose answers are known."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import stats

from engine.mcmc.diagnostics import diagnose, running_r_hat, standard_error


def noise(*shape: int, seed: int = 0):
    return np.random.default_rng(seed).normal(size=shape)


def autoregression(chains: int, draws: int, weight: float, seed: int = 0):
    """x_t = weight x_{t-1} + noise with unit variance from the start, ``(chains, draws)``."""
    shocks = noise(draws, chains, seed=seed) * (1 - weight**2) ** 0.5
    values = [noise(chains, seed=seed + 1)]
    for shock in shocks[1:]:
        values.append(weight * values[-1] + shock)
    return np.stack(values, axis=1)


def r_hat_by_hand(trace):
    """The formulas of Vehtari et al. (2021), Secs. 3.1 and 4, for an even number of draws."""

    def of(values):
        halves = np.concatenate(np.split(values, 2, axis=1))
        ranks = stats.rankdata(halves).reshape(halves.shape)
        z = stats.norm.ppf((ranks - 3 / 8) / (halves.size + 1 / 4))
        draws = z.shape[1]
        within = z.var(axis=1, ddof=1).mean()
        between = draws * z.mean(axis=1).var(ddof=1)
        return np.sqrt(((draws - 1) / draws * within + between / draws) / within)

    return max(of(trace), of(abs(trace - np.median(trace))))


@pytest.mark.parametrize("shift", [0.0, 0.5, 3.0])
def test_r_hat_follows_the_formulas_of_the_paper(shift):
    trace = noise(4, 200) + shift * np.arange(4)[:, None]
    np.testing.assert_allclose(diagnose(trace).r_hat, r_hat_by_hand(trace), rtol=1e-10)


def test_chains_of_one_law_agree_and_chains_of_two_laws_do_not():
    trace = noise(8, 1000)
    agreed = diagnose(trace)
    assert agreed.r_hat < 1.01
    assert 6500 < agreed.ess_bulk < 9500
    assert 6500 < agreed.ess_tail < 9500
    trace[0] += 2
    assert diagnose(trace).r_hat > 1.05
    spread = noise(8, 1000)
    spread[0] *= 4  # the same centre: only the folded draws tell
    assert diagnose(spread).r_hat > 1.05


@pytest.mark.parametrize("weight", [0.5, 0.9])
def test_effective_sample_size_of_an_autoregression_is_the_known_one(weight):
    trace = autoregression(8, 4000, weight)
    expected = trace.size * (1 - weight) / (1 + weight)
    assert diagnose(trace).ess_bulk == pytest.approx(expected, rel=0.15)
    assert standard_error(trace) == pytest.approx(expected**-0.5, rel=0.1)


def test_many_traces_at_once_are_each_diagnosed_as_alone():
    trace = noise(4, 100, 3, 2)
    together = diagnose(trace)
    for values in together:
        assert values.shape == (3, 2)
    for index in np.ndindex(3, 2):
        alone = diagnose(trace[:, :, *index])
        assert [float(v) for v in alone] == [float(v[index]) for v in together]


def test_a_running_r_hat_is_that_of_the_first_draws():
    trace = np.stack([autoregression(4, 300, 0.9), noise(4, 300)], axis=-1)
    running = running_r_hat(trace, [10, 150, 300])
    assert running.shape == (3, 2)
    for row, length in zip(running, [10, 150, 300], strict=True):
        assert row.tolist() == diagnose(trace[:, :length]).r_hat.tolist()
    assert np.isnan(running_r_hat(trace, [1, 3])).all()


def test_thirty_running_r_hats_of_a_long_chain_are_affordable():
    trace = noise(4, 1000)
    lengths = range(33, 1000, 33)
    running_r_hat(trace, lengths)
    times = []
    for _ in range(5):
        start = time.process_time()
        running_r_hat(trace, lengths)
        times.append(time.process_time() - start)
    print(f"{len(lengths)} running R-hats: {1000 * min(times):.0f} ms")
    assert min(times) < 0.1


@pytest.mark.parametrize(
    "trace",
    [noise(4, 3), np.ones((4, 100)), np.where(np.arange(100) == 5, np.inf, noise(4, 100))],
    ids=["too few draws", "never changed", "not finite"],
)
def test_where_nothing_can_be_said_every_number_is_nan(trace):
    assert np.isnan(diagnose(trace)).all()
    assert np.isnan(standard_error(trace))


def test_one_chain_has_sample_sizes_and_no_r_hat():
    found = diagnose(noise(1, 500))
    assert np.isnan(found.r_hat)
    assert 300 < found.ess_bulk < 700


def test_chains_that_stand_still_apart_have_an_infinite_r_hat():
    assert diagnose(np.repeat(noise(4, 1), 50, axis=1)).r_hat == np.inf


def test_traces_of_bits_give_numbers_and_no_warning():
    found = diagnose((noise(4, 200) > 0).astype(float))
    assert found.r_hat < 1.02
    assert found.ess_bulk > 300


def test_a_trace_without_chains_and_lengths_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"`trace` must have axes .* got the shape \(100,\)"):
        diagnose(noise(100))
    with pytest.raises(ValueError, match="`lengths` must be from 1 to the 100 draws; got 101"):
        running_r_hat(noise(2, 100), [101])
