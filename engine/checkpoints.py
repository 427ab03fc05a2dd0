"""Checkpoints: one safetensors file whose header holds the card; curves beside it.

Nothing in a checkpoint is ever unpickled: weights are raw numbers, the card is JSON.
"""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from engine.errors import CheckpointError
from engine.models import build_model

FORMAT = 1
SUFFIX = ".safetensors"
STATE_SUFFIX = ".state.safetensors"

Curves = dict[str, np.ndarray]


@dataclass(frozen=True)
class Checkpoint:
    """A trained model with what is known of it.

    Attributes:
        name: the file's name without its suffix.
        path: the file.
        model: a `GenerativeModel` in evaluation mode, without gradients; the card says which.
        card: see `read_card`.
        curves: equally long 1-D arrays by column of the training curves; NaN where not measured.
    """

    name: str
    path: Path
    model: Any
    card: dict[str, Any]
    curves: Curves = field(default_factory=dict)


def pretrained_folder() -> Path:
    """Where named checkpoints lie: ``HELMHOLTZ_PRETRAINED``, or ``pretrained/`` of the project."""
    configured = os.environ.get("HELMHOLTZ_PRETRAINED")
    return Path(configured) if configured else Path(__file__).resolve().parent.parent / "pretrained"


def list_checkpoints() -> list[str]:
    """The names that `load_checkpoint` knows, sorted; saved states of runs are no checkpoints."""
    paths = pretrained_folder().glob(f"*{SUFFIX}")
    return sorted(
        path.name.removesuffix(SUFFIX) for path in paths if not path.name.endswith(STATE_SUFFIX)
    )


def checkpoint_path(name_or_path: str | os.PathLike[str]) -> Path:
    """The file of a named checkpoint, or the path itself.

    Raises:
        CheckpointError: there is no such file.
    """
    text = os.fspath(name_or_path)
    if text in list_checkpoints():
        return pretrained_folder() / f"{text}{SUFFIX}"
    path = Path(text)
    if path.is_file():
        return path
    known = ", ".join(list_checkpoints()) or "none"
    raise CheckpointError(
        f"no checkpoint {text!r}: give the path of a {SUFFIX} file or one of the shipped names "
        f"({known}); `python -m engine train RECIPE` makes one."
    )


def read_card(name_or_path: str | os.PathLike[str]) -> dict[str, Any]:
    """The card alone, without the weights.

    Raises:
        CheckpointError: the file is missing, damaged or of another kind.
    """
    path = checkpoint_path(name_or_path)
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} cannot be read as a safetensors file ({error}); fetch or train it again."
        ) from error
    return _parse_card(path, metadata)


def _parse_card(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    if "card" not in metadata:
        raise CheckpointError(
            f"{path} is a safetensors file without a card, so its model is unknown; "
            "use a file written by `python -m engine train`."
        )
    try:
        card = json.loads(metadata["card"])
    except json.JSONDecodeError as error:
        raise CheckpointError(
            f"the card of {path} is not JSON ({error}); train it again."
        ) from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        found = card.get("format") if isinstance(card, dict) else type(card).__name__
        raise CheckpointError(
            f"{path} has card format {found!r}, this version reads {FORMAT}; "
            "use the version that wrote it or train it again."
        )
    required = {"model", "config", "dataset", "protocol", "recipe", "seed", "metrics", "training"}
    missing = required - card.keys()
    if missing:
        raise CheckpointError(f"the card of {path} lacks {sorted(missing)}; train it again.")
    return card


def load_checkpoint(name_or_path: str | os.PathLike[str], device: str = "cpu") -> Checkpoint:
    """The checkpoint `name_or_path`, its model ready for use on `device`.

    Raises:
        CheckpointError: the file is missing, damaged, or does not fit its own card.
        ValueError: this torch finds no such `device`.
    """
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(
            f"`device` must be 'cpu' where torch finds no CUDA device; got {device!r}."
        )
    path = checkpoint_path(name_or_path)
    card = read_card(path)
    try:
        model = build_model(card["model"], **card["config"])
        weights = safetensors.torch.load_file(path, device=device)
        check_finite(weights)
        model.load_state_dict({name: value.float() for name, value in weights.items()})
    except (ValueError, TypeError, RuntimeError, safetensors.SafetensorError) as error:
        raise CheckpointError(
            f"the weights of {path} do not fit its card ({error}); train it again."
        ) from error
    model.to(device).eval().requires_grad_(False)
    name = path.name.removesuffix(SUFFIX)
    return Checkpoint(name, path, model, card, read_curves(path.with_suffix(".csv")))


def save_checkpoint(
    path: str | os.PathLike[str],
    weights: Mapping[str, Tensor],
    card: Mapping[str, Any],
    curves: Mapping[str, Any] | None = None,
) -> Path:
    """Write the weights with their card, and the curves beside them; atomic, file by file.

    Raises:
        CheckpointError: the card is not plain JSON, or a weight is not finite.
    """
    path = Path(path)
    try:
        check_finite(weights)
    except ValueError as error:
        raise CheckpointError(f"{error}: the training diverged; not saved.") from error
    try:
        text = json.dumps({**card, "format": FORMAT}, allow_nan=False, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"the card is not plain JSON ({error}).") from error
    tensors = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    write_atomically(path, safetensors.torch.save(tensors, metadata={"card": text}))
    if curves is not None:
        write_curves(path.with_suffix(".csv"), curves)
    return path


def check_finite(weights: Mapping[str, Tensor]) -> None:
    """Refuse infinite and undefined numbers.

    Raises:
        ValueError: some weights are not finite; their names are in the message.
    """
    broken = [name for name, value in weights.items() if not torch.isfinite(value).all()]
    if broken:
        raise ValueError(f"weights {broken} are not finite")


def write_curves(path: Path, curves: Mapping[str, Any]) -> None:
    """Equally long columns as CSV; NaN becomes an empty cell."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(curves)
    for row in zip(*curves.values(), strict=True):
        writer.writerow([_cell(value) for value in row])
    write_atomically(path, stream.getvalue().encode())


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """At least one row, all of the same names, as CSV; NaN and None become empty cells."""
    write_curves(path, {name: [row[name] for row in rows] for name in rows[0]})


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value:.7g}"
    return str(value)


def read_curves(path: Path) -> Curves:
    """The columns of a CSV file; numbers as float64 (NaN where empty), words as they are.

    An absent file gives no columns.

    Raises:
        CheckpointError: the rows are not equally long, or the file is not CSV.
    """
    if not path.is_file():
        return {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(file)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CheckpointError(f"{path} is not CSV ({error}); train it again.") from error
    if any(len(row) != len(header) for row in rows):
        raise CheckpointError(f"{path}: every row needs {len(header)} cells; train it again.")
    return {name: _column([row[i] for row in rows]) for i, name in enumerate(header)}


def _column(cells: list[str]) -> np.ndarray:
    try:
        return np.array([float(cell) if cell else np.nan for cell in cells])
    except ValueError:
        return np.array(cells)


def write_atomically(path: Path, content: bytes) -> None:
    """Write to a temporary file beside `path`, then rename: never a half-written file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
