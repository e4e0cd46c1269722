"""The comparison of two programs: which exercises are paired, and which values changed."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings

from edn360_chatkit import EnrichedTrainingProgram, ProgramDiff
from tests.support.samples import programs

from .compared import case, names, places, program


def test_added_and_removed_exercises_have_places() -> None:
    diff = program(["Squat", "Row", "Plank"]).diff(program(["Squat"], ["Dip"]))
    assert places(diff.added) == [
        "Row D1A2 sessions.0.blocks.0.exercises.1",
        "Plank D1A3 sessions.0.blocks.0.exercises.2",
    ]
    assert places(diff.removed) == ["Dip D1B1 sessions.0.blocks.1.exercises.0"]
    assert (diff.moved, diff.changed, diff.replaced) == ((), (), ())


def test_change_has_both_values() -> None:
    before = {"name": "Squat", "series": 3, "reps": "8-10", "rpe": "7-8", "notes": "a"}
    now = {"name": "Squat", "series": "3-4", "reps": "8-10", "rpe": 8, "notes": "b"}
    (change,) = program([now]).diff(program([before])).changed
    assert change.fields == (("series", 3, "3-4"), ("rpe", "7-8", 8))


@pytest.mark.parametrize(
    ("before", "now"),
    [(3, "3"), (3.0, 3), ("8-10", "8 – 10"), ("7,5", 7.5), ("AMRAP", "amrap"), (None, "")],
)
def test_other_spelling_of_value_is_no_change(before: Any, now: Any) -> None:
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
    single = program([{"name": "Row", "db_id": "ex-1"}])
    diff = several.diff(single) if swap else single.diff(several)
    assert (diff.replaced, diff.changed, diff.moved) == ((), (), ())
    others = [place.exercise.name for place in (*diff.added, *diff.removed)]
    assert others == ["Squat", "Dip"]


def test_case_and_accents_keep_the_exercise() -> None:
    old = program([{"name": "Jalón  al pecho", "db_id": None}])
    new = program([{"name": "JALON al pecho", "db_id": "x"}])
    assert not new.diff(old)


def test_exercise_at_same_position_is_replaced() -> None:
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


def test_order_field_gives_the_position() -> None:
    def ordered(*orders: int | None) -> EnrichedTrainingProgram:
        pairs = zip(("Squat", "Row", "Dip"), orders, strict=False)
        return program([{"name": name, "order": order} for name, order in pairs])

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


@settings(deadline=None)
@given(programs)
def test_program_has_no_difference_to_itself(data: dict[str, Any]) -> None:
    once = EnrichedTrainingProgram.model_validate(data)
    again = EnrichedTrainingProgram.model_validate_json(once.model_dump_json(exclude_unset=True))
    assert not once.diff(once)
    assert not once.diff(again)


@settings(deadline=None)  # the first example imports the rendering
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


def test_thousands_of_exercises_are_compared_quickly() -> None:
    many = program([{"name": "Squat" if n % 2 else f"e{n}", "rpe": n % 9} for n in range(4_000)])
    few = program([{"name": "Squat", "db_id": n} for n in range(4_000)])
    assert len(few.diff(many).changed) == 2_000


@pytest.mark.parametrize(
    ("part", "count"),
    [("sessions", 100), pytest.param("blocks", 625, marks=pytest.mark.slow)],
)
def test_comparison_takes_linear_time(part: str, count: int) -> None:
    def seconds(count: int) -> float:
        parts = [{"id": f"{n}", "exercises": [{"name": "Remo"}]} for n in range(count)]
        days = [{"name": f"s{n}", "blocks": parts[:1]} for n in range(count)]
        week = {"sessions": days if part == "sessions" else [{"blocks": parts}]}
        old, new = (EnrichedTrainingProgram.model_validate(week) for _ in range(2))
        start = time.process_time()
        assert not new.diff(old)
        return time.process_time() - start

    # On a busy machine, one of two equal readings can be twice the other.
    small = min(seconds(count) for _ in range(3))
    assert seconds(16 * count) < 50 * small


def test_plural_and_small_words_keep_the_exercise() -> None:
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
def test_other_spelling_keeps_the_exercise(before: str, now: str) -> None:
    assert not program([now]).diff(program([before]))


@pytest.mark.parametrize(
    ("before", "now"),
    [("Remo sin apoyo", "Remo con apoyo"), ("Press inclinado", "Press declinado")],
)
def test_another_word_makes_another_exercise(before: str, now: str) -> None:
    assert names(program([now]).diff(program([before])).replaced) == [(before, now)]


def test_another_implement_is_a_replacement() -> None:
    assert len(case("another implement is another exercise").replaced) == 1


def test_equal_reserve_and_rpe_are_no_change() -> None:
    assert not case("RPE 8 and RIR 2 say the same").changed
