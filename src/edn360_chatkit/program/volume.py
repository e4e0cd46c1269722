"""How much a program asks for: its weekly sets, and the time of a session."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

from pydantic import ValidationError

from .data import Block, Exercise, ProgramData, ProgramPart, TrainingSession, written
from .muscles import muscles
from .numbers import Range, as_text, is_empty, read_seconds
from .vocabulary import fold

# Assumptions, in seconds where they have a unit. docs/programs.md has their sources.
SECONDARY_SHARE = 0.5  # of a set, for a muscle that is not its first aim
SECONDS_PER_REP = 3.0
SECONDS_UNSAID = 30.0  # of a set that does not say how long it is, such as "AMRAP"
REST_SECONDS = 90.0
SUPERSET_SECONDS = 10.0  # between two exercises of a superset
CHANGE_SECONDS = 60.0  # between two exercises, or supersets
WARM_UP_SECONDS = 600.0
CORE_MOBILITY_SECONDS = 300.0
LONGEST_REST = 900.0  # a longer one is a mistake
MOST_MINUTES = 5  # a rest without a unit: up to 5 are minutes, 10 and more are seconds
LEAST_SECONDS = 10


def weekly_sets_by_muscle(program: ProgramData) -> dict[str, float]:
    """The sets of a week by muscle, the largest number first."""
    sets: dict[str, float] = {}
    names: dict[str, str] = {}
    for _, block, exercise in program.exercises():
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


def has_length(exercise: Exercise) -> bool:
    """Whether an exercise says how much there is to do."""
    return bool(exercise.sets and (exercise.reps_range or exercise.seconds_range))


def session_minutes(
    session: TrainingSession, counts: Callable[[Exercise], bool] = lambda _: True
) -> float:
    """The minutes of a session with the exercises that count; 0 if no set can be counted."""
    work, parts = 0.0, 0
    for block in session.blocks:
        counted = [(e.sets, e) for e in block.exercises if e.sets and counts(e)]
        is_superset = len(counted) > 1 and bool(_SUPERSET.search(_texts_of(block)))
        parts += 1 if is_superset else len(counted)
        after_block = _rest(block, _rest(session, REST_SECONDS))
        for sets, exercise in counted:
            is_inside = is_superset and exercise is not counted[-1][1]
            rest = _rest(exercise, SUPERSET_SECONDS if is_inside else after_block)
            work += sets * (_seconds_per_set(exercise) + rest)
    if not parts:
        return 0.0
    has_closing = any(read_core_block(session))
    around = WARM_UP_SECONDS + (CORE_MOBILITY_SECONDS if has_closing else 0.0)
    return round((around + work + CHANGE_SECONDS * (parts - 1)) / 60, 1)


# --- rests --------------------------------------------------------------------------------------

_SUPERSET = re.compile(
    r"\b(?:super|bi|tri) ?-?(?:serie|set)s?\b|\b(?:giant set|series? gigante|circuit)"
)
_NO_REST = re.compile(r"\b(?:sin|no|without) (?:descansos?|rest)\b")
_TIME_UNIT = r"(?:[sm][a-z]*|['\"])"
_QUANTITY = (
    r"(?<![0-9])[0-9]{1,3}"
    rf"(?::[0-5][0-9]|[0-9., -]{{0,6}}(?:(?:a|to) [0-9]{{1,3}} ?)?{_TIME_UNIT})"
)
_REST_IN_NOTES = re.compile(
    rf"\b(?:descans\w*|rest)\b(?![ -]pause)[^0-9.\n]{{0,25}}({_QUANTITY})"
    rf"|({_QUANTITY}) (?:de |of )?(?:descans\w*|rest\b(?![ -]pause))"
)


def _texts_of(block: Block) -> str:
    """The texts that may say that a block is a superset."""
    exercises = ([e.name, e.notes, e.exercise_types, e.model_extra] for e in block.exercises)
    return fold(as_text([block.id, block.model_extra, *exercises]).replace("_", " "))


def _rest(part: ProgramPart, usual: float) -> float:
    """The seconds of rest that a part states, in its own field or its notes."""
    values = written(part)
    text, notes = (fold(as_text(values.get(field))) for field in ("rest", "notes"))
    if not text and not notes:
        return usual
    synonyms = (part.model_extra or {}).keys() - values.keys()
    stated = _seconds(text, bool(_IN_SECONDS.search(" ".join([*synonyms, text]))))
    if stated is None and _NO_REST.search(f"{text} {notes}"):
        return 0.0
    if stated is None and (match := _REST_IN_NOTES.search(notes)):
        stated = read_seconds(match[1] or match[2])
    return stated.middle if stated and stated.high <= LONGEST_REST else usual


_FIRST_NUMBER = re.compile(r"(?<![-.,0-9])[0-9].*?(?=[,;/] |[]}]|$)")
_MINUTES = re.compile("(?<=[0-9]) ?m(?![a-z])")
_IN_SECONDS = re.compile(r"(?:\b|_)(?:sec|seconds|seg|segundos)\b")


def _seconds(text: str, is_in_seconds: bool) -> Range | None:
    """The seconds of a rest. Without a unit, up to 5 are minutes, and 10 or more are seconds."""
    if not (number := _FIRST_NUMBER.search(_MINUTES.sub(" min ", text))):
        return None
    if stated := read_seconds(number[0]):
        return stated
    minutes, seconds = (read_seconds(f"{number[0]} {unit}") for unit in ("min", "s"))
    if minutes and minutes.high <= MOST_MINUTES * 60 and not is_in_seconds:
        return minutes
    return seconds if seconds and (is_in_seconds or seconds.low >= LEAST_SECONDS) else None


def _seconds_per_set(exercise: Exercise) -> float:
    """Without the rest."""
    if seconds := exercise.seconds_range:
        return seconds.middle
    reps = exercise.reps_range
    return reps.middle * SECONDS_PER_REP if reps else SECONDS_UNSAID


_INCLUDE = ("include", "included", "incluir", "incluido", "enabled")
"""Keys of a closing block that say whether there is one."""


def read_core_block(session: TrainingSession) -> tuple[Block | None, object]:
    """Read a session's ``core_mobility_block``, whose form is not documented.

    Returns:
        The block, or ``None`` without a list of exercises; and its other content. An empty block
        (``{"include": false, "details": ""}``) is ``None`` and ``None``.
    """
    content: Any = session.raw("core_mobility_block")
    if not isinstance(content, dict):
        return None, None if is_empty(content) else cast("object", content)
    fields = cast("dict[str, object]", content)
    others = {key: value for key, value in fields.items() if key not in (*_INCLUDE, "exercises")}
    is_excluded = any(as_text(fields.get(key)).lower() in ("false", "no") for key in _INCLUDE)
    if is_excluded or is_empty([others, fields.get("exercises")]):
        return None, None
    try:
        block = Block.model_validate(fields) if "exercises" in fields else None
    except ValidationError:
        return None, fields
    return block, others or None
