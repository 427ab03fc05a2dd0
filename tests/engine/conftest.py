"""What several modules of these tests share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.checkpoints import save_checkpoint
from engine.models import build_model
from engine.random import make_generator


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two small models of the embedded digits: "bits" and "reals"."""
    monkeypatch.setenv("HELMHOLTZ_PRETRAINED", str(tmp_path))
    kinds: dict[str, tuple[str, dict[str, Any]]] = {
        "bits": ("sbn", {"layers": [6, 4]}),
        "reals": ("vae", {"latent_dim": 2, "hidden": [8]}),
    }
    for name, (kind, config) in kinds.items():
        model = build_model(kind, data_dim=784, **config)
        model.reset_parameters(make_generator(0))
        card = {
            "model": kind, "config": model.config, "dataset": "digits-mini", "protocol": "test",
            "recipe": {}, "seed": 0, "metrics": [], "training": {},
        }  # fmt: skip
        save_checkpoint(tmp_path / f"{name}.safetensors", model.state_dict(), card)
    return tmp_path
