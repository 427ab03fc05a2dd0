"""Estimators measured while the visitor watches, a section of the Estimators page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard import cache, cards, permalinks, state
from dashboard.cards import Card
from dashboard.components import linked
from dashboard.components.exports import show_exports
from dashboard.components.image_grid import show_images
from dashboard.components.pickers import checkpoint_picker, data_picker
from dashboard.components.race_results import show_results
from dashboard.logic.estimators import gradients
from dashboard.logic.estimators import race as racing
from dashboard.logic.estimators.race import Race, minibatches
from dashboard.scripts.estimators import measured_script

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from engine.models import LatentVariableModel

__all__ = ["show_live_race"]

RACE, RUNNING, AGAIN = "estimators.race", "estimators.running", "estimators.again"
NOISE, MEASURED = "noise", "measured"  # in the address

TICK = 0.5  # seconds between two pictures while measuring
SLICE = 0.25  # seconds of work before each: the rest is left to other visitors
OWN_SAMPLES = 500  # drawn from the model where its images are not here
DRAWS = (50, 200, 1000, 5000)
SHOWN = 40  # images of the minibatch on the page
SIZES = range(10, 201, 10)  # of the minibatch
MOST_NOISE = 9999  # times that "Again" goes on to other noise in one link

# Measured unless others are chosen, by kind of latents.
DEFAULTS = {
    "gaussian": ("sgvb-a", "sgvb-b", "sticking-the-landing", "dreg", "score-function", "nvil-c"),
    "bernoulli": (
        "score-function", "nvil-c", "nvil-c-idb", "nvil-c-idb-vn", "leave-one-out", "disarm",
    ),
}  # fmt: skip


def show_live_race() -> None:
    """What to measure; then the buttons, and what was found so far."""
    from engine.errors import EngineError

    st.header("Measured live")
    tiny = (
        linked.choose_segment(
            "On",
            {"checkpoint": "Trained model", "tiny": "Tiny model"},
            name="on",
            key="estimators.on",
            label_visibility="collapsed",
        )
        == "tiny"
    )
    if tiny:
        from engine.mcmc.tiny import TINY

        model, card, name = TINY["bars"]().model, None, "tiny"
        st.caption(
            "Six bits each draw a row or a column of a picture of 3 × 3 pixels: all 64 states are "
            "summed, so that the true gradient, and the bias, are known. Its recognition is poor "
            "on purpose."
        )
    else:
        chosen = checkpoint_picker(
            capable=_measurable,
            what="a checkpoint with latent variables",
        )
        if chosen is None:
            return
        name = chosen
        try:
            card = cache.card(name)
            model = cache.model(name)
        except EngineError as error:
            st.error(str(error))
            return
    from engine.estimators.variants import VARIANTS, suitable_variants
    from engine.evaluation.bias import ORACLES, enumerable

    layers, factorial = len(model.layer_sizes), getattr(model, "factorial_recognition", True)
    suitable = suitable_variants(model.latent_kind, layers, factorial=factorial)
    titles = {key: VARIANTS[key].title for key in suitable}
    with st.container(border=True):
        keys = linked.choose_many(
            "Estimators",
            titles,
            default=[key for key in DEFAULTS[model.latent_kind] if key in suitable],
            name="estimators",
            key=f"estimators.keys.{model.latent_kind}.{layers > 1}.{factorial}",
            placeholder="Choose one or more",
        )
        images = None
        if card is not None:
            images = data_picker(card, key="estimators.data", split="train")
        one, two, three = st.columns(3)
        with one:
            size = linked.slide("Minibatch, images", SIZES, 100, name="size", key="estimators.size")
        with two:
            seed = linked.choose_number(
                "Seed",
                0,
                2**31 - 1,
                0,
                name="seed",
                key="estimators.seed",
                help="Chooses the images and the noise.",
            )
        with three:
            draws = linked.slide(
                "Draws of each estimator", DRAWS, DRAWS[1], name="draws", key="estimators.draws"
            )
        asked = card is not None and not enumerable(model)
        if asked:
            asked = linked.toggle(
                "Bias against an oracle",
                False,
                name="oracle",
                key="estimators.oracle",
                help="No one can sum the true gradient of this model. The mean of "
                f"{racing.oracle_draws(draws):,} draws of "
                f"“{VARIANTS[ORACLES[model.latent_kind]].title}”, which is unbiased, stands in for "
                "it, for all estimators of the ELBO: some more seconds, before the others draw.",
            )
    oracle = racing.oracle_draws(draws) if asked else 0
    permalinks.follow(AGAIN, NOISE, lambda: permalinks.read_integer(NOISE, 0, 0, MOST_NOISE))
    measured = permalinks.read_choice(MEASURED, (linked.YES,), linked.NO) == linked.YES
    _check_results(model)
    if not keys:
        st.info("Choose an estimator above.", icon=":material/checklist:")
        return
    pool = images.x if images is not None else _own_samples(model)
    source = images.title if images is not None else "the model's own samples"
    x = next(minibatches(pool, size, seed))
    _show_minibatch(x, (3, 3) if card is None else _shape(card), source)
    again = state.integer(AGAIN)
    identity = f"{name}|{source}|{','.join(keys)}|{size}|{seed}|{draws}|{oracle}|{again}"

    def begin() -> None:
        st.session_state[RACE] = Race(
            identity, model, keys, pool, x, draws=draws, seed=seed + again, oracle=oracle
        )
        st.session_state[RUNNING] = True

    if measured and RACE not in st.session_state:
        begin()  # the link is one to results
    running = bool(st.session_state.get(RUNNING))
    # As on the Impute page: the interval is fixed where the fragment is called.
    st.fragment(_race, run_every=TICK if running else None)(identity, name, titles, begin)
    script = measured_script(
        None if tiny else name,
        keys,
        OWN_SAMPLES if images is None else (images.dataset, images.split),
        size=size,
        draws=draws,
        seed=seed,
        noise=seed + again,
        fit_steps=racing.FIT_STEPS,
        oracle=oracle,
    )
    show_exports([], script, key="estimators.live")


def _measurable(card: Card) -> bool:
    """Whether estimators of a gradient can be compared on it: a prior with a density, pictures."""
    from engine.models import MODELS

    kind = getattr(MODELS.get(str(card["model"])), "prior_kind", None)
    return cards.has_latents(card) and kind == "density" and cards.shows_pictures(card)


def _check_results(model: LatentVariableModel) -> None:
    """Refuse here what the address has for the results: where these are drawn is redrawn often."""
    from engine.evaluation.variance import layer_parameters

    known = {"quantity": list(gradients.MEASURED), "part": list(layer_parameters(model))}
    for name, options in known.items():
        if permalinks.read_choice(name, options, "") == "":
            permalinks.write(**{name: None})


def _own_samples(model: LatentVariableModel) -> Tensor:
    from engine.random import make_generator

    return model.sample(OWN_SAMPLES, generator=make_generator(0))


def _shape(card: Card) -> tuple[int, ...] | None:
    try:
        return cards.picture_shape(card)
    except ValueError:
        return None


def _show_minibatch(x: Tensor, shape: tuple[int, ...] | None, source: str) -> None:
    if shape is None:
        return
    rest = f" of {len(x)}" if len(x) > SHOWN else ""
    show_images(
        x[:SHOWN],
        shape,
        alt=f"A grid of {min(len(x), SHOWN)} images of {source}: the minibatch",
        columns=20,
        scale=1 if shape[1] > 8 else 6,
        gap=2,
        caption=f"The minibatch: {min(len(x), SHOWN)}{rest} images of {source}.",
    )


def _race(identity: str, name: str, titles: Mapping[str, str], begin: Callable[[], None]) -> None:
    """Buttons, progress and running results: runs alone every `TICK` seconds while measuring."""
    race: Race | None = st.session_state.get(RACE)
    if race is not None and race.key != identity:
        race = None
        st.session_state.pop(RACE, None)
        permalinks.write(**{MEASURED: None})
        if st.session_state.pop(RUNNING, False):
            st.rerun()  # something was changed meanwhile: stop
    running = bool(st.session_state.get(RUNNING))
    if running and race is not None:
        race.advance(SLICE)
        if race.finished:
            st.session_state[RUNNING] = False
            permalinks.write(**{MEASURED: linked.YES})
            st.rerun()
    finished = race is not None and race.finished
    with st.container(horizontal=True, vertical_alignment="center"):
        label = "Pause" if running else "Again" if finished else "Go on" if race else "Start"
        icon = "pause" if running else "restart_alt" if finished else "play_arrow"
        if st.button(
            label,
            icon=f":material/{icon}:",
            type="primary",
            key="estimators.start",
            width=120,
            help="Again: with other noise." if finished else None,
        ):
            _press(race, running, begin)
        if st.button(
            "Step",
            icon=":material/skip_next:",
            key="estimators.step",
            disabled=running or finished,
            help="A quarter of a second of measuring.",
            width=110,
        ):
            if race is None:
                begin()
                st.session_state[RUNNING] = False
            st.session_state[RACE].advance(SLICE)
            if st.session_state[RACE].finished:
                permalinks.write(**{MEASURED: linked.YES})
            st.rerun()
        with st.container():
            st.progress(race.share if race else 0.0, text=_progress(race, titles))
    if race is not None and race.rows:
        show_results(race, titles, name)
    elif race is None:
        st.caption(
            "Start, and the bars settle while their error bars shrink. All estimators see the same "
            "noise; baselines, which a checkpoint does not keep, are fitted to it first."
        )


def _press(race: Race | None, running: bool, begin: Callable[[], None]) -> None:
    """What the button does: stop, go on, or begin."""
    if race is not None and race.finished:
        noise = state.integer(AGAIN) % MOST_NOISE + 1
        st.session_state[AGAIN] = noise
        permalinks.keep(AGAIN, NOISE, str(noise))
        permalinks.write(**{MEASURED: linked.YES})  # the page, drawn again, begins by itself
        st.session_state.pop(RACE)
    elif race is None:
        begin()
    else:
        st.session_state[RUNNING] = not running
    st.rerun()


def _progress(race: Race | None, titles: Mapping[str, str]) -> str:
    if race is None:
        return "Nothing measured yet"
    note = race.note
    for key, title in sorted(titles.items(), key=lambda item: -len(item[0])):
        note = note.replace(f" of {key}:", f" of “{title}”:")
    return note[:1].upper() + note[1:]
