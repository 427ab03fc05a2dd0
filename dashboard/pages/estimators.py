"""How noisy the gradient estimators are: recorded over training, and measured live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard import cache, cards, permalinks, state
from dashboard.cards import Card
from dashboard.components import charts, linked
from dashboard.components.exports import Export, show_exports
from dashboard.components.image_grid import show_images
from dashboard.components.pickers import checkpoint_picker, data_picker
from dashboard.components.toy_race import show_toy_race
from dashboard.logic.estimators import gradients
from dashboard.logic.estimators import race as racing
from dashboard.logic.estimators.frontier import best, frontier_figure
from dashboard.logic.estimators.notes import NOTES
from dashboard.logic.estimators.race import Race, minibatches
from dashboard.logic.estimators.recorded import recorded_figure, recorded_rows, told_last
from dashboard.scripts.estimators import measured_script, recorded_script

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from engine.models import LatentVariableModel

__all__ = ["render"]

RACE, RUNNING, AGAIN = "estimators.race", "estimators.running", "estimators.again"
RECORDED = "estimators.recorded"
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

_NAMES = {"recorded": "recorded_", "live": ""}  # what names in the address begin with


def render() -> None:
    """Draw the page: the toy, the live measurement, the recorded curves, the notes."""
    st.title("Estimators")
    st.markdown(
        "A recognition model learns from random estimates of a gradient: here is how far these "
        "scatter around their mean, and their mean from the truth, on one bit whose answer is "
        "known, on a minibatch of a trained model, and while models were trained. "
        "Play the toy first, then watch centring and baselines take orders of magnitude off the "
        "variance of an SBN, and switch to signal-to-noise: normalisation only rescales."
    )
    cache.start_engine()
    show_toy_race()
    _live()
    _recorded()
    _notes()


def _quantity(section: str) -> str:
    return linked.choose_segment(
        "Quantity",
        {
            key: title
            for key, (title, _) in (
                gradients.QUANTITIES if section == "recorded" else gradients.MEASURED
            ).items()
        },
        name=_NAMES[section] + "quantity",
        key=f"estimators.{section}.quantity",
        help="Variance: of the gradient of the mean objective over a minibatch, summed over the "
        "parameters. Signal-to-noise: length of the mean gradient over the root of that sum."
        + ("" if section == "recorded" else " Bias: distance of the mean from the truth, squared."),
    )


def _layer(layers: list[str], section: str) -> str:
    return linked.choose_one(
        "Part of the model",
        {layer: gradients.layer_title(layer) for layer in layers},
        name=_NAMES[section] + "part",
        key=f"estimators.{section}.layer",
        help="Recognition layers from the data upwards; the generative part is the same for all "
        "estimators but those that draw several times.",
    )


def _recorded() -> None:
    from engine.errors import EngineError

    st.subheader("Over training")
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
        layer = _layer(list(dict.fromkeys(str(row["layer"]) for row in rows)), "recorded")
    with right:
        quantity = _quantity("recorded")
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


def _live() -> None:
    from engine.errors import EngineError

    st.subheader("Measured live")
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
        chosen = checkpoint_picker(what="a checkpoint with latent variables")
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

    suitable = suitable_variants(model.latent_kind, len(model.layer_sizes))
    titles = {key: VARIANTS[key].title for key in suitable}
    with st.container(border=True):
        keys = linked.choose_many(
            "Estimators",
            titles,
            default=DEFAULTS[model.latent_kind],
            name="estimators",
            key=f"estimators.keys.{model.latent_kind}.{len(model.layer_sizes) > 1}",
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
    identity = f"{name}|{source}|{','.join(keys)}|{size}|{seed}|{draws}|{again}"

    def begin() -> None:
        st.session_state[RACE] = Race(
            identity, model, keys, pool, x, draws=draws, seed=seed + again
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
    )
    show_exports([], script, key="estimators.live")


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


def _shape(card: Card) -> tuple[int, int] | None:
    try:
        return cards.image_shape(card)
    except ValueError:
        return None


def _show_minibatch(x: Tensor, shape: tuple[int, int] | None, source: str) -> None:
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
        _results(race, titles, name)
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


def _results(race: Race, titles: Mapping[str, str], name: str) -> None:
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        layer = _layer(list(dict.fromkeys(row["layer"] for row in race.rows)), "live")
    with right:
        quantity = _quantity("live")
    shown = {key: titles[key] for key in race.keys}
    if quantity == gradients.BIAS and not any(
        row["bias_square"] is not None for row in race.rows if row["estimator"] in shown
    ):
        st.info(
            "The bias is measured where the true gradient can be summed: an SBN of at most 12 "
            "bits, and an estimator of the ELBO (or of L_K with K times as many bits). The tiny "
            "model above is one.",
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
    _frontier(race, shown, layer, name)
    st.download_button(
        "All results, CSV",
        gradients.rows_csv(race.rows),
        file_name=f"{name}-gradient-variance.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="estimators.live.download",
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


def _notes() -> None:
    from engine.estimators.variants import VARIANTS

    st.subheader("The estimators")
    for key, note in NOTES.items():
        variant = VARIANTS[key]
        title = variant.title
        if title.startswith("+"):
            title = f"NVIL {title}"
        with st.expander(title[:1].upper() + title[1:], key=f"estimators.note.{key}"):
            st.latex(note.formula)
            st.markdown(f"{note.text} **{note.bias}** {note.source}.")
