"""What a coach should look at before a program reaches an athlete.

The checks inform and never block: a program is delivered whatever they find.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..inputs import EDN360Input
from .athlete import Stated, read_stated
from .core_block import read_core_block
from .links import web_link
from .model import Block, EnrichedTrainingProgram, Exercise, Language, TrainingSession
from .numbers import LONGEST, fold, says_nothing, written
from .vocabulary import LOADED_JOINTS, NEEDED_EQUIPMENT, OPEN_NAMES
from .volume import session_minutes

Severity: TypeAlias = Literal["error", "warning", "info"]
"""``error``: the athlete can't follow the program as it is, or it contradicts itself. ``warning``:
somebody should look before it is delivered. ``info``: good to know."""

LONGEST_QUOTE = 60
"""Characters of a text of the program that a message repeats."""


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Attributes:
        severity: ``"error"``, ``"warning"`` or ``"info"``.
        path: Where it is, such as ``"sessions.0.blocks.1.exercises.2.rpe"``.
        code: Which check it is, such as ``"rpe_out_of_range"``; it stays the same in every version
            and language.
        es: What it says, in Spanish.
        en: What it says, in English.
    """

    severity: Severity
    path: str
    code: str
    es: str
    en: str

    def message(self, lang: Language = "es") -> str:
        """What it says.

        Args:
            lang: ``"es"`` or ``"en"``.

        Raises:
            ValueError: ``lang`` is another one.
        """
        if lang not in ("es", "en"):
            raise ValueError(f'lang must be "es" or "en", not {lang!r}.')
        return self.es if lang == "es" else self.en

    def __str__(self) -> str:
        return f"{self.severity}: {self.path}: {self.en}"


def check(program: EnrichedTrainingProgram, against: EDN360Input | None) -> list[Finding]:
    """Everything that the checks find, in the order of the program."""
    stated = read_stated(against) if against else None
    return [
        *_program(program),
        *(_program_against(program, stated) if stated else ()),
        *_sessions(program, stated),
    ]


# --- the program and its sessions -------------------------------------------------------------


def _program(program: EnrichedTrainingProgram) -> Iterator[Finding]:
    sessions, days = len(program.sessions), program.days_per_week
    if not sessions:
        yield _finding("no_sessions", "sessions")
    elif days is not None and days != sessions:
        yield _finding("days_mismatch", "days_per_week", days=_days(days), sessions=sessions)


def _sessions(program: EnrichedTrainingProgram, stated: Stated | None) -> Iterator[Finding]:
    for index, session in enumerate(program.sessions):
        path = f"sessions.{index}"
        planned = [exercise for block in session.blocks for exercise in block.exercises]
        core, _ = read_core_block(session.core_mobility_block)
        closing = core.exercises if core else []
        if planned:
            yield from _time(session, planned, program.session_duration_min, path)
        elif not closing:
            yield _finding("empty_session", path)
        yield from _videos([*planned, *closing], path)
        last = 0
        for number, block in enumerate(session.blocks):
            of_block = f"{path}.blocks.{number}"
            if not block.exercises:
                yield _finding("empty_block", of_block)
            yield from _order(block, of_block, last)
            last = max((exercise.order or 0 for exercise in block.exercises), default=last)
            yield from _exercises(block.exercises, of_block, stated)
        yield from _exercises(closing, f"{path}.core_mobility_block", stated)


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
        yield _finding("time_far", path, estimate=f"{estimate:.0f}", minutes=written(minutes))


def _videos(exercises: list[Exercise], path: str) -> Iterator[Finding]:
    """One finding a session, as a hundred of them would bury the rest."""
    missing = sum(not (exercise.video_url or "").strip() for exercise in exercises)
    if missing:
        yield _finding("video_missing", path, missing=missing, all=len(exercises))


def _exercises(exercises: list[Exercise], path: str, stated: Stated | None) -> Iterator[Finding]:
    for place, exercise in enumerate(exercises):
        of_exercise = f"{path}.exercises.{place}"
        yield from _exercise(exercise, of_exercise)
        if stated:
            yield from _exercise_against(exercise, of_exercise, stated)


def _order(block: Block, path: str, last: int) -> Iterator[Finding]:
    """Orders begin at 1 in every block, or go on from the block before."""
    seen: set[int] = set()
    repeated = False
    for place, exercise in enumerate(block.exercises):
        order = exercise.order
        if order is None:
            continue
        if order in seen:
            at = f"{path}.exercises.{place}.order"
            yield _finding("order_repeated", at, order=written(order))
            repeated = True
        seen.add(order)
    if not seen or repeated:
        return
    if min(seen) not in (1, last + 1) or max(seen) - min(seen) >= len(seen):
        yield _finding("order_gap", path)


# --- an exercise --------------------------------------------------------------------------------

# Reps that are no number and say all the same what is to be done.
_UNCOUNTED_REPS = re.compile(
    r"\b(?:amrap|emom|cluster|max|maximo|maxima|maximas|maximum|fallo|failure|tabata|libre|"
    r"[0-9.,]+ ?(?:rm|m|mts?|metros?|meters?|metres?|km|cals?|calorias?|calories|kcal))\b"
)


def _exercise(exercise: Exercise, path: str) -> Iterator[Finding]:
    if says_nothing(exercise.series):
        yield _finding("series_missing", f"{path}.series")
    elif not exercise.sets:
        yield _finding("series_unreadable", f"{path}.series", value=_quote(exercise.series))
    if says_nothing(exercise.reps):
        yield _finding("reps_missing", f"{path}.reps")
    elif not _says_what_to_do(exercise):
        yield _finding("reps_unreadable", f"{path}.reps", value=_quote(exercise.reps))
    if exercise.rpe is not None and not says_nothing(exercise.rpe):
        rpe = exercise.rpe_range
        is_number = isinstance(exercise.rpe, (int, float))
        if rpe is None and not is_number:
            yield _finding("rpe_unreadable", f"{path}.rpe", value=_quote(exercise.rpe))
        elif rpe is None or not 1 <= rpe.low <= rpe.high <= 10:
            yield _finding("rpe_out_of_range", f"{path}.rpe", value=_quote(exercise.rpe))
    if (url := (exercise.video_url or "").strip()) and not web_link(url):
        yield _finding("video_not_web", f"{path}.video_url", value=_quote(url))


def _says_what_to_do(exercise: Exercise) -> bool:
    found = exercise.reps_range or exercise.seconds_range
    if found is not None:
        return found.high > 0
    reps = written(exercise.reps)[:LONGEST]
    return bool(_UNCOUNTED_REPS.search(fold(reps)))


# --- against the questionnaires -----------------------------------------------------------------


def _program_against(program: EnrichedTrainingProgram, stated: Stated) -> Iterator[Finding]:
    days = len(program.sessions) if program.days_per_week is None else program.days_per_week
    if stated.days and not stated.days.low <= days <= stated.days.high:
        asked = _span(stated.days)
        yield _finding("days_not_as_asked", "days_per_week", days=_days(days), asked=asked)
    minutes = program.session_duration_min
    if stated.minutes and minutes is not None:
        asked = _span(stated.minutes)
        path = "session_duration_min"
        if minutes > stated.minutes.high:
            yield _finding("minutes_over", path, minutes=written(minutes), asked=asked)
        elif minutes < stated.minutes.low:
            yield _finding("minutes_under", path, minutes=written(minutes), asked=asked)


def _exercise_against(exercise: Exercise, path: str, stated: Stated) -> Iterator[Finding]:
    path = f"{path}.name"
    words = re.findall("[a-z0-9]+", fold(exercise.name[:LONGEST]))
    name = f" {' '.join(words)} "
    open_name = "/" in exercise.name or bool(OPEN_NAMES & set(words))
    if stated.equipment is not None and not open_name:
        for needed in _named(name, NEEDED_EQUIPMENT):
            if not needed & stated.equipment:
                kind = next(name for kinds, name in _EQUIPMENT_NAMES if kinds <= needed)
                yield _finding("equipment_missing", path, name=_quote(exercise.name), kind=kind)
                break
    loaded = frozenset[str]().union(*_named(name, LOADED_JOINTS)) & stated.injuries
    for joint in sorted(loaded):
        named = _JOINT_NAMES[joint]
        yield _finding("injury_loaded", path, name=_quote(exercise.name), joint=named)
    for avoided in stated.avoided:
        if f" {_singular(avoided)} " in f" {_singular(name)} ":
            yield _finding("exercise_to_avoid", path, name=_quote(exercise.name))
            break


def _named(name: str, vocabulary: Mapping[str, frozenset[str]]) -> list[frozenset[str]]:
    """What a name contains; of phrases of which one holds the other only the longer."""
    found = [phrase for phrase in vocabulary if f" {phrase} " in name]
    return [
        vocabulary[phrase]
        for phrase in found
        if not any(phrase != other and f" {phrase} " in f" {other} " for other in found)
    ]


def _singular(text: str) -> str:
    return " ".join(word.removesuffix("s") for word in text.split())


# --- messages -----------------------------------------------------------------------------------

_Text: TypeAlias = str | int | tuple[str, str]
"""A value in a message; two where the languages differ, Spanish first."""

_KINDS: dict[str, tuple[Severity, str, str]] = {
    "no_sessions": (
        "error",
        "El programa no tiene sesiones.",
        "The program has no sessions.",
    ),
    "days_mismatch": (
        "error",
        "Dice {days} por semana y tiene sesiones para {sessions}.",
        "It says {days} a week and has sessions for {sessions}.",
    ),
    "empty_session": (
        "error",
        "La sesión no tiene ejercicios.",
        "The session has no exercises.",
    ),
    "empty_block": (
        "error",
        "El bloque no tiene ejercicios.",
        "The block has no exercises.",
    ),
    "time_far": (
        "warning",
        "La sesión dura unos {estimate} minutos según sus series; el programa dice {minutes}.",
        "By its sets the session takes some {estimate} minutes; the program says {minutes}.",
    ),
    "order_repeated": (
        "warning",
        "El orden {order} se repite en el bloque.",
        "The order {order} is there twice in the block.",
    ),
    "order_gap": (
        "warning",
        "En el orden de los ejercicios falta algún número.",
        "A number is missing in the order of the exercises.",
    ),
    "series_missing": (
        "warning",
        "Falta el número de series.",
        "The number of sets is missing.",
    ),
    "series_unreadable": (
        "warning",
        "No se entiende cuántas series son «{value}».",
        'How many sets "{value}" is can\'t be read.',
    ),
    "reps_missing": (
        "warning",
        "Faltan las repeticiones o la duración.",
        "The repetitions, or the duration, are missing.",
    ),
    "reps_unreadable": (
        "warning",
        "No se entiende cuántas repeticiones son «{value}».",
        'How many repetitions "{value}" is can\'t be read.',
    ),
    "rpe_unreadable": (
        "warning",
        "No se entiende qué RPE es «{value}».",
        'What RPE "{value}" is can\'t be read.',
    ),
    "rpe_out_of_range": (
        "error",
        "El RPE va de 1 a 10 y aquí es «{value}».",
        'RPE goes from 1 to 10, and here it is "{value}".',
    ),
    "video_missing": (
        "info",
        "Sin vídeo: {missing} de los {all} ejercicios.",
        "Without a video: {missing} of {all} exercises.",
    ),
    "video_not_web": (
        "warning",
        "El vídeo no es un enlace válido de http o https: «{value}».",
        'The video is no valid link of http or https: "{value}".',
    ),
    "days_not_as_asked": (
        "warning",
        "El programa es de {days} por semana; el cuestionario dice {asked}.",
        "The program has {days} a week; the questionnaire says {asked}.",
    ),
    "minutes_over": (
        "warning",
        "Las sesiones son de {minutes} minutos; el cuestionario dice {asked}.",
        "Sessions take {minutes} minutes; the questionnaire says {asked}.",
    ),
    "minutes_under": (
        "info",
        "Las sesiones son de {minutes} minutos; el cuestionario dice {asked}.",
        "Sessions take {minutes} minutes; the questionnaire says {asked}.",
    ),
    "equipment_missing": (
        "warning",
        "«{name}» pide {kind}, y según el cuestionario no hay.",
        '"{name}" needs {kind}, not among the equipment in the questionnaire.',
    ),
    "injury_loaded": (
        "warning",
        "«{name}» carga {joint}, y el cuestionario dice que hay molestias ahí.",
        '"{name}" loads the {joint}, which the questionnaire says is hurt.',
    ),
    "exercise_to_avoid": (
        "warning",
        "«{name}» está entre los ejercicios que el cuestionario pide evitar.",
        '"{name}" is among the exercises that the questionnaire asks to avoid.',
    ),
}

_EQUIPMENT_NAMES = (
    (frozenset({"machines", "bands"}), ("una polea o bandas elásticas", "a cable or bands")),
    (frozenset({"barbell"}), ("una barra", "a barbell")),
    (frozenset({"dumbbells"}), ("mancuernas", "dumbbells")),
    (frozenset({"kettlebell"}), ("una pesa rusa", "a kettlebell")),
    (frozenset({"pull_up_bar"}), ("una barra de dominadas", "a pull-up bar")),
    (frozenset({"machines"}), ("máquinas o poleas", "machines or cables")),
    (frozenset({"bands"}), ("bandas elásticas", "bands")),
)
"""Of several that will do the first is named."""

_JOINT_NAMES = {
    "knee": ("la rodilla", "knee"),
    "shoulder": ("el hombro", "shoulder"),
    "lower_back": ("la zona lumbar", "lower back"),
    "wrist": ("la muñeca", "wrist"),
    "ankle": ("el tobillo", "ankle"),
    "elbow": ("el codo", "elbow"),
    "neck": ("el cuello", "neck"),
    "hip": ("la cadera", "hip"),
}


def _finding(code: str, path: str, **values: _Text) -> Finding:
    severity, *texts = _KINDS[code]
    es, en = (
        text.format(**{k: v[i] if isinstance(v, tuple) else v for k, v in values.items()})
        for i, text in enumerate(texts)
    )
    return Finding(severity, path, code, es, en)


def _days(number: int) -> tuple[str, str]:
    return (
        ("1 día", "1 day")
        if number == 1
        else (f"{written(number)} días", f"{written(number)} days")
    )


def _span(span: Iterable[float]) -> str:
    """A range of whole numbers as text: "45-60"."""
    return "-".join(dict.fromkeys(f"{number:g}" for number in span))


def _quote(value: float | str | None) -> str:
    text = " ".join(written(value)[: LONGEST_QUOTE * 4].split())
    return text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1] + "…"
