"""Learning curves of any checkpoints over each other, beside the papers' values."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import cache, cards, permalinks, references, state
from dashboard.cards import Card
from dashboard.components import charts
from dashboard.components.exports import Export, show_exports
from dashboard.components.linked import choose_segment, toggle
from dashboard.components.pickers import no_checkpoints
from dashboard.scripts.training import curves_script

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["curves_csv", "curves_figure", "focus", "render"]

Columns = Mapping[str, NDArray[np.float64]]

QUANTITIES = {
    "elbo": ("Bound", "ELBO (nats per image)"),
    "reconstruction": ("Reconstruction", "E log p(x | z) (nats per image)"),
    "kl": ("KL", "KL(q(z | x) ‖ p(z)) (nats per image)"),
}
# Name, axis title, and what one unit of the axis is in the recorded column.
PROGRESS = {
    "samples": ("Images seen", "training images seen", 1.0),
    "seconds": ("Time", "training time (minutes)", 60.0),
}
SPLITS = {"valid": ("validation", "solid", 1.0), "train": ("training", "dot", 0.75)}
SHOWN_AT_FIRST = 6
LABEL_SHARE = 0.05  # height of a line's label, of the chart's
START_SHARE = 0.03  # of the training: where curves rise so steeply that they would flatten the rest


def render() -> None:
    """Draw the page: what to compare in widgets, then one chart for each data set."""
    st.title("Training")
    st.markdown(
        "Each colour is one training: solid on validation images, dotted on training images; "
        "a gap that opens between the two is over-fitting. Lay several checkpoints over each "
        "other, and switch between images seen and time to see what a harder model costs."
    )
    everything = cache.cards()
    # Those made for other trainings last: the first colours are told apart best.
    names = sorted(everything, key=cards.aids(everything).__contains__)
    found = {name: curves for name in names if (curves := _curves(name))}
    if not found:
        no_checkpoints("a training with recorded curves")
        return

    chosen = _chosen(everything, list(found))
    left, middle, right = st.columns([5, 4, 5], vertical_alignment="bottom")
    with left:
        quantity = choose_segment(
            "Quantity",
            {k: v[0] for k, v in QUANTITIES.items()},
            name="quantity",
            key="training.quantity",
        )
    with middle:
        progress = choose_segment(
            "Against", {k: v[0] for k, v in PROGRESS.items()}, name="axis", key="training.against"
        )
    with right, st.container(gap=None):
        log_x = toggle("Logarithmic axis", False, name="log", key="training.log")
        start = toggle("From the first step", False, name="start", key="training.start")
        papers = toggle("Values of the papers", True, name="papers", key="training.papers")
    if not chosen:
        st.info("Choose a checkpoint above to see its curves.", icon=":material/timeline:")
        return

    # Nats of different data (of bits and of densities, above all) do not share an axis.
    for dataset in dict.fromkeys(everything[name]["dataset"] for name in chosen):
        names = [name for name in chosen if everything[name]["dataset"] == dataset]
        shown = [everything[name] for name in names]
        values = references.matching(shown) if papers and quantity == "elbo" else []
        fig = curves_figure(
            {name: found[name] for name in names},
            {name: list(found).index(name) for name in names},
            quantity,
            progress,
            values,
            log_x=log_x,
            from_start=start,
        )
        st.header(cards.dataset_title(dataset))
        if not fig.data:
            st.info("These trainings did not record this quantity.", icon=":material/timeline:")
            continue
        charts.show(
            fig,
            key=f"training.chart.{dataset}",
            alt=_told({name: found[name] for name in names}, quantity, dataset),
            file_name=f"{quantity}-{dataset}.csv",
        )
        _captions(values, progress)
    compared = {name: found[name] for name in chosen}
    everything_recorded = Export(
        "All that was recorded, CSV",
        "helmholtz-curves.csv",
        "text/csv",
        lambda: curves_csv(compared).encode(),
    )
    script = curves_script(chosen, quantity, progress, log_x=log_x)
    show_exports([everything_recorded], script, key="training")


def _told(curves: Mapping[str, Columns], quantity: str, dataset: str) -> str:
    """The chart in words: what it shows, and where each training ended."""
    ends = []
    for name, columns in curves.items():
        measured = np.asarray(columns.get(f"valid_{quantity}", ()), dtype=float)
        measured = measured[np.isfinite(measured)]
        if len(measured):
            ends.append(f"{name} ends at {measured[-1]:.1f}")
    title = f"{QUANTITIES[quantity][1]} during training on {cards.dataset_title(dataset)}"
    return f"{title}: {', '.join(curves)}. On validation images {'; '.join(ends) or 'none'}."


def _chosen(everything: Mapping[str, Card], names: list[str]) -> list[str]:
    """The checkpoints to compare; at first those on the same data as the first.

    Those that were made for other trainings are left to be chosen, unless there are no others.
    """
    aids = cards.aids(everything)
    meant = [name for name in names if name not in aids] or names
    first = everything[meant[0]]["dataset"]
    alike = [name for name in meant if everything[name]["dataset"] == first]
    linked = st.query_params.get_all(state.CURVES)
    if not set(linked) <= {*names, ""}:
        permalinks.refuse(
            state.CURVES, "names a checkpoint that is not here or has no recorded curves", None
        )
    chosen: list[str] = st.multiselect(
        "Checkpoints",
        names,
        default=alike[:SHOWN_AT_FIRST],
        key=state.CURVES,
        bind="query-params",
        placeholder="Choose one or more",
    )
    return chosen


def _captions(values: list[references.PaperValue], progress: str) -> None:
    by_source: dict[tuple[str, str], list[str]] = {}
    for value in values:
        by_source.setdefault((value.source, value.estimator), []).append(
            _minus(f"{value.label} {value.value:g}")
        )
    if values:
        lines = [
            f"- {', '.join(told)} ({estimator}): {source}"
            for (source, estimator), told in by_source.items()
        ]
        st.caption("Dashed, published values on test images:\n" + "\n".join(lines))
    if any(value.estimator == references.LIKELIHOOD for value in values):
        st.caption(
            "An ELBO lies below log p(x), so a curve need not reach a line that estimates log p(x)."
        )
    if progress == "seconds":
        st.caption("Times are those of the machine that trained the checkpoint.")


def _minus(text: str) -> str:
    """Hyphens before a digit as minus signs, as in the rest of the page."""
    return re.sub(r"(?<![\w.])-(?=\d)", "−", text)


def _curves(name: str) -> dict[str, NDArray[np.float64]]:
    from engine.errors import EngineError

    try:
        return cache.curves(name)
    except EngineError as error:
        st.warning(f"`{name}` is left out: {error}", icon=":material/broken_image:")
        return {}


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
    _, x_title, unit = PROGRESS[progress]
    fig = charts.figure(x_title, QUANTITIES[quantity][1], log_x=log_x, height=480)
    for name, columns in curves.items():
        x = np.asarray(columns[progress], dtype=float) / unit
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
                name,
                index=colours[name],
                dash=dash,
                opacity=opacity,
                # One entry a checkpoint: the page's text tells solid from dotted.
                in_legend=not drawn,
                hover_name=f"{name}, {title}",
            )
            drawn = True
    limits = focus(
        curves,
        quantity,
        progress,
        [value.value for value in values],
        share=0.0 if from_start else START_SHARE,
    )
    if limits is not None:
        fig.update_yaxes(range=limits)
        _add_values(fig, values, limits[1] - limits[0])
    return fig


def _add_values(fig: go.Figure, values: list[references.PaperValue], span: float) -> None:
    """Dashed lines, each labelled where no other label is; the text below the chart names all."""
    taken: list[tuple[str, float]] = []  # side, lower edge
    height = LABEL_SHARE * span
    for value in values:
        label = _minus(f"{value.label}: {value.value:g}")
        if value.estimator == references.LIKELIHOOD:
            label += ", log p(x)"
        places = [(side, below) for side in ("right", "left") for below in (False, True)]
        for side, below in places:
            edge = value.value - height if below else value.value
            if all(side != other or abs(edge - there) >= height for other, there in taken):
                taken.append((side, edge))
                charts.add_reference(fig, value.value, label, side=side, below=below)
                break
        else:
            charts.add_reference(fig, value.value, "", name=label)


def focus(
    curves: Mapping[str, Columns],
    quantity: str,
    progress: str,
    values: list[float],
    *,
    share: float = START_SHARE,
) -> tuple[float, float] | None:
    """The vertical range that shows everything but the first `share`; None without points."""
    shown: list[float] = list(values)
    for columns in curves.values():
        x = np.asarray(columns[progress], dtype=float)
        for split in SPLITS:
            y = columns.get(f"{split}_{quantity}")
            if y is None:
                continue
            measured = np.isfinite(y) & np.isfinite(x)
            if measured.any():
                late = measured & (x >= share * x[measured].max())
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
