"""The training program that the workflow writes (``client_training_program_enriched``).

A language model wrote it, so little is required and nothing is dropped: a program with gaps is
delivered and its gaps are ``None``; ``model_dump(mode="json", exclude_unset=True)`` gives back
the JSON that came.
"""

from typing import Any, TypeAlias

from pydantic import StrictInt, StrictStr

from ._open import Number, OpenModel

Notes: TypeAlias = StrictStr | list[Any] | dict[str, Any]
"""Free notes: workflows write text, a list or an object, and nobody documents which."""


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
    notes: StrictStr | None = None


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
    session_notes: Notes | None = None
    core_mobility_block: Notes | None = None


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

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [("title", self.title), ("weeks", self.weeks), ("sessions", len(self.sessions))]
