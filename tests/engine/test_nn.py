"""Perceptrons and their initialisation."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from engine.nn import ACTIVATIONS, initialise, mlp, output_layer
from engine.random import make_generator


def test_mlp_has_an_activation_after_each_hidden_layer_and_none_after_the_last():
    network = mlp(5, (4, 3), 2, activation="relu")
    kinds = [type(layer) for layer in network]
    assert kinds == [nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]
    widths = [(part.in_features, part.out_features) for part in network if hasattr(part, "weight")]
    assert widths == [(5, 4), (4, 3), (3, 2)]
    assert network(torch.zeros(7, 5)).shape == (7, 2)


def test_mlp_without_hidden_layers_is_linear():
    network = mlp(3, (), 2)
    x = torch.randn(6, 3, generator=make_generator(0))
    expected = x @ network[0].weight.T + network[0].bias
    assert len(network) == 1
    torch.testing.assert_close(network(x), expected)


def test_output_layer_is_the_last_linear_one():
    network = mlp(3, (4,), 2)
    assert output_layer(network) is network[2]


@pytest.mark.parametrize("sizes", [(0, (4,), 2), (3, (4, 0), 2), (3, (), 0), (3, (-1,), 2)])
def test_a_width_below_one_is_refused(sizes):
    with pytest.raises(ValueError, match="width must be at least 1"):
        mlp(*sizes)


def test_an_unknown_activation_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"`activation`.*relu.*silu.*tanh.*'gelu'"):
        mlp(3, (4,), 2, activation="gelu")
    assert set(ACTIVATIONS) == {"relu", "silu", "tanh"}


def test_initialisation_is_glorot_uniform_with_zero_biases():
    network = mlp(300, (500,), 20)
    initialise(network, make_generator(0))
    for layer in (network[0], network[2]):
        bound = math.sqrt(6 / (layer.in_features + layer.out_features))
        weights = layer.weight.detach().flatten()
        assert weights.abs().max() <= bound
        # the variance of a uniform is bound ** 2 / 3, that of its square 4 / 45 bound ** 4
        error = math.sqrt(4 / 45 / len(weights)) * bound**2
        assert abs(float(weights.square().mean()) - bound**2 / 3) < 5 * error
        assert (layer.bias == 0).all()


def test_initialisation_depends_on_the_generator_alone():
    first, second = mlp(6, (5,), 4), mlp(6, (5,), 4)
    before = torch.get_rng_state()
    initialise(first, make_generator(3))
    initialise(second, make_generator(3))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first[0].weight, second[0].weight)
    initialise(second, make_generator(4))
    assert not torch.equal(first[0].weight, second[0].weight)
