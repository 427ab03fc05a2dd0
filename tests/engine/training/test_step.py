"""One step: averages, priors, rates; the compiled form beside the eager one."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from torch import nn

from engine.estimators import ESTIMATORS, build_estimator
from engine.models import build_model
from engine.random import make_generator
from engine.training.settings import Optimiser
from engine.training.step import _MOMENTS, _OPTIMISERS, Learner, Stepper, _direction

ITEMS = 40
ROOT = Path(__file__).resolve().parents[3]
OPTIMISERS = ["adam", "adagrad", "rmsprop", "sgd"]


def x(number: int = 0, batch: int = 10) -> torch.Tensor:
    return (torch.rand(batch, 6, generator=make_generator(number)) < 0.4).float()


def stepper(
    kind: str = "vae", *, average: float = 0.0, compiled: bool = False, **settings: object
) -> Stepper:
    """A small learner with weights of its own seed."""
    if kind in ("vae", "dreg"):
        model = build_model(
            "vae", data_dim=6, latent_dim=2, hidden=(5,), input_noise="bit-flip", noise_rate=0.1
        )
        estimator = build_estimator("sgvb-b" if kind == "vae" else kind, model=model)
    else:
        model = build_model("sbn", data_dim=6, layers=(4, 3))
        estimator = build_estimator("nvil", model=model, hidden=5)
    generator = make_generator(1)
    model.reset_parameters(generator)
    estimator.reset_parameters(generator)
    learner = Learner(model, estimator).train()
    return Stepper(learner, Optimiser(**settings), items=ITEMS, average=average, compiled=compiled)


def snapshot(one: Stepper) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in one.parameters.items()}


def is_generative(name: str) -> bool:
    return name.startswith(("model.decoder", "model.transforms", "model.prior"))


def is_recognition(name: str) -> bool:
    return name.startswith(("model.encoder", "model.recognisers"))


# --- average ------------------------------------------------------------------------------------


def test_the_average_follows_the_weights_and_forgets_its_start_at_first_faster():
    one = stepper(average=0.4)
    generator = make_generator(0)
    expected = {k: v for k, v in snapshot(one).items() if k.startswith("model.")}
    for number in range(1, 9):
        one.step(x(number), 0.1, number, generator)
        decay = min(0.4, number / (number + 9))
        now = snapshot(one)
        expected = {k: decay * v + (1 - decay) * now[k] for k, v in expected.items()}
    assert {f"model.{k}" for k in one.average} == expected.keys()
    for key, value in one.average.items():
        torch.testing.assert_close(value, expected[f"model.{key}"])


def test_no_average_is_kept_where_none_is_asked_for():
    assert stepper(average=0.0).average == {}


# --- prior and rates ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "is_drawn"),
    [("weight_prior_variance", is_generative), ("recognition_prior_variance", is_recognition)],
)
def test_a_weight_prior_adds_its_gradient_to_its_own_weights_and_to_no_others(option, is_drawn):
    kappa = 0.3
    plain, prior = (stepper("sbn", name="adagrad", **{option: value}) for value in (None, kappa))
    for parameter in (*plain.parameters.values(), *prior.parameters.values()):
        with torch.no_grad():
            parameter.copy_(torch.linspace(-1, 1, parameter.numel()).view_as(parameter))
    weights = snapshot(plain)
    gradients = {}
    for one in (plain, prior):
        one.step(x(), 1e-9, 1, make_generator(0))
        gradients[one] = {
            name: one.optimiser.state[p]["sum"].sqrt() for name, p in one.parameters.items()
        }
    signs = {name: p.grad.sign() for name, p in plain.parameters.items()}
    for name, size in gradients[plain].items():
        expected = size * signs[name]
        if is_drawn(name):  # -d/dtheta log N(theta; 0, kappa) / N
            expected = expected + weights[name] / (kappa * ITEMS)
        torch.testing.assert_close(
            gradients[prior][name], expected.abs(), rtol=1e-4, atol=1e-6, msg=name
        )


def test_the_recognition_rate_scales_the_steps_of_the_recognition_alone():
    full, fifth = (stepper("sbn", name="adagrad", recognition_rate=rate) for rate in (1.0, 0.2))
    before = snapshot(full)
    for one in (full, fifth):
        one.step(x(), 0.1, 1, make_generator(0))
    for name, start in before.items():
        factor = 0.2 if is_recognition(name) else 1.0
        moved = full.parameters[name] - start
        assert moved.abs().max() > 0
        torch.testing.assert_close(
            fifth.parameters[name] - start, factor * moved, rtol=1e-4, atol=1e-6
        )


def test_every_parameter_of_model_and_estimator_is_moved_once():
    one = stepper("sbn")
    named = [name for group in one.groups for name in group.names]
    assert sorted(named) == sorted(one.parameters)
    assert any(name.startswith("estimator.baselines") for name in named)


# --- update rules -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_compiled_update_rule_is_that_of_torch(name):
    generator = make_generator(0)
    theirs = nn.Parameter(torch.randn(4, 3, generator=generator))
    ours = theirs.detach().clone()
    options = {} if name == "sgd" else {"eps": 1e-10 if name == "adagrad" else 1e-8}
    optimiser = _OPTIMISERS[name]([theirs], lr=0.1, **options)
    moments = [torch.zeros(4, 3) for _ in _MOMENTS[name]]
    for number in range(1, 8):
        gradient = torch.randn(4, 3, generator=generator)
        theirs.grad = gradient.clone()
        optimiser.step()
        corrections = torch.tensor([1 - 0.9**number, 1 - 0.999**number])
        ours -= 0.1 * _direction(name, gradient, moments, *corrections)
        torch.testing.assert_close(ours, theirs.detach())


# --- compiled -----------------------------------------------------------------------------------

COMPILED = {
    "vae": {"name": "rmsprop", "weight_prior_variance": 0.5},
    "sbn": {"name": "adam", "recognition_rate": 0.5},
    "dreg": {"name": "adam"},  # takes derivatives of its own, in another way where it is compiled
}


@pytest.mark.parametrize("kind", COMPILED)
@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_step_that_is_compiled_equals_the_eager_one(kind, name, monkeypatch):
    # as plain Python: all that our own code does, without the compiler
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    assert_equal_steps(
        kind, name=name, learning_rate=0.01, weight_prior_variance=0.5, recognition_rate=0.3
    )


SUITS = {  # a model for every estimator
    "contrastive-divergence": ("rbm", {"hidden": 3}),
    "greedy": ("dbn", {"layers": [3, 2]}),
    "joint": ("dbn", {"layers": [3, 2]}),
    "maximum-likelihood": ("mixture", {"components": 3}),
    "order-agnostic": ("eonade", {"hidden": [3]}),
    "persistent-contrastive-divergence": ("rbm", {"hidden": 3}),
}

OPTIONS = {"leave-one-out": {"branches": 2}}
"""Where those of an estimator lead to other code; without branches it is the code of `vimco`."""


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", sorted(ESTIMATORS))
def test_the_whole_step_is_one_graph(name, monkeypatch):
    # a break costs half the speed, and nothing else tells
    torch._dynamo.reset()  # the step of every estimator is the same function to it
    whole = functools.partial(torch.compile, backend="eager", fullgraph=True)
    monkeypatch.setattr(torch, "compile", whole)
    kinds = getattr(ESTIMATORS[name], "latent_kinds", ())
    latent = "sbn" if "bernoulli" in kinds else "vae"
    options = {"layers": [3, 2]} if latent == "sbn" else {"latent_dim": 2, "hidden": [3]}
    kind, options = SUITS.get(name, (latent, options))
    model = build_model(kind, data_dim=6, **options)
    learner = Learner(model, build_estimator(name, model=model, **OPTIONS.get(name, {}))).train()
    one = Stepper(learner, Optimiser(), items=ITEMS, average=0.9, compiled=True)
    one.step(x(), 0.01, 1, make_generator(0))
    assert one._compiled is not None


@pytest.mark.slow
@pytest.mark.timeout(900)  # some 20 s on a free core
@pytest.mark.parametrize("kind", COMPILED)
def test_compiled_steps_equal_eager_ones_and_make_the_same_draws(kind):
    assert_equal_steps(kind, **COMPILED[kind])


def assert_equal_steps(kind: str, **settings: object) -> None:
    """Ten steps both ways: the same estimates, draws, weights, moments, averages, buffers."""
    eager, compiled = (
        stepper(kind, average=0.9, compiled=flag, **settings) for flag in (False, True)
    )
    generators = make_generator(5), make_generator(5)
    for number in range(1, 11):
        # an odd batch: half of an even one's bits may be on, a gradient of 0 up to its rounding,
        # which Adam scales up to a whole step
        ours = compiled.step(x(number, 11), 0.01, number, generators[1])
        theirs = eager.step(x(number, 11), 0.01, number, generators[0])
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert compiled._compiled is not None
    assert compiled._proven == {11}
    assert torch.equal(generators[0].get_state(), generators[1].get_state())
    for name, parameter in eager.parameters.items():
        other = compiled.parameters[name]
        torch.testing.assert_close(other, parameter, rtol=1e-3, atol=1e-4, msg=name)
        state = eager.optimiser.state[parameter]
        for key, value in compiled.optimiser.state[other].items():
            torch.testing.assert_close(value, state[key], rtol=1e-3, atol=1e-4, msg=f"{name} {key}")
    for name, value in eager.average.items():
        torch.testing.assert_close(compiled.average[name], value, rtol=1e-3, atol=1e-4, msg=name)
    for (name, value), other in zip(
        eager.learner.named_buffers(), compiled.learner.buffers(), strict=True
    ):
        torch.testing.assert_close(other, value, rtol=1e-3, atol=1e-4, msg=name)


FALLBACK = """
import json, warnings
from tests.engine.training.test_step import digest, stepper, x
from engine.random import make_generator
result = {}
for compiled, first in ((False, 1), (True, 1), (False, 100), (True, 100)):
    one, generator = stepper("vae", average=0.9, compiled=compiled), make_generator(5)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for number in range(first, first + 4):
            one.step(x(number, 10 if number % 2 else 4), 0.01, number, generator)
    messages = [str(w.message) for w in caught if w.category is RuntimeWarning]
    result[f"{compiled} {first}"] = {"digest": digest(one, generator), "warnings": messages}
print(json.dumps(result))
"""


def digest(one: Stepper, generator: torch.Generator) -> str:
    """Of everything that a step changes, to compare processes and runs."""
    tensors = [*one.parameters.values(), *one.average.values(), *one.learner.buffers()]
    tensors += [v for p in one.parameters.values() for v in one.optimiser.state[p].values()]
    content = b"".join(t.detach().numpy().tobytes() for t in [*tensors, generator.get_state()])
    return hashlib.sha256(content).hexdigest()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_without_a_compiler_a_run_warns_once_and_goes_on_with_the_same_draws(tmp_path):
    environment = os.environ | {
        "CXX": str(tmp_path / "no-compiler"),
        "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache"),  # what others compiled does not count
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FALLBACK)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=ROOT,
        timeout=850,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout.splitlines()[-1])
    for first in (1, 100):  # a fresh run, and one that goes on from a saved state
        plain, compiled = result[f"False {first}"], result[f"True {first}"]
        assert plain["warnings"] == []
        assert len(compiled["warnings"]) == 1
        assert "could not be compiled" in compiled["warnings"][0]
        assert compiled["digest"] == plain["digest"]


@pytest.mark.parametrize("first", [1, 100])
def test_a_step_that_cannot_be_compiled_makes_the_draws_of_the_eager_one(first, monkeypatch):
    def fail(*_: object) -> torch.Tensor:
        raise RuntimeError("no compiler")

    digests = []
    for broken in (False, True):
        one, generator = stepper("sbn", average=0.9), make_generator(5)
        if broken:
            monkeypatch.setattr(one, "_compiled", fail)
            with pytest.warns(RuntimeWarning, match=r"could not be compiled \(RuntimeError\)"):
                one.step(x(), 0.01, first, generator)
        else:
            one.step(x(), 0.01, first, generator)
        one.step(x(1), 0.01, first + 1, generator)  # no warning: it is not tried again
        digests.append(digest(one, generator))
    assert digests[0] == digests[1]


def test_an_error_in_code_that_has_run_before_is_not_taken_for_a_missing_compiler(monkeypatch):
    one = stepper(compiled=True)
    calls = []

    def compiled(*arguments: object) -> torch.Tensor:
        calls.append(arguments)
        if len(calls) == 2:
            raise RuntimeError("out of memory")
        return torch.zeros(())

    monkeypatch.setattr(one, "_compiled", compiled)
    one.step(x(), 0.01, 1, make_generator(0))
    with pytest.raises(RuntimeError, match="out of memory"):
        one.step(x(), 0.01, 2, make_generator(0))
