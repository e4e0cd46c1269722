"""The exit statuses, and errors in the words of the command line."""

import re
from importlib.util import find_spec

from ..errors import ConfigurationError

SUCCESS, FAILED, BAD_USAGE = 0, 1, 2

_NAMES = "base_url|server_url|workflow_id|user|poll_interval|max_attempts|deadline"
_OPTION = re.compile(rf"({_NAMES})(?:=\.\.\.|(?= \(or| must))")


def error_text(error: Exception) -> str:
    """The text of an error, with options in the place of the library's parameters."""
    text = str(error).replace("Pass api_key=..., or", "Use run --simulate, or")
    text = text.replace("api_key=..., ", "").replace(" to the client or to this call", "")
    text = text.replace("(base_url or server_url)", "(--base-url or --server-url)")
    return _OPTION.sub(lambda match: "--" + match[1].replace("_", "-"), text)


def require(extra: str, *modules: str) -> None:
    """Raise ``ConfigurationError`` if a module of an extra is not installed."""
    if missing := [module for module in modules if find_spec(module) is None]:
        name = " and ".join(missing)
        raise ConfigurationError(f'Install {name}: pip install "edn360-chatkit[{extra}]"')
