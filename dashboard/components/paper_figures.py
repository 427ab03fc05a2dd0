"""Figures of the papers drawn again from our own trainings, a section of the Estimators page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard import cache
from dashboard.components import charts, linked
from dashboard.components.exports import Export, show_exports
from dashboard.logic.estimators import paper_figures as drawing
from dashboard.logic.estimators.paper_figures import Columns
from dashboard.scripts.estimators import figure_script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.figures import Figure, Panel

__all__ = ["show_paper_figures"]

TITLES = {"samples": "Images seen", "steps": "Updates", "seconds": "Time"}
ACROSS = 3  # panels side by side, at most; a phone stacks them


def show_paper_figures() -> None:
    """Which figure; then its panels, what they end at, and the readings of the paper."""
    from engine.errors import EngineError

    st.header("Figures of the papers")
    st.markdown(
        "Small multiples of the papers' figures, each curve a training of our own: solid on "
        "validation images, dashed on training images; dotted lines and diamonds are what the "
        "paper reports. Follow one colour from panel to panel, and switch to time to see what "
        "the extra work of an algorithm costs."
    )
    figures = cache.paper_figures()
    if not figures:
        st.info("No figure is described yet.", icon=":material/stacked_line_chart:")
        return
    left, right = st.columns([5, 3], vertical_alignment="bottom")
    with left:
        name = linked.choose_one(
            "Figure",
            {name: f"{_short(one)}  ·  {one.title}" for name, one in figures.items()},
            name="figure",
            key="estimators.figure",
        )
    figure = figures[name]
    with right:
        axis = linked.choose_segment(
            "Against",
            {one: TITLES[one] for one in (figure.axis, "seconds")},
            name="against",
            key=f"estimators.figure.axis.{figure.axis}",
            help="Time on one core, which other work shared: a rough guide.",
        )
    try:
        columns = cache.paper_curves(name)
        marginals = cache.paper_marginals(name)
    except EngineError as error:
        st.error(str(error))
        return
    recorded = sum(len(drawing.panel_runs(panel, columns, axis)) for panel in figure.panels)
    asked = sum(len(panel.runs) for panel in figure.panels)
    if recorded < asked:
        st.info(
            (f"{recorded} of {asked} runs are" if recorded else f"None of {asked} runs is")
            + f" recorded so far. `python -m engine figure {name} --out pretrained` trains what is "
            "missing.",
            icon=":material/stacked_line_chart:",
        )
    groups = drawing.groups(figure, cache.paper_datasets(name))
    across = 2 if all(len(panels) in (2, 4) for panels in groups) else ACROSS
    for panels in groups:
        _show_panels(figure, panels, columns, axis, across)
    st.caption(f"{figure.source}. {figure.note}")
    st.dataframe(
        drawing.table(figure, columns),
        hide_index=True,
        width="stretch",
        key="estimators.figure.table",
    )
    st.caption(
        "Nats per image at the end of each run, beside the paper's reading; a difference above 0 "
        "is a higher bound than the paper's."
    )
    if found := drawing.marginal_table(marginals):
        st.markdown("**Marginal likelihood at the end of each run**")
        st.dataframe(found, hide_index=True, width="stretch", key="estimators.figure.marginal")
        st.caption(
            "log p(x) in nats per image, ± standard error over the images; quadrature is exact."
        )
    files = [
        Export(
            "All panels, CSV",
            f"{name}.csv",
            "text/csv",
            lambda: drawing.figure_csv(figure, columns).encode(),
        )
    ]
    show_exports(files, figure_script(name), key="estimators.figure")


def _short(figure: Figure) -> str:
    """Authors, year and number, without the paper's address."""
    return ", ".join(part for part in figure.source.split(", ") if not part.startswith("arXiv:"))


def _show_panels(
    figure: Figure, panels: Sequence[Panel], columns: Columns, axis: str, across: int
) -> None:
    """Panels on one scale, in rows of `across`."""
    shown = drawing.limits(panels, columns, axis)
    if shown is None:
        return
    for start in range(0, len(panels), across):
        for place, panel in zip(st.columns(across), panels[start : start + across], strict=False):
            with place:
                st.markdown(f"**{panel.title}**")
                runs = drawing.panel_runs(panel, columns, axis)
                if not runs:
                    st.caption("Not recorded yet.")
                    continue
                charts.show(
                    drawing.panel_figure(figure, panel, runs, axis, shown),
                    key=f"estimators.figure.{figure.name}.{panel.title}",
                    alt=drawing.panel_told(figure, panel, runs, axis),
                )
