"""The comparison of two programs as text and HTML."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest

from edn360_chatkit import EnrichedTrainingProgram, ProgramDiff

from .compared import case, program


def test_changes_have_text_in_both_languages() -> None:
    old = program(
        [{"name": "Squat", "series": 3, "primary_group": "Legs"}, "Lunge"], ["Dip"], weeks=4
    )
    new = program(
        [{"name": "Squat", "series": 4, "primary_group": "Legs"}, "Step"],
        [],
        ["Dip", "Row"],
        weeks=6,
    )
    assert new.diff(old).to_text(lang="en") == (
        "Program\n- Weeks: 4 → 6\n\n"
        "D1\n- Squat: A · 1, sets 3 → 4\n"
        "- Lunge → Step: replaced, A · 2\n"
        "- Dip: moved, B · 1 → C · 1\n"
        "- Row: new, C · 2\n\n"
        "Weekly sets per muscle group\n- Legs: 3 → 4 (+1)\n"
    )
    assert "sustituido" in new.diff(old).to_text()
    assert "sustituido" in new.diff(old)._repr_html_()
    assert new.diff(new).to_text() == "Sin cambios.\n"
    assert "No changes." in new.diff(new).to_html(lang="en")
    for write in (new.diff(old).to_text, new.diff(old).to_html):
        with pytest.raises(ValueError, match="lang"):
            write(lang="fr")  # type: ignore[arg-type]


class Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)


def test_markup_in_changes_is_escaped() -> None:
    bad = '</li><script>alert(1)</script><img src=x onerror="x">'
    old = program([{"name": bad + "1", "reps": bad}], session=bad, goal=bad)
    new = program(
        [{"name": bad + "2", "primary_group": bad, "series": 3}], session=bad, goal=bad + "!"
    )
    html = new.diff(old).to_html()
    assert not Elements(html).names & {"script", "img"}
    assert "&lt;script&gt;" in html


def test_replaced_exercise_shows_new_values() -> None:
    diff = case("the RPE of an exercise that is replaced changed, too")
    line = "Remo en máquina → Jalón al pecho: sustituido, A · 1, 3 × 10, RPE 7 → 9"
    assert f"D1\n- {line}\n" == diff.to_text()


def test_change_of_reserve_is_shown_as_reserve() -> None:
    before, now = ({"name": "Squat", "rpe": rpe} for rpe in ("RIR 2", "RIR 1"))
    text = program([now], session="Legs").diff(program([before], session="Legs")).to_text()
    assert text == "Legs\n- Squat: A · 1, RIR 2 → RIR 1\n"


def test_notes_rest_and_tempo_are_compared() -> None:
    before = {"name": "Squat", "notes": "a", "descanso": "60 s", "tempo": "2-0-2-0"}
    now = {"name": "Squat", "notes": "b", "rest": "90 s", "tempo": "2-0-2-0", "progression": ["c"]}
    diff = program([now], general_notes="new").diff(program([before]))
    (change,) = diff.details
    assert [field.field for field in change.details] == ["notes", "rest", "progression"]
    assert change.details[1] == ("rest", "60 s", "90 s")
    assert diff.changed == ()
    notes = "notas: texto nuevo, descanso 60 s → 90 s, progresión: texto nuevo"
    assert "Notas generales: texto nuevo" in diff.to_text()
    assert f"Squat: A · 1, {notes}" in " ".join(diff.to_text().split())


def both(part: str, before: Any, now: Any, key: str) -> ProgramDiff:
    """The comparison of two programs that have another value of a key."""

    def build(value: Any) -> EnrichedTrainingProgram:
        own = {key: value}
        block = {"id": "A", "exercises": [{"name": "Squat", **(own if part == "exercise" else {})}]}
        block |= own if part == "block" else {}
        session = {"id": "D1", "blocks": [block], **(own if part == "session" else {})}
        data = {"sessions": [session], **(own if part == "program" else {})}
        return EnrichedTrainingProgram.model_validate(data)

    return build(now).diff(build(before))


LINES = {
    "program": "Programa\n- own key: {}\n",
    "session": "D1\n- own key: {}\n",
    "block": "D1\n- Bloque A: own key {}\n",
    "exercise": "D1\n- Squat: A · 1, own key {}\n",
}


@pytest.mark.parametrize("part", LINES)
@pytest.mark.parametrize(
    ("before", "now", "shown"),
    [
        (3, 4, "3 → 4"),
        (None, "cada 2 min", "- → cada 2 min"),
        (["a", 1], ["a", 2], "a, 1 → a, 2"),
        (True, False, "true → -"),
        ({"a": 1}, {"a": 2}, '{"a": 1} → {"a": 2}'),
    ],
)
def test_changed_unknown_key_shows_its_key(part: str, before: Any, now: Any, shown: str) -> None:
    assert both(part, before, now, "own_key").to_text() == LINES[part].format(shown)


@pytest.mark.parametrize("part", LINES)
def test_long_unknown_text_is_a_new_text(part: str) -> None:
    text = " ".join(both(part, "a" * 300, "b" * 300, "own_key").to_text().split())
    assert "own key: texto nuevo" in text
    assert "aaa" not in text


@pytest.mark.parametrize("part", LINES)
@pytest.mark.parametrize(
    ("before", "now"), [("3", 3), (False, None), ([], {}), ("", None), (["Remo"], "remo")]
)
def test_equal_unknown_values_are_no_change(part: str, before: Any, now: Any) -> None:
    assert not both(part, before, now, "own_key")


def test_fields_of_a_block_are_compared() -> None:
    def week(rounds: int, rest: str, *more: Any) -> EnrichedTrainingProgram:
        block = {"id": "A", "rounds": rounds, "descanso": rest, "exercises": [{"name": "Squat"}]}
        return EnrichedTrainingProgram.model_validate(
            {"sessions": [{"id": "D1", "blocks": [block, *more]}]}
        )

    diff = week(4, "90 s", {"id": "B", "notes": "Cinta"}).diff(week(3, "60 s"))
    (session,) = diff.sessions
    assert [(block.block, block.path, block.fields) for block in session.blocks] == [
        ("A", "sessions.0.blocks.0", (("rounds", 3, 4), ("rest", "60 s", "90 s"))),
        ("B", "sessions.0.blocks.1", (("notes", None, "Cinta"),)),
    ]
    assert diff.to_text(lang="en") == (
        "D1\n- Block A: rounds 3 → 4, rest 60 s → 90 s\n- Block B: notes: new text\n"
    )
    back = week(3, "60 s").diff(week(3, "60 s", {"notes": "Cinta"}))
    assert "Bloque 2: notas: sin texto" in back.to_text()


@pytest.mark.parametrize(
    ("part", "key"),
    [
        *(("program", key) for key in ("id", "summary")),
        *(("session", key) for key in ("id", "name")),
        *(("block", key) for key in ("id", "primary_muscles", "secondary_muscles")),
        *(("exercise", key) for key in ("id", "order", "video_url", "db_id", "primary_group")),
    ],
)
def test_place_video_and_muscles_are_not_compared(part: str, key: str) -> None:
    assert not both(part, "1", "2", key)
