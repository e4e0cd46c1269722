"""What the simulated workflow understands of an athlete's questionnaires.

Questionnaires are flat objects of some hundred questions with unknown keys, in Spanish or English.
Keys and answers are compared word by word; an answer that can't be read counts as not given.
``docs/simulated-workflow.md`` publishes the rules.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TypeVar, cast

from pydantic import TypeAdapter

from ..inputs import EDN360Input, Questionnaire
from ._exercises import EQUIPMENT_WORDS, JOINT_WORDS, Equipment, Joint, by_phrase

T = TypeVar("T")

NEGATIONS = frozenset(
    {"0", "don", "dont", "false", "neither", "never", "no", "none", "nor", "not", "nothing"}
    | {"without", "nada", "ni", "ningun", "ninguna", "ninguno", "nunca", "sin"}
)
"""A negation denies what follows it, up to the end of the clause."""

COMPLAINTS = frozenset({"able", "aguanto", "puede", "puedo", "soporto", "tolero"})
"""After a negation these words make a complaint of it: "no puedo doblar la rodilla"."""

_CLAUSE_END = re.compile(
    r"[;\n()]|[.,](?![0-9])"
    r"|\b(?:but|except|although|only|pero|excepto|salvo|aunque|solo|solamente)\b"
)
_WORD = re.compile(r"[a-z]+|[0-9]+(?:[.,][0-9]+)?")
_CAMEL_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
LONGEST_PHRASE = 4

DAY_WORDS = by_phrase(
    {
        1: "one, un dia, uno",
        2: "two, dos",
        3: "three, tres",
        4: "four, cuatro",
        5: "five, cinco, monday to friday, lunes a viernes",
        6: "six, seis",
        7: "seven, siete, every day, daily, todos los dias, cada dia, a diario",
    }
)
WEEKDAY_WORDS = by_phrase(
    {
        1: "monday, lunes",
        2: "tuesday, martes",
        3: "wednesday, miercoles",
        4: "thursday, jueves",
        5: "friday, viernes",
        6: "saturday, sabado",
        7: "sunday, domingo",
    }
)
MINUTE_WORDS = by_phrase(
    {
        30: "half an hour, half hour, media hora",
        60: "an hour, one hour, una hora",
        90: "hour and a half, hora y media, una hora y media",
        120: "two hours, dos horas",
    }
)
GOAL_WORDS = by_phrase(
    {
        "strength": "strength, strong, stronger, powerlifting, fuerza",
        "hypertrophy": "hypertrophy, muscle, muscles, muscular, bulk, hipertrofia, musculo, "
        "musculos, masa, volumen",
        "fat_loss": "fat, weight loss, lose weight, lean, grasa, perder peso, bajar peso, "
        "bajar de peso, adelgazar, definicion, definir",
        "endurance": "endurance, muscular endurance, stamina, cardio, running, marathon, "
        "resistencia, correr, maraton",
        "general_fitness": "fitness, health, wellness, general, salud, bienestar, forma",
    }
)
LEVEL_WORDS = by_phrase(
    {
        "beginner": "beginner, novice, principiante, novato, novata",
        "intermediate": "intermediate, intermedio, intermedia",
        "advanced": "advanced, expert, avanzado, avanzada, experto, experta",
    }
)


@dataclass(frozen=True)
class Question:
    """How to know a question by its key.

    Attributes:
        phrases: A key asks the question if it has all the words of one of these, in any order.
            Keys that match an earlier phrase are read first.
        unlike: Words that make it another question.
    """

    phrases: str
    unlike: str = ""

    def answers(self, questionnaire: Questionnaire) -> list[tuple[str, object]]:
        """The key, in words, and the answer of every time that a questionnaire asks it."""
        keys = {key: _words(_CAMEL_HUMP.sub(" ", key)) for key in questionnaire.content}
        return [
            (" ".join(words), questionnaire.content[key])
            for phrase in self.phrases.split(", ")
            for key, words in keys.items()
            if set(phrase.split()) <= set(words) and not set(self.unlike.split(", ")) & set(words)
        ]


DAYS = Question(
    "training days, days week, available days, sessions week, workouts week, training frequency, "
    "weekly frequency, dias entrenamiento, dias entrenar, dias entreno, dias semana, "
    "dias disponibles, sesiones semana, entrenamientos semana, frecuencia entrenamiento, "
    "frecuencia semanal",
    unlike="rest, descanso",
)
MINUTES = Question(
    "session duration, minutes session, session length, session time, workout duration, "
    "available time, duracion sesion, duracion entrenamiento, minutos sesion, tiempo sesion, "
    "tiempo disponible",
    unlike="rest, descanso",
)
GOAL = Question(
    "main goal, primary goal, objetivo principal, goal, goals, objective, objetivo, objetivos, meta"
)
EQUIPMENT = Question(
    "equipment, gym access, training place, equipamiento, equipo, material, acceso gimnasio, "
    "lugar entrenamiento"
)
INJURIES = Question(
    "injuries, injury, limitations, limitation, pain, discomfort, lesiones, lesion, limitaciones, "
    "limitacion, molestias, molestia, dolor, dolores"
)
LEVEL = Question(
    "experience, experiencia, level, nivel",
    unlike="activity, actividad, energy, energia, pain, dolor, stress, estres",
)


@dataclass(frozen=True)
class Athlete:
    """What the program depends on.

    Attributes:
        days_per_week: Training days, 1 to 7.
        session_minutes: Length of a session, 10 to 240 minutes.
        goal: A key of :data:`GOALS`.
        equipment: What there is beside body weight.
        injuries: The joints not to load.
        level: A key of :data:`LEVEL_SERIES`.
        evolution: Whether a plan came before this one.
        assumed: Which of these nobody answered, so that the default stands.
    """

    days_per_week: int
    session_minutes: int
    goal: str
    equipment: frozenset[Equipment]
    injuries: frozenset[Joint]
    level: str
    evolution: bool
    assumed: tuple[str, ...]


def read_athlete(edn360_input: EDN360Input) -> Athlete:
    """Read what the rules need from the questionnaires and the context.

    Args:
        edn360_input: The athlete's data.

    Returns:
        What was answered; where nothing readable was, the published default.
    """
    asked = _newest_first(edn360_input.questionnaires)
    answered = {
        "days_per_week": (days := _latest(asked, DAYS, _read_days)),
        "session_duration_min": (minutes := _latest(asked, MINUTES, _read_minutes)),
        "goal": (goal := _latest(asked, GOAL, _read_goal)),
        "equipment": (equipment := _gathered(asked, EQUIPMENT, EQUIPMENT_WORDS)),
        "injuries": (injuries := _gathered(asked, INJURIES, JOINT_WORDS)),
        "level": (level := _latest(asked, LEVEL, _read_level)),
    }
    context = edn360_input.context
    return Athlete(
        days_per_week=days or 3,
        session_minutes=minutes or 60,
        goal=goal or "general_fitness",
        equipment=frozenset({"dumbbells"}) if equipment is None else equipment,
        injuries=injuries or frozenset(),
        level=level or "intermediate",
        evolution=(context is not None and context.previous_training_plan is not None)
        or any("".join(_words(q.kind)) == "followup" for q in asked),
        assumed=tuple(name for name, value in answered.items() if value is None),
    )


def _newest_first(questionnaires: list[Questionnaire]) -> list[Questionnaire]:
    """By date where every one has a readable date, else by place; nutrition after all others."""
    dated = [(moment, q) for q in questionnaires if (moment := _moment(q.submitted_at))]
    ordered = questionnaires
    if len(dated) == len(questionnaires):
        ordered = [questionnaire for _, questionnaire in sorted(dated, key=lambda pair: pair[0])]
    nutrition = {"nutrition", "nutricion"}
    return sorted(ordered, key=lambda q: nutrition.isdisjoint(_words(q.kind)))[::-1]


_MOMENT = TypeAdapter(datetime)


def _moment(value: object) -> datetime | None:
    """ISO 8601 text, unix seconds or a date, as pydantic reads them; without a zone, in UTC."""
    try:
        moment = _MOMENT.validate_python(value)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _latest(
    asked: Iterable[Questionnaire], question: Question, read: Callable[[object], T | None]
) -> T | None:
    """The first readable answer, newest questionnaire first."""
    for questionnaire in asked:
        for _, answer in question.answers(questionnaire):
            if (reading := read(answer)) is not None:
                return reading
    return None


def _gathered(
    asked: Iterable[Questionnaire], question: Question, vocabulary: Mapping[str, frozenset[T]]
) -> frozenset[T] | None:
    """Everything that the newest questionnaire with a readable answer names, over all its keys.

    A key can name the thing itself, as in ``knee_pain: true``: where the answer names nothing,
    answer and key are read as one sentence. A denial alone ("none") is an answer, and empty.
    """
    for questionnaire in asked:
        named: list[frozenset[T]] = []
        denied = False
        for key, answer in question.answers(questionnaire):
            if text := _text(answer).strip():
                found, denial = _read(text, vocabulary)
                named += found or _read(f"{text} {key}", vocabulary)[0]
                denied = denied or denial
        if named or denied:
            return frozenset[T]().union(*named)
    return None


def _read(text: str, vocabulary: Mapping[str, T]) -> tuple[list[T], bool]:
    """What a text names and does not deny, in its order, and whether it denies anything.

    The longest phrase counts, so that "barra de dominadas" is no barbell.
    """
    found: list[T] = []
    denied = False
    for clause in _CLAUSE_END.split(_plain(text)):
        words = _WORD.findall(clause)
        for place, word in enumerate(words):
            if word in NEGATIONS and not COMPLAINTS & set(words[place + 1 : place + 2]):
                denied = True
                break
            for length in range(LONGEST_PHRASE, 0, -1):
                phrase = " ".join(words[place : place + length])
                if phrase in vocabulary:
                    found.append(vocabulary[phrase])
                    break
    return found, denied


def _plain(text: str) -> str:
    """Lower case without accents: "Muñeca" and "muneca" are one word."""
    parts = unicodedata.normalize("NFKD", text).casefold()
    return "".join(part for part in parts if not unicodedata.combining(part))


def _words(text: str | None) -> list[str]:
    return _WORD.findall(_plain(text or ""))


def _text(value: object, depth: int = 3) -> str:
    """An answer as text; nothing where it holds nothing that can be read.

    ``{"gym": false, "bands": true}`` reads "no gym, yes bands": a form with boxes to tick.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        # No answer here needs a larger number, and Python refuses to write the largest.
        return f"{value:g}" if abs(value) < 1e6 else ""
    if depth and isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        texts = [(_text(key, 0), _text(item, depth - 1)) for key, item in pairs]
        return ", ".join(f"{text} {key}" for key, text in texts if text)
    if depth and isinstance(value, (list, tuple)):
        return ", ".join(_text(item, depth - 1) for item in cast("Iterable[object]", value))
    return ""


def _read_days(answer: object) -> int | None:
    """A list of several counts its entries; else the first number, or the weekdays named."""
    text = _text(answer)
    entries = cast("list[object]", answer) if isinstance(answer, list) else []
    candidates = [
        len([entry for entry in entries if _text(entry)]) if len(entries) > 1 else 0,
        *map(int, re.findall(r"(?<![-0-9.,])[0-9]{1,2}(?![0-9])", text)[:1]),
        *_read(text, DAY_WORDS)[0][:1],
        len(set(_read(text, WEEKDAY_WORDS)[0])),
    ]
    return next((days for days in candidates if 1 <= days <= 7), None)


_NUMBER = r"[0-9]+(?:[.,][0-9]+)?"
_DURATION = re.compile(
    rf"(?P<number>{_NUMBER})(?: ?(?:-|\u2013|/|to|a|o|or) ?{_NUMBER})? ?"
    r"(?:(?P<hours>:|(?:hours?|horas?|hrs?|h)(?![a-z]))"
    r" ?(?:(?P<half>y media|and a half)|(?:(?:y|and) )?(?P<extra>[0-9]{1,2})(?![0-9]))?)?"
)


def _read_minutes(answer: object) -> int | None:
    """Of a range the lower end, which the athlete always has; a bare number up to 4 is hours."""
    text = " ".join(_plain(_text(answer)).split())
    if match := _DURATION.search(text):
        number = float(match["number"].replace(",", "."))
        if match["hours"] or number <= 4:
            number = number * 60 + (30 if match["half"] else int(match["extra"] or 0))
        candidates = [number]
    else:
        candidates = [float(minutes) for minutes in _read(text, MINUTE_WORDS)[0]]
    return next((int(minutes) for minutes in candidates if 10 <= minutes <= 240), None)


def _read_goal(answer: object) -> str | None:
    return next(iter(_read(_text(answer), GOAL_WORDS)[0]), None)


def _read_level(answer: object) -> str | None:
    """A denial ("no experience") is a beginner's."""
    found, denied = _read(_text(answer), LEVEL_WORDS)
    return next(iter(found), "beginner" if denied else None)
