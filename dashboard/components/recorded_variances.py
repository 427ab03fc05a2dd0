"""Gradient variances that trainings have recorded, a section of the Estimators page."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import cache, cards
from dashboard.cards import Card
from dashboard.components import charts, linked
from dashboard.components.exports import Export, show_exports
from dashboard.components.gradient_choices import choose_part, choose_quantity
from dashboard.logic.estimators import gradients
from dashboard.logic.estimators.recorded import recorded_figure, recorded_rows, told_last
from dashboard.scripts.estimators import recorded_script

__all__ = ["show_recorded_variances"]

RECORDED = "estimators.recorded"


def show_recorded_variances() -> None:
    """Which training, part and quantity; then its curves."""
    from engine.errors import EngineError

    st.header("Over training")
    found: dict[str, list[dict[str, Any]]] = {}
    for name in cache.cards():
        try:
            rows = recorded_rows(cache.variance_curves(name))
        except EngineError as error:
            st.warning(f"`{name}` is left out: {error}", icon=":material/broken_image:")
            continue
        if rows:
            found[name] = rows
    if not found:
        st.info(
            "No training has recorded its gradient variance yet. "
            "`python -m engine train variance-sbn-mnist-static --out pretrained` does, in some "
            "minutes.",
            icon=":material/ssid_chart:",
        )
        return
    everything = cache.cards()
    left, middle, right = st.columns([5, 3, 3], vertical_alignment="bottom")
    with left:
        chosen = linked.choose_one(
            "Training",
            {name: f"{name}  ·  {cards.describe(everything[name])}" for name in found},
            name="recorded",
            key=RECORDED,
        )
    rows = found[chosen]
    with middle:
        layer = choose_part(list(dict.fromkeys(str(row["layer"]) for row in rows)), "recorded")
    with right:
        quantity = choose_quantity("recorded")
    charts.show(
        recorded_figure(rows, layer, quantity),
        key="estimators.recorded.chart",
        alt=f"{gradients.QUANTITIES[quantity][0]} of the gradient estimators while {chosen} was "
        f"trained, {layer}. At the end: {told_last(rows, layer, quantity)}.",
        file_name=f"{chosen}-{layer}-{quantity}.csv".replace(" ", "-"),
    )
    first = rows[0]
    fitted = int(max(row.get("fit_steps", 0) for row in rows))
    baselines = (
        f" Baselines and running statistics were fitted to each on {fitted} minibatches first."
        if fitted
        else ""
    )
    st.caption(
        f"At frozen weights, {int(first['draws'])} draws on each of {int(first['minibatches'])} "
        f"fixed minibatches of {int(first.get('batch_size', 0)) or 'some'} training images; bars "
        f"are standard errors, open triangles upper ends of ratios that drown in them.{baselines} "
        f"The model was trained with "
        f"{cards.estimator_title(str(_trained_with(everything[chosen])))}."
    )
    all_rows = Export(
        "All that was recorded, CSV",
        f"{chosen}.variance.csv",
        "text/csv",
        lambda: gradients.rows_csv(rows).encode(),
    )
    show_exports([all_rows], recorded_script(chosen, layer, quantity), key="estimators.recorded")


def _trained_with(card: Card) -> object:
    return (card.get("recipe") or {}).get("estimator", {}).get("name", "an unknown estimator")
