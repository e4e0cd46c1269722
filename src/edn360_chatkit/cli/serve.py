"""``edn360-chatkit serve``: a ChatKit server around a workflow."""

import argparse
import os
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from .errors import SUCCESS, require

DEMO = "edn360_chatkit.server.demo:run_workflow"
PYTHON_EXPORT = "An export must be the one for Python: Agent Builder's default is TypeScript."
PACKAGES = {"agents": "openai-agents", "guardrails": "openai-guardrails"}  # that exports import
LAST_SECONDS = 5
"""How long the process may take to end after the server, in seconds."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add = parser.add_argument
    text = "the workflow: an async or sync function of an athlete's data, run_workflow of an "
    text += "export of Agent Builder, or an application of build_app(); default: a demo"
    add("workflow", metavar="MODULE:FUNCTION", nargs="?", default=DEMO, help=text)
    text = "an SQLite file or postgresql+psycopg://...; default threads.db"
    add("--database", metavar="DATABASE", help=text)
    add("--host", metavar="HOST", default="127.0.0.1", help="default 127.0.0.1")
    add("--port", metavar="N", type=int, default=8000, help="default 8000; 0 for a free port")
    text = "bearer tokens, one a line, besides those in $EDN360_SERVER_TOKEN"
    add("--token-file", metavar="FILE", type=Path, help=text)
    text = "a function of a bearer token that returns its user, or None to refuse it"
    add("--authenticate", metavar="MODULE:FUNCTION", help=text)
    add("--max-runs", metavar="N", type=_positive(int), help="runs at once; default no limit")
    text = "the longest time of a run; default 1800"
    add("--run-timeout", metavar="SECONDS", type=_positive(float), help=text)
    text = "the time that runs have to finish after SIGTERM; default 240"
    add("--grace", metavar="SECONDS", type=float, help=text)
    text = "delete threads without a new item for so long; default never"
    add("--retention", metavar="DAYS", type=_positive(float), dest="retention_days", help=text)
    text = "the largest request; default 10 MB"
    add("--max-request-bytes", metavar="N", type=_positive(int), help=text)


def execute(args: argparse.Namespace) -> int:
    """Do it, and return the exit status."""
    require("server", "chatkit", "sqlalchemy", "starlette", "uvicorn")
    from ..server import ServerSettings, WorkflowApp, build_app, serve

    names = {setting.name for setting in fields(ServerSettings)}
    given = {k: value for k, value in vars(args).items() if k in names and value is not None}
    if "authenticate" in given:
        given["authenticate"] = _load(given["authenticate"])
    settings = ServerSettings(**given)
    workflow = _load(args.workflow)
    is_app = isinstance(workflow, WorkflowApp)
    if not is_app:
        workflow = build_app(workflow, args.database or "threads.db", settings)
    with closing(workflow):
        if is_app and (given or args.database):
            raise ConfigurationError(
                "An application has its settings from build_app(), not from here."
            )
        serve(workflow, args.host, args.port)
    # Threads that a workflow has started must not keep the process.
    end = threading.Timer(LAST_SECONDS, os._exit, [SUCCESS])
    end.daemon = True
    end.start()
    return SUCCESS


def _load(name: str) -> Any:
    """The object ``MODULE:NAME``; the current directory is searched first."""
    module, _, attribute = name.partition(":")
    if module.endswith((".ts", ".js")):
        raise ConfigurationError(f"{module} can't be served. {PYTHON_EXPORT}")
    module = module.removesuffix(".py")
    if not module or not attribute:
        raise ConfigurationError(f"{name!r} is not of the form MODULE:FUNCTION.")
    sys.path.insert(0, "")
    try:
        loaded = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        missing = str(error.name)
        reason = f"There is no module {missing!r} to import {name} from."
        if missing != module:
            reason = f"{module} imports {missing}: pip install {PACKAGES.get(missing, missing)}"
        raise ConfigurationError(reason) from error
    except SyntaxError as error:
        place = f"{module}, line {error.lineno}"
        raise ConfigurationError(f"{place} is not Python: {error.msg}. {PYTHON_EXPORT}") from error
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise ConfigurationError(f"{name} can't be imported: {reason}") from error
    if not callable(loaded):
        raise ConfigurationError(f"{name} is not a function.")
    return loaded


def _positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return value

    return number
