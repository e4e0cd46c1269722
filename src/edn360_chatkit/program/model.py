"""The training program that the workflow writes (``client_training_program_enriched``).

A language model wrote it, so little is required and nothing is dropped: a program with gaps is
delivered and its gaps are ``None``; ``model_dump(mode="json", exclude_unset=True)`` gives back
the JSON that came. What the program says in numbers is worked out by ``training``, and what it
looks like by ``rendering``; both are imported when they are asked for: whoever only runs the
workflow does not pay for them.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from pydantic import Field, StrictInt, StrictStr

from .._validation import as_model
from ..models.base import Number, OpenModel

if TYPE_CHECKING:
    from ..inputs import EDN360Input
    from .checks import Finding
    from .diff import ProgramDiff
    from .numbers import Range
    from .records import Record
    from .volume import PlannedExercise

Language: TypeAlias = Literal["es", "en"]
"""Spanish, which is the athletes', or English."""

Notes: TypeAlias = StrictStr | list[Any] | dict[str, Any]
"""Free notes: workflows write text, a list or an object, and nobody documents which."""


ROOT_KEY: Final = "client_training_program_enriched"
"""The root key of the program in the workflow's answer (source: the workflow's own documents)."""


class Exercise(OpenModel):
    """One exercise of a block. Only ``name`` is required.

    Attributes:
        order: Its place in the block, from 1.
        name: What it is called.
        primary_group: The muscle group that it is for.
        series: How many sets: a number, or a range such as ``"3-4"``.
        reps: Repetitions of a set, or its duration: ``"8-10"``, ``"45-60s"``, or a number.
        rpe: Rating of perceived exertion, 1 to 10: a number, or a range such as ``"7-8"``.
        video_url: A video that shows it.
        db_id: Its key in the workflow's exercise database, where it has one.
        secondary_group: A muscle group that also works.
        notes: What to look out for.
    """

    order: StrictInt | None = None
    name: StrictStr
    primary_group: StrictStr | None = None
    series: Number | StrictStr | None = None
    reps: Number | StrictStr | None = None
    rpe: Number | StrictStr | None = None
    video_url: StrictStr | None = None
    db_id: StrictStr | StrictInt | None = None
    secondary_group: StrictStr | None = None
    notes: StrictStr | None = Field(default=None, repr=False)

    @property
    def sets(self) -> float | None:
        """How many sets ``series`` asks for; of a range its middle, 3.5 of ``"3-4"``."""
        from .numbers import read_series

        found = read_series(self.series)
        return found and found.middle

    @property
    def reps_range(self) -> "Range | None":
        """The repetitions of a set, of each side where ``reps`` says so; ``None`` of a duration."""
        from .numbers import read_reps

        return read_reps(self.reps)

    @property
    def seconds_range(self) -> "Range | None":
        """The seconds that a set lasts, where ``reps`` is a duration such as ``"45-60s"``."""
        from .numbers import read_seconds

        return read_seconds(self.reps)

    @property
    def rpe_range(self) -> "Range | None":
        """The rating of perceived exertion, as it was written: it may lie outside of 1 to 10."""
        from .numbers import read_rpe

        return read_rpe(self.rpe)


class Block(OpenModel):
    """A group of exercises done together. Only ``exercises`` is required.

    Attributes:
        id: Its letter in the session, such as ``"A"``.
        primary_muscles: The muscles that it is for.
        secondary_muscles: Muscles that also work.
        exercises: In the order in which they are done.
    """

    id: StrictStr | None = None
    primary_muscles: list[StrictStr] | None = None
    secondary_muscles: list[StrictStr] | None = None
    exercises: list[Exercise]


class TrainingSession(OpenModel):
    """One training day. Only ``blocks`` is required.

    Attributes:
        id: Its number in the week, such as ``"D1"``.
        name: What it is called.
        focus: What it is for.
        blocks: In the order in which they are done.
        session_notes: What to know about this day.
        core_mobility_block: A closing block for core and mobility, as the workflow wrote it.
    """

    id: StrictStr | None = None
    name: StrictStr | None = None
    focus: list[StrictStr] | None = None
    blocks: list[Block]
    session_notes: Notes | None = Field(default=None, repr=False)
    core_mobility_block: Notes | None = Field(default=None, repr=False)


class EnrichedTrainingProgram(OpenModel):
    """A training program. Only ``title`` and ``sessions`` are required.

    Attributes:
        title: What it is called.
        summary: What it does, in a few sentences.
        goal: What it is for.
        training_type: The kind of training, such as ``"strength"``.
        days_per_week: Training days in a week.
        session_duration_min: How long a session takes, in minutes.
        weeks: How many weeks it runs.
        sessions: The days of one week.
        general_notes: What holds for all of it.
    """

    title: StrictStr
    summary: StrictStr | None = None
    goal: StrictStr | None = None
    training_type: StrictStr | None = None
    days_per_week: StrictInt | None = None
    session_duration_min: StrictInt | None = None
    weeks: StrictInt | None = None
    sessions: list[TrainingSession]
    general_notes: Notes | None = None

    def exercises(self) -> "Iterator[PlannedExercise]":
        """Every exercise of the sessions' blocks, as ``(session, block, exercise)``.

        Those of a ``core_mobility_block`` are not among them: it has no form that is documented.
        """
        from .volume import exercises

        return exercises(self)

    def weekly_sets(self) -> float:
        """The sets of one week, of all exercises whose ``series`` says how many."""
        from .volume import weekly_sets

        return weekly_sets(self)

    def weekly_sets_by_muscle(self) -> dict[str, float]:
        """The sets of one week by muscle, the largest number first.

        A set counts whole for each muscle of the exercise's ``primary_group`` and half for each of
        its ``secondary_group``, the way of counting with the strongest evidence in Pelland et al.
        (2024, SportRxiv preprint). Where the exercise names none, the muscles of its block count.
        Names that differ in case or accents only are one muscle.
        """
        from .volume import weekly_sets_by_muscle

        return weekly_sets_by_muscle(self)

    def estimated_session_minutes(self) -> list[float]:
        """How many minutes each session takes, in their order; 0 where it has no countable sets.

        Warm-up 10 minutes, 3 seconds a repetition, 2 minutes of rest after each set, 1 minute
        between two exercises, 5 minutes for a ``core_mobility_block``. ``training/volume.py`` says
        where each comes from. A rough guide: nobody's rests are known.
        """
        from .volume import estimated_session_minutes

        return estimated_session_minutes(self)

    def check(self, against: "EDN360Input | Mapping[str, Any] | None" = None) -> "list[Finding]":
        """What a coach should look at before the program reaches the athlete.

        Nothing is ever blocked by it. ``docs/programs.md`` lists the checks.

        Args:
            against: The athlete's data, also as a mapping. Days, minutes, equipment, injuries and
                exercises to avoid are compared where a questionnaire says something about them
                beyond doubt.

        Returns:
            The findings, in the order of the program; none where there is nothing to say.

        Raises:
            InvalidInputError: ``against`` is no ``EDN360Input``; ``.errors`` has every field at
                fault.
        """
        from ..inputs import EDN360Input
        from .checks import check

        return check(self, None if against is None else as_model(EDN360Input, against))

    def diff(self, previous: "EnrichedTrainingProgram | Mapping[str, Any]") -> "ProgramDiff":
        """What changed since the program before.

        Exercises are the same if they have the same ``db_id``, else the same name, whatever its
        case and accents; two that stand in the same place are one replaced by the other, and so
        are two names with one ``db_id``.

        Args:
            previous: The program before, such as the one that an evolution started from, also as
                a mapping.

        Returns:
            The changes; false if there are none.

        Raises:
            InvalidInputError: ``previous`` is no program; ``.errors`` has every field at fault.
        """
        from .diff import diff

        return diff(self, as_model(EnrichedTrainingProgram, previous))

    def to_records(self) -> "list[Record]":
        """One flat mapping for each exercise of the blocks, for pandas, polars or a database.

        Returns:
            Records with the same columns in the same order, always; ``docs/programs.md`` lists
            them. Each column holds one type, or ``None``.
        """
        from .records import to_records

        return to_records(self)

    def to_html(self, *, full_page: bool = False, lang: Language = "es") -> str:
        """The program as HTML, without a script and without a request to anywhere.

        Args:
            full_page: A whole page, for a browser or a printer; else a fragment with its style,
                for a page of your own.
            lang: The language of the labels, ``"es"`` or ``"en"``.

        Returns:
            HTML in which everything that the workflow wrote is escaped, and only URLs of http and
            https are links.

        Raises:
            ValueError: ``lang`` is another one.
        """
        from .rendering.html import program_html, program_page

        return program_page(self, lang) if full_page else program_html(self, lang)

    def to_markdown(self, *, lang: Language = "es") -> str:
        """The program as Markdown with tables, in which what the workflow wrote is escaped.

        Args:
            lang: The language of the labels, ``"es"`` or ``"en"``.

        Raises:
            ValueError: ``lang`` is another one.
        """
        from .rendering.markdown import program_markdown

        return program_markdown(self, lang)

    def to_text(self, *, lang: Language = "es") -> str:
        """The program as plain text of at most 80 columns.

        Args:
            lang: The language of the labels, ``"es"`` or ``"en"``.

        Raises:
            ValueError: ``lang`` is another one.
        """
        from .rendering.text import program_text

        return program_text(self, lang)

    def _repr_html_(self) -> str:
        return self.to_html()

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [("title", self.title), ("weeks", self.weeks), ("sessions", len(self.sessions))]
