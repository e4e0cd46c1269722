"""The facts that an athlete's questionnaires state clearly.

An answer that is not clear counts as missing, to avoid false alarms. Only injuries are kept when
in doubt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TypeVar, cast

from pydantic import TypeAdapter

from ..inputs import EDN360Input, Questionnaire
from .grammar import parse
from .numbers import Range, as_text
from .vocabulary import fold, has, phrases, phrases_in, questions, terms, words_of

T = TypeVar("T")

_EQUIPMENT = phrases("equipment", "has")
_JOINTS = phrases("joints")
# Words of an answer that leave no doubt about equipment, and of one that denies pain.
_UNDERSTOOD = terms("understood").union(" ".join(_EQUIPMENT).split())
_DENYING = terms("denying").union(" ".join(_JOINTS).split())

LONGEST_ANSWER = 2000
"""Characters. A longer answer is prose, which is not read."""


@dataclass(frozen=True)
class AthleteFacts:
    """The facts; ``None`` or empty if an answer is missing or not clear."""

    days: Range | None = None
    minutes: Range | None = None
    equipment: frozenset[str] | None = None
    injuries: frozenset[str] = frozenset()
    avoided: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """One answer, with the words of its question's key."""

    key: tuple[str, ...]
    value: object

    def asks(self, question: str) -> bool:
        """Whether the key is this question of ``words.ini``."""
        words = frozenset(self.key)
        return any(
            words <= frozenset[str]().union(*way) and all(words & row for row in way[:-1])
            for way in questions(question)
        )

    @property
    def text(self) -> str:
        """The answer as text; a form with boxes to tick reads "no gym, yes bands"."""
        return _text(self.value)


def read_athlete(edn360_input: EDN360Input) -> AthleteFacts:
    """Read the questionnaires. If two of them answer a question, the newer answer counts."""
    questionnaires = _newest_first(edn360_input.questionnaires)
    everywhere = [answer for answers in questionnaires for answer in answers]

    def first(facts: Iterable[T | None]) -> T | None:
        return next((fact for fact in facts if fact is not None), None)

    return AthleteFacts(
        days=first(_span("days", _days, answers) for answers in questionnaires),
        minutes=first(_span("minutes", _minutes, answers) for answers in questionnaires),
        equipment=first(_equipment(answers, everywhere) for answers in questionnaires),
        injuries=_injuries(questionnaires),
        avoided=first(map(_avoided, questionnaires)) or (),
    )


def _newest_first(questionnaires: Sequence[Questionnaire]) -> list[list[Answer]]:
    """By date if each has a readable date, else by position; without those about food only."""
    filled = [(q, answers) for q in questionnaires if _is_about_training(q, answers := _answers(q))]
    dates = [date for q, _ in filled if (date := _date(q.submitted_at))]
    if len(dates) == len(filled):
        filled = [filled[i] for i in sorted(range(len(filled)), key=dates.__getitem__)]
    return [answers for _, answers in reversed(filled)]


def _answers(questionnaire: Questionnaire) -> list[Answer]:
    answers = questionnaire.content.items()
    return [Answer(tuple(words_of(key[:LONGEST_ANSWER])), value) for key, value in answers]


def _is_about_training(questionnaire: Questionnaire, answers: Sequence[Answer]) -> bool:
    """Some backends put all questions into the one questionnaire ``nutrition_initial``."""
    is_nutrition = {"nutrition", "nutricion"} & set(words_of(questionnaire.kind or ""))
    return not is_nutrition or any(has(answer.key, "about_training") for answer in answers)


def _date(value: object) -> datetime | None:
    try:
        date = TypeAdapter(datetime).validate_python(value)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=timezone.utc)


def _text(value: object, depth: int = 2) -> str:
    text = ""
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    elif depth and isinstance(value, Mapping):
        pairs = cast("Mapping[str, object]", value).items()
        text = ", ".join(f"{_text(item, 0)} {key}" for key, item in pairs)
    elif depth and isinstance(value, list):
        text = ", ".join(_text(item, depth - 1) for item in cast("list[object]", value))
    return text if len(text) <= LONGEST_ANSWER else ""


_CLAUSE_END = re.compile(r"[;:,.\n()]|\b(?:pero|but|aunque|although|excepto|except|salvo)\b")


def _clauses(text: str) -> list[list[str]]:
    return [words for clause in _CLAUSE_END.split(fold(text)) if (words := words_of(clause))]


# --- days and minutes -------------------------------------------------------------------------

_BETWEEN = re.compile("^(?:entre|between) ")
_A_WEEK = re.compile(
    " ?(?:dias?|days?|veces|times|sesiones|sessions)?"
    "(?: (?:a la|por|per|a|each|every) (?:semana|week))?$"
)


def _span(
    question: str, read: Callable[[Answer], Sequence[float]], answers: Sequence[Answer]
) -> Range | None:
    """The least and the most of all answers to a question."""
    numbers = [n for answer in answers if answer.asks(question) for n in read(answer)]
    return Range(float(min(numbers)), float(max(numbers))) if numbers else None


def _days(answer: Answer) -> Sequence[float]:
    names = words_of(answer.text)
    if isinstance(answer.value, list) and names and terms("weekdays").issuperset(names):
        return 1.0, float(len(set(names)))  # days that are free need not all be trained on
    numbers, unit = _amount(answer)
    return numbers if not unit and all(1 <= number <= 7 for number in numbers) else ()


def _minutes(answer: Answer) -> Sequence[float]:
    numbers, unit = _amount(answer)
    minutes = [number / 60 if unit == "s" else number for number in numbers]
    # "session_time: 18-20" may be a time of day.
    least = 24 if not unit and {"sesion", "time"}.issuperset(answer.key) else 9
    return minutes if all(least < number <= 240 for number in minutes) else ()


def _amount(answer: Answer) -> tuple[Sequence[float], str]:
    """The numbers of an answer that is nothing else, and ``"s"`` if they are seconds."""
    value = answer.value
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        value = _A_WEEK.sub("", _BETWEEN.sub("", fold(answer.text)))
    phrase = parse(value)
    if len(phrase.groups) != 1 or phrase.tail or "(" in answer.text:
        return (), ""
    sets, amount, lead = phrase.groups[0]
    is_time = amount is not None and amount.unit in ("", "s") and not lead and not sets
    return (amount.numbers, amount.unit) if amount and is_time else ((), "")


# --- equipment and exercises to avoid -----------------------------------------------------------


def _equipment(answers: Sequence[Answer], everywhere: Sequence[Answer]) -> frozenset[str] | None:
    """The equipment, if there is a question about it and every word of the answers is known.

    Equipment named in an answer about the place counts, too. So does any mention of a gym beside
    the equipment at home.
    """
    asked = [answer for answer in answers if answer.asks("equipment")]
    words = words_of(" ".join(answer.text for answer in asked))
    if not words or not all(word in _UNDERSTOOD or word.isdigit() for word in words):
        return None
    is_home = any(has(answer.key, "home") for answer in asked)
    if any(_is_elsewhere(answer, is_home=is_home) for answer in everywhere):
        return None
    available = [
        _EQUIPMENT[phrase]
        for answer in answers
        if has(answer.key, "places")
        for phrase in _equipment_in(answer)
    ]
    nothing = not available and not has(words, "negations")
    return None if nothing else frozenset[str]().union(*available)


def _is_elsewhere(answer: Answer, *, is_home: bool) -> bool:
    """Whether an answer may name a gym; more answers may if the equipment is that at home."""
    key, words = answer.key, set(words_of(answer.text))
    if not words or has(words, "negations"):
        return False
    if has(words, "gym"):
        return is_home or has(key, "gym")
    if has(key, "gym"):
        return not has(words, "home")  # of "gym or home?" the answer may be the home
    # A place by its name, such as that of a chain of gyms.
    return is_home and has(key, "where") and not words <= _UNDERSTOOD


def _equipment_in(answer: Answer) -> Iterator[str]:
    """The equipment that an answer has and does not deny; of a plain yes that of its question."""
    clauses = _clauses(answer.text)
    if clauses and all(map(terms("affirmations").issuperset, clauses)):
        clauses = [list(answer.key)]
    for words in clauses:
        # A negation holds to the end of the clause, or to a word against it.
        affirmed: list[str] = []
        denied = False
        for word in words:
            denied = word in terms("negations") or (denied and word not in terms("contrary"))
            affirmed.append("" if denied else word)
        yield from phrases_in(affirmed, _EQUIPMENT)


def _avoided(answers: Sequence[Answer]) -> tuple[str, ...] | None:
    """Exercises by name: a few words each, and nothing that could be a sentence."""
    parts = (
        [word for word in words_of(part) if word not in terms("fillers")]
        for answer in answers
        if answer.asks("avoid")
        for part in re.split(r"[,;\n]| y | and | o | or ", fold(answer.text))
    )
    other = terms("negations") | terms("contrary") | terms("affirmations")
    return tuple(" ".join(p) for p in parts if 0 < len(p) <= 4 and not other & set(p)) or None


# --- injuries -----------------------------------------------------------------------------------


def _injuries(questionnaires: Sequence[Sequence[Answer]]) -> frozenset[str]:
    """The joints that hurt.

    An injury lasts until a newer answer to its question or to the general question, or until an
    answer denies it. Two answers of one questionnaire do not contradict each other.
    """
    hurting: dict[tuple[str, ...], frozenset[str]] = {}
    for answers in reversed(questionnaires):
        added: dict[tuple[str, ...], frozenset[str]] = {}
        for answer in answers:
            if not _asks_about_injuries(answer):
                continue
            joints, well, is_clear = _read_injuries(answer)
            added[answer.key] = joints
            if is_clear:
                hurting.pop(answer.key, None)
                if answer.asks("injuries"):
                    hurting.clear()
            hurting = {key: kept - well for key, kept in hurting.items()}
        for key, joints in added.items():
            hurting[key] = hurting.get(key, frozenset()) | joints
    return frozenset[str]().union(*hurting.values())


def _asks_about_injuries(answer: Answer) -> bool:
    """Whether the question is about injuries of today; one of the past may have a recent one."""
    key, clauses = answer.key, _clauses(answer.text)
    if not has(key, "injuries"):
        is_about_pain = _affirms(clauses, "hurting") or _affirms(clauses, "injuries")
        return has(key, "remarks") and is_about_pain
    is_today = not has(key, "past") or has(key, "active") or _affirms(clauses, "recent")
    return is_today and not has(key, "goals")


def _affirms(clauses: Sequence[Sequence[str]], row: str) -> bool:
    """Whether a clause has a word of a row; not if it denies it, or there is a recovery."""
    affirmed = [clause for clause in clauses if not has(clause, "negations")]
    is_recovered = any(has(clause, "recovered") for clause in affirmed)
    return not is_recovered and any(has(clause, row) for clause in affirmed)


def _read_injuries(answer: Answer) -> tuple[frozenset[str], frozenset[str], bool]:
    """The joints that hurt, those that are well, and whether the answer replaces an older one."""
    is_list = isinstance(answer.value, list)
    values = cast("list[object]", answer.value) if is_list else [answer.value]
    of_key = _joints([answer.key])
    hurting: frozenset[str] = frozenset()
    well: frozenset[str] = frozenset()
    is_clear = True
    for value in values:
        clauses = _clauses(_yes_or_no(value))
        words = [word for clause in clauses for word in clause]
        joints = _joints(clauses)
        if not words or has(words, "unchanged"):
            hurting, is_clear = hurting | joints, False
        elif terms("affirmations").issuperset(words):  # "knee_pain: yes" names the joint in its key
            hurting, is_clear = hurting | of_key, bool(of_key)
        elif _is_over(clauses) and not all(map(_denies, clauses)):
            well, is_clear = well | joints, is_clear and not joints and len(words) <= 4
        else:
            other = [clause for clause in clauses if not _denies(clause)]
            # "The knee is fine, but it hurts when I run" is in doubt.
            in_doubt = any(not _joints([clause]) for clause in other)
            hurting |= joints if in_doubt else _joints(other)
            is_clear = is_clear and (bool(joints) or not other)
            well |= joints | of_key
    return hurting, well - hurting, is_clear


def _joints(clauses: Iterable[Sequence[str]]) -> frozenset[str]:
    phrases = (phrase for clause in clauses for phrase in phrases_in(clause, _JOINTS))
    return frozenset[str]().union(*(_JOINTS[phrase] for phrase in phrases))


def _is_over(clauses: Sequence[Sequence[str]]) -> bool:
    """Whether an injury is one of the past: by its words, by a year, or "active: no"."""
    has_year = any(len(word) == 4 and word.isdigit() for clause in clauses for word in clause)
    inactive = any(clause[0] == "no" and has(clause[1:], "active") for clause in clauses)
    is_past = has_year or any(
        has(clause, "past")
        for clause in clauses
        if not (has(clause, "recovered") and has(clause, "negations"))
    )
    return inactive or (is_past and not _affirms(clauses, "recent"))


def _denies(clause: Sequence[str]) -> bool:
    """Whether every word of a clause is about the absence of pain; "no sé" is not clear."""
    return _DENYING.issuperset(clause) and has(clause, "well") != has(clause, "negations")


def _yes_or_no(value: object) -> str:
    """An answer as text; pain from 0 to 10, such as ``"7/10"``, as yes or no."""
    degree = re.fullmatch(r" *([0-9]|10)(?: */ *10)? *", as_text(value))
    return _text(degree[1] != "0" if degree else value)
