"""What the engine raises beyond plain `ValueError`s for bad arguments."""

from __future__ import annotations

__all__ = ["CheckpointError", "DatasetError", "EngineError", "RecipeError"]


class EngineError(Exception):
    """Something outside the program is not as it must be; the message names the next step."""


class CheckpointError(EngineError, ValueError):
    """A checkpoint is missing, broken, or of another format."""


class DatasetError(EngineError, ValueError):
    """A data set is missing, broken, or has the wrong content."""


class RecipeError(EngineError, ValueError):
    """A recipe is missing, malformed, or asks for what does not exist."""
