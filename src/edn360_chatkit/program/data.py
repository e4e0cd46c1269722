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

from .._json import as_list, is_list
from ..models.base import OpenModel

if TYPE_CHECKING:
    from .numbers import Range

# Each validator accepts a value of any type and never fails. A value that is not clear becomes
# None, since no number is better than a wrong number: "4 semanas" are 4 weeks; 4.5, "3-4" and
# "1 mes" are None.


def _whole_number(unit: str = "") -> BeforeValidator:
    """Read a whole number; in a text, a unit may follow it."""
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
    """Read a text, or a number as text: some ids and names are numbers."""
    value = _number_or_text(value)
    if value is None:
        return None
    try:
        return f"{value:.12g}" if isinstance(value, float) else str(value)
    except ValueError:
        return None  # Python refuses to write an int of thousands of digits


def _texts(value: Any) -> list[str] | None:
    """Read a list of texts; a single text becomes a list."""
    items = value if is_list(value) else [value]
    texts = [text for item in items if (text := _text(item)) is not None]
    return texts if texts or items is value else None


def _notes(value: Any) -> Any:
    return None if isinstance(value, (bool, int, float)) else value


Order: TypeAlias = Annotated[StrictInt | None, _whole_number()]
Weeks: TypeAlias = Annotated[StrictInt | None, _whole_number("semanas?|sem|weeks?")]
Minutes: TypeAlias = Annotated[StrictInt | None, _whole_number("min|mins|minutos?|minutes?|'")]
DaysPerWeek: TypeAlias = Annotated[
    StrictInt | None,
    _whole_number(
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
"""Free notes: a text, a list or an object. Their form is not documented."""

IfPresent: BeforeValidator = BeforeValidator(lambda value: [] if value is None else value)
"""For a list of objects that may be missing or null. Any other value is invalid."""


class ProgramPart(OpenModel):
    """A part of a program.

    An attribute is the typed value or ``None``. :meth:`raw` returns the value as the workflow wrote
    it, and ``model_dump`` writes this value again.
    """

    # None and not an empty dict: a program has thousands of parts.
    _other_kinds: dict[str, Any] | None = PrivateAttr(default=None)

    def raw(self, field: str) -> Any:
        """The value of a field as the workflow wrote it, of any type; ``None`` if it is missing.

        Args:
            field: The key, for example ``"weeks"``. Unknown keys work as well.
        """
        if self._other_kinds is not None and field in self._other_kinds:
            return self._other_kinds[field]
        return self.__dict__.get(field, (self.model_extra or {}).get(field))

    def other_kinds(self) -> dict[str, Any]:
        """The raw values of the fields that have a value of another type."""
        return dict(self._other_kinds or {})

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy. A field in ``update`` loses its raw value."""
        copy = super().model_copy(update=update, deep=deep)
        raw = copy.other_kinds().items()
        copy._other_kinds = {name: value for name, value in raw if name not in (update or {})}
        return copy

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
        # Parts with equal fields share a set: their sets were a third of a program's memory.
        fields_set = _shared_set(frozenset(part.model_fields_set))
        object.__setattr__(part, "__pydantic_fields_set__", fields_set)
        return part

    @model_serializer(mode="wrap")
    def _dump_raw_values(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = handler(self)
        data.update((key, value) for key, value in self.other_kinds().items() if key in data)
        return data


@lru_cache(maxsize=256)
def _shared_set(names: frozenset[str]) -> set[str]:
    return set(names)


def _is_same(raw: Any, typed: Any) -> bool:
    # Each part in a list holds its own raw values.
    is_parts = any(isinstance(item, ProgramPart) for item in as_list(typed))
    return is_parts or raw is typed or (type(raw) is type(typed) and bool(raw == typed))


class Exercise(ProgramPart):
    """An exercise of a block. No field is required.

    Attributes:
        order: The position in the block, from 1.
        name: The name.
        primary_group: The muscle group that it trains.
        series: The sets: a number, or a range, for example ``"3-4"``.
        reps: Repetitions of a set, or its duration: ``"8-10"``, ``"45-60s"``, or a number.
        rpe: Rating of perceived exertion, 1 to 10: a number, or a range, for example ``"7-8"``.
        video_url: A video of the exercise.
        db_id: The key in the workflow's exercise database.
        secondary_group: A muscle group that also works.
        notes: Notes for the athlete.
        exercise_types: Kinds of exercise. The newest workflow writes them, sometimes without a
            name.
        rest: Rest between sets, for example ``"90s"``.
        tempo: Tempo of a repetition, for example ``"3-1-1-0"``.
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
        """The number of sets in ``series``; the middle of a range: 3.5 of ``"3-4"``."""
        from .numbers import read_series

        series = read_series(self.series)
        return series and series.middle

    @property
    def reps_range(self) -> Range | None:
        """The repetitions of a set, or of each side if ``reps`` names one; ``None`` for a time."""
        from .numbers import read_reps

        return read_reps(self.reps)

    @property
    def seconds_range(self) -> Range | None:
        """The seconds of a set, if ``reps`` is a duration, for example ``"45-60s"``."""
        from .numbers import read_seconds

        return read_seconds(self.reps)

    @property
    def rpe_range(self) -> Range | None:
        """The rating of perceived exertion in ``rpe``; it may be outside of 1 to 10."""
        from .numbers import read_rpe

        return read_rpe(self.rpe)


EXERCISE_COLUMNS: Final = (
    *("order", "name", "primary_group", "secondary_group", "series", "reps", "rpe", "notes"),
    *("video_url", "db_id", "exercise_types"),
)
"""The fields that have a column. Renderings show every other field below the notes."""


def raw_values(part: ProgramPart) -> dict[str, Any]:
    """The values as the workflow wrote them. The key of a synonym becomes the field's key."""
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
        id: The letter in the session, for example ``"A"``.
        primary_muscles: The muscles that it trains.
        secondary_muscles: Muscles that also work.
        exercises: The exercises, in the order in which they are done.
    """

    id: Text = None
    primary_muscles: Texts = None
    secondary_muscles: Texts = None
    exercises: Annotated[list[Exercise], IfPresent] = Field(default_factory=list[Exercise])


class TrainingSession(ProgramPart):
    """A training day. No field is required.

    Attributes:
        id: The number in the week, for example ``"D1"``.
        name: The name.
        focus: The focus, for example the muscles that it trains.
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
    """The fields of a training program, for :class:`~.model.EnrichedTrainingProgram`."""

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

        A ``core_mobility_block`` is left out: its form is not documented.
        """
        for session in self.sessions:
            for block in session.blocks:
                for exercise in block.exercises:
                    yield PlannedExercise(session, block, exercise)


FACTS: Final = ("goal", "training_type", "weeks", "days_per_week", "session_duration_min")
"""The fields that summarize a program."""
