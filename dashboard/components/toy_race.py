"""The first stop of the Estimators page: one bit, whose gradient everybody knows."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import permalinks
from dashboard.components import charts, linked
from dashboard.components.exports import Export, show_exports
from dashboard.logic.estimators.toy import told, toy_figure
from dashboard.scripts.estimators import toy_script

if TYPE_CHECKING:
    from engine.evaluation.toy_race import ToyRace

__all__ = ["show_toy_race"]

RACE, KEY, RUNNING = "estimators.toy.race", "estimators.toy.identity", "estimators.toy.running"
MEASURED = "toy"  # in the address
TICK = 0.4  # seconds between two pictures
DRAWS = 200_000
PROBABILITIES = range(5, 100, 5)  # per cent
TARGETS = (0, 100, 200, 300, 400, 450, 490, 499)  # thousandths


def show_toy_race() -> None:
    """Sliders of the problem, then bars that settle on what is known."""
    from engine.evaluation.toy import ToyProblem
    from engine.evaluation.toy_race import ToyRace

    st.header("One bit, and the known answer")
    st.markdown(
        "A bit b is one with probability θ = σ(a), and L = E[(b − t)²]: nearly flat in a where t "
        "is close to ½. Four estimators of dL/da, all unbiased, whose variances are known in "
        "closed form: play, and the measured bars settle on them."
    )
    left, right = st.columns(2)
    with left:
        percent = linked.slide(
            "Probability θ of a one",
            PROBABILITIES,
            25,
            name="theta",
            key="estimators.toy.theta",
            format_func=lambda value: f"{value / 100:g}",
        )
    with right:
        thousandths = linked.slide(
            "Target t",
            TARGETS,
            450,
            name="target",
            key="estimators.toy.target",
            format_func=lambda value: f"{value / 1000:g}",
        )
    measured = permalinks.read_choice(MEASURED, (linked.YES,), linked.NO) == linked.YES
    probability, target = percent / 100, thousandths / 1000
    if st.session_state.get(KEY) != (percent, thousandths):
        if KEY in st.session_state:  # another problem than before
            measured = False
            permalinks.write(**{MEASURED: None})
        st.session_state[KEY] = (percent, thousandths)
        race = ToyRace(ToyProblem(target, probability), draws=DRAWS)
        while measured and race.advance():
            pass
        st.session_state[RACE] = race
        st.session_state[RUNNING] = False
    running = bool(st.session_state.get(RUNNING))
    st.fragment(_play, run_every=TICK if running else None)()
    race = st.session_state[RACE]
    show_exports(
        [Export("Known and measured, CSV", "toy.csv", "text/csv", lambda: _csv(race))],
        toy_script(target, probability, draws=DRAWS),
        key="estimators.toy",
    )


def _play() -> None:
    """Buttons and bars: runs alone every `TICK` seconds while playing."""
    race: ToyRace = st.session_state[RACE]
    running = bool(st.session_state.get(RUNNING))
    if running:
        race.advance()
        if race.finished:
            st.session_state[RUNNING] = False
            permalinks.write(**{MEASURED: linked.YES})
            st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        label = "Pause" if running else "Play"
        icon = "pause" if running else "play_arrow"
        if st.button(
            label,
            icon=f":material/{icon}:",
            key="estimators.toy.play",
            disabled=race.finished,
            width=120,
        ):
            st.session_state[RUNNING] = not running
            st.rerun()
        if st.button(
            "Step",
            icon=":material/skip_next:",
            key="estimators.toy.step",
            disabled=running or race.finished,
            help="A quarter more draws.",
            width=110,
        ):
            race.advance()
            if race.finished:
                permalinks.write(**{MEASURED: linked.YES})
            st.rerun()
        st.caption(
            f"{race.done:,} of {race.draws:,} estimates by each; dL/da = "
            f"{race.problem.gradient:.4g}."
        )
    rows = race.rows()
    charts.show(toy_figure(rows), key="estimators.toy.chart", alt=f"Variances: {told(rows)}.")


def _csv(race: ToyRace) -> bytes:
    rows = race.rows()
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()
