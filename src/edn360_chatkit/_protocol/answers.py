"""From an assistant's text to a training program.

The text may be bare JSON, or JSON in a fence, below other keys or in prose. It may be malformed or
cut, or not be JSON. :func:`read_answer` classifies it, in time linear in its size.
"""

from __future__ import annotations

import json
import re
from bisect import bisect
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic import ValidationError
from pydantic_core import from_json

from .._json import as_object, is_list, is_object, parse_or_none, whole_characters
from .._validation import field_errors
from ..errors import FieldError
from ..program.model import ROOT_KEY, EnrichedTrainingProgram
from .mending import mend


@dataclass(frozen=True)
class AnswerFormat:
    """The format of a workflow's answer: the root key of its JSON, and the model of the value."""

    root_key: str
    model: type[EnrichedTrainingProgram]


TRAINING_PROGRAM = AnswerFormat(ROOT_KEY, EnrichedTrainingProgram)


@dataclass(frozen=True)
class Program:
    """A valid training program; ``repaired`` if its JSON was malformed."""

    program: EnrichedTrainingProgram = field(repr=False)
    repaired: bool = False


@dataclass(frozen=True)
class InvalidProgram:
    """The root key with an invalid value."""

    errors: tuple[FieldError, ...]


@dataclass(frozen=True)
class Failure:
    """The workflow reports an error. The description has at most 300 characters."""

    description: str = field(repr=False)


@dataclass(frozen=True)
class Step:
    """Another JSON object: an agent of the workflow has finished."""

    keys: tuple[str, ...]


@dataclass(frozen=True)
class Truncated:
    """JSON that is cut. ``place`` says where, without the athlete's data."""

    place: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Prose:
    """Text without a JSON object; ``place`` says where JSON with the root key is malformed."""

    place: str | None = field(default=None, compare=False)


Answer: TypeAlias = Program | InvalidProgram | Failure | Step | Truncated | Prose


def read_answer(text: str, format: AnswerFormat = TRAINING_PROGRAM) -> Answer:
    """Classify the text of an assistant message.

    The last root key of the text counts. Text inside ``<think>`` is ignored.
    """
    try:
        # Nearly every answer is bare JSON. Parse it first: in pydantic's JSON mode, the wrap
        # validator of each part would parse the part again.
        fields = as_object(from_json(text))
        return Program(format.model.model_validate(fields.get(format.root_key)))
    except (ValueError, TypeError):  # a TypeError for a lone surrogate
        return _Reading(format).read(text, depth=0)


# The largest number of JSON strings inside each other.
_DEEPEST = 3
_FENCED = r"(?s)\s*```[\w-]*\s*\n(.*?)\n?\s*```\s*"
# The values of ``error`` in a step without an error.
_NO_ERROR = frozenset({"", "none", "null", "false", "no", "ok", "n/a", "no error", "ninguno"})
# A step may repeat the run's input, with the previous program.
_INPUT_KEYS = frozenset({"context", "edn360_input", "input", "inputs", "previous_training_plan"})
_ESCAPED = r'\\(["\\/nrt])'
_BLANKS = {"n": "\n", "r": "\n", "t": " "}


class _Reading:
    """Reads a text that is not the bare, valid JSON."""

    def __init__(self, form: AnswerFormat) -> None:
        self.form = form
        self.key = re.compile(
            # Only the first of many backslashes begins a match: linear time.
            rf"""(?:(?<!\\)(\\*)["'“”]|\{{\s*){re.escape(form.root_key)}"""
            rf"""\\*["'“”]?\s*:\s*(?=[{{"'n[]|\Z)"""
        )

    def read(self, text: str, depth: int) -> Answer:
        value = parse_or_none(text)
        if value is None:
            text, thinking = _without_thoughts(text)
            if thinking and not text.strip():
                return Truncated(_place(text, len(text)))
            fenced = re.fullmatch(_FENCED, text)
            value = parse_or_none(fenced.group(1) if fenced else text)
        if isinstance(value, str) and depth < _DEEPEST:
            return self.read(value, depth + 1)
        if is_object(value) or is_list(value):
            objects = value if is_list(value) else [value]
            return self._last_program(objects, depth) or _read_objects(objects) or Prose()
        return self._read_parts(text, depth)

    def _last_program(self, value: object, depth: int) -> Answer | None:
        """Read the value of the last root key, at any depth; ``None`` without a root key."""
        stack = [value]
        while stack:
            item = stack.pop()
            if is_object(item):
                if item.get(self.form.root_key):
                    return self._read_program(item[self.form.root_key])
                stack += [value for key, value in item.items() if key not in _INPUT_KEYS]
            elif is_list(item):
                stack += item
            elif isinstance(item, str) and self.form.root_key in item and depth < _DEEPEST:
                answer = self.read(item, depth + 1)
                if isinstance(answer, (Program, InvalidProgram)):
                    return answer
        return None

    def _read_program(self, value: Any, *, repaired: bool = False) -> Answer:
        value = _decoded(value)
        if is_object(value) and isinstance(value.get("sessions"), str):
            value = {**value, "sessions": _decoded(value["sessions"])}
        try:
            return Program(self.form.model.model_validate(value), repaired)
        except ValidationError as error:
            return InvalidProgram(field_errors(error))

    def _read_parts(self, text: str, depth: int) -> Answer:
        """Classify a text that is not JSON as a whole."""
        has_key = self.form.root_key in text
        keys = list(self.key.finditer(text)) if has_key else []
        if _begins_root_key(text, self.form.root_key, keys[-1].end() if keys else 0):
            return Truncated(_place(text, len(text)))
        spans, cut = _objects_in(text)
        objects, starts = [value for _, _, value in spans], [start for start, _, _ in spans]
        before = len(spans)
        for key in reversed(keys):
            index = bisect(starts, key.start()) - 1
            if index < 0 or key.start() >= spans[index][1]:
                answer = self._read_after(text, key, depth)
            elif index < before:
                # In valid JSON, the previous program of a repeated input is recognised.
                before, answer = index, self._last_program(objects[index], depth)
            else:
                continue
            if answer is not None:
                return answer
        answer = _read_objects(objects)
        if cut and not isinstance(answer, Failure):
            return Truncated(_place(text, len(text)))
        place = _place(text, text.find(self.form.root_key)) if has_key else None
        return answer or Prose(place)

    def _read_after(self, text: str, key: re.Match[str], depth: int) -> Answer | None:
        """Classify the value of a root key; ``None`` if it is empty."""
        start = key.end()
        if key.group(1):
            # The key is inside a JSON string.
            if depth >= _DEEPEST:
                return Prose(_place(text, start))
            inner = re.sub(
                _ESCAPED, lambda match: _BLANKS.get(match[1], match[1]), text[key.start() :]
            )
            return self.read("{" + inner, depth + 1)
        if start == len(text):
            return Truncated(_place(text, start))
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            return self._mended(text, start, getattr(error, "pos", start))
        if not value:
            return None
        closed = text[end:].lstrip()[:1] in ("}", ",", "]")
        return self._read_program(parse_or_none(text[start:end]), repaired=not closed)

    def _mended(self, text: str, start: int, error_at: int) -> Answer:
        value, cut = mend(text[start:]) if text[start] == "{" else (None, True)
        if value is not None:
            answer = self._read_program(value, repaired=True)
            if not cut or isinstance(answer, Program):
                return answer
        return Truncated(_place(text, len(text))) if cut else Prose(_place(text, error_at))


def _decoded(value: Any) -> Any:
    """A value that may be written as a JSON string, once or twice."""
    for _ in range(2):
        if isinstance(value, str):
            value = parse_or_none(value) or value
    return value


def _read_objects(items: list[Any]) -> Failure | Step | None:
    """Classify objects without a program: the last failure, or the last step."""
    step: Step | None = None
    for item in reversed(items):
        if is_object(item):
            if _reports_error(item.get("error")):
                return Failure(_description(item))
            step = step or Step(tuple(item))
    return step


def _reports_error(error: object) -> bool:
    """Whether a value of ``error`` is more than empty."""
    if isinstance(error, str):
        return error.strip().rstrip(".").casefold() not in _NO_ERROR
    if is_object(error):
        return any(map(_reports_error, error.values()))
    return bool(error)


def _description(fields: dict[str, Any]) -> str:
    """The reason for a failure, on a line."""
    error = fields["error"]
    if error is True:
        error = fields.get("message") or fields.get("detail") or "error"
    if is_object(error):
        error = error.get("message") or error.get("detail") or error.get("code") or error
    text = error if isinstance(error, str) else json.dumps(error, ensure_ascii=False, default=str)
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= 300 else line[:300] + "…"


_THOUGHT = r"(?i)<(/?)think(?:ing)?>"


def _without_thoughts(text: str) -> tuple[str, bool]:
    """The text with blanks in place of its thoughts, and whether the last thought is open.

    Some models write only the closing tag: the text before it is the thought. A tag in a string of
    valid JSON is a word.
    """
    tags = list(re.finditer(_THOUGHT, text))
    spans = _objects_in(text)[0] if tags else []
    starts = [start for start, _, _ in spans]
    pieces: list[str] = []
    position, is_open = 0, False
    for tag in tags:
        index = bisect(starts, tag.start()) - 1
        if index >= 0 and tag.start() < spans[index][1]:
            continue
        piece = text[position : tag.end()]
        is_thought = is_open or tag[1] == "/"
        pieces.append(_blank(piece) if is_thought else piece[: -len(tag[0])] + _blank(tag[0]))
        position, is_open = tag.end(), not tag[1]
    rest = text[position:]
    return "".join([*pieces, _blank(rest) if is_open else rest]), is_open


def _blank(text: str) -> str:
    """Blanks of equal length, with the line breaks of the text."""
    return re.sub(r"[^\n]", " ", text)


def _begins_root_key(text: str, root_key: str, start: int) -> bool:
    """Whether the text stops within a root key."""
    tail = text[max(start, len(text) - len(root_key) - 40) :]
    key = re.search(r"""[{,]\s*["'“](\w+["'”]?\s*)\Z""", tail)
    return key is not None and root_key.startswith(key[1].rstrip("\"'” \n"))


def _place(text: str, position: int) -> str:
    """A place in a text: line, column, and the punctuation around it without the words."""
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    near = re.sub(r'[^{}\[\]",:]+', "…", text[max(0, position - 12) : position + 12])
    return f"line {line}, column {column}, near {near}"


# The start of an object is a brace and a key: braces in prose would cost time.
_OBJECT_START = re.compile(r'\{\s*(?="|\Z)')
_CONTROL = r"[\x00-\x1f]"
_DECODER = json.JSONDecoder(strict=False)
_MOST_ERRORS = 50


def _objects_in(text: str) -> tuple[list[tuple[int, int, Any]], bool]:
    """The JSON objects in a text, each with its start and end; whether the last one is cut."""
    objects: list[tuple[int, int, Any]] = []
    position, errors = 0, 0
    # Each error costs a pass over the text: JSONDecodeError counts the lines before it.
    while errors < _MOST_ERRORS and (match := _OBJECT_START.search(text, position)):
        start = match.start()
        try:
            _, position = _DECODER.raw_decode(text, start)
        except json.JSONDecodeError as error:
            # Continue after the error: a restart at each brace would take quadratic time.
            position, errors = max(error.pos, match.end()), errors + 1
            at_end = error.pos > len(text) - 8 or error.msg.startswith("Unterminated")
            if at_end and _is_beginning_of_json(text[start:]):
                return objects, True
        except (ValueError, RecursionError):
            break
        else:
            objects.append((start, position, parse_or_none(text[start:position])))
    return objects, False


def _is_beginning_of_json(text: str) -> bool:
    """Whether the text is valid JSON except for its missing end."""
    try:
        from_json(re.sub(_CONTROL, " ", whole_characters(text)))
    except ValueError as error:
        return str(error).startswith("EOF while parsing")
    return False
