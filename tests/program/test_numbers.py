"""The numbers of an exercise: sets, repetitions, seconds and effort."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edn360_chatkit import Exercise, Range
from edn360_chatkit.program.numbers import MOST, read_reps, read_rpe, read_seconds, read_series
from tests.support.samples import cases

CASES = cases("numbers")
READERS = {"series": read_series, "reps": read_reps, "seconds": read_seconds, "rpe": read_rpe}


@pytest.mark.parametrize("case", CASES, ids=[f"{c['field']} {c['text']}" for c in CASES])
def test_number_of_real_program_is_read(case: dict[str, Any]) -> None:
    span = READERS[case["field"]](case["text"])
    number = span.middle if span and case["field"] == "series" else span and list(span)
    assert number in [case["want"], *case.get("also", [])]


def exercise(**fields: Any) -> Exercise:
    return Exercise.model_validate({"name": "Squat", **fields})


@pytest.mark.parametrize(
    ("series", "sets"),
    [
        (3, 3),
        (3.0, 3),
        (0, 0),
        ("3", 3),
        ("3-4", 3.5),
        ("3–4", 3.5),
        ("4-3", 3.5),
        ("3 a 4", 3.5),
        ("3 o 4 series", 3.5),
        ("3½", 3.5),
        ("2,5", 2.5),
        ("３", 3),
        ("3 x 10", 3),
        ("3X20 m", 3),
        ("x3", 3),
        ("Series: 3", 3),
        ("3 series de 10", 3),
        ("3 → 4", 3.5),
        ("2+2", 4),
        ("2 + 2 series", 4),
        ("3 x 8,10", 3),
        ("3 x AMRAP", 3),
        ("3 series (2 suaves, 1 fuerte)", 3),
        ("3 series, 90 s de descanso", 3),
        ("3 + 1 backoff", None),
        ("2-3 + 1", None),
        ("2 calentamiento + 3", None),
        ("2 de calentamiento y 3", None),
        ("EMOM 10", None),
        ("AMRAP 10", None),
        ("5/3/1", None),
        ("1,000", None),
        (None, None),
        ("", None),
        ("AMRAP", None),
        ("45 s", None),
        ("70%", None),
        ("-3", None),
        ("−3", None),
        (-3, None),
        ("nan", None),
        ("1e3", None),
        ("3.5.2", None),
        (float("nan"), None),
        (float("inf"), None),
        (10**400, None),
        (MOST + 1, None),
    ],
)
def test_sets_are_middle_of_series(series: Any, sets: Any) -> None:
    assert exercise(series=series).sets == sets


@pytest.mark.parametrize(
    ("reps", "expected"),
    [
        (10, (10, 10)),
        ("8-10", (8, 10)),
        ("8..10", (8, 10)),
        ("entre 8 y 10", (8, 10)),
        ("8/lado", (8, 8)),
        ("10 c/u", (10, 10)),
        ("8 por pierna", (8, 8)),
        ("12,10,8", (8, 12)),
        ("12-10-8-6", (6, 12)),
        ("8+", (8, 8)),
        ("8-AMRAP", (8, 8)),
        ("~10", (10, 10)),
        ("máx. 12", (12, 12)),
        ("al fallo (8-12)", (8, 12)),
        ("3 x 10", (10, 10)),
        ("4 × (8-10)", (8, 10)),
        ("3 series de 10 reps", (10, 10)),
        ("10 reps (30 s)", (10, 10)),
        ("AMRAP", None),
        ("máx", None),
        ("45-60s", None),
        ("20 m", None),
        ("10-20 m", None),
        ("3 x 20 m", None),
        ("15 cal", None),
        ("tempo 3-0-1", None),
        ("2:1:2", None),
        ("RIR 2", None),
        ("8 -> 12", (8, 12)),
        ("8→12", (8, 12)),
        ("8 => 12", (8, 12)),
        ("Pirámide 12-10-8", (8, 12)),
        ("Descendente 12-10-8-6", (6, 12)),
        ("menos de 10", (10, 10)),
        ("1,000", None),
        ("1.000", None),
        ("EMOM 10", None),
        ("8RM", None),
    ],
)
def test_reps_are_read_as_range(reps: Any, expected: Any) -> None:
    assert exercise(reps=reps).reps_range == expected


@pytest.mark.parametrize(
    ("reps", "expected"),
    [
        ("45-60s", (45, 60)),
        ("30-45 s", (30, 45)),
        ("30 s - 45 s", (30, 45)),
        ("40 segundos por lado", (40, 40)),
        ("40”", (40, 40)),
        ("40''", (40, 40)),
        ("1 min", (60, 60)),
        ("1,5 min", (90, 90)),
        ("2'", (120, 120)),
        ("1-2 min", (60, 120)),
        ("30s-1min", (30, 60)),
        ("1:30", (90, 90)),
        ("1'30''", (90, 90)),
        ("1′30″", (90, 90)),
        ("1 min y 30 seg", (90, 90)),
        ("1 h", (3600, 3600)),
        ("3x30s", (30, 30)),
        ("AMRAP 10 min", (600, 600)),
        (45, None),
        ("45", None),
        ("8-10", None),
        ("5 millas", None),
        ("30 h", None),
    ],
)
def test_duration_is_read_in_seconds(reps: Any, expected: Any) -> None:
    assert exercise(reps=reps).seconds_range == expected


@pytest.mark.parametrize(
    ("rpe", "expected"),
    [
        (7.5, (7.5, 7.5)),
        ("7-8", (7, 8)),
        ("7,5-8,5", (7.5, 8.5)),
        ("7→11", (7, 11)),
        ("RPE 8", (8, 8)),
        ("@8", (8, 8)),
        ("8/10", (8, 8)),
        ("8-9/10", (8, 9)),
        ("7 de 10", (7, 7)),
        ("10", (10, 10)),
        (12, (12, 12)),
        ("2 RIR", (8, 8)),
        ("RIR 1-2", (8, 9)),
        ("2 en reserva", (8, 8)),
        ("7 u 8", (7, 8)),
        ("120-135 ppm", None),
        ("80%", None),
        ("alta", None),
    ],
)
def test_rpe_is_read_as_range(rpe: Any, expected: Any) -> None:
    assert exercise(rpe=rpe).rpe_range == expected


SETS = st.sampled_from(
    [("", None), ("3 x ", 3), ("4x", 4), ("3 series de ", 3), ("2 rondas de ", 2), ("5 x ", 5)]
)
NO_TIME = dict.fromkeys(["", " reps", " repeticiones"], 0)
SECONDS = dict.fromkeys(["s", " seg", " sg", '"'], 1)
MINUTES = dict.fromkeys([" min", "'", " minutos"], 60)
UNITS = {**NO_TIME, **SECONDS, **MINUTES, "h": 3600}
REMARKS = (
    *("", " por lado", "/pierna", " c/u", " cada lado", " (RIR 2)", " RIR 1-2", " @8", " @ 70 kg"),
    *(
        ", dejando 2 en reserva",
        ", descanso 90 s",
        " (15 s de descanso)",
        " al 80-85%",
        " con 8 kg",
    ),
)
RESERVES = (
    *("RIR {}", "{} RIR", "RIR: {}", "{} en reserva", "{} reps en reserva", "a {} del fallo"),
    *("dejando {} en recámara", "{} in the tank", "{} reps from failure"),
)


@settings(max_examples=300)
@given(
    SETS,
    st.sampled_from(["", "unos ", "hasta ", "~"]),
    st.tuples(st.integers(1, 30), st.integers(0, 9)),
    st.sampled_from(["-", " - ", "–", " a ", " o ", "→"]),
    st.sampled_from(sorted(UNITS.items())),
    st.sampled_from(REMARKS),
)
def test_amount_is_read_beside_remarks(
    sets: tuple[str, int | None],
    lead: str,
    numbers: tuple[int, int],
    to: str,
    unit: tuple[str, int],
    remark: str,
) -> None:
    low, high = numbers[0], numbers[0] + numbers[1]
    amount = f"{low}{to}{high}" if high > low else f"{low}"
    text = f"{sets[0]}{'' if sets[0] else lead}{amount}{unit[0]}{remark}"
    seconds = unit[1]
    is_time = seconds and seconds * high <= MOST
    assert read_reps(text) == (None if seconds else (low, high))
    assert read_seconds(text) == ((low * seconds, high * seconds) if is_time else None)
    if sets[1]:
        assert read_series(text) == (sets[1], sets[1])


@given(
    st.integers(0, 4),
    st.sampled_from(RESERVES),
)
def test_reserve_is_subtracted_from_ten(reserve: int, form: str) -> None:
    text = form.format(reserve)
    assert read_rpe(text) == (10 - reserve, 10 - reserve)
    assert read_rpe(f"RPE 8 ({text})") == (8, 8)
    assert read_reps(text) is None
    assert read_reps(f"8-10, {text}") == (8, 10)


@pytest.mark.parametrize(
    ("field", "text", "number"),
    [
        ("series", "2x10, 2x8", (4, 4)),
        ("series", "tres series", (3, 3)),
        ("series", "3, 10", None),
        ("seconds", "30+ s", (30, 30)),
        ("rpe", "13/20", None),
        ("rpe", "7,0", (7, 7)),
        ("series", "3-4 x 8-10", (3, 4)),
        ("series", "2x15 calentamiento + 3x8", None),
        ("series", "3 semana 1, 4 semana 2", None),
        ("series", "3 veces por semana", None),
        ("series", "3 rondas de 10+10", None),
        ("reps", "8 semana 1, 10 semana 2", None),
        ("reps", "10 reps x 3 series", (10, 10)),
        ("reps", "10 x 2 lados", (10, 10)),
        ("reps", "3 x AMRAP", None),
        ("reps", "8 con pausa de 2 s", (8, 8)),
        ("reps", "3-1-1-0", None),
        ("reps", "8.10", None),
        ("reps", "12 + 8 + 6", None),
        ("reps", "70 al 80%", None),
        ("seconds", "2 min y medio", (150, 150)),
        ("seconds", "1 min 30", (90, 90)),
        ("seconds", "30 s on / 15 s off", (30, 30)),
        ("seconds", "20:10", None),
        ("seconds", "2,30 min", None),
        ("seconds", "descanso 90 s", None),
        ("seconds", "30 min zona 2", (1800, 1800)),
        ("rpe", "Zona 2", None),
        ("rpe", "RIR 2 / RPE 8", (8, 8)),
        ("rpe", "RIR 3, 2, 1", (7, 9)),
        ("rpe", "RIR 3 → RIR 1", None),
        ("rpe", "RIR 2 semana 1, RIR 1 semana 2", None),
    ],
)
def test_text_outside_grammar_is_no_number(
    field: str, text: str, number: tuple[int, int] | None
) -> None:
    assert READERS[field](text) == number


# The pieces of the grammar, so that hypothesis reaches rare combinations.
PIECES = st.sampled_from(
    [
        *"0123456789-–/x×,.:'\"½~+( ",
        " min ",
        "s",
        "h",
        " a ",
        " o ",
        "reps",
        "series ",
        "AMRAP",
        "%",
    ]
)
FIELDS = (
    st.text(max_size=30)
    | st.lists(PIECES, max_size=12).map("".join)
    | st.integers()
    | st.floats()
    | st.none()
)


@given(FIELDS)
@example("⅓")
@example("9" * 5000)
def test_text_of_range_gives_equal_range(field: Any) -> None:
    for read in (read_series, read_reps, read_rpe):
        if span := read(field):
            assert 0 <= span.low <= span.middle <= span.high <= MOST
            assert read(f"{span.low}-{span.high}") == span
            assert read(span.low) == Range(span.low, span.low)
    if span := read_seconds(field):
        assert read_seconds(f"{span.low}-{span.high} s") == span
        assert read_reps(field) is None


@pytest.mark.parametrize(
    "piece", ["1", "1-", "1 min ", "3 x ", "'", "(~", "de ", "½", "a\u0301", "\ufdfa", " "]
)
def test_text_of_megabyte_is_read_fast(piece: str) -> None:
    text = (piece * 1_000_000)[:1_000_000]
    started = time.process_time()
    planned = exercise(series=text, reps=text, rpe=text)
    assert (planned.sets, planned.reps_range, planned.seconds_range, planned.rpe_range) == (
        None,
    ) * 4
    for read in (read_series, read_reps, read_seconds, read_rpe):
        read(text[:200])
    assert time.process_time() - started < 0.5


def test_properties_are_no_fields() -> None:
    data = {"name": "Squat", "series": "3-4", "sets": "many", "reps_range": [1]}
    read = Exercise.model_validate(data)
    assert read.sets == 3.5
    assert read.model_dump(mode="json", exclude_unset=True) == data


def test_negative_zero_is_read_as_zero() -> None:
    series = read_series(-0.0)
    assert series is not None
    assert str(series.low) == str(series.high) == "0.0"
    assert read_series(f"{series.low:g}") == series


@pytest.mark.parametrize(
    ("text", "seconds"), [("40 sg", 40), ("1m20s", 80), ("Mantener 30 s", 30), ("2 min", 120)]
)
def test_duration_with_a_unit_is_read(text: str, seconds: int) -> None:
    assert read_seconds(text) == (seconds, seconds)
    assert read_reps(text) is None


@pytest.mark.parametrize("text", ["10k", "30 yardas", "120 ppm"])
def test_distance_is_no_number_of_repetitions(text: str) -> None:
    assert read_rpe(text) is None
    assert text.endswith("ppm") or read_reps(text) is None
