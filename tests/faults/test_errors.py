"""What an error holds: the exception that caused it, and no data of the athlete."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from edn360_chatkit import (
    APIStatusError,
    ChatKitClient,
    ConfigurationError,
    InvalidInputError,
)
from tests.contract.conftest import MakeClient
from tests.faults.test_odd_arguments import OwnError, Raising, with_value
from tests.support.calls import FAST, HOSTED, call
from tests.support.raw_server import raw_server, reply


@pytest.mark.parametrize(
    ("answer", "method", "cause"),
    [
        # The parser's exception is dropped, since its frames hold the body.
        (b"<html>", "create_session", type(None)),
        (b"[" * 100_000, "create_session", type(None)),
        ({"id": ".."}, "create_session", InvalidInputError),
        ({"id": 5}, "threads.retrieve", ValidationError),
        ({"data": [{"id": 5}]}, "threads.items", ValidationError),
    ],
)
def test_unreadable_response_has_cause(
    make_client: MakeClient, answer: Any, method: str, cause: type[object]
) -> None:
    with raw_server(lambda exchange: [reply(answer)]) as server:
        client = make_client(base_url=server.base_url, **FAST)
        with pytest.raises(APIStatusError) as caught:
            call(client, method, "x")
    assert isinstance(caught.value.__cause__, cause)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"user_profile": {}}, "user_profile.user_id"),
        (with_value(float("nan")), "user_profile.extra"),
        (with_value(object()), "user_profile.extra"),
    ],
)
def test_invalid_input_names_field(base_url: str, value: Any, path: str) -> None:
    with (
        ChatKitClient(**HOSTED, base_url=base_url) as client,
        pytest.raises(InvalidInputError) as caught,
    ):
        client.run_workflow(value)
    assert caught.value.errors[0]["path"] == path
    # An exception of pydantic as the cause would hold the athlete's data.
    assert caught.value.__cause__ is None


def test_exception_of_input_passes_through(base_url: str) -> None:
    with ChatKitClient(**HOSTED, base_url=base_url) as client, pytest.raises(OwnError):
        client.run_workflow(Raising(at="iter"))


def test_half_character_error_has_no_cause(base_url: str) -> None:
    """A ``UnicodeEncodeError`` holds the whole text in its ``args``."""
    with (
        ChatKitClient(**HOSTED, base_url=base_url) as client,
        pytest.raises(InvalidInputError) as caught,
    ):
        client.run_workflow("Ana has a bad knee \ud800", user="u")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_invalid_url_error_has_no_cause() -> None:
    with pytest.raises(ConfigurationError) as caught:
        ChatKitClient(api_key="sk-simulated-key", base_url="https://a:hidden-password@[x")
    assert "hidden" not in str(caught.value)
    assert caught.value.__context__ is None
