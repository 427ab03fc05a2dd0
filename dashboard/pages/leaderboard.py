"""Every system of the papers' tables beside ours, ranked where the numbers compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard import cache, capabilities, permalinks
from dashboard.components import charts
from dashboard.components.exports import Export, show_exports
from dashboard.components.linked import choose_one, choose_segment, toggle
from dashboard.components.ranking import show_table

if TYPE_CHECKING:
    from engine.leaderboard import Place, Row

__all__ = ["render"]

KINDS = {
    "ELBO": "the bound of one draw, which lies below log p(x) by as much as q misses",
    "L_K": "the importance-weighted bound of K draws, which rises to log p(x) with K",
    "exact": "log p(x) itself; of a mixture of orderings that of the mixture",
    "AIS": "annealed importance sampling, which tends to be too good: see its reverse",
    "density estimate": "HMC and a kernel density of the latents, for very few of them",
    "perplexity": "the exponential of the mean negative ELBO a word",
}


def render() -> None:
    """Draw the page: what to compare by, the picture, the table."""
    st.title("Leaderboard")
    st.markdown(
        "Every system of the papers' tables beside ours: filled dots are what our checkpoints "
        "reach, hollow ones what was published, ticks what we mean to reach. Choose a protocol and "
        "an estimator to see who compares with whom, sort the table by what it cost, and open a "
        "model from its row."
    )
    problems = st.container()
    rows = _rows()
    _compare(rows)
    with problems:
        permalinks.show_problems()


def _rows() -> list[Row]:
    found = cache.cards()
    from engine.errors import EngineError
    from engine.leaderboard import count_parameters, leaderboard

    parameters = {}
    for name in found:
        try:
            parameters[name] = cache.derived(name, "parameters", partial(count_parameters, name))
        except EngineError as error:  # its file went since it was listed
            st.warning(f"`{name}` is left out: {error}", icon=":material/broken_image:")
    return leaderboard({name: found[name] for name in parameters}, parameters)


def _compare(rows: list[Row]) -> None:
    from engine.leaderboard import kinds_of, places
    from engine.leaderboard.published import protocols

    known = {key: one for key, one in protocols().items() if kinds_of(rows, key)}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        protocol = choose_one(
            "Protocol",
            {key: one.title for key, one in known.items()},
            name="protocol",
            key="leaderboard.protocol",
            width=340,
        )
        kinds = kinds_of(rows, protocol)
        kind = choose_segment(
            "Estimator",
            {one: _short(one) for one in kinds},
            name="estimator",
            key=f"leaderboard.estimator.{protocol}",
        )
    found = places(rows, protocol, kind)
    ranked = [place for place in found if place.rank is not None]
    st.caption(f"{known[protocol].note} {_short(kind)}: {KINDS[kind]}.")
    if not any(row.entries for row in rows):
        st.info(
            "No checkpoint of ours is here yet: `python -m engine train RECIPE --out pretrained` "
            "trains one of the systems.",
            icon=":material/model_training:",
        )
    elif not ranked:
        st.info("None of ours is measured this way yet.", icon=":material/leaderboard:")
    _picture(found, protocol, kind)
    _table(found, protocol, kind)


def _short(kind: str) -> str:
    return {"L_K": "L_K, importance", "exact": "Exact", "density estimate": "Density estimate"}.get(
        kind, kind[0].upper() + kind[1:]
    )


def _picture(found: Sequence[Place], protocol: str, kind: str) -> None:
    from dashboard.logic.leaderboard.picture import alt_text, picture, points_of
    from engine.leaderboard.published import better_of, protocols

    st.header("All systems on one axis")
    points = points_of(found, protocol, kind)
    one = protocols()[protocol]
    charts.show(
        picture(points, one.unit_of(kind), better_of(kind)),
        key=f"leaderboard.picture.{protocol}",
        alt=alt_text(points, one.title, kind),
    )
    if any(not point.compares for point in points):
        st.caption("Grey: measured by another estimator, or on other data, and so not ranked here.")


def _table(found: Sequence[Place], protocol: str, kind: str) -> None:
    from dashboard.logic.leaderboard.table import table_rows
    from dashboard.scripts.leaderboard import ranking_script
    from engine.leaderboard.published import better_of
    from engine.leaderboard.tables import ranking_csv

    st.header("Row by row")
    everything = toggle(
        "Rows that do not compare",
        True,
        name="others",
        key="leaderboard.others",
        help="Other protocols and estimators, and systems that are not trained yet: in grey, with "
        "the reason.",
    )
    shown = [place for place in found if everything or place.rank is not None]
    known = cache.cards()
    show_table(
        table_rows(shown, lambda name: _pages(known, name)),
        falling=better_of(kind) == "higher",
        key="leaderboard.table",
    )
    if any(place.measured is not None and place.measured.spread for place in shown):
        st.caption(
            "Ours: the number of the checkpoint that a row opens, ± its standard error over the "
            "items; by it a row is ranked. Where there are several seeds, their mean ± standard "
            "deviation says how much of a difference may be chance of the training: less than all "
            "of it where the seeds start from one checkpoint, as those of the rank-one DLGM."
        )
    _why()
    show_exports(
        [
            Export(
                "Ranking, CSV",
                "leaderboard.csv",
                "text/csv",
                lambda: ranking_csv(found).encode(),
            )
        ],
        ranking_script(protocol, kind),
        key="leaderboard",
    )


def _pages(known: Mapping[str, Any], name: str) -> list[str]:
    return capabilities.pages_for(known[name]) if name in known else []


def _why() -> None:
    from engine.leaderboard.published import protocols

    with st.expander("Why some rows do not compare", key="leaderboard.why"):
        lines = [f"- **{one.title}**: {one.note}" for one in protocols().values()]
        kinds = [f"- **{_short(kind)}**: {what}." for kind, what in KINDS.items()]
        st.markdown("Numbers compare on the same data, bits and split:\n" + "\n".join(lines))
        st.markdown(
            "and by the same estimator, since a bound may lie many nats below what it bounds:\n"
            + "\n".join(kinds)
        )
        st.markdown(
            "Of L_K only rows of the same K are ranked. A budget is *paper* up to an hour of "
            "training, else *long*. A target is met when our number reaches it by the target's own "
            "estimator."
        )
