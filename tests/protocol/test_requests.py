"""A single request: its parts, and the error of each status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import pytest

import edn360_chatkit
from edn360_chatkit import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ConflictError,
    EndpointNotFoundError,
    InternalServerError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    SessionNotFoundError,
    UnprocessableEntityError,
)
from edn360_chatkit._effects import Request, Response
from edn360_chatkit._protocol.api import make_api
from edn360_chatkit._protocol.inputs import prepare, segment
from edn360_chatkit._protocol.session_options import session_body
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
