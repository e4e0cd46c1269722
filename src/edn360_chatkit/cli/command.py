"""What a subcommand is, the exit statuses, and errors in the words of the command line."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from ..errors import ConfigurationError

SUCCESS, FAILED, BAD_USAGE = 0, 1, 2
INTERRUPTED = 130  # 128 and the number of SIGINT, as shells report it

_OPTIONS = ("base_url", "server_url", "workflow_id", "user", "poll_interval", "max_attempts")


@dataclass(frozen=True)
class Command:
    """A subcommand: its help, the function that adds its arguments, and the one that does it."""

    name: str
    help: str  # its first sentence stands in the list of subcommands
    add_arguments: Callable[[argparse.ArgumentParser], None]
    execute: Callable[[argparse.Namespace], int]


def add_language(parser: argparse.ArgumentParser) -> None:
    """Add ``--lang``, the language of labels and findings."""
    parser.add_argument("--lang", choices=("es", "en"), default="es", help="default es")


def error_text(error: Exception) -> str:
    """The text of an error, with options in the place of the library's parameters."""
    text = str(error).replace("Pass api_key=..., or", "Use --simulate, or")
    text = text.replace("api_key=..., ", "").replace(" to the client or to this call", "")
    for name in _OPTIONS:
        option = "--" + name.replace("_", "-")
        for end in ("=...", " (or", " must"):
            text = text.replace(name + end, option + end.removeprefix("=..."))
    return text


def require(extra: str, *modules: str) -> None:
    """Raise ``ConfigurationError`` if a module of an extra is not installed."""
    if missing := [module for module in modules if find_spec(module) is None]:
        name = " and ".join(missing)
        raise ConfigurationError(f'Install {name}: pip install "edn360-chatkit[{extra}]"')
