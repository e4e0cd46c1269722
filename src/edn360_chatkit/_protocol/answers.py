"""From assistant text to a training program: the only place that knows the root key.

A language model wrote the text. It may be the bare JSON, JSON in a fence or between prose, JSON
that stops in the middle, another object, or no JSON at all; :func:`read_answer` says which.
Reading takes time linear in the size of the text, whatever is in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from pydantic_core import from_json
from typing_extensions import TypedDict

from .._json import parse, whole_characters
from .._validation import field_errors
from ..errors import FieldError
from ..program.model import ROOT_KEY, EnrichedTrainingProgram


@dataclass(frozen=True)
class Program:
    """A training program that validates."""

    program: EnrichedTrainingProgram


@dataclass(frozen=True)
class InvalidProgram:
    """The root key is there, but what is under it does not validate."""

    errors: tuple[FieldError, ...]


@dataclass(frozen=True)
class Failure:
    """The workflow says that it failed.

    Attributes:
        description: What it says, cut to a length that fits into an exception.
    """

    description: str = field(repr=False)


@dataclass(frozen=True)
class Step:
    """Another JSON object: one of the workflow's agents is done."""

    keys: tuple[str, ...]


@dataclass(frozen=True)
class Truncated:
    """JSON that stops in the middle."""


@dataclass(frozen=True)
class Prose:
    """Text without a JSON object."""


Answer: TypeAlias = Program | InvalidProgram | Failure | Step | Truncated | Prose


@with_config(ConfigDict(extra="ignore", hide_input_in_errors=True))
class _Envelope(TypedDict):
    client_training_program_enriched: EnrichedTrainingProgram


@cache
def _envelope() -> TypeAdapter[_Envelope]:
    """Reads an answer. Made when the first one comes, since making it costs at import."""
    return TypeAdapter(_Envelope)


def read_answer(text: str) -> Answer:
    """Say what an assistant's text is.

    Args:
        text: The text of one assistant message, as it came.

    Returns:
        The program, if there is one that validates; otherwise what the text holds instead. Of
        several objects in one text, the last one of the best kind counts.
    """
    try:
        # Nearly every answer is the bare JSON: one pass, no intermediate objects.
        return Program(_envelope().validate_json(text)[ROOT_KEY])
    except ValueError:
        pass
    whole = _parse(text)
    if isinstance(whole, dict):
        return _read_object(cast("dict[str, Any]", whole))
    found, cut = _objects_in(text)
    readings = [_read_object(item) for item in found]
    for kind in (Program, InvalidProgram, Failure):
        for reading in reversed(readings):
            if isinstance(reading, kind):
                return reading
    if cut:
        return Truncated()
    return readings[-1] if readings else Prose()


def _read_object(item: dict[str, Any]) -> Answer:
    if item.get(ROOT_KEY) is not None or (ROOT_KEY in item and not item.get("error")):
        try:
            return Program(_envelope().validate_python(item)[ROOT_KEY])
        except ValidationError as error:
            return InvalidProgram(field_errors(error, ROOT_KEY))
    if item.get("error"):
        return Failure(_description(item["error"]))
    return Step(tuple(item))


def _description(error: Any) -> str:
    """What the workflow says went wrong, in one line."""
    if isinstance(error, dict):
        fields = cast("dict[str, Any]", error)
        error = fields.get("message") or fields.get("detail") or fields.get("code") or fields
    text = error if isinstance(error, str) else json.dumps(error, ensure_ascii=False, default=str)
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= 300 else line[:300] + "…"


# Where an object may begin: a brace and then a key (or the end of a text that was cut), so that
# the braces of ordinary prose cost nothing. An empty object is no step and no program.
_OBJECT_START = re.compile(r'\{\s*(?="|\Z)')
# Where the program begins, when quotes or braces in the prose before it hid its opening brace.
_PROGRAM_START = re.compile(rf'"{ROOT_KEY}"\s*:\s*(?=\{{)')
# Inside an object only brackets count, and quotes, since a string may hold brackets. An escape
# is a token of its own so that an escaped quote does not end its string.
_TOKEN = re.compile(r'\\.|["{}\[\]]', re.DOTALL)


def _objects_in(text: str) -> tuple[list[dict[str, Any]], bool]:
    """The JSON objects between the prose of a text, and whether the last one was cut short.

    Every character is looked at a bounded number of times: a stretch that turns out not to be
    JSON is left behind as a whole, and not searched again from each of its braces.
    """
    objects: list[dict[str, Any]] = []
    rest: list[tuple[int, int]] = []
    cut = False
    position = 0
    while match := _OBJECT_START.search(text, position):
        start = match.start()
        end = _end_of_object(text, start)
        item = _parse(text[start:end]) if end is not None else None
        if end is None:
            cut = _is_beginning_of_json(text[start:])
            if not cut:
                rest.append((start, len(text)))
            break
        if isinstance(item, dict):
            objects.append(cast("dict[str, Any]", item))
        else:
            rest.append((start, end))
        position = end
    if not any(ROOT_KEY in item for item in objects):
        objects += _programs_in(text, rest)
    return objects, cut


def _programs_in(text: str, stretches: list[tuple[int, int]]) -> Iterator[dict[str, Any]]:
    """Programs inside stretches that are not JSON as a whole, found by the root key."""
    reached = 0
    for start, stop in stretches:
        # An object may end behind its stretch; nothing is walked twice.
        position = max(start, reached)
        while match := _PROGRAM_START.search(text, position, stop):
            end = _end_of_object(text, match.end())
            if end is None:
                return
            reached = end
            item = _parse(text[match.end() : end])
            if isinstance(item, dict):
                yield {ROOT_KEY: item}
            position = end


def _end_of_object(text: str, start: int) -> int | None:
    """Where the object that begins at ``start`` ends, by its brackets; ``None`` if it does not."""
    depth = 0
    in_string = False
    for token in _TOKEN.finditer(text, start):
        symbol = token.group()
        if symbol == '"':
            in_string = not in_string
        elif in_string or symbol[0] == "\\":
            continue
        elif symbol in "{[":
            depth += 1
        else:
            depth -= 1
            if depth == 0:
                return token.end()
    return None


def _parse(text: str) -> Any:
    """The JSON value that a text is, or ``None``."""
    try:
        return parse(text)
    except ValueError:
        return None


_CONTROL = re.compile(r"[\x00-\x1f]")


def _is_beginning_of_json(text: str) -> bool:
    """Whether only the end is missing: anything else that is wrong makes it no JSON."""
    try:
        from_json(_CONTROL.sub(" ", whole_characters(text)))
    except ValueError as error:
        return str(error).startswith("EOF while parsing")
    return False


@dataclass(frozen=True)
class AnswerFormat:
    """What an answer looks like."""

    root_key: str
    model: type[EnrichedTrainingProgram]


TRAINING_PROGRAM = AnswerFormat(ROOT_KEY, EnrichedTrainingProgram)
