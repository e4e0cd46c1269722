"""The facts that an athlete's questionnaires state clearly.

An answer that may mean something else counts as missing: a check would raise a false alarm.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

from ..inputs import EDN360Input
from . import vocabulary as terms
from .numbers import Range, fold
from .questionnaire import CLAUSE, Answer, named_in, newest_first, text_of, words_of

T = TypeVar("T")


@dataclass(frozen=True)
class AthleteFacts:
    """The facts; ``None`` or empty if an answer is missing or not clear.

    Attributes:
        days: Training days in a week, the fewest and the most.
        minutes: Length of a session, the least and the most.
        equipment: All kinds of equipment that the athlete has.
        injuries: Joints that hurt.
        avoided: Exercises to avoid, as they are compared.
    """

    days: Range | None
    minutes: Range | None
    equipment: frozenset[str] | None
    injuries: frozenset[str]
    avoided: tuple[str, ...]


def read_athlete(edn360_input: EDN360Input) -> AthleteFacts:
    """Read the questionnaires; of two that answer the same question the newer one counts."""
    questionnaires = newest_first(edn360_input.questionnaires)
    return AthleteFacts(
        days=_first(questionnaires, _days),
        minutes=_first(questionnaires, _minutes),
        equipment=_first(questionnaires, _equipment),
        injuries=_injuries(questionnaires),
        avoided=_first(questionnaires, _avoided) or (),
    )


def _first(
    questionnaires: Iterable[Sequence[Answer]], read: Callable[[Sequence[Answer]], T | None]
) -> T | None:
    return next((fact for answers in questionnaires if (fact := read(answers)) is not None), None)


# --- days and minutes -------------------------------------------------------------------------

_RANGE = r"(?:entre |between )?([0-9]{1,3})(?: ?(?:-|/|a|y|o|to|and|or) ?([0-9]{1,3}))? ?"
_DAYS = re.compile(
    _RANGE + "(dias?|days?|veces|times|sesiones|sessions)?"
    "(?: (?:a la|por|per|a|each|every) (?:semana|week))?"
)
_MINUTES = re.compile(_RANGE + "(min|mins|minutos|minutes|'|h|horas?|hours?)?")

_WEEK = "semana week weekly semanales"
_TRAINING = "training entrenamiento entrenar entreno train available disponibles"
_COUNTING = (
    "por per a la de for of to cuantos cuantas how many numero number puedes can you sesiones "
    "sessions"
)


def _days(answers: Sequence[Answer]) -> Range | None:
    days: list[float] = []
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
            items = cast("list[object]", value)
            names = {fold(item) for item in items if isinstance(item, str)}
            if names and names <= terms.WEEKDAYS and len(names) == len(items):
                days += [1, len(names)]  # days that are free need not all be trained on
            continue
        numbers, _ = _numbers(answer, _DAYS)
        days += numbers if all(1 <= number <= 7 for number in numbers) else []
    return Range(float(min(days)), float(max(days))) if days else None


_SPENDING = (
    "por per de la el of for in en a to cada each available disponible cuanto how much tienes "
    "puedes dedicar do can you have spend"
)


def _minutes(answers: Sequence[Answer]) -> Range | None:
    minutes: list[float] = []
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
        numbers, unit = _numbers(answer, _MINUTES)
        if unit.startswith("h"):
            numbers = [60 * number for number in numbers]
        # "session_time: 18-20" may be a time of day.
        is_bare = not unit and {"session", "sessions", "time"}.issuperset(answer.key)
        if all((24 if is_bare else 9) < number <= 240 for number in numbers):
            minutes += numbers
    return Range(float(min(minutes)), float(max(minutes))) if minutes else None


def _numbers(answer: Answer, pattern: re.Pattern[str]) -> tuple[list[float], str]:
    """The one or two numbers of an answer, and their unit."""
    if isinstance(answer.value, (int, float)) and not isinstance(answer.value, bool):
        return [answer.value], ""
    match = pattern.fullmatch(re.sub("[\u2010-\u2015\u2212]", "-", fold(answer.text)))
    if match is None:
        return [], ""
    *numbers, unit = match.groups()
    return [float(number) for number in numbers if number], unit or ""


# --- equipment, injuries, exercises to avoid ----------------------------------------------------

_PLACES = (
    "equipamiento equipment material equipo gym gimnasio lugar place donde where location sitio "
    "centro club casa home acceso access maquinas machines barra barbell mancuernas dumbbells pesas"
)
_UNDERSTOOD = frozenset(" ".join(terms.EQUIPMENT).split()).union(
    terms.ACCESSORIES, terms.OWNING, terms.NEGATIONS, terms.CONTRARY, terms.AFFIRMATIONS
)


def _equipment(answers: Sequence[Answer]) -> frozenset[str] | None:
    """The equipment, if there is a question about it and every word of the answers is known.

    Equipment in the answer to a question about the place counts as well.
    """
    texts = [
        answer.text
        for answer in answers
        if answer.asks(
            "equipamiento equipment material",
            only="disponible available en in at de of casa home para for entrenar entrenamiento "
            "training tienes have que what",
        )
        and answer.text.strip()
    ]
    words = [word for text in texts for word in words_of(text)]
    if not words or not all(word in _UNDERSTOOD or word.isdigit() for word in words):
        return None
    available = [
        kinds
        for answer in answers
        if answer.asks(_PLACES)
        for kinds in named_in(_affirmed(answer), terms.EQUIPMENT)
    ]
    nothing = not available and not set(words) & terms.NEGATIONS
    return None if nothing else frozenset[str]().union(*available)


def _affirmed(answer: Answer) -> str:
    """The text of an answer; of a plain yes the words of its question."""
    words = set(words_of(answer.text))
    return " ".join(answer.key) if words and words <= terms.AFFIRMATIONS else answer.text


_ABOUT_INJURIES = (
    "lesion lesiones injury injuries limitacion limitaciones limitation limitations dolor dolores "
    "pain molestia molestias discomfort"
)


def _injuries(questionnaires: Sequence[Sequence[Answer]]) -> frozenset[str]:
    """The joints that hurt; an answer that speaks of the past names none.

    An injury stays until the same question or the general one is answered again, or an answer
    denies it. Two answers of one questionnaire do not contradict each other.
    """
    hurting: dict[tuple[str, ...], frozenset[str]] = {}
    for answers in reversed(questionnaires):
        joints_by_key: dict[tuple[str, ...], frozenset[str]] = {}
        for answer in answers:
            if not answer.asks(_ABOUT_INJURIES) or terms.PAST & set(answer.key):
                continue
            hurt, is_clear, well = _hurting(answer)
            joints_by_key[answer.key] = joints_by_key.get(answer.key, frozenset()) | hurt
            if is_clear:
                well |= _joints(" ".join(answer.key)) - hurt
                hurting.pop(answer.key, None)
                if answer.asks("lesion lesiones injury injuries", only=f"{_ABOUT_INJURIES} {_ANY}"):
                    hurting.clear()
            hurting = {key: joints - well for key, joints in hurting.items()}
        for key, joints in joints_by_key.items():
            hurting[key] = hurting.get(key, frozenset()) | joints
    return frozenset[str]().union(*hurting.values())


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
    words = set(words_of(answer.text))
    if not words or words & terms.UNCHANGED:
        return _joints(answer.text), False, frozenset()
    if terms.PAST & words or any(len(word) == 4 and word.isdigit() for word in words):
        over = _joints(
            " ".join(word for word in words_of(answer.text) if word not in terms.NEGATIONS)
        )
        return frozenset(), not over and len(words) <= 4, over
    text = _NOT_WELL.sub("mal", fold(text_of(_active(answer.value))))
    joints = _joints(_without_what_is_well(text))
    if words <= terms.AFFIRMATIONS:  # "knee_pain: yes" names the joint in its key
        return joints | of_key, bool(of_key), frozenset()
    clauses = [set(words_of(clause)) for clause in CLAUSE.split(fold(answer.text))]
    is_denial = all(_is_denial(clause) for clause in clauses if clause)
    return joints, bool(joints) or is_denial, _joints(answer.text) - joints


_NOT_WELL = re.compile(
    r"\b(?:no|not)\b(?= (?:(?:esta|estan|va|van|me|muy|del|todo|very|quite|all) )*"
    r"(?:bien|fine|ok|okay|well)\b)"
)
_JOINT_WORDS = frozenset(" ".join(terms.JOINTS).split())


def _is_denial(words: set[str]) -> bool:
    """Whether a clause says that nothing hurts, and nothing else: "no sé" may mean anything."""
    if words & terms.WELL:
        return words <= terms.WELL | terms.BEING | _JOINT_WORDS
    about = {*_ABOUT_INJURIES.split(), *_ANY.split()}
    return bool(words & terms.NEGATIONS) and words <= (
        terms.NEGATIONS
        | terms.DENYING
        | terms.ACTIVE
        | terms.SAYING
        | terms.ABLE
        | terms.BEING
        | _JOINT_WORDS
        | about
    )


def _joints(text: str) -> frozenset[str]:
    return frozenset[str]().union(*named_in(text, terms.JOINTS))


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
        fold(key) in terms.ACTIVE and words_of(text_of(item)) in (["no"], ["false"])
        for key, item in fields.items()
    )
    return {} if over else fields


def _without_what_is_well(text: str) -> str:
    """A text without "the knee is fine", if each of its other clauses is about some joint, too."""
    clauses = [words for clause in CLAUSE.split(fold(text)) if (words := words_of(clause))]
    if not all(_JOINT_WORDS & set(words) for words in clauses):
        return text
    return "; ".join(
        " ".join(words)
        for words in clauses
        if not (terms.WELL & set(words) and set(words) <= terms.WELL | terms.BEING | _JOINT_WORDS)
    )


def _avoided(answers: Sequence[Answer]) -> tuple[str, ...] | None:
    """Exercises by name: a few words each, and nothing that could be a sentence."""
    names: list[str] = []
    for answer in answers:
        if answer.asks("evitar avoid", "ejercicio ejercicios exercise exercises", only="a to que"):
            for part in re.split(r"[,;\n]| y | and | o | or ", fold(answer.text)):
                words = words_of(part)
                if 0 < len(words) <= 4 and not set(words) & (
                    terms.NEGATIONS | terms.CONTRARY | terms.AFFIRMATIONS
                ):
                    names.append(" ".join(words))
    return tuple(names) or None
