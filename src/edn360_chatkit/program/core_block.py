"""A session's ``core_mobility_block``, which has no documented form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from pydantic import ValidationError

from .model import Block


def read_core_block(content: object) -> tuple[Block | None, object]:
    """A core and mobility block: its exercises, as most workflows write it, and what else it says.

    Args:
        content: ``core_mobility_block`` of a session.

    Returns:
        The block, or ``None`` where it has no exercises that can be read as such; and notes.
    """
    if not isinstance(content, Mapping):
        return None, content
    fields = cast("Mapping[str, object]", content)
    try:
        block = Block.model_validate(fields)
    except ValidationError:
        return None, fields
    return block, {key: value for key, value in fields.items() if key != "exercises"}
