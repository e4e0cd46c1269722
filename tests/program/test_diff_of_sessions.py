"""The comparison of two programs whose exercises or sessions have another place."""

from __future__ import annotations

import pytest

from edn360_chatkit import EnrichedTrainingProgram

from .compared import case, days, names, program


def test_shifted_exercise_is_not_moved() -> None:
    diff = program(["New", "Squat", "Row"]).diff(program(["Squat", "Row"]))
    assert diff.moved == ()
    swapped = program(["Row", "Squat"]).diff(program(["Squat", "Row"]))
    assert names(swapped.moved) == [("Row", "Row"), ("Squat", "Squat")]
    other_block = program(["Squat"], ["Row"]).diff(program(["Squat", "Row"]))
    assert names(other_block.moved) == [("Row", "Row")]
    monday, friday = program(["Squat", "Row"], session="D1"), program(["Dip"], session="D2")
    old = monday.model_copy(update={"sessions": [*monday.sessions, *friday.sessions]})
    monday, friday = program(["Row"], session="D1"), program(["Dip", "Squat"], session="D2")
    new = monday.model_copy(update={"sessions": [*monday.sessions, *friday.sessions]})
    assert names(new.diff(old).moved) == [("Squat", "Squat")]


@pytest.mark.parametrize(
    "now",
    [("Día 1", "Día 2"), ("d1 ", "D2"), ("D1", None), (None, None), ("Lunes", "D2"), ("D1", "D1")],
)
def test_renamed_session_moves_no_exercise(now: tuple[str | None, ...]) -> None:
    assert not days(*now).diff(days("D1", "D2"))
    assert not days("D1", "D2").diff(days(*now))
    assert not days("D1", "D2", blocks="12").diff(days(*now))


def test_session_id_counts_before_the_position() -> None:
    old, swapped = days("D1", "D2"), days("D2", "D1")
    assert [change.old.exercise.name for change in swapped.diff(old).moved] == ["Own 0", "Own 1"]
    reversed_days = old.model_copy(update={"sessions": old.sessions[::-1]})
    assert not reversed_days.diff(old)


def test_name_equal_to_id_appears_once() -> None:
    week = [{"id": "Push", "name": "Push", "blocks": [{"exercises": [{"name": "Dip"}]}]}]
    new = EnrichedTrainingProgram.model_validate({"sessions": week})
    text = new.diff(program(["Squat"], ["Row"])).to_text()
    assert "\nPush\n" in text
    assert "Push · Push" not in text


def test_swapped_sessions_give_a_single_line() -> None:
    diff = case("two sessions changed places, and their ids were written anew")
    assert (diff.moved, diff.replaced, diff.added, diff.removed) == ((), (), (), ())
    assert diff.to_text() == "Programa\n- Torso ↔ Pierna: D1 ↔ D2\n"


@pytest.mark.parametrize("name", ["Día {}", "Full body {}", ""])
def test_sessions_with_position_names_can_be_swapped(name: str) -> None:
    days = [["Remo", "Press", "Curl"], ["Sentadilla", "Puente", "Plancha"]]
    old, new = (
        EnrichedTrainingProgram.model_validate(
            {
                "sessions": [
                    {
                        "id": f"D{n}",
                        "name": name.format(n),
                        "blocks": [{"exercises": [{"name": exercise} for exercise in exercises]}],
                    }
                    for n, exercises in enumerate(week, 1)
                ]
            }
        )
        for week in (days, days[::-1])
    )
    diff = new.diff(old)
    assert diff.moved == ()
    assert len(diff.to_text().splitlines()) == 2
    assert "D1 ↔ D2" in diff.to_text()


def test_new_and_removed_sessions_show_exercises() -> None:
    week = days("D1", "D2", "D3")
    shorter = week.model_copy(update={"sessions": week.sessions[:2]})
    more, fewer = week.diff(shorter), shorter.diff(week)
    assert "Program\n- New session: D3\n\nD3\n- Squat: new" in more.to_text(lang="en")
    assert "Program\n- Session removed: D3\n\nD3\n- Squat: removed" in fewer.to_text(lang="en")
    assert (len(more.added), len(fewer.removed)) == (3, 3)


def test_removed_session_moves_no_other_exercise() -> None:
    pairs = zip(("Torso", "Pierna", "Cuerpo"), days("D1", "D2", "D3").sessions, strict=True)
    week = [session.model_copy(update={"name": name}) for name, session in pairs]
    remaining = [
        session.model_copy(update={"id": f"D{day}"}) for day, session in enumerate(week[::2], 1)
    ]
    old, new = (
        program().model_copy(update={"sessions": sessions}) for sessions in (week, remaining)
    )
    diff = new.diff(old)
    assert (diff.moved, diff.replaced, diff.added) == ((), (), ())
    assert [place.exercise.name for place in diff.removed] == ["Squat", "Own 1", "Row"]
    assert "Cuerpo: D3 → D2" in diff.to_text()


def test_moved_exercise_shows_previous_session() -> None:
    monday, friday = program(["Squat", "Row"], session="D1"), program(["Dip"], session="D2")
    old = monday.model_copy(update={"sessions": [*monday.sessions, *friday.sessions]})
    monday, friday = program(["Squat"], session="D1"), program(["Dip", "Row"], session="D2")
    new = monday.model_copy(update={"sessions": [*monday.sessions, *friday.sessions]})
    assert new.diff(old).to_text() == "D2\n- Row: cambia de sitio, D1 · A · 2 → A · 2\n"
