"""A session's ``core_mobility_block``, whose form is not documented."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from pydantic import ValidationError

from .data import Block, TrainingSession
from .numbers import is_empty


def read_core_block(session: TrainingSession) -> tuple[Block | None, object]:
    """Read a core and mobility block.

    Returns:
        The block, or ``None`` if it has no list of exercises; and everything else that it says,
        ``None`` if that is nothing (``{"include": false, "details": ""}``).
    """
    content: object = session.raw("core_mobility_block")
    if is_empty(content):
        return None, None
    if not isinstance(content, Mapping):
        return None, content
    fields = cast("Mapping[str, object]", content)
    if "exercises" not in fields:
        return None, fields
    try:
        block = Block.model_validate(fields)
    except ValidationError:
        return None, fields
    return block, {key: value for key, value in fields.items() if key != "exercises"} or None
