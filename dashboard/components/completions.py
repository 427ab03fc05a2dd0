"""How good the completions are: what was measured where the hidden pixels are known."""

from __future__ import annotations

import streamlit as st

from dashboard import cache, cards
from dashboard.components import charts
from dashboard.components.exports import Export, show_exports
from dashboard.components.linked import choose_one, choose_segment
from dashboard.logic.impute import quality
from dashboard.scripts import impute as script

__all__ = ["show_completions"]

DATA, MASK, QUANTITY = "quality_data", "quality_mask", "quality"  # in the address


def show_completions() -> None:
    """The recorded table: a dot plot, the numbers below it, and what they say."""
    from engine.errors import EngineError
    from engine.evaluation.imputation_table import table_path

    st.subheader("How good are the completions")
    try:
        table = cache.imputation_table()
    except EngineError as error:
        st.error(str(error))
        return
    if not table:
        st.info(
            "No table of imputations is here. `python -m engine impute-table measure` makes it, "
            "in some twenty minutes.",
            icon=":material/table_chart:",
        )
        return
    data = list(dict.fromkeys(row.dataset for row in table))
    left, middle, right = st.columns([3, 4, 4], vertical_alignment="bottom")
    with left:
        dataset = choose_one(
            "Images",
            {name: cards.dataset_title(name) for name in data},
            name=DATA,
            key="impute.quality.data",
        )
    masks = list(dict.fromkeys(row.mask for row in table if row.dataset == dataset))
    with middle:
        mask = choose_segment(
            "Hidden",
            {name: quality.MASKS.get(name, name) for name in masks},
            name=MASK,
            key="impute.quality.mask",
            help="60 % and 80 % of the pixels of each image at random, a square of half its side "
            "in the middle, or its lower half.",
        )
    with right:
        quantity = choose_segment(
            "Shown",
            quality.QUANTITIES,
            name=QUANTITY,
            key="impute.quality.quantity",
            help="Error: of the best single guess from all draws of the chains; one draw: of each "
            "by itself. Calibration: of the spread.",
        )
    rows = [row for row in table if (row.dataset, row.mask) == (dataset, mask)]
    told = quality.said(rows)
    st.markdown(told)
    charts.show(
        quality.quality_figure(rows, quantity),
        key="impute.quality.chart",
        alt=f"{quality.QUANTITIES[quantity]} of each method on each model, "
        f"{cards.dataset_title(dataset)}, {quality.MASKS.get(mask, mask)} hidden. {told}",
        file_name=f"imputation-{dataset}-{mask}-{quantity}.csv",
    )
    st.caption(
        f"{quality.protocol(rows[0])} All methods see the same images and masks; bars are two "
        "standard errors over the images. Error: of the best single guess from all draws of the "
        "chains. Spread calibration: the squared error of the chains' mean over the variance that "
        "the chains claim; 1 where their spread is honest, above 1 where they are surer than they "
        "should be, below 1 where they are less sure."
    )
    st.markdown("**What the model knows**, whichever method fills in")
    st.dataframe(
        quality.model_rows(rows), hide_index=True, width="stretch", key="impute.quality.models"
    )
    st.caption(
        "The log-probability of the true hidden pixels belongs to the model, so it is measured "
        f"once for each: a difference of two bounds of {rows[0].samples} samples, of "
        "log p(image) and of log p(visible), with completions of all methods as guides."
    )
    st.markdown("**What the methods make of it**")
    st.dataframe(
        quality.method_rows(rows),
        hide_index=True,
        width="stretch",
        height="content",  # all rows: no scrolling inside the page
        key="impute.quality.methods",
    )
    show_exports(
        [
            Export(
                "Whole table, CSV",
                "imputation.csv",
                "text/csv",
                lambda: table_path().read_bytes(),
            )
        ],
        script.table_view(dataset, mask),
        key="impute.quality",
    )
