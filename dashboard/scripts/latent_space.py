"""The scripts that make the pictures of the Latent space page again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dashboard.logic.latent_space.tsne import ITERATIONS, PERPLEXITY

__all__ = ["STEPS", "plane_script", "tsne_script", "ways_script"]

STEPS = 9  # images on the way between two pins
ROWS = 20  # of the manifold
_CUT = "x = (x >= 0.5).float()  # the model knows bits\n"

_START = '''\
"""{what}: writes view.png."""
{imports}
import numpy as np
import torch
from PIL import Image

import engine

SIZES = {sizes!r}  # latents of each layer, the one next to the image first
LAYER = {layer}  # of the map, counted from 0
SHAPE = {shape!r}

model = engine.load_checkpoint({name!r}).model.eval()

'''

_DECODE = '''
@torch.no_grad()
def decode(z):
    """E[x | the layers from LAYER up] for rows of z."""
    return model.likelihood(torch.as_tensor(np.stack(z)).float()).mean.clamp(0, 1)

'''

_DECODE_BITS = '''
@torch.no_grad()
def decode(z):
    """E[x | the layers from LAYER up] for rows of probabilities; layers below are drawn."""
    z = torch.as_tensor(np.stack(z)).float()
    keep = [layer >= LAYER for layer in range(len(SIZES))]
    many = model.resample(z.repeat(24, 1), keep, generator=engine.make_generator(0))
    return model.likelihood(many).mean.unflatten(0, (24, len(z))).mean(0)

'''

_SAVE = '''
def picture(images):
    """One row of images side by side, as bytes."""
    pixels = (images.reshape(-1, *SHAPE) * 255).round().to(torch.uint8)
    return np.concatenate(list(pixels.numpy()), axis=1)

'''

_WAYS = '''
def way(a, b, share, spherical):
    """The code a share of the way from a to b, layer by layer."""
    parts, start = [], 0
    for size in SIZES:
        p, q = a[start : start + size], b[start : start + size]
        start += size
        {before}
        lengths = np.linalg.norm(p), np.linalg.norm(q)
        angle = 0.0
        if min(lengths) > 0:
            angle = np.arccos(np.clip(p @ q / (lengths[0] * lengths[1]), -1, 1))
        if spherical and np.sin(angle) > 1e-6:
            mixed = np.sin((1 - share) * angle) * p / lengths[0]
            mixed = (mixed + np.sin(share * angle) * q / lengths[1]) / np.sin(angle)
            part = (lengths[0] + share * (lengths[1] - lengths[0])) * mixed
        else:
            part = p + share * (q - p)
        parts.append({after})
    return np.concatenate(parts)


a, b = PINS[{first}], PINS[{second}]
shares = np.linspace(0, 1, {steps})
rows = [picture(decode([way(a, b, share, kind) for share in shares])) for kind in (False, True)]
'''

_PLANE = """\
ROWS, COLUMNS = {rows}, {columns}
ACROSS, UP = {across}, {up}  # axes, counted from 0
WINDOW = {window!r}  # x and y of the centre, half the side; None: all images

data = engine.load_dataset({data!r})
x = data.{split}
if len(x) > {count}:
    x = x[np.sort(np.random.default_rng(0).choice(len(x), size={count}, replace=False))]
{cut}with torch.no_grad():
    codes = torch.cat([model.recognition(piece).mean for piece in x.split(2000)]).double().numpy()
start = sum(SIZES[:LAYER])
own = slice(start, start + SIZES[LAYER])
{axes}
"""

_PRINCIPAL = """\
origin = codes[:, own].mean(0)
centred = codes[:, own] - origin
values, vectors = np.linalg.eigh(centred.T @ centred / len(codes))
axes = vectors[:, ::-1].T
largest = np.abs(axes).argmax(axis=1)
axes = axes * np.where(axes[np.arange(len(axes)), largest] < 0, -1, 1)[:, None]\
"""

_GRID = """
where = (codes[:, own] - origin) @ axes[[ACROSS, UP]].T
if WINDOW is None:
    low, high = where.min(0), where.max(0)
    WINDOW = {home}
cx, cy, half = WINDOW
{inverse}rows = []
for row in range(ROWS):
    y = cy + half - (row + 0.5) / ROWS * 2 * half
    z = np.tile(codes.mean(0), (COLUMNS, 1))
    for column in range(COLUMNS):
        x = cx - half + (column + 0.5) / COLUMNS * 2 * half
        place = {place} * axes[ACROSS] + {place_up} * axes[UP]
        z[column, own] = {value}
    rows.append(picture(decode(z)))
Image.fromarray(np.concatenate(rows)).save("view.png")
"""


_TSNE = '''\
"""Where t-SNE puts the codes of a layer: writes view.csv."""

import numpy as np
import torch
from sklearn.manifold import TSNE

import engine

torch.set_num_threads(1)
model = engine.load_checkpoint({name!r}).model.eval()
x = engine.load_dataset({data!r}).{split}
chosen = np.arange(len(x))
if len(x) > {count}:
    chosen = np.sort(np.random.default_rng(0).choice(len(x), size={count}, replace=False))
x = x[chosen]
{cut}with torch.no_grad():
    codes = torch.cat([model.recognition(piece).mean for piece in x.split(2000)])
codes = codes.numpy()[:, {start}:{stop}]
where = TSNE(
    perplexity=min({perplexity}, (len(codes) - 1) / 3),
    init="pca",
    max_iter={iterations},
    n_iter_without_progress={iterations},
    random_state=0,
    n_jobs=1,
).fit_transform(codes)
with open("view.csv", "w") as file:
    file.write("image,x,y\\n")
    for position, (across, up) in zip(chosen, where):
        file.write(f"{{position}},{{across:.6g}},{{up:.6g}}\\n")
'''


def tsne_script(
    name: str, source: tuple[str, str, int, bool], sizes: Sequence[int], layer: int
) -> str:
    """A script that finds the places of a t-SNE map; arguments as `plane_script`."""
    data, split, count, cut = source
    return _TSNE.format(
        name=name,
        data=data,
        split=split,
        count=count,
        cut=_CUT if cut else "",
        start=sum(sizes[:layer]),
        stop=sum(sizes[: layer + 1]),
        perplexity=PERPLEXITY,
        iterations=ITERATIONS,
    )


def ways_script(
    name: str,
    pins: NDArray[np.float32],
    between: tuple[int, int] | None,
    sizes: Sequence[int],
    layer: int,
    shape: tuple[int, ...],
    *,
    bits: bool,
) -> str:
    """A script that decodes pins and, below them, both ways between two of them.

    Args:
        name: of the checkpoint.
        pins: codes of all layers, `(pins, latent)`.
        between: the two pins, from 0; None for no way.
        sizes: latents of each layer.
        layer: of the map.
        shape: of an image.
        bits: whether the codes are probabilities of bits.
    """
    what = "Pinned codes decoded" + (", below them the ways between two" if between else "")
    deep = bits and layer > 0
    numbers = "".join(
        "    [\n"
        + "".join(
            "        " + " ".join(f"{value:.8g}," for value in pin[at : at + 10].tolist()) + "\n"
            for at in range(0, len(pin), 10)
        )
        + "    ],\n"
        for pin in pins
    )
    parts = [
        _head(what, name, sizes, layer, shape),
        f"PINS = np.array([\n{numbers}])\n\n",
        _DECODE_BITS if deep else _DECODE,
        _SAVE,
    ]
    if between is None:
        parts.append('\nImage.fromarray(picture(decode(PINS))).save("view.png")\n')
        return "".join(parts)
    parts.append(
        _WAYS.format(
            first=between[0],
            second=between[1],
            steps=STEPS,
            before="p, q = 2 * p - 1, 2 * q - 1  # as the networks take bits" if bits else "",
            after="np.clip((part + 1) / 2, 0, 1)" if bits else "part",
        ).replace("        \n", "")
    )
    parts.append(
        "rows.insert(0, picture(decode(PINS)))\n"
        "widest = max(row.shape[1] for row in rows)\n"
        "rows = [np.pad(r, [(0, 0), (0, widest - r.shape[1]), (0, 0)][: r.ndim]) for r in rows]\n"
        'Image.fromarray(np.concatenate(rows)).save("view.png")\n'
    )
    return "".join(parts)


def plane_script(
    name: str,
    source: tuple[str, str, int, bool],
    sizes: Sequence[int],
    layer: int,
    axes: tuple[int, int],
    window: tuple[float, float, float] | None,
    shape: tuple[int, ...],
    *,
    bits: bool,
    quantiles: bool,
) -> str:
    """A script that decodes a grid of places over the window of the map.

    Args:
        name: of the checkpoint.
        source: data set, split, images at most, and whether they are cut at one half; an empty
            name stands for no images.
        sizes: latents of each layer.
        layer: of the map.
        axes: across and up, from 0.
        window: x and y of the centre and half the side; None for all images.
        shape: of an image.
        bits: whether the latents are bits.
        quantiles: whether the axes are quantiles of the prior.
    """
    data, split, count, cut = source
    columns = round(ROWS * shape[0] / shape[1])
    two = sizes[layer] == 2
    if data:
        plane = _PLANE.format(
            rows=ROWS,
            columns=columns,
            across=axes[0],
            up=axes[1],
            window=window,
            data=data,
            split=split,
            count=count,
            cut=_CUT if cut else "",
            axes="origin, axes = np.zeros(2), np.eye(2)" if two else _PRINCIPAL,
        )
    else:
        plane = (
            f"ROWS, COLUMNS = {ROWS}, {columns}\nACROSS, UP = {axes[0]}, {axes[1]}\n"
            f"WINDOW = {window or ((0.5, 0.5, 0.5) if quantiles else (0.0, 0.0, 3.24))!r}\n\n"
            f"codes = np.zeros((1, {sum(sizes)}))\n"
            f"own = slice({sum(sizes[:layer])}, {sum(sizes[: layer + 1])})\n"
            "origin, axes = np.zeros(2), np.eye(2)\n"
        )
    home = "[0.5, 0.5, 0.5]" if quantiles else "[*(low + high) / 2, (high - low).max() * 0.54]"
    grid = _GRID.format(
        home=home,
        inverse="inverse = NormalDist().inv_cdf\n" if quantiles else "",
        place="inverse(x)" if quantiles else "x",
        place_up="inverse(y)" if quantiles else "y",
        value="np.clip(origin + place, 0, 1)" if bits else "origin + place",
    )
    imports = "\nfrom statistics import NormalDist\n" if quantiles else ""
    what = "What the model draws over the plane of the map"
    return (
        _head(what, name, sizes, layer, shape, imports)
        + plane
        + "\n"
        + (_DECODE_BITS if bits and layer > 0 else _DECODE)
        + _SAVE
        + grid
    )


def _head(
    what: str,
    name: str,
    sizes: Sequence[int],
    layer: int,
    shape: tuple[int, ...],
    imports: str = "",
) -> str:
    return _START.format(
        what=what,
        imports=imports,
        name=name,
        sizes=tuple(int(size) for size in sizes),
        layer=layer,
        shape=tuple(shape),
    )
