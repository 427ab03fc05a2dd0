"""Checkpoints: what is written is read again, and nothing else is."""

from __future__ import annotations

import json
import pickle
import stat
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch

from engine.checkpoints import (
    FORMAT,
    list_checkpoints,
    load_checkpoint,
    read_card,
    read_curves,
    save_checkpoint,
    write_atomically,
    write_curves,
)
from engine.errors import CheckpointError, EngineError
from engine.models import LatentVariableModel, build_model
from engine.random import make_generator

CONFIGS = {
    "vae": {"latent_dim": 2, "hidden": (5,), "likelihood": "gaussian"},
    "dlgm": {"layers": (3, 2), "hidden": (5,), "covariance": "rank-one"},
    "sbn": {"layers": (3, 2), "hidden": (4,)},
}
CURVES = {"step": [0, 10], "valid_elbo": [-1.5, float("nan")], "estimator": ["a", "b"]}


def tiny(kind: str = "sbn") -> LatentVariableModel:
    model = build_model(kind, data_dim=6, **CONFIGS[kind])
    model.reset_parameters(make_generator(0))
    model.set_data_mean(torch.linspace(0.1, 0.9, 6))
    return model


def card_of(model: LatentVariableModel, kind: str) -> dict[str, object]:
    return {
        "model": kind,
        "config": model.config,
        "dataset": "digits-mini",
        "protocol": "none",
        "recipe": {"data": {"name": "digits-mini"}},
        "seed": 0,
        "metrics": [],
        "training": {"steps": 3},
    }


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    model = tiny()
    path = tmp_path / "one.safetensors"
    return save_checkpoint(path, model.state_dict(), card_of(model, "sbn"), CURVES)


def write(path: Path, card: object, weights: dict[str, torch.Tensor] | None = None) -> Path:
    """A file made past `save_checkpoint`, as another program may have."""
    text = card if isinstance(card, str) else json.dumps(card)
    weights = tiny().state_dict() if weights is None else weights
    path.write_bytes(safetensors.torch.save(weights, metadata={"card": text}))
    return path


# --- round trip ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CONFIGS)
def test_what_is_saved_is_loaded_again(kind, tmp_path):
    model = tiny(kind)
    card = card_of(model, kind)
    path = save_checkpoint(tmp_path / "my.model.safetensors", model.state_dict(), card, CURVES)
    checkpoint = load_checkpoint(path)
    assert checkpoint.name == "my.model"
    assert checkpoint.path == path
    assert checkpoint.card == json.loads(json.dumps(card)) | {"format": FORMAT}
    assert read_card(path) == checkpoint.card
    assert checkpoint.model.config == model.config
    own = model.state_dict()
    for key, value in checkpoint.model.state_dict().items():
        assert torch.equal(value, own[key]), key
    assert not checkpoint.model.training
    assert not any(p.requires_grad for p in checkpoint.model.parameters())


def test_curves_are_read_as_equally_long_columns_with_gaps(saved):
    curves = load_checkpoint(saved).curves
    assert list(curves) == ["step", "valid_elbo", "estimator"]
    np.testing.assert_array_equal(curves["step"], [0, 10])
    np.testing.assert_array_equal(curves["valid_elbo"], [-1.5, np.nan])
    assert curves["estimator"].tolist() == ["a", "b"]
    assert all(column.shape == (2,) for column in curves.values())


def test_a_checkpoint_without_curves_has_none(tmp_path):
    model = tiny()
    path = save_checkpoint(tmp_path / "x.safetensors", model.state_dict(), card_of(model, "sbn"))
    assert load_checkpoint(path).curves == {}


def test_a_saved_card_gets_the_format_of_this_version(tmp_path):
    model = tiny()
    card = card_of(model, "sbn") | {"format": -1}
    path = save_checkpoint(tmp_path / "x.safetensors", model.state_dict(), card)
    assert read_card(path)["format"] == FORMAT


def test_checkpoints_are_found_by_name_and_saved_states_are_not_among_them(saved, monkeypatch):
    folder = saved.parent
    monkeypatch.setenv("HELMHOLTZ_PRETRAINED", str(folder))
    (folder / "another.safetensors").write_bytes(saved.read_bytes())
    (folder / "another.state.safetensors").write_bytes(b"a run in progress")
    (folder / "notes.txt").write_text("")
    assert list_checkpoints() == ["another", "one"]
    assert load_checkpoint("one").path == saved
    assert read_card("one") == read_card(saved)


def test_an_absent_folder_holds_no_checkpoints(tmp_path, monkeypatch):
    monkeypatch.setenv("HELMHOLTZ_PRETRAINED", str(tmp_path / "nowhere"))
    assert list_checkpoints() == []


# --- refusals -----------------------------------------------------------------------------------


def test_an_unknown_name_is_refused_with_the_known_ones(saved, monkeypatch):
    monkeypatch.setenv("HELMHOLTZ_PRETRAINED", str(saved.parent))
    for load in (load_checkpoint, read_card):
        with pytest.raises(CheckpointError, match=r"no checkpoint 'two'.*\(one\).*engine train"):
            load("two")


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_refused(saved, share):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])
    for load in (load_checkpoint, read_card):
        with pytest.raises(CheckpointError, match=r"one\.safetensors.*again"):
            load(saved)


def test_a_pickle_is_refused_without_being_unpickled(tmp_path):
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return Path.touch, (tmp_path / "sprung",)

    pickled = pickle.dumps(Trap())
    pickle.loads(pickled)
    assert (tmp_path / "sprung").exists()  # the trap works
    (tmp_path / "sprung").unlink()
    torch.save({"a": torch.zeros(2)}, tmp_path / "torch.safetensors")
    (tmp_path / "trap.safetensors").write_bytes(pickled)
    for name in ("torch", "trap"):
        with pytest.raises(CheckpointError, match="cannot be read as a safetensors file"):
            load_checkpoint(tmp_path / f"{name}.safetensors")
    assert not (tmp_path / "sprung").exists()


def test_a_file_without_a_card_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(safetensors.torch.save({"a": torch.zeros(2)}))
    with pytest.raises(CheckpointError, match=r"without a card.*engine train"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ("{", "is not JSON"),
        ("[1]", "card format 'list'"),
        ({"format": FORMAT + 1}, f"card format {FORMAT + 1}, this version reads {FORMAT}"),
        ({"model": "sbn"}, "card format None"),
        ({"format": FORMAT, "model": "sbn"}, r"lacks \['config', 'dataset', 'metrics'"),
        (
            dict.fromkeys(("model", "config", "dataset", "protocol", "metrics", "training"), "x")
            | {"format": FORMAT},
            r"lacks \['recipe', 'seed'\]; train it again",
        ),
    ],
)
def test_a_card_of_another_form_is_refused(card, message, tmp_path):
    path = write(tmp_path / "x.safetensors", card)
    for load in (load_checkpoint, read_card):
        with pytest.raises(CheckpointError, match=message):
            load(path)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "gan"},
        {"model": ["sbn"]},
        {"config": {"data_dim": 7, "layers": [3, 2], "hidden": [4]}},
        {"config": {"data_dim": 6, "layers": [3, 2]}},
        {"config": {"data_dim": 6, "depth": 3}},
        {"config": {}},
        {"config": None},
        {"config": {"data_dim": -1}},
    ],
)
def test_a_card_that_does_not_fit_its_weights_is_refused(change, tmp_path):
    card = card_of(tiny(), "sbn") | {"format": FORMAT} | change
    path = write(tmp_path / "x.safetensors", card)
    with pytest.raises(CheckpointError, match="do not fit its card"):
        load_checkpoint(path)


def test_weights_with_a_name_too_many_or_too_few_are_refused(tmp_path):
    card = card_of(tiny(), "sbn") | {"format": FORMAT}
    weights = tiny().state_dict()
    few = {k: v for k, v in weights.items() if k != "prior_logits"}
    for wrong in (few, weights | {"extra": torch.zeros(1)}):
        with pytest.raises(CheckpointError, match="do not fit its card"):
            load_checkpoint(write(tmp_path / "x.safetensors", card, wrong))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_neither_saved_nor_loaded(value, tmp_path):
    model = tiny()
    weights = model.state_dict()
    weights["prior_logits"][0] = value
    path = tmp_path / "x.safetensors"
    with pytest.raises(CheckpointError, match=r"'prior_logits'.*not finite.*diverged"):
        save_checkpoint(path, weights, card_of(model, "sbn"))
    assert not path.exists()
    write(path, card_of(model, "sbn") | {"format": FORMAT}, weights)
    with pytest.raises(CheckpointError, match=r"'prior_logits'.*not finite"):
        load_checkpoint(path)


@pytest.mark.parametrize("odd", [float("nan"), Path("/"), torch.zeros(1)])
def test_a_card_that_json_cannot_hold_is_not_saved(odd, tmp_path):
    model = tiny()
    with pytest.raises(CheckpointError, match="not plain JSON"):
        save_checkpoint(tmp_path / "x", model.state_dict(), card_of(model, "sbn") | {"seed": odd})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"a,b\n1\n", b"a\n\xff\xfe\n", b'a\n"' + b"x" * 200_000])
def test_curves_that_are_not_a_table_are_refused(content, tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x\.csv.*train it again"):
        read_curves(path)


def test_columns_of_different_lengths_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="shorter"):
        write_curves(tmp_path / "x.csv", {"a": [1, 2], "b": [1]})
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_device_is_refused_by_name(saved):
    if torch.cuda.is_available():
        assert next(load_checkpoint(saved, "cuda").model.parameters()).is_cuda
    else:
        with pytest.raises(ValueError, match=r"`device` must be 'cpu'.*'cuda'"):
            load_checkpoint(saved, "cuda")


def test_checkpoint_errors_are_engine_errors_and_value_errors():
    assert issubclass(CheckpointError, EngineError)
    assert issubclass(CheckpointError, ValueError)


# --- atomic writes ------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", ["os.replace", "os.chmod"])
def test_an_interrupted_save_leaves_the_old_file_and_nothing_else(saved, monkeypatch, broken):
    old = saved.read_bytes()
    files = sorted(saved.parent.iterdir())
    model = build_model("vae", data_dim=6)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(broken, interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(saved, model.state_dict(), card_of(model, "vae"), CURVES)
    assert saved.read_bytes() == old
    assert sorted(saved.parent.iterdir()) == files


def test_files_are_written_where_folders_are_missing_and_readable_as_others_are(tmp_path):
    path = tmp_path / "a" / "b" / "x.bin"
    write_atomically(path, b"content")
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    assert path.read_bytes() == b"content"
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    assert list(path.parent.iterdir()) == [path]
