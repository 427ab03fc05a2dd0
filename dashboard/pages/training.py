"""Learning curves of any checkpoints over each other, beside the papers' values."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import cache, cards, references, state
from dashboard.components import charts
from dashboard.components.pickers import no_checkpoints

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["curves_csv", "curves_figure", "focus", "render"]

Columns = Mapping[str, NDArray[np.float64]]

QUANTITIES = {
    "elbo": ("Bound", "ELBO (nats per image)"),
    "reconstruction": ("Reconstruction", "E log p(x | z) (nats per image)"),
    "kl": ("KL", "KL(q(z | x) ‖ p(z)) (nats per image)"),
}
PROGRESS = {
    "samples": ("Images seen", "training images seen"),
    "seconds": ("Time", "training time (seconds)"),
}
SPLITS = {"valid": ("validation", "solid", 1.0), "train": ("training", "dot", 0.75)}
SHOWN_AT_FIRST = 4
START_SHARE = 0.03  # of the training: where curves rise so steeply that they would flatten the rest


def render() -> None:
    """Draw the page: what to compare in widgets, then one chart for each data set."""
    st.title("Training")
    st.markdown(
        "Each colour is one training: solid on validation images, dotted on training images; "
        "a gap that opens between the two is over-fitting. Lay several checkpoints over each other, "
        "and switch between images seen and time to see what a harder model costs."
    )
    found = {name: curves for name in cache.cards() if (curves := _curves(name))}
    if not found:
        no_checkpoints("training with recorded curves")
        return

    chosen = st.multiselect(
        "Checkpoints",
        list(found),
        default=list(found)[:SHOWN_AT_FIRST],
        key=state.CURVES,
        bind="query-params",
        placeholder="Choose one or more",
    )
    with st.container(horizontal=True, gap="large", vertical_alignment="bottom"):
        quantity = _choice(
            "Quantity", {k: v[0] for k, v in QUANTITIES.items()}, "training.quantity"
        )
        progress = _choice("Against", {k: v[0] for k, v in PROGRESS.items()}, "training.against")
        log_x = st.toggle("Logarithmic", key="training.log")
        papers = st.toggle("Papers' values", value=True, key="training.papers")
        start = st.toggle("From the first step", key="training.start")
    if not chosen:
        st.info("Choose a checkpoint above to see its curves.", icon=":material/timeline:")
        return

    # Nats of different data (or of bits and of densities) do not share an axis.
    by_dataset: dict[str, list[str]] = {}
    for name in chosen:
        by_dataset.setdefault(cache.card(name)["dataset"], []).append(name)
    for dataset, names in by_dataset.items():
        st.subheader(cards.dataset_title(dataset))
        values = (
            references.matching(dataset, {cache.card(name)["model"] for name in names})
            if papers and quantity == "elbo"
            else []
        )
        fig = curves_figure(
            {name: found[name] for name in names},
            {name: list(found).index(name) for name in names},
            quantity,
            progress,
            values,
            log_x=log_x,
            from_start=start,
        )
        if not fig.data:
            st.info("These trainings did not record this quantity.", icon=":material/timeline:")
            continue
        charts.show(
            fig,
            key=f"training.chart.{dataset}",
            alt=f"{QUANTITIES[quantity][0]} of {', '.join(names)} during training",
        )
        if values:
            st.caption(
                "Dashed: "
                + "; ".join(f"{v.label} {v.value:g} ({v.estimator}), {v.source}" for v in values)
            )
    st.download_button(
        "Download these curves as CSV",
        curves_csv({name: found[name] for name in chosen}),
        file_name="helmholtz-curves.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="training.download",
    )


def _curves(name: str) -> dict[str, NDArray[np.float64]]:
    from engine.errors import EngineError

    try:
        return cache.curves(name)
    except EngineError as error:
        st.warning(f"`{name}` is left out: {error}", icon=":material/broken_image:")
        return {}


def _choice(label: str, titles: Mapping[str, str], key: str) -> str:
    chosen: str = st.segmented_control(
        label,
        list(titles),
        format_func=titles.__getitem__,
        default=next(iter(titles)),
        required=True,
        key=key,
    )
    return chosen


def curves_figure(
    curves: Mapping[str, Columns],
    colours: Mapping[str, int],
    quantity: str,
    progress: str,
    values: list[references.PaperValue],
    *,
    log_x: bool,
    from_start: bool,
) -> go.Figure:
    """The chart of one data set.

    Args:
        curves: name to columns (see `engine.checkpoints`).
        colours: name to number of its colour, the same whatever else is shown.
        quantity: "elbo", "reconstruction" or "kl".
        progress: "samples" or "seconds", the horizontal axis.
        values: drawn as dashed lines.
        log_x: logarithmic horizontal axis; points at zero are left out.
        from_start: show the whole height; otherwise the first steep rise is cut off.
    """
    fig = charts.figure(PROGRESS[progress][1], QUANTITIES[quantity][1], log_x=log_x, height=480)
    for name, columns in curves.items():
        x = np.asarray(columns[progress], dtype=float)
        drawn = False
        for split, (title, dash, opacity) in SPLITS.items():
            y = columns.get(f"{split}_{quantity}")
            if y is None:
                continue
            shown = np.isfinite(y) & ((x > 0) | (not log_x))
            if not shown.any():
                continue
            charts.add_line(
                fig,
                x[shown],
                y[shown],
                f"{name}, {title}",
                index=colours[name],
                dash=dash,
                opacity=opacity,
                group=name,
                # One entry a checkpoint: the page's text tells solid from dotted.
                in_legend=not drawn,
            )
            drawn = True
    for value in values:
        charts.add_reference(fig, value.value, f"{value.label}: {value.value:g}")
    if not from_start and (limits := focus(curves, quantity, progress, [v.value for v in values])):
        fig.update_yaxes(range=limits)
    return fig


def focus(
    curves: Mapping[str, Columns], quantity: str, progress: str, values: list[float]
) -> tuple[float, float] | None:
    """The vertical range that shows everything after the first steep part; None without points."""
    shown: list[float] = list(values)
    for columns in curves.values():
        x = np.asarray(columns[progress], dtype=float)
        for split in SPLITS:
            y = columns.get(f"{split}_{quantity}")
            if y is None:
                continue
            measured = np.isfinite(y) & np.isfinite(x)
            if measured.any():
                late = measured & (x >= START_SHARE * x[measured].max())
                shown += y[late].tolist()
    if not shown:
        return None
    margin = 0.05 * max(max(shown) - min(shown), 1.0)
    return min(shown) - margin, max(shown) + margin


def curves_csv(curves: Mapping[str, Columns]) -> str:
    """All curves under each other, the checkpoint in the first column; empty where unmeasured."""
    columns: list[str] = []
    for one in curves.values():
        columns += [column for column in one if column not in columns]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["checkpoint", *columns])
    for name, one in curves.items():
        length = len(next(iter(one.values())))
        for row in range(length):
            writer.writerow([name, *(_cell(one, column, row) for column in columns)])
    return stream.getvalue()


def _cell(columns: Mapping[str, Any], column: str, row: int) -> str:
    if column not in columns:
        return ""
    value = columns[column][row]
    return str(value) if isinstance(value, str) else "" if np.isnan(value) else f"{value:.7g}"
