"""What every model offers: parameters, resampling, input noise, data mean, configuration."""

from __future__ import annotations

import json

import pytest
import torch

from engine.evaluation.exact import all_bits
from engine.models import MODELS as REGISTRY
from engine.models import build_model
from engine.models.dlgm import START_FACTOR, START_LOG_SCALE
from engine.random import make_generator
from tests.engine.models.tiny import (
    BITS,
    EVERY,
    GAUSSIANS,
    MODELS,
    all_data,
    assert_frequencies,
    build,
)

DRAWS = 40_000


# --- parameters ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_gradient_reaches_every_parameter(name):
    model = build(name)
    x = all_data(model)
    q = model.recognition(x)
    draw = q.rsample if name in GAUSSIANS else q.sample
    z = draw((3,), generator=make_generator(0))
    (model.log_joint(x, z) - 2 * q.log_prob(z)).mean().backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.abs().max() > 0, key


@pytest.mark.parametrize("name", EVERY)
def test_each_parameter_belongs_to_the_model_or_to_the_recognition_but_not_to_both(name):
    model = build(name)
    generative = {id(p) for p in model.generative_parameters()}
    recognition = {id(p) for p in model.recognition_parameters()}
    assert not generative & recognition
    assert generative | recognition == {id(p) for p in model.parameters()}


@pytest.mark.parametrize("name", EVERY)
def test_p_depends_on_generative_and_q_on_recognition_parameters_alone(name):
    model = build(name)
    x = all_data(model)
    z = model.prior().sample((len(x),), generator=make_generator(0))
    model.log_joint(x, z).sum().backward()
    assert all(p.grad is None for p in model.recognition_parameters())
    model.zero_grad()
    model.recognition(x).log_prob(z).sum().backward()
    assert all(p.grad is None for p in model.generative_parameters())


@pytest.mark.parametrize("name", EVERY)
def test_reset_parameters_depends_on_the_generator_alone(name):
    first, second = build(name, seed=1), build(name, seed=2)
    before = torch.get_rng_state()
    first.reset_parameters(make_generator(0))
    second.reset_parameters(make_generator(0))
    assert torch.equal(torch.get_rng_state(), before)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
    second.reset_parameters(make_generator(1))
    assert not torch.equal(next(first.decoder.parameters()), next(second.decoder.parameters()))


@pytest.mark.parametrize("covariance", ["diagonal", "rank-one"])
def test_recognition_of_a_dlgm_starts_narrow_and_nearly_diagonal(covariance):
    model = build_model("dlgm", data_dim=50, layers=(20, 10), covariance=covariance)
    model.reset_parameters(make_generator(0))
    x = torch.randint(0, 2, (100, 50), generator=make_generator(0)).float()
    for layer in model.recognition(x).layers:
        torch.testing.assert_close(
            layer.stddev.log(), torch.full_like(layer.stddev, START_LOG_SCALE), rtol=0, atol=0.4
        )
        if covariance == "rank-one":
            inflation = layer.inflation - 1  # u^T D^-1 u: how far from diagonal
            assert (inflation < 0.1).all()


@pytest.mark.parametrize("name", EVERY)
def test_config_is_plain_json_and_builds_the_same_model_again(name):
    model = build(name)
    again = build_model(EVERY[name][0], **json.loads(json.dumps(model.config))).double()
    again.load_state_dict(model.state_dict())
    x = all_data(model)
    z = model.prior().sample((len(x),), generator=make_generator(0))
    torch.testing.assert_close(again.log_joint(x, z), model.log_joint(x, z))
    assert again.config == model.config


# --- embedding ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_recognition_mean_is_one_point_an_item_with_layers_side_by_side(name):
    model = build(name)
    x = all_data(model)
    mean = model.recognition(x).mean
    assert mean.shape == (len(x), sum(model.layer_sizes))
    # exact for Gaussians and for the first layer of bits; deeper layers are mean-field
    first = model.layer_sizes[0] if name in BITS else None
    draws = model.recognition(x).sample((DRAWS,), generator=make_generator(0))[..., :first]
    error = draws.std(0) / DRAWS**0.5
    assert ((draws.mean(0) - mean[:, :first]).abs() < 5 * error).all()


def test_mean_field_of_a_belief_network_puts_each_layer_at_the_mean_of_its_input():
    model = build("sbn-2")
    x = all_data(model)
    first = model.recognisers[0](x - model.data_mean).sigmoid()
    second = model.recognisers[1](2 * first - 1).sigmoid()
    torch.testing.assert_close(model.recognition(x).mean, torch.cat([first, second], -1))
    top = model.prior_logits.sigmoid()
    below = model.transforms[0](2 * top - 1).sigmoid()
    torch.testing.assert_close(model.prior().mean, torch.cat([below, top], -1))


# --- drawing layers again -----------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in EVERY if "1" not in name])
def test_resample_keeps_locked_layers_and_changes_only_the_others(name):
    model = build(name)
    layers = len(model.layer_sizes)
    z = model.prior().sample((200,), generator=make_generator(0))
    original = z.clone()
    for bits in all_bits(layers).bool():
        again = model.resample(z.requires_grad_(), bits.tolist(), generator=make_generator(1))
        assert torch.equal(z, original)
        assert not again.requires_grad
        parts = zip(z.split(model.layer_sizes, -1), again.split(model.layer_sizes, -1), strict=True)
        for keep, (old, new) in zip(bits.tolist(), parts, strict=True):
            assert torch.equal(old, new) == keep


@pytest.mark.parametrize("keep", [(False, True, True), (True, False, True), (False, True, False)])
def test_resampled_layers_of_bits_follow_the_prior_given_the_layers_above(keep):
    model = build("sbn-3")
    z = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0]).double()  # layers of 2, 3 and 2
    draws = model.resample(z.expand(DRAWS, -1), keep, generator=make_generator(0))
    first, middle, top = draws.split(model.layer_sizes, -1)
    if not keep[2]:
        logits = model.prior_logits
        assert_frequencies(top, probabilities(logits))
    if not keep[1]:
        assert_frequencies(middle, probabilities(model.transforms[1](2 * z[5:] - 1)))
    if not keep[0]:
        assert_frequencies(first, probabilities(model.transforms[0](2 * z[2:5] - 1)))


def test_a_layer_of_bits_below_a_freshly_drawn_one_follows_the_new_one():
    model = build("sbn-2")
    z = torch.zeros(DRAWS, 5, dtype=torch.float64)
    draws = model.resample(z, (False, False), generator=make_generator(0))
    probs = model.prior().log_prob(all_bits(5, dtype=torch.float64)).exp()
    assert_frequencies(draws, probs)


def probabilities(logits: torch.Tensor) -> torch.Tensor:
    """Of every vector of independent bits, in the order of `all_bits`."""
    bits, probs = all_bits(len(logits), dtype=torch.float64), logits.detach().sigmoid()
    return (bits * probs + (1 - bits) * (1 - probs)).prod(-1)


def test_resampled_gaussian_layers_are_standard_normal():
    model = build("dlgm-2-diagonal")
    z = torch.full((DRAWS, 3), 9.0, dtype=torch.float64)
    draws = model.resample(z, (True, False), generator=make_generator(0))
    assert (draws[:, :2] == 9).all()
    assert abs(draws[:, 2].mean()) < 5 / DRAWS**0.5
    assert abs(draws[:, 2].var() - 1) < 5 * (2 / DRAWS) ** 0.5


@pytest.mark.parametrize("name", ["sbn-2", "dlgm-2-diagonal"])
def test_resample_refuses_the_wrong_number_of_flags_or_latents(name):
    model = build(name)
    z = model.prior().sample((2,), generator=make_generator(0))
    with pytest.raises(ValueError, match=r"`keep` needs one flag for each of the 2 layers; got 1"):
        model.resample(z, (True,))
    with pytest.raises(ValueError, match=r"`z` must have \d latents on its last axis; got"):
        model.resample(z[:, 1:], (True, True))


# --- input noise --------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", ["bit-flip", "drop-out"])
@pytest.mark.parametrize("kind", ["sbn", "darn", "vae", "dlgm"])
def test_input_noise_hits_its_share_of_the_pixels_while_training_only(kind, noise):
    model = build_model(kind, data_dim=50, input_noise=noise, noise_rate=0.2)
    model.set_data_mean(torch.full((50,), 0.25))
    x = torch.randint(0, 2, (1000, 50), generator=make_generator(0)).float()
    original = x.clone()
    assert model.eval().corrupt(x, generator=make_generator(1)) is x
    noisy = model.train().corrupt(x, generator=make_generator(1))
    assert torch.equal(x, original)
    hit = noisy != x
    assert abs(hit.float().mean() - 0.2) < 5 * (0.2 * 0.8 / x.numel()) ** 0.5
    expected = 1 - x if noise == "bit-flip" else torch.full_like(x, 0.25)
    assert torch.equal(noisy[hit], expected[hit])


def test_without_noise_the_input_is_passed_on_and_no_draw_is_made():
    generator = make_generator(0)
    before = generator.get_state()
    for options in ({}, {"input_noise": "bit-flip", "noise_rate": 0.0}):
        model = build_model("vae", data_dim=4, **options).train()
        x = torch.rand(3, 4)
        assert model.corrupt(x, generator=generator) is x
    assert torch.equal(generator.get_state(), before)


# --- data mean ----------------------------------------------------------------------------------


def test_the_lower_layers_of_a_dlgm_start_quiet():
    model = build_model("dlgm", data_dim=4, layers=(30, 30, 30))
    model.reset_parameters(make_generator(0))
    first, second, deepest = (float(factor.weight.detach().std()) for factor in model.factors)
    assert first == pytest.approx(START_FACTOR * deepest, rel=0.15)
    assert second == pytest.approx(START_FACTOR * deepest, rel=0.15)


@pytest.mark.parametrize(
    ("kind", "likelihood"),
    [
        ("sbn", "bernoulli"),
        ("vae", "bernoulli"),
        ("vae", "gaussian"),
        ("dlgm", "bernoulli"),
        ("dlgm", "gaussian"),
    ],
)
def test_data_mean_centres_the_input_and_starts_the_output_there(kind, likelihood):
    options = {} if kind == "sbn" else {"likelihood": likelihood}
    model = build_model(kind, data_dim=3, hidden=(5,), **options)
    mean = torch.tensor([0.0, 0.3, 1.0])
    x = torch.rand(4, 3, generator=make_generator(0))
    before = model.recognition(x).mean
    model.set_data_mean(mean)
    torch.testing.assert_close(model.recognition(x + mean).mean, before, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        model.output_network()[-1].weight.zero_()
    z = model.prior().sample((2,), generator=make_generator(0))
    # pixels that are always off or on keep finite logits
    expected = torch.tensor([0.001, 0.3, 0.999]).expand(2, 3)
    torch.testing.assert_close(model.likelihood(z).mean, expected)
    assert torch.equal(model.state_dict()["data_mean"], mean)


def test_data_mean_of_the_wrong_shape_is_refused():
    model = build_model("vae", data_dim=3)
    with pytest.raises(ValueError, match=r"`mean` must have shape \(3,\); got \(4,\)"):
        model.set_data_mean(torch.zeros(4))


# --- numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sbn", "vae", "dlgm"])
def test_densities_stay_in_32_bits_where_products_run_in_16(kind):
    model = build_model(kind, data_dim=6)
    x = torch.zeros(2, 6)
    with torch.autocast("cpu", torch.bfloat16):
        q = model.recognition(x)
        z = q.sample(generator=make_generator(0))
        for values in (z, q.log_prob(z), q.mean, model.log_joint(x, z), model.likelihood(z).logits):
            assert values.dtype == torch.float32


@pytest.mark.parametrize("name", EVERY)
def test_sampling_depends_on_the_generator_alone(name):
    model = build(name)
    before = torch.get_rng_state()
    first, again = (model.sample(20, generator=make_generator(4)) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not first.requires_grad
    assert model.sample(0, generator=make_generator(4)).shape == (0, model.data_dim)


# --- bad arguments ------------------------------------------------------------------------------

BAD = [
    ("vae", {"data_dim": 0}, r"`data_dim`.*0"),
    ("vae", {"data_dim": 2.5}, r"`data_dim`.*2\.5"),
    ("vae", {"data_dim": "784"}, r"`data_dim`.*'784'"),
    ("vae", {"data_dim": True}, r"`data_dim`.*True"),
    ("vae", {"latent_dim": 0}, r"`latent_dim`.*0"),
    ("vae", {"latent_dim": [2]}, r"`latent_dim`.*\[2\]"),
    ("vae", {"hidden": 500}, r"`hidden`.*500"),
    ("vae", {"hidden": (0,)}, r"`hidden`.*0"),
    ("vae", {"activation": "gelu"}, r"`activation`.*'gelu'"),
    ("vae", {"likelihood": "poisson"}, r"`likelihood`.*'poisson'"),
    ("vae", {"input_noise": "snow"}, r"`input_noise`.*'snow'"),
    ("vae", {"noise_rate": 1.0}, r"`noise_rate`.*1\.0"),
    ("vae", {"noise_rate": -0.1}, r"`noise_rate`.*-0\.1"),
    ("vae", {"noise_rate": "much"}, r"`noise_rate`.*'much'"),
    ("vae", {"noise_rate": float("nan")}, r"`noise_rate`.*nan"),
    ("dlgm", {"layers": ()}, r"`layers`.*\(\)"),
    ("dlgm", {"layers": 200}, r"`layers`.*200"),
    ("dlgm", {"layers": (3, 0)}, r"`layers`.*0"),
    ("dlgm", {"layers": (2.5,)}, r"`layers`.*2\.5"),
    ("dlgm", {"hidden": ()}, r"`hidden`.*\(\)"),
    ("dlgm", {"layers": (2, 2), "between": (0,)}, r"`between`.*0"),
    ("dlgm", {"between": 5}, r"`between`.*5"),
    ("dlgm", {"covariance": "full"}, r"`covariance`.*'full'"),
    ("dlgm", {"activation": "gelu"}, r"`activation`.*'gelu'"),
    ("dlgm", {"likelihood": "poisson"}, r"`likelihood`.*'poisson'"),
    ("sbn", {"layers": ()}, r"`layers`.*\(\)"),
    ("sbn", {"layers": (0,)}, r"`layers`.*0"),
    ("sbn", {"layers": "200"}, r"`layers`.*'200'"),
    ("sbn", {"hidden": (-1,)}, r"`hidden`.*-1"),
    ("sbn", {"hidden": 3}, r"`hidden`.*3"),
    ("sbn", {"input_noise": "snow"}, r"`input_noise`.*'snow'"),
    ("sbn", {"noise_rate": 2}, r"`noise_rate`.*2"),
    ("sbn", {"latents": 3}, r"'sbn'.*latents.*layers"),
]


@pytest.mark.parametrize(("kind", "options", "message"), BAD)
def test_a_bad_argument_is_refused_by_name_with_its_value(kind, options, message):
    with pytest.raises(ValueError, match=message):
        build_model(kind, **({"data_dim": 4} | options))


@pytest.mark.parametrize("kind", REGISTRY)
def test_a_model_without_data_dim_is_refused(kind):
    with pytest.raises(ValueError, match="data_dim"):
        build_model(kind)


def test_an_unknown_model_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"`name`.*dlgm.*sbn.*vae.*'gan'"):
        build_model("gan", data_dim=4)


def test_a_negative_number_of_samples_is_refused():
    with pytest.raises(ValueError, match=r"`n` must not be negative; got -1"):
        build_model("vae", data_dim=4).sample(-1)


def test_the_registry_of_models_cannot_be_changed():
    with pytest.raises(TypeError):
        REGISTRY["mine"] = object  # type: ignore[index]
