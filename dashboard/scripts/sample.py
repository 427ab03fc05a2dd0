"""The script that makes the image of a code again, as the Sample page shows it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["draws_script", "image_script"]

_SCRIPT = '''\
"""{what}: writes view.png."""

import numpy as np
import torch
from PIL import Image

import engine

{code}

model = engine.load_checkpoint({name!r}).model.eval()
with torch.no_grad():
    image = model.likelihood(torch.from_numpy(z)).mean.mean(0).clamp(0, 1)
pixels = (image.reshape{shape!r} * 255).round().to(torch.uint8).numpy()
Image.fromarray(pixels).save("view.png")
'''

_NUMBERS = """\
# {meaning}
z = np.array([[
{numbers}
]], dtype=np.float32)"""

_BITS = '''\
# {meaning}
BITS = """
{digits}
"""
rows = [np.frombuffer(bytes.fromhex(row), dtype=np.uint8) for row in BITS.split()]
z = np.unpackbits(np.stack(rows), axis=1)[:, :{size}].astype(np.float32)'''


_DRAWS = '''\
"""{count} images that {name} draws: writes view.png."""

import numpy as np
import torch
from PIL import Image

import engine

SHAPE, COLUMNS = {shape!r}, {columns}

model = engine.load_checkpoint({name!r}).model.eval()
generator = engine.make_generator({seed})
with torch.no_grad():
{draw}
pixels = (images.clamp(0, 1) * 255).round().to(torch.uint8).numpy().reshape(-1, *SHAPE)
rows = [np.concatenate(pixels[at : at + COLUMNS], axis=1) for at in range(0, len(pixels), COLUMNS)]
Image.fromarray(np.concatenate(rows)).save("view.png")
'''

_DRAWN = "    images = model.sample({count}, generator=generator)"
_MEANS = """\
    z = model.prior().sample(({count},), generator=generator)
    images = model.likelihood(z).mean"""


def draws_script(
    name: str, shape: tuple[int, ...], *, count: int, columns: int, seed: int, means: bool
) -> str:
    """A script that draws images as `logic.sample.draws` does, side by side without gaps.

    Args:
        name: of the checkpoint.
        shape: of an image.
        count: images, a multiple of `columns`.
        columns: images in a row.
        seed: of the draws.
        means: whether means of p(x | z) are shown, not drawn pixels.
    """
    draw = (_MEANS if means else _DRAWN).format(count=count)
    return _DRAWS.format(
        name=name, shape=tuple(shape), count=count, columns=columns, seed=seed, draw=draw
    )


def image_script(
    name: str, codes: NDArray[np.float32], shape: tuple[int, ...], *, what: str, bits: bool
) -> str:
    """A script that decodes codes and averages their images.

    Args:
        name: of the checkpoint.
        codes: `(n, latent)`; of bits layer 1 alone, `(n, layer 1)`.
        shape: of the image.
        what: the view is, as the script's first line.
        bits: whether the codes are bits.
    """
    if bits:
        meaning = "The bits of layer 1" + (
            f", drawn {len(codes)} times." if len(codes) > 1 else "."
        )
        digits = "\n".join(np.packbits(row > 0.5).tobytes().hex() for row in codes)
        code = _BITS.format(meaning=meaning, digits=digits, size=codes.shape[1])
    else:
        meaning = "The code, all layers side by side, the one next to the image first."
        values = [f"{value:.8g}," for value in codes[0].tolist()]
        lines = [" ".join(values[at : at + 8]) for at in range(0, len(values), 8)]
        code = _NUMBERS.format(meaning=meaning, numbers="\n".join(f"    {row}" for row in lines))
    return _SCRIPT.format(what=what, code=code, name=name, shape=tuple(shape))
