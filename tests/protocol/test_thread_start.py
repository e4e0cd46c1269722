"""The start of a run over the thread protocol: its requests, credentials and refusals."""

from __future__ import annotations

from typing import Any

import pytest

from edn360_chatkit import (
    APIError,
    AuthenticationError,
    ChatSession,
    ConfigurationError,
    EndpointNotFoundError,
    NotFoundError,
    WorkflowFailedError,
)
from edn360_chatkit._config import load_config
from edn360_chatkit._effects import Response
from edn360_chatkit._protocol.api import make_api
from edn360_chatkit._protocol.threads import Threads
from tests.support.script import Play, Scene, answer, api_error

from .thread_runs import CREATED, HOSTED, NONE, OURS, TAKEN, kinds, own_server, start, threads_of


def test_run_is_started_with_the_client_secret() -> None:
    play = Play([NONE, Scene([CREATED, TAKEN])])
    message = start(play)
    assert (message.message_id, message.thread_id, message.session_id) == (
        "msg_1",
        "thr_1",
        "cksess_1",
    )
    baseline, request = play.requests
    assert "user=ana" in baseline.url
    assert request.credential is not None
    assert request.credential.get_secret_value() == "ek_1"
    assert request.headers["Accept"] == "text/event-stream"
    assert "OpenAI-Beta" not in request.headers
    assert play.body(1) == {
        "type": "threads.create",
        "params": {
            "input": {
                "content": [{"type": "input_text", "text": "hello"}],
                "attachments": [],
                "quoted_text": "",
                "inference_options": {},
            }
        },
    }
    # A stream may be silent for 60 attempts of 2 s.
    assert request.max_silence == 120.0


def test_own_server_gets_user_without_credential() -> None:
    play = Play([NONE, Scene([CREATED, TAKEN])])
    start(play, own_server(), ChatSession(id="local_1", user="ana"))
    request = play.requests[1]
    assert (request.url, request.credential) == ("https://own.example/chatkit", None)
    assert play.body(0)["metadata"] == play.body(1)["metadata"] == {"user": "ana"}


def test_own_servers_token_yields_to_headers() -> None:
    environ = {"EDN360_SERVER_TOKEN": "own-token-1"}
    for headers, token in (({}, "own-token-1"), ({"authorization": "Basic x"}, None)):
        options: Any = {"server_url": "https://own.example/chatkit", "headers": headers}
        play = Play([NONE, Scene([CREATED, TAKEN])])
        start(play, Threads(make_api(load_config(options, environ))))
        for request in play.requests:
            secret = request.credential and request.credential.get_secret_value()
            assert secret == token


@pytest.mark.parametrize("answers", [[api_error(401)], [NONE, api_error(401)]])
def test_own_servers_401_names_headers_and_token(answers: list[Response]) -> None:
    with pytest.raises(AuthenticationError, match="headers=") as caught:
        start(Play(answers), own_server())
    assert "EDN360_SERVER_TOKEN" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "cls"),
    [
        ({"error": "Thread not found"}, NotFoundError),
        ({"detail": "Unknown thread"}, NotFoundError),
        ({"detail": "Not Found"}, EndpointNotFoundError),
        ("<h1>Not Found</h1>", EndpointNotFoundError),
    ],
)
def test_own_servers_404_names_the_cause(body: Any, cls: type[Exception]) -> None:
    with pytest.raises(cls) as caught:
        start(Play([NONE, answer(body, 404)]), own_server())
    assert type(caught.value) is cls


def test_session_without_secret_is_explained() -> None:
    stored = ChatSession.model_validate_json(HOSTED.model_dump_json())
    with pytest.raises(ConfigurationError, match="create_session"):
        start(Play([]), session=stored)


def test_second_message_goes_to_same_thread() -> None:
    threads = threads_of()
    start(Play([NONE, Scene([CREATED, TAKEN])]), threads)
    play = Play([OURS, Scene([TAKEN])])
    assert start(play, threads).thread_id == "thr_1"
    # The client reads the thread first, so that it can recognise its message after a lost answer.
    assert kinds(play) == ["GET /threads/thr_1/items", "threads.add_user_message"]
    assert play.body(1)["params"]["thread_id"] == "thr_1"


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_refusal_ends_the_start(status: int) -> None:
    with pytest.raises(APIError) as caught:
        start(Play([NONE, api_error(status)]))
    assert not caught.value.may_have_been_taken


def test_error_event_before_message_is_not_retried() -> None:
    failed = {"type": "error", "code": "stream.error", "allow_retry": True}
    with pytest.raises(WorkflowFailedError, match=r"stream\.error") as caught:
        start(Play([NONE, Scene([CREATED, failed])]))
    assert caught.value.allow_retry is True


def test_expired_client_secret_is_explained() -> None:
    with pytest.raises(AuthenticationError, match="create_session"):
        start(Play([NONE, api_error(401)]))


def test_echoed_secret_is_hidden() -> None:
    session = ChatSession(id="cksess_1", client_secret="ek_hidden_1", user="ana")
    own = own_server(headers={"Authorization": "Bearer own-token-1"})
    for threads, secret in ((threads_of(), "ek_hidden_1"), (own, "own-token-1")):
        with pytest.raises(APIError) as caught:
            start(Play([NONE, api_error(401, f"Incorrect token {secret}")]), threads, session)
        assert secret not in str(caught.value) + str(vars(caught.value))


def test_exception_of_the_headers_function_passes_through() -> None:
    def headers() -> dict[str, str]:
        raise OSError("token endpoint down")

    play = Play([])
    with pytest.raises(OSError, match="token endpoint"):
        start(play, own_server(headers=headers))
