"""The part of a previous program that is checked. Imported only for an evolution."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class TrainingBlock(BaseModel):
    """The part of a block that can be invalid."""

    exercises: list[dict[str, Any]] | None = None


class TrainingDay(BaseModel):
    """The part of a session that can be invalid."""

    blocks: list[TrainingBlock] | None = None


class TrainingProgram(BaseModel):
    """The part of a program that can be invalid; the other fields may have any value."""

    sessions: list[TrainingDay]
