"""The settings of a client: arguments and environment variables, checked before any request."""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeAlias, cast, get_args

import httpx
from pydantic import SecretStr
from typing_extensions import TypedDict

from ._validation import without_frames
from .errors import ChatKitError, ConfigurationError

DEFAULT_BASE_URL = "https://api.openai.com/v1/chatkit"
"""The URL of OpenAI's ChatKit API."""
LARGEST_COUNT = 2**53
"""The largest count that can be set: a float holds every whole number up to here."""
LONGEST_TIME = 7 * 86400.0
"""The longest time that can be set, in seconds."""

ProtocolName: TypeAlias = Literal["auto", "messages", "threads"]
AnswerRule: TypeAlias = Literal["program", "first"]
"""``"program"`` waits for a message with the program. For ``"first"``, the first message is the
answer, also without a program."""
Headers: TypeAlias = Mapping[str, str] | Callable[[], Mapping[str, str]]
"""Headers of every request, or a function that returns them before each request."""

_KEY = "The API key (api_key, $EDN360_OPENAI_API_KEY or $OPENAI_API_KEY)"
_SERVER = "The token in $EDN360_SERVER_TOKEN"
# RFC 9110, section 5: a name is a token; a value has visible characters and inner blanks.
_HEADER_NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_HEADER_VALUE = r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?"
# A URL that every parser and server understands alike: no user, query, fragment or backslash. No
# segment of its path is "." or "..", also if it is written with %.
_PLAIN_URL = re.compile(
    r"(?i)https?://(?:[\w.-]+|\[[0-9a-f:.]+\])(?::0*[1-9][0-9]*)?"
    r"(?:/(?!\.\.?(?:/|\Z))(?:[^\s\\?#%/]|%(?!0|1|7f|2e|2f|5c)[0-9a-f]{2})*)*"
)

HEADERS: Mapping[str, Literal["ours", "secret", "open"]] = {
    "accept": "open",
    "authorization": "secret",
    "cache-control": "open",
    "content-length": "ours",
    "content-type": "ours",
    "host": "ours",
    "openai-beta": "ours",
    "user-agent": "open",
}
"""The known headers of a request: the caller may set those that are ``open``. Any other header is
the caller's, and may hold a secret."""


class ClientOptions(TypedDict, total=False):
    """The settings of a client, as keyword arguments. :class:`ChatKitClient` describes each."""

    api_key: str | None
    workflow_id: str | None
    base_url: str | None
    server_url: str | None
    protocol: ProtocolName
    headers: Headers | None
    timeout: float | httpx.Timeout
    max_retries: int
    poll_interval: float | Literal["adaptive"]
    max_attempts: int
    poll_limit: int
    deadline: float
    max_response_bytes: int


class WaitOptions(TypedDict, total=False):
    """How long a call waits for the answer; the client's settings are the default.

    ``answer`` is the rule for the answer among the messages; ``progress`` is for notebooks.
    """

    poll_interval: float | Literal["adaptive"] | None
    max_attempts: int | None
    answer: AnswerRule
    deadline: float | None
    progress: bool


class SessionOptions(TypedDict, total=False):
    """The options of ``POST /sessions``, for OpenAI's API only.

    Attributes:
        workflow_id: Another workflow than the client's.
        version: A version of the workflow; the default is the production version.
        state_variables: Values for the workflow's state variables, by names of 64 characters.
        tracing: Whether OpenAI keeps a trace of the run; the default is ``True``.
        expires_after: The session's lifetime in seconds; the default is 600.
        max_requests_per_minute: The session's rate limit; the default is 10.
        chatkit_configuration: ChatKit's own settings, as OpenAI documents them.
    """

    workflow_id: str | None
    version: str | None
    state_variables: Mapping[str, str | bool | int | float] | None
    tracing: bool | None
    expires_after: int | None
    max_requests_per_minute: int | None
    chatkit_configuration: Mapping[str, Any] | None


_DEFAULTS: ClientOptions = {
    "protocol": "auto",
    "headers": None,
    "timeout": 30.0,
    "max_retries": 4,
    "poll_interval": 2.0,
    "max_attempts": 60,
    "poll_limit": 50,
    "deadline": 3600.0,  # the longest real runs took 205 s
    "max_response_bytes": 16 * 1024 * 1024,  # real responses have tens of kilobytes
}


@dataclass(frozen=True, slots=True)
class Config:
    """The checked settings of a client.

    Attributes:
        server_token: The bearer token for a self-hosted server (``$EDN360_SERVER_TOKEN``).
        poll_interval: The pause between two polls; ``None`` if it is adaptive.
        request_seconds: The longest time of a whole request: ``timeout`` if it is a number.

    The other attributes are those of :class:`ClientOptions`.
    """

    api_key: SecretStr | None = field(repr=False)
    server_token: SecretStr | None = field(repr=False)
    workflow_id: str | None
    base_url: str
    server_url: str | None
    protocol: ProtocolName
    headers: Headers = field(repr=False)
    timeout: httpx.Timeout
    max_retries: int
    poll_interval: float | None
    max_attempts: int
    poll_limit: int
    deadline: float
    max_response_bytes: int
    request_seconds: float | None


def load_config(options: ClientOptions, environ: Mapping[str, str] = os.environ) -> Config:
    """Check the settings of a client and complete them from the environment.

    Raises:
        ConfigurationError: A setting is missing or invalid; the text names it.
    """
    check_names(options, ClientOptions, "a client")
    settings: dict[str, Any] = {**_DEFAULTS, **options}
    text = partial(_text, settings, environ)
    protocol, timeout = settings["protocol"], settings["timeout"]
    checked_choice("protocol", protocol, get_args(ProtocolName), ConfigurationError)
    base_url, server_url = _addresses(text)
    own_server = server_url is not None
    key = text("api_key", "EDN360_OPENAI_API_KEY", "OPENAI_API_KEY")
    token = text("", "EDN360_SERVER_TOKEN")
    if key is None and not own_server:
        raise ConfigurationError(
            "No API key. Pass api_key=..., or set the environment variable "
            "EDN360_OPENAI_API_KEY or OPENAI_API_KEY."
        )
    if own_server and protocol == "messages":
        raise ConfigurationError(
            "A self-hosted server (server_url or $EDN360_CHATKIT_SERVER_URL) has no session "
            "messages: use protocol='auto' or 'threads', or leave the server out."
        )
    return Config(
        api_key=_secret(_KEY, key) if key and not own_server else None,
        server_token=_secret(_SERVER, token) if token and own_server else None,
        workflow_id=text("workflow_id", "EDN360_TRAINING_WORKFLOW_ID"),
        base_url=base_url,
        server_url=server_url,
        protocol="threads" if own_server else protocol,
        headers=_headers(settings["headers"], own_server=own_server),
        timeout=_timeout(timeout),
        max_retries=checked_count("max_retries", settings["max_retries"], least=0),
        poll_interval=checked_interval(settings["poll_interval"]),
        max_attempts=checked_count("max_attempts", settings["max_attempts"]),
        poll_limit=checked_count("poll_limit", settings["poll_limit"], most=100),
        deadline=checked_seconds("deadline", settings["deadline"], zero=False),
        max_response_bytes=checked_count("max_response_bytes", settings["max_response_bytes"]),
        request_seconds=None if isinstance(timeout, httpx.Timeout) else float(timeout),
    )


def config_or_error(options: ClientOptions) -> Config | Exception:
    """Call :func:`load_config`, and return its error instead of raising it.

    The caller deletes the options before it raises, so that no traceback shows a key. Foreign
    exceptions, such as a signal handler's, are returned, too.
    """
    handled = sys.exc_info()[1]
    try:
        return load_config(options)
    except (ConfigurationError, TypeError) as error:
        error.__context__ = None
        return error.with_traceback(None)
    except Exception as error:
        return without_frames(error, handled)


def check_names(options: Mapping[str, object], allowed: type, call: str) -> None:
    """Raise a ``TypeError`` for a keyword that the ``TypedDict`` does not have, as Python does."""
    for name in options:
        if name not in allowed.__annotations__:
            raise TypeError(f"{call} has no keyword argument {name!r}")


def checked_choice(
    name: str, value: object, choices: tuple[str, ...], error: type[ChatKitError]
) -> None:
    """Raise the error unless the value is among the choices."""
    if not isinstance(value, str) or value not in choices:
        setting = f"{name}={value[:100]!r}" if isinstance(value, str) else f"This {name}"
        raise error(f"{setting} is not supported; use {', '.join(map(repr, choices))}.")


def checked_count(
    name: str,
    value: object,
    *,
    least: int = 1,
    most: int = LARGEST_COUNT,
    error: type[ChatKitError] = ConfigurationError,
) -> int:
    """A whole number within its limits, or an error that names it."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise error(f"{name} must be a whole number of {least} or more, at most {most}.")
    return value


def checked_seconds(name: str, value: object, *, zero: bool = True) -> float:
    """A number of seconds, or a ``ConfigurationError`` that names it."""
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not 0 <= value <= LONGEST_TIME
        or (value == 0 and not zero)
    ):
        limits = f"from 0 to {LONGEST_TIME:.0f} seconds (a week)"
        raise ConfigurationError(f"{name} must be {limits}{'' if zero else ', and not 0'}.")
    return float(value)


def checked_interval(value: object) -> float | None:
    """The ``poll_interval``; ``None`` for ``"adaptive"``."""
    return None if value == "adaptive" else checked_seconds("poll_interval", value)


def checked_headers(headers: object, *, own_server: bool) -> dict[str, str]:
    """The caller's headers, or a ``ConfigurationError`` that quotes no value.

    For a self-hosted server (``own_server``) the caller may set ``Authorization``.
    """
    if not isinstance(headers, Mapping):
        raise ConfigurationError(
            "headers must be a mapping of names to values, or a function that returns one."
        )
    valid: dict[str, str] = {}
    for name, value in cast("Mapping[object, object]", headers).items():
        # An invalid name is not quoted: it may be the token, in the wrong place.
        if not isinstance(name, str) or not re.fullmatch(_HEADER_NAME, name):
            raise ConfigurationError("headers: a name is not a valid HTTP header name.")
        if not isinstance(value, str) or not re.fullmatch(_HEADER_VALUE, value):
            raise ConfigurationError(
                f"headers: the value of {name} is not a valid HTTP header value: use ASCII, "
                "no line breaks."
            )
        owner = HEADERS.get(name.lower(), "open")
        if owner == "ours" or (owner == "secret" and not own_server):
            raise ConfigurationError(
                f"headers: {name} is set by this package; leave it out. The key is api_key=..."
            )
        valid[name] = value
    return valid


def fits_header(secret: str) -> bool:
    """Whether a secret fits into a header: visible ASCII without blanks."""
    return re.fullmatch(r"[\x21-\x7e]+", secret) is not None


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _text(
    settings: Mapping[str, object], environ: Mapping[str, str], name: str, *variables: str
) -> str | None:
    """The first of a setting and variables that is not empty, without outer blanks."""
    value = settings.get(name)
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(f"{name} must be a string, not a {type(value).__name__}.")
    texts = (value or "", *(environ.get(variable, "") for variable in variables))
    return next((text.strip() for text in texts if text.strip()), None)


def _addresses(text: Callable[..., str | None]) -> tuple[str, str | None]:
    """The ``base_url`` and ``server_url``; arguments take precedence over the environment."""
    base_url, server_url = text("base_url"), text("server_url")
    if base_url is not None and server_url is not None:
        raise ConfigurationError(
            "Use base_url=... for a ChatKit API with sessions or server_url=... for a self-hosted "
            "server, not both."
        )
    if base_url is None and server_url is None:
        server_url = text("", "EDN360_CHATKIT_SERVER_URL")
    base_url = base_url or text("", "EDN360_CHATKIT_BASE_URL") or DEFAULT_BASE_URL
    return (
        _checked_url("base_url", base_url).rstrip("/"),
        None if server_url is None else _checked_url("server_url", server_url),
    )


def _secret(name: str, value: str) -> SecretStr:
    if not fits_header(value):
        # The text does not quote the value, which is secret.
        raise ConfigurationError(
            f"{name} has a blank, a line break or a character that can't be in a header; "
            "copy it again."
        )
    return SecretStr(value)


def _checked_url(name: str, url: str) -> str:
    setting = f"{name} (or $EDN360_CHATKIT_{name.upper()})"
    try:
        parsed = httpx.URL(url)
        parsed.host.encode("idna")
        if not _PLAIN_URL.fullmatch(url) or (parsed.port or 0) > 65535:
            raise ValueError
    except (httpx.InvalidURL, ValueError):
        # Drop the cause: it quotes a part of the URL, which may be a password.
        raise ConfigurationError(
            f"{setting} is not a valid URL. It must begin with https:// and name a host, such as "
            f"{DEFAULT_BASE_URL}, without a user, a query, a fragment or a backslash, and without "
            "'.' or '..' in its path. No key or token belongs in it."
        ) from None
    if parsed.scheme == "http" and not is_loopback(parsed.host):
        raise ConfigurationError(
            f"{setting} must begin with https://: over http the credentials and the athlete's data "
            "can be read on the way. Only loopback (localhost, 127.0.0.1, [::1]) may use http."
        )
    return str(parsed)


def _headers(headers: Headers | None, *, own_server: bool) -> Headers:
    if callable(headers):
        # The headers of a function are checked at every call.
        return lambda: checked_headers(headers(), own_server=own_server)
    return checked_headers({} if headers is None else headers, own_server=own_server)


def _timeout(timeout: object) -> httpx.Timeout:
    if isinstance(timeout, httpx.Timeout):
        for step, seconds in timeout.as_dict().items():
            # httpx accepts any value here, and fails when it connects.
            if seconds is not None:
                checked_seconds(f"timeout.{step}", seconds)
        return timeout
    seconds = checked_seconds("timeout", timeout, zero=False)
    # The deadline alone bounds the wait for a free connection: waiting there fails no run.
    return httpx.Timeout(seconds, pool=None)
