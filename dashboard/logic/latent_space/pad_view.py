"""What a visitor has made of the latent pad: read from a link or from the browser, with care."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import permalinks

__all__ = ["MOST_PINS", "PadRules", "PadView", "Pin", "checked", "link", "names", "read"]

MOST_PINS = 12
SHOWS = ("points", "images", "manifold")
SCALES = ("linear", "quantiles")
TOOLS = ("move", "lasso", "box")
_FARTHEST = 1e6  # of a window, in units of the map
_LARGEST = 1e4  # of a latent


@dataclass(frozen=True)
class PadRules:
    """What is possible on a map.

    Attributes:
        latents: of all layers together.
        bits: whether they are bits.
        axes: to choose from.
        quantiles: whether the axes may be quantiles of the prior.
        classes: that can be greyed.
        images: in the split.
        has_plane: whether places have codes.
    """

    latents: int
    bits: bool
    axes: int
    quantiles: bool
    classes: int
    images: int
    has_plane: bool


@dataclass(frozen=True)
class Pin:
    """A pinned code.

    Attributes:
        z: of all layers, float32 `(latent,)`.
        image: position in the split of the image whose code it is, or -1.
    """

    z: NDArray[np.float32]
    image: int = -1


@dataclass(frozen=True)
class PadView:
    """The view of a map; the defaults are those of the page.

    Attributes:
        show: "points", "images" or "manifold".
        axes: across and up, from 0.
        scale: "linear" or "quantiles".
        tool: what dragging does: "move", "lasso" or "box".
        grey: classes that are greyed.
        window: x and y of the centre and half the side; None shows everything.
        pins: in their order.
        hold: the pin whose other directions the plane keeps; -1 keeps the mean's.
        between: the two pins of the interpolation.
    """

    show: str = "points"
    axes: tuple[int, int] = (0, 1)
    scale: str = "linear"
    tool: str = "move"
    grey: tuple[int, ...] = ()
    window: tuple[float, float, float] | None = None
    pins: tuple[Pin, ...] = ()
    hold: int = -1
    between: tuple[int, int] = (0, 1)

    def for_browser(self) -> dict[str, Any]:
        """As `apply` of latent_pad.js takes it."""
        return {
            "show": self.show,
            "axes": list(self.axes),
            "scale": self.scale,
            "tool": self.tool,
            "grey": list(self.grey),
            "window": None if self.window is None else list(self.window),
            "pins": [{"z": pin.z.tolist(), "image": pin.image} for pin in self.pins],
            "hold": self.hold,
            "between": list(self.between),
        }


def names() -> tuple[str, ...]:
    """What the view is called in the address, part by part."""
    return tuple(link(PadView()))


def link(view: PadView) -> dict[str, str | None]:
    """The parts of an address; None is left out of it."""
    plain = PadView()
    several = len(view.pins) > 2
    return {
        "show": None if view.show == plain.show else view.show,
        "axes": None if view.axes == plain.axes else _places(view.axes),
        "scale": None if view.scale == plain.scale else view.scale,
        "drag": None if view.tool == plain.tool else view.tool,
        "grey": ",".join(map(str, view.grey)) or None,
        "window": None if view.window is None else ",".join(f"{v:.7g}" for v in view.window),
        "pins": ";".join(_pin_text(pin) for pin in view.pins) or None,
        "held": None if view.hold < 0 else str(view.hold + 1),
        "between": _places(view.between) if several and view.between != plain.between else None,
    }


def read(rules: PadRules) -> PadView:
    """The view that the address asks for; what is wrong in it is noted, see `permalinks`."""
    plain = PadView()
    shows = SHOWS if rules.has_plane else SHOWS[:2]
    scales = SCALES if rules.quantiles else SCALES[:1]
    pins = _read_pins(rules)
    grey = _read_whole("grey", 0, rules.classes - 1) or ()
    axes = _read_whole("axes", 1, rules.axes, count=2) or (1, 2)
    between = _read_whole("between", 1, max(len(pins), 1), count=2) or (1, 2)
    window = permalinks.read_numbers("window", 3, -_FARTHEST, _FARTHEST)
    if window is not None and window[2] <= 0:
        window = permalinks.refuse("window", "must have a positive size", None)
    held = permalinks.read_integer("held", 0, 1, len(pins)) if pins else 0
    return PadView(
        show=permalinks.read_choice("show", shows, plain.show),
        axes=(axes[0] - 1, axes[1] - 1),
        scale=permalinks.read_choice("scale", scales, plain.scale),
        tool=permalinks.read_choice("drag", TOOLS, plain.tool),
        grey=tuple(grey),
        window=None if window is None else (float(window[0]), float(window[1]), float(window[2])),
        pins=pins,
        hold=held - 1,
        between=(between[0] - 1, between[1] - 1),
    )


def checked(value: object, rules: PadRules) -> PadView | None:
    """What the browser reported, or None where it is nothing that the pad could have reported."""
    if not isinstance(value, Mapping):
        return None
    try:
        return _checked(value, rules)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _checked(value: Mapping[str, Any], rules: PadRules) -> PadView:
    """As `checked`; raises for anything unexpected."""
    pins = tuple(_checked_pin(pin, rules) for pin in value["pins"][: MOST_PINS + 1])
    if len(pins) > MOST_PINS:
        raise ValueError("too many pins")
    window = value["window"]
    if window is not None:
        x, y, half = (_number(v, _FARTHEST) for v in window)
        if half <= 0:
            raise ValueError("a window without size")
        window = (x, y, half)
    across, up = (_whole(v, 0, rules.axes - 1) for v in value["axes"])
    first, second = (_whole(v, 0, MOST_PINS) for v in value["between"])
    if across == up:
        raise ValueError("one axis twice")
    ends = (first, second) if max(first, second) < len(pins) and first != second else (0, 1)
    grey = sorted({_whole(v, 0, rules.classes - 1) for v in value["grey"][: rules.classes]})
    return PadView(
        show=_one_of(value["show"], SHOWS if rules.has_plane else SHOWS[:2]),
        axes=(across, up),
        scale=_one_of(value["scale"], SCALES if rules.quantiles else SCALES[:1]),
        tool=_one_of(value["tool"], TOOLS),
        grey=tuple(grey),
        window=window,
        pins=pins,
        hold=_whole(value["hold"], -1, len(pins) - 1),
        between=ends,
    )


def _checked_pin(pin: Mapping[str, Any], rules: PadRules) -> Pin:
    z = pin["z"]
    if not isinstance(z, list) or len(z) != rules.latents:
        raise ValueError("a code of another length")
    code = np.array([_number(v, _LARGEST) for v in z], dtype=np.float32)
    if rules.bits and (code.min() < 0 or code.max() > 1):
        raise ValueError("no probability")
    return Pin(code, _whole(pin["image"], -1, rules.images - 1))


def _pin_text(pin: Pin) -> str:
    text = permalinks.encode_numbers(pin.z)
    return text if pin.image < 0 else f"{text}@{pin.image}"


def _read_pins(rules: PadRules) -> tuple[Pin, ...]:
    text = st.query_params.get("pins")
    if not text:
        return ()
    parts = text.split(";", MOST_PINS + 1)
    if len(parts) > MOST_PINS:
        return permalinks.refuse("pins", f"must be at most {MOST_PINS} places", ())
    low, high = (0.0, 1.0) if rules.bits else (-_LARGEST, _LARGEST)
    pins = []
    for part in parts:
        numbers, _, image = part.partition("@")
        known = image.isascii() and image.isdigit() and len(image) < 9
        if image and not (known and int(image) < rules.images):
            return permalinks.refuse("pins", "must name images of this split after each @", ())
        try:
            z = permalinks.decode_numbers(numbers, rules.latents, low, high)
        except ValueError as error:
            return permalinks.refuse("pins", f"{error}; places separated by semicolons", ())
        pins.append(Pin(z, int(image) if image else -1))
    return tuple(pins)


def _read_whole(name: str, low: int, high: int, count: int | None = None) -> list[int] | None:
    """Different whole numbers, separated by commas, or None."""
    text = st.query_params.get(name)
    if text is None:
        return None
    parts = text.split(",", 64)
    numbers = [int(p) if p.isascii() and p.isdigit() and len(p) < 5 else -1 for p in parts]
    fits = all(low <= number <= high for number in numbers)
    if not fits or len(set(numbers)) != len(numbers) or (count and len(numbers) != count):
        many = "whole numbers" if count is None else f"{count} whole numbers"
        rule = f"must be {many} from {low} to {high}, each once, separated by commas"
        return permalinks.refuse(name, rule, None)
    return numbers


def _places(values: Sequence[int]) -> str:
    return ",".join(str(value + 1) for value in values)


def _number(value: object, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("no number")
    if not math.isfinite(value) or abs(value) > most:
        raise ValueError("out of range")
    return float(value)


def _whole(value: object, low: int, high: int) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("no whole number")
    if not low <= value <= high:
        raise ValueError("out of range")
    return value


def _one_of(value: object, options: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in options:
        raise ValueError("no such option")
    return value
