"""What a coach should look at before a program reaches an athlete.

The checks inform and never block: a program is delivered whatever they find.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from ..inputs import EDN360Input
from .athlete import AthleteFacts, read_athlete
from .data import Exercise, ProgramData, ProgramPart, TrainingSession
from .numbers import LONGEST, as_text, fold, says_nothing
from .rendering.printable import web_link
from .texts import Language, words
from .vocabulary import LOADED_JOINTS, NEEDED_EQUIPMENT, OPEN_NAMES, phrases_in, words_of
from .volume import read_core_block, session_minutes

Severity: TypeAlias = Literal["error", "warning", "info"]
"""``error``: the athlete can't follow the program as it is, or it contradicts itself. ``warning``:
somebody should look before it is delivered. ``info``: good to know."""

SEVERITIES: Final[Mapping[str, Severity]] = {
    "no_sessions": "error",
    "days_mismatch": "error",
    "empty_session": "error",
    "empty_block": "error",
    "rpe_out_of_range": "error",
    "video_missing": "info",
    "other_kind": "info",
    "minutes_under": "info",
}
"""The severity of a check that is no warning, by its code."""

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


def check(program: ProgramData, against: EDN360Input | None) -> list[Finding]:
    """Everything that the checks find, in the order of the program."""
    athlete = read_athlete(against) if against else AthleteFacts()
    return [
        *_program(program),
        *_program_against(program, athlete),
        *(f for i, s in enumerate(program.sessions) for f in _session(program, s, i, athlete)),
    ]


def _finding(code: str, path: str, **values: str | int) -> Finding:
    return Finding(SEVERITIES.get(code, "warning"), path.lstrip("."), code, values)


# --- the program and its sessions -------------------------------------------------------------


def _kinds(part: ProgramPart, path: str) -> Iterator[Finding]:
    """Fields of another type than they should be; 4.0 is a whole number and fine."""
    for name, value in part.other_kinds().items():
        typed = getattr(part, name)
        if isinstance(value, float) and value == typed:
            continue
        if typed is not None and name not in ("sessions", "blocks", "exercises"):
            yield _finding("other_kind", f"{path}.{name}", field=name, value=_quote(typed))
        elif not says_nothing(value):
            yield _finding("field_unreadable", f"{path}.{name}", field=name)


def _program(program: ProgramData) -> Iterator[Finding]:
    yield from _kinds(program, "")
    sessions, days = len(program.sessions), program.days_per_week
    if not sessions:
        yield _finding("no_sessions", "sessions")
    elif days is not None and days != sessions:
        yield _finding("days_mismatch", "days_per_week", days=as_text(days), sessions=sessions)


def _session(
    program: ProgramData, session: TrainingSession, index: int, athlete: AthleteFacts
) -> Iterator[Finding]:
    path = f"sessions.{index}"
    yield from _kinds(session, path)
    planned = [exercise for block in session.blocks for exercise in block.exercises]
    core, _ = read_core_block(session)
    closing = core.exercises if core else []
    if planned:
        yield from _time(session, planned, program.session_duration_min, path)
    elif not closing:
        yield _finding("empty_session", path)
    # One finding a session, since a hundred of them would hide the others.
    exercises = [*planned, *closing]
    if missing := sum(not (exercise.video_url or "").strip() for exercise in exercises):
        yield _finding("video_missing", path, missing=missing, all=len(exercises))
    last = 0
    for number, block in enumerate(session.blocks):
        of_block = f"{path}.blocks.{number}"
        yield from _kinds(block, of_block)
        if not block.exercises:
            yield _finding("empty_block", of_block)
        orders = [exercise.order for exercise in block.exercises]
        yield from _order(orders, of_block, last)
        last = max((order or 0 for order in orders), default=last)
        yield from _exercises(block.exercises, of_block, athlete)
    yield from _exercises(closing, f"{path}.core_mobility_block", athlete)


def _time(
    session: TrainingSession, planned: list[Exercise], minutes: int | None, path: str
) -> Iterator[Finding]:
    if minutes is None or minutes <= 0:
        return
    # An exercise that can't be counted takes time, too: with one, no session is too short.
    countable = [e for e in planned if e.sets and (e.reps_range or e.seconds_range)]
    estimate = session_minutes(session, countable)
    # The rests are not known, so only less than half, or more than half as much again, is far.
    # Doubled: an int can be too large to become a float.
    is_short = len(countable) == len(planned) and 2 * estimate < minutes
    if is_short or 2 * estimate > 3 * minutes:
        yield _finding("time_far", path, estimate=f"{estimate:.0f}", minutes=as_text(minutes))


def _order(orders: Sequence[int | None], path: str, last: int) -> Iterator[Finding]:
    """Orders begin at 1 in every block, or go on from the block before."""
    written = [(place, order) for place, order in enumerate(orders) if order is not None]
    numbers = [order for _, order in written]
    repeated = [place for i, (place, order) in enumerate(written) if order in numbers[:i]]
    for place in repeated:
        at = f"{path}.exercises.{place}.order"
        yield _finding("order_repeated", at, order=as_text(orders[place]))
    if numbers and not repeated:
        is_gap = max(numbers) - min(numbers) >= len(numbers)
        if is_gap or min(numbers) not in (1, last + 1):
            yield _finding("order_gap", path)


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


def _exercises(
    exercises: Iterable[Exercise], path: str, athlete: AthleteFacts
) -> Iterator[Finding]:
    for place, exercise in enumerate(exercises):
        of_exercise = f"{path}.exercises.{place}"
        yield from _kinds(exercise, of_exercise)
        yield from _exercise(exercise, of_exercise)
        if exercise.name:
            yield from _name_against(exercise.name, f"{of_exercise}.name", athlete)


def _exercise(exercise: Exercise, path: str) -> Iterator[Finding]:
    names = fold(exercise.name or ""), fold(exercise.primary_group or "")
    if placeholder := next(filter(_PLACEHOLDER.search, names), None):
        yield _finding("placeholder", path, value=_quote(placeholder))
    if says_nothing(exercise.raw("series")):
        yield _finding("series_missing", f"{path}.series")
    elif not exercise.sets and exercise.series is not None:
        yield _finding("series_unreadable", f"{path}.series", value=_quote(exercise.series))
    if says_nothing(exercise.raw("reps")):
        yield _finding("reps_missing", f"{path}.reps")
    elif exercise.reps is not None and not _says_what_to_do(exercise):
        yield _finding("reps_unreadable", f"{path}.reps", value=_quote(exercise.reps))
    if not says_nothing(exercise.rpe):
        rpe = exercise.rpe_range
        if rpe is None and isinstance(exercise.rpe, str):
            yield _finding("rpe_unreadable", f"{path}.rpe", value=_quote(exercise.rpe))
        elif rpe is None or not 1 <= rpe.low <= rpe.high <= 10:
            yield _finding("rpe_out_of_range", f"{path}.rpe", value=_quote(exercise.rpe))
    if (url := (exercise.video_url or "").strip()) and not web_link(url):
        yield _finding("video_not_web", f"{path}.video_url", value=_quote(url))


def _says_what_to_do(exercise: Exercise) -> bool:
    if span := exercise.reps_range or exercise.seconds_range:
        return span.high > 0
    return bool(_UNCOUNTED_REPS.search(fold(as_text(exercise.reps)[:LONGEST])))


# --- against the questionnaires -----------------------------------------------------------------


def _program_against(program: ProgramData, athlete: AthleteFacts) -> Iterator[Finding]:
    days = len(program.sessions) if program.days_per_week is None else program.days_per_week
    if athlete.days and not athlete.days.low <= days <= athlete.days.high:
        values = {"days": as_text(days), "asked": _span(athlete.days)}
        yield _finding("days_not_as_asked", "days_per_week", **values)
    minutes, asked = program.session_duration_min, athlete.minutes
    if asked and minutes is not None and not asked.low <= minutes <= asked.high:
        code = "minutes_over" if minutes > asked.high else "minutes_under"
        path = "session_duration_min"
        yield _finding(code, path, minutes=as_text(minutes), asked=_span(asked))


def _name_against(name: str, path: str, athlete: AthleteFacts) -> Iterator[Finding]:
    words, quote = words_of(name[:LONGEST]), _quote(name)
    if athlete.equipment is not None and "/" not in name and not OPEN_NAMES & set(words):
        needed = (NEEDED_EQUIPMENT[phrase] for phrase in phrases_in(words, NEEDED_EQUIPMENT))
        if missing := next((kinds for kinds in needed if not kinds & athlete.equipment), None):
            kind = next(kind for kind, kinds in _EQUIPMENT.items() if kinds <= missing)
            yield _finding("equipment_missing", path, name=quote, kind=kind)
    loaded = (LOADED_JOINTS[phrase] for phrase in phrases_in(words, LOADED_JOINTS))
    for joint in sorted(frozenset[str]().union(*loaded) & athlete.injuries):
        yield _finding("injury_loaded", path, name=quote, joint=joint)
    if any(f" {avoided} " in f" {' '.join(words)} " for avoided in athlete.avoided):
        yield _finding("exercise_to_avoid", path, name=quote)


# --- values in messages -------------------------------------------------------------------------

# Of several kinds of equipment that will do, the first one is named.
_EQUIPMENT = {"cable_or_bands": {"machines", "bands"}} | {
    kind: {kind}
    for kind in ("barbell", "dumbbells", "kettlebell", "pull_up_bar", "machines", "bands")
}


def _span(span: Iterable[float]) -> str:
    """A range of whole numbers as text: "45-60"."""
    return "-".join(dict.fromkeys(f"{number:g}" for number in span))


def _quote(value: object) -> str:
    text = " ".join(as_text(value)[: LONGEST_QUOTE * 4].split())
    return text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1] + "…"
