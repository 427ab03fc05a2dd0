"""A t-SNE run of a view's codes: the button that starts it, and how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import cache
from dashboard.components.map_view import MapView

if TYPE_CHECKING:
    from dashboard.logic.latent_space.tsne import TsneRun

__all__ = ["tsne_map"]

POLL = 0.7  # seconds between looks at a running t-SNE
FEWEST = 5  # images


def tsne_map(view: MapView) -> NDArray[np.float64] | None:
    """The finished map `(n, 2)`; until there is one, None after drawing the way to it."""
    key = (view.checkpoint, *view.source)
    run = cache.tsne_runs().get(key)
    if run is not None and run.running:
        st.fragment(_watch, run_every=POLL)(run)
        return None
    if run is None or run.result is None:
        _offer(view, key, run)
        return None
    return run.result


def _offer(view: MapView, key: tuple[Any, ...], run: TsneRun | None) -> None:
    """The button that starts a run, and what became of the last one."""
    if run is not None and run.error == "stopped":
        st.caption("Stopped. Nothing of it is kept.")
    elif run is not None:
        st.error(f"t-SNE did not come to its end: {run.error}")
    count = len(view.codes()[0])
    st.markdown(
        f"t-SNE of {count} codes takes up to half a minute; it runs beside everything else, and "
        "its map is kept for everybody."
    )
    if st.button("Start t-SNE", type="primary", key="latent.tsne.start"):
        from dashboard.logic.latent_space.tsne import TsneRun

        points = view.layer_codes()
        if len(points) < FEWEST:
            st.warning(f"t-SNE needs at least {FEWEST} images.")
        elif cache.tsne_runs().start(key, lambda: TsneRun(points)) is None:
            st.warning("Others are computing maps at the moment: try again in half a minute.")
        else:
            st.rerun()


def _watch(run: TsneRun) -> None:
    """Progress of a run, looked at again and again until it ends."""
    if not run.running:
        st.rerun()
    done, divergence = run.progress()
    text = f"t-SNE: iteration {done} of {run.iterations}"
    if divergence is not None:
        text += f", KL divergence {divergence:.3f} nats"
    elif done:
        text += ", clusters forming"
    st.progress(min(done / run.iterations, 1.0), text=text)
    if st.button("Stop", icon=":material/stop:", key="latent.tsne.stop"):
        run.stop()
        st.rerun()
