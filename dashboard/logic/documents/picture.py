"""The words that a model expects, as bars beside their usual shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from dashboard.components import charts
from dashboard.logic.documents.reading import added

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["expected_words", "words_picture"]

# Where an expected word stands: the legend's names, in the order of their colours.
SEEN, HIDDEN, ELSEWHERE = "In the document", "Hidden in the document", "Not in the document"
ROW_PX = 23


def expected_words(shares: Tensor, usual: Tensor, most: int) -> list[int]:
    """The words that a code adds most of to what is usual, the first most."""
    return [int(place) for place in added(shares, usual).topk(min(most, len(shares))).indices]


def words_picture(
    places: Sequence[int],
    vocabulary: Sequence[str],
    shares: Tensor,
    usual: Tensor,
    counts: Tensor,
    seen: Tensor,
) -> go.Figure:
    """A bar a word: its share under the model, and as a tick the share that it has in general.

    Args:
        places: of the words, from top to bottom.
        vocabulary: the word of each place.
        shares: p(w | z), `(words,)`.
        usual: shares in all documents, `(words,)`.
        counts: of the document, `(words,)`.
        seen: what the model was shown of them, `(words,)`.
    """
    import plotly.graph_objects as go

    fig = charts.figure("Share of the words (%)", "", height=96 + ROW_PX * len(places))
    for index, title in enumerate((SEEN, HIDDEN, ELSEWHERE)):
        own = [place for place in places if _where(place, counts, seen) == title]
        if not own:
            continue
        fig.add_trace(
            go.Bar(
                x=[100 * float(shares[place]) for place in own],
                y=[vocabulary[place] for place in own],
                orientation="h",
                name=title,
                # shape tells them apart as well as colour
                marker={
                    "color": charts.series_colour(index),
                    "pattern": {"shape": ("", "/", ".")[index], "size": 5, "solidity": 0.3},
                },
                hovertemplate="%{y}: %{x:.2f} %<extra>" + title + "</extra>",
            )
        )
    fig.add_trace(
        go.Scatter(
            x=[100 * float(usual[place]) for place in places],
            y=[vocabulary[place] for place in places],
            mode="markers",
            name="Usual share",
            marker={
                "symbol": "line-ns-open",
                "size": 12,
                "color": charts.MUTED_COLOUR,
                "line": {"width": 2, "color": charts.MUTED_COLOUR},
            },
            hovertemplate="%{y}: %{x:.2f} %<extra>Usual share</extra>",
        )
    )
    fig.update_xaxes(rangemode="tozero")
    fig.update_yaxes(
        type="category",
        categoryorder="array",
        categoryarray=[vocabulary[place] for place in reversed(places)],
        tickmode="linear",
        dtick=1,
    )
    return fig


def _where(place: int, counts: Tensor, seen: Tensor) -> str:
    if counts[place] == 0:
        return ELSEWHERE
    return SEEN if seen[place] > 0 else HIDDEN
