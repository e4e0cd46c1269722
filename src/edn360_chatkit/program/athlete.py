"""What an athlete's questionnaires say beyond doubt.

The simulated workflow reads questionnaires too (``testing/_questionnaires.py``), for another end:
it needs an answer to everything, and takes the likeliest. A check that did so would warn of
contradictions that are none. Here an answer that could mean something else counts as not given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TypeVar, cast

from pydantic import TypeAdapter

from ..inputs import EDN360Input, Questionnaire
from .numbers import Range, fold
from .vocabulary import (
    ABLE,
    ACCESSORIES,
    ACTIVE,
    AFFIRMATIONS,
    BEING,
    CONTRARY,
    DENYING,
    EQUIPMENT,
    JOINTS,
    NEGATIONS,
    OWNING,
    PAST,
    SAYING,
    UNCHANGED,
    WEEKDAYS,
    WELL,
)

T = TypeVar("T")

LONGEST_ANSWER = 2000
"""Characters. A longer one is prose, which is not read."""


@dataclass(frozen=True)
class Stated:
    """What the athlete said; ``None`` or empty where it is not clear, or not asked.

    Attributes:
        days: Training days in a week, the fewest and the most.
        minutes: Length of a session, the least and the most.
        equipment: All kinds of equipment that there are.
        injuries: Joints that hurt.
        avoided: Exercises to avoid, as they are compared.
    """

    days: Range | None
    minutes: Range | None
    equipment: frozenset[str] | None
    injuries: frozenset[str]
    avoided: tuple[str, ...]


def read_stated(edn360_input: EDN360Input) -> Stated:
    """Read the questionnaires; of two that answer the same question the newer one counts."""
    asked = _newest_first(edn360_input.questionnaires)
    return Stated(
        days=_first(asked, _days),
        minutes=_first(asked, _minutes),
        equipment=_first(asked, _equipment),
        injuries=_injuries(asked),
        avoided=_first(asked, _avoided) or (),
    )


def _first(
    asked: Iterable[Sequence[Answer]], read: Callable[[Sequence[Answer]], T | None]
) -> T | None:
    return next((found for answers in asked if (found := read(answers)) is not None), None)


# --- questionnaires, questions, answers -------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """One answer, with the words of its question's key."""

    key: tuple[str, ...]
    value: object

    def asks(self, *about: str, only: str | None = None) -> bool:
        """Whether the key has a word of each of ``about``, and none besides them and ``only``."""
        groups = [set(group.split()) for group in about]
        words = set(self.key)
        known = set(only.split()).union(*groups) if only is not None else words
        return words <= known and all(words & group for group in groups)

    @property
    def text(self) -> str:
        """The answer as text; what has boxes to tick reads "no gym, yes bands"."""
        return _text(self.value)


_CAMEL_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = re.compile(r"[a-z]+|[0-9]+")
_CLAUSE = re.compile(r"[;:,.\n()]|\b(?:pero|but|aunque|although|excepto|except|salvo)\b")
_MOMENT = TypeAdapter(datetime)


def _newest_first(questionnaires: Sequence[Questionnaire]) -> list[list[Answer]]:
    """By date where every one has a readable date, else by place; without those of nutrition."""
    asked = [
        q for q in questionnaires if not {"nutrition", "nutricion"} & set(_words(q.kind or ""))
    ]
    moments = [_moment(q.submitted_at) for q in asked]
    dates = [moment for moment in moments if moment]
    if len(dates) == len(asked):
        order = sorted(range(len(asked)), key=dates.__getitem__)
        asked = [asked[index] for index in order]
    return [
        [
            Answer(tuple(_words(_CAMEL_HUMP.sub(" ", key[:LONGEST_ANSWER]))), value)
            for key, value in questionnaire.content.items()
        ]
        for questionnaire in reversed(asked)
    ]


def _moment(value: object) -> datetime | None:
    try:
        moment = _MOMENT.validate_python(value)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _words(text: str) -> list[str]:
    return _WORD.findall(fold(text.replace("_", " ")))


def _text(value: object, depth: int = 2) -> str:
    text = ""
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    elif depth and isinstance(value, Mapping):
        pairs = cast("Mapping[str, object]", value).items()
        # What is neither yes nor no counts as named: better silent than wrong.
        text = ", ".join(f"{_text(item, 0)} {key}" for key, item in pairs)
    elif depth and isinstance(value, list):
        text = ", ".join(_text(item, depth - 1) for item in cast("list[object]", value))
    return text if len(text) <= LONGEST_ANSWER else ""


def _named(text: str, vocabulary: Mapping[str, frozenset[str]]) -> Iterator[frozenset[str]]:
    """What a text names and does not deny; of phrases that begin alike the longest counts."""
    for clause in _CLAUSE.split(fold(text)):
        words = _words(clause)
        denied = False
        place = 0
        while place < len(words):
            able = bool(ABLE & set(words[place + 1 : place + 2]))
            says = bool(SAYING & set(words[place + 2 : place + 3]))
            denies = words[place] in NEGATIONS and (says or not able)
            denied = denies or (denied and words[place] not in CONTRARY)
            for length in (4, 3, 2, 1):
                phrase = " ".join(words[place : place + length])
                if phrase in vocabulary:
                    if not denied:
                        yield vocabulary[phrase]
                    place += length - 1
                    break
            place += 1


# --- days and minutes -------------------------------------------------------------------------

_DAYS = re.compile(
    r"(?:entre |between )?([1-7])(?: ?(?:-|/|a|y|o|to|and|or) ?([1-7]))?"
    r" ?(?:dias?|days?|veces|times|sesiones|sessions)?"
    r"(?: (?:a la|por|per|a|each|every) (?:semana|week))?"
)
_MINUTES = re.compile(
    r"(?:entre |between )?([0-9]{1,3})(?: ?(?:-|/|a|y|o|to|and|or) ?([0-9]{1,3}))?"
    r" ?(min|mins|minutos|minutes|'|h|horas?|hours?)?"
)


_WEEK = "semana week weekly semanales"
_TRAINING = "training entrenamiento entrenar entreno train available disponibles"
_COUNTING = (
    "por per a la de for of to cuantos cuantas how many numero number puedes can you sesiones "
    "sessions"
)


def _days(answers: Sequence[Answer]) -> Range | None:
    found: list[float] = []
    for answer in answers:
        if not (
            answer.asks("dias days", f"{_WEEK} {_TRAINING}", only=_COUNTING)
            or answer.asks(
                "sesiones sessions entrenamientos workouts", _WEEK, only=f"{_COUNTING} {_TRAINING}"
            )
        ):
            continue
        value = answer.value
        if isinstance(value, list):
            names = {fold(item) for item in cast("list[object]", value) if isinstance(item, str)}
            if names and names <= WEEKDAYS and len(names) == len(cast("list[object]", value)):
                found += [1, len(names)]  # days that are free need not all be trained on
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found += [value] if 1 <= value <= 7 else []
        elif match := _DAYS.fullmatch(_dashed(answer.text)):
            found += [float(number) for number in match.groups() if number]
    return Range(float(min(found)), float(max(found))) if found else None


_SPENDING = (
    "por per de la el of for in en a to cada each available disponible cuanto how much tienes "
    "puedes dedicar do can you have spend"
)


def _minutes(answers: Sequence[Answer]) -> Range | None:
    found: list[float] = []
    for answer in answers:
        # "training_time" may be a time of day, or that of a week.
        if not (
            answer.asks(
                "session sessions sesion sesiones",
                "duration duracion length minutes minutos min time tiempo",
                only=f"{_SPENDING} workout entrenamiento entreno training",
            )
            or answer.asks(
                "workout entrenamiento entreno training",
                "duration duracion minutes minutos",
                only=f"{_SPENDING} min",
            )
        ):
            continue
        value = answer.value
        found_here: list[float] = []
        unit = None
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            found_here = [value]
        elif match := _MINUTES.fullmatch(_dashed(answer.text)):
            *numbers, unit = match.groups()
            factor = 60 if (unit or "").startswith("h") else 1
            found_here = [float(number) * factor for number in numbers if number]
        # "session_time: 18-20" may be a time of day.
        is_bare = not unit and {"session", "sessions", "time"}.issuperset(answer.key)
        if all((24 if is_bare else 9) < minutes <= 240 for minutes in found_here):
            found += found_here
    return Range(float(min(found)), float(max(found))) if found else None


def _dashed(text: str) -> str:
    return re.sub("[\u2010-\u2015\u2212]", "-", fold(text))


# --- equipment, injuries, exercises to avoid ----------------------------------------------------

_PLACES = (
    "equipamiento equipment material equipo gym gimnasio lugar place donde where location sitio "
    "centro club casa home acceso access maquinas machines barra barbell mancuernas dumbbells pesas"
)
_UNDERSTOOD = frozenset(" ".join(EQUIPMENT).split()).union(
    ACCESSORIES, OWNING, NEGATIONS, CONTRARY, AFFIRMATIONS
)


def _equipment(answers: Sequence[Answer]) -> frozenset[str] | None:
    """What there is, if the question was asked and each answer to it is understood to the word.

    Whatever is named where another question asks for the place counts as well.
    """
    asked = [
        answer.text
        for answer in answers
        if answer.asks(
            "equipamiento equipment material",
            only="disponible available en in at de of casa home para for entrenar entrenamiento "
            "training tienes have que what",
        )
        and answer.text.strip()
    ]
    words = [word for text in asked for word in _words(text)]
    if not words or not all(word in _UNDERSTOOD or word.isdigit() for word in words):
        return None
    named = [
        kinds
        for answer in answers
        if answer.asks(_PLACES)
        for kinds in _named(answer.text, EQUIPMENT)
    ]
    nothing = not named and not set(words) & NEGATIONS
    return None if nothing else frozenset[str]().union(*named)


_ABOUT_INJURIES = (
    "lesion lesiones injury injuries limitacion limitaciones limitation limitations dolor dolores "
    "pain molestia molestias discomfort"
)


def _injuries(asked: Sequence[Sequence[Answer]]) -> frozenset[str]:
    """The joints that hurt; an answer that speaks of the past names none.

    What was said once stays until the same question, or the general one, is answered again, or
    the joint itself is said not to hurt. Two answers of one questionnaire never undo each other.
    """
    known: dict[tuple[str, ...], frozenset[str]] = {}
    for answers in reversed(asked):
        said: dict[tuple[str, ...], frozenset[str]] = {}
        for answer in answers:
            if not answer.asks(_ABOUT_INJURIES) or PAST & set(answer.key):
                continue
            hurt, is_clear, well = _hurting(answer)
            said[answer.key] = said.get(answer.key, frozenset()) | hurt
            if is_clear:
                well |= _joints(" ".join(answer.key)) - hurt
                known.pop(answer.key, None)
                if answer.asks("lesion lesiones injury injuries", only=f"{_ABOUT_INJURIES} {_ANY}"):
                    known.clear()
            known = {key: joints - well for key, joints in known.items()}
        for key, joints in said.items():
            known[key] = known.get(key, frozenset()) | joints
    return frozenset[str]().union(*known.values())


_ANY = "actual actuales current currently any alguna algun tienes tiene do you have o u or y and"
"""Words of a question about injuries that leave it a question about all of them."""


def _hurting(answer: Answer) -> tuple[frozenset[str], bool, frozenset[str]]:
    """What an answer says of joints.

    Returns:
        Those that hurt; whether it says clearly that they do and no others; those that did hurt.
    """
    of_key = _joints(" ".join(answer.key))
    if (degree := _degree(answer.value)) is not None:  # "knee_pain: 7"
        return (of_key if degree else frozenset()), bool(of_key), frozenset()
    words = set(_words(answer.text))
    if not words or words & UNCHANGED:
        return _joints(answer.text), False, frozenset()
    if PAST & words or any(len(word) == 4 and word.isdigit() for word in words):
        over = _joints(" ".join(word for word in _words(answer.text) if word not in NEGATIONS))
        return frozenset(), not over and len(words) <= 4, over
    text = _NOT_WELL.sub("mal", fold(_text(_active(answer.value))))
    named = _joints(_without_what_is_well(text))
    if words <= AFFIRMATIONS:  # "knee_pain: yes" names the joint in its key
        return named | of_key, bool(of_key), frozenset()
    clauses = [set(_words(clause)) for clause in _CLAUSE.split(fold(answer.text))]
    is_denial = all(_is_denial(clause) for clause in clauses if clause)
    return named, bool(named) or is_denial, _joints(answer.text) - named


_NOT_WELL = re.compile(
    r"\b(?:no|not)\b(?= (?:(?:esta|estan|va|van|me|muy|del|todo|very|quite|all) )*"
    r"(?:bien|fine|ok|okay|well)\b)"
)
_JOINT_WORDS = frozenset(" ".join(JOINTS).split())


def _is_denial(words: set[str]) -> bool:
    """Whether a clause says that nothing hurts, and nothing else: "no sé" may mean anything."""
    if words & WELL:
        return words <= WELL | BEING | _JOINT_WORDS
    about = {*_ABOUT_INJURIES.split(), *_ANY.split()}
    return bool(words & NEGATIONS) and words <= (
        NEGATIONS | DENYING | ACTIVE | SAYING | ABLE | BEING | _JOINT_WORDS | about
    )


def _joints(text: str) -> frozenset[str]:
    return frozenset[str]().union(*_named(text, JOINTS))


def _degree(value: object) -> float | None:
    """Pain from 0 to 10, as a number or as text: 7 of ``"7/10"``."""
    if isinstance(value, str) and (match := re.fullmatch(r" *([0-9]{1,2})(?: */ *10)? *", value)):
        value = int(match[1])
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value if 0 <= value <= 10 else None
    return None


def _active(value: object) -> object:
    """An answer without the injuries that say of themselves that they are over."""
    if isinstance(value, list):
        return [_active(item) for item in cast("list[object]", value)]
    if not isinstance(value, Mapping):
        return value
    fields = cast("Mapping[str, object]", value)
    over = any(
        fold(key) in ACTIVE and _words(_text(item)) in (["no"], ["false"])
        for key, item in fields.items()
    )
    return {} if over else fields


def _without_what_is_well(text: str) -> str:
    """A text without "the knee is fine", if each of its other clauses is about some joint, too."""
    clauses = [words for clause in _CLAUSE.split(fold(text)) if (words := _words(clause))]
    if not all(_JOINT_WORDS & set(words) for words in clauses):
        return text
    return "; ".join(
        " ".join(words)
        for words in clauses
        if not (WELL & set(words) and set(words) <= WELL | BEING | _JOINT_WORDS)
    )


def _avoided(answers: Sequence[Answer]) -> tuple[str, ...] | None:
    """Exercises by name: a few words each, and nothing that could be a sentence."""
    found: list[str] = []
    for answer in answers:
        if answer.asks("evitar avoid", "ejercicio ejercicios exercise exercises", only="a to que"):
            for part in re.split(r"[,;\n]| y | and | o | or ", fold(answer.text)):
                words = _words(part)
                if 0 < len(words) <= 4 and not set(words) & (NEGATIONS | CONTRARY | AFFIRMATIONS):
                    found.append(" ".join(words))
    return tuple(found) or None
