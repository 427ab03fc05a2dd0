"""Models of documents: counts of words under the multinomial likelihood."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.nn import functional as F

from engine.distributions import DOCUMENT_LENGTH, Multinomial
from engine.estimators import build_estimator
from engine.mcmc import impute
from engine.models import build_model
from engine.random import Recorder, Replay, draw_plan, make_generator
from tests.engine.models.tiny import build, marginal

WORDS, LENGTH = 3, 4
TINY = {
    "sbn-1": {"data_dim": WORDS, "likelihood": "multinomial"},
    "sbn-3-tanh": {"likelihood": "multinomial"},
    "sbn-2-linked": {"likelihood": "multinomial"},
    "fdarn-1": {"data_dim": WORDS, "likelihood": "multinomial"},
    "fdarn-2-linked": {"likelihood": "multinomial"},
    "vae": {"likelihood": "multinomial"},
    "dlgm-2-rank-one": {"likelihood": "multinomial"},
}


def sequences(length: int = LENGTH) -> torch.Tensor:
    """Counts ``(sequences, words)`` of every sequence of so many words."""
    words = torch.tensor(list(itertools.product(range(WORDS), repeat=length)))
    return F.one_hot(words, WORDS).sum(1).double()


# --- the distribution ---------------------------------------------------------------------------


def test_probabilities_of_a_document_sum_to_one_over_the_sequences_of_its_words():
    logits = torch.randn(5, WORDS, generator=make_generator(0), dtype=torch.float64)
    total = Multinomial(logits).log_prob(sequences()[:, None]).exp().sum(0)
    torch.testing.assert_close(total, torch.ones(5, dtype=torch.float64))


def test_log_probability_is_that_of_torch_without_the_coefficient():
    logits = 3 * torch.randn(4, WORDS, generator=make_generator(0), dtype=torch.float64)
    counts = torch.tensor([[2.0, 0.0, 5.0]]).double()
    coefficient = torch.lgamma(torch.tensor(8.0)) - torch.lgamma(counts + 1).sum()
    whole = torch.distributions.Multinomial(7, logits=logits).log_prob(counts.expand(4, -1))
    p = Multinomial(logits)
    torch.testing.assert_close(p.log_prob(counts), whole - coefficient)
    torch.testing.assert_close(p.log_prob_terms(counts).sum(-1), p.log_prob(counts))
    torch.testing.assert_close(p.mean.sum(-1), torch.ones(4, dtype=torch.float64))


def test_drawn_documents_have_their_length_and_the_shares_of_their_words():
    logits = torch.tensor([[0.0, 1.0, -2.0], [-1.0, 0.0, 3.0]], requires_grad=True)
    p = Multinomial(logits)
    draws = p.sample((4000,), generator=make_generator(0), length=50)
    assert draws.shape == (4000, 2, WORDS)
    assert not draws.requires_grad
    assert (draws.sum(-1) == 50).all()
    probs = p.mean.detach()
    error = (probs * (1 - probs) / (50 * 4000)).sqrt()
    assert ((draws.mean(0) / 50 - probs).abs() < 5 * error).all()
    # the words of one document are independent: their counts spread like the multinomial's
    spread = draws.var(0) / (50 * probs * (1 - probs))
    assert ((spread - 1).abs() < 5 * (2 / 4000) ** 0.5).all()
    assert (p.sample(generator=make_generator(0)).sum(-1) == DOCUMENT_LENGTH).all()


def test_compiled_steps_see_the_same_documents_as_eager_ones():
    p = Multinomial(torch.randn(2, WORDS, generator=make_generator(0)))
    recorder = Recorder(make_generator(1))
    first = p.sample((3,), generator=recorder)
    again = p.sample((3,), generator=Replay(draw_plan(recorder.plan, make_generator(1))))
    assert torch.equal(first, again)


# --- the models ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TINY)
def test_p_of_x_summed_over_every_sequence_is_one(name):
    model = build(name, **TINY[name])
    assert model.likelihood_kind == model.config["likelihood"] == "multinomial"
    total = marginal(model, sequences()).exp().sum()
    torch.testing.assert_close(total.item(), 1.0, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", TINY)
def test_a_model_of_documents_starts_from_the_shares_of_the_words(name):
    model = build(name, **TINY[name])
    mean = torch.tensor([6.0, 0.0, 2.0]).double()
    model.set_data_mean(mean)
    with torch.no_grad():
        model.output_network()[-1].weight.zero_()
    z = model.prior().sample((2,), generator=make_generator(0))
    shares = model.likelihood(z).mean
    torch.testing.assert_close(shares, (mean / 8).expand(2, -1), rtol=0, atol=1e-6)
    assert (shares > 0).all()  # a word that never came up in training is rare, not impossible


def test_the_recognition_reads_logarithms_of_counts():
    model = build("sbn-1", **TINY["sbn-1"])
    x = torch.tensor([[0.0, 1.0, 30.0]]).double()
    centred = model.centre(x)
    torch.testing.assert_close(centred, (1 + x).log() - (1 + model.data_mean).log())
    expected = model.recognisers[0](centred).sigmoid()
    torch.testing.assert_close(model.recognition(x).mean, expected)
    pixels = build("sbn-1")
    torch.testing.assert_close(pixels.centre(x[:, :1]), x[:, :1] - pixels.data_mean)


def test_documents_are_drawn_as_counts():
    model = build("sbn-1", **TINY["sbn-1"])
    x = model.sample(7, generator=make_generator(0))
    assert x.shape == (7, WORDS)
    assert (x.sum(-1) == DOCUMENT_LENGTH).all()


@pytest.mark.parametrize("estimator", ["nvil", "vimco", "rebar", "reweighted-wake-sleep"])
def test_estimators_of_bits_train_on_counts(estimator):
    model = build("sbn-1", **TINY["sbn-1"]).float().train()
    x = 40 * sequences().float()
    built = build_estimator(estimator, model=model)
    estimate = built(model, x, generator=make_generator(0))
    estimate.loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_chains_refuse_documents():
    model = build("sbn-1", **TINY["sbn-1"])
    x = sequences()[:2]
    with pytest.raises(ValueError, match="`model` must have pixels to fill in; got one of doc"):
        impute(model, x, x > 0)


def test_bits_of_a_count_cannot_be_flipped():
    with pytest.raises(ValueError, match=r"`input_noise` must be 'none' or 'drop-out' for counts"):
        build_model("sbn", data_dim=3, likelihood="multinomial", input_noise="bit-flip")


@pytest.mark.parametrize(("kind", "other"), [("sbn", "gaussian"), ("vae", "poisson")])
def test_a_likelihood_that_the_model_has_not_is_refused(kind, other):
    with pytest.raises(ValueError, match=rf"`likelihood` must be one of .*{other!r}"):
        build_model(kind, data_dim=3, likelihood=other)
