"""The facts that an athlete's questionnaires state clearly.

An unclear answer counts as missing, to avoid false alarms. Injuries are the exception: an injury in
doubt counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TypeVar

from pydantic import TypeAdapter

from .._json import is_list, is_object
from ..inputs import EDN360Input, Questionnaire
from .grammar import parse
from .numbers import Range, as_text
from .vocabulary import fold, has, phrases, phrases_in, questions, terms, words_of

T = TypeVar("T")

_EQUIPMENT = phrases("equipment", "has")
_JOINTS = phrases("joints")
# The words of a clear answer about equipment, and of an answer that denies pain.
_UNDERSTOOD = terms("understood").union(" ".join(_EQUIPMENT).split())
_DENYING = terms("denying").union(" ".join(_JOINTS).split())

LONGEST_ANSWER = 2000
"""Characters. A longer answer is prose and is not read."""


@dataclass(frozen=True)
class AthleteFacts:
    """The facts; ``None`` or empty if an answer is missing or unclear."""

    days: Range | None = None
    minutes: Range | None = None
    equipment: frozenset[str] | None = None
    injuries: frozenset[str] = frozenset()
    avoided: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """An answer, with the words of its question's key."""

    key: tuple[str, ...]
    value: object

    def asks(self, question: str) -> bool:
        """Whether the key asks this question of ``words.ini``."""
        words = frozenset(self.key)
        return any(
            words <= frozenset[str]().union(*way) and all(words & row for row in way[:-1])
            for way in questions(question)
        )

    @property
    def text(self) -> str:
        """The answer as text; a form with checkboxes becomes "no gym, yes bands"."""
        return _text(self.value)


def read_athlete(edn360_input: EDN360Input) -> AthleteFacts:
    """Read the questionnaires. If two questionnaires answer a question, the newer answer counts."""
    questionnaires = _newest_first(edn360_input.questionnaires)
    every_answer = [answer for answers in questionnaires for answer in answers]

    def first(facts: Iterable[T | None]) -> T | None:
        return next((fact for fact in facts if fact is not None), None)

    return AthleteFacts(
        days=first(_span("days", _days, answers) for answers in questionnaires),
        minutes=first(_span("minutes", _minutes, answers) for answers in questionnaires),
        equipment=first(_equipment(answers, every_answer) for answers in questionnaires),
        injuries=_injuries(questionnaires),
        avoided=first(map(_avoided, questionnaires)) or (),
    )


def _newest_first(questionnaires: Sequence[Questionnaire]) -> list[list[Answer]]:
    """The answers about training: by date, or by position if a date is missing."""
    dates = [_date(questionnaire.submitted_at) for questionnaire in questionnaires]
    by_position = [_answers(questionnaire) for questionnaire in questionnaires]
    dated = [(date, answers) for date, answers in zip(dates, by_position, strict=True) if answers]
    if all(date for date, _ in dated):
        dated.sort(key=lambda pair: pair[0] or datetime.min)
    return [answers for _, answers in reversed(dated)]


def _answers(questionnaire: Questionnaire) -> list[Answer]:
    """The answers; none if a questionnaire about nutrition has no question about training."""
    content = questionnaire.content.items()
    answers = [Answer(tuple(words_of(key[:LONGEST_ANSWER])), value) for key, value in content]
    # Some backends put every question into a single questionnaire, nutrition_initial.
    is_nutrition = {"nutrition", "nutricion"} & set(words_of(questionnaire.kind or ""))
    is_training = not is_nutrition or any(has(answer.key, "about_training") for answer in answers)
    return answers if is_training else []


def _date(value: object) -> datetime | None:
    try:
        date = TypeAdapter(datetime).validate_python(value)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=timezone.utc)


def _text(value: object, depth: int = 2) -> str:
    text = value if isinstance(value, str) else ""
    if isinstance(value, bool):
        text = "yes" if value else "no"
    elif depth and is_object(value):
        text = ", ".join(f"{_text(item, 0)} {key}" for key, item in value.items())
    elif depth and is_list(value):
        text = ", ".join(_text(item, depth - 1) for item in value)
    return text if len(text) <= LONGEST_ANSWER else ""


_CLAUSE_END = re.compile(r"[;:,.\n()]|\b(?:pero|but|aunque|although|excepto|except|salvo)\b")


def _clauses(text: str) -> list[list[str]]:
    return [words for clause in _CLAUSE_END.split(fold(text)) if (words := words_of(clause))]


_BETWEEN = re.compile("^(?:entre|between) ")
_A_WEEK = re.compile(
    " ?(?:dias?|days?|veces|times|sesiones|sessions)?"
    "(?: (?:a la|por|per|a|each|every) (?:semana|week))?$"
)


def _span(
    question: str, read: Callable[[Answer], Sequence[float]], answers: Sequence[Answer]
) -> Range | None:
    """The range of the numbers in the answers to a question."""
    numbers = [n for answer in answers if answer.asks(question) for n in read(answer)]
    return Range(float(min(numbers)), float(max(numbers))) if numbers else None


def _days(answer: Answer) -> Sequence[float]:
    names = words_of(answer.text)
    if isinstance(answer.value, list) and names and terms("weekdays").issuperset(names):
        return 1.0, float(len(set(names)))  # free days: the athlete may train on fewer
    numbers, unit = _amount(answer)
    return numbers if not unit and all(1 <= number <= 7 for number in numbers) else ()


def _minutes(answer: Answer) -> Sequence[float]:
    numbers, unit = _amount(answer)
    minutes = [number / 60 if unit == "s" else number for number in numbers]
    # "session_time: 18-20" may be a time of day.
    least = 24 if not unit and {"sesion", "time"}.issuperset(answer.key) else 9
    return minutes if all(least < number <= 240 for number in minutes) else ()


def _amount(answer: Answer) -> tuple[Sequence[float], str]:
    """The numbers of an answer without other words, and ``"s"`` if they are seconds."""
    value = answer.value
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        value = _A_WEEK.sub("", _BETWEEN.sub("", fold(answer.text)))
    phrase = parse(value)
    if len(phrase.groups) != 1 or phrase.tail or "(" in answer.text:
        return (), ""
    sets, amount, lead = phrase.groups[0]
    is_time = amount is not None and amount.unit in ("", "s") and not lead and not sets
    return (amount.numbers, amount.unit) if amount and is_time else ((), "")


def _equipment(answers: Sequence[Answer], every_answer: Sequence[Answer]) -> frozenset[str] | None:
    """The equipment, if a question asks for it and every word of the answers is known.

    Equipment in an answer about the place counts, too. It is ``None`` if the athlete may also have
    a gym, whose equipment is unknown.
    """
    about_equipment = [answer for answer in answers if answer.asks("equipment")]
    words = words_of(" ".join(answer.text for answer in about_equipment))
    if not words or not all(word in _UNDERSTOOD or word.isdigit() for word in words):
        return None
    is_home = any(has(answer.key, "home") for answer in about_equipment)
    if any(_may_name_gym(answer, is_home=is_home) for answer in every_answer):
        return None
    equipment = [
        _EQUIPMENT[phrase]
        for answer in answers
        if has(answer.key, "places")
        for phrase in _equipment_in(answer)
    ]
    is_unclear = not equipment and not has(words, "negations")
    return None if is_unclear else frozenset[str]().union(*equipment)


def _may_name_gym(answer: Answer, *, is_home: bool) -> bool:
    """Whether an answer may name a gym. If the known equipment is at home, more answers count."""
    key, words = answer.key, set(words_of(answer.text))
    if not words or has(words, "negations"):
        return False
    if has(words, "gym"):
        return is_home or has(key, "gym")
    if has(key, "gym"):
        return not has(words, "home")  # the answer to "gym or home?" may be the home
    # The name of a place, for example of a chain of gyms.
    return is_home and has(key, "where") and not words <= _UNDERSTOOD


def _equipment_in(answer: Answer) -> Iterator[str]:
    """The equipment that an answer names and does not deny. A plain yes affirms its question."""
    clauses = _clauses(answer.text)
    if clauses and all(map(terms("affirmations").issuperset, clauses)):
        clauses = [list(answer.key)]
    for words in clauses:
        # A negation extends to the end of the clause, or to a contrary word.
        affirmed: list[str] = []
        denied = False
        for word in words:
            denied = word in terms("negations") or (denied and word not in terms("contrary"))
            affirmed.append("" if denied else word)
        yield from phrases_in(affirmed, _EQUIPMENT)


def _avoided(answers: Sequence[Answer]) -> tuple[str, ...] | None:
    """The names of exercises: at most four words each, and no word of a sentence."""
    parts = (
        [word for word in words_of(part) if word not in terms("fillers")]
        for answer in answers
        if answer.asks("avoid")
        for part in re.split(r"[,;\n]| y | and | o | or ", fold(answer.text))
    )
    of_sentence = terms("negations") | terms("contrary") | terms("affirmations")
    return tuple(" ".join(p) for p in parts if 0 < len(p) <= 4 and not of_sentence & set(p)) or None


def _injuries(questionnaires: Sequence[Sequence[Answer]]) -> frozenset[str]:
    """The joints that hurt.

    An injury lasts until a newer answer to its question or to the general question, or until a
    newer answer denies it. Answers of the same questionnaire do not contradict each other.
    """
    hurting: dict[tuple[str, ...], frozenset[str]] = {}
    for answers in reversed(questionnaires):
        readings = [(a, *_read_injuries(a)) for a in answers if _asks_about_injuries(a)]
        for answer, _, well, is_clear in readings:
            if is_clear and answer.asks("injuries"):
                hurting.clear()
            elif is_clear:
                hurting.pop(answer.key, None)
            hurting = {key: joints - well for key, joints in hurting.items()}
        for answer, joints, *_ in readings:
            hurting[answer.key] = hurting.get(answer.key, frozenset()) | joints
    return frozenset[str]().union(*hurting.values())


def _asks_about_injuries(answer: Answer) -> bool:
    """Whether the question is about current injuries.

    A question about past injuries counts if its answer names a recent injury.
    """
    key, clauses = answer.key, _clauses(answer.text)
    if not has(key, "injuries"):
        is_about_pain = _affirms(clauses, "hurting") or _affirms(clauses, "injuries")
        return has(key, "remarks") and is_about_pain
    is_current = not has(key, "past") or has(key, "active") or _affirms(clauses, "recent")
    return is_current and not has(key, "goals")


def _affirms(clauses: Sequence[Sequence[str]], row: str) -> bool:
    """Whether a clause affirms a word of a row, and the injury did not recover."""
    affirmed = [clause for clause in clauses if not has(clause, "negations")]
    is_recovered = any(has(clause, "recovered") for clause in affirmed)
    return not is_recovered and any(has(clause, row) for clause in affirmed)


def _read_injuries(answer: Answer) -> tuple[frozenset[str], frozenset[str], bool]:
    """The joints that hurt, the joints that are well, and whether older answers end here."""
    of_key = _joints([answer.key])
    hurting: frozenset[str] = frozenset()
    well: frozenset[str] = frozenset()
    is_clear = True
    for value in answer.value if is_list(answer.value) else [answer.value]:
        clauses = _clauses(_yes_or_no(value))
        words = [word for clause in clauses for word in clause]
        joints = _joints(clauses)
        if not words or has(words, "unchanged"):
            hurting, is_clear = hurting | joints, False
        elif terms("affirmations").issuperset(words):  # "knee_pain: yes" names the joint in its key
            hurting, is_clear = hurting | of_key, is_clear and bool(of_key)
        elif _is_over(clauses) and not all(map(_denies, clauses)):
            well, is_clear = well | joints, is_clear and not joints and len(words) <= 4
        else:
            complaints = [clause for clause in clauses if not _denies(clause)]
            # "The knee is fine, but it hurts when I run" is in doubt.
            is_doubtful = any(not _joints([clause]) for clause in complaints)
            hurting |= joints if is_doubtful else _joints(complaints)
            is_clear = is_clear and (bool(joints) or not complaints)
            well |= joints | of_key
    return hurting, well - hurting, is_clear


def _joints(clauses: Iterable[Sequence[str]]) -> frozenset[str]:
    phrases = (phrase for clause in clauses for phrase in phrases_in(clause, _JOINTS))
    return frozenset[str]().union(*(_JOINTS[phrase] for phrase in phrases))


def _is_over(clauses: Sequence[Sequence[str]]) -> bool:
    """Whether an injury is in the past: its words say so, it has a year, or "active: no"."""
    has_year = any(len(word) == 4 and word.isdigit() for clause in clauses for word in clause)
    inactive = any(clause[0] == "no" and has(clause[1:], "active") for clause in clauses)
    is_past = has_year or any(
        has(clause, "past")
        for clause in clauses
        if not (has(clause, "recovered") and has(clause, "negations"))
    )
    return inactive or (is_past and not _affirms(clauses, "recent"))


def _denies(clause: Sequence[str]) -> bool:
    """Whether every word of a clause is about the absence of pain; "no sé" is unclear."""
    return _DENYING.issuperset(clause) and has(clause, "well") != has(clause, "negations")


def _yes_or_no(value: object) -> str:
    """An answer as text; a degree of pain from 0 to 10 (``"7/10"``) as yes or no."""
    degree = re.fullmatch(r" *([0-9]|10)(?: */ *10)? *", as_text(value))
    return _text(degree[1] != "0" if degree else value)
