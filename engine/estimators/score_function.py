"""Score-function (REINFORCE) gradients: plain, and NVIL with its variance reductions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.checks import check_flag, check_rate, check_size
from engine.estimators.base import Estimate, GradientEstimator
from engine.models.base import LatentVariableModel
from engine.models.sbn import BeliefPrior, BeliefRecognition
from engine.nn import mlp
from engine.random import Generator


class ScoreFunction(GradientEstimator):
    r"""Plain score-function gradient; unbiased for any latents, with the highest variance.

    .. math:: \nabla_\phi L = E_q[(\log p(x, z) - \log q(z \mid x)) \nabla_\phi \log q(z \mid x)]

    Mnih and Gregor (2014), arXiv:1402.0030, Eq. 5, before any baseline.
    """

    def forward(
        self, model: LatentVariableModel, x: Tensor, *, generator: Generator | None = None
    ) -> Estimate:
        """One estimate for the minibatch `x` ``(batch, data)``."""
        q = model.recognition(model.corrupt(x, generator=generator))
        z = q.sample(generator=generator)
        log_q, log_joint = q.log_prob(z), model.log_joint(x, z)
        signal = (log_joint - log_q).detach()
        return Estimate(signal, -(log_joint + signal * log_q).mean())


class NVIL(GradientEstimator):
    r"""Neural variational inference and learning (Mnih and Gregor 2014, arXiv:1402.0030).

    The learning signal of layer i is centred by a running mean c_i and a network b_i of the
    layer's input (Eq. 8) and divided by max(1, running standard deviation) (Sec. 2.3.3). With
    local signals, layer i sees only the terms that depend on it (Sec. 2.3.2):

    .. math:: l_i = \log p(z_L)
              + \sum_{j \ge i} \log p(z_{j-1} \mid z_j) - \log q(z_j \mid z_{j-1}), \quad z_0 = x.

    Centring and baselines leave the gradient unbiased (the running statistics come from earlier
    minibatches only); normalisation rescales the recognition's part of it.

    Args:
        centring: C, subtract the running mean of the signal.
        input_baseline: IDB, subtract a network with `hidden` tanh units of x or of the layer below.
        normalise: VN, divide by max(1, running standard deviation).
        local_signals: one signal a layer; models without layers of bits have one signal.
        decay: of the running statistics (the paper's alpha).
    """

    def __init__(
        self,
        model: LatentVariableModel,
        *,
        centring: bool = True,
        input_baseline: bool = True,
        normalise: bool = True,
        local_signals: bool = True,
        hidden: int = 100,
        decay: float = 0.8,
    ) -> None:
        super().__init__(model)
        check_flag("input_baseline", input_baseline)
        hidden = check_size("hidden", hidden)
        layered = check_flag("local_signals", local_signals) and model.latent_kind == "bernoulli"
        inputs = [model.data_dim, *model.layer_sizes[:-1]] if layered else [model.data_dim]
        self.layered, self.decay = layered, check_rate("decay", decay)
        self.centring = check_flag("centring", centring)
        self.normalise = check_flag("normalise", normalise)
        self.baselines = nn.ModuleList(mlp(size, (hidden,), 1) for size in inputs if input_baseline)
        self.unbiased = not normalise
        self.register_buffer("mean", torch.zeros(len(inputs)))
        self.register_buffer("variance", torch.zeros(len(inputs)))
        self.register_buffer("updates", torch.zeros(()))

    mean: Tensor
    variance: Tensor
    updates: Tensor

    def forward(
        self, model: LatentVariableModel, x: Tensor, *, generator: Generator | None = None
    ) -> Estimate:
        """One estimate for the minibatch `x` ``(batch, data)``."""
        q = model.recognition(model.corrupt(x, generator=generator))
        z = q.sample(generator=generator)
        log_qs, log_ps, inputs = self._terms(model, q, x, z)
        log_q, log_p = (
            torch.stack(log_qs),
            torch.stack(log_ps),
        )  # (layer, batch), (layer + 1, batch)
        local = (log_p[:-1] - log_q).detach()
        signals = local.flip(0).cumsum(0).flip(0) + log_p[-1].detach()
        elbo = signals[0]

        baseline_loss = x.new_zeros(())
        if self.centring:
            signals = signals - self._running(self.mean)[:, None]
        if self.baselines:
            pairs = zip(self.baselines, inputs, strict=True)
            baselines = torch.stack([net(value).squeeze(-1) for net, value in pairs])
            baseline_loss = (signals - baselines).square().mean(-1).sum()
            signals = signals - baselines.detach()
        centred = signals
        if self.normalise:
            scale = self._running(self.variance).sqrt().clamp(min=1.0)
            signals = signals / scale[:, None]
        if self.training:
            self._update(centred)
        loss = baseline_loss - (log_p.sum(0) + (signals * log_q).sum(0)).mean()
        return Estimate(elbo, loss)

    def _terms(
        self, model: LatentVariableModel, q: object, x: Tensor, z: Tensor
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Log q by layer, log p by layer (data first), and the input of each baseline."""
        centred = model.centre(x)
        log_likelihood = model.likelihood(z).log_prob(x)
        prior = model.prior()
        if not self.layered:
            log_q = q.log_prob(z)  # type: ignore[attr-defined]
            return [log_q], [log_likelihood, prior.log_prob(z)], [centred]
        assert isinstance(q, BeliefRecognition)
        assert isinstance(prior, BeliefPrior)
        below = z.split(model.layer_sizes, dim=-1)[:-1]
        log_ps = [log_likelihood, *prior.log_prob_layers(z)]
        return q.log_prob_layers(z), log_ps, [centred, *(2 * bits - 1 for bits in below)]

    def _running(self, statistic: Tensor) -> Tensor:
        """The running statistic, corrected for its start at zero."""
        return statistic / (1 - self.decay**self.updates).clamp(min=1 - self.decay)

    @torch.no_grad()
    def _update(self, centred: Tensor) -> None:
        """Fold this minibatch into the running mean and variance of the signals."""
        self.variance.lerp_(centred.var(-1, correction=0), 1 - self.decay)
        if self.centring:  # `centred` has lost the running mean already: put it back
            self.mean.lerp_(centred.mean(-1) + self._running(self.mean), 1 - self.decay)
        self.updates.add_(1)
