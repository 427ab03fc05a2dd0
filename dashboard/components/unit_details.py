"""One unit of a bank of filters: its picture, and the images and classes that it answers to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import cache, cards
from dashboard.cards import Card
from dashboard.components import charts
from dashboard.components.image_grid import image_grid, show_images, show_picture
from dashboard.components.items import some_of
from dashboard.components.pickers import first_here

if TYPE_CHECKING:
    from engine.filters import Bank

__all__ = ["show_unit"]

IMAGES = 2000  # to which the units answer
BEST, BEST_COLUMNS = 16, 8
LARGE, SMALL = 224, 56  # pixels of the unit's picture and of an image's, about


@dataclass(frozen=True)
class Answers:
    """What the units answer to images.

    Attributes:
        values: `(images, units)`.
        rows: which images of the test split they are, `(images,)`.
        dataset: whose.
    """

    values: NDArray[np.float32]
    rows: NDArray[np.int64]
    dataset: str


def show_unit(
    name: str,
    card: Card,
    key: str,
    bank: Bank,
    weights: NDArray[np.float32],
    unit: int,
    pictures: Callable[[NDArray[np.intp]], NDArray[np.uint8]],
) -> None:
    """Draw the unit's picture large, its numbers, and what it answers to.

    Args:
        name, card: of the checkpoint.
        key, bank: the bank and its word.
        weights: of all its units, `(units, data)`.
        unit: the number of the chosen one; 0 is the first.
        pictures: of units, `(n, height, width, 4)`.
    """
    shape = cards.picture_shape(card)
    st.subheader(f"{bank.unit.capitalize()} {unit + 1}")
    picture = pictures(np.array([unit])).reshape(1, -1)
    grid = image_grid(picture, (*shape[:2], 4), scale=max(1, LARGE // max(shape[:2])))
    with st.container(border=True, width="content"):  # much of a picture may be without colour
        show_picture(grid, alt=f"The picture of {bank.unit} {unit + 1}")
    st.caption(_numbers(bank, weights, unit))
    if bank.answers is None:
        return
    here = first_here(card)
    if here is None:
        return
    answers = cache.derived(name, ("filter answers", key, here), lambda: _answers(card, bank, here))
    _best(card, bank, answers, unit)
    _by_class(bank, answers, unit)


def _numbers(bank: Bank, weights: NDArray[np.float32], unit: int) -> str:
    own = weights[unit]
    if bank.shares is not None:
        share = 100 * float(bank.shares()[unit])
        return f"Drawn {share:.2f} % of the time, with {100 * own.mean():.1f} % of the pixels on."
    size = float(np.sqrt(np.square(own).mean()))
    text = f"From {own.min():.2f} to {own.max():.2f}, root mean square {size:.3f}."
    return text.replace("-", "−")


def _answers(card: Card, bank: Bank, dataset: str) -> Answers:
    import torch

    assert bank.answers is not None
    rows, x = some_of(card, dataset, IMAGES)
    with torch.inference_mode():
        found = bank.answers(x).float().numpy()
    found.setflags(write=False)
    return Answers(found, rows, dataset)


def _best(card: Card, bank: Bank, answers: Answers, unit: int) -> None:
    """The images with the largest answers."""
    own = answers.values[:, unit]
    # Many bits are on for sure in many images: of equals chance decides, not their order by class.
    mixed = np.random.default_rng(0).permutation(len(own))
    best = mixed[np.argsort(-own[mixed], kind="stable")[:BEST]]
    shape = cards.picture_shape(card)
    title = cards.dataset_title(answers.dataset)
    st.markdown(f"**Images with the largest answers** ({title}, {len(own)} of the test split)")
    show_images(
        cache.dataset(answers.dataset).test[answers.rows[best]],
        shape,
        columns=BEST_COLUMNS,
        scale=max(1, SMALL // max(shape[:2])),
        stretch=True,
        alt=f"The {len(best)} test images that {bank.unit} {unit + 1} answers to most",
        caption=f"{bank.answer}: {own[best[0]]:.2f} to {own[best[-1]]:.2f}".replace("-", "−"),
    )


def _by_class(bank: Bank, answers: Answers, unit: int) -> None:
    """The mean answer to the images of each class."""
    data = cache.dataset(answers.dataset)
    if data.labels is None:
        return
    import plotly.graph_objects as go

    labels = data.labels["test"].numpy()[answers.rows]
    own = answers.values[:, unit]
    known = [index for index in range(len(data.class_names)) if (labels == index).any()]
    means = [float(own[labels == index].mean()) for index in known]
    names = [data.class_names[index] for index in known]
    fig = charts.figure("Class", f"{bank.answer}, averaged", height=230, legend=False)
    fig.add_trace(
        go.Bar(
            x=names,
            y=means,
            marker={"color": charts.series_colour(0)},
            hovertemplate="%{x}: %{y:.3f}<extra></extra>",
        )
    )
    fig.update_xaxes(type="category")
    top = names[int(np.argmax(means))]
    charts.show(fig, key="filters.classes", alt=f"Mean answer by class; the largest is to {top}.")
