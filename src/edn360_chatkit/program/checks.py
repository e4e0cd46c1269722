"""The checks of a program: faults that a coach should review before the athlete gets it.

The checks inform and never block: a program with findings is delivered, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ..inputs import EDN360Input
from .athlete import AthleteFacts, read_athlete
from .data import Block, Exercise, ProgramData, ProgramPart, TrainingSession
from .muscles import muscles, overlap
from .numbers import Range, as_text, says_how_much, says_nothing
from .rendering.printable import web_link
from .texts import Language, words
from .vocabulary import (
    LONGEST,
    fold,
    has,
    is_placeholder,
    loaded_joints,
    phrases,
    phrases_in,
    terms,
    words_of,
)
from .volume import has_length, read_core_block, session_minutes

Severity: TypeAlias = Literal["error", "warning", "info"]
"""``error``: the athlete can't follow the program, or it contradicts itself. ``warning``: a coach
should look at it before delivery. ``info``: good to know."""

DAYS_OF_A_WEEK = 7

MOST_REPS = 200
"""More repetitions in a set are a typo. Our assumption: a set may have 200 skips of a rope."""

WIDEST_RATIO = 5
"""The largest ratio of a range's high to its low. Our assumption."""

LONGEST_QUOTE = 60
"""The most characters of a text of the program that a message repeats."""


@dataclass(frozen=True)
class Finding:
    """A result of a check.

    Attributes:
        severity: ``"error"``, ``"warning"`` or ``"info"``.
        path: The place, for example ``"sessions.0.blocks.1.exercises.2.rpe"``.
        code: The check, for example ``"rpe_out_of_range"``. It does not depend on the version or
            the language.
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


class Findings(list[Finding]):
    """A list of findings."""

    def to_html(self, *, lang: Language = "es") -> str:
        """The findings as an HTML fragment with its style. The text is escaped.

        Raises ``ValueError`` if ``lang`` is not ``"es"`` or ``"en"``.
        """
        from .rendering.html import findings_html

        return findings_html(((f.severity, f.path, f.message(lang)) for f in self), lang)

    def _repr_html_(self) -> str:
        return self.to_html()


def check(program: ProgramData, against: EDN360Input | None) -> Findings:
    """The findings of every check, in the order of the program."""
    athlete = read_athlete(against) if against else AthleteFacts()
    findings = Findings([*_check_program(program), *_compare_program(program, athlete)])
    for index, session in enumerate(program.sessions):
        findings += _check_session(program, session, index, athlete)
    return findings


def _finding(severity: Severity, code: str, path: str, **values: str | int) -> Finding:
    return Finding(severity, path.lstrip("."), code, values)


def _check_types(part: ProgramPart, path: str) -> Iterator[Finding]:
    """Fields with a value of another type. 4.0 is a valid whole number, and null an empty list."""
    for name, value in part.other_kinds().items():
        typed = getattr(part, name)
        if value is None or (isinstance(value, float) and value == typed):
            continue
        if typed is not None:
            yield _finding("info", "other_kind", f"{path}.{name}", field=name, value=_quote(typed))
        elif not says_nothing(value):
            yield _finding("warning", "field_unreadable", f"{path}.{name}", field=name)


def _check_program(program: ProgramData) -> Iterator[Finding]:
    yield from _check_types(program, "")
    sessions, days = len(program.sessions), program.days_per_week
    if not sessions:
        yield _finding("error", "no_sessions", "sessions")
    elif _is_several_weeks(program):
        yield _finding("error", "weeks_written_out", "sessions", sessions=sessions)
    elif days is not None and days != sessions:
        values = {"days": as_text(days), "sessions": str(sessions)}
        yield _finding("error", "days_mismatch", "days_per_week", **values)


# "Semana 2", "week-2", "S2-D1"
_WEEK_NUMBER = re.compile(r"\b(?:(?:semana|sem|week|wk)\W?|[sw](?=[0-9]+\W{0,3}d[0-9]))([0-9]+)")


def _is_several_weeks(program: ProgramData) -> bool:
    """Whether the sessions look like several weeks, so that the weekly sets are too high."""
    names = (fold(f"{session.id} {session.name}"[:LONGEST]) for session in program.sessions)
    numbers = {match[1] for name in names if (match := _WEEK_NUMBER.search(name))}
    sessions, days, weeks = len(program.sessions), program.days_per_week, program.weeks or 1
    if sessions > DAYS_OF_A_WEEK:
        is_multiple = days != sessions or (weeks > 1 and sessions % weeks == 0)
    else:
        is_multiple = weeks > 1 and sessions == weeks * (days or 0)
    return is_multiple or len(numbers) > 1


def _check_session(
    program: ProgramData, session: TrainingSession, index: int, athlete: AthleteFacts
) -> Iterator[Finding]:
    path = f"sessions.{index}"
    yield from _check_types(session, path)
    planned = [exercise for block in session.blocks for exercise in block.exercises]
    core, _ = read_core_block(session)
    closing = core.exercises if core else []
    if planned:
        yield from _check_time(session, planned, program.session_duration_min, path)
    elif not closing:
        yield _finding("error", "empty_session", path)
    # A single finding for the session: a hundred findings would hide the others.
    exercises = [*planned, *closing]
    if missing := sum(not (exercise.video_url or "").strip() for exercise in exercises):
        yield _finding("info", "video_missing", path, missing=missing, all=len(exercises))
    last = 0
    names: set[str] = set()
    for number, block in enumerate(session.blocks):
        block_path = f"{path}.blocks.{number}"
        yield from _check_types(block, block_path)
        if not block.exercises:
            yield _finding("error", "empty_block", block_path)
        if untrained := _untrained_muscles(block):
            yield _finding("warning", "muscles_not_trained", block_path, muscles=_quote(untrained))
        orders = [exercise.order for exercise in block.exercises]
        yield from _check_order(orders, block_path, last)
        last = max((order or 0 for order in orders), default=last)
        yield from _check_names(block.exercises, block_path, names)
        yield from _check_exercises(block.exercises, block_path, athlete)
    yield from _check_exercises(closing, f"{path}.core_mobility_block", athlete)


def _check_time(
    session: TrainingSession, planned: list[Exercise], minutes: int | None, path: str
) -> Iterator[Finding]:
    if minutes is None or minutes <= 0:
        return
    estimate = session_minutes(session, has_length)
    # An exercise of unknown length takes time, too. Then the session may not be too short.
    is_complete = all(map(has_length, planned))
    # The estimate is rough: only less than a half, or more than one and a half, is a finding.
    # Multiply instead of divide: an int can be too large for a float.
    if (is_complete and 2 * estimate < minutes) or 2 * estimate > 3 * minutes:
        values = {"estimate": f"{estimate:.0f}", "minutes": as_text(minutes)}
        yield _finding("warning", "time_far", path, **values)


def _untrained_muscles(block: Block) -> str | None:
    """The names of a block's muscles, if its exercises train other muscles."""
    own = muscles(None, [*(block.primary_muscles or ()), *(block.secondary_muscles or ())])
    if not own or any(says_nothing(exercise.primary_group) for exercise in block.exercises):
        return None
    trained = [
        key
        for exercise in block.exercises
        for group in (exercise.primary_group, exercise.secondary_group)
        for key in muscles(group, None)
    ]
    return None if not trained or overlap(own, trained) else ", ".join(own.values())


def _check_names(exercises: Iterable[Exercise], path: str, names: set[str]) -> Iterator[Finding]:
    """Exercises with a name that the session already has."""
    for place, exercise in enumerate(exercises):
        name = " ".join(words_of((exercise.name or "")[:LONGEST]))
        if name in names and not is_placeholder(exercise.name):
            at = f"{path}.exercises.{place}.name"
            yield _finding("warning", "exercise_repeated", at, name=_quote(exercise.name))
        if name:
            names.add(name)


def _check_order(orders: Sequence[int | None], path: str, last: int) -> Iterator[Finding]:
    """Orders begin at 1 in every block, or continue the previous block."""
    numbers: set[int] = set()
    is_repeated = False
    for place, order in enumerate(orders):
        if order in numbers:
            is_repeated = True
            at = f"{path}.exercises.{place}.order"
            yield _finding("warning", "order_repeated", at, order=as_text(order))
        elif order is not None:
            numbers.add(order)
    if numbers and not is_repeated:
        is_gap = max(numbers) - min(numbers) >= len(numbers)
        if is_gap or min(numbers) not in (1, last + 1):
            yield _finding("warning", "order_gap", path)


def _check_exercises(
    exercises: Iterable[Exercise], path: str, athlete: AthleteFacts
) -> Iterator[Finding]:
    for place, exercise in enumerate(exercises):
        exercise_path = f"{path}.exercises.{place}"
        yield from _check_types(exercise, exercise_path)
        yield from _check_exercise(exercise, exercise_path)
        if exercise.name:
            yield from _compare_name(exercise.name, f"{exercise_path}.name", athlete)


def _check_exercise(exercise: Exercise, path: str) -> Iterator[Finding]:
    names = exercise.name, exercise.primary_group, exercise.raw("db_id")
    if placeholder := next((n for n in names if isinstance(n, str) and is_placeholder(n)), None):
        yield _finding("warning", "placeholder", path, value=_quote(placeholder))
    yield from _check_amount(exercise, path)
    rpe, value = exercise.rpe_range, exercise.rpe
    if rpe is None and isinstance(value, str):
        if not says_nothing(value) and not says_how_much(value):
            yield _finding("warning", "rpe_unreadable", f"{path}.rpe", value=_quote(value))
    elif value is not None and (rpe is None or not 1 <= rpe.low <= rpe.high <= 10):
        yield _finding("error", "rpe_out_of_range", f"{path}.rpe", value=_quote(value))
    if (url := (exercise.video_url or "").strip()) and not web_link(url):
        yield _finding("warning", "video_not_web", f"{path}.video_url", value=_quote(url))


def _check_amount(exercise: Exercise, path: str) -> Iterator[Finding]:
    """Series and reps. A coach can follow some texts that the grammar can't count."""
    if says_nothing(exercise.raw("series")):
        yield _finding("warning", "series_missing", f"{path}.series")
    elif not exercise.sets and exercise.series is not None:
        value = _quote(exercise.series)
        yield _finding("warning", "series_unreadable", f"{path}.series", value=value)
    value = _quote(exercise.reps)
    span = exercise.reps_range or exercise.seconds_range
    if says_nothing(exercise.raw("reps")):
        yield _finding("warning", "reps_missing", f"{path}.reps")
    elif exercise.reps is not None and not (span.high if span else says_how_much(exercise.reps)):
        yield _finding("warning", "reps_unreadable", f"{path}.reps", value=value)
    elif span and _is_implausible(span, is_time=span == exercise.seconds_range):
        yield _finding("warning", "reps_implausible", f"{path}.reps", value=value)


def _is_implausible(span: Range, *, is_time: bool) -> bool:
    """Whether an amount is a typo: "8-129" for "8-12", "1012" for "10-12"."""
    is_wide = span.high > WIDEST_RATIO * span.low
    return is_wide if is_time else span.high > MOST_REPS or (is_wide and span.high > 30)


def _compare_program(program: ProgramData, athlete: AthleteFacts) -> Iterator[Finding]:
    days = len(program.sessions) if program.days_per_week is None else program.days_per_week
    if athlete.days and not athlete.days.low <= days <= athlete.days.high:
        values = {"days": as_text(days), "asked": _span(athlete.days)}
        yield _finding("warning", "days_not_as_asked", "days_per_week", **values)
    minutes = program.session_duration_min
    if athlete.minutes and minutes is not None:
        values = {"minutes": as_text(minutes), "asked": _span(athlete.minutes)}
        if minutes > athlete.minutes.high:
            yield _finding("warning", "minutes_over", "session_duration_min", **values)
        elif minutes < athlete.minutes.low:
            yield _finding("info", "minutes_under", "session_duration_min", **values)


def _compare_name(name: str, path: str, athlete: AthleteFacts) -> Iterator[Finding]:
    words, quote = words_of(name[:LONGEST]), _quote(name)
    if athlete.equipment is not None and (
        kind := _missing_equipment(name, words, athlete.equipment)
    ):
        yield _finding("warning", "equipment_missing", path, name=quote, kind=kind)
    for joint in sorted(loaded_joints(name[:LONGEST]) & athlete.injuries):
        yield _finding("warning", "injury_loaded", path, name=quote, joint=joint)
    own = " ".join(word for word in words if word not in terms("fillers"))
    if any(f" {avoided} " in f" {own} " for avoided in athlete.avoided):
        yield _finding("warning", "exercise_to_avoid", path, name=quote)


def _missing_equipment(name: str, words: Sequence[str], equipment: frozenset[str]) -> str | None:
    """The equipment that an exercise needs and the athlete does not have."""
    if "/" in name or has(words, "open_names"):
        return None
    is_machine = has(words, "machines")
    needed = phrases("equipment", "needs")
    for kinds in (needed[phrase] for phrase in phrases_in(words, needed)):
        # The bar of a cable is not a barbell.
        if kinds and not kinds & equipment and not (is_machine and "pull_up_bar" in kinds):
            return next(kind for kind, own in _EQUIPMENT.items() if own <= kinds)
    return None


# If any of several kinds of equipment is enough, a message names the first of them.
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
