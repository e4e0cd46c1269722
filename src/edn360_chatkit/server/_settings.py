"""The settings of a server."""

from __future__ import annotations

import os
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from ..errors import ConfigurationError

TOKEN_VARIABLE = "EDN360_SERVER_TOKEN"  # noqa: S105 - its name

Authenticate: TypeAlias = Callable[[str], "str | Awaitable[str | None] | None"]
"""Verifies a bearer token, which may be empty, and returns its user.

``None`` or an exception refuses the request with 401.
"""


@dataclass(frozen=True)
class ServerSettings:
    """The limits of a server, and the callers that it accepts.

    Attributes:
        token: The bearer tokens of the callers, separated by blanks; by default
            ``$EDN360_SERVER_TOKEN``. Without a token and a ``token_file``, every caller is
            accepted.
        token_file: A file with more tokens. It is read at each request, so tokens can change
            while the server runs.
        authenticate: A function that verifies a bearer token and returns its user; ``None`` or
            an exception refuses the request. It replaces the tokens and ``metadata.user``.
        max_runs: The number of concurrent runs; further runs wait in order.
        run_timeout: The longest time of a run, in seconds, without its time in the queue.
        grace: The time that runs have to finish when the server stops, in seconds. Real runs
            take up to 205 s.
        max_request_bytes: The largest request.
        retention_days: Threads without a new item for so many days are deleted.
        keep_alive: The silence in a stream after which a comment is sent, in seconds.
    """

    token: str = field(default_factory=lambda: os.environ.get(TOKEN_VARIABLE, ""), repr=False)
    token_file: Path | None = None
    authenticate: Authenticate | None = None
    max_runs: int | None = None
    run_timeout: float = 1800.0
    grace: float = 240.0
    max_request_bytes: int = 10_000_000
    retention_days: float | None = None
    keep_alive: float = 15.0

    @property
    def protected(self) -> bool:
        """Whether requests need a token."""
        return bool(self.token.strip() or self.token_file or self.authenticate)

    def accepts(self, token: str) -> bool:
        """Whether a bearer token is valid. The comparisons take constant time."""
        return any(secrets.compare_digest(token.encode(), each.encode()) for each in self.tokens())

    def tokens(self) -> list[str]:
        """The valid tokens.

        Raises:
            ConfigurationError: The token file can't be read.
        """
        try:
            text = self.token_file.read_text("utf-8") if self.token_file else ""
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigurationError(f"The token file can't be read: {reason}.") from error
        return f"{self.token} {text}".split()
