"""The exit statuses, and errors in the words of the command line."""

import re
from importlib.util import find_spec

from ..errors import ConfigurationError

SUCCESS, FAILED, BAD_USAGE = 0, 1, 2

_NAMES = "base_url|server_url|workflow_id|user|poll_interval|max_attempts|deadline"
_TEXTS = {
    "Pass api_key=..., or": "Use run --simulate, or",
    "api_key=..., ": "",
    "headers=... or in $": "$",
    "protocol='auto' or 'threads'": "--protocol auto or threads",
    "protocol='threads'": "--protocol threads",
    "leave protocol= out": "leave --protocol out",
    " to the client or to this call": "",
    "base_url or server_url": "--base-url or --server-url",
    "(server_url or": "(--server-url or",
    ", so there is no run to wait for: send one with send_message(...)": (
        ": the athlete's data have not arrived"
    ),
    ": make a new one with create_session(...)": "",
    ": make a new session with create_session(...)": "",
    "pass a RunReference with its thread_id": "add its thread_id to RUN",
}
_LIST = re.compile(r" with client\.threads\.list\([^()]*\)")
_OPTION = re.compile(rf"({_NAMES})(?:=\.\.\.|(?= \(or| must))")


def error_text(error: Exception) -> str:
    """The text of an error, with options in the place of the library's parameters."""
    text = _LIST.sub("", str(error))
    for python, option in _TEXTS.items():
        text = text.replace(python, option)
    return _OPTION.sub(lambda match: "--" + match[1].replace("_", "-"), text)


def require(extra: str, *modules: str) -> None:
    """Raise ``ConfigurationError`` if a module of an extra is not installed."""
    if missing := [module for module in modules if find_spec(module) is None]:
        name = " and ".join(missing)
        raise ConfigurationError(f'Install {name}: pip install "edn360-chatkit[{extra}]"')
