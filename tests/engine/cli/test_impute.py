"""`python -m engine impute` as its users call it."""

from __future__ import annotations

import json

import pytest
import torch
from click.testing import CliRunner, Result

from engine.__main__ import main
from engine.datasets.masks import NAMED, named_mask
from engine.random import make_generator

pytestmark = pytest.mark.usefixtures("shelf")


def run(*arguments: object) -> Result:
    quick = ("--items", 4, "--warm-up", 3, "--transitions", 4, "--samples", 20)
    result = CliRunner().invoke(main, ["impute", *map(str, [*arguments, *quick])])
    torch.set_flush_denormal(False)
    torch.set_float32_matmul_precision("highest")
    return result


@pytest.mark.parametrize(
    ("name", "method"),
    [("bits", "pseudo-gibbs"), ("bits", "ac-mwg"), ("reals", "hmc"), ("reals", "ac-mwg")],
)
@pytest.mark.parametrize("mask", NAMED)
def test_every_mask_is_measured_and_told_as_json(name: str, method: str, mask: str) -> None:
    done = run(name, "--mask", mask, "--method", method, "--json")
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["hidden"] == pytest.approx(
        {"60": 0.6, "80": 0.8, "square": 0.25, "half": 0.5}[mask], abs=1e-3
    )
    rows = {row["name"]: row for row in answer["metrics"]}
    names = ["log_conditional", "bit_error", "bit_error_of_draws", "acceptance", "calibration"]
    assert list(rows) == names
    assert all(row["items"] == 4 for row in rows.values())
    # Weights that know nothing: every pixel is a fair coin, more or less.
    coins = answer["hidden"] * 784 * 0.693
    assert -2.5 * coins < rows["log_conditional"]["value"] < -0.5 * coins
    assert 0.3 < rows["bit_error_of_draws"]["value"] < 0.7


def test_the_seed_decides_and_lines_are_printed_without_json() -> None:
    first, again, other = (run("reals", "--seed", seed, "--json").stdout for seed in (1, 1, 2))
    assert first == again
    assert first != other
    lines = run("reals").stdout.splitlines()
    assert lines[0].startswith("reals: 4 test items of digits-mini, 80 hidden")
    assert len(lines) == 6
    assert "nats per item" in lines[1]


def test_a_method_that_does_not_suit_the_model_and_wrong_calls_are_told() -> None:
    done = run("bits", "--method", "hmc")
    assert done.exit_code == 1
    assert "needs a `model` with Gaussian latents" in done.stderr
    assert run("bits", "--mask", "70").exit_code == 2
    with pytest.raises(ValueError, match="`name` must be one of 60, 80, square, half; got '70'"):
        named_mask("70", (28, 28), batch=2, generator=make_generator(0))
