"""Arguments and environment, checked and frozen before anything is sent."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast

import httpx
from pydantic import SecretStr

from ._checked import checked
from .errors import APIConnectionError, ChatKitError, ConfigurationError

DEFAULT_BASE_URL = "https://api.openai.com/v1/chatkit"
"""Where OpenAI serves ChatKit."""
DEFAULT_DEADLINE = 3600.0
"""How long a call may take, in seconds; the longest real runs took 205."""
DEFAULT_MAX_RESPONSE_BYTES = 16 * 1024 * 1024
"""How large an answer may be, in bytes; real ones have some ten thousand."""

Protocol: TypeAlias = Literal["auto", "messages", "threads"]
Headers: TypeAlias = Mapping[str, str] | Callable[[], Mapping[str, str]]
"""Headers for every request, or a function that is asked for them before each one."""

# What an HTTP header may hold (RFC 9110, section 5): a token for its name, visible characters
# and inner blanks for its value.
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?")
_AMBIGUOUS = re.compile(r"\\|/\.\.?(?=/|\Z)|%(?:[01][0-9a-f]|7f|2e|2f|5c)", re.IGNORECASE)
_OUR_HEADERS = frozenset({"authorization", "content-type", "content-length", "host", "openai-beta"})


@dataclass(frozen=True, slots=True)
class Config:
    """What a client was told, checked. See :class:`~edn360_chatkit.ChatKitClient` for each.

    ``request_seconds`` is the ``timeout`` where that is a number: a request's as a whole.
    """

    api_key: SecretStr | None = field(repr=False)
    workflow_id: str | None
    base_url: str
    server_url: str | None
    protocol: Protocol
    headers: Headers = field(repr=False)
    timeout: httpx.Timeout
    max_retries: int
    poll_interval: float
    max_attempts: int
    poll_limit: int
    deadline: float
    max_response_bytes: int
    request_seconds: float | None


@checked(ConfigurationError, "A setting")
def load_config(
    *,
    api_key: str | None = None,
    workflow_id: str | None = None,
    base_url: str | None = None,
    server_url: str | None = None,
    protocol: Protocol = "auto",
    headers: Headers | None = None,
    timeout: float | httpx.Timeout = 30.0,
    max_retries: int = 4,
    poll_interval: float = 2.0,
    max_attempts: int = 60,
    poll_limit: int = 50,
    deadline: float = DEFAULT_DEADLINE,
    max_response_bytes: int = DEFAULT_MAX_RESPONSE_BYTES,
    environ: Mapping[str, str] = os.environ,
) -> Config:
    """Check what a client was told and complete it from the environment.

    Raises:
        ConfigurationError: Something is missing or wrong; the text says which argument or
            environment variable to set.
    """
    checked_choice("protocol", protocol, ("auto", "messages", "threads"), ConfigurationError)
    # An address that is given by name is meant, whatever the environment says.
    server = server_url or (
        None if base_url else _first("server_url", None, environ, "EDN360_CHATKIT_SERVER_URL")
    )
    if server is not None and protocol == "messages":
        raise ConfigurationError(
            "A self-hosted server (server_url or $EDN360_CHATKIT_SERVER_URL) speaks ChatKit's "
            "thread protocol: use protocol='auto' or 'threads', or leave the server out."
        )
    if server is not None and base_url:
        raise ConfigurationError(
            "Use base_url=... for a ChatKit API with sessions or server_url=... for a self-hosted "
            "server, not both."
        )
    key = None
    if server is None:
        key = _checked_key(
            _first("api_key", api_key, environ, "EDN360_OPENAI_API_KEY", "OPENAI_API_KEY")
        )
    return Config(
        api_key=key,
        workflow_id=_first("workflow_id", workflow_id, environ, "EDN360_TRAINING_WORKFLOW_ID"),
        base_url=_checked_url(
            "base_url",
            _first("base_url", base_url, environ, "EDN360_CHATKIT_BASE_URL") or DEFAULT_BASE_URL,
        ),
        server_url=None if server is None else _checked_url("server_url", server),
        protocol=protocol if server is None else "threads",
        headers=_checked_headers(headers, own=server is not None),
        timeout=_checked_timeout(timeout),
        max_retries=checked_count("max_retries", max_retries, least=0),
        poll_interval=checked_seconds("poll_interval", poll_interval),
        max_attempts=checked_count("max_attempts", max_attempts, least=1),
        poll_limit=checked_count("poll_limit", poll_limit, least=1, most=100),
        deadline=checked_deadline(deadline),
        max_response_bytes=checked_count("max_response_bytes", max_response_bytes, least=1),
        request_seconds=None if isinstance(timeout, httpx.Timeout) else float(timeout),
    )


def _checked_key(key: str | None) -> SecretStr:
    if key is None:
        raise ConfigurationError(
            "No API key. Pass api_key=..., or set the environment variable "
            "EDN360_OPENAI_API_KEY or OPENAI_API_KEY."
        )
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        # The key itself is left out of the text on purpose.
        raise ConfigurationError(
            "The API key (api_key, $EDN360_OPENAI_API_KEY or $OPENAI_API_KEY) has a blank, a "
            "line break or another character that no key has; copy it again."
        )
    return SecretStr(key)


def checked_choice(
    name: str, value: object, choices: tuple[str, ...], error: type[ChatKitError]
) -> None:
    """Raise the error where a value is none of its choices."""
    if not isinstance(value, str) or value not in choices:
        named = f"{name}={value[:100]!r}" if isinstance(value, str) else f"This {name}"
        raise error(f"{named} is not known; use {', '.join(map(repr, choices))}.")


MOST = 2**53
"""The largest count that can be asked for: floats hold every whole number up to here."""
LONGEST = 7 * 86400.0
"""The longest time that can be asked for, in seconds."""


def checked_count(name: str, value: object, *, least: int, most: int = MOST) -> int:
    """A whole number within its bounds, or a ``ConfigurationError`` that names it."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigurationError(f"{name} must be a whole number of {least} or more.")
    if value > most:
        raise ConfigurationError(f"{name} must be at most {most}.")
    return value


def checked_seconds(name: str, value: object) -> float:
    """A length of time in seconds, zero allowed, or a ``ConfigurationError`` that names it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigurationError(f"{name} must be a number of seconds.")
    if not 0 <= value <= LONGEST:
        raise ConfigurationError(
            f"{name} must be from 0 to {LONGEST:.0f} seconds, which is a week."
        )
    return float(value)


def checked_deadline(value: object) -> float:
    """A deadline in seconds, or a ``ConfigurationError``."""
    seconds = checked_seconds("deadline", value)
    if seconds == 0:
        raise ConfigurationError("deadline must be more than 0 seconds.")
    return seconds


def _first(name: str, argument: object, environ: Mapping[str, str], *variables: str) -> str | None:
    """The argument if it is given, else the first variable that is set to something."""
    if argument is not None and not isinstance(argument, str):
        raise ConfigurationError(f"{name} must be a string, not a {type(argument).__name__}.")
    for value in (argument, *map(environ.get, variables)):
        if value and value.strip():
            return value.strip()
    return None


def _checked_url(name: str, url: object) -> str:
    variable = f"{name} (or $EDN360_CHATKIT_{name.upper()})"
    if not isinstance(url, str):
        raise ConfigurationError(f"{variable} must be a string, not a {type(url).__name__}.")
    try:
        parsed = httpx.URL(url)
        parsed.host.encode("idna")
        parsed.raw_path.decode("ascii")
        if not re.fullmatch(rb"[0-9A-Za-z._:-]*", parsed.raw_host):
            # Such as half a bracket, which every reader of URLs takes for something else.
            raise ValueError
        if parsed.port is not None and not 0 < parsed.port < 65536:
            raise ValueError
    except (httpx.InvalidURL, ValueError):
        # Without its cause, which quotes a piece of the URL: there may be a password in it.
        raise ConfigurationError(f"{variable} is not a URL.") from None
    if parsed.userinfo or re.match("[^/]*//[^/]*@", url) or "?" in url or "#" in url:
        raise ConfigurationError(
            f"{variable} must not carry a user, a query or a fragment; pass what the server asks "
            "for as api_key=... or headers=..."
        )
    if _AMBIGUOUS.search(url):
        raise ConfigurationError(
            f"{variable} must not have '.' or '..' as a segment of its path, a backslash, or dots, "
            "slashes and control characters written with %: servers and proxies read them "
            "differently."
        )
    if parsed.scheme not in ("https", "http") or not parsed.host:
        raise ConfigurationError(
            f"{variable} must begin with https:// and name a host, such as {DEFAULT_BASE_URL}."
        )
    if parsed.scheme == "http" and not is_loopback(parsed.host):
        raise ConfigurationError(
            f"{variable} must begin with https://: over http the credentials and the athlete's "
            "data could be read on the way. Only loopback (localhost, 127.0.0.1, [::1]) may use "
            "http."
        )
    return str(parsed).rstrip("/") if name == "base_url" else str(parsed)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name or address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _checked_headers(headers: Headers | None, *, own: bool) -> Headers:
    """Headers that are known to be fit for use; a function's are checked whenever it is asked."""
    if callable(headers):
        return lambda: checked_headers(_asked(headers), own=own)
    return checked_headers({} if headers is None else headers, own=own)


def _asked(headers: Callable[[], Mapping[str, str]]) -> object:
    try:
        return headers()
    except Exception as error:
        # The token endpoint behind it may be back in a moment: this can be tried again.
        raise APIConnectionError(
            f"The function that was given as headers= raised {type(error).__name__}; nothing was "
            "sent.",
            may_have_arrived=False,
        ) from error


@checked(ConfigurationError, "headers")
def checked_headers(headers: object, *, own: bool) -> Mapping[str, str]:
    """Headers of the caller's, checked.

    Args:
        headers: What the caller gave.
        own: Whether they go to a server of the caller's own, which may want ``Authorization``.
    """
    if not isinstance(headers, Mapping):
        raise ConfigurationError(
            "headers must be a mapping of names to values, or a function that returns one."
        )
    reserved = _OUR_HEADERS - {"authorization"} if own else _OUR_HEADERS
    fit: dict[str, str] = {}
    for name, value in cast("Mapping[object, object]", headers).items():
        # A name that is none is not quoted: it may be the token, in the wrong place.
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise ConfigurationError("headers: one has a name that is no HTTP header's.")
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            raise ConfigurationError(
                f"headers: the value of {name} is no HTTP header's: use ASCII, no line breaks."
            )
        if name.lower() in reserved:
            raise ConfigurationError(
                f"headers: {name} is set by this package; leave it out. The key is api_key=..."
            )
        fit[name] = value
    return fit


def _checked_timeout(timeout: float | httpx.Timeout) -> httpx.Timeout:
    if isinstance(timeout, httpx.Timeout):
        for step, seconds in timeout.as_dict().items():
            # httpx takes anything here, and fails with it when it connects.
            if seconds is not None:
                checked_seconds(f"timeout.{step}", seconds)
        return timeout
    seconds = checked_seconds("timeout", timeout)
    if seconds == 0:
        raise ConfigurationError("timeout must be more than 0 seconds.")
    # Waiting for a free connection is bounded by the deadline alone: it fails no run.
    return httpx.Timeout(seconds, pool=None)
