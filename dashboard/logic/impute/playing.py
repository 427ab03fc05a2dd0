"""What the chain player says to the server and is told: reports checked, messages packed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dashboard.blobs import pack, pack_bits
from dashboard.logic.impute.recording import Recording

__all__ = ["CAP", "CHUNK", "FIRST", "KINDS", "Report", "message", "read_report"]

FIRST = 101
"""Steps of a recording at first, the random fill among them."""

CHUNK = 150
"""Steps that are recorded when the player asks for more."""

CAP = 2001
"""Steps of the longest recording: 0 to 2000."""

KINDS = ("means", "draws")


@dataclass(frozen=True)
class Report:
    """What the player said last.

    Attributes:
        have: steps that it holds.
        want: whether it asks for more.
        step: shown.
        pixel: chosen.
        kind: "means" or "draws".
    """

    have: int
    want: bool
    step: int
    pixel: int
    kind: str

    @property
    def wanted(self) -> int:
        """Steps that the recording must have."""
        more = CHUNK if self.want else 0
        return min(CAP, max(FIRST, self.have + more, self.step + 1))


def read_report(value: object, token: str, pixels: int) -> Report | None:
    """The report of the player on the recording `token`, or None for anything else.

    It comes from a browser and may say anything: types and ranges are checked.
    """
    if not isinstance(value, Mapping) or value.get("token") != token:
        return None
    have, want, step = value.get("have"), value.get("want"), value.get("step")
    pixel, kind = value.get("pixel"), value.get("kind")
    if not (_whole(have, CAP) and _whole(step, CAP - 1) and _whole(pixel, pixels - 1)):
        return None
    if not isinstance(want, bool) or kind not in KINDS:
        return None
    assert isinstance(have, int) and isinstance(step, int) and isinstance(pixel, int)  # noqa: PT018
    return Report(have, want, step, pixel, str(kind))


def _whole(value: object, top: int) -> bool:
    return type(value) is int and 0 <= value <= top  # True is an int, and no number


def message(recording: Recording, header: Mapping[str, Any], *, first: int, density: bool) -> bytes:
    """The steps from `first` on, for chain_player.js; hidden pixels only, draws of bits as bits.

    Args:
        recording: of chains.
        header: what else the player needs to know.
        first: steps that it has.
        density: whether pixels are continuous, so that draws need a byte each.
    """
    last = len(recording)
    first = min(first, last)
    draws = recording.draws(first, last)
    arrays: dict[str, np.ndarray[Any, Any]] = {
        "given": recording.given,
        "hidden": recording.hidden.astype(np.uint8),
        "means": recording.means(first, last),
        "draws": draws if density else pack_bits(draws),
        "log_joint": recording.log_joint(first, last).astype(np.float32),
        "accepted": recording.accepted(first, last).astype(np.uint8),
    }
    votes = recording.votes(first, last)
    if votes is not None:
        arrays["votes"] = votes
    head = {
        **header,
        "first": first,
        "length": last,
        "cap": CAP,
        "warm_up": recording.warm_up,
        "start": recording.start,
        "tuned": recording.tuned,
        "chains": recording.chains,
        "channels": recording.channels,
        "density": density,
        "classes": list(recording.classes.names) if recording.classes else [],
    }
    return pack(head, arrays)
