"""Densities that can be said: each sums to one, is what is drawn from, and has its gradient."""

from __future__ import annotations

import json
import math
from itertools import permutations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.evaluation.exact import all_bits
from engine.models import build_model, eonade, nade
from engine.models.nade import NADE
from engine.random import make_generator
from tests.engine.models.tiny import assert_frequencies
from tests.engine.models.tractables import TRACTABLES, tiny

EACH = pytest.mark.parametrize("name", TRACTABLES)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven pixels then take three blocks, and 128 items two chunks."""
    monkeypatch.setattr(nade, "BLOCK", 3)
    monkeypatch.setattr(eonade, "BLOCK", 3)


def bits(count: int = 7) -> Tensor:
    return all_bits(count, dtype=torch.float64)


@EACH
def test_a_density_sums_to_one_over_all_binary_items(name):
    log_prob = tiny(name).log_prob(bits()).detach()
    assert log_prob.shape == (128,)
    assert float(log_prob.exp().sum()) == pytest.approx(1, abs=1e-12)
    assert log_prob.std() > 0.3  # far from uniform


@EACH
def test_samples_occur_as_often_as_the_density_says(name):
    model = tiny(name)
    x = model.sample(40_000, generator=make_generator(1))
    assert x.shape == (40_000, 7)
    assert_frequencies(x, model.log_prob(bits()).exp().detach())


@EACH
def test_samples_depend_on_the_generator_alone(name):
    model = tiny(name)
    before = torch.get_rng_state()
    first, again, other = (model.sample(30, generator=make_generator(s)) for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert model.sample(0).shape == (0, 7)
    with pytest.raises(ValueError, match="`n` must not be negative; got -1"):
        model.sample(-1)


@EACH
def test_the_gradient_of_the_density_is_that_of_finite_differences(name):
    model = tiny(name)
    x = bits()[torch.tensor([0, 5, 77, 90, 127])]
    names, values = zip(*model.named_parameters(), strict=True)

    def log_prob(*parameters: Tensor) -> Tensor:
        state = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(model, state, (x,))

    model.forward = model.log_prob
    assert torch.autograd.gradcheck(log_prob, values)


@EACH
def test_config_is_plain_json_and_builds_the_same_density_again(name):
    model = tiny(name)
    again = build_model(TRACTABLES[name][0], **json.loads(json.dumps(model.config))).double()
    again.load_state_dict(model.state_dict())
    assert again.config == model.config
    assert torch.equal(again.log_prob(bits()), model.log_prob(bits()))


@EACH
def test_reset_parameters_depends_on_the_generator_alone(name):
    first, second = tiny(name, seed=1), tiny(name, seed=2)
    before = torch.get_rng_state()
    first.reset_parameters(make_generator(0))
    second.reset_parameters(make_generator(0))
    assert torch.equal(torch.get_rng_state(), before)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
    assert {id(p) for p in first.generative_parameters()} == {id(p) for p in first.parameters()}
    assert not list(first.recognition_parameters())


@EACH
def test_training_starts_at_the_mean_of_the_data(name):
    model = build_model(TRACTABLES[name][0], data_dim=7, **TRACTABLES[name][1]).double()
    model.reset_parameters(make_generator(0))
    mean = torch.linspace(0.0, 0.9, 7, dtype=torch.float64)
    model.set_data_mean(mean)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.zero_()
    p = mean.clamp(0.001, 0.999)
    x = bits()
    torch.testing.assert_close(
        model.log_prob(x), (x * p.log() + (1 - x) * (1 - p).log()).sum(-1), rtol=0, atol=1e-6
    )
    with pytest.raises(ValueError, match=r"`mean` must have shape \(7,\); got \(6,\)"):
        model.set_data_mean(mean[1:])


@EACH
def test_a_density_refuses_items_of_another_width(name):
    with pytest.raises(ValueError, match=r"`x` must be \(batch, 7\); got \(4, 6\)"):
        tiny(name).log_prob(torch.zeros(4, 6, dtype=torch.float64))


@EACH
def test_a_density_of_bits_refuses_grey_pixels(name):
    model, grey = tiny(name), bits()
    grey[3, 2] = 0.5
    for log_prob in (model.log_prob, model.train().noisy_log_prob):
        with pytest.raises(ValueError, match="`x` must hold bits"):
            log_prob(grey)
    with pytest.raises(ValueError, match="`x` must hold bits"):
        model.quick_log_prob(grey, 1)


@pytest.mark.parametrize("kind", ["nade", "eonade"])
@pytest.mark.parametrize("seed", [-1, 2**63, 2.5, "x", None, True])
def test_an_ordering_seed_that_is_none_is_refused_by_its_name(kind, seed):
    with pytest.raises(ValueError, match=r"`ordering_seed` must be a whole number from 0.*; got "):
        build_model(kind, data_dim=4, ordering_seed=seed)


# --- NADE ---------------------------------------------------------------------------------------


def textbook(model: NADE, x: Tensor, scale: Tensor | float = 1.0) -> Tensor:
    """Algorithm 1 of Larochelle and Murray (2011), pixel after pixel."""
    activation, total = model.hidden_bias.expand(len(x), -1), torch.zeros(len(x)).to(x)
    for pixel in model.ordering.tolist():
        hidden = activation.sigmoid() * scale
        logit = hidden @ model.output_weight[pixel] + model.output_bias[pixel]
        total = total - F.binary_cross_entropy_with_logits(logit, x[:, pixel], reduction="none")
        activation = activation + torch.outer(x[:, pixel], model.input_weight[pixel])
    return total


@pytest.mark.parametrize("block", [1, 4, 25, 40])
@pytest.mark.parametrize("share", [0.0, 0.15, 0.5, 1.0])
def test_nade_by_blocks_is_the_textbook_recursion(block, share, monkeypatch):
    monkeypatch.setattr(nade, "BLOCK", block)
    model = tiny("nade", data_dim=25)
    x = (torch.rand(9, 25, generator=make_generator(2)) < share).double()
    scale = torch.rand(9, 4, generator=make_generator(3)).double()
    parameters = list(model.parameters())
    weights = torch.linspace(-1, 2, 9, dtype=torch.float64)  # items with gradients of their own
    for fast, slow in [
        (model.log_prob(x), textbook(model, x)),
        (model._log_prob(x, scale), textbook(model, x, scale)),
    ]:
        torch.testing.assert_close(fast, slow, rtol=1e-10, atol=1e-10)
        for a, b in zip(
            torch.autograd.grad(fast @ weights, parameters),
            torch.autograd.grad(slow @ weights, parameters),
            strict=True,
        ):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_drop_out_gives_each_item_a_thinned_network_while_training_only():
    model = tiny("nade", dropout=0.25)
    x = torch.ones(4000, 7, dtype=torch.float64)
    assert torch.equal(model.noisy_log_prob(x, generator=make_generator(0)), model.log_prob(x))
    noisy = model.train().noisy_log_prob(x, generator=make_generator(0))
    # four units, each there with probability 3/4: 16 networks
    kept = bits(4)
    probs = (0.75 ** kept.sum(-1)) * (0.25 ** (4 - kept.sum(-1)))
    values = textbook(model, x[:16], kept / 0.75)
    which = (noisy[:, None] - values).abs().argmin(-1)
    torch.testing.assert_close(noisy, values[which])
    share = torch.bincount(which, minlength=16) / len(x)
    assert ((share - probs).abs() < 5 * (probs * (1 - probs) / len(x)).sqrt()).all()


def test_the_ordering_of_nade_is_part_of_its_weights():
    model = tiny("nade")
    assert sorted(model.ordering.tolist()) == list(range(7))
    assert not torch.equal(model.ordering, tiny("nade", ordering_seed=1).ordering)
    assert tiny("nade-natural").ordering.tolist() == list(range(7))
    other = tiny("nade", ordering_seed=1, seed=5)
    other.load_state_dict({k: v.float() for k, v in model.state_dict().items()})  # as a file's
    assert torch.equal(other.ordering, model.ordering)
    torch.testing.assert_close(other.log_prob(bits()), model.log_prob(bits()), atol=1e-5, rtol=0)


def test_nade_refuses_arguments_out_of_range():
    with pytest.raises(ValueError, match="`ordering` must be one of"):
        NADE(4, ordering="best")
    with pytest.raises(ValueError, match="`dropout` must be a number"):
        NADE(4, dropout=1.0)
    with pytest.raises(ValueError, match="`hidden_dim` must be a whole number"):
        NADE(4, 0)


# --- EoNADE -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["eonade-1", "eonade-2"])
def test_an_ordering_multiplies_the_conditionals_given_the_pixels_before(name):
    model = tiny(name, data_dim=4)
    x = bits(4)
    for order in permutations(range(4)):
        known, total = torch.zeros_like(x), torch.zeros(16, dtype=torch.float64)
        for pixel in order:
            total = total + model.conditionals(x, known).log_prob_terms(x)[:, pixel]
            known = known.clone()
            known[:, pixel] = 1
        torch.testing.assert_close(model.log_prob_ordered(x, torch.tensor(order)), total)


def test_a_conditional_does_not_look_at_the_pixels_that_are_not_known():
    model = tiny("eonade-2")
    x, known = bits(), torch.tensor([1.0, 0, 0, 1, 1, 0, 0]).double().expand(128, 7)
    logits = model.conditionals(x, known).logits
    torch.testing.assert_close(logits, model.conditionals(x * known, known).logits)
    assert len(logits.round(decimals=9).unique(dim=0)) == 8  # one a state of the known pixels


def test_the_density_of_an_ensemble_is_the_equal_mixture_over_its_orderings():
    model = tiny("eonade-2")
    orders = [model.ordering(i) for i in range(4)]
    assert model.terms == 4
    assert len({tuple(order.tolist()) for order in orders}) == 4
    each = torch.stack([model.log_prob_ordered(bits(), order) for order in orders])
    torch.testing.assert_close(model.log_prob(bits()), each.logsumexp(0) - math.log(4))
    torch.testing.assert_close(model.quick_log_prob(bits(), 1), each[0])
    torch.testing.assert_close(model.quick_log_prob(bits(), 2), each[:2].logsumexp(0) - math.log(2))
    torch.testing.assert_close(model.quick_log_prob(bits(), 99), model.log_prob(bits()))


def test_the_orderings_come_from_their_seed():
    same, other = tiny("eonade-1", seed=3), tiny("eonade-1", ordering_seed=1)
    assert torch.equal(same.ordering(2), tiny("eonade-1").ordering(2))
    assert not torch.equal(other.ordering(2), tiny("eonade-1").ordering(2))


def test_eonade_refuses_arguments_out_of_range():
    with pytest.raises(ValueError, match="`hidden` must be a list of at least 1"):
        build_model("eonade", data_dim=4, hidden=())
    with pytest.raises(ValueError, match="`orderings` must be a whole number"):
        build_model("eonade", data_dim=4, orderings=0)
    with pytest.raises(ValueError, match="`activation` must be one of"):
        build_model("eonade", data_dim=4, activation="cube")


# --- mixture ------------------------------------------------------------------------------------


def test_a_mixture_is_the_weighted_sum_of_products_of_bernoullis():
    model = tiny("mixture")
    x = bits()
    p = (model.bias + model.weight).sigmoid()
    each = (x[:, None] * p + (1 - x[:, None]) * (1 - p)).prod(-1)
    expected = (each * model.prior_logits.softmax(-1)).sum(-1)
    torch.testing.assert_close(model.log_prob(x).exp(), expected)


def test_a_mixture_can_be_compiled_with_its_gradient_in_one_piece():
    model, x = tiny("mixture"), bits()
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    model.forward = model.log_prob

    def objective(parameters: dict[str, Tensor]) -> Tensor:
        return torch.func.functional_call(model, parameters, (x,)).mean()

    def step(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
        return torch.func.grad(objective)(parameters)

    compiled = torch.compile(step, backend="eager", fullgraph=True)(parameters)
    for name, gradient in step(parameters).items():
        torch.testing.assert_close(compiled[name], gradient)
