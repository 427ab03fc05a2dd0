"""The picture of the Overview page: image, recognition model, latents, generative model, image.

Inline SVG in the text's own colour, so that it follows light and dark; drawn once lying and once
standing, and a style rule shows the one that fits the screen.
"""

from __future__ import annotations

import base64
from pathlib import Path

import streamlit as st

__all__ = ["diagram_html", "recognition_diagram"]

_ASSETS = Path(__file__).resolve().parent.parent / "assets"
_BLUE, _ORANGE = "#2b8fce", "#d9731a"  # between the themes' own shades: legible on both
_ALT = (
    "An image goes through the recognition model to a small cloud of hidden causes, and from one "
    "of them through the generative model to the image redrawn."
)
_CSS = """
.diagram { color: var(--st-text-color); font-family: var(--st-font); }
.lying { max-width: 964px; margin: auto; }
.standing { display: none; max-width: 250px; margin: auto; }
.picture { image-rendering: pixelated; }
text { fill: currentColor; text-anchor: middle; font-size: 15px; }
.faint { opacity: 0.75; }
.strong { font-weight: 600; }
.formula { font-size: 17px; }
@media (max-width: 640px) { .lying { display: none; } .standing { display: block; } }
"""


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x}" y="{y}" class="{style}">{text}</text>'


def _picture(x: float, y: float, asset: str) -> str:
    """One 28 x 28 picture, 112 wide, its upper left corner at (x, y)."""
    data = base64.b64encode((_ASSETS / asset).read_bytes()).decode()
    return (
        f'<rect x="{x - 4}" y="{y - 4}" width="120" height="120" rx="5" fill="#000" '
        'stroke="currentColor" stroke-opacity="0.35"/>'
        f'<image x="{x}" y="{y}" width="112" height="112" class="picture" '
        f'href="data:image/png;base64,{data}"/>'
    )


def _latents(x: float, y: float) -> str:
    """Rings of the prior around (x, y), an ellipse of q(z | x) and one draw from it."""
    rings = "".join(
        f'<circle cx="{x}" cy="{y}" r="{radius}" fill="none" stroke="currentColor" '
        f'stroke-opacity="{opacity}" stroke-dasharray="3 4"/>'
        for radius, opacity in ((26, 0.65), (48, 0.45), (70, 0.3))
    )
    cx, cy = x + 24, y - 20
    return (
        f'{rings}<ellipse cx="{cx}" cy="{cy}" rx="25" ry="13" transform="rotate(28 {cx} {cy})" '
        f'fill="{_BLUE}" fill-opacity="0.35" stroke="{_BLUE}" stroke-width="2"/>'
        f'<circle cx="{x + 30}" cy="{y - 14}" r="4.5" fill="{_ORANGE}"/>'
    )


def _arrow(x: float, y: float, length: float, colour: str, *, down: bool) -> str:
    return (
        f'<g stroke="{colour}" fill="{colour}" transform="rotate({90 if down else 0} {x} {y})">'
        f'<line x1="{x}" y1="{y}" x2="{x + length - 8}" y2="{y}" stroke-width="2.5"/>'
        f'<path d="M {x + length} {y} l -10 -5 v 10 z" stroke="none"/></g>'
    )


def _network(x: float, y: float, colour: str, title: str, formula: str) -> str:
    """A box of 156 x 74 around (x, y)."""
    return (
        f'<rect x="{x - 78}" y="{y - 37}" width="156" height="74" rx="8" fill="{colour}" '
        f'fill-opacity="0.14" stroke="{colour}" stroke-width="2"/>'
        + _text(x, y - 6, title, "strong")
        + _text(x, y + 20, formula, "formula")
    )


def _svg(width: int, height: int, *parts: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="100%" role="img" aria-label="{_ALT}">'
        f"{''.join(parts)}</svg>"
    )


def _lying() -> str:
    y = 84
    return _svg(
        964,
        180,
        _picture(8, y - 56, "three.png"),
        _text(64, 168, "an image x", "faint"),
        _arrow(132, y, 54, _BLUE, down=False),
        _network(268, y, _BLUE, "Recognition", "q(z | x)"),
        _arrow(350, y, 54, _BLUE, down=False),
        _latents(482, y),
        _text(482, 172, "hidden causes z, prior p(z)", "faint"),
        _arrow(560, y, 54, _ORANGE, down=False),
        _network(696, y, _ORANGE, "Generation", "p(x | z)"),
        _arrow(778, y, 54, _ORANGE, down=False),
        _picture(844, y - 56, "three-redrawn.png"),
        _text(900, 168, "the image redrawn", "faint"),
    )


def _standing() -> str:
    x = 150
    return _svg(
        300,
        792,
        _text(x, 16, "an image x", "faint"),
        _picture(x - 56, 32, "three.png"),
        _arrow(x, 154, 32, _BLUE, down=True),
        _network(x, 226, _BLUE, "Recognition", "q(z | x)"),
        _arrow(x, 268, 32, _BLUE, down=True),
        _latents(x, 376),
        _text(x, 468, "hidden causes z, prior p(z)", "faint"),
        _arrow(x, 480, 34, _ORANGE, down=True),
        _network(x, 556, _ORANGE, "Generation", "p(x | z)"),
        _arrow(x, 598, 34, _ORANGE, down=True),
        _picture(x - 56, 642, "three-redrawn.png"),
        _text(x, 782, "the image redrawn", "faint"),
    )


def diagram_html() -> str:
    """The picture, lying and standing: constant text of ours, nothing of a visitor's."""
    return (
        f'<div class="diagram"><div class="lying">{_lying()}</div>'
        f'<div class="standing">{_standing()}</div></div>'
    )


# st.html would drop the SVG; a component keeps it and knows the theme's colours.
_show = st.components.v2.component("recognition_diagram", html=diagram_html(), css=_CSS)


def recognition_diagram() -> None:
    """Draw the picture at the current place of the page."""
    _show(key="overview.diagram")
