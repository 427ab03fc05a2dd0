"""A shelf of small checkpoints, and pages opened on it as a visitor would."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
import torch
from streamlit.testing.v1 import AppTest

from engine.checkpoints import save_checkpoint
from engine.models import build_model
from engine.random import make_generator

# Registers every page, since pages link to each other, and draws one.
SCRIPT = """
import streamlit as st
from dashboard import navigation
st.navigation(navigation.pages(), position="hidden")
navigation.entry({module!r}).load()()
"""

METRICS = (
    ("elbo", -98.214, 0.127, 1),
    ("L_100", -92.5, 0.13, 100),
    ("L_5000", -91.234, 0.131, 5000),
)

MAIN = sys.modules["__main__"]
DATA_DIMS = {"frey": 560, "20-newsgroups": 2000, "cifar10-small": 3072}


@dataclass(frozen=True)
class Shelf:
    """A folder that the app takes for `pretrained/`."""

    folder: Path

    def add(
        self,
        name: str,
        kind: str = "vae",
        *,
        dataset: str = "mnist-static",
        metrics: tuple[tuple[str, float, float, int], ...] = METRICS,
        curves: Mapping[str, Any] | None = None,
        recipe: Mapping[str, Any] | None = None,
        data_mean: float | None = None,
        vocabulary: list[str] | None = None,
        **config: Any,
    ) -> Path:
        """Put a model with fresh weights on the shelf, as a training would."""
        data_dim = DATA_DIMS.get(dataset, 784)
        model = build_model(kind, data_dim=data_dim, **config)
        model.reset_parameters(make_generator(0))
        if data_mean is not None:
            model.set_data_mean(torch.full((data_dim,), data_mean))
        card = {
            "model": kind,
            "config": model.config,
            "dataset": dataset,
            "protocol": "made by a test",
            "recipe": recipe or {"estimator": {"name": "sgvb-b"}},
            "seed": 0,
            "metrics": [
                {
                    "name": metric,
                    "value": value,
                    "standard_error": error,
                    "estimator": "made by a test",
                    "samples": samples,
                    "split": "test",
                    "items": 10_000,
                }
                for metric, value, error, samples in metrics
            ],
            "training": {"steps": 9, "samples": 12_300_000, "seconds": 2040.0, "device": "cpu"},
        }
        if vocabulary is not None:
            card["vocabulary"] = vocabulary
        return save_checkpoint(
            self.folder / f"{name}.safetensors", model.state_dict(), card, curves
        )


def recorded(final: float = -100.0, points: int = 20) -> dict[str, np.ndarray]:
    """Curves as the training loop records them: validation measured at every other point."""
    samples = np.arange(1, points + 1) * 1000.0
    rise = final - 100 * np.exp(-np.arange(points))
    valid = np.where(np.arange(points) % 2 == 1, rise - 2, np.nan)
    return {
        "step": samples / 100,
        "samples": samples,
        "seconds": samples / 500,
        "train_elbo": rise,
        "train_reconstruction": rise + 20,
        "train_kl": np.full(points, 20.0),
        "valid_elbo": valid,
        "valid_reconstruction": valid + 20,
        "valid_kl": np.where(np.isnan(valid), np.nan, 20.0),
        "learning_rate": np.full(points, 1e-3),
    }


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """An empty shelf, empty caches, and no data but the embedded digits."""
    folder = tmp_path / "pretrained"
    folder.mkdir()
    monkeypatch.setenv("HELMHOLTZ_PRETRAINED", str(folder))
    monkeypatch.setenv("HELMHOLTZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HELMHOLTZ_DATA", raising=False)
    st.cache_data.clear()
    st.cache_resource.clear()
    yield Shelf(folder)
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """A page under test runs as `__main__` and stays there: processes spawned later run it."""
    yield
    sys.modules["__main__"] = MAIN


@pytest.fixture
def open_page() -> Callable[..., AppTest]:
    """Open a page by its module's name, with a query string as keywords; it must draw cleanly."""

    def opened(module: str, **query: str | list[str]) -> AppTest:
        page = AppTest.from_string(SCRIPT.format(module=module), default_timeout=60)
        for name, value in query.items():
            page.query_params[name] = value
        page.run()
        assert not page.exception, page.exception
        return page

    return opened


def words(page: AppTest) -> str:
    """Everything a visitor can read on the page, in one string."""
    kinds = ("title", "header", "subheader", "markdown", "caption", "info", "warning", "error")
    return "\n".join(element.value for kind in kinds for element in getattr(page, kind))
