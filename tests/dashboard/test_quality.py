"""The recorded quality of imputations as a figure and words, without Streamlit."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dashboard.components import charts
from dashboard.logic.impute import quality
from dashboard.scripts import impute as script
from engine.datasets.masks import NAMED
from engine.evaluation.imputation_table import read_table
from engine.mcmc import METHODS as KERNELS
from tests.dashboard.test_impute import TABLE, measured

ROOT = Path(__file__).resolve().parents[2]
SHOWN = [row for row in TABLE if (row.dataset, row.mask) == ("mnist-static", "80")]


def test_every_method_and_mask_of_the_engine_has_words() -> None:
    assert list(quality.METHODS) == list(KERNELS)
    assert list(quality.MASKS) == list(NAMED)
    for method in quality.METHODS.values():
        assert method.sentence.endswith(".")


@pytest.mark.parametrize(
    ("quantity", "values", "error"),
    [("error", [8, 8, 10, 6], 0.8), ("draws", [7] * 4, 0.6), ("calibration", None, 0.1)],
)
def test_the_figure_has_a_dot_for_each_row_with_two_standard_errors(
    quantity: str, values: list[float] | None, error: float
) -> None:
    figure = quality.quality_figure(SHOWN, quantity)
    assert [trace.name for trace in figure.data] == [
        "Pseudo-Gibbs", "Adaptive collapsed (AC-MWG)", "Hamiltonian (HMC)",
    ]  # fmt: skip
    found = [y for trace in figure.data for y in trace.y]
    assert found == pytest.approx(values or [1.4, 1.4, 1.4, 1.02])
    assert figure.data[0].error_y.array == pytest.approx([error, error])
    assert list(figure.layout.xaxis.ticktext) == ["vae-digits", "sbn-digits"]
    # Dots of different methods on one model stand apart, nearer to it than to the next.
    places = [x for trace in figure.data for x in trace.x]
    assert len(set(places)) == len(places)
    assert all(min(abs(place), abs(place - 1)) < 0.3 for place in places)
    assert len(figure.layout.shapes) == (quantity == "calibration")
    rows = list(csv.reader(io.StringIO(charts.csv_text(figure))))
    assert rows[1][:2] == ["Pseudo-Gibbs", "vae-digits"]


def test_words_are_of_the_best_and_of_what_differs() -> None:
    alone = quality.said([measured()])
    assert alone.startswith("Pseudo-Gibbs on vae-digits has the smallest error: 8.00 ± 0.40 %. ")
    assert alone.endswith("none is better or worse.")
    near = measured(method="hmc", error=0.079, change=-0.001, change_se=0.004)
    assert quality.said([measured(), near]).endswith("none is better or worse.")


def test_the_shipped_table_can_be_shown_in_every_view() -> None:
    table = read_table()
    assert table
    for group in {(row.dataset, row.mask) for row in table}:
        rows = [row for row in table if (row.dataset, row.mask) == group]
        for quantity in quality.QUANTITIES:
            figure = quality.quality_figure(rows, quantity)
            assert sum(len(trace.y) for trace in figure.data) == len(rows)
        assert len(quality.method_rows(rows)) == len(rows)
        assert quality.said(rows).count(". ") == 1  # two sentences


def test_the_code_for_the_view_prints_the_rows_that_are_shown(tmp_path: Path) -> None:
    (tmp_path / "view.py").write_text(script.table_view("frey", "half"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "view.py"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    wanted = [row for row in read_table() if (row.dataset, row.mask) == ("frey", "half")]
    assert [row["method"] for row in rows] == [row.method for row in wanted]
    assert [float(row["error"]) for row in rows] == [row.error for row in wanted]
