"""Run a ChatKit server around your own workflow."""

import argparse
import os
import sys
import threading
from contextlib import closing
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from .arguments import option
from .connection import options_of
from .errors import SUCCESS, require
from .signals import report_stop

PYTHON_EXPORT = "An export must be the one for Python: Agent Builder's default is TypeScript."
PACKAGES = {"agents": "openai-agents", "guardrails": "openai-guardrails"}  # that exports import
LAST_SECONDS = 5
"""The time that the process may take to end after the server, in seconds."""

ARGUMENTS = (
    option(
        "workflow",
        "MODULE:FUNCTION",
        "an async or sync function of an athlete's data, run_workflow of an export of Agent "
        "Builder, or an application of build_app(); default: a demo",
        nargs="?",
        default="edn360_chatkit.server.demo:run_workflow",
    ),
    option("--database", "DATABASE", "default threads.db; or postgresql+psycopg://..."),
    option("--host", "HOST", "default 127.0.0.1", default="127.0.0.1"),
    option("--port", int, "default 8000; 0 for a free port", default=8000),
    option("--token-file", "FILE", "bearer tokens, besides $EDN360_SERVER_TOKEN", type=Path),
    option("--authenticate", "MODULE:FUNCTION", "a function of a bearer token: its user, or None"),
    option("--max-runs", int, "runs at the same time; default no limit"),
    option("--run-timeout", float, "the time limit of a run; default 1800"),
    option("--grace", float, "the time for runs to finish after SIGTERM; default 240"),
    option("--retention", float, "delete older threads", metavar="DAYS", dest="retention_days"),
    option("--max-request-bytes", int, "the largest request; default 10 MB"),
)


def execute(args: argparse.Namespace) -> int:
    """Run it until SIGTERM or Ctrl-C, and return the exit status."""
    require("server", "chatkit", "sqlalchemy", "starlette", "uvicorn")
    from ..server import ServerSettings, WorkflowApp, build_app, serve

    options = options_of(args, *(setting.name for setting in fields(ServerSettings)))
    for name in ("max_runs", "run_timeout", "retention_days", "max_request_bytes"):
        if not options.get(name, 1) > 0:
            option_name = name.replace("_", "-").removesuffix("-days")
            raise ConfigurationError(f"--{option_name} is not above 0.")
    if "authenticate" in options:
        options["authenticate"] = _load(options["authenticate"])
    settings = ServerSettings(**options)
    workflow = _load(args.workflow)
    is_app = isinstance(workflow, WorkflowApp)
    if not is_app:
        workflow = build_app(workflow, args.database or "threads.db", settings)
    with closing(workflow):
        if is_app and (options or args.database):
            raise ConfigurationError(
                "An application has its settings from build_app(), not from here."
            )
        before, status = threading.enumerate(), SUCCESS
        try:
            serve(workflow, args.host, args.port)
        except KeyboardInterrupt as stop:  # a second signal, which uvicorn raises at its end
            status = report_stop(stop)
        own = [thread for thread in threading.enumerate() if thread not in before]
    end = threading.Timer(LAST_SECONDS, _end_process, [own, status])
    end.daemon = True
    end.start()
    return status


def _end_process(threads: list[threading.Thread], status: int) -> None:
    """End the process if a thread of the workflow prevents its end."""
    if any(thread.is_alive() and not thread.daemon for thread in threads):
        os._exit(status)


def _load(name: str) -> Any:
    """Import the object ``MODULE:NAME``, from the current directory first."""
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
        if not f"{module}.".startswith(f"{missing}."):
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
