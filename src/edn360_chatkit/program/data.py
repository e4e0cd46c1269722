"""The training program as data. Only the skeleton of lists and objects can be invalid.

To add an optional field of an exercise, declare it in :class:`Exercise`: every rendering and
``to_records`` show it. A label in ``texts/es.ini`` and ``texts/en.ini`` is optional.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, TypeAlias, cast

from pydantic import (
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_serializer,
    model_validator,
)
from typing_extensions import Self

from ..models.base import OpenModel

if TYPE_CHECKING:
    from .numbers import Range

# --- the types of fields --------------------------------------------------------------------------

# Each reads a value of any type and never fails. The result is the typed value or None, since a
# wrong number is worse than none: "4 semanas" are 4 weeks; 4.5, "3-4" and "1 mes" are None.


def _whole(unit: str = "") -> BeforeValidator:
    """A whole number; a text may have one of these units behind it."""
    pattern = rf"(?i)\s*([0-9]{{1,9}})(?:[.,]00?)?\s*(?:{unit})?\s*\.?\s*"

    def read(value: Any) -> int | None:
        if isinstance(value, str) and len(value) < 60 and (match := re.fullmatch(pattern, value)):
            return int(match[1])
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
            return int(value)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    return BeforeValidator(read)


def _number_or_text(value: Any) -> Any:
    return value if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    """A text; a number as text, since ids and names are numbers sometimes."""
    value = _number_or_text(value)
    if value is None:
        return None
    try:
        return f"{value:.12g}" if isinstance(value, float) else str(value)
    except ValueError:
        return None  # a number of thousands of digits, which Python does not write out


def _texts(value: Any) -> list[str] | None:
    """A list of texts; a text is a list of one."""
    items = cast("list[object]", value) if isinstance(value, list) else [value]
    texts = [text for item in items if (text := _text(item)) is not None]
    return texts if texts or items is value else None


def _notes(value: Any) -> Any:
    return None if isinstance(value, (bool, int, float)) else value


Order: TypeAlias = Annotated[StrictInt | None, _whole()]
Weeks: TypeAlias = Annotated[StrictInt | None, _whole("semanas?|sem|weeks?")]
Minutes: TypeAlias = Annotated[StrictInt | None, _whole("min|mins|minutos?|minutes?|'")]
DaysPerWeek: TypeAlias = Annotated[
    StrictInt | None,
    _whole(
        r"(?:d[ií]as?|days?|veces|times|sesiones|sessions)"
        r"(?:\s+(?:por|a la|per|a|each)\s+(?:semana|week))?"
    ),
]
Text: TypeAlias = Annotated[StrictStr | None, BeforeValidator(_text)]
Texts: TypeAlias = Annotated[list[StrictStr] | None, BeforeValidator(_texts)]
Key: TypeAlias = StrictStr | Order
NumberOrText: TypeAlias = Annotated[
    StrictInt | StrictFloat | StrictStr | None, BeforeValidator(_number_or_text)
]
Notes: TypeAlias = Annotated[StrictStr | list[Any] | dict[str, Any] | None, BeforeValidator(_notes)]
"""Free notes: workflows write a text, a list or an object; the form is not documented."""

IfPresent: BeforeValidator = BeforeValidator(lambda value: [] if value is None else value)
"""For a list of objects that may be missing or null. Anything else than a list is invalid."""

# --- the parts ------------------------------------------------------------------------------------


class ProgramPart(OpenModel):
    """A part of a program.

    An attribute is the typed value or ``None``; ``raw`` is the value as the workflow wrote it, and
    ``model_dump`` gives that back.
    """

    # None and not an empty dict: a program has thousands of parts.
    _other_kinds: dict[str, Any] | None = PrivateAttr(default=None)

    def raw(self, field: str) -> Any:
        """A field's value as the workflow wrote it, whatever its type; ``None`` if missing.

        Args:
            field: The key, such as ``"weeks"``. Unknown keys work as well.
        """
        if self._other_kinds is not None and field in self._other_kinds:
            return self._other_kinds[field]
        return self.__dict__.get(field, (self.model_extra or {}).get(field))

    def other_kinds(self) -> dict[str, Any]:
        """The fields whose value is of another type than it should be, as it was written."""
        return dict(self._other_kinds or {})

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy; a field in ``update`` loses the value that the workflow wrote."""
        copied = super().model_copy(update=update, deep=deep)
        kept = copied.other_kinds().items()
        copied._other_kinds = {name: value for name, value in kept if name not in (update or {})}
        return copied

    @model_validator(mode="wrap")
    @classmethod
    def _keep_other_kinds(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        part = handler(data)
        if isinstance(data, Mapping):
            values = cast("Mapping[str, Any]", data)
            other_kinds = {
                name: values[name]
                for name, typed in part.__dict__.items()
                if name in values and not _is_same(values[name], typed)
            }
            if other_kinds:
                part._other_kinds = other_kinds
        # Parts with equal fields share a set: sets are a third of a program's memory.
        fields_set = _shared_set(frozenset(part.model_fields_set))
        object.__setattr__(part, "__pydantic_fields_set__", fields_set)
        return part

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = handler(self)
        data.update((k, value) for k, value in self.other_kinds().items() if k in data)
        return data


@lru_cache(maxsize=256)
def _shared_set(names: frozenset[str]) -> set[str]:
    return set(names)


def _is_same(written: Any, typed: Any) -> bool:
    items = cast("list[object]", typed) if isinstance(typed, list) else []
    # Parts keep their own values.
    is_parts = any(isinstance(item, ProgramPart) for item in items)
    is_same_type = type(cast("object", written)) is type(cast("object", typed))
    return is_parts or written is typed or (is_same_type and bool(written == typed))


class Exercise(ProgramPart):
    """One exercise of a block. No field is required.

    Attributes:
        order: The position in the block, from 1.
        name: The name.
        primary_group: The muscle group that it trains.
        series: The sets: a number, or a range such as ``"3-4"``.
        reps: Repetitions of a set, or its duration: ``"8-10"``, ``"45-60s"``, or a number.
        rpe: Rating of perceived exertion, 1 to 10: a number, or a range such as ``"7-8"``.
        video_url: A video of the exercise.
        db_id: The key in the workflow's exercise database.
        secondary_group: A muscle group that also works.
        notes: Notes for the athlete.
        exercise_types: Kinds of exercise; the newest workflow writes them, some without a name.
        rest: Rest between sets, such as ``"90s"``.
        tempo: Tempo of a repetition, such as ``"3-1-1-0"``.
        warmup: Warm-up sets.
        progression: How the exercise changes over the weeks.
    """

    order: Order = None
    name: Text = None
    primary_group: Text = None
    series: NumberOrText = None
    reps: NumberOrText = None
    rpe: NumberOrText = None
    video_url: Text = None
    db_id: Key = None
    secondary_group: Text = None
    notes: Annotated[Text, Field(repr=False)] = None
    exercise_types: Texts = None
    rest: NumberOrText = None
    tempo: Text = None
    warmup: Notes = None
    progression: Notes = None

    @property
    def sets(self) -> float | None:
        """The sets that ``series`` asks for; of a range the middle, 3.5 of ``"3-4"``."""
        from .numbers import read_series

        series = read_series(self.series)
        return series and series.middle

    @property
    def reps_range(self) -> Range | None:
        """The repetitions of a set, of each side if ``reps`` says so; ``None`` for a duration."""
        from .numbers import read_reps

        return read_reps(self.reps)

    @property
    def seconds_range(self) -> Range | None:
        """The seconds of a set, if ``reps`` is a duration such as ``"45-60s"``."""
        from .numbers import read_seconds

        return read_seconds(self.reps)

    @property
    def rpe_range(self) -> Range | None:
        """The rating of perceived exertion as it was written; it may be outside of 1 to 10."""
        from .numbers import read_rpe

        return read_rpe(self.rpe)


EXERCISE_COLUMNS: Final = (
    *("order", "name", "primary_group", "secondary_group", "series", "reps", "rpe", "notes"),
    *("video_url", "db_id", "exercise_types"),
)
"""The fields with a place of their own. Renderings show all others below the notes."""


def written(part: ProgramPart) -> dict[str, Any]:
    """A part's values as the workflow wrote them; a synonym stands under the field's key."""
    from .vocabulary import read_file

    extra = part.model_extra or {}
    values = {**part.__dict__, **part.other_kinds(), **extra}
    for field, keys in read_file()["synonyms"].items() if extra else ():
        key = next((key for key in keys.split() if extra.get(key) not in (None, "")), None)
        if key and values.get(field) in (None, ""):
            values[field] = values.pop(key)
    return values


class Block(ProgramPart):
    """A group of exercises that are done together. No field is required.

    Attributes:
        id: The letter in the session, such as ``"A"``.
        primary_muscles: The muscles that it trains.
        secondary_muscles: Muscles that also work.
        exercises: The exercises, in the order in which they are done.
    """

    id: Text = None
    primary_muscles: Texts = None
    secondary_muscles: Texts = None
    exercises: Annotated[list[Exercise], IfPresent] = Field(default_factory=list[Exercise])


class TrainingSession(ProgramPart):
    """One training day. No field is required.

    Attributes:
        id: The number in the week, such as ``"D1"``.
        name: The name.
        focus: What the session trains.
        blocks: The blocks, in the order in which they are done.
        session_notes: Notes for this day.
        core_mobility_block: A closing block for core and mobility, as the workflow wrote it.
    """

    id: Text = None
    name: Text = None
    focus: Texts = None
    blocks: Annotated[list[Block], IfPresent] = Field(default_factory=list[Block])
    session_notes: Annotated[Notes, Field(repr=False)] = None
    core_mobility_block: Annotated[Notes, Field(repr=False)] = None


class PlannedExercise(NamedTuple):
    """An exercise with its session and block."""

    session: TrainingSession
    block: Block
    exercise: Exercise


class ProgramData(ProgramPart):
    """The fields of a training program. No object is of this class itself."""

    title: Text = None
    summary: Text = None
    goal: Text = None
    training_type: Text = None
    days_per_week: DaysPerWeek = None
    session_duration_min: Minutes = None
    weeks: Weeks = None
    sessions: list[TrainingSession]
    general_notes: Notes = None

    def exercises(self) -> Iterator[PlannedExercise]:
        """Every exercise of the blocks as ``(session, block, exercise)``.

        Without those of a ``core_mobility_block``, whose form is not documented.
        """
        for session in self.sessions:
            for block in session.blocks:
                for exercise in block.exercises:
                    yield PlannedExercise(session, block, exercise)


FACTS: Final = ("goal", "training_type", "weeks", "days_per_week", "session_duration_min")
"""The fields that sum a program up."""
