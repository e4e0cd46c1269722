"""The training program that the workflow writes (``client_training_program_enriched``).

The fields are in ``data.py``. Methods import numbers, checks, comparison and renderings when they
are called: a process that only runs the workflow does not load them.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from .._validation import validate
from .data import Block as Block
from .data import Exercise as Exercise
from .data import ProgramData
from .data import TrainingSession as TrainingSession
from .texts import Language as Language

if TYPE_CHECKING:
    from ..inputs import EDN360Input
    from .checks import Findings
    from .diff import ProgramDiff
    from .records import Record

ROOT_KEY: Final = "client_training_program_enriched"
"""The root key of the program in the workflow's answer (source: the workflow's own documents)."""


class EnrichedTrainingProgram(ProgramData):
    """A training program. Only ``sessions`` is required.

    Attributes:
        title: The title.
        summary: A few sentences about the program.
        goal: The goal.
        training_type: The kind of training, for example ``"strength"``.
        days_per_week: Training days in a week.
        session_duration_min: The length of a session, in minutes.
        weeks: The length of the program, in weeks.
        sessions: The days of one week.
        general_notes: Notes for the whole program.
    """

    def weekly_sets(self) -> float:
        """The sets of a week. Exercises with unreadable ``series`` do not count."""
        return round(sum(planned.exercise.sets or 0.0 for planned in self.exercises()), 2)

    def weekly_sets_by_muscle(self) -> dict[str, float]:
        """The sets of a week by muscle, the largest number first.

        A set counts whole for each muscle of ``primary_group`` and half for each muscle of
        ``secondary_group``: the method with the strongest evidence in Pelland et al. (2024,
        SportRxiv preprint). If an exercise names no muscle, the muscles of its block count.
        Synonyms, plurals, case and accents do not matter.
        """
        from .volume import weekly_sets_by_muscle

        return weekly_sets_by_muscle(self)

    def estimated_session_minutes(self) -> list[float]:
        """The estimated minutes of each session; 0 for a session without countable sets.

        This is a rough guide. A rest in the program counts. Without it, a rest has 90 seconds
        between sets, and 10 seconds within a superset. ``docs/programs.md`` has the assumptions
        and their sources.
        """
        from .volume import session_minutes

        return [session_minutes(session) for session in self.sessions]

    def check(self, against: "EDN360Input | Mapping[str, Any] | None" = None) -> "Findings":
        """Find the faults that a coach should review before the athlete gets the program.

        In a notebook the last line of a cell shows the list as a table; ``.to_html(lang="en")``
        gives the table in English.

        A finding never blocks a program. ``docs/programs.md`` lists the checks.

        Args:
            against: The athlete's data, also as a mapping. Days, minutes, equipment, injuries and
                exercises to avoid are compared if a questionnaire states them clearly.

        Raises:
            InvalidInputError: ``against`` is no ``EDN360Input``.
        """
        from ..inputs import EDN360Input
        from .checks import check

        edn360_input = None if against is None else validate(EDN360Input, against)
        del against
        if isinstance(edn360_input, Exception):
            raise edn360_input
        return check(self, edn360_input)

    def diff(self, previous: "EnrichedTrainingProgram | Mapping[str, Any]") -> "ProgramDiff":
        """Compare with the previous program.

        ``docs/programs.md`` defines when two exercises are equal.

        Args:
            previous: The previous program, also as a mapping.

        Raises:
            InvalidInputError: ``previous`` is no program.
        """
        from .diff import diff

        program = validate(EnrichedTrainingProgram, previous)
        del previous
        if isinstance(program, Exception):
            raise program
        return diff(self, program)

    def to_records(self) -> "list[Record]":
        """A flat mapping for each exercise of the blocks, for pandas, polars or a database.

        Every record has each column of ``docs/programs.md``. The values of a column have a single
        type, or are ``None``.
        """
        from .records import to_records

        return to_records(self)

    def to_html(
        self, *, full_page: bool = False, lang: Language = "es", log_columns: bool = False
    ) -> str:
        """The program as HTML, without scripts and requests; the text is escaped.

        In a notebook the last line of a cell shows it: ``program.to_html(lang="en")``.

        Args:
            full_page: ``True`` for a whole page, for a browser or a printer; ``False`` for a
                fragment with its style.
            lang: The language of the labels, ``"es"`` or ``"en"``.
            log_columns: Print blank columns S1 to S4, for the kilograms and repetitions of each
                set.

        Raises:
            ValueError: ``lang`` is another language.
        """
        from .rendering.html import program_html, program_page

        show = program_page if full_page else program_html
        return show(self, lang, log_columns=log_columns)

    def to_markdown(self, *, lang: Language = "es") -> str:
        """The program as Markdown with tables. The text of the workflow is escaped.

        Raises ``ValueError`` if ``lang`` is not ``"es"`` or ``"en"``.
        """
        from .rendering.markdown import program_markdown

        return program_markdown(self, lang)

    def to_text(self, *, lang: Language = "es") -> str:
        """The program as plain text of at most 80 columns.

        Raises ``ValueError`` if ``lang`` is not ``"es"`` or ``"en"``.
        """
        from .rendering.text import program_text

        return program_text(self, lang)

    def _repr_html_(self) -> str:
        return self.to_html()

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [("title", self.title), ("weeks", self.weeks), ("sessions", len(self.sessions))]
