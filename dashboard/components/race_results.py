"""What a live measurement of gradients has found so far: bars, numbers, variance against cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.components import charts
from dashboard.components.gradient_choices import choose_part, choose_quantity
from dashboard.logic.estimators import gradients
from dashboard.logic.estimators.frontier import best, frontier_figure
from dashboard.logic.estimators.race import Race

if TYPE_CHECKING:
    from engine.evaluation.bias import Truth

__all__ = ["show_results", "told_oracle"]


def show_results(race: Race, titles: Mapping[str, str], name: str) -> None:
    """The rows of `race` so far.

    Args:
        titles: key of an estimator to what it is called.
        name: of the checkpoint.
    """
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        layer = choose_part(list(dict.fromkeys(row["layer"] for row in race.rows)), "live")
    with right:
        quantity = choose_quantity("live")
    shown = {key: titles[key] for key in race.keys}
    if quantity == gradients.BIAS and not any(
        row["bias_square"] is not None for row in race.rows if row["estimator"] in shown
    ):
        st.info(
            "The bias is measured where the true gradient can be summed: an SBN of at most 12 "
            "bits, and an estimator of the ELBO (or of L_K with K times as many bits). The tiny "
            "model above is one; elsewhere switch on the oracle above, for estimators of the "
            "ELBO.",
            icon=":material/balance:",
        )
    else:
        charts.show(
            gradients.bars(race.rows, layer, quantity, shown),
            key="estimators.live.chart",
            alt=f"{gradients.MEASURED[quantity][0]} of each estimator at {name}, {layer}. The "
            "table below has the numbers.",
            file_name=f"{name}-{layer}-{quantity}.csv".replace(" ", "-"),
        )
    table = gradients.table(race.rows, layer, shown)
    st.dataframe(table, hide_index=True, width="stretch", key="estimators.live.table")
    fitted = max(race.fitted.values())
    st.caption(
        "tr Cov[g] and ‖E g‖² in nats² (of the mean objective over the minibatch), ± standard "
        "error from the draws; the ratio is that of one draw. A pale bar is an upper end: the mean "
        "gradient, or the bias, cannot be told from 0 yet. Bias: its square in the standard "
        "errors that it would have without one; beyond 8 it is no accident."
        + (
            f" Baselines and running statistics were fitted to this checkpoint on {fitted} "
            "minibatches first."
            if fitted
            else ""
        )
    )
    if race.oracle is not None:
        st.caption(told_oracle(race.oracle, layer))
    _frontier(race, shown, layer, name)
    st.download_button(
        "All results, CSV",
        lambda: gradients.rows_csv(race.rows).encode(),  # others come while one measures
        file_name=f"{name}-gradient-variance.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="estimators.live.download",
    )


def told_oracle(truth: Truth, layer: str) -> str:
    """What stands in for the true gradient, and how far off that is itself."""
    spread = truth.spreads[layer]
    own = math.sqrt(spread.trace / spread.draws)
    return (
        f"The oracle is the {truth.source}. On this part of the model it is off by about "
        f"{gradients.short(own)} nats itself, which the standard errors of the bias count; all "
        "estimators are compared with the same one, so what it is off by moves all their scores. "
        "A score near 0 says that a bias is lost in these errors, not that there is none."
    )


def _frontier(race: Race, titles: Mapping[str, str], layer: str, name: str) -> None:
    """What each estimator buys with its evaluations."""
    lead = best(race.rows, layer)
    if lead is None:
        return
    st.markdown(f"**Variance against cost**, {layer}")
    charts.show(
        frontier_figure(race.rows, layer, titles),
        key="estimators.live.frontier",
        alt=f"Evaluations an item against gradient variance at {name}, {layer}: "
        f"{titles[lead['estimator']]} has the least variance at equal cost.",
        file_name=f"{name}-{layer}-frontier.csv".replace(" ", "-"),
    )
    st.caption(
        f"At equal cost {titles[lead['estimator']]} varies least: "
        f"{gradients.short(float(lead['variance_evaluations']))} nats² × evaluations. Along the "
        "dashed line twice the evaluations halve the variance, as averaging two estimates does. "
        "The shorter gradients of normalised signals and of biased estimators have less variance "
        "for that alone: compare them by signal-to-noise."
    )
