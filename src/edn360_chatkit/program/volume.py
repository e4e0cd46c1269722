"""How much a program asks for: its weekly sets, and the time of a session."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from pydantic import ValidationError

from .data import Block, Exercise, ProgramData, TrainingSession, exercises
from .muscles import muscles
from .numbers import is_empty

SECONDARY_SHARE = 0.5
"""What a set counts for a muscle that is not its first aim.

Pelland et al. (2024, SportRxiv preprint, "The Resistance Training Dose-Response") compared counting
indirect sets as 1, 0.5 and 0 over 67 studies, and found the strongest evidence for 0.5."""

SECONDS_PER_REP = 3.0
"""One or two seconds up and one or two down: the moderate speed of the American College of Sports
Medicine's position stand on progression models (Ratamess et al., 2009)."""

REST_SECONDS = 120.0
"""After each set. The guidelines of the same college ask for 2 to 3 minutes after heavy sets and 1
to 2 after lighter ones; 2 is in both."""

SECONDS_UNSAID = 30.0
"""A set that does not say how long it is ("AMRAP"): that of ten repetitions. Our assumption."""

CHANGE_SECONDS = 60.0
"""From one exercise to the next one. Our assumption."""

WARM_UP_SECONDS = 600.0
"""Before the first exercise. Our assumption."""

CORE_MOBILITY_SECONDS = 300.0
"""A session's ``core_mobility_block``, where it has one. Our assumption."""


def weekly_sets(program: ProgramData) -> float:
    """The sets of a week, of all exercises that say how many."""
    return round(sum(planned.exercise.sets or 0.0 for planned in exercises(program)), 2)


def weekly_sets_by_muscle(program: ProgramData) -> dict[str, float]:
    """The sets of a week by muscle, the largest number first."""
    sets: dict[str, float] = {}
    names: dict[str, str] = {}
    for _, block, exercise in exercises(program):
        if not (count := exercise.sets):
            continue
        primary = muscles(exercise.primary_group, block.primary_muscles)
        secondary = muscles(exercise.secondary_group, block.secondary_muscles)
        # A muscle that is both counts once, as a whole set.
        for key, name in {**secondary, **primary}.items():
            sets[key] = sets.get(key, 0.0) + count * (1 if key in primary else SECONDARY_SHARE)
            names.setdefault(key, name)
    largest_first = sorted(sets.items(), key=lambda item: -item[1])
    return {names[key]: round(count, 2) for key, count in largest_first}


def estimated_session_minutes(program: ProgramData) -> list[float]:
    """The minutes of each session, by the assumptions above."""
    return [
        session_minutes(session, [e for block in session.blocks for e in block.exercises])
        for session in program.sessions
    ]


def session_minutes(session: TrainingSession, planned: Iterable[Exercise]) -> float:
    """The minutes of a session with these of its exercises; 0 if no set can be counted."""
    counted = [(sets, exercise) for exercise in planned if (sets := exercise.sets)]
    if not counted:
        return 0.0
    work = sum(sets * (_seconds_per_set(exercise) + REST_SECONDS) for sets, exercise in counted)
    around = WARM_UP_SECONDS + (CORE_MOBILITY_SECONDS if any(read_core_block(session)) else 0.0)
    return round((around + work + CHANGE_SECONDS * (len(counted) - 1)) / 60, 1)


def _seconds_per_set(exercise: Exercise) -> float:
    """Without the rest."""
    if seconds := exercise.seconds_range:
        return seconds.middle
    reps = exercise.reps_range
    return reps.middle * SECONDS_PER_REP if reps else SECONDS_UNSAID


def read_core_block(session: TrainingSession) -> tuple[Block | None, object]:
    """Read a session's ``core_mobility_block``, whose form is not documented.

    Returns:
        The block, or ``None`` without a list of exercises; and its other content, or ``None`` if
        that is empty (``{"include": false, "details": ""}``).
    """
    content: Any = session.raw("core_mobility_block")
    if is_empty(content):
        return None, None
    if not isinstance(content, dict) or "exercises" not in content:
        return None, cast("object", content)
    fields = cast("dict[str, object]", content)
    try:
        block = Block.model_validate(fields)
    except ValidationError:
        return None, fields
    return block, {key: value for key, value in fields.items() if key != "exercises"} or None
