"""The toy table: closed forms against its published digits, measurements against both."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.estimators import ESTIMATORS as REAL
from engine.estimators import build_estimator
from engine.evaluation.toy import ESTIMATORS, PROBLEMS, ToyProblem, simulate, table
from engine.models import build_model
from engine.random import make_generator

NAMES = ("score-function", "leave-one-out", "arm", "disarm")
TABLE = {  # target, probability: dL/da, then the variance of each of NAMES
    (0.45, 0.5): (2.500e-2, 1.594e-2, 6.250e-4, 2.083e-4, 0.0),
    (0.45, 0.25): (1.875e-2, 1.444e-2, 5.859e-4, 3.776e-4, 3.516e-4),
    (0.45, 0.1): (9.000e-3, 7.700e-3, 3.690e-4, 3.257e-4, 3.240e-4),
    (0.499, 0.5): (5.000e-4, 1.563e-2, 2.500e-7, 8.333e-8, 0.0),
    (0.499, 0.25): (3.750e-4, 1.177e-2, 2.344e-7, 1.510e-7, 1.406e-7),
    (0.499, 0.1): (1.800e-4, 5.661e-3, 1.476e-7, 1.303e-7, 1.296e-7),
}


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    return table(draws=1_000_000, generator=make_generator(0))


def test_closed_forms_have_the_digits_of_the_table() -> None:
    assert [(one.target, one.probability) for one in PROBLEMS] == list(TABLE)
    for problem, (gradient, *variances) in zip(PROBLEMS, TABLE.values(), strict=True):
        assert problem.gradient == pytest.approx(gradient, rel=3e-4)
        for name, variance in zip(NAMES, variances, strict=True):
            found = ESTIMATORS[name].variance(problem)
            assert found == pytest.approx(variance, rel=4e-4, abs=1e-18), name


def test_measured_variances_reproduce_the_table_to_one_per_cent(rows) -> None:
    assert len(rows) == len(TABLE) * len(NAMES)
    for row in rows:
        variances = TABLE[row["target"], row["probability"]][1:]
        expected = variances[NAMES.index(row["estimator"])]
        assert row["measured"] == pytest.approx(expected, rel=0.01, abs=1e-18), row
        # Two equally likely values have a variance without an error of first order.
        rounding = 1e-5 * expected + 1e-18
        assert abs(row["measured"] - row["variance"]) <= 5 * row["measured_se"] + rounding
        if expected:
            assert row["measured_se"] < 0.003 * expected


def test_every_estimator_of_the_table_is_unbiased(rows) -> None:
    for row in rows:
        assert abs(row["mean"] - row["gradient"]) <= 5 * row["mean_se"] + 1e-15, row


@pytest.mark.parametrize("probability", [0.03, 0.5, 0.8])
def test_closed_forms_are_the_integrals_over_the_noise(probability) -> None:
    problem = ToyProblem(0.3, probability)
    u = (np.arange(4000) + 0.5) / 4000
    b, mirrored = (u < probability).astype(float), (1 - u < probability).astype(float)
    f = (b - 0.3) ** 2 - (mirrored - 0.3) ** 2
    arm = f * (0.5 - u)
    assert problem.gradient == pytest.approx(arm.mean(), rel=1e-3)
    assert ESTIMATORS["arm"].variance(problem) == pytest.approx(arm.var(), rel=1e-3)
    both = np.sign(b - mirrored) * f * max(probability, 1 - probability) / 2
    assert ESTIMATORS["disarm"].variance(problem) == pytest.approx(both.var(), rel=1e-3)


def test_the_problems_names_and_prices_are_those_of_the_real_estimators() -> None:
    model = build_model("sbn", data_dim=2, layers=(2,))
    assert tuple(ESTIMATORS) == NAMES
    for name, kind in ESTIMATORS.items():
        assert name in REAL
        assert build_estimator(name, model=model).evaluations == kind.evaluations


def test_arguments_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`probability` must lie between 0 and 1; got 1"):
        ToyProblem(0.45, 1.0)
    with pytest.raises(ValueError, match=r"`target` must be a finite number; got nan"):
        ToyProblem(math.nan, 0.5)
    with pytest.raises(ValueError, match=r"`estimator` must be one of .*'arm'.*got 'nvil'"):
        simulate(PROBLEMS[0], "nvil", 10, generator=make_generator(0))
    with pytest.raises(ValueError, match="`draws` must be a whole number, at least 1; got 0"):
        simulate(PROBLEMS[0], "arm", 0, generator=make_generator(0))
    with pytest.raises(ValueError, match="`draws` must be at least 2; got 1"):
        table(draws=1, generator=make_generator(0))
