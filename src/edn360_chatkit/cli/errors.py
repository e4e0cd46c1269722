"""The exit statuses, and error texts that name options instead of Python."""

import re
import shlex
from collections.abc import Callable
from importlib.util import find_spec
from typing import TypeAlias

from ..errors import ConfigurationError
from ..models.run import resume_call

SUCCESS, FAILED, BAD_USAGE = 0, 1, 2

Rule: TypeAlias = tuple[str, str | Callable[[re.Match[str]], str]]

_NAMES = "(?:base|server)_url|workflow_id|poll_interval|max_(?:attempts|concurrency|response_bytes)"
_OPTIONS = {"max_concurrency": "--concurrency"}  # other options have the setting's name
_FIRST_WORD = r"(?:^|(?<=[.;:] ))[a-z]+"
_IN_ENVIRONMENT = r"\b(?:api_key(?:=\.\.\.)?|headers=\.\.\.)"


def _option(match: re.Match[str]) -> str:
    name, value = match["name"], match["value"]
    option = _OPTIONS.get(name, "--" + name.replace("_", "-"))
    return f"{option} {value}" if value else option


# The library's texts name Python calls and settings. A rule is for a form, not for a single text.
_RULES: tuple[Rule, ...] = (
    # A setting that the command reads only from the environment.
    (rf"Pass {_IN_ENVIRONMENT}, or (\w)", lambda match: match[1].upper()),
    (rf"{_IN_ENVIRONMENT}(?:,? or (?:in )?|, )", ""),
    (rf"(?:as |in )?{_IN_ENVIRONMENT}", "in the environment"),
    (r"pass a RunReference with its (\w+)", r"add its \1 to RUN"),
    # The command says by itself where the answer is.
    (r"(?:It|The text|Its message) is in \.text; (\w)", lambda match: match[1].upper()),
    (r"is in \.text, and was", "was"),
    # A call or an attribute, and advice that only names a call.
    (r"; see \.\w+(?: and \.\w+)*", ""),
    (r"(?:: (?:send|make) [\w ]+)? with (?:[\w.]+\(.*?\)|EnrichedTrainingProgram\b)", ""),
    (r" to the client or to this call| A with block [^.]*\.", ""),
    # A setting. Only in these forms an English word is the name of a setting.
    (
        rf"(?<![\w.$'\"-])(?P<name>{_NAMES}|[a-z]+(?==(?:\.\.\.|'| ))|{_FIRST_WORD}(?= must be ))"
        r"(?:=\.\.\.|='(?P<value>\w+)'|=(?= ))?",
        _option,
    ),
)


def error_text(error: Exception, resume: str = "") -> str:
    """The text of an error. ``resume`` is the command that resumes its run."""
    text, run = str(error), getattr(error, "run", None)
    if run is not None:
        resume = resume or shlex.join(["edn360-chatkit", "resume", str(run)])
        text = text.replace(resume_call(run), resume)
    for pattern, replacement in _RULES:
        text = re.sub(pattern, replacement, text)
    seconds = getattr(error, "retry_after", None)
    return text.replace(" .retry_after", f" {seconds:g}" if seconds else " some")


def require(extra: str, *modules: str) -> None:
    """Raise ``ConfigurationError`` if a module of an extra is not installed."""
    if missing := [module for module in modules if find_spec(module) is None]:
        name = " and ".join(missing)
        raise ConfigurationError(f'Install {name}: pip install "edn360-chatkit[{extra}]"')
