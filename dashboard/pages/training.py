"""Learning curves of any checkpoints over each other, beside the papers' values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import cache, cards, permalinks, references, state
from dashboard.cards import Card
from dashboard.components import charts
from dashboard.components.exports import Export, show_exports
from dashboard.components.linked import choose_segment, toggle
from dashboard.components.pickers import no_checkpoints
from dashboard.logic.training import words
from dashboard.logic.training.chart import curves_figure
from dashboard.logic.training.curves_file import curves_csv
from dashboard.logic.training.lines import QUANTITIES, Series, lines_of
from dashboard.scripts.training import curves_script

__all__ = ["render"]

Columns = Mapping[str, NDArray[np.float64]]

SHOWN_AT_FIRST = 6


@dataclass(frozen=True)
class _View:
    """What a visitor has set; see the arguments of `lines_of` and `curves_figure`."""

    quantity: str
    progress: str
    log_x: bool
    from_start: bool
    papers: bool
    apart: bool


def render() -> None:
    """Draw the page: what to compare in widgets, then one chart for each data set."""
    st.title("Training")
    st.markdown(
        "Each colour is one model: solid on the validation split, dotted on the training split; "
        "a gap that opens between the two is over-fitting. Lay several checkpoints over each "
        "other, and switch between what was seen and time to see what a harder model costs."
    )
    found = {name: curves for name in cache.cards() if (curves := _curves(name))}
    known = {name: card for name, card in cache.cards().items() if name in found}
    if not found:
        no_checkpoints("a training with recorded curves")
        return

    groups = _seeds(known)
    chosen = _chosen(known)
    view = _view({cards.item(known[name]) for name in chosen or known}, len(groups) < len(known))
    if not chosen:
        st.info("Choose a checkpoint above to see its curves.", icon=":material/timeline:")
        return

    # A recipe's first checkpoint stands for all its seeds, any other for itself.
    series = {name: {one: found[one] for one in groups.get(name, [name])} for name in chosen}
    colours = {name: index for index, name in enumerate(cards.aids_last(known, known))}
    # Nats of different data (of bits and of densities, above all) do not share an axis.
    for dataset in dict.fromkeys(known[name]["dataset"] for name in chosen):
        own = {name: series[name] for name in chosen if known[name]["dataset"] == dataset}
        _chart(own, known, colours, view)
    compared = {name: curves for members in series.values() for name, curves in members.items()}
    everything_recorded = Export(
        "All that was recorded, CSV",
        "helmholtz-curves.csv",
        "text/csv",
        lambda: curves_csv(compared).encode(),
    )
    script = curves_script(
        {name: list(members) for name, members in series.items()},
        view.quantity,
        view.progress,
        log_x=view.log_x,
        apart=view.apart,
    )
    show_exports([everything_recorded], script, key="training")


def _curves(name: str) -> dict[str, NDArray[np.float64]]:
    from engine.errors import EngineError

    try:
        return cache.curves(name)
    except EngineError as error:
        st.warning(f"`{name}` is left out: {error}", icon=":material/broken_image:")
        return {}


def _seeds(known: Mapping[str, Card]) -> dict[str, list[str]]:
    from engine.seeds import seeds_of

    return seeds_of(known)


def _chosen(known: Mapping[str, Card]) -> list[str]:
    """The checkpoints to compare; at first those on the same data as the first.

    Those that were made for other trainings, and other seeds, are left to be chosen, unless there
    are no others.
    """
    names, aids = cards.aids_last(known, known), cards.aids(known)
    meant = [name for name in names if name not in aids] or names
    first = known[meant[0]]["dataset"]
    alike = [name for name in meant if known[name]["dataset"] == first]
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


def _view(items: set[str], several: bool) -> _View:
    """The other widgets.

    Args:
        items: what the chosen were trained on: "image", "document".
        several: whether some recipe was trained with several seeds.
    """
    seen = f"{items.pop().capitalize()}s seen" if len(items) == 1 else "Items seen"
    left, middle, right = st.columns([5, 4, 5], vertical_alignment="bottom")
    with left:
        quantity = choose_segment("Quantity", QUANTITIES, name="quantity", key="training.quantity")
    with middle:
        progress = choose_segment(
            "Against", {"samples": seen, "seconds": "Time"}, name="axis", key="training.against"
        )
    with right, st.container(gap=None):
        log_x = toggle("Logarithmic axis", False, name="log", key="training.log")
        start = toggle("From the first step", False, name="start", key="training.start")
        papers = toggle("Values of the papers", True, name="papers", key="training.papers")
        apart = several and toggle("Seeds apart", False, name="apart", key="training.apart")
    return _View(quantity, progress, log_x, start, papers, apart)


def _chart(
    series: Series, known: Mapping[str, Card], colours: Mapping[str, int], view: _View
) -> None:
    """The curves of one data set, with what there is to say of them."""
    shown = {name: known[name] for name in series}
    card = next(iter(shown.values()))
    lines = lines_of(series, view.quantity, view.progress, log_x=view.log_x, apart=view.apart)
    drawn = {line.name for line in lines}
    missing = words.missing(shown, list(drawn), view.quantity)
    st.header(cards.dataset_title(card["dataset"]))
    if not lines:
        st.info(missing, icon=":material/timeline:")
        return
    titles = words.axis_titles([shown[name] for name in drawn], view.quantity, view.progress)
    wanted = view.papers and view.quantity == "elbo"
    values = references.matching(shown) if wanted else []
    charts.show(
        curves_figure(lines, colours, titles, values, log_x=view.log_x, from_start=view.from_start),
        key=f"training.chart.{card['dataset']}",
        alt=words.told(series, titles[1], view.quantity, card),
        file_name=f"{view.quantity}-{card['dataset']}.csv",
    )
    seeds = {one: known[one].get("seed", 0) for members in series.values() for one in members}
    with_lines = {name: series[name] for name in series if name in drawn}
    notes = [
        words.seeds_told(lines, with_lines, seeds, view.progress, apart=view.apart),
        words.starts_told({name: one for name, one in shown.items() if name in drawn}),
        *words.papers_told(values, cards.item(card)),
        missing,
    ]
    if view.progress == "seconds":
        notes.append("Times are those of the machine that trained the checkpoint.")
    for note in notes:
        if note:
            st.caption(note)
