"""The comparison of two programs, and an input with the previous program."""

from __future__ import annotations

import json
import time
from html.parser import HTMLParser
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings

from edn360_chatkit import EDN360Input, EnrichedTrainingProgram, InvalidInputError, ProgramDiff
from edn360_chatkit.program.change import ExerciseChange, Place
from tests.support.samples import ATHLETE, inputs, programs

EXAMPLES = Path(__file__).parents[2] / "examples"


def program(
    *blocks: list[dict[str, Any] | str], session: str = "D1", **fields: Any
) -> EnrichedTrainingProgram:
    """A program of one session; an exercise may be its name only."""
    written = [
        {"id": letter, "exercises": [{"name": e} if isinstance(e, str) else e for e in block]}
        for letter, block in zip("ABC", blocks, strict=False)
    ]
    sessions = [{"id": session, "blocks": written}]
    return EnrichedTrainingProgram.model_validate({"title": "t", "sessions": sessions, **fields})


def places(values: tuple[Place, ...]) -> list[str]:
    return [f"{p.exercise.name} {p.session}{p.block}{p.number} {p.path}" for p in values]


def names(changes: tuple[ExerciseChange, ...]) -> list[tuple[str | None, str | None]]:
    return [(change.old.exercise.name, change.new.exercise.name) for change in changes]


def test_added_and_removed_exercises_have_their_places() -> None:
    diff = program(["Squat", "Row", "Plank"]).diff(program(["Squat"], ["Dip"]))
    assert places(diff.added) == [
        "Row D1A2 sessions.0.blocks.0.exercises.1",
        "Plank D1A3 sessions.0.blocks.0.exercises.2",
    ]
    assert places(diff.removed) == ["Dip D1B1 sessions.0.blocks.1.exercises.0"]
    assert (diff.moved, diff.changed, diff.replaced) == ((), (), ())


def test_change_has_the_values_before_and_now() -> None:
    before = {"name": "Squat", "series": 3, "reps": "8-10", "rpe": "7-8", "notes": "a"}
    now = {"name": "Squat", "series": "3-4", "reps": "8-10", "rpe": 8, "notes": "b"}
    (change,) = program([now]).diff(program([before])).changed
    assert change.fields == (("series", 3, "3-4"), ("rpe", "7-8", 8))


@pytest.mark.parametrize(
    ("before", "now"),
    [(3, "3"), (3.0, 3), ("8-10", "8 – 10"), ("7,5", 7.5), ("AMRAP", "amrap"), (None, "")],
)
def test_same_value_in_another_spelling_is_no_change(before: Any, now: Any) -> None:
    fields = ("series", "reps", "rpe")
    new = program([{"name": "Squat", **dict.fromkeys(fields, now)}])
    old = program([{"name": "Squat", **dict.fromkeys(fields, before)}])
    assert new.diff(old).changed == ()


@pytest.mark.parametrize(
    ("before", "now"),
    [("8", "8/lado"), ("30 s", 30), ("AMRAP", "máx"), (8, None), ("x" * 999, "X" * 999)],
)
def test_another_value_is_a_change(before: Any, now: Any) -> None:
    new, old = (
        program([{"name": "Squat", "reps": now}]),
        program([{"name": "Squat", "reps": before}]),
    )
    assert new.diff(old).changed[0].fields == (("reps", before, now),)


def test_db_id_counts_before_the_name() -> None:
    old = program([{"name": "Squat", "db_id": 1, "rpe": 7}, {"name": "Back squat", "db_id": 2}])
    new = program([{"name": "Back squat", "db_id": "1", "rpe": 8}, {"name": "Squat", "db_id": 2}])
    diff = new.diff(old)
    assert names(diff.changed) == [("Squat", "Back squat")]
    assert names(diff.replaced) == [("Squat", "Back squat"), ("Back squat", "Squat")]
    assert (diff.added, diff.removed, diff.moved) == ((), (), ())


def test_another_name_is_always_a_change() -> None:
    old = program([{"name": "Squat", "db_id": 1}])
    diff = program([{"name": "Leg press", "db_id": 1}]).diff(old)
    assert names(diff.replaced) == [("Squat", "Leg press")]
    assert "Squat → Leg press: sustituido, A · 1" in diff.to_text()
    old = program([{"name": "Squat", "db_id": 1, "rest": "60 s", "load_kg": 40}])
    diff = program([{"name": "Leg press", "db_id": 1, "rest": "90 s", "load_kg": 50}]).diff(old)
    assert "sustituido, A · 1, descanso 60 s → 90 s, load kg 40 → 50" in diff.to_text()


@pytest.mark.parametrize(
    "db_id", ["N/A", "n/a", "na", 0, "0", "000", "-", "—", "none", "None", "null", "", " ", "?"]
)
def test_placeholder_db_id_pairs_no_exercises(db_id: Any) -> None:
    old = program([{"name": "Squat", "db_id": db_id}], ["Row"])
    new = program([{"name": "Row", "db_id": db_id}], ["Squat"])
    diff = new.diff(old)
    assert names(diff.moved) == [("Row", "Row"), ("Squat", "Squat")]
    assert diff.replaced == ()


@pytest.mark.parametrize("swap", [False, True])
def test_db_id_with_several_names_is_ignored(swap: bool) -> None:
    several = program([{"name": n, "db_id": "ex-1"} for n in ("Squat", "Row", "Dip")])
    one = program([{"name": "Row", "db_id": "ex-1"}])
    diff = several.diff(one) if swap else one.diff(several)
    assert (diff.replaced, diff.changed, diff.moved) == ((), (), ())
    gone = [place.exercise.name for place in (*diff.added, *diff.removed)]
    assert gone == ["Squat", "Dip"]


def test_case_and_accents_make_no_other_exercise() -> None:
    old = program([{"name": "Jalón  al pecho", "db_id": None}])
    new = program([{"name": "JALON al pecho", "db_id": "x"}])
    assert not new.diff(old)


def test_exercise_in_the_same_position_is_a_replacement() -> None:
    diff = program(["Squat", "Leg press"]).diff(program(["Squat", "Lunge"]))
    assert names(diff.replaced) == [("Lunge", "Leg press")]
    assert (diff.added, diff.removed) == ((), ())


def test_repeated_exercise_is_paired_in_its_block() -> None:
    old = program([{"name": "Plank", "rpe": 5}], [{"name": "Plank", "rpe": 6}])
    new = program(["Row"], [{"name": "Plank", "rpe": 7}])
    (change,) = new.diff(old).changed
    assert list(change.fields) == [("rpe", 6, 7)]
    assert (change.old.block, change.new.block) == ("B", "B")
    other_day = [*program([{"name": "Plank"}], session="D0").sessions, *old.sessions]
    (change,) = (
        program([], [], ["Plank"]).diff(old.model_copy(update={"sessions": other_day})).moved
    )
    assert (change.old.session, change.new.session) == ("D1", "D1")


def test_exercise_that_only_made_room_is_not_moved() -> None:
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


def days(*ids: str | None, blocks: str = "AB") -> EnrichedTrainingProgram:
    """Days with the same exercises in two blocks, and one exercise more each."""
    sessions = [
        {
            "id": identity,
            "blocks": [
                {"id": blocks[0], "exercises": [{"name": "Squat"}, {"name": f"Own {day}"}]},
                {"id": blocks[1], "exercises": [{"name": "Row"}]},
            ],
        }
        for day, identity in enumerate(ids)
    ]
    return EnrichedTrainingProgram.model_validate({"title": "t", "sessions": sessions})


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


def test_order_field_gives_the_position() -> None:
    def ordered(*orders: int | None) -> EnrichedTrainingProgram:
        named = zip(("Squat", "Row", "Dip"), orders, strict=False)
        return program([{"name": name, "order": order} for name, order in named])

    diff = ordered(2, 1).diff(ordered(1, 2))
    assert names(diff.moved) == [("Squat", "Squat"), ("Row", "Row")]
    assert "Squat: cambia de sitio, A · 1 → A · 2" in diff.to_text()
    assert not ordered(4, 5, 6).diff(ordered(None, None, None))
    assert not ordered(4, None, 6).diff(ordered(1, 2, 3))
    assert not ordered(1, 1, 1).diff(ordered(1, 2, 3))


def test_largest_change_of_weekly_sets_comes_first() -> None:
    old = program(
        [
            {"name": "a", "series": 3, "primary_group": "Pecho"},
            {"name": "b", "series": 3, "primary_group": "Core"},
            {"name": "c", "series": 1, "primary_group": "Gemelo"},
            {"name": "e", "series": 2, "primary_group": "Hombro"},
        ]
    )
    new = program(
        [
            {"name": "a", "series": 4, "primary_group": "PECHO"},
            {"name": "b", "series": 3, "primary_group": "Core"},
            {"name": "d", "series": 5, "primary_group": "Glúteo"},
            {"name": "e", "series": 2, "primary_group": "Hombros"},
        ]
    )
    changes = [tuple(change) for change in new.diff(old).weekly_sets]
    assert changes == [("Glúteo", 0, 5), ("PECHO", 3, 4), ("Gemelo", 1, 0)]


def test_change_of_a_program_field_is_listed() -> None:
    diff = program(weeks=6, goal="Fuerza").diff(program(weeks=4, goal="fuerza", summary="x"))
    assert list(diff.program) == [("weeks", 4, 6)]
    assert diff


def test_changes_are_written_in_both_languages() -> None:
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


@settings(deadline=None)
@given(programs)
def test_program_has_no_difference_to_itself(data: dict[str, Any]) -> None:
    once = EnrichedTrainingProgram.model_validate(data)
    again = EnrichedTrainingProgram.model_validate_json(once.model_dump_json(exclude_unset=True))
    assert not once.diff(once)
    assert not once.diff(again)


@settings(deadline=None)  # the first one imports the rendering
@given(programs, programs)
def test_every_exercise_counts_once_in_a_comparison(
    before: dict[str, Any], now: dict[str, Any]
) -> None:
    old, new = (EnrichedTrainingProgram.model_validate(data) for data in (before, now))
    diff = new.diff(old)
    back = old.diff(new)
    assert bool(diff) == bool(back)
    assert len(diff.added) - len(diff.removed) == len(list(new.exercises())) - len(
        list(old.exercises())
    )
    assert len(diff.weekly_sets) == len(back.weekly_sets)
    for lang in ("es", "en"):
        assert diff.to_text(lang=lang)
        assert diff.to_html(lang=lang)
    assert isinstance(diff, ProgramDiff)


def test_ten_thousand_exercises_are_compared_quickly() -> None:
    many = program([{"name": "Squat" if n % 2 else f"e{n}", "rpe": n % 9} for n in range(10_000)])
    few = program([{"name": "Squat", "db_id": n} for n in range(10_000)])
    assert len(few.diff(many).changed) == 5_000


@pytest.mark.parametrize(
    ("part", "count"),
    [("sessions", 100), pytest.param("blocks", 1_250, marks=pytest.mark.slow)],
)
def test_time_of_a_comparison_grows_with_the_size(part: str, count: int) -> None:
    def seconds(count: int) -> float:
        parts = [{"id": f"{n}", "exercises": [{"name": "Remo"}]} for n in range(count)]
        days = [{"name": f"s{n}", "blocks": parts[:1]} for n in range(count)]
        week = {"sessions": days if part == "sessions" else [{"blocks": parts}]}
        old, new = (EnrichedTrainingProgram.model_validate(week) for _ in range(2))
        start = time.process_time()
        assert not new.diff(old)
        return time.process_time() - start

    assert seconds(8 * count) < 14 * seconds(count)


def test_mappings_are_accepted_as_models() -> None:
    old = program([{"name": "Squat", "series": 3, "more": {"kept": 1}}])
    new = program([{"name": "Barbell squat", "series": 4}])
    before = old.model_dump(mode="json", exclude_unset=True)
    assert new.diff(MappingProxyType(before)) == new.diff(old)
    asked = EDN360Input.model_validate(ATHLETE)
    assert [finding.code for finding in new.check(against=ATHLETE)] == [
        finding.code for finding in new.check(against=asked)
    ]
    assert "days_not_as_asked" in {finding.code for finding in new.check(against=ATHLETE)}
    assert asked.with_previous_program(before) == asked.with_previous_program(old)


def test_invalid_mapping_is_reported_with_its_fields() -> None:
    new = program(["Squat"])
    asked = EDN360Input.model_validate(ATHLETE)
    secret = {"user_profile": {"user_id": 5, "name": "secreta"}}
    with pytest.raises(InvalidInputError) as caught:
        new.check(against=secret)
    paths = [fault["path"] for fault in caught.value.errors]
    assert paths == ["user_profile.user_id", "questionnaires"]
    assert "secreta" not in str(caught.value)
    for call in (new.diff, asked.with_previous_program):
        with pytest.raises(InvalidInputError) as caught:
            call({"title": "t"})
        assert [fault["path"] for fault in caught.value.errors] == ["sessions"]
        with pytest.raises(InvalidInputError, match="not a str"):
            call("a text")  # type: ignore[arg-type]


# --- the previous program -----------------------------------------------------------------------


def test_input_with_previous_program_equals_the_example() -> None:
    text = (EXAMPLES / "athlete_evolution.json").read_text("utf-8")
    expected = json.loads(text)
    plan = expected["context"].pop("previous_training_plan")
    before = EDN360Input.model_validate(expected)
    previous = EnrichedTrainingProgram.model_validate(plan["plan_data"])
    now = before.with_previous_program(
        previous, created_at=plan["created_at"], source=plan["source"]
    )
    assert json.loads(now.to_json_text()) == json.loads(text)
    assert json.loads(before.to_json_text()) == expected


def test_input_without_request_type_becomes_an_evolution() -> None:
    previous = program(["Squat"])
    without = EDN360Input.model_validate({k: v for k, v in ATHLETE.items() if k != "context"})
    sent = json.loads(without.with_previous_program(previous).to_json_text())
    assert sent["context"] == {
        "request_type": "evolution",
        "previous_training_plan": {"plan_data": previous.model_dump(exclude_unset=True)},
    }
    asked = EDN360Input.model_validate(ATHLETE).with_previous_program(previous)
    assert asked.context is not None
    assert asked.context.request_type == "initial"


@settings(deadline=None)
@given(inputs, programs)
def test_previous_program_changes_nothing_else_in_the_input(
    asked: dict[str, Any], data: dict[str, Any]
) -> None:
    before = EDN360Input.model_validate(asked)
    previous = EnrichedTrainingProgram.model_validate(data)
    now = json.loads(before.with_previous_program(previous, source="db").to_json_text())
    assert now["context"].pop("previous_training_plan") == {"plan_data": data, "source": "db"}
    context = {**(asked.get("context") or {})}
    context.pop("previous_training_plan", None)
    if context.get("request_type") is None:
        context["request_type"] = "evolution"
    assert now == {**asked, "context": context}
    assert json.loads(before.to_json_text()) == asked


# --- as a coach reads it ------------------------------------------------------------------------

CASES: dict[str, dict[str, Any]] = {
    case["why"]: case
    for case in json.loads((Path(__file__).parents[1] / "cases" / "diff.json").read_text("utf-8"))
}


def case(why: str) -> ProgramDiff:
    old, new = (EnrichedTrainingProgram.model_validate(CASES[why][side]) for side in ("old", "new"))
    return new.diff(old)


def test_plural_case_and_small_words_make_no_other_exercise() -> None:
    assert not case("the plural is no other exercise")
    assert not case("small words and capitals make no other exercise")


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("Face Pulls", "Face pull"),
        ("Flexiones", "Flexión"),
        ("Elevaciones laterales (mancuerna)", "Elevación lateral con mancuernas"),
        ("Lunges", "Lunge"),
        ("Pull-ups", "Pull up"),
        ("Press de banca", "Press Banca"),
        ("Curl con mancuernas alterno", "Curl alterno con mancuerna"),
    ],
)
def test_spelling_makes_no_other_exercise(before: str, now: str) -> None:
    assert not program([now]).diff(program([before]))


@pytest.mark.parametrize(
    ("before", "now"),
    [("Remo sin apoyo", "Remo con apoyo"), ("Press inclinado", "Press declinado")],
)
def test_another_word_makes_another_exercise(before: str, now: str) -> None:
    assert names(program([now]).diff(program([before])).replaced) == [(before, now)]


def test_another_implement_is_a_replacement() -> None:
    assert len(case("another implement is another exercise").replaced) == 1


def test_replaced_exercise_shows_its_new_series_reps_and_rpe() -> None:
    diff = case("the RPE of an exercise that is replaced changed, too")
    line = "Remo en máquina → Jalón al pecho: sustituido, A · 1, 3 × 10, RPE 7 → 9"
    assert f"D1\n- {line}\n" == diff.to_text()


def test_change_of_the_reserve_is_written_as_reserve() -> None:
    before, now = ({"name": "Squat", "rpe": rpe} for rpe in ("RIR 2", "RIR 1"))
    text = program([now], session="Legs").diff(program([before], session="Legs")).to_text()
    assert text == "Legs\n- Squat: A · 1, RIR 2 → RIR 1\n"


def test_session_named_as_its_id_is_written_once() -> None:
    week = [{"id": "Push", "name": "Push", "blocks": [{"exercises": [{"name": "Dip"}]}]}]
    new = EnrichedTrainingProgram.model_validate({"sessions": week})
    text = new.diff(program(["Squat"], ["Row"])).to_text()
    assert "\nPush\n" in text
    assert "Push · Push" not in text


def test_reserve_and_rpe_of_one_effort_are_no_change() -> None:
    assert not case("RPE 8 and RIR 2 say the same").changed


def test_swapped_sessions_are_one_line() -> None:
    diff = case("two sessions changed places, and their ids were written anew")
    assert (diff.moved, diff.replaced, diff.added, diff.removed) == ((), (), (), ())
    assert diff.to_text() == "Programa\n- Torso ↔ Pierna: D1 ↔ D2\n"


@pytest.mark.parametrize("name", ["Día {}", "Full body {}", ""])
def test_sessions_that_keep_their_names_can_be_swapped(name: str) -> None:
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


def test_new_and_removed_sessions_are_shown_with_their_exercises() -> None:
    week = days("D1", "D2", "D3")
    shorter = week.model_copy(update={"sessions": week.sessions[:2]})
    more, fewer = week.diff(shorter), shorter.diff(week)
    assert "Program\n- New session: D3\n\nD3\n- Squat: new" in more.to_text(lang="en")
    assert "Program\n- Session removed: D3\n\nD3\n- Squat: removed" in fewer.to_text(lang="en")
    assert (len(more.added), len(fewer.removed)) == (3, 3)


def test_session_in_the_middle_leaves_the_others_where_they_are() -> None:
    named = zip(("Torso", "Pierna", "Cuerpo"), days("D1", "D2", "D3").sessions, strict=True)
    week = [session.model_copy(update={"name": name}) for name, session in named]
    kept = [
        session.model_copy(update={"id": f"D{day}"}) for day, session in enumerate(week[::2], 1)
    ]
    old, new = (program().model_copy(update={"sessions": sessions}) for sessions in (week, kept))
    diff = new.diff(old)
    assert (diff.moved, diff.replaced, diff.added) == ((), (), ())
    assert [place.exercise.name for place in diff.removed] == ["Squat", "Own 1", "Row"]
    assert "Cuerpo: D3 → D2" in diff.to_text()


def test_exercise_from_another_session_shows_where_it_was() -> None:
    monday, friday = program(["Squat", "Row"], session="D1"), program(["Dip"], session="D2")
    old = monday.model_copy(update={"sessions": [*monday.sessions, *friday.sessions]})
    monday, friday = program(["Squat"], session="D1"), program(["Dip", "Row"], session="D2")
    new = monday.model_copy(update={"sessions": [*monday.sessions, *friday.sessions]})
    assert new.diff(old).to_text() == "D2\n- Row: cambia de sitio, D1 · A · 2 → A · 2\n"


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
    """The comparison of two programs that differ in one key of one part."""

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
def test_change_of_an_unknown_key_is_shown_by_its_key(
    part: str, before: Any, now: Any, shown: str
) -> None:
    assert both(part, before, now, "own_key").to_text() == LINES[part].format(shown)


@pytest.mark.parametrize("part", LINES)
def test_long_text_of_an_unknown_key_is_a_new_text(part: str) -> None:
    text = " ".join(both(part, "a" * 300, "b" * 300, "own_key").to_text().split())
    assert "own key: texto nuevo" in text
    assert "aaa" not in text


@pytest.mark.parametrize("part", LINES)
@pytest.mark.parametrize(
    ("before", "now"), [("3", 3), (False, None), ([], {}), ("", None), (["Remo"], "remo")]
)
def test_unknown_key_that_says_the_same_is_no_change(part: str, before: Any, now: Any) -> None:
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
