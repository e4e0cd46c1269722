"""Failures over real HTTP: retries, errors, and no output that the caller did not ask for."""

from __future__ import annotations

import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from edn360_chatkit import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    ChatKitClient,
    ConfigurationError,
    InvalidInputError,
    NotFoundError,
    RateLimitError,
    SessionNotFoundError,
)
from edn360_chatkit.testing import ChatKitSimulator
from tests.contract.conftest import MakeClient, lost_answers, sync_only
from tests.support.patience import growing
from tests.support.samples import ATHLETE


@lost_answers
def test_lost_answer_starts_no_second_run(
    client: Any, sim: ChatKitSimulator, status: int | None, stored: bool
) -> None:
    sim.fail_next("send_message", status=status, taken=stored)
    response = client.run_workflow(ATHLETE)
    runs = [r for r in sim.requests if r.method == "POST" and r.path.endswith("/messages")]
    assert len(runs) == (1 if stored else 2)
    listed = httpx.get(
        f"{sim.base_url}/sessions/{response.session_id}/messages",
        headers={"Authorization": f"Bearer {sim.api_key}", "OpenAI-Beta": "chatkit_beta=v1"},
    ).json()["data"]
    assert [item["role"] for item in listed] == ["assistant", "user"]


def test_failed_poll_does_not_end_run(client: Any, sim: ChatKitSimulator) -> None:
    sim.fail_next("list_messages", status=503)
    sim.fail_next("list_messages", status=429, headers={"retry-after": "0.1"})
    sim.fail_next("list_messages", status=None)
    sim.fail_next("list_messages", status=200, body="<html>a proxy</html>")
    response = client.run_workflow(ATHLETE)
    assert response.attempts == 5
    assert response.elapsed > 0.1


def test_failed_request_is_retried(client: Any, sim: ChatKitSimulator) -> None:
    sim.fail_next("create_session", status=503, headers={"retry-after-ms": "1"})
    assert client.create_session("u").id


@sync_only
@pytest.mark.parametrize(
    ("call", "cls"),
    [
        (lambda c: c.create_session("u", workflow_id="nope"), NotFoundError),
        (lambda c: c.send_message("cksess_nope", ATHLETE), SessionNotFoundError),
        (lambda c: c.poll_response("cksess_nope"), SessionNotFoundError),
        (lambda c: c.poll_response("a/b"), InvalidInputError),
        (lambda c: c.poll_response(".."), InvalidInputError),
        (lambda c: c.poll_response(None), InvalidInputError),
        (lambda c: c.poll_response("x", after=""), InvalidInputError),
        (lambda c: c.poll_response("x", after=5), InvalidInputError),
        (lambda c: c.poll_response("x", max_attempts=0), ConfigurationError),
        (lambda c: c.poll_response("x", poll_interval=-1), ConfigurationError),
        (lambda c: c.poll_response("x", answer="last"), ConfigurationError),
        (lambda c: c.send_message("", ATHLETE), InvalidInputError),
        (lambda c: c.send_message("x", {}), InvalidInputError),
        (lambda c: c.run_workflow({"user_profile": {}}), InvalidInputError),
        (lambda c: c.run_workflow(ATHLETE, user=""), InvalidInputError),
        (lambda c: c.stream_workflow({}), InvalidInputError),
    ],
)
def test_invalid_argument_raises_its_error(client: Any, call: Any, cls: type[Exception]) -> None:
    with pytest.raises(cls) as caught:
        call(client)
    assert type(caught.value) is cls


@pytest.mark.parametrize("bad", [{}, {"user_profile": {"user_id": "a"}, "questionnaires": []}])
def test_invalid_input_sends_no_request(client: Any, sim: ChatKitSimulator, bad: Any) -> None:
    with pytest.raises(InvalidInputError):
        client.run_workflow(bad)
    assert sim.requests == []


def test_rejected_key_is_not_shown(make_client: MakeClient, sim: ChatKitSimulator) -> None:
    with pytest.raises(AuthenticationError, match="EDN360_OPENAI_API_KEY") as caught:
        make_client(api_key="sk-wrong-hidden").run_workflow(ATHLETE)
    assert (caught.value.code, caught.value.status_code) == ("invalid_api_key", 401)
    assert caught.value.request_id is not None
    assert "hidden" not in str(caught.value)
    assert len(sim.requests) == 1


def test_rate_limit_error_has_retry_after(make_client: MakeClient, sim: ChatKitSimulator) -> None:
    sim.fail_next("create_session", status=429, headers={"retry-after": "3"})
    with pytest.raises(RateLimitError) as caught:
        make_client(max_retries=0).create_session("u")
    assert caught.value.retry_after == 3.0


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never responds."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_silent_server_raises_timeout_error(make_client: MakeClient, silent_port: int) -> None:
    base_url = f"http://127.0.0.1:{silent_port}"
    for timeout in growing(0.1):
        client = make_client(base_url=base_url, timeout=timeout, max_retries=0)
        with pytest.raises(APITimeoutError, match="timeout") as caught:
            client.create_session("u")
        if caught.value.may_have_arrived:  # the request has left in time
            break
    # Either httpx's timeout or our timeout for the whole request comes first.
    assert caught.value.__cause__ is not None
    assert caught.value.may_have_arrived


def test_missing_server_raises_connection_error(make_client: MakeClient) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    client = make_client(base_url=f"http://127.0.0.1:{port}", max_retries=0)
    with pytest.raises(APIConnectionError, match="base_url") as caught:
        client.create_session("u")
    assert not caught.value.may_have_arrived


def test_closed_client_raises_configuration_error(make_client: MakeClient) -> None:
    client = make_client()
    getattr(client, "close" if isinstance(client, ChatKitClient) else "aclose")()
    with pytest.raises(ConfigurationError, match="closed"):
        client.create_session("u")


def test_default_logging_prints_nothing(sim: ChatKitSimulator) -> None:
    sim.fail_next("list_messages", status=503)
    program = textwrap.dedent(
        f"""
        from edn360_chatkit import ChatKitClient
        client = ChatKitClient(
            api_key={sim.api_key!r}, base_url={sim.base_url!r}, workflow_id="wf_demo",
            poll_interval=0.01,
        )
        with client:
            client.run_workflow({ATHLETE!r})
        """
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
