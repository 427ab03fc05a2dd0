"""Linked bits: a density, drawn from exactly, whatever the blocks that are solved at a time."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import engine.autoregressive
from engine.autoregressive import AutoregressiveBernoulli, Links
from engine.evaluation.exact import all_bits
from engine.random import Replay, make_generator
from tests.engine.models.tiny import assert_frequencies

DRAWS = 40_000


def linked(size: int, batch: tuple[int, ...] = (), scale: float = 1.0) -> AutoregressiveBernoulli:
    generator = make_generator(size)
    options = {"generator": generator, "dtype": torch.float64}
    context = torch.randn((*batch, size), **options)
    links = scale * torch.randn(size, size, **options).tril(-1)
    return AutoregressiveBernoulli(context, links, torch.rand(size, **options))


def one_by_one(bits: AutoregressiveBernoulli, noise: Tensor) -> Tensor:
    """Ancestral draws as the definition says."""
    value = torch.zeros_like(noise)
    for unit in range(noise.shape[-1]):
        logit = bits.context[..., unit] + (value - bits.centre) @ bits.links[unit]
        value[..., unit] = (noise[..., unit] < logit.sigmoid()).double()
    return value


def test_probabilities_of_all_values_are_products_of_regressions_and_sum_to_one():
    bits, values = linked(4), all_bits(4, dtype=torch.float64)
    by_hand = torch.ones(len(values), dtype=torch.float64)
    for unit in range(4):
        carried = (values - bits.centre)[:, :unit] @ bits.links[unit, :unit]
        p = (bits.context[unit] + carried).sigmoid()
        by_hand *= torch.where(values[:, unit] > 0, p, 1 - p)
    torch.testing.assert_close(bits.log_prob(values).exp(), by_hand)
    assert float(by_hand.sum()) == pytest.approx(1)


def test_terms_are_those_of_each_bit_given_the_ones_before():
    bits, value = linked(5, (3,)), torch.ones(2, 3, 5, dtype=torch.float64)
    terms = bits.log_prob_terms(value)
    assert terms.shape == (2, 3, 5)
    torch.testing.assert_close(terms.sum(-1), bits.log_prob(value))
    torch.testing.assert_close(terms, bits.logits_given(value).sigmoid().log().expand(2, 3, 5))


@pytest.mark.parametrize("size", [1, 3, 32, 33, 100])
@pytest.mark.parametrize("scale", [0.0, 0.2, 5.0])
def test_draws_are_those_of_one_bit_after_the_other(size, scale, monkeypatch):
    bits = linked(size, (7,), scale)
    noise = torch.rand(4, 7, size, generator=make_generator(1), dtype=torch.float64)
    expected = one_by_one(bits, noise)
    for block in (1, 16, 32, 1000):
        monkeypatch.setattr(engine.autoregressive, "BLOCK", block)
        assert torch.equal(bits.sample((4,), generator=Replay([noise])), expected)


def test_a_chain_in_which_every_bit_hangs_on_the_one_before_is_solved_to_its_end():
    size = 50
    links = 100 * torch.diag(torch.ones(size - 1), -1)
    context = torch.full((size,), -50.0)
    context[0] = 50  # on, and so is all that follows: as many rounds as there are units
    draws = AutoregressiveBernoulli(context, links).sample((6,), generator=make_generator(0))
    assert torch.equal(draws, torch.ones(6, size))


def test_draws_have_the_frequencies_of_the_density():
    bits = linked(4)
    values = all_bits(4, dtype=torch.float64)
    draws = bits.sample((DRAWS,), generator=make_generator(2))
    assert_frequencies(draws, bits.log_prob(values).exp())


def test_the_ends_of_the_noise_force_a_bit():
    bits = linked(6, (2,))
    for force, value in ((0.0, 1.0), (1.0, 0.0)):
        noise = torch.full((2, 6), force, dtype=torch.float64)
        assert torch.equal(bits.sample(generator=Replay([noise])), torch.full_like(noise, value))


def test_the_mean_puts_each_bit_at_the_means_of_those_before_it():
    bits = linked(40, (3,))
    mean = torch.zeros(3, 40, dtype=torch.float64)
    for unit in range(40):
        mean[:, unit] = (bits.context[:, unit] + (mean - bits.centre) @ bits.links[unit]).sigmoid()
    torch.testing.assert_close(bits.mean, mean)
    first = bits.sample((DRAWS,), generator=make_generator(0))[..., 0].mean(0)
    assert ((first - mean[:, 0]).abs() < 5 * 0.5 / DRAWS**0.5).all()  # there it is exact


def test_a_mean_that_is_not_a_number_ends_too():
    bits = linked(40)
    bits.context[35] = torch.nan
    assert bits.mean[:32].isfinite().all()
    assert bits.mean[35].isnan()


def test_draws_and_means_carry_no_gradient_and_densities_do():
    links, context = Links(5).double(), torch.zeros(2, 5, dtype=torch.float64, requires_grad=True)
    bits = links(context)
    value = bits.sample(generator=make_generator(0))
    assert not value.requires_grad
    assert not bits.mean.requires_grad
    bits.log_prob(value).sum().backward()
    assert context.grad is not None
    assert links.weight.grad is not None
    assert torch.equal(links.weight.grad.triu(), torch.zeros(5, 5).double())
    assert (links.weight.grad.tril(-1) != 0).any()


def test_mapped_draws_are_those_of_a_loop_and_pass_through_gradients():
    links = Links(5).double()
    noise = torch.rand(6, 3, 5, generator=make_generator(0), dtype=torch.float64)
    context = torch.randn(3, 5, generator=make_generator(1), dtype=torch.float64)
    weight = torch.randn(5, 5, generator=make_generator(2), dtype=torch.float64)

    def loss(weight: Tensor, noise: Tensor) -> Tensor:
        bits = AutoregressiveBernoulli(context, weight.tril(-1))
        return bits.log_prob(bits.sample(generator=Replay([noise]))).sum()

    mapped = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(weight, noise)
    each = [torch.func.grad(loss)(weight, one) for one in noise]
    torch.testing.assert_close(mapped, torch.stack(each))
    assert links(context).links.shape == (5, 5)


def test_mapping_over_the_links_is_refused():
    weights, noise = torch.zeros(2, 5, 5), torch.rand(3, 5)

    def draw(weight: Tensor) -> Tensor:
        return AutoregressiveBernoulli(torch.zeros(3, 5), weight).sample(generator=Replay([noise]))

    with pytest.raises(NotImplementedError, match="only the rows"):
        torch.func.vmap(draw)(weights)


def test_links_start_at_none_and_carry_what_is_left_of_the_centre():
    links, context = Links(3).double(), torch.randn(2, 3, generator=make_generator(0)).double()
    value = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]).double()
    torch.testing.assert_close(links(context).logits_given(value), context)
    with torch.no_grad():
        links.weight.copy_(torch.randn(3, 3, generator=make_generator(1)))
    for centre in (0.5, torch.tensor([0.2, 0.9, 0.4]).double()):
        expected = context + 2 * (value - centre) @ links.weight.tril(-1).T
        torch.testing.assert_close(links(context, centre).logits_given(value), expected)
    links.reset_parameters()
    assert torch.equal(links.weight, torch.zeros(3, 3).double())
