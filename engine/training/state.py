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
    stepper: Stepper,
    best: dict[str, Tensor],
    progress: Progress,
    generator: torch.Generator,
) -> None:
    """Write everything that the next step depends on, atomically."""
    tensors = {"generator": generator.get_state()}
    tensors |= {f"learner.{k}": v for k, v in stepper.learner.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in stepper.average.items()}
    tensors |= {f"best.{k}": v for k, v in best.items()}
    for name, parameter in stepper.parameters.items():
        for key, value in stepper.optimiser.state[parameter].items():
            tensors[f"optimiser.{name}.{key}"] = value
    tensors = {k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}
    metadata = {"recipe": json.dumps(recipe), "progress": json.dumps(asdict(progress))}
    write_atomically(path, safetensors.torch.save(tensors, metadata=metadata))


def load_state(
    path: Path, recipe: dict[str, Any], stepper: Stepper, generator: torch.Generator
) -> tuple[Progress, dict[str, Tensor]]:
    """Restore `stepper` and `generator` from `path`; the counters and the best weights.

    Raises:
        CheckpointError: the file is missing, damaged or of another recipe.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        tensors = safetensors.torch.load_file(path, device=str(stepper.device))
        progress = Progress(**json.loads(metadata["progress"]))
        saved = json.loads(metadata["recipe"])
    except (OSError, safetensors.SafetensorError, KeyError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"{path} is not the saved state of a run ({error}); train without --resume."
        ) from error
    if saved != json.loads(json.dumps(recipe)):
        raise CheckpointError(
            f"{path} was saved by another recipe or seed; resume with the same one, or train "
            "without --resume into another folder."
        )

    def part(prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

    try:
        stepper.learner.load_state_dict(part("learner."))
        with torch.no_grad():
            for name, value in part("average.").items():
                stepper.average[name].copy_(value)
            for name, parameter in stepper.parameters.items():
                state = stepper.optimiser.state[parameter]
                for key, value in part(f"optimiser.{name}.").items():
                    state[key].copy_(value)
        generator.set_state(tensors["generator"].cpu())
    except (RuntimeError, KeyError) as error:
        raise CheckpointError(f"{path} does not fit the recipe's model ({error}).") from error
    return progress, part("best.")
