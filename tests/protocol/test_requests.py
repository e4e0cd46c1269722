"""A single request: its parts, the error of each status, and its retries."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import pytest

import edn360_chatkit
from edn360_chatkit import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ChatKitError,
    ChatSession,
    ConfigurationError,
    ConflictError,
    EndpointNotFoundError,
    InternalServerError,
    InvalidInputError,
    Message,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    SessionNotFoundError,
    UnprocessableEntityError,
    WorkflowError,
)
from edn360_chatkit._effects import Request, Response
from edn360_chatkit._protocol.api import make_api
from edn360_chatkit._protocol.inputs import prepare, segment
from edn360_chatkit._protocol.sessions import session_body
from tests.support.script import Play, answer, api_error, config

SESSION = {"id": "cksess_1", "user": "u"}


def create(play: Play, **settings: Any) -> Any:
    return play.run(make_api(config(**settings)).create_session("u", {}))


def failure(response: Response, **settings: Any) -> APIStatusError:
    with pytest.raises(APIStatusError) as caught:
        create(Play([response]), max_retries=0, **settings)
    return caught.value


def test_session_body_has_workflow_and_user() -> None:
    play = Play([answer(SESSION)])
    assert create(play).id == "cksess_1"
    assert play.paths == ["POST /sessions"]
    assert play.body(0) == {"workflow": {"id": "wf_demo"}, "user": "u"}


def test_session_options_are_in_body() -> None:
    options = {
        "workflow_id": "wf_other",
        "version": "3",
        "state_variables": {"a": "x", "b": True, "c": 1.5},
        "tracing": False,
        "expires_after": 1200,
        "max_requests_per_minute": 30,
        "chatkit_configuration": {"history": {"enabled": False}},
    }
    body = session_body("wf_demo", "u", options)
    assert body == {
        "workflow": {
            "id": "wf_other",
            "version": "3",
            "state_variables": {"a": "x", "b": True, "c": 1.5},
            "tracing": {"enabled": False},
        },
        "user": "u",
        "expires_after": {"anchor": "created_at", "seconds": 1200},
        "rate_limits": {"max_requests_per_1_minute": 30},
        "chatkit_configuration": {"history": {"enabled": False}},
    }


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("user", ""),
        ("user", None),
        ("user", "\ud83d"),
        ("workflow_id", " "),
        ("version", 3),
        ("state_variables", ["a"]),
        ("state_variables", {"a": None}),
        ("state_variables", {1: "a"}),
        ("state_variables", {"a": float("nan")}),
        ("state_variables", {"a" * 65: "x"}),
        ("tracing", "yes"),
        ("expires_after", 0),
        ("expires_after", 1.5),
        ("max_requests_per_minute", True),
        ("chatkit_configuration", {"a": object()}),
        ("chatkit_configuration", "history"),
    ],
)
def test_error_names_invalid_session_option(option: str, value: Any) -> None:
    options = {"user": "u", option: value}
    with pytest.raises(InvalidInputError, match=option):
        session_body("wf_demo", options.pop("user"), options)


def test_missing_workflow_id_is_explained() -> None:
    with pytest.raises(ConfigurationError, match="EDN360_TRAINING_WORKFLOW_ID"):
        session_body(None, "u", {})


def test_request_has_the_required_headers() -> None:
    play = Play([answer(SESSION)])
    create(play, headers={"X-Service": "coach"})
    request = play.requests[0]
    assert request.headers == {
        "X-Service": "coach",
        "Accept": "application/json",
        "Content-Type": "application/json",
        "OpenAI-Beta": "chatkit_beta=v1",
        "User-Agent": f"edn360-chatkit/{edn360_chatkit.__version__}",
    }
    assert request.credential is not None
    assert request.credential.get_secret_value() == "sk-simulated-key"


def test_request_repr_hides_key_and_data() -> None:
    play = Play([answer(SESSION)])
    create(play, headers={"X-Service": "hidden"})
    assert not any(secret in repr(play.requests) for secret in ("sk-sim", "wf_demo", "hidden"))
    assert "hidden" not in repr(Response(200, {}, b"hidden"))
    assert isinstance(play.requests[0], Request)


@pytest.mark.parametrize(
    ("status", "message", "cls", "advice"),
    [
        (400, "Unknown parameter: 'input'.", BadRequestError, "param"),
        (401, "Incorrect API key provided.", AuthenticationError, "EDN360_OPENAI_API_KEY"),
        (403, "No access.", PermissionDeniedError, "key"),
        (404, "No workflow found with id 'wf_demo'.", NotFoundError, "TRAINING_WORKFLOW_ID"),
        (404, "Chatkit Session with id 'x' not found.", SessionNotFoundError, "create_session"),
        (404, "Invalid URL (POST /v1/x)", EndpointNotFoundError, "base_url"),
        (409, "Busy.", ConflictError, "again"),
        (422, "No.", UnprocessableEntityError, "param"),
        (429, "Slow down.", RateLimitError, "retry_after"),
        (500, "Oops.", InternalServerError, "later"),
        (503, "Oops.", InternalServerError, "later"),
        (301, "Moved.", APIStatusError, "base_url"),
        (418, "Teapot.", APIStatusError, "418"),
    ],
)
def test_status_has_its_error_and_advice(
    status: int, message: str, cls: type[APIStatusError], advice: str
) -> None:
    error = failure(api_error(status, message, code="some_code", x_request_id="req_1"))
    assert type(error) is cls
    assert (error.status_code, error.code, error.type) == (status, "some_code", "some_error")
    assert (error.param, error.request_id) == (None, "req_1")
    assert error.body["error"]["message"] == message
    assert message.rstrip(".") in str(error)
    assert advice in str(error)
    assert error.message == str(error)


def test_html_404_is_a_missing_endpoint() -> None:
    error = failure(Response(404, {}, b"<h1>Not Found</h1>"))
    assert isinstance(error, EndpointNotFoundError)
    assert error.body == "<h1>Not Found</h1>"
    assert isinstance(failure(answer({"detail": "Not Found"}, 404)), EndpointNotFoundError)


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[]", b'{"error": "text"}', b'{"error": {}}'])
def test_odd_error_body_still_raises(body: bytes) -> None:
    assert failure(Response(500, {}, body)).code is None
    odd = {"error": {"message": ["x"], "code": 5, "type": None, "param": {}}}
    assert failure(answer(odd, 400)).param is None


def test_echoed_key_is_hidden() -> None:
    error = failure(api_error(401, "Incorrect key sk-simulated-key."))
    assert "sk-simulated-key" not in str(error) + repr(error) + str(error.body) + str(vars(error))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after_ms": "1500", "retry_after": "9"}, 1.5),
        (
            {
                "retry_after": "Mon, 05 Jan 2026 10:00:30 GMT",
                "date": "Mon, 05 Jan 2026 10:00:00 GMT",
            },
            30.0,
        ),
        ({"retry_after": "Mon, 05 Jan 2026 10:00:30 GMT"}, None),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "-5"}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "inf"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_each_form(headers: dict[str, str], seconds: float | None) -> None:
    assert failure(api_error(429, **headers)).retry_after == seconds


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"", b'{"user": "u"}', b'{"id": ""}'])
def test_response_without_session_names_the_address(body: bytes) -> None:
    with pytest.raises(APIStatusError, match="base_url") as caught:
        create(Play([Response(200, {}, body)]))
    assert caught.value.status_code == 200


def test_session_with_odd_fields_is_read() -> None:
    session = create(Play([answer({"id": "cksess_1", "expires_at": "later", "status": 5})]))
    assert (session.id, session.user, session.status) == ("cksess_1", "u", None)


@pytest.mark.parametrize("value", ["", ".", "..", " ", None, 5, "\ud83d"])
def test_invalid_id_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInputError, match="session"):
        segment("session", value)


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("cksess_1-a.b~c", "cksess_1-a.b~c"),
        ("../sessions?x=1#y", "..%2Fsessions%3Fx%3D1%23y"),
        ("a%2fb\r\n", "a%252fb%0D%0A"),
        ("é@host", "%C3%A9%40host"),
    ],
)
def test_id_stays_in_its_segment(value: str, quoted: str) -> None:
    assert segment("session", value) == quoted


# --- what is tried again ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "first",
    [
        api_error(408),
        api_error(409),
        api_error(429),
        api_error(500),
        api_error(502),
        api_error(529),
        APIConnectionError("x"),
        APITimeoutError("x"),
    ],
    ids=["408", "409", "429", "500", "502", "529", "connection", "timeout"],
)
def test_transient_failure_is_retried(first: Any) -> None:
    play = Play([first, answer(SESSION)])
    assert create(play).id == "cksess_1"
    assert len(play.sleeps) == 1


@pytest.mark.parametrize(
    "first",
    [
        *map(api_error, (301, 400, 401, 403, 404, 422, 501, 505)),
        api_error(429, code="insufficient_quota"),
    ],
    ids=["301", "400", "401", "403", "404", "422", "501", "505", "quota"],
)
def test_final_failure_is_not_retried(first: Response) -> None:
    play = Play([first])
    with pytest.raises(APIStatusError):
        create(play)
    assert not play.sleeps


def test_retries_are_bounded_with_growing_pauses() -> None:
    play = Play([api_error(503)] * 5)
    with pytest.raises(InternalServerError):
        create(play, max_retries=4)
    # The pause starts at 0.5 s and doubles, with up to 0.5 s of jitter.
    for pause, least in zip(play.sleeps, (0.5, 1.0, 2.0, 4.0), strict=True):
        assert least <= pause <= least + 0.5


def test_jitter_differs_between_clients() -> None:
    pauses: set[float] = set()
    for _ in range(5):
        play = Play([api_error(503), answer(SESSION)])
        create(play)
        pauses.add(play.sleeps[0])
    assert len(pauses) > 1


def test_pause_between_retries_is_bounded() -> None:
    play = Play([api_error(503)] * 9)
    with pytest.raises(InternalServerError):
        create(play, max_retries=8)
    assert all(8.0 <= pause <= 8.5 for pause in play.sleeps[4:])


def test_retry_after_sets_the_pause() -> None:
    play = Play([api_error(429, retry_after="20"), answer(SESSION)])
    create(play)
    assert play.sleeps == [20.0]


def test_short_retry_after_keeps_our_pause() -> None:
    play = Play([api_error(429, retry_after="0.1"), answer(SESSION)])
    create(play)
    assert play.sleeps[0] >= 0.5


def test_long_retry_after_is_not_retried() -> None:
    play = Play([api_error(429, retry_after="121")])
    with pytest.raises(RateLimitError) as caught:
        create(play)
    assert caught.value.retry_after == 121
    assert not play.sleeps


def test_zero_retries_raise_at_once() -> None:
    play = Play([api_error(503)])
    with pytest.raises(InternalServerError):
        create(play, max_retries=0)


# --- the errors themselves --------------------------------------------------------------------


def every_error() -> list[type[ChatKitError]]:
    public = (getattr(edn360_chatkit, name) for name in edn360_chatkit.__all__)
    return [cls for cls in public if isinstance(cls, type) and issubclass(cls, ChatKitError)]


def test_error_tree_is_as_documented() -> None:
    parents = {cls.__name__: cls.__mro__[1].__name__ for cls in every_error()}
    assert parents == {
        "ChatKitError": "Exception",
        "ConfigurationError": "ChatKitError",
        "InvalidInputError": "ChatKitError",
        "APIError": "ChatKitError",
        "APIConnectionError": "APIError",
        "APITimeoutError": "APIConnectionError",
        "APIStatusError": "APIError",
        "BadRequestError": "APIStatusError",
        "AuthenticationError": "APIStatusError",
        "PermissionDeniedError": "APIStatusError",
        "NotFoundError": "APIStatusError",
        "SessionNotFoundError": "NotFoundError",
        "EndpointNotFoundError": "NotFoundError",
        "ConflictError": "APIStatusError",
        "UnprocessableEntityError": "APIStatusError",
        "RateLimitError": "APIStatusError",
        "InternalServerError": "APIStatusError",
        "WorkflowError": "ChatKitError",
        "WorkflowFailedError": "WorkflowError",
        "WorkflowTimeoutError": "WorkflowError",
        "InvalidResponseError": "WorkflowError",
        "TruncatedResponseError": "InvalidResponseError",
        "MissingProgramError": "InvalidResponseError",
        "ProgramValidationError": "InvalidResponseError",
    }
    assert issubclass(InvalidInputError, ValueError)
    assert issubclass(edn360_chatkit.WorkflowTimeoutError, TimeoutError)


@pytest.mark.parametrize("cls", every_error())
def test_error_pickles_with_its_attributes(cls: type[ChatKitError]) -> None:
    run = {"session": ChatSession(id="s"), "message": Message(session_id="s")}
    error = cls("what to do", **(run if issubclass(cls, WorkflowError) else {}))
    for name in vars(error):
        if name not in ("message", "session", "sent_message", "steps"):
            setattr(error, name, f"the {name}")
    for duplicate in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(duplicate) is cls
        assert vars(duplicate) == vars(error)
        assert str(duplicate) == str(error) == "what to do"


def test_api_error_message_is_its_text() -> None:
    assert (
        json.dumps({"message": APIError("what happened").message}) == '{"message": "what happened"}'
    )


@pytest.mark.parametrize("escaped", [r"abc\/def\/ghi", r"abc\u002Fdef\u002fghi", "abc/def/ghi"])
def test_secret_with_escaped_characters_is_masked(escaped: str) -> None:
    headers = {"X-Token": "abc/def/ghi"}
    body = b'{"error": {"message": "no token %s"}}' % escaped.encode()
    error = failure(Response(401, {}, body), headers=headers)
    assert error.body == {"error": {"message": "no token ***"}}
    assert "abc" not in str(error)


class JobTimeoutError(Exception):
    """An exception of a signal handler."""


class Interrupted(Mapping[str, Any]):
    """A mapping whose reading is interrupted by a signal."""

    def __getitem__(self, key: str) -> Any:
        raise JobTimeoutError

    def __iter__(self) -> Iterator[str]:
        raise JobTimeoutError

    def __len__(self) -> int:
        return 1


def test_foreign_exception_passes_through_the_input() -> None:
    with pytest.raises(JobTimeoutError):
        prepare(Interrupted()).check()


def test_handled_exception_keeps_its_traceback() -> None:
    handled = KeyError()
    with suppress(KeyError):
        try:
            raise handled
        finally:
            assert prepare("").error is not None
            assert handled.__traceback__ is not None
