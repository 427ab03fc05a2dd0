"""The script that takes the gap of one image apart, as the Recognition page does."""

from __future__ import annotations

__all__ = ["recognition_script"]

_SCRIPT = '''\
"""q(z | x), log p(x) and the anatomy of the gap of one image, in nats."""

import base64

import numpy as np
import torch

import engine
from engine.evaluation.gap import anatomy

CHECKPOINT = {checkpoint!r}
IMAGE = (  # {what}
{image}
)
SAMPLES, REPETITIONS, STEPS, SEED = {samples}, {repetitions}, {steps}, {seed}

torch.set_num_threads(1)
model = engine.load_checkpoint(CHECKPOINT).model.eval().requires_grad_(False)
raw = np.frombuffer(base64.urlsafe_b64decode(IMAGE), dtype=np.uint8)
pixels = {decode}
x = torch.from_numpy(pixels.astype(np.float32))

q = model.recognition(x[None])
print("E[z|x] of the first latents:", *(f"{{value:.4f}}" for value in q.mean[0, :8]))
found = anatomy(
    model,
    x,
    samples=SAMPLES,
    repetitions=REPETITIONS,
    steps=STEPS,
    generator=engine.make_generator(SEED),
)
for name, (value, error) in {{
    "ELBO": found.elbo,
    "ELBO of q*": found.local_elbo,
    f"log p(x) by {{found.source}}": found.log_marginal,
    "gap of amortisation": found.amortisation_gap,
    "gap of the family": found.family_gap,
}}.items():
    print(f"{{name}}: {{value:.4f}} +- {{error:.4f}}")
for k, bound, error in zip(found.curve.ks, found.curve.bound, found.curve.standard_error):
    print(f"L_{{k}}: {{bound:.4f}} +- {{error:.4f}}")
'''

_WIDTH = 88


def recognition_script(
    checkpoint: str,
    image: str,
    *,
    bits: bool,
    pixels: int,
    samples: int,
    repetitions: int,
    steps: int,
    seed: int,
) -> str:
    """The numbers of the page for the very image that is drawn on it.

    Args:
        checkpoint: its name.
        image: as `dashboard.logic.recognition.recognition.encode_image` writes it.
        bits: whether it is bits, or bytes.
        pixels: of the image.
        samples, repetitions, steps, seed: of `engine.evaluation.gap.anatomy`.
    """
    padded = image + "=" * (-len(image) % 4)
    lines = [padded[at : at + _WIDTH] for at in range(0, len(padded), _WIDTH)]
    return _SCRIPT.format(
        checkpoint=checkpoint,
        what="bits, eight to a byte" if bits else "a byte for each pixel",
        image="\n".join(f"    {line!r}" for line in lines),
        decode=f"np.unpackbits(raw)[:{pixels}]" if bits else "raw / np.float32(255)",
        samples=samples,
        repetitions=repetitions,
        steps=steps,
        seed=seed,
    )
