"""The models keep their data: the text of an input and the dump of a program are unchanged."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from edn360_chatkit import (
    ChatSession,
    EDN360Input,
    EnrichedTrainingProgram,
    Exercise,
    InvalidInputError,
    Message,
    Questionnaire,
    UserProfile,
)
from edn360_chatkit._protocol.inputs import prepare
from tests.support.samples import ATHLETE, inputs, programs


def loop() -> list[Any]:
    ring: list[Any] = []
    ring.append(ring)
    return ring


@given(inputs)
def test_text_of_input_is_unchanged(data: dict[str, Any]) -> None:
    text = EDN360Input.model_validate(data).to_json_text()
    assert json.loads(text) == data
    # Python says that 8 == 8.0 and 1 == True, but their texts differ.
    assert sorted(text) == sorted(json.dumps(data, ensure_ascii=False, separators=(",", ":")))


@given(inputs)
def test_text_of_input_from_json_is_unchanged(data: dict[str, Any]) -> None:
    text = json.dumps(data)
    assert json.loads(EDN360Input.model_validate_json(text).to_json_text()) == json.loads(text)


@given(programs)
def test_program_is_dumped_unchanged(data: dict[str, Any]) -> None:
    program = EnrichedTrainingProgram.model_validate_json(json.dumps(data))
    assert program.model_dump(mode="json", exclude_unset=True) == data
    assert json.loads(program.model_dump_json(exclude_unset=True)) == data


def test_text_is_compact_and_not_escaped() -> None:
    text = prepare(ATHLETE).text
    assert '"días_por_semana":4' in text
    assert ": " not in text


@pytest.mark.parametrize("moment", ["2026-01-05T10:00:00Z", "5/1/2026", 1767607200, 1767607200.5])
def test_time_keeps_its_format(moment: Any) -> None:
    data = {**ATHLETE, "questionnaires": [{"submitted_at": moment}]}
    assert json.loads(prepare(data).text) == data


def test_dates_become_iso_8601_texts() -> None:
    at = datetime(2026, 1, 5, 10, tzinfo=timezone.utc)
    data = {
        "user_profile": {"user_id": "athlete-1", "created_at": at},
        "questionnaires": [
            {"submitted_at": date(2026, 1, 5), "payload": {"born": date(1996, 1, 1)}}
        ],
    }
    message = json.loads(prepare(data).text)
    assert message["user_profile"]["created_at"] == "2026-01-05T10:00:00Z"
    assert message["questionnaires"][0] == {
        "submitted_at": "2026-01-05",
        "payload": {"born": "1996-01-01"},
    }


def test_invalid_fields_are_listed_with_their_paths() -> None:
    with pytest.raises(InvalidInputError) as caught:
        prepare({"user_profile": {"age": True}, "questionnaires": []}).check()
    paths = {fault["path"] for fault in caught.value.errors}
    assert paths == {"user_profile.user_id", "user_profile.age", "questionnaires"}
    for path in paths:
        assert path in str(caught.value)


@pytest.mark.parametrize("user_id", [None, "", "  ", 7])
def test_empty_or_numeric_user_id_is_refused(user_id: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"user_profile\.user_id"):
        prepare({**ATHLETE, "user_profile": {"user_id": user_id}}).check()


def test_error_of_invalid_input_quotes_no_value() -> None:
    with pytest.raises(InvalidInputError) as caught:
        prepare({**ATHLETE, "user_profile": {"user_id": "a", "name": ["Ana Secreta"]}}).check()
    assert "Secreta" not in str(caught.value) + repr(caught.value) + str(caught.value.__cause__)


@pytest.mark.parametrize("value", [None, 5, [ATHLETE], object()])
def test_other_types_of_input_are_refused(value: Any) -> None:
    with pytest.raises(InvalidInputError, match="EDN360Input"):
        prepare(value).check()


@pytest.mark.parametrize("text", ["", " \n", "half \ud83d"])
def test_empty_or_invalid_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        prepare(text).check()


def deep() -> dict[str, Any]:
    nest: dict[str, Any] = {}  # Python 3.13 can write 5,000 levels
    for _ in range(20_000):
        nest = {"in": nest}
    return nest


@pytest.mark.parametrize(
    "make",
    [
        lambda: float("nan"),
        lambda: float("-inf"),
        object,
        lambda: "half \ud83d",
        lambda: 10**5000,
        loop,
        deep,
    ],
    ids=["NaN", "infinity", "object", "half a character", "huge", "loop", "deep"],
)
def test_value_outside_json_is_refused_with_path(make: Callable[[], Any]) -> None:
    data = {**ATHLETE, "questionnaires": [{"payload": {"answers": [1, make()]}}]}
    with pytest.raises(
        InvalidInputError, match=r"questionnaires\.0\.payload\.answers\.1"
    ) as caught:
        prepare(data).check()
    (error,) = caught.value.errors
    assert error["loc"][:5] == ("questionnaires", 0, "payload", "answers", 1)


def test_mapping_that_is_no_dict_is_accepted() -> None:
    from types import MappingProxyType

    assert prepare(MappingProxyType(ATHLETE)).user_id == "athlete-1"


def test_input_model_is_accepted_unchanged() -> None:
    given_input = EDN360Input.model_validate(ATHLETE)
    assert prepare(given_input).text == given_input.to_json_text()


@pytest.mark.parametrize(
    "change",
    [{"questionnaires": []}, {"user_profile": {"user_id": ""}}, {"questionnaires": [loop()]}],
)
def test_changed_input_is_validated_again(change: dict[str, Any]) -> None:
    changed = EDN360Input.model_validate(ATHLETE).model_copy(update=change)
    with pytest.raises(InvalidInputError):
        prepare(changed).check()


def test_subclass_of_profile_keeps_its_fields() -> None:
    class Member(UserProfile):
        club: str

    data = EDN360Input(
        user_profile=Member(user_id="athlete-1", club="North"),
        questionnaires=[Questionnaire(source="initial")],
    )
    assert json.loads(prepare(data).text)["user_profile"]["club"] == "North"


@pytest.mark.parametrize("name", ["source", "type", "questionnaire_type"])
@pytest.mark.parametrize("answers", ["payload", "answers", "responses"])
def test_questionnaire_with_any_keys_is_read(name: str, answers: str) -> None:
    questionnaire = Questionnaire.model_validate({name: "initial", answers: {"q": 1}})
    assert (questionnaire.kind, questionnaire.content) == ("initial", {"q": 1})


def test_repr_shows_no_health_data() -> None:
    data = {
        **ATHLETE,
        "context": {"request_type": "evolution", "previous_training_plan": {"plan_data": "secret"}},
    }
    athlete_input = EDN360Input.model_validate(data)
    parts = [
        athlete_input,
        athlete_input.user_profile,
        athlete_input.questionnaires,
        athlete_input.context,
        athlete_input.context and athlete_input.context.previous_training_plan,
    ]
    for part in parts:
        assert not any(
            value in repr(part) for value in ("Ejemplo", "60.0", "días_por_semana", "secret")
        )


def test_missing_fields_of_program_are_none() -> None:
    program = EnrichedTrainingProgram.model_validate(
        {"title": "t", "sessions": [{"blocks": [{"exercises": [{"name": "Squat"}]}]}]}
    )
    exercise = program.sessions[0].blocks[0].exercises[0]
    assert (program.weeks, program.sessions[0].focus, exercise.rpe) == (None, None, None)


@pytest.mark.parametrize("value", [3, "3-4", 8.5, "AMRAP"])
def test_series_reps_and_rpe_keep_their_types(value: Any) -> None:
    data = {"name": "Squat", "series": value, "reps": value, "rpe": value}
    program = {"title": "t", "sessions": [{"blocks": [{"exercises": [data]}]}]}
    exercise = EnrichedTrainingProgram.model_validate(program).sessions[0].blocks[0].exercises[0]
    for field in (exercise.series, exercise.reps, exercise.rpe):
        assert (type(field), field) == (type(value), value)


SESSION = {"id": "cksess_1", "client_secret": "ek_hidden", "user": "u", "object": "chatkit.session"}


def test_repr_and_dump_hide_client_secret() -> None:
    session = ChatSession.model_validate(SESSION)
    assert session.client_secret == "ek_hidden"
    texts = [
        repr(session),
        str(session),
        repr([session]),
        str(session.model_dump()),
        session.model_dump_json(),
        str(pickle.dumps(session)),
        str(dict(session.model_copy().model_dump())),
    ]
    assert not [text for text in texts if "ek_hidden" in text]
    assert pickle.loads(pickle.dumps(session)).id == "cksess_1"
    assert copy.deepcopy(session).client_secret == "ek_hidden"


def test_sessions_and_messages_can_be_stored() -> None:
    session = ChatSession.model_validate(SESSION)
    loaded = ChatSession.model_validate_json(session.model_dump_json())
    assert loaded.model_dump() == session.model_dump()
    message = Message(id="msg_1", session_id="cksess_1")
    assert Message.model_validate_json(message.model_dump_json()) == message
    assert pickle.loads(pickle.dumps(message)) == message


def test_decimal_becomes_a_number() -> None:
    profile = {"user_id": "a", "weight_kg": Decimal("72.5"), "own": [Decimal(3), Decimal("0.1")]}
    text = prepare({**ATHLETE, "user_profile": profile}).text
    assert '"weight_kg":72.5,"own":[3,0.1]' in text
    with pytest.raises(InvalidInputError, match=r"user_profile\.own"):
        prepare({**ATHLETE, "user_profile": {"user_id": "a", "own": Decimal("NaN")}}).check()


def test_copy_leaves_other_exercises_unchanged() -> None:
    first, second = (Exercise.model_validate({"name": name}) for name in ("Plank", "Row"))
    assert first.model_copy(update={"rest": "90s"}).model_fields_set == {"name", "rest"}
    assert second.model_dump(exclude_unset=True) == {"name": "Row"}
