"""The form of an option, and the options that several commands share."""

from typing import Any, TypeAlias

from .files import STANDARD

Option: TypeAlias = tuple[list[str], dict[str, Any]]
"""The arguments of ``ArgumentParser.add_argument``."""

_KINDS: dict[type, dict[str, Any]] = {
    bool: {"action": "store_true"},
    int: {"type": int, "metavar": "N"},
    float: {"type": float, "metavar": "SECONDS"},
}


def option(names: str, value: str | type | tuple[str, ...], text: str, **more: Any) -> Option:
    """An option, or an argument without a dash.

    Args:
        names: Its names, separated by blanks.
        value: The name of its value, its type, or its choices. ``bool`` is a flag.
        text: The text for ``--help``.
        more: Other settings of argparse.
    """
    if isinstance(value, type):
        more = {**_KINDS[value], **more}
    else:
        more["metavar" if isinstance(value, str) else "choices"] = value
    return names.split(), {"help": text, **more}


LANG = option("--lang", ("es", "en"), "default es", default="es")
OUTPUT = option("-o --output", "OUT.json", "default: standard output", default=STANDARD)
RUN = option("run", "RUN", "the file of a run, such as OUT.json.run, or its JSON text")
SERVER = (
    option("--base-url", "URL", "the ChatKit API; default $EDN360_CHATKIT_BASE_URL"),
    option("--server-url", "URL", "a self-hosted server; default $EDN360_CHATKIT_SERVER_URL"),
    option("--protocol", ("auto", "messages", "threads"), "default auto: that of the server"),
    option("--timeout", float, "the time limit of a request; default 30"),
    option("--max-response-bytes", int, "the largest response; default 16 MiB"),
)
SENDING = (
    option("--simulate", bool, "a built-in simulator: no key, no network, a simulated program"),
    *SERVER,
    option("--workflow-id", "WF", "the workflow; default $EDN360_TRAINING_WORKFLOW_ID"),
)
WAITING = (
    option("--poll-interval", float, "time between polls; default 2, or 0.25 with a simulator"),
    option("--max-attempts", int, "the limit of polls; default 60"),
    option("--deadline", float, "the limit of the whole wait; default 3600"),
    option("--answer", ("program", "first"), "program, or the first message", default="program"),
)
