"""The state of a run, saved so that a resumed run goes on bit for bit."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from engine.checkpoints import write_atomically
from engine.errors import CheckpointError
from engine.training.step import Stepper

COLUMNS = (
    "step",
    "samples",
    "seconds",
    "train_elbo",
    "train_reconstruction",
    "train_kl",
    "train_bound",
    "valid_elbo",
    "valid_reconstruction",
    "valid_kl",
    "valid_bound",
    "learning_rate",
)


@dataclass
class Progress:
    """Counters of a run.

    Attributes:
        step: updates done.
        samples: training items seen.
        seconds: spent training and validating.
        best_bound: highest validation bound so far, nats per item.
        best_step: where it was reached.
        rows: the curves so far, one list per point in the order of `COLUMNS`.
        variance_rows: the recorded gradient variances so far.
    """

    step: int
    samples: int
    seconds: float
    best_bound: float
    best_step: int
    rows: list[list[float]]
    variance_rows: list[dict[str, Any]]


def save_state(
    path: Path,
    recipe: dict[str, Any],
    protocol: str,
    stepper: Stepper,
    best: dict[str, Tensor],
    progress: Progress,
    generator: torch.Generator,
) -> None:
    """Write everything that the next step depends on, atomically; of the data their protocol."""
    tensors = _tensors(stepper, generator) | {f"best.{k}": v for k, v in best.items()}
    tensors = {k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}
    metadata = {
        "recipe": json.dumps(recipe),
        "protocol": protocol,
        "progress": json.dumps(asdict(progress)),
    }
    write_atomically(path, safetensors.torch.save(tensors, metadata=metadata))


def _tensors(stepper: Stepper, generator: torch.Generator) -> dict[str, Tensor]:
    """What changes with every step, by its name in the file."""
    tensors = {"generator": generator.get_state()}
    tensors |= {f"learner.{k}": v for k, v in stepper.learner.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in stepper.average.items()}
    for name, parameter in stepper.parameters.items():
        for key, value in stepper.optimiser.state[parameter].items():
            tensors[f"optimiser.{name}.{key}"] = value
    return tensors


def saved_recipe(path: Path) -> dict[str, Any] | None:
    """The recipe of the run whose state is saved at `path`; None where there is none to read."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            recipe = json.loads((file.metadata() or {})["recipe"])
    except (OSError, safetensors.SafetensorError, KeyError, ValueError):
        return None
    return recipe if isinstance(recipe, dict) else None


def load_state(
    path: Path,
    recipe: dict[str, Any],
    protocol: str,
    stepper: Stepper,
    generator: torch.Generator,
) -> tuple[Progress, dict[str, Tensor]]:
    """Restore `stepper` and `generator` from `path`; the counters and the best weights.

    Raises:
        CheckpointError: the file is missing, damaged, of another recipe or of other data.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        tensors = safetensors.torch.load_file(path, device=str(stepper.device))
        progress = Progress(**json.loads(metadata["progress"]))
        saved, learned = json.loads(metadata["recipe"]), metadata["protocol"]
    except (OSError, safetensors.SafetensorError, KeyError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"{path} is not the saved state of a run ({error}); train without --resume."
        ) from error
    if saved != json.loads(json.dumps(recipe)):
        raise CheckpointError(
            f"{path} was saved by another recipe or seed; resume with the same one, or train "
            "without --resume into another folder."
        )
    if learned != protocol:
        raise CheckpointError(
            f"{path} was saved by a training on other data ({learned}) than are there now "
            f"({protocol}); resume with those, or train without --resume into another folder."
        )

    own = _tensors(stepper, generator)
    if odd := [k for k, v in own.items() if k not in tensors or tensors[k].shape != v.shape]:
        raise CheckpointError(
            f"{path} does not fit the recipe's model ({', '.join(odd)}): another version wrote it; "
            "train without --resume."
        )
    generator.set_state(tensors.pop("generator").cpu())
    with torch.no_grad():
        for key in own.keys() - {"generator"}:  # views of what the stepper holds
            own[key].copy_(tensors[key])
    best = {k.removeprefix("best."): v for k, v in tensors.items() if k.startswith("best.")}
    return progress, best
