"""An app of the tests: the latent pad with as many made-up points as the address asks for."""

from __future__ import annotations

import hashlib

import numpy as np
import streamlit as st

from dashboard import cache
from dashboard.components import charts
from dashboard.embedding import latent_plane
from dashboard.frontend import register
from dashboard.logic.latent_space.latent_map import LatentMap, axis_titles, map_message
from dashboard.logic.latent_space.pad_view import PadView
from dashboard.weights import model_arrays

CHECKPOINT = "vae-2-mnist-static"

pad = register("latent_pad")


@st.cache_resource
def message(count: int) -> bytes:
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, count)
    angle = labels / 10 * 2 * np.pi
    where = np.stack([np.cos(angle), np.sin(angle)], axis=1) * 2 + random.normal(size=(count, 2))
    found = LatentMap(
        np.arange(count),
        where.astype(np.float32),
        where,
        latent_plane(),
        np.zeros(2, np.float32),
        0,
    )
    token = hashlib.sha256(str(count).encode()).hexdigest()
    header = {
        "token": token,
        "view_token": token,
        "view": PadView().for_browser(),
        "shape": [28, 28],
        "titles": axis_titles(latent_plane(), layer=None, bits=False),
        "quantiles": True,
        "names": [str(digit) for digit in range(10)],
        "colours": list(charts.CLASS_COLOURS),
        "ramp": ["#000000", "#ffffff"],
        "total": count,
        "details": False,
        "binarise": True,
        "label": f"Map of {count} points",
        "note": "",
    }
    arrays = model_arrays(cache.model(CHECKPOINT))
    return map_message(found, header, arrays, labels=labels, total=count)


count = int(st.query_params.get("count", "1000"))
st.title(f"{count} points")
st.write(f"Run {st.session_state.setdefault('runs', 0) + 1}")
st.session_state["runs"] += 1
pad(key="pad", data=message(count), default={"view": None}, on_view_change=lambda: None)
