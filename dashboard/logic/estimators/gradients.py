"""Gradient variance for the screen: recorded curves, a race that goes on in slices, figures."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dashboard.components import charts

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from torch import Tensor

    from engine.evaluation.variance import GradientRace
    from engine.models import LatentVariableModel

__all__ = [
    "NOTES",
    "QUANTITIES",
    "Note",
    "Race",
    "bars",
    "interval",
    "layer_title",
    "recorded_figure",
    "recorded_rows",
    "rows_csv",
    "table",
    "told_last",
]

Row = Mapping[str, Any]

TRACE, SNR = "trace", "snr"
QUANTITIES = {
    TRACE: ("Variance", "gradient variance, tr Cov[g] (nats²)"),
    SNR: ("Signal-to-noise", "signal-to-noise ratio of one draw, ‖E g‖ / √tr Cov[g]"),
}
FIT_STEPS = (
    200  # minibatches that fit baselines to a checkpoint: seconds, and nearly all of the gain
)


@dataclass(frozen=True)
class Note:
    """What an estimator is.

    Attributes:
        formula: LaTeX, of the gradient or of what is differentiated.
        text: a sentence or two.
        bias: whether its mean is the gradient of its objective.
        source: citation, Markdown.
    """

    formula: str
    text: str
    bias: str
    source: str


_KINGMA = "Kingma and Welling (2014), [arXiv:1312.6114](https://arxiv.org/abs/1312.6114)"
_MNIH = "Mnih and Gregor (2014), [arXiv:1402.0030](https://arxiv.org/abs/1402.0030)"
_UNBIASED = "Unbiased for the ELBO."

NOTES: Mapping[str, Note] = {
    "sgvb-a": Note(
        r"\nabla_\phi \big[\log p(x, z) - \log q(z \mid x)\big], \quad z = \mu + \sigma \epsilon",
        "The draw is a differentiable function of noise, so the gradient flows through z.",
        _UNBIASED,
        f"{_KINGMA}, Eq. 6",
    ),
    "sgvb-b": Note(
        r"\nabla_\phi \big[\log p(x \mid z) - \mathrm{KL}(q(z \mid x) \,\|\, p(z))\big], \quad "
        r"z = \mu + \sigma \epsilon",
        "As A, with the KL divergence in closed form: only the reconstruction is still sampled.",
        _UNBIASED,
        f"{_KINGMA}, Eq. 7",
    ),
    "iwae": Note(
        r"\nabla_\phi \log \tfrac{1}{K} \sum_k p(x, z_k) / q(z_k \mid x)",
        "K draws, weighted by importance. It climbs another, tighter bound, at K times the cost.",
        "Unbiased for L_K, not for the ELBO.",
        "Burda, Grosse and Salakhutdinov (2016), "
        "[arXiv:1509.00519](https://arxiv.org/abs/1509.00519), Eq. 8",
    ),
    "score-function": Note(
        r"\big(\log p(x, z) - \log q(z \mid x)\big)\, \nabla_\phi \log q(z \mid x)",
        "Needs no derivative with respect to z, so it works for bits; the learning signal in front "
        "is a large number, and so is the variance.",
        _UNBIASED,
        f"{_MNIH}, Eq. 5",
    ),
    "nvil-c": Note(
        r"(l - c)\, \nabla_\phi \log q(z \mid x), \quad c \leftarrow \alpha c + (1 - \alpha)\,"
        r"\bar l",
        "The running mean of the learning signal l is subtracted.",
        _UNBIASED,
        f"{_MNIH}, Sec. 2.3.1",
    ),
    "nvil-c-idb": Note(
        r"(l - c - b_\psi(x))\, \nabla_\phi \log q(z \mid x)",
        "A network predicts the signal of each image: what is easy to predict adds no noise.",
        _UNBIASED,
        f"{_MNIH}, Eq. 8",
    ),
    "nvil-c-idb-vn": Note(
        r"\frac{l - c - b_\psi(x)}{\max(1, \hat\sigma_l)}\, \nabla_\phi \log q(z \mid x)",
        "The signal is divided by its running standard deviation. Gradients get shorter, not "
        "clearer: the signal-to-noise ratio stays as it was.",
        "Rescales the gradient of q, so its length is biased and its direction is not.",
        f"{_MNIH}, Sec. 2.3.3",
    ),
    "nvil": Note(
        r"\sum_i \frac{l_i - c_i - b_i(z_{i-1})}{\max(1, \hat\sigma_i)}\, "
        r"\nabla_\phi \log q(z_i \mid z_{i-1})",
        "Each layer has a signal, baseline and scale of its own, without the terms of the layers "
        "below, which it cannot change.",
        "As with normalisation, layer by layer.",
        f"{_MNIH}, Sec. 2.3.2",
    ),
}


def layer_title(layer: str) -> str:
    """ "recognition 1" as "Recognition 1"."""
    return layer[:1].upper() + layer[1:]


def recorded_rows(columns: Mapping[str, NDArray[Any]]) -> list[dict[str, Any]]:
    """The recorded columns as rows; empty where a column that the page needs is missing."""
    needed = {"samples", "estimator", "layer", "trace", "mean_square"}
    if not needed <= columns.keys():
        return []
    length = len(columns["samples"])
    return [{name: column[i].item() for name, column in columns.items()} for i in range(length)]


def interval(row: Row, quantity: str) -> tuple[float, float, float]:
    """Low, value, high: one standard error to each side.

    For the ratio the low end is 0 where the mean gradient drowns in the noise of the draws.
    """
    trace, trace_se = float(row["trace"]), float(row.get("trace_se") or 0.0)
    if quantity == TRACE:
        return max(trace - trace_se, 0.0), trace, trace + trace_se
    if trace <= 0:
        return math.nan, math.nan, math.nan
    square, error = float(row["mean_square"]), float(row.get("mean_square_se") or 0.0)
    low, value, high = (
        math.sqrt(max(part, 0.0) / trace) for part in (square - error, square, square + error)
    )
    return low, value, high


def _resolved(low: float, value: float, high: float) -> bool:
    """Whether a logarithmic axis can show the value with its errors."""
    return low > 0 and math.isfinite(value) and math.isfinite(high)


def recorded_figure(rows: Sequence[Row], layer: str, quantity: str) -> go.Figure:
    """The recorded curves of one layer, a colour an estimator; error bars are standard errors.

    A ratio that cannot be told from 0 is drawn as an open triangle at its upper end. The first
    measurement, before training, stands left of the others on the logarithmic axis.
    """
    import plotly.graph_objects as go

    fig = charts.figure(
        "training images seen", QUANTITIES[quantity][1], log_x=True, log_y=True, height=460
    )
    shown = [row for row in rows if row["layer"] == layer]
    labels = list(dict.fromkeys(str(row["estimator"]) for row in rows))
    places = {float(row["samples"]) for row in shown}
    positive = sorted(place for place in places if place > 0)
    start = positive[0] / 3 if positive else 1.0
    for index, label in enumerate(labels):
        points = [row for row in shown if row["estimator"] == label]
        samples = [float(row["samples"]) for row in points]
        x = [place or start for place in samples]
        spans = [interval(row, quantity) for row in points]
        good = [i for i, span in enumerate(spans) if _resolved(*span)]
        lost = [i for i, span in enumerate(spans) if i not in good and span[2] > 0]
        fig.add_trace(
            go.Scatter(
                x=[x[i] for i in good],
                y=[spans[i][1] for i in good],
                customdata=[samples[i] for i in good],
                error_y={
                    "type": "data",
                    "array": [spans[i][2] - spans[i][1] for i in good],
                    "arrayminus": [spans[i][1] - spans[i][0] for i in good],
                    "thickness": 1.2,
                    "width": 3,
                    "color": charts.series_colour(index),
                },
                name=label,
                mode="lines+markers",
                line={"color": charts.series_colour(index), "width": 2},
                marker={"color": charts.series_colour(index), "size": 6},
                legendgroup=label,
                hovertemplate="%{y:.3g}<extra>" + label + "</extra>",
            )
        )
        if lost:
            fig.add_trace(
                go.Scatter(
                    x=[x[i] for i in lost],
                    y=[spans[i][2] for i in lost],
                    customdata=[samples[i] for i in lost],
                    name=label,
                    meta=f"{label}, upper end",
                    mode="markers",
                    marker={
                        "color": charts.series_colour(index),
                        "symbol": "triangle-down-open",
                        "size": 10,
                    },
                    legendgroup=label,
                    showlegend=not good,
                    hovertemplate="below %{y:.3g}<extra>" + label + "</extra>",
                )
            )
    ticks = [10.0**power for power in range(2, 9)]
    ticks = [tick for tick in ticks if positive and positive[0] / 2 < tick <= positive[-1]]
    if 0.0 in places:
        fig.update_xaxes(
            tickmode="array",
            tickvals=[start, *ticks],
            ticktext=["0", *(_count(tick) for tick in ticks)],
        )
    return fig


def told_last(rows: Sequence[Row], layer: str, quantity: str) -> str:
    """The last measurement of each estimator in words: "NVIL 1,810, score function 1.97e9"."""
    last = {str(row["estimator"]): row for row in rows if row["layer"] == layer}
    told = []
    for label, row in last.items():
        low, value, high = interval(row, quantity)
        found = _short(value) if _resolved(low, value, high) else f"below {high:.2g}"
        told.append(f"{label} {found}")
    return ", ".join(told)


def _short(value: float) -> str:
    """Three digits, whole numbers written out up to a million: "1,810", "1.97e9"."""
    if 1000 <= value < 1e6:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}".replace("e+0", "e").replace("e+", "e")


def _count(number: float) -> str:
    """10000 as "10k"."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:g}{unit}"
    return f"{number:g}"


def bars(rows: Sequence[Row], layer: str, quantity: str, titles: Mapping[str, str]) -> go.Figure:
    """A bar for each estimator of `titles` on one layer, with its standard error."""
    import plotly.graph_objects as go

    fig = charts.figure("", QUANTITIES[quantity][1], log_y=True, legend=False, height=380)
    known = list(NOTES)
    found = {row["estimator"]: row for row in rows if row["layer"] == layer}
    for key, title in titles.items():
        if key not in found:
            continue
        low, value, high = interval(found[key], quantity)
        resolved = _resolved(low, value, high)
        height = value if resolved else high
        text = _short(value) if resolved else f"< {high:.2g}"
        if not height > 0 or not math.isfinite(height):
            continue
        fig.add_trace(
            go.Bar(
                x=[title],
                y=[height],
                meta=layer_title(layer) + ("" if resolved else ", upper end"),
                error_y={
                    "type": "data",
                    "array": [high - value if resolved else 0.0],
                    "arrayminus": [value - low if resolved else 0.0],
                    "thickness": 1.5,
                    "color": charts.MUTED_COLOUR,
                },
                marker={
                    "color": charts.series_colour(known.index(key) if key in known else 0),
                    "opacity": 1.0 if resolved else 0.35,
                },
                text=[text],
                textposition="outside",
                cliponaxis=False,
                hovertemplate=text + "<extra>" + title + "</extra>",
            )
        )
    heights = [float(trace.y[0]) for trace in fig.data]
    if heights:
        # Bars on a logarithmic axis need a floor: a little below the lowest, so that it is seen.
        low_end, high_end = np.log10(min(heights)), np.log10(max(heights))
        fig.update_yaxes(range=[low_end - 0.6, high_end + 0.3])
    fig.update_xaxes(type="category", categoryorder="array", categoryarray=list(titles.values()))
    return fig


def table(rows: Sequence[Row], layer: str, titles: Mapping[str, str]) -> dict[str, list[Any]]:
    """The results on one layer as columns for the screen, errors to two digits."""
    found = {row["estimator"]: row for row in rows if row["layer"] == layer}
    chosen = [(title, found[key]) for key, title in titles.items() if key in found]
    columns: dict[str, list[Any]] = {
        "Estimator": [title for title, _ in chosen],
        "tr Cov[g]": [_pair(row["trace"], row["trace_se"]) for _, row in chosen],
        "‖E g‖²": [_pair(row["mean_square"], row["mean_square_se"]) for _, row in chosen],
        "Signal-to-noise": [],
        "Draws": [int(row["draws"]) for _, row in chosen],
    }
    for _, row in chosen:
        low, value, high = interval(row, SNR)
        columns["Signal-to-noise"].append(
            f"{value:.3g}" if _resolved(low, value, high) else f"below {high:.2g}"
        )
    return columns


def _pair(value: float, error: float) -> str:
    return f"{value:.4g} ± {error:.2g}".replace("-", "−")


def rows_csv(rows: Sequence[Row]) -> str:
    """The rows as CSV with a header; empty cells where there is no value."""
    if not rows:
        return ""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {k: f"{v:.7g}" if isinstance(v, float) else "" if v is None else v
             for k, v in row.items()}
        )  # fmt: skip
    return stream.getvalue()


class Race:
    """Estimators measured side by side at a checkpoint, a slice of time at each call.

    First the baselines are fitted, then each estimator draws in turn.

    Args:
        key: identifies what it was started from.
        model: shared by all visitors; only copies of it are used.
        keys: of `engine.estimators.variants.VARIANTS`.
        pool: images that the baselines are fitted on, `(n, data)`.
        x: the minibatch, `(batch, data)`.
        draws: of each estimator.
        seed: of the noise.
        fit_steps: minibatches that fit each baseline; `FIT_STEPS` if None.
    """

    def __init__(
        self,
        key: str,
        model: LatentVariableModel,
        keys: Sequence[str],
        pool: Tensor,
        x: Tensor,
        *,
        draws: int,
        seed: int,
        fit_steps: int | None = None,
    ) -> None:
        self.key, self.keys, self.draws = key, list(keys), draws
        self.fit_steps = FIT_STEPS if fit_steps is None else fit_steps
        self.fitted: dict[str, int] = dict.fromkeys(keys, 0)
        self.note = "starting"
        self.done = 0
        self.finished = False
        self.rows: list[dict[str, Any]] = []
        self._race: GradientRace | None = None
        self._work = self._everything(model, pool, x, seed)

    def _everything(
        self, model: LatentVariableModel, pool: Tensor, x: Tensor, seed: int
    ) -> Iterator[None]:
        """All the work, with a pause after each piece of it."""
        from engine.estimators.variants import build_variant
        from engine.evaluation.variance import GradientRace, fitting
        from engine.random import derive_seed, make_generator

        built = {key: build_variant(key, model) for key in self.keys}
        for key, estimator in built.items():
            estimator.reset_parameters(make_generator(derive_seed(seed, 0)))
            stream = minibatches(pool, len(x), derive_seed(seed, 1))
            noise = make_generator(derive_seed(seed, 2))
            for step in fitting(model, estimator, stream, steps=self.fit_steps, generator=noise):
                self.fitted[key] = step
                self.note = f"fitting the baselines of {key}: {step} of {self.fit_steps}"
                yield
            estimator.eval()
        self._race = GradientRace(model, built, x, draws=self.draws, seed=seed)
        while self._race.advance() is not None:
            self.done = min(self._race.done.values())
            self.note = f"{self.done} of {self.draws} draws of each estimator"
            yield

    def advance(self, seconds: float) -> None:
        """Work for about so many seconds, one piece at least."""
        deadline = time.perf_counter() + seconds
        while not self.finished:
            try:
                next(self._work)
            except StopIteration:
                self.finished = True
            if time.perf_counter() >= deadline:
                break
        if self._race is not None:
            self.rows = self._race.rows()

    @property
    def share(self) -> float:
        """Of the work done, from 0 to 1; a draw counts as a step of fitting does."""
        stateful = sum(1 for key in self.keys if key.startswith("nvil"))
        total = stateful * self.fit_steps + len(self.keys) * self.draws
        drawn = sum(self._race.done.values()) if self._race is not None else 0
        return 1.0 if self.finished else min((sum(self.fitted.values()) + drawn) / total, 1.0)


def minibatches(pool: Tensor, size: int, seed: int) -> Iterator[Tensor]:
    """Random minibatches of `pool` without end, `(size, data)` each."""
    import torch

    from engine.random import make_generator

    generator = make_generator(seed)
    while True:
        yield pool[torch.randint(len(pool), (size,), generator=generator)]
