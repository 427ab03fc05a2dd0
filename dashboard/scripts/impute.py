"""The code for a view of the Impute page, as text.

Values stand in it literally: numbers that were checked and names that are known.
"""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import NDArray

from dashboard.logic.impute.imputation import HIDDEN_COLOUR, INFERNO

__all__ = ["data_image", "literal_image", "sample_image", "table_view", "view"]


def data_image(dataset: str, split: str, index: int, *, bits: bool) -> str:
    """Lines that take the image from a data set."""
    lines = f"x = engine.load_dataset({dataset!r}).{split}[{index}:{index + 1}]"
    return lines + ("\nx = (x >= 0.5).float()" if bits else "")


def sample_image(seed: int, *, bits: bool) -> str:
    """Lines that let the model draw the image."""
    return (
        f"z = model.prior().sample((1,), generator=engine.make_generator({seed}))\n"
        f"x = model.likelihood(z).mean.clamp(0, 1){'.round()' if bits else ''}"
    )


def literal_image(pixels: NDArray[np.floating], *, bits: bool) -> str:
    """Lines that hold the image `(data,)` themselves; greys as bytes."""
    if bits:
        return f"x = torch.from_numpy(bits({_text(np.packbits(pixels >= 0.5))})).float()[None]"
    stored = np.rint(pixels * 65535).astype("<u2")
    return (
        f"x = np.frombuffer(base64.b64decode({_text(stored)}), '<u2')\n"
        "x = torch.from_numpy((x / 65535).astype(np.float32))[None]"
    )


def view(
    *,
    checkpoint: str,
    image: str,
    image_shape: tuple[int, ...],
    hidden: NDArray[np.bool_],
    method: str,
    chains: int,
    seed: int,
    start: int,
    step: int,
    kind: str,
    top: float,
    warm_up: int,
) -> str:
    """A script that runs the chains again and writes the page's pictures of a step to view.png.

    Args:
        checkpoint: its name.
        image: lines that make `x`, of one of the functions above.
        image_shape: `(height, width)`, or `(height, width, 3)` in colour.
        hidden: `(pixels,)`, true where hidden.
        method, chains, seed, start: of the chains, see `recording.Recording`.
        step: shown; 0 is the random fill.
        kind: "means" or "draws".
        top: see `imputation.spread_colours`.
        warm_up: steps that mean and spread leave out.
    """
    shown = "state.mean" if kind == "means" else "state.x"
    height, width, channels = (*image_shape, 1)[:3]
    return f'''"""Chains over hidden pixels; view.png: given, each chain, mean, spread."""

import base64
from itertools import islice

import numpy as np
import torch
from PIL import Image

import engine
from engine.mcmc import PixelMoments, build_kernel

STEP, WARM_UP = {step}, {warm_up}
HEIGHT, WIDTH, CHANNELS = {height}, {width}, {channels}


def bits(text):
    return np.unpackbits(np.frombuffer(base64.b64decode(text), np.uint8))[: {len(hidden)}] > 0


torch.set_num_threads(1)
model = engine.load_checkpoint({checkpoint!r}).model.eval()
{image}
hidden = bits({_text(np.packbits(hidden))})
observed = torch.from_numpy(~hidden.repeat(CHANNELS))[None]

generator = engine.make_generator({seed})
{_states(method, chains, start, step)}
moments = None
for state in states:
    if moments is None or state.step == WARM_UP + 1:
        moments = PixelMoments.empty(state)
    moments = moments.add(state)


def picture(values):
    pixels = np.rint(values.clamp(0, 1).numpy() * 255).astype(np.uint8)
    return np.tile(pixels.reshape(HEIGHT, WIDTH, CHANNELS), 3 // CHANNELS)


given = picture(x[0])
given[hidden.reshape(HEIGHT, WIDTH)] = {HIDDEN_COLOUR!r}
chains = [picture(chain) for chain in {shown}[:, 0]]
inferno = np.array({INFERNO!r})
spread = moments.spread[0].square().reshape(HEIGHT, WIDTH, CHANNELS).mean(-1).sqrt()
places = np.clip(spread.numpy() / {top!r}, 0, 1) * (len(inferno) - 1)
heat = np.stack([np.interp(places, range(len(inferno)), c) for c in inferno.T], axis=-1)
row = [given, *chains, picture(moments.mean[0]), np.rint(heat).astype(np.uint8)]
Image.fromarray(np.concatenate(row, axis=1)).save("view.png")
print("log p(x_obs, z) in nats:", [round(value, 2) for value in state.log_joint[:, 0].tolist()])
'''


def table_view(dataset: str, mask: str) -> str:
    """A script that prints the recorded quality of one data set and mask as CSV."""
    return f'''"""How good completions are, as recorded: CSV on standard output."""

import csv
import sys

from engine.evaluation.imputation_table import read_table

COLUMNS = (
    "checkpoint", "method", "log_conditional", "log_conditional_se", "quantity", "error",
    "error_se", "change", "change_se", "calibration", "calibration_se", "acceptance",
)
writer = csv.writer(sys.stdout, lineterminator="\\n")
writer.writerow(COLUMNS)
for row in read_table():
    if (row.dataset, row.mask) == ({dataset!r}, {mask!r}):
        writer.writerow([getattr(row, name) for name in COLUMNS])
'''


def _states(method: str, chains: int, start: int, step: int) -> str:
    """Lines that make the `states` up to STEP."""
    if step > 0 and start == 0:
        return (
            f"chains = engine.impute(\n    model, x, observed, method={method!r}, chains={chains}, "
            "generator=generator\n)\nstates = islice(chains, STEP)"
        )
    lines = (
        "start = build_kernel('pseudo-gibbs', model)\n"
        f"states = [start.init(x, observed, chains={chains}, generator=generator)]"
    )
    if step == 0:
        return lines
    return (
        lines
        + f"""
kernel = build_kernel({method!r}, model)
for step in range(STEP):  # the first of pseudo-Gibbs: out of the random fill
    moved = (start if step < {start} else kernel).step(states[-1], generator=generator)
    states.append(moved)
del states[0]"""
    )


def _text(data: NDArray[np.generic]) -> str:
    return repr(base64.b64encode(data.tobytes()).decode())
