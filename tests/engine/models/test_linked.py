"""Belief networks with links within layers: what is theirs alone (the rest is in test_contract)."""

from __future__ import annotations

import pytest
import torch

from engine.checkpoints import save_checkpoint
from engine.evaluation.completion_bound import conditional_bound
from engine.evaluation.conditional import exact_conditional
from engine.evaluation.exact import all_bits
from engine.mcmc import METHODS, build_kernel
from engine.mcmc.comparison import compare
from engine.mcmc.imputation import suitable_methods
from engine.models import DARN, build_model
from engine.random import make_generator
from engine.training.loop import start_from
from tests.engine.models.tiny import LINKED, all_data, assert_frequencies, build

LINKS = "recognition_links", "prior_links", "pixel_links"


@pytest.mark.parametrize("name", LINKED)
def test_without_links_they_are_sigmoid_belief_networks(name):
    model = build(name)
    config = {key: model.config[key] for key in ("data_dim", "layers", "hidden")}
    plain = build_model("sbn", **config).double().eval()
    weights = {k: v for k, v in model.state_dict().items() if not k.startswith(LINKS)}
    plain.load_state_dict(weights)
    for key, parameter in model.named_parameters():
        if key.startswith(LINKS):
            parameter.detach().zero_()
    x = all_data(model)
    z = plain.recognition(x).sample((4,), generator=make_generator(0))
    assert torch.equal(model.recognition(x).sample((4,), generator=make_generator(0)), z)
    torch.testing.assert_close(model.recognition(x).log_prob(z), plain.recognition(x).log_prob(z))
    torch.testing.assert_close(model.log_joint(x, z), plain.log_joint(x, z))
    torch.testing.assert_close(model.recognition(x).mean, plain.recognition(x).mean)
    torch.testing.assert_close(model.prior().mean, plain.prior().mean)
    assert torch.equal(
        model.sample(9, generator=make_generator(1)), plain.sample(9, generator=make_generator(1))
    )


@pytest.mark.parametrize("name", LINKED)
def test_reset_takes_the_links_away_and_the_mean_of_the_data_stays_the_start(name):
    model = build(name)
    model.reset_parameters(make_generator(0))
    linked = [p for key, p in model.named_parameters() if key.startswith(LINKS)]
    assert linked
    assert all((p == 0).all() for p in linked)


def test_linked_pixels_start_at_the_mean_of_the_data():
    model = build_model("darn", data_dim=3, layers=(2,))
    mean = torch.tensor([0.1, 0.5, 0.8])
    model.set_data_mean(mean)
    with torch.no_grad():
        model.output_network()[-1].weight.zero_()
    torch.testing.assert_close(model.likelihood(torch.zeros(2, 2)).mean, mean.expand(2, 3))


def test_a_recognition_with_links_can_choose_between_two_explanations():
    # p: two causes, of which exactly one is on where the pixel is; no product can say so.
    model = build_model("sbn", data_dim=1, layers=(2,), recognition="autoregressive").double()
    with torch.no_grad():
        model.recognition_links[0].weight.fill_(-20.0)
        model.recognisers[0][0].weight.zero_()
        model.recognisers[0][0].bias.zero_()
    z = model.recognition(torch.ones(1, 1).double()).sample((1000,), generator=make_generator(0))
    assert (z.sum(-1) == 1).all()
    assert 400 < float(z[..., 0].sum()) < 600


@pytest.mark.parametrize("keep", [(False, True), (True, False)])
def test_resampled_layers_follow_the_linked_prior_given_the_layers_above(keep):
    model = build("fdarn-2-linked")
    z = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0]).double()  # layers of 2 and 3
    draws = model.resample(z.expand(40_000, -1), keep, generator=make_generator(0))
    if keep[0]:
        probs = model.layer_prior(1, None).log_prob(bits(3)).exp()
        assert_frequencies(draws[:, 2:], probs)
    else:
        probs = model.layer_prior(0, z[2:]).log_prob(bits(2)).exp()
        assert_frequencies(draws[:, :2], probs)


def bits(size: int) -> torch.Tensor:
    return all_bits(size, dtype=torch.float64)


def test_the_mean_of_the_recognition_is_mean_field_within_and_between_layers():
    model = build("sbn-2-linked")
    x = all_data(model)
    inner = [2 * links.weight.tril(-1) for links in model.recognition_links]
    below, layers = x - model.data_mean, []
    for network, links in zip(model.recognisers, inner, strict=True):
        logits, mean = network(below), torch.zeros(len(x), len(links)).double()
        for unit in range(len(links)):
            mean[:, unit] = (logits[:, unit] + (mean - 0.5) @ links[unit]).sigmoid()
        layers.append(mean)
        below = 2 * mean - 1
    torch.testing.assert_close(model.recognition(x).mean, torch.cat(layers, -1))


@pytest.mark.parametrize("kind", ["sbn", "fdarn", "darn"])
def test_an_unknown_recognition_is_refused(kind):
    with pytest.raises(ValueError, match=r"`recognition` must be one of.*'factorial'.*'nade'"):
        build_model(kind, data_dim=4, recognition="nade")


def test_words_cannot_be_linked():
    with pytest.raises(ValueError, match=r"`likelihood` must be one of \('bernoulli',\)"):
        build_model("darn", data_dim=4, likelihood="multinomial")
    assert build_model("fdarn", data_dim=4, likelihood="multinomial").independent_pixels


def test_pixels_are_linked_to_neighbours_before_them_alone():
    model = build("darn-near")
    x = torch.zeros(6).double()
    z = all_bits(2, dtype=torch.float64)
    before = {  # of two rows of three: 0 1 2 / 3 4 5
        0: set(), 1: {0}, 2: {1}, 3: {0, 1}, 4: {0, 1, 2, 3}, 5: {1, 2, 4},
    }  # fmt: skip
    at_zero = model.likelihood(z).logits_given(x)
    for pixel in range(6):
        changed = model.likelihood(z).logits_given(x.index_fill(0, torch.tensor([pixel]), 1.0))
        moved = {int(i) for i in (changed != at_zero).all(0).nonzero()}
        assert moved == {other for other, linked in before.items() if pixel in linked}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"link_reach": 2}, "`image_width` must be a whole number, at least 1; got None"),
        ({"link_reach": 2, "image_width": 4}, "`image_width` 4 does not divide 6 pixels"),
        ({"link_reach": 0, "image_width": 3}, "`link_reach` must be a whole number, at least 1"),
        ({"image_width": 3}, "`image_width` is for `link_reach`, which is not given"),
    ],
)
def test_a_neighbourhood_that_no_image_has_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        build_model("darn", data_dim=6, layers=[2], **arguments)


def test_a_model_of_linked_neighbours_may_start_from_one_that_links_all(tmp_path):
    every, near = build("darn-every"), build("darn-near", seed=1)
    card = {
        "model": "darn", "config": every.config, "dataset": "toy", "protocol": "", "recipe": {},
        "seed": 0, "metrics": [], "training": {},
    }  # fmt: skip
    save_checkpoint(tmp_path / "every.safetensors", every.state_dict(), card)
    start_from(near, str(tmp_path / "every.safetensors"))
    x = all_data(near)
    z = near.recognition(x).sample(generator=make_generator(0))
    assert not torch.equal(near.log_joint(x, z), every.log_joint(x, z))
    with torch.no_grad():
        every.pixel_links.weight.mul_(near.pixel_links.allowed)
    torch.testing.assert_close(near.log_joint(x, z), every.log_joint(x, z))


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_imputed_where_pixels_are_linked(method):
    model = build("darn-1")
    assert isinstance(model, DARN)
    assert suitable_methods(model) == []
    with pytest.raises(ValueError, match=r"independent given the latents.*DARN.*'fdarn' or 'sbn'"):
        build_kernel(method, model)


def test_bounds_of_a_part_of_linked_pixels_are_refused():
    model = build("darn-1")
    x = all_data(model)[:2]
    observed = torch.tensor([True, False, True, True])
    with pytest.raises(ValueError, match="exact conditional needs pixels that are independent"):
        exact_conditional(model, x[0], observed)
    with pytest.raises(ValueError, match="observed pixels needs pixels that are independent"):
        conditional_bound(model, x, observed.expand(2, -1), x[None], samples=2)


@pytest.mark.parametrize("name", ["sbn-2-linked", "fdarn-1", "fdarn-2-linked"])
@torch.no_grad()
def test_other_linked_models_are_imputed_exactly_by_metropolis_within_gibbs(name):
    model = build(name)
    x = all_data(model)[5]
    observed = torch.zeros(model.data_dim, dtype=torch.bool)
    observed[1] = True
    found = compare(
        model, x, observed, methods=["metropolis-within-gibbs"], generator=make_generator(0)
    )
    result = found.methods["metropolis-within-gibbs"]
    error = (result.frequencies - found.exact).abs() / result.standard_errors.clamp(min=1e-12)
    assert (error < 5).all()
