"""One training step: eager, or compiled as a whole (forward, backward, update, average).

Both forms make the same random draws in the same order and keep their state in the same
`torch.optim` object, so a run may change from one to the other.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from engine.estimators import Estimate, GradientEstimator
from engine.models import GenerativeModel
from engine.random import Generator, Recorder, Replay, draw_plan
from engine.training.settings import Optimiser

_OPTIMISERS = {
    "adam": torch.optim.Adam,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}
_MOMENTS = {
    "adam": ("exp_avg", "exp_avg_sq"),
    "adagrad": ("sum",),
    "rmsprop": ("square_avg",),
    "sgd": (),
}
_EPSILON = {"adam": 1e-8, "adagrad": 1e-10, "rmsprop": 1e-8}


class Learner(nn.Module):
    """A model and its estimator as one module, so that one call sees every parameter."""

    def __init__(self, model: GenerativeModel, estimator: GradientEstimator) -> None:
        super().__init__()
        self.model = model
        self.estimator = estimator

    def forward(self, x: Tensor, generator: Generator) -> Estimate:
        """The estimator's estimate for the minibatch `x` ``(batch, data)``."""
        estimate: Estimate = self.estimator(self.model, x, generator=generator)
        return estimate


@dataclass
class Group:
    """Parameters that share a rate and a prior."""

    names: list[str]
    rate: float
    decay: float
    parameters: list[nn.Parameter] = field(default_factory=list)


def parameter_groups(learner: Learner, settings: Optimiser, items: int) -> list[Group]:
    """Generative, recognition and estimator parameters, each used by its own group.

    What the estimator does not move is in none: a weight prior alone would draw it to zero.

    The Gaussian prior N(0, kappa I) on the weights of p adds log p(theta) / N to the objective
    per item, whose gradient is -theta / (kappa N): an L2 decay (Rezende et al. 2014, Sec. 4.1).
    """

    def decay(kappa: float | None) -> float:
        return 1 / (kappa * items) if kappa else 0.0

    generative = {id(p) for p in learner.model.generative_parameters()}
    recognition = {id(p) for p in learner.model.recognition_parameters()}
    groups = [
        Group([], 1.0, decay(settings.weight_prior_variance)),
        Group([], settings.recognition_rate, decay(settings.recognition_prior_variance)),
        Group([], 1.0, 0.0),
    ]
    moved = {id(p) for p in learner.estimator.moved(learner.model)}
    moved |= {id(p) for p in learner.estimator.parameters()}
    for name, parameter in learner.named_parameters():
        if id(parameter) not in moved:
            continue
        which = 0 if id(parameter) in generative else 1 if id(parameter) in recognition else 2
        groups[which].names.append(name)
        groups[which].parameters.append(parameter)
    return [group for group in groups if group.names]


class Stepper:
    """Moves the parameters of a learner and the moving average of its model's weights.

    Args:
        learner: in training mode.
        settings: optimiser of the recipe.
        items: size of the training split, for the weight prior.
        average: decay of the moving average; 0 keeps no average.
        compiled: compile the whole step; falls back to the eager one with a warning.
        precision: "float32" or "bfloat16" (autocast; the parameters stay float32).
    """

    def __init__(
        self,
        learner: Learner,
        settings: Optimiser,
        *,
        items: int,
        average: float,
        compiled: bool = False,
        precision: str = "float32",
    ) -> None:
        self.learner, self.settings, self.decay = learner, settings, average
        self.groups = parameter_groups(learner, settings, items)
        self.parameters = dict(learner.named_parameters())
        self.device = next(iter(self.parameters.values())).device
        self.autocast = precision == "bfloat16"
        self.average = {
            name: parameter.detach().clone()
            for name, parameter in learner.model.named_parameters()
            if average > 0
        }
        self.optimiser = self._build_optimiser()
        self._compiled = self._compile() if compiled else None
        self._plan: dict[int, list[tuple[str, tuple[int, ...]]]] = {}
        self._proven: set[int] = set()  # batch sizes for which compiled code has run

    def step(self, x: Tensor, rate: float, number: int, generator: torch.Generator) -> Tensor:
        """One update with the minibatch `x` ``(batch, data)``.

        Args:
            rate: learning rate now.
            number: of this step, from 1.
            generator: source of every draw.

        Returns:
            The mean ELBO estimate of the minibatch, a scalar on the device.
        """
        # A young average forgets its random start faster: the usual bias correction.
        weight = 1 - min(self.decay, number / (number + 9))
        if self._compiled is not None:
            state = generator.get_state() if len(x) not in self._proven else None
            try:
                elbo = self._step_compiled(self._compiled, x, rate, number, weight, generator)
            except Exception as error:  # torch raises many kinds: no compiler, no support, ...
                if state is None:
                    raise  # code that has run before is compiled: this is something else
                generator.set_state(state)  # the eager step makes the same draws
                warnings.warn(
                    f"the step could not be compiled ({type(error).__name__}); going on without. "
                    "A C++ compiler is needed; set training.compile = false to silence this.",
                    RuntimeWarning,
                    stacklevel=2,
                )
                self._compiled = None
            else:
                self._proven.add(len(x))
                return elbo
        return self._step_eager(x, rate, weight, generator)

    def _step_eager(
        self, x: Tensor, rate: float, weight: float, generator: torch.Generator
    ) -> Tensor:
        for group, settings in zip(self.groups, self.optimiser.param_groups, strict=True):
            settings["lr"] = rate * group.rate
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            estimate = self.learner(x, generator)
        estimate.loss.backward()
        self.optimiser.step()
        if self.average:
            current = [self.parameters[f"model.{name}"].detach() for name in self.average]
            torch._foreach_lerp_(list(self.average.values()), current, weight)
        return estimate.elbo.mean()

    def _build_optimiser(self) -> torch.optim.Optimizer:
        name = self.settings.name
        options: dict[str, Any] = {"eps": _EPSILON[name]} if name in _EPSILON else {}
        if name != "rmsprop":
            options["fused"] = True
        optimiser = _OPTIMISERS[name](
            [{"params": g.parameters, "weight_decay": g.decay} for g in self.groups],
            lr=self.settings.learning_rate,
            **options,
        )
        for group in self.groups:  # allocated now, so that compiled code and resuming can use it
            for parameter in group.parameters if _MOMENTS[name] else ():
                state = optimiser.state[parameter]
                state.setdefault("step", torch.zeros((), device=parameter.device))
                for moment in _MOMENTS[name]:
                    state.setdefault(moment, torch.zeros_like(parameter))
        return optimiser

    def _compile(self) -> Callable[..., Tensor]:
        learner, autocast, device = self.learner, self.autocast, self.device.type
        name = self.settings.name
        rates = {n: (g.rate, g.decay) for g in self.groups for n in g.names}

        def objective(
            parameters: dict[str, Tensor],
            buffers: dict[str, Tensor],
            x: Tensor,
            draws: list[Tensor],
        ) -> tuple[Tensor, tuple[Tensor, dict[str, Tensor]]]:
            buffers = {key: value.clone() for key, value in buffers.items()}
            with torch.autocast(device, torch.bfloat16, enabled=autocast):
                estimate = torch.func.functional_call(
                    learner, (parameters, buffers), (x, Replay(draws))
                )
            return estimate.loss, (estimate.elbo.mean(), buffers)

        def step(
            parameters: dict[str, Tensor],
            buffers: dict[str, Tensor],
            moments: dict[str, list[Tensor]],
            average: dict[str, Tensor],
            x: Tensor,
            draws: list[Tensor],
            scalars: Tensor,
        ) -> Tensor:
            gradients, (elbo, new_buffers) = torch.func.grad(objective, has_aux=True)(
                parameters, buffers, x, draws
            )
            rate, weight, first, second = scalars.unbind()
            for key, value in new_buffers.items():
                buffers[key].copy_(value)
            for key, (factor, decay) in rates.items():
                parameter = parameters[key]
                gradient = gradients[key] + decay * parameter if decay else gradients[key]
                direction = _direction(name, gradient, moments[key], first, second)
                parameter.sub_(rate * factor * direction)
            for key, value in average.items():
                value.lerp_(parameters[f"model.{key}"], weight)
            return elbo

        return torch.compile(step, dynamic=False)

    def _step_compiled(
        self,
        compiled: Callable[..., Tensor],
        x: Tensor,
        rate: float,
        number: int,
        weight: float,
        generator: torch.Generator,
    ) -> Tensor:
        if len(x) not in self._plan:
            self._plan[len(x)] = self._record(x, generator)
        # 1 - beta ** t, the bias corrections of Adam
        scalars = torch.tensor([rate, weight, 1 - 0.9**number, 1 - 0.999**number])
        moments = {
            name: [self.optimiser.state[p][moment] for moment in _MOMENTS[self.settings.name]]
            for group in self.groups
            for name, p in zip(group.names, group.parameters, strict=True)
        }
        elbo = compiled(
            {name: parameter.detach() for name, parameter in self.parameters.items()},
            dict(self.learner.named_buffers()),
            moments,
            self.average,
            x,
            draw_plan(self._plan[len(x)], generator),
            scalars.to(self.device),
        )
        for state in self.optimiser.state.values():
            if state:  # plain SGD keeps none
                state["step"].fill_(number)
        return elbo

    @torch.no_grad()
    def _record(self, x: Tensor, generator: torch.Generator) -> list[tuple[str, tuple[int, ...]]]:
        """Which draws a step makes, found by one estimate that changes nothing."""
        recorder = Recorder(torch.Generator(generator.device).manual_seed(0))
        buffers = {name: value.clone() for name, value in self.learner.named_buffers()}
        torch.func.functional_call(self.learner, buffers, (x, recorder))
        return recorder.plan


def _direction(
    name: str, gradient: Tensor, moments: list[Tensor], first: Tensor, second: Tensor
) -> Tensor:
    """The update direction of `torch.optim`'s rule `name` with its defaults; updates `moments`."""
    if name == "sgd":
        return gradient
    if name == "adam":
        mean, square = moments
        mean.lerp_(gradient, 0.1)
        square.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        return mean / first / ((square / second).sqrt() + _EPSILON[name])
    (square,) = moments
    if name == "rmsprop":
        square.mul_(0.99)
    square.addcmul_(gradient, gradient, value=1.0 if name == "adagrad" else 0.01)
    return gradient / (square.sqrt() + _EPSILON[name])
