"""The view of the recognition microscope as a picture: image, q beside the posterior, redrawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dashboard.components.image_grid import png
from dashboard.logic.recognition.posteriors import Posterior

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

__all__ = ["microscope_png"]

SIDE, GAP, HEAD = 392, 24, 30  # pixels: of a square, between squares, above for the titles
INK, FAINT = (27, 39, 51), (117, 128, 139)
Q, LOCAL, TRUE = (0, 114, 178), (213, 94, 0), (0, 158, 115)  # as the page's light theme
MARGIN = 1.8
STEPS = 120  # corners of an ellipse


def microscope_png(
    image: NDArray[np.floating],
    redrawn: NDArray[np.floating],
    image_shape: tuple[int, ...],
    q: dict[str, Any] | NDArray[np.floating],
    posterior: Posterior,
    local: dict[str, Any] | None,
) -> bytes:
    """The picture as a PNG, dark on white.

    Args:
        image: `(data,)` in [0, 1].
        redrawn: E[x | z] at the mean of q, `(data,)`.
        image_shape: `(height, width)`, or `(height, width, 3)` in colour.
        q: on the plane, see `plane_normal`; or the probabilities of bits.
        posterior: the true one.
        local: q* on the plane, where it is known.
    """
    from PIL import Image, ImageDraw

    canvas = Image.new("RGB", (3 * SIDE + 4 * GAP, SIDE + HEAD + GAP), "white")
    draw = ImageDraw.Draw(canvas)
    middle = "unit probabilities" if isinstance(q, np.ndarray) else "q(z|x) and true posterior"
    for place, title in enumerate(("x", middle, "E[x|z] at the mean of q")):
        draw.text((GAP + place * (SIDE + GAP), 8), title, fill=INK, font_size=15)
    for place, pixels in ((0, image), (2, redrawn)):
        values = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8).reshape(image_shape)
        scale = SIDE // max(image_shape[:2])
        size = (image_shape[1] * scale, image_shape[0] * scale)
        shown = Image.fromarray(values).resize(size, Image.Resampling.NEAREST)
        canvas.paste(shown, (GAP + place * (SIDE + GAP), HEAD))
    left = 2 * GAP + SIDE
    if isinstance(q, np.ndarray):
        _bars(draw, left, q, posterior.mean)
    else:
        _ellipses(draw, left, q, posterior, local)
    return png(np.asarray(canvas))


def _bars(draw: ImageDraw, left: int, q: NDArray[np.floating], true: NDArray[np.floating]) -> None:
    order = np.argsort(-q, kind="stable")
    step, foot = SIDE / len(q), HEAD + SIDE
    for place, unit in enumerate(order):
        x = left + place * step
        draw.rectangle((x, foot - q[unit] * SIDE, x + max(step - 0.5, 0.5), foot), fill=Q)
        y = foot - true[unit] * SIDE
        draw.rectangle((x, y - 1, x + max(step, 1), y + 1), fill=TRUE)
    draw.rectangle((left, HEAD, left + SIDE, foot), outline=FAINT)


def _ellipse(normal: dict[str, Any], deviations: float) -> NDArray[np.float64]:
    """Corners `(STEPS, 2)` of an ellipse on the plane."""
    xx, xy, yy = normal["covariance"]
    values, vectors = np.linalg.eigh(np.array([[xx, xy], [xy, yy]]))
    angle = np.linspace(0, 2 * math.pi, STEPS, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1) * np.sqrt(values.clip(min=0))
    corners: NDArray[np.float64] = deviations * circle @ vectors.T
    return corners + np.array([normal["x"], normal["y"]])


def _ellipses(
    draw: ImageDraw,
    left: int,
    q: dict[str, Any],
    posterior: Posterior,
    local: dict[str, Any] | None,
) -> None:
    normals = [(q, Q), *([(local, LOCAL)] if local else [])]
    if "normal" in posterior.header:
        normals.insert(0, (posterior.header["normal"], TRUE))
    outlines = [_ellipse(normal, 2) for normal, _ in normals]
    grid = posterior.header.get("grid")
    if grid:
        a, b, c, d = grid["inner"]
        outlines.append(np.array([[a, c], [b, d]]))
    every = np.concatenate(outlines)
    low, high = every.min(0), every.max(0)
    centre, span = (low + high) / 2, float((high - low).max()) * MARGIN

    def screen(points: NDArray[np.floating]) -> list[tuple[float, float]]:
        scaled = (points - centre) / span * SIDE
        return [(left + SIDE / 2 + x, HEAD + SIDE / 2 - y) for x, y in scaled.tolist()]

    if grid:
        _tint(draw, screen, grid, posterior.arrays["log_density"])
    for normal, colour in normals:
        for deviations in (1, 2):
            corners = screen(_ellipse(normal, deviations))
            if colour == LOCAL:  # dashed
                for at in range(0, STEPS, 8):
                    draw.line(corners[at : at + 5], fill=colour, width=2)
            else:
                draw.line([*corners, corners[0]], fill=colour, width=2)
    draw.rectangle((left, HEAD, left + SIDE, HEAD + SIDE), outline=FAINT)
    names: Sequence[tuple[str, Any]] = [("q(z|x)", Q), ("true posterior", TRUE)]
    for row, (name, colour) in enumerate([*names, *([("q* (dashed)", LOCAL)] if local else [])]):
        draw.text((left + 8, HEAD + 6 + 18 * row), name, fill=colour, font_size=13)
    for axis, text in (
        (0, f"{low[0]:.2f} to {high[0]:.2f}"),
        (1, f"{low[1]:.2f} to {high[1]:.2f}"),
    ):
        place = (left + 8, HEAD + SIDE - 36 + 17 * axis)
        draw.text(place, f"{('across', 'up')[axis]}: ellipses from {text}", fill=INK, font_size=12)


def _tint(draw: ImageDraw, screen: Any, grid: dict[str, Any], values: NDArray[np.floating]) -> None:
    """A grid's density, cell by cell, from white to the posterior's colour."""
    columns, rows = grid["columns"], grid["rows"]
    a, b, c, d = grid["box"]
    x, y = np.linspace(a, b, columns), np.linspace(c, d, rows)
    half = np.array([(b - a) / (columns - 1), (d - c) / (rows - 1)]) / 2
    share = 0.6 * np.exp(values - values.max())
    for i, j in np.argwhere(share > 0.01):
        centre = np.array([x[i], y[j]])
        (x0, y1), (x1, y0) = screen(np.stack([centre - half, centre + half]))
        colour = tuple(round(255 + share[i, j] * (part - 255)) for part in TRUE)
        draw.rectangle((x0, y0, x1, y1), fill=colour)
