"""How much a program asks for: its exercises, its weekly sets, the time of a session."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .core_block import read_core_block
from .data import Exercise, ProgramData, TrainingSession, exercises
from .muscles import muscle_key
from .numbers import says_nothing

SECONDARY_SHARE = 0.5
"""What a set counts for a muscle that is not its first aim.

Pelland et al. (2024, SportRxiv preprint, "The Resistance Training Dose-Response") compared counting
indirect sets as 1, 0.5 and 0 over 67 studies, and names_by_key the strongest evidence for 0.5."""

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

_BETWEEN_MUSCLES = re.compile(r"[,;+&|\n]|/(?![ad]\b)|(?<=\s)(?:y|e|and)(?=\s)", re.IGNORECASE)


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


def muscles(own: str | None, of_block: Iterable[str] | None) -> dict[str, str]:
    """Muscles as they are compared, without the plural, and as they are written.

    Args:
        own: What the exercise says; ``"Chest, triceps"`` names two.
        of_block: The muscles of its block, which count if the exercise names none.
    """
    written = (of_block or []) if own is None or says_nothing(own) else [own]
    texts = (text for text in written if not says_nothing(text))
    names = (" ".join(name.split()) for text in texts for name in _BETWEEN_MUSCLES.split(text))
    names_by_key: dict[str, str] = {}
    for name in names:
        if not says_nothing(name):
            names_by_key.setdefault(muscle_key(name), name)
    return names_by_key


def estimated_session_minutes(program: ProgramData) -> list[float]:
    """How long each session takes, by the assumptions above."""
    return [
        session_minutes(
            session, [exercise for block in session.blocks for exercise in block.exercises]
        )
        for session in program.sessions
    ]


def session_minutes(session: TrainingSession, planned: Iterable[Exercise]) -> float:
    """How long a session takes, with these of its exercises; 0 where no set can be counted."""
    counted = [(sets, exercise) for exercise in planned if (sets := exercise.sets)]
    if not counted:
        return 0.0
    work = sum(sets * (seconds_per_set(exercise) + REST_SECONDS) for sets, exercise in counted)
    around = WARM_UP_SECONDS + (CORE_MOBILITY_SECONDS if any(read_core_block(session)) else 0.0)
    return round((around + work + CHANGE_SECONDS * (len(counted) - 1)) / 60, 1)


def seconds_per_set(exercise: Exercise) -> float:
    """How long a set takes without its rest."""
    if seconds := exercise.seconds_range:
        return seconds.middle
    if reps := exercise.reps_range:
        return reps.middle * SECONDS_PER_REP
    return SECONDS_UNSAID
