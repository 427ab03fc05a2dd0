"""One copy of models and data for all visitors, and imports that wait until they are needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dashboard import cache, navigation
from engine import CheckpointError, DatasetError
from tests.dashboard.conftest import Shelf, recorded

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "engine", "sklearn", "scipy")  # (Streamlit itself imports plotly)


@pytest.mark.parametrize("entry", navigation.ENTRIES, ids=lambda entry: entry.module)
def test_importing_a_page_leaves_the_heavy_libraries_for_later(entry: navigation.Entry) -> None:
    """They cost one to two seconds, before which nothing would be painted."""
    code = (
        f"import sys, dashboard.pages.{entry.module}\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_model_is_loaded_once_ready_to_read(shelf: Shelf) -> None:
    shelf.add("vae", latent_dim=2, hidden=[8])
    model = cache.model("vae")
    assert cache.model("vae") is model
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_a_model_is_loaded_again_when_its_file_changed(shelf: Shelf) -> None:
    shelf.add("vae", latent_dim=2, hidden=[8])
    first = cache.model("vae")
    shelf.add("vae", latent_dim=3, hidden=[8, 8])
    assert cache.model("vae") is not first
    assert cache.model("vae").layer_sizes == (3,)
    assert cache.card("vae")["config"]["latent_dim"] == 3


def test_drawing_samples_changes_neither_the_model_nor_the_global_generator(shelf: Shelf) -> None:
    shelf.add("vae", latent_dim=2, hidden=[8])
    before = {name: value.clone() for name, value in cache.model("vae").state_dict().items()}
    state = torch.get_rng_state()
    samples = cache.prior_means("vae", 5, seed=1)
    assert samples.shape == (5, 784)
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in cache.model("vae").state_dict().items():
        assert torch.equal(value, before[name])
    assert (cache.prior_means("vae", 5, seed=1) == samples).all()
    assert (cache.prior_means("vae", 5, seed=2) != samples).any()


def test_curves_are_read_without_weights_and_again_when_they_changed(shelf: Shelf) -> None:
    path = shelf.add("vae", latent_dim=2, hidden=[8], curves=recorded(points=4))
    assert len(cache.curves("vae")["step"]) == 4
    path.write_bytes(b"no longer a checkpoint")
    assert len(cache.curves("vae")["step"]) == 4
    path.with_suffix(".csv").unlink()
    assert cache.curves("vae") == {}


def test_cards_and_broken_files_are_told_apart(shelf: Shelf) -> None:
    shelf.add("good", latent_dim=2, hidden=[8])
    (shelf.folder / "bad.safetensors").write_bytes(b"")
    assert list(cache.cards()) == ["good"]
    assert list(cache.broken_checkpoints()) == ["bad"]
    with pytest.raises(CheckpointError, match="bad"):
        cache.card("bad")
    with pytest.raises(CheckpointError, match="no checkpoint 'absent'"):
        cache.model("absent")


def test_data_that_are_not_here_are_never_fetched_by_a_page(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a download was started")

    monkeypatch.setattr("engine.datasets.places.download_arrays", refuse)
    assert not cache.dataset_is_here("frey")
    with pytest.raises(DatasetError, match="python -m engine data fetch frey"):
        cache.dataset("frey")
    assert cache.dataset_is_here("digits-mini")
    assert cache.dataset("digits-mini") is cache.dataset("digits-mini")


def test_one_visitor_takes_one_thread(shelf: Shelf) -> None:
    cache.start_engine()
    assert torch.get_num_threads() == 1
