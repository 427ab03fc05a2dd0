"""Running moments against those of all states at once."""

from __future__ import annotations

from itertools import islice

import torch

from engine.mcmc import PixelMoments, impute
from engine.models import build_model
from engine.random import make_generator


def test_moments_equal_those_of_all_chains_and_states_at_once() -> None:
    model = build_model("vae", data_dim=6, latent_dim=2, hidden=(8,)).double().eval()
    model.reset_parameters(make_generator(0))
    x = torch.tensor([[0, 1, 0, 1, 0, 1], [1, 1, 1, 0, 0, 0]]).double()
    observed = torch.tensor([[1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1]]).bool()
    states = list(islice(impute(model, x, observed, chains=3, generator=make_generator(1)), 20))

    moments = PixelMoments.empty(states[0])
    for state in states:
        moments = moments.add(state)

    together = torch.cat([state.mean for state in states])
    assert moments.count == 60
    torch.testing.assert_close(moments.mean, together.mean(0))
    torch.testing.assert_close(moments.spread, together.std(0, correction=0))
    assert torch.equal(moments.mean[observed], x[observed])
    assert (moments.spread[observed] == 0).all()
    assert (moments.spread[~observed] > 0).all()


def test_moments_of_no_state_are_zero() -> None:
    model = build_model("vae", data_dim=6, latent_dim=2, hidden=(8,))
    x, observed = torch.zeros(1, 6), torch.zeros(1, 6, dtype=torch.bool)
    moments = PixelMoments.empty(next(impute(model, x, observed, generator=make_generator(1))))
    assert moments.count == 0
    assert (moments.mean == 0).all()
    assert (moments.spread == 0).all()
