"""The volume of a program: its weekly sets, and the time of a session."""

from __future__ import annotations

import re
from collections.abc import Callable

from pydantic import ValidationError

from .._json import is_object
from .data import Block, Exercise, ProgramData, ProgramPart, TrainingSession, raw_values
from .muscles import muscles
from .numbers import Range, as_text, is_empty, read_seconds
from .vocabulary import fold

# Assumptions, in seconds where they have a unit. docs/programs.md has their sources.
SECONDARY_SHARE = 0.5  # of a set, for a secondary muscle
SECONDS_PER_REP = 3.0
UNKNOWN_SET_SECONDS = 30.0  # a set without a length, for example "AMRAP"
REST_SECONDS = 90.0
SUPERSET_SECONDS = 10.0  # between two exercises of a superset
CHANGE_SECONDS = 60.0  # between two exercises, or supersets
WARM_UP_SECONDS = 600.0
CORE_MOBILITY_SECONDS = 300.0
LONGEST_REST = 900.0  # a longer rest is a mistake
MOST_MINUTES = 5  # a rest without a unit has up to 5 minutes, or at least 10 seconds
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
    """Whether the length of an exercise is known: its sets, and their repetitions or time."""
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
    closing = CORE_MOBILITY_SECONDS if any(read_core_block(session)) else 0.0
    changes = CHANGE_SECONDS * (parts - 1)
    return round((WARM_UP_SECONDS + work + changes + closing) / 60, 1)


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
    """The texts that may name a block a superset."""
    exercises = ([e.name, e.notes, e.exercise_types, e.model_extra] for e in block.exercises)
    return fold(as_text([block.id, block.model_extra, *exercises]).replace("_", " "))


def _rest(part: ProgramPart, default: float) -> float:
    """The seconds of rest in the ``rest`` or the notes of a part."""
    values = raw_values(part)
    text, notes = (fold(as_text(values.get(field))) for field in ("rest", "notes"))
    synonyms = (part.model_extra or {}).keys() - values.keys()
    rest = _seconds(text, bool(_IN_SECONDS.search(" ".join([*synonyms, text]))))
    if rest is None and _NO_REST.search(f"{text} {notes}"):
        return 0.0
    if rest is None and (match := _REST_IN_NOTES.search(notes)):
        rest = read_seconds(match[1] or match[2])
    return rest.middle if rest and rest.high <= LONGEST_REST else default


_FIRST_NUMBER = re.compile(r"(?<![-.,0-9])[0-9].*?(?=[,;/] |[]}]|$)")
_MINUTES = re.compile("(?<=[0-9]) ?m(?![a-z])")
_IN_SECONDS = re.compile(r"(?:\b|_)(?:sec|seconds|seg|segundos)\b")


def _seconds(text: str, is_in_seconds: bool) -> Range | None:
    """The seconds of a rest. Without a unit, up to 5 are minutes, and 10 or more are seconds."""
    if not (number := _FIRST_NUMBER.search(_MINUTES.sub(" min ", text))):
        return None
    if with_unit := read_seconds(number[0]):
        return with_unit
    minutes, seconds = (read_seconds(f"{number[0]} {unit}") for unit in ("min", "s"))
    if minutes and minutes.high <= MOST_MINUTES * 60 and not is_in_seconds:
        return minutes
    return seconds if seconds and (is_in_seconds or seconds.low >= LEAST_SECONDS) else None


def _seconds_per_set(exercise: Exercise) -> float:
    if seconds := exercise.seconds_range:
        return seconds.middle
    reps = exercise.reps_range
    return reps.middle * SECONDS_PER_REP if reps else UNKNOWN_SET_SECONDS


_INCLUDE = ("include", "included", "incluir", "incluido", "enabled")
"""Keys of a closing block. With the value false, the session has no closing block."""


def read_core_block(session: TrainingSession) -> tuple[Block | None, object]:
    """Read a session's ``core_mobility_block``, whose form is not documented.

    Returns:
        The block, or ``None`` if it has no list of exercises; and its other content. Both are
        ``None`` for an empty block, for example ``{"include": false, "details": ""}``.
    """
    content = session.raw("core_mobility_block")
    if not is_object(content):
        return None, None if is_empty(content) else content
    others = {key: value for key, value in content.items() if key not in (*_INCLUDE, "exercises")}
    is_excluded = any(as_text(content.get(key)).lower() in ("false", "no") for key in _INCLUDE)
    if is_excluded or is_empty([others, content.get("exercises")]):
        return None, None
    try:
        block = Block.model_validate(content) if "exercises" in content else None
    except ValidationError:
        return None, content
    return block, others or None
