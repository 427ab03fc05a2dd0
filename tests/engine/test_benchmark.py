from __future__ import annotations

import json

import pytest
import torch
from click.testing import CliRunner

from engine import benchmark as module
from engine.__main__ import main
from engine.benchmark import PlainVAE, run
from engine.estimators import build_estimator
from engine.models import build_model
from engine.random import make_generator


def test_the_plain_loop_and_ours_climb_the_same_objective() -> None:
    plain = PlainVAE(16)
    ours = build_model("vae", data_dim=module.PIXELS, latent_dim=module.LATENTS, hidden=[16])
    with torch.no_grad():
        ours.encoder[0].load_state_dict(plain.hidden.state_dict())
        ours.encoder[2].weight.copy_(torch.cat([plain.mean.weight, plain.log_variance.weight / 2]))
        ours.encoder[2].bias.copy_(torch.cat([plain.mean.bias, plain.log_variance.bias / 2]))
        ours.decoder[0].load_state_dict(plain.decoder_hidden.state_dict())
        ours.decoder[2].load_state_dict(plain.pixels.state_dict())
    x = torch.rand(5, module.PIXELS, generator=make_generator(0)).round()
    loss = build_estimator("sgvb-b", model=ours)(ours, x, generator=make_generator(1)).loss
    noise = torch.randn(1, 5, module.LATENTS, generator=make_generator(1))[0]
    assert torch.allclose(plain.loss(x, noise) / 5, loss)


def test_ratios_are_taken_turn_by_turn_against_the_reference() -> None:
    seconds = {"plain": [2.0, 4.0, 2.0], "fast": [1.0, 2.0, 0.5]}
    summary = module._summary(seconds, "plain", amount=100)
    assert summary["plain"]["ratio"] == 1
    assert summary["fast"]["ratio"] == 2
    assert summary["plain"]["items_per_second"] == 50
    assert summary["fast"]["items_per_second"] == 100


def test_command_prints_one_json_object_with_every_variant() -> None:
    small = ["--rounds", "2", "--steps", "2", "--hidden", "8"]
    done = CliRunner().invoke(main, ["benchmark", *small, "--no-compile", "--json"])
    assert done.exit_code == 0
    result = json.loads(done.stdout)
    assert list(result["training"]) == ["plain", "lean"]
    assert list(result["sampling"]) == ["plain samples", "our samples"]
    assert result["training"]["plain"]["ratio"] == 1
    assert result["training"]["lean"]["items_per_second"] > 0
    assert result["rounds"] == 2
    assert result["compile_seconds"] is None
    assert "turn 2 of 2" in done.stderr


def test_no_turn_begins_after_the_time_limit() -> None:
    result = run(rounds=50, steps=1, hidden=4, items=200, compiled=False, limit=0)
    assert result["rounds"] == 1


def test_bad_numbers_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="`rounds` must be a whole number, at least 1; got 0"):
        run(rounds=0)
    with pytest.raises(ValueError, match=r"`batch_size` must be from 1 to `items` \(50\); got 100"):
        run(items=50)
    assert CliRunner().invoke(main, ["benchmark", "--steps", "0"]).exit_code == 2
