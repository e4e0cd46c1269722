"""What a coach should look at before a program reaches an athlete.

The checks inform and never block: a program is delivered whatever they find.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ..inputs import EDN360Input
from .athlete import AthleteFacts, read_athlete
from .data import Block, Exercise, ProgramData, ProgramPart, TrainingSession
from .links import web_link
from .numbers import LONGEST, as_text, fold, says_nothing
from .texts import Language, words
from .vocabulary import LOADED_JOINTS, NEEDED_EQUIPMENT, OPEN_NAMES
from .volume import read_core_block, session_minutes

Severity: TypeAlias = Literal["error", "warning", "info"]
"""``error``: the athlete can't follow the program as it is, or it contradicts itself. ``warning``:
somebody should look before it is delivered. ``info``: good to know."""

LONGEST_QUOTE = 60
"""Characters of a text of the program that a message repeats."""


@dataclass(frozen=True)
class Finding:
    """One result of a check.

    Attributes:
        severity: ``"error"``, ``"warning"`` or ``"info"``.
        path: The place, such as ``"sessions.0.blocks.1.exercises.2.rpe"``.
        code: The check, such as ``"rpe_out_of_range"``; the same in every version and language.
        values: The numbers and names in the text.
    """

    severity: Severity
    path: str
    code: str
    values: Mapping[str, str | int] = field(default_factory=dict[str, str | int], hash=False)

    @property
    def es(self) -> str:
        """The text in Spanish."""
        return self.message("es")

    @property
    def en(self) -> str:
        """The text in English."""
        return self.message("en")

    def message(self, lang: Language = "es") -> str:
        """The text of the finding.

        Args:
            lang: ``"es"`` or ``"en"``.

        Raises:
            ValueError: ``lang`` is another language.
        """
        return words(lang).finding(self.code, self.values)

    def __str__(self) -> str:
        return f"{self.severity}: {self.path}: {self.en}"


def _error(code: str, path: str, **values: str | int) -> Finding:
    return Finding("error", path, code, values)


def _warning(code: str, path: str, **values: str | int) -> Finding:
    return Finding("warning", path, code, values)


def _info(code: str, path: str, **values: str | int) -> Finding:
    return Finding("info", path, code, values)


def check(program: ProgramData, against: EDN360Input | None) -> list[Finding]:
    """Everything that the checks find, in the order of the program."""
    athlete = read_athlete(against) if against else None
    return [
        *_program(program),
        *(_program_against(program, athlete) if athlete else ()),
        *_sessions(program, athlete),
    ]


# --- the program and its sessions -------------------------------------------------------------


def _kinds(part: ProgramPart, path: str) -> Iterator[Finding]:
    """Fields of another type than they should be; 4.0 is a whole number and fine."""
    for name, value in part.other_kinds().items():
        typed = getattr(part, name)
        if isinstance(value, float) and value == typed:
            continue
        at = f"{path}.{name}".lstrip(".")
        if typed is None or name in ("sessions", "blocks", "exercises"):
            if not says_nothing(value):
                yield _warning("field_unreadable", at, field=name)
        else:
            yield _info("other_kind", at, field=name, value=_quote(typed))


def _program(program: ProgramData) -> Iterator[Finding]:
    yield from _kinds(program, "")
    sessions, days = len(program.sessions), program.days_per_week
    if not sessions:
        yield _error("no_sessions", "sessions")
    elif days is not None and days != sessions:
        yield _error("days_mismatch", "days_per_week", days=as_text(days), sessions=sessions)


def _sessions(program: ProgramData, athlete: AthleteFacts | None) -> Iterator[Finding]:
    for index, session in enumerate(program.sessions):
        path = f"sessions.{index}"
        yield from _kinds(session, path)
        planned = [exercise for block in session.blocks for exercise in block.exercises]
        core, _ = read_core_block(session)
        closing = core.exercises if core else []
        if planned:
            yield from _time(session, planned, program.session_duration_min, path)
        elif not closing:
            yield _error("empty_session", path)
        yield from _videos([*planned, *closing], path)
        last = 0
        for number, block in enumerate(session.blocks):
            of_block = f"{path}.blocks.{number}"
            yield from _kinds(block, of_block)
            if not block.exercises:
                yield _error("empty_block", of_block)
            yield from _order(block, of_block, last)
            last = max((exercise.order or 0 for exercise in block.exercises), default=last)
            yield from _exercises(block.exercises, of_block, athlete)
        yield from _exercises(closing, f"{path}.core_mobility_block", athlete)


def _time(
    session: TrainingSession, planned: list[Exercise], minutes: int | None, path: str
) -> Iterator[Finding]:
    if minutes is None or minutes <= 0:
        return
    # What does not say how much is to be done takes some time, too: with it, the session can't be
    # too short, but what is left can be too long.
    countable = [
        exercise
        for exercise in planned
        if exercise.sets and (exercise.reps_range or exercise.seconds_range)
    ]
    estimate = session_minutes(session, countable)
    # Rests are nobody's to know, so only less than half, or more than half as much again, is far.
    # Doubled: an int can be too large to become a float.
    is_short = len(countable) == len(planned) and 2 * estimate < minutes
    if is_short or 2 * estimate > 3 * minutes:
        yield _warning("time_far", path, estimate=f"{estimate:.0f}", minutes=as_text(minutes))


def _videos(exercises: list[Exercise], path: str) -> Iterator[Finding]:
    """One finding a session, as a hundred of them would bury the rest."""
    missing = sum(not (exercise.video_url or "").strip() for exercise in exercises)
    if missing:
        yield _info("video_missing", path, missing=missing, all=len(exercises))


def _exercises(
    exercises: list[Exercise], path: str, athlete: AthleteFacts | None
) -> Iterator[Finding]:
    for place, exercise in enumerate(exercises):
        of_exercise = f"{path}.exercises.{place}"
        yield from _exercise(exercise, of_exercise)
        if athlete:
            yield from _exercise_against(exercise, of_exercise, athlete)


def _order(block: Block, path: str, last: int) -> Iterator[Finding]:
    """Orders begin at 1 in every block, or go on from the block before."""
    orders: set[int] = set()
    repeated = False
    for place, exercise in enumerate(block.exercises):
        order = exercise.order
        if order is None:
            continue
        if order in orders:
            at = f"{path}.exercises.{place}.order"
            yield _warning("order_repeated", at, order=as_text(order))
            repeated = True
        orders.add(order)
    if not orders or repeated:
        return
    if min(orders) not in (1, last + 1) or max(orders) - min(orders) >= len(orders):
        yield _warning("order_gap", path)


# --- an exercise --------------------------------------------------------------------------------

# Reps without a number that still say how much to do.
_UNCOUNTED_REPS = re.compile(
    r"\b(?:(?:todas|todo|tantas) (?:las|lo|como) (?:que )?pued\w+|as many as|"
    r"amrap|emom|cluster|max|maximo|maxima|maximas|maximum|fallo|failure|tabata|libre|"
    r"[0-9.,]+ ?(?:rm|m|mts?|metros?|meters?|metres?|km|cals?|calorias?|calories|kcal))\b"
)


_PLACEHOLDER = re.compile(
    r"^(?:unknown|desconocido)$"
    r"|\b(?:no mapeado|por asignar|sin asignar|not mapped|to be assigned)\b"
)


def _exercise(exercise: Exercise, path: str) -> Iterator[Finding]:
    yield from _kinds(exercise, path)
    name, group = exercise.name or "", exercise.primary_group or ""
    if placeholder := next(filter(_PLACEHOLDER.search, (fold(name), fold(group))), None):
        yield _warning("placeholder", path, value=_quote(placeholder))
    if says_nothing(exercise.raw("series")):
        yield _warning("series_missing", f"{path}.series")
    elif not exercise.sets and exercise.series is not None:
        yield _warning("series_unreadable", f"{path}.series", value=_quote(exercise.series))
    if says_nothing(exercise.raw("reps")):
        yield _warning("reps_missing", f"{path}.reps")
    elif exercise.reps is not None and not _says_what_to_do(exercise):
        yield _warning("reps_unreadable", f"{path}.reps", value=_quote(exercise.reps))
    if exercise.rpe is not None and not says_nothing(exercise.rpe):
        rpe = exercise.rpe_range
        is_number = isinstance(exercise.rpe, (int, float))
        if rpe is None and not is_number:
            yield _warning("rpe_unreadable", f"{path}.rpe", value=_quote(exercise.rpe))
        elif rpe is None or not 1 <= rpe.low <= rpe.high <= 10:
            yield _error("rpe_out_of_range", f"{path}.rpe", value=_quote(exercise.rpe))
    if (url := (exercise.video_url or "").strip()) and not web_link(url):
        yield _warning("video_not_web", f"{path}.video_url", value=_quote(url))


def _says_what_to_do(exercise: Exercise) -> bool:
    span = exercise.reps_range or exercise.seconds_range
    if span is not None:
        return span.high > 0
    reps = as_text(exercise.reps)[:LONGEST]
    return bool(_UNCOUNTED_REPS.search(fold(reps)))


# --- against the questionnaires -----------------------------------------------------------------


def _program_against(program: ProgramData, athlete: AthleteFacts) -> Iterator[Finding]:
    days = len(program.sessions) if program.days_per_week is None else program.days_per_week
    if athlete.days and not athlete.days.low <= days <= athlete.days.high:
        asked = _span(athlete.days)
        yield _warning("days_not_as_asked", "days_per_week", days=as_text(days), asked=asked)
    minutes = program.session_duration_min
    if athlete.minutes and minutes is not None:
        asked = _span(athlete.minutes)
        path = "session_duration_min"
        if minutes > athlete.minutes.high:
            yield _warning("minutes_over", path, minutes=as_text(minutes), asked=asked)
        elif minutes < athlete.minutes.low:
            yield _info("minutes_under", path, minutes=as_text(minutes), asked=asked)


def _exercise_against(exercise: Exercise, path: str, athlete: AthleteFacts) -> Iterator[Finding]:
    path = f"{path}.name"
    written_name = exercise.name or ""
    parts = re.findall("[a-z0-9]+", fold(written_name[:LONGEST]))
    name = f" {' '.join(parts)} "
    open_name = "/" in written_name or bool(OPEN_NAMES & set(parts))
    if athlete.equipment is not None and not open_name:
        for needed in _named(name, NEEDED_EQUIPMENT):
            if not needed & athlete.equipment:
                kind = next(kind for kind, kinds in _EQUIPMENT if kinds <= needed)
                yield _warning("equipment_missing", path, name=_quote(written_name), kind=kind)
                break
    loaded = frozenset[str]().union(*_named(name, LOADED_JOINTS)) & athlete.injuries
    for joint in sorted(loaded):
        yield _warning("injury_loaded", path, name=_quote(written_name), joint=joint)
    for avoided in athlete.avoided:
        if f" {_singular(avoided)} " in f" {_singular(name)} ":
            yield _warning("exercise_to_avoid", path, name=_quote(written_name))
            break


def _named(name: str, vocabulary: Mapping[str, frozenset[str]]) -> list[frozenset[str]]:
    """What a name contains; of phrases of which one holds the other only the longer."""
    phrases = [phrase for phrase in vocabulary if f" {phrase} " in name]
    return [
        vocabulary[phrase]
        for phrase in phrases
        if not any(phrase != other and f" {phrase} " in f" {other} " for other in phrases)
    ]


def _singular(text: str) -> str:
    return " ".join(word.removesuffix("s") for word in text.split())


# --- values in messages -------------------------------------------------------------------------

_EQUIPMENT = (
    ("cable_or_bands", {"machines", "bands"}),
    *((kind, {kind}) for kind in ("barbell", "dumbbells", "kettlebell", "pull_up_bar")),
    *((kind, {kind}) for kind in ("machines", "bands")),
)
"""Of several kinds of equipment that will do, the first one is named."""


def _span(span: Iterable[float]) -> str:
    """A range of whole numbers as text: "45-60"."""
    return "-".join(dict.fromkeys(f"{number:g}" for number in span))


def _quote(value: object) -> str:
    text = " ".join(as_text(value)[: LONGEST_QUOTE * 4].split())
    return text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1] + "…"
