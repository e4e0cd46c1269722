"""Arguments and environment: a missing or invalid setting raises before any request."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from edn360_chatkit import AsyncChatKitClient, ChatKitClient, ConfigurationError
from edn360_chatkit._config import DEFAULT_BASE_URL, load_config

KEY = "sk-simulated-key"


def load(environ: dict[str, str] | None = None, **settings: Any) -> Any:
    options: Any = {"api_key": KEY, **settings}
    return load_config(options, environ or {})


def test_arguments_override_environment() -> None:
    environ = {
        "EDN360_OPENAI_API_KEY": "sk-environment",
        "EDN360_TRAINING_WORKFLOW_ID": "wf_environment",
        "EDN360_CHATKIT_BASE_URL": "https://environment.example",
    }
    config = load(environ, workflow_id="wf_argument", base_url="https://argument.example/v1/")
    assert config.api_key.get_secret_value() == KEY
    assert (config.workflow_id, config.base_url) == ("wf_argument", "https://argument.example/v1")
    config = load(environ, api_key=None)
    assert config.api_key.get_secret_value() == "sk-environment"
    assert (config.workflow_id, config.base_url) == (
        "wf_environment",
        "https://environment.example",
    )


def test_own_key_variable_takes_precedence() -> None:
    environ = {"EDN360_OPENAI_API_KEY": "sk-own", "OPENAI_API_KEY": "sk-openai"}
    assert load(environ, api_key=None).api_key.get_secret_value() == "sk-own"
    environ["EDN360_OPENAI_API_KEY"] = " "
    assert load(environ, api_key=None).api_key.get_secret_value() == "sk-openai"


def test_defaults_match_documentation() -> None:
    config = load()
    assert config.base_url == DEFAULT_BASE_URL == "https://api.openai.com/v1/chatkit"
    assert (config.poll_interval, config.max_attempts, config.poll_limit) == (2.0, 60, 50)
    assert (config.timeout, config.max_retries) == (httpx.Timeout(30.0, pool=None), 4)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"api_key": None}, "EDN360_OPENAI_API_KEY"),
        ({"api_key": "sk with blanks"}, "api_key"),
        ({"api_key": "sk-é"}, "api_key"),
        ({"api_key": 5}, "api_key"),
        ({"workflow_id": 5}, "workflow_id"),
        ({"protocol": "mail"}, "protocol"),
        ({"server_url": "https://chat.example", "protocol": "messages"}, "server_url"),
        ({"server_url": "https://chat.example", "base_url": "https://api.example"}, "not both"),
        ({"server_url": "http://chat.example"}, "EDN360_CHATKIT_SERVER_URL"),
        ({"server_url": "https://chat.example?key=1"}, "server_url"),
        ({"base_url": "http://api.example"}, "https"),
        ({"base_url": "http://127.0.0.1.example"}, "https"),
        ({"base_url": "http://localhost.example"}, "https"),
        ({"base_url": "ftp://api.example"}, "https"),
        ({"base_url": "api.example"}, "https"),
        ({"base_url": "https://"}, "host"),
        ({"base_url": "https://\x00"}, "base_url"),
        ({"base_url": "https://x.exampl]e"}, "is not a valid URL"),
        ({"base_url": "https://user:pass@api.example"}, "base_url"),
        ({"base_url": "https://api.example?a=1"}, "base_url"),
        ({"base_url": "https://api.example#a"}, "base_url"),
        ({"headers": {"X-A": "a\r\nX-B: b"}}, "headers"),
        ({"headers": {"X A": "a"}}, "headers"),
        ({"headers": {"X-A": "é"}}, "headers"),
        ({"headers": {"X-A": 5}}, "headers"),
        ({"headers": ["X-A"]}, "headers"),
        ({"headers": {"authorization": "Bearer x"}}, "api_key"),
        ({"headers": {"Authorization": "Bearer x"}}, "api_key"),
        ({"headers": {"CONTENT-type": "text/plain"}}, "CONTENT-type"),
        ({"headers": {"HOST": "evil.example"}}, "HOST"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": None}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"max_retries": -1}, "max_retries"),
        ({"max_retries": True}, "max_retries"),
        ({"poll_interval": -1}, "poll_interval"),
        ({"poll_interval": True}, "poll_interval"),
        ({"poll_interval": "2"}, "poll_interval"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"max_attempts": 1.5}, "max_attempts"),
        ({"poll_limit": 101}, "poll_limit"),
    ],
)
def test_error_names_invalid_setting(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        load(**settings)


def test_own_server_needs_no_key() -> None:
    config = load({"EDN360_CHATKIT_SERVER_URL": "https://chat.example/chatkit"}, api_key=None)
    assert (config.server_url, config.api_key) == ("https://chat.example/chatkit", None)
    assert config.protocol == "threads"


def test_own_server_accepts_authorization_header() -> None:
    headers = {"Authorization": "Bearer token"}
    assert load(server_url="https://chat.example", headers=headers).headers == headers


def test_headers_function_is_checked_each_time() -> None:
    config = load(headers=lambda: {"X-A": "a\n"})
    with pytest.raises(ConfigurationError, match="headers"):
        config.headers()


def test_address_argument_overrides_the_environment() -> None:
    environ = {"EDN360_CHATKIT_SERVER_URL": "https://chat.example"}
    assert load(environ, base_url="https://api.example").base_url == "https://api.example"


@pytest.mark.parametrize("client", [ChatKitClient, AsyncChatKitClient])
@pytest.mark.parametrize(
    ("variable", "value"), [("HTTPS_PROXY", "nonsense://x"), ("SSL_CERT_FILE", "/nowhere.pem")]
)
def test_error_names_invalid_environment_variable(
    monkeypatch: pytest.MonkeyPatch, client: Any, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=variable):
        client(api_key=KEY)
    client(api_key=KEY, base_url="http://127.0.0.1:1")  # needs neither
    if variable == "SSL_CERT_FILE":
        with pytest.raises(ConfigurationError, match=variable):
            client(api_key=KEY, base_url="https://127.0.0.1:1")


@pytest.mark.parametrize(
    "url", ["http://localhost:8000", "http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]:80/a"]
)
def test_loopback_may_use_http(url: str) -> None:
    assert load(base_url=url).base_url.startswith("http://")


def test_line_break_around_a_key_is_stripped() -> None:
    assert load(api_key=f"{KEY}\n").api_key.get_secret_value() == KEY


def test_invalid_key_is_not_quoted() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(api_key="sk-my secret")
    assert "secret" not in str(caught.value)


def test_repr_shows_no_secret() -> None:
    headers = {"X-Token": "hidden-token"}
    client = ChatKitClient(api_key=KEY, headers=headers)
    for text in (repr(client), repr(client._config), str(vars(client))):
        assert KEY not in text
        assert "hidden-token" not in text
    client.close()


def test_client_cannot_be_pickled() -> None:
    import pickle

    with ChatKitClient(api_key=KEY) as client, pytest.raises(TypeError, match="in each process"):
        pickle.dumps(client)


def test_wrong_kind_of_http_client_is_refused() -> None:
    for client, other in ((ChatKitClient, httpx.AsyncClient), (AsyncChatKitClient, httpx.Client)):
        with pytest.raises(ConfigurationError, match="http_client"):
            client(api_key=KEY, http_client=other())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_unknown_keyword_raises_type_error() -> None:
    options: Any = {"expire_after": 3}
    with ChatKitClient(api_key=KEY, workflow_id="wf_demo") as client:
        with pytest.raises(TypeError, match="expire_after"):
            client.create_session("athlete-1", **options)
        with pytest.raises(TypeError, match="expire_after"):
            client.run_workflow("text", user="athlete-1", **options)
