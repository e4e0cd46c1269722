"""A training program as HTML: a fragment for notebooks, or a page of its own.

Neither has a script or asks anything of anybody. Every text passes through
:func:`~.elements.element`, which escapes it; in a text from elsewhere the direction of writing is
its own (``dir="auto"``, ``bdi``).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files

from ..core_block import read_core_block
from ..links import web_link
from ..model import Block, EnrichedTrainingProgram, Exercise, Language, TrainingSession
from .chart import MOST_BARS, bar_chart
from .content import LIST_MARK, Note, joined, read_facts, read_notes, series_and_reps, show_value
from .elements import Html, element, together
from .labels import Labels, labels
from .printable import one_line

_PAGE_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; background: light-dark(#f5f6f4, #121514); }
body > .edn360 { min-height: 100vh; border-radius: 0; }
@page { margin: 14mm; }
@media print { body { background: none; } }
"""


def program_html(program: EnrichedTrainingProgram, lang: Language) -> Html:
    """A program as a fragment for a page that belongs to somebody else, such as a notebook.

    Args:
        program: What to show. Whatever is missing in it is left out.
        lang: The language of the labels.
    """
    return fragment(_program(program, labels(lang)), lang=lang)


def program_page(program: EnrichedTrainingProgram, lang: Language) -> Html:
    """A program as a whole page, which forbids the browser every script and every request."""
    words = labels(lang)
    style = _PAGE_STYLE + _css()
    # The browser takes this style and no other, so that not even a style could ask for anything.
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = together(
        Html('<meta charset="utf-8">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<meta name="color-scheme" content="light dark">'),
        element("title", one_line(program.title) or words.program),
        element("style", Html(style)),
    )
    body = element("body", element("main", _program(program, words), class_="edn360"))
    return together(
        Html("<!DOCTYPE html>\n"), element("html", element("head", head), body, lang=lang), "\n"
    )


def fragment(*content: str, lang: Language | None = None) -> Html:
    """Content with its style, which holds for this fragment and nothing around it."""
    return element("div", element("style", Html(_css())), *content, class_="edn360", lang=lang)


@cache
def _css() -> str:
    return files("edn360_chatkit.program.rendering").joinpath("style.css").read_text("utf-8")


# --- the program ------------------------------------------------------------------------------


def _program(program: EnrichedTrainingProgram, words: Labels) -> Html:
    sessions = [
        _session(session, index, minutes, words)
        for index, (session, minutes) in enumerate(
            zip(program.sessions, program.estimated_session_minutes(), strict=True), 1
        )
    ]
    return element(
        "article",
        _head(program, words),
        _chart(program, words),
        *(sessions or [element("p", words.no_sessions, class_="empty")]),
        _remarks("h2", words.general_notes, program.general_notes, class_="general"),
    )


def _head(program: EnrichedTrainingProgram, words: Labels) -> Html:
    return element(
        "header",
        element("p", words.program, class_="kind"),
        element("h1", one_line(program.title) or words.program, dir="auto"),
        _paragraph(program.summary, class_="summary"),
        _facts(read_facts(program, words)),
    )


def _facts(facts: Sequence[tuple[str, str]]) -> Html:
    pairs = [
        element("div", element("dt", name), element("dd", text, dir="auto")) for name, text in facts
    ]
    return element("dl", *pairs, class_="facts") if pairs else together()


def _chart(program: EnrichedTrainingProgram, words: Labels) -> Html:
    sets = program.weekly_sets_by_muscle()
    if not sets:
        return together()
    rest = len(sets) - MOST_BARS
    more = element("p", f"+ {rest} {words.more}", class_="more") if rest > 0 else ""
    caption = element(
        "figcaption", element("b", words.weekly_sets), " ", element("span", words.how_counted)
    )
    return element("figure", caption, bar_chart(sets, words), more, class_="chart")


def _session(session: TrainingSession, index: int, minutes: float, words: Labels) -> Html:
    name = session.name if session.id or session.name else f"{words.session} {index}"
    focus = [element("li", element("bdi", word)) for word in session.focus or () if one_line(word)]
    core, rest = read_core_block(session.core_mobility_block)
    return element(
        "section",
        element(
            "header",
            element("h2", _id(session.id), element("bdi", name or "")),
            element("p", f"≈ {minutes:.0f} min ({words.estimated})", class_="minutes")
            if minutes
            else "",
            element("ul", *focus, class_="focus", aria_label=words.focus) if focus else "",
        ),
        *(_block(block, words) for block in session.blocks),
        element("p", words.no_blocks, class_="empty") if not session.blocks else "",
        _exercises(element("bdi", words.core), core.exercises, words, rest) if core else "",
        _remarks("h3", words.core, None if core else rest),
        _remarks("h3", words.session_notes, session.session_notes),
        class_="session",
    )


def _id(text: str | None) -> Html:
    """A session's or a block's id, with the blank that keeps it apart where no style does."""
    return together(element("bdi", text, class_="id"), " ") if text else together()


def _block(block: Block, words: Labels) -> Html:
    muscles, others = joined(block.primary_muscles), joined(block.secondary_muscles)
    name = together(
        _id(block.id),
        element("bdi", muscles) if muscles else "",
        element("span", f" {words.also} ", element("bdi", others), class_="also") if others else "",
    )
    return _exercises(name or words.block, block.exercises, words)


def _exercises(
    name: str, exercises: Sequence[Exercise], words: Labels, rest: object = None
) -> Html:
    columns = ("#", words.exercise, words.series_and_reps, "RPE", words.notes, words.video)
    header = element("tr", *(element("th", column, scope="col") for column in columns))
    table = element(
        "table",
        element("thead", header),
        element("tbody", *(_exercise(exercise, words) for exercise in exercises)),
    )
    return element(
        "section",
        element("h3", name),
        table if exercises else element("p", words.no_exercises, class_="empty"),
        _notes(rest) if rest else "",
        class_="block",
    )


def _exercise(exercise: Exercise, words: Labels) -> Html:
    groups = joined([exercise.primary_group, exercise.secondary_group])
    url = web_link(exercise.video_url)
    link = url and element(
        "a",
        words.video,
        href=url,
        rel="noopener noreferrer",
        target="_blank",
        aria_label=f"{words.video}: {exercise.name}",
    )
    return element(
        "tr",
        element("td", show_value(exercise.order), class_="order"),
        element(
            "th",
            element("bdi", exercise.name),
            element("bdi", groups, class_="groups") if groups else "",
            scope="row",
        ),
        element("td", series_and_reps(exercise), class_="load"),
        element("td", show_value(exercise.rpe), class_="rpe", data_label="RPE"),
        element("td", exercise.notes or "", class_="notes", dir="auto"),
        element("td", link or "", class_="video"),
    )


# --- notes ------------------------------------------------------------------------------------


def _paragraph(text: str | None, **attributes: str) -> Html:
    return element("p", text, dir="auto", **attributes) if text else together()


def _remarks(heading: str, name: str, content: object, class_: str = "") -> Html:
    if not content:
        return together()
    title = element(heading, name)
    return element("section", title, _notes(content), class_=f"remarks {class_}".rstrip())


def _notes(content: object) -> Html:
    return together(*_note_elements(read_notes(content)))


def _note_elements(notes: Sequence[Note]) -> Iterator[Html]:
    """Lines of text as paragraphs, entries of lists and objects as a list."""
    if notes and notes[0].mark:
        fields = notes[0].mark != LIST_MARK
        entries = map(_note_entry, notes)
        yield element("ul", *entries, class_="fields" if fields else None, dir="auto")
    else:
        yield from (_paragraph(note.text) for note in notes)


def _note_entry(note: Note) -> Html:
    key = together(element("b", note.mark), " ") if note.mark != LIST_MARK else ""
    text = element("bdi", note.text) if key and note.text else note.text
    return element("li", key, text, *_note_elements(note.notes))
