"""Visited frequencies beside the truth: their errors, their time, their arguments."""

from __future__ import annotations

import time

import pytest
import torch

from engine.evaluation.conditional import exact_conditional
from engine.mcmc.comparison import compare
from engine.mcmc.imputation import suitable_methods
from engine.mcmc.tiny import TINY
from engine.random import make_generator

METHOD = "metropolis-within-gibbs"


@pytest.mark.parametrize("name", TINY)
def test_standard_errors_are_the_spread_over_repeated_runs(name: str) -> None:
    example = TINY[name]()
    runs = [
        compare(
            *example,
            methods=[METHOD],
            transitions=200,
            chains=16,
            generator=make_generator(seed),
        ).methods[METHOD]
        for seed in range(24)
    ]
    spread = torch.stack([run.frequencies for run in runs]).std(0)
    claimed = torch.stack([run.standard_errors for run in runs]).nan_to_num(0).mean(0)
    common = spread > spread.max() / 4
    ratio = (claimed / spread)[common]
    assert 0.7 < ratio.median() < 1.3
    # Draws taken for independent would claim too little.
    share = torch.stack([run.frequencies for run in runs]).mean(0)
    naive = (share * (1 - share) / (200 * 16)).sqrt()
    assert (claimed / naive)[common].max() > 1.5


@pytest.mark.parametrize("name", TINY)
def test_the_bars_are_whole_and_come_within_seconds(name: str) -> None:
    example = TINY[name]()
    start = time.process_time()
    found = compare(*example, generator=make_generator(0))
    seconds = time.process_time() - start
    print(f"{name}: {seconds:.2f} s")
    assert seconds < 12  # three to six on a core of its own, more where a neighbour shares it
    law = exact_conditional(*example)
    assert torch.equal(found.exact, law.probabilities)
    assert torch.equal(found.completions, law.completions)
    assert list(found.methods) == suitable_methods(example.model)
    for result in found.methods.values():
        assert float(result.frequencies.sum()) == pytest.approx(1)
        difference = (result.frequencies - found.exact).abs().sum() / 2
        assert result.total_variation == pytest.approx(float(difference))


def test_seeds_reproduce_and_the_tiny_models_never_change() -> None:
    first, again = (
        compare(*TINY["bars"](), transitions=20, generator=make_generator(3)) for _ in "ab"
    )
    for method in first.methods:
        assert torch.equal(first.methods[method].frequencies, again.methods[method].frequencies)
    for build in TINY.values():
        one, two = build(), build()
        for a, b in zip(one.model.parameters(), two.model.parameters(), strict=True):
            assert torch.equal(a, b)


def test_bad_arguments_are_refused() -> None:
    example = TINY["bars"]()
    with pytest.raises(ValueError, match="`transitions` must be a whole number, at least 1; got 0"):
        compare(*example, transitions=0, generator=make_generator(0))
    with pytest.raises(ValueError, match="`method` must be one of 'pseudo-gibbs'"):
        compare(*example, methods=["gibbs"], generator=make_generator(0))
    with pytest.raises(ValueError, match="`chains` must be a whole number, at least 1; got 0"):
        compare(*example, chains=0, generator=make_generator(0))
