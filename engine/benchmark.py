"""Training and sampling speed beside a plain reference loop, interleaved in one run.

The reference is what tutorials do: a `DataLoader` over a `TensorDataset`, `binary_cross_entropy` of
a sigmoid, eager Adam. The lean loop draws minibatches by index from one tensor of bytes, takes the
cross-entropy from the logits and runs Adam fused; the compiled step is that of
`training.compile = true`. All train the same VAE with 20 latents on random bits of MNIST's shape:
speed does not depend on the pixels, and no data are needed. The variants take turns, so that a
machine that slows down slows all of them; medians over the turns, ratios to the reference.
"""

from __future__ import annotations

import json
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import click
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from engine.checks import check_size
from engine.estimators import build_estimator
from engine.models import build_model
from engine.random import make_generator
from engine.training.settings import Optimiser
from engine.training.step import Learner, Stepper

__all__ = ["benchmark", "run"]

PIXELS, LATENTS = 784, 20
PLAIN, LEAN, COMPILED = "plain", "lean", "compiled"
PLAIN_SAMPLES, OUR_SAMPLES = "plain samples", "our samples"


class PlainVAE(nn.Module):
    """The VAE as a tutorial writes it."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(PIXELS, hidden)
        self.mean = nn.Linear(hidden, LATENTS)
        self.log_variance = nn.Linear(hidden, LATENTS)
        self.decoder_hidden = nn.Linear(LATENTS, hidden)
        self.pixels = nn.Linear(hidden, PIXELS)

    def decode(self, z: Tensor) -> Tensor:
        """Probabilities, ``(batch, data)``."""
        return torch.sigmoid(self.pixels(torch.tanh(self.decoder_hidden(z))))

    def loss(self, x: Tensor, noise: Tensor) -> Tensor:
        """The negative ELBO of the batch, summed."""
        h = torch.tanh(self.hidden(x))
        mean, log_variance = self.mean(h), self.log_variance(h)
        z = mean + torch.exp(0.5 * log_variance) * noise
        reconstruction = F.binary_cross_entropy(self.decode(z), x, reduction="sum")
        kl = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
        return reconstruction + kl


def _plain_steps(pixels: Tensor, batch: int, hidden: int) -> Callable[[int], object]:
    generator = make_generator(0)
    model = PlainVAE(hidden)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    loader = DataLoader(
        TensorDataset(pixels.float()), batch_size=batch, shuffle=True, generator=generator
    )

    def batches() -> Iterator[Tensor]:
        while True:
            for (x,) in loader:
                yield x

    stream = batches()

    def steps(count: int) -> None:
        for _ in range(count):
            x = next(stream)
            optimiser.zero_grad()
            loss = model.loss(x, torch.randn(len(x), LATENTS, generator=generator))
            loss.backward()
            optimiser.step()

    return steps


def _our_steps(pixels: Tensor, batch: int, hidden: int, *, compiled: bool) -> Callable[[int], None]:
    model = build_model("vae", data_dim=PIXELS, latent_dim=LATENTS, hidden=[hidden])
    estimator = build_estimator("sgvb-b", model=model)
    learner = Learner(model, estimator).train()
    stepper = Stepper(learner, Optimiser(), items=len(pixels), average=0.999, compiled=compiled)
    generator = make_generator(0)
    number = 0
    order = torch.randperm(len(pixels), generator=generator)

    def steps(count: int) -> None:
        nonlocal number, order
        for _ in range(count):
            start = number * batch % (len(pixels) - batch + 1)
            if start < batch and number:
                order = torch.randperm(len(pixels), generator=generator)
            x = pixels.index_select(0, order[start : start + batch]).float()
            number += 1
            stepper.step(x, 1e-3, number, generator)

    return steps


def _plain_samples(batch: int, hidden: int) -> Callable[[int], object]:
    model, generator = PlainVAE(hidden).eval(), make_generator(0)

    @torch.no_grad()
    def samples(count: int) -> None:
        for _ in range(count):
            z = torch.randn(batch, LATENTS, generator=generator)
            torch.bernoulli(model.decode(z), generator=generator)

    return samples


def _our_samples(batch: int, hidden: int) -> Callable[[int], object]:
    model = build_model("vae", data_dim=PIXELS, latent_dim=LATENTS, hidden=[hidden]).eval()
    generator = make_generator(0)

    def samples(count: int) -> None:
        for _ in range(count):
            model.sample(batch, generator=generator)

    return samples


def _usable(steps: Callable[[int], None]) -> bool:
    """Make the first step of the compiled variant; whether it was really compiled."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        steps(1)
    return not any("could not be compiled" in str(one.message) for one in caught)


def run(
    *,
    rounds: int = 7,
    steps: int = 40,
    batch_size: int = 100,
    hidden: int = 500,
    items: int = 10_000,
    compiled: bool = True,
    limit: float = 40.0,
    progress: Callable[[str], object] = lambda text: None,
) -> dict[str, Any]:
    """Time the variants in turns.

    Args:
        rounds: turns of each variant.
        steps: minibatches of a turn.
        batch_size: items of a minibatch.
        hidden: tanh units each way.
        items: random images to train on.
        compiled: time the compiled step too; left out where nothing can be compiled here.
        limit: seconds after which no further turn begins (compiling not counted).
        progress: told what is going on.

    Returns:
        "training" and "sampling": variant to items_per_second (median over the turns), its
        quartiles, and ratio (median over the turns of the ratio to the plain loop in the same
        turn); "compile_seconds" (None without); the settings; torch and its threads.

    Raises:
        ValueError: a number is below 1, or there are fewer items than a minibatch has.
    """
    for name, value in {"rounds": rounds, "steps": steps, "hidden": hidden}.items():
        check_size(name, value)
    if not 1 <= batch_size <= items:
        raise ValueError(f"`batch_size` must be from 1 to `items` ({items}); got {batch_size}.")
    pixels = torch.randint(0, 2, (items, PIXELS), generator=make_generator(0), dtype=torch.uint8)
    training: dict[str, Callable[[int], object]] = {
        PLAIN: _plain_steps(pixels, batch_size, hidden),
        LEAN: _our_steps(pixels, batch_size, hidden, compiled=False),
    }
    compile_seconds = None
    if compiled:
        progress("compiling the step")
        started = time.perf_counter()
        ours = _our_steps(pixels, batch_size, hidden, compiled=True)
        if _usable(ours):
            compile_seconds = time.perf_counter() - started
            training[COMPILED] = ours
    sampling = {
        PLAIN_SAMPLES: _plain_samples(batch_size, hidden),
        OUR_SAMPLES: _our_samples(batch_size, hidden),
    }
    seconds = _take_turns({**training, **sampling}, rounds, steps, limit, progress)
    amount = steps * batch_size
    return {
        "training": _summary({name: seconds[name] for name in training}, PLAIN, amount),
        "sampling": _summary({name: seconds[name] for name in sampling}, PLAIN_SAMPLES, amount),
        "compile_seconds": compile_seconds,
        "rounds": len(seconds[PLAIN]),
        "steps": steps,
        "batch_size": batch_size,
        "hidden": hidden,
        "latents": LATENTS,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def _take_turns(
    variants: dict[str, Callable[[int], object]],
    rounds: int,
    steps: int,
    limit: float,
    progress: Callable[[str], object],
) -> dict[str, list[float]]:
    """Seconds of each turn by variant; a few steps before the first turn are not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    begun = time.perf_counter()
    for work in variants.values():
        work(2)
    for turn in range(rounds):
        if turn and time.perf_counter() - begun > limit:
            break
        progress(f"turn {turn + 1} of {rounds}")
        for name, work in variants.items():
            started = time.perf_counter()
            work(steps)
            seconds[name].append(time.perf_counter() - started)
    return seconds


def _summary(
    seconds: dict[str, list[float]], reference: str, amount: int
) -> dict[str, dict[str, float]]:
    out = {}
    for name, times in seconds.items():
        speeds = sorted(amount / value for value in times)
        ratios = [plain / own for plain, own in zip(seconds[reference], times, strict=True)]
        out[name] = {
            "items_per_second": statistics.median(speeds),
            "lower_quartile": speeds[len(speeds) // 4],
            "upper_quartile": speeds[-1 - len(speeds) // 4],
            "ratio": statistics.median(ratios),
        }
    return out


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True)
@click.option("--steps", type=click.IntRange(min=1), default=40, show_default=True)
@click.option("--batch-size", type=click.IntRange(min=1), default=100, show_default=True)
@click.option("--hidden", type=click.IntRange(min=1), default=500, show_default=True)
@click.option("--compile/--no-compile", "compiled", default=True, help="Time the compiled step.")
@click.option(
    "--limit",
    type=click.FloatRange(min=0),
    default=40,
    show_default=True,
    help="Seconds after which no further turn begins.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def benchmark(
    rounds: int,
    steps: int,
    batch_size: int,
    hidden: int,
    compiled: bool,
    limit: float,
    as_json: bool,
) -> None:
    """Training and sampling speed beside the plain reference loop, in one run.

    Needs no data. The variants take turns; what counts are the ratios to the plain loop.
    """
    result = run(
        rounds=rounds,
        steps=steps,
        batch_size=batch_size,
        hidden=hidden,
        items=max(10_000, batch_size),
        compiled=compiled,
        limit=limit,
        progress=lambda text: click.echo(text, err=True),
    )
    if as_json:
        click.echo(json.dumps(result))
        return
    click.echo(
        f"VAE {PIXELS}-{hidden}-{LATENTS}, batch {batch_size}, {result['threads']} threads, "
        f"torch {result['torch']}; medians of {result['rounds']} turns of {steps} minibatches"
    )
    for kind in ("training", "sampling"):
        for name, row in result[kind].items():
            spread = f"({row['lower_quartile']:,.0f} to {row['upper_quartile']:,.0f})"
            click.echo(
                f"{kind:<10}{name:<15}{row['items_per_second']:>10,.0f} images/s {spread:<20}"
                f"{row['ratio']:>6.2f} x"
            )
    if result["compile_seconds"] is not None:
        click.echo(f"compiling took {result['compile_seconds']:.1f} s, once")
    elif compiled:
        click.echo("the step could not be compiled here (a C++ compiler is needed)")
