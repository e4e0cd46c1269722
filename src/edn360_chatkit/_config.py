"""Arguments and environment, checked and frozen before anything is sent."""

from __future__ import annotations

import ipaddress
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast

import httpx
from pydantic import SecretStr

from .errors import ConfigurationError

DEFAULT_BASE_URL = "https://api.openai.com/v1/chatkit"
"""Where OpenAI serves ChatKit."""

Protocol: TypeAlias = Literal["auto", "messages", "threads"]

# What an HTTP header may hold (RFC 9110, section 5): a token for its name, visible characters
# and inner blanks for its value.
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?")
_OUR_HEADERS = frozenset({"authorization", "content-type", "content-length", "host", "openai-beta"})


@dataclass(frozen=True, slots=True)
class Config:
    """What a client was told, checked. See :class:`~edn360_chatkit.ChatKitClient` for each."""

    api_key: SecretStr = field(repr=False)
    workflow_id: str | None
    base_url: str
    headers: Mapping[str, str] = field(repr=False)
    timeout: httpx.Timeout
    max_retries: int
    poll_interval: float
    max_attempts: int
    poll_limit: int


def load_config(
    *,
    api_key: str | None = None,
    workflow_id: str | None = None,
    base_url: str | None = None,
    server_url: str | None = None,
    protocol: Protocol = "auto",
    headers: Mapping[str, str] | None = None,
    timeout: float | httpx.Timeout = 30.0,
    max_retries: int = 4,
    poll_interval: float = 2.0,
    max_attempts: int = 60,
    poll_limit: int = 50,
    environ: Mapping[str, str] = os.environ,
) -> Config:
    """Check what a client was told and complete it from the environment.

    Raises:
        ConfigurationError: Something is missing or wrong; the text says which argument or
            environment variable to set.
    """
    if protocol not in ("auto", "messages", "threads"):
        raise ConfigurationError(
            f"protocol={protocol!r} is not known; use 'auto', 'messages' or 'threads'."
        )
    if protocol == "threads":
        raise ConfigurationError(
            "protocol='threads' is not supported yet; use protocol='auto' or 'messages'."
        )
    # An address that is given by name is meant, whatever the environment says.
    from_environment = "" if base_url else environ.get("EDN360_CHATKIT_SERVER_URL", "").strip()
    if server_url or from_environment:
        raise ConfigurationError(
            "server_url (or $EDN360_CHATKIT_SERVER_URL) is not supported yet: this version "
            "speaks the session messages protocol only. Leave it out, and set base_url (or "
            "$EDN360_CHATKIT_BASE_URL) for a server of that protocol."
        )
    key = _first("api_key", api_key, environ, "EDN360_OPENAI_API_KEY", "OPENAI_API_KEY")
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
    return Config(
        api_key=SecretStr(key),
        workflow_id=_first("workflow_id", workflow_id, environ, "EDN360_TRAINING_WORKFLOW_ID"),
        base_url=_checked_url(
            _first("base_url", base_url, environ, "EDN360_CHATKIT_BASE_URL") or DEFAULT_BASE_URL
        ),
        headers=_checked_headers({} if headers is None else headers),
        timeout=_checked_timeout(timeout),
        max_retries=checked_count("max_retries", max_retries, least=0),
        poll_interval=checked_seconds("poll_interval", poll_interval),
        max_attempts=checked_count("max_attempts", max_attempts, least=1),
        poll_limit=checked_count("poll_limit", poll_limit, least=1, most=100),
    )


def checked_count(name: str, value: object, *, least: int, most: int | None = None) -> int:
    """A whole number within its bounds, or a ``ConfigurationError`` that names it."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigurationError(f"{name} must be a whole number of {least} or more.")
    if most is not None and value > most:
        raise ConfigurationError(f"{name} must be at most {most}.")
    return value


def checked_seconds(name: str, value: object) -> float:
    """A length of time in seconds, zero allowed, or a ``ConfigurationError`` that names it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigurationError(f"{name} must be a number of seconds.")
    if not math.isfinite(value) or value < 0:
        raise ConfigurationError(f"{name} must be a finite number of seconds, 0 or more.")
    return float(value)


def _first(name: str, argument: object, environ: Mapping[str, str], *variables: str) -> str | None:
    """The argument if it is given, else the first variable that is set to something."""
    if argument is not None and not isinstance(argument, str):
        raise ConfigurationError(f"{name} must be a string, not a {type(argument).__name__}.")
    for value in (argument, *map(environ.get, variables)):
        if value and value.strip():
            return value.strip()
    return None


def _checked_url(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise ConfigurationError("base_url is not a URL; see $EDN360_CHATKIT_BASE_URL.") from None
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise ConfigurationError(
            "base_url must not carry a user, a query or a fragment; pass the key as api_key=..."
        )
    if parsed.scheme not in ("https", "http") or not parsed.host:
        raise ConfigurationError(
            f"base_url must begin with https:// and name a host, such as {DEFAULT_BASE_URL}."
        )
    if parsed.scheme == "http" and not is_loopback(parsed.host):
        raise ConfigurationError(
            "base_url must begin with https://: over http the API key and the athlete's data "
            "could be read on the way. Only loopback (localhost, 127.0.0.1, [::1]) may use http."
        )
    return str(parsed).rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name or address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _checked_headers(headers: object) -> Mapping[str, str]:
    if not isinstance(headers, Mapping):
        raise ConfigurationError("headers must be a mapping of names to values.")
    checked: dict[str, str] = {}
    for name, value in cast("Mapping[object, object]", headers).items():
        if (
            not isinstance(name, str)
            or not isinstance(value, str)
            or not _HEADER_NAME.fullmatch(name)
            or not _HEADER_VALUE.fullmatch(value)
        ):
            raise ConfigurationError(
                f"headers: {name!r} or its value is no HTTP header: use ASCII, no line breaks."
            )
        if name.lower() in _OUR_HEADERS:
            raise ConfigurationError(
                f"headers: {name} is set by this package; leave it out. The key is api_key=..."
            )
        checked[name] = value
    return checked


def _checked_timeout(timeout: float | httpx.Timeout) -> httpx.Timeout:
    if isinstance(timeout, httpx.Timeout):
        return timeout
    seconds = checked_seconds("timeout", timeout)
    if seconds == 0:
        raise ConfigurationError("timeout must be more than 0 seconds.")
    return httpx.Timeout(seconds)
