"""RBM: a density that sums to one, conditionals that belong to it, chains that draw from it."""

from __future__ import annotations

import pytest
import torch

from engine.bits import all_bits
from engine.models import RBM, build_model
from engine.random import make_generator
from tests.engine.models.machines import tiny_rbm
from tests.engine.models.tiny import assert_frequencies


def energy(model, x, h):
    return -((x @ model.weight) * h).sum(-1) - x @ model.visible_bias - h @ model.hidden_bias


def test_free_energy_sums_the_hidden_bits_out():
    model = tiny_rbm()
    x = all_bits(model.data_dim, dtype=torch.float64)
    h = all_bits(model.hidden, dtype=torch.float64)
    expected = -(-energy(model, x[:, None], h[None])).logsumexp(1)
    torch.testing.assert_close(model.free_energy(x), expected)


def test_sixteen_bits_leave_the_pixels_part_of_the_free_energy_exact():
    model = RBM(200, 3)
    with torch.no_grad():
        model.weight.zero_()
        model.visible_bias.copy_(torch.randn(200, generator=make_generator(0)))
    x = (torch.rand(5, 200, generator=make_generator(1)) < 0.5).float()
    exact = model.free_energy(x)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(model.free_energy(x), exact)


@pytest.mark.parametrize(("data", "hidden"), [(5, 3), (3, 5)])
def test_the_density_sums_to_one_whichever_side_is_enumerated(data, hidden):
    model = tiny_rbm(data_dim=data, hidden=hidden)
    x = all_bits(data, dtype=torch.float64)
    total = (-model.free_energy(x) - model.log_partition_exact()).exp().sum()
    torch.testing.assert_close(total.item(), 1.0)


def test_a_large_machine_is_not_enumerated():
    with pytest.raises(ValueError, match=r"at most 20 visible or hidden units.*got 21 and 22"):
        build_model("rbm", data_dim=21, hidden=22).log_partition_exact()


def test_the_conditionals_are_those_of_the_joint_density():
    model = tiny_rbm()
    x = all_bits(model.data_dim, dtype=torch.float64)
    h = all_bits(model.hidden, dtype=torch.float64)
    joint = (-energy(model, x[:, None], h[None])).exp()
    mean_h = (joint / joint.sum(1, keepdim=True)) @ h
    torch.testing.assert_close(model.hidden_logits(x).sigmoid(), mean_h)
    mean_x = (joint / joint.sum(0)).T @ x
    torch.testing.assert_close(model.visible_logits(h).sigmoid(), mean_x)


def test_chains_come_to_draw_from_the_model():
    model = tiny_rbm(particles=1000)
    x = torch.cat([model.sample(1000, generator=make_generator(s), sweeps=60) for s in range(20)])
    every = all_bits(model.data_dim, dtype=torch.float64)
    assert_frequencies(x, (-model.free_energy(every) - model.log_partition_exact()).exp())


def test_samples_start_from_the_particles_each_once_before_any_twice():
    model = tiny_rbm(data_dim=8, particles=4)
    model.particles.copy_(torch.eye(8)[:4])
    x = model.sample(6, generator=make_generator(0), sweeps=0)
    assert sorted(x[:4].argmax(1).tolist()) == [0, 1, 2, 3]
    assert torch.equal(x[4:], x[:2])
    assert model.sample(0, generator=make_generator(0)).shape == (0, 8)
    with pytest.raises(ValueError, match="`n` must not be negative; got -1"):
        model.sample(-1)


def test_the_data_mean_sets_the_visible_bias_and_stays_finite():
    model = RBM(3, hidden=2)
    model.set_data_mean(torch.tensor([0.0, 0.5, 0.25]))
    assert model.visible_bias.isfinite().all()
    torch.testing.assert_close(model.visible_bias[1:].sigmoid().detach(), torch.tensor([0.5, 0.25]))
    with pytest.raises(ValueError, match=r"`mean` must have shape \(3,\)"):
        model.set_data_mean(torch.zeros(4))


def test_the_particles_travel_with_the_weights():
    model = tiny_rbm()
    other = build_model("rbm", **model.config).double()
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.particles, model.particles)


@pytest.mark.parametrize("name", ["hidden", "particles"])
def test_sizes_are_whole_numbers_from_one_on(name):
    with pytest.raises(ValueError, match=f"`{name}` must be a whole number"):
        build_model("rbm", data_dim=3, **{name: 0})
