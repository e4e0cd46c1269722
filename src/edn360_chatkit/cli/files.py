"""What the command reads and writes: checked before a run is paid for, written whole after it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from .._protocol.answers import InvalidProgram, Program, read_answer
from .._protocol.inputs import validate_input
from .._validation import describe, field_errors
from ..errors import ConfigurationError, FieldError, InvalidInputError
from ..inputs import EDN360Input
from ..program.model import ROOT_KEY, EnrichedTrainingProgram

STANDARD = "-"
"""The name of a file that means standard input or output."""


# --- reading --------------------------------------------------------------------------------


def read_text(name: str) -> str:
    """A file's text, or that of standard input.

    Raises:
        InvalidInputError: It can't be read, or is not UTF-8.
    """
    try:
        if name != STANDARD:
            data = Path(name).read_bytes()
        elif sys.stdin is None:
            raise InvalidInputError("Standard input is closed; name a file instead of -.")
        else:
            data = sys.stdin.buffer.read()
    except OSError as error:
        raise InvalidInputError(f"{_called(name)} can't be read: {_reason(error)}.") from error
    try:
        # Windows programs put a byte order mark in front.
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInputError(f"{_called(name)} is not UTF-8 text; save it as UTF-8.") from None


def read_input(name: str) -> EDN360Input:
    """The athlete's data in a file.

    Raises:
        InvalidInputError: It can't be read, or is no ``EDN360Input``; every fault is named.
    """
    return _as_input(_json_object(read_text(name), name), name)


def read_program(name: str) -> EnrichedTrainingProgram:
    """The training program in a file: alone, or in the workflow's answer as it came.

    Raises:
        InvalidInputError: It can't be read, or is no program; every fault is named.
    """
    text = read_text(name)
    answer = read_answer(text)
    if isinstance(answer, Program):
        return answer.program
    if isinstance(answer, InvalidProgram):
        raise _invalid(name, "training program", answer.errors)
    return _as_program(_json_object(text, name), name)


def read_input_or_program(name: str) -> EDN360Input | EnrichedTrainingProgram:
    """What is in a file, whichever of the two it is.

    Raises:
        InvalidInputError: It can't be read, or is neither; every fault is named.
    """
    fields = _json_object(read_text(name), name)
    if ROOT_KEY in fields:
        return _as_program(fields[ROOT_KEY], name)
    if fields.keys() & {"user_profile", "questionnaires"}:
        return _as_input(fields, name)
    if fields.keys() & {"title", "sessions"}:
        return _as_program(fields, name)
    raise InvalidInputError(
        f"{_called(name)} is neither an EDN360Input (with user_profile and questionnaires) nor a "
        "training program (with title and sessions)."
    )


def _json_object(text: str, name: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidInputError(f"{_called(name)} is not JSON: {error.msg} at {where}.") from None
    except (ValueError, RecursionError):
        # A number of thousands of digits, or brackets nested as deep.
        raise InvalidInputError(f"{_called(name)} is not JSON that can be read.") from None
    if not isinstance(value, dict):
        raise InvalidInputError(f"{_called(name)} must hold one JSON object, in {{ }}.")
    return cast("dict[str, Any]", value)


def _as_input(fields: dict[str, Any], name: str) -> EDN360Input:
    try:
        edn360_input = validate_input(fields)
    except InvalidInputError as error:
        raise _invalid(name, "EDN360Input", error.errors) from None
    try:
        edn360_input.to_json_text()
    except ValueError as error:
        raise InvalidInputError(f"{_called(name)} can't be sent as JSON: {error}.") from None
    return edn360_input


def _as_program(value: object, name: str) -> EnrichedTrainingProgram:
    try:
        return EnrichedTrainingProgram.model_validate(value)
    except ValidationError as error:
        raise _invalid(name, "training program", field_errors(error)) from None


def _invalid(name: str, kind: str, errors: tuple[FieldError, ...]) -> InvalidInputError:
    text = f"{_called(name)} is no valid {kind}. Correct these fields:\n{describe(errors)}"
    return InvalidInputError(text, errors=errors)


def _called(name: str) -> str:
    return "Standard input" if name == STANDARD else name


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


# --- writing --------------------------------------------------------------------------------


class Destination:
    """Where a program goes: a file that appears whole or not at all, or standard output.

    Args:
        name: The file's name, or ``-``.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_file = name != STANDARD
        # A symbolic link stays one: what it points to is replaced.
        self._path = Path(os.path.realpath(name))

    def is_same(self, other: Destination) -> bool:
        """Whether one would be written over, or after, the other."""
        if not (self.is_file and other.is_file):
            return self.is_file == other.is_file
        return self._path == other._path

    def check(self, source: str) -> None:
        """Find out now whether it can be written, for after a run it is too late.

        Args:
            source: The command's input, which must not be written over.

        Raises:
            ConfigurationError: It can't.
        """
        if not self.is_file:
            if sys.stdout is None:
                raise ConfigurationError("Standard output is closed; name a file with -o.")
            return
        try:
            fault = self._fault(source)
        except OSError as error:
            fault = _reason(error)
        if fault is not None:
            raise ConfigurationError(
                f"{self.name} can't be written: {fault}. Name another file; nothing was done."
            )

    def _fault(self, source: str) -> str | None:
        if source != STANDARD and self._path == Path(os.path.realpath(source)):
            return "it is the input"
        if self._path.is_dir():
            return "it is a directory"
        if not self._path.parent.is_dir():
            return f"there is no directory {self._path.parent}"
        if self._path.exists() and not os.access(self._path, os.W_OK):
            return "it is read-only"
        if not self._is_special():
            with self._beside():
                pass
        return None

    def _is_special(self) -> bool:
        """Whether it is a device or a pipe, such as /dev/null, which must not be replaced."""
        return Path(self.name).exists() and not self._path.is_file()

    @contextmanager
    def _beside(self) -> Generator[Path, None, None]:
        """A new, empty file in the same directory, gone afterwards unless it was renamed."""
        path = self._path.with_name(f".edn360-{secrets.token_hex(8)}.tmp")
        path.touch(exist_ok=False)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def write(self, text: str) -> None:
        """Write the program.

        Raises:
            OSError: It could not be written; what stood there before is as it was.
        """
        data = text.encode("utf-8", "replace")
        if not self.is_file:
            write_output(text)
        elif self._is_special():
            Path(self.name).write_bytes(data)
        else:
            with self._beside() as path:
                path.write_bytes(data)
                if self._path.exists():
                    shutil.copymode(self._path, path)
                path.replace(self._path)

    def keep(self, text: str, suffix: str) -> str:
        """Save a text that must not be lost: beside the file, or in the temporary directory.

        It never takes the place of a file that is there.

        Returns:
            The name of the file.

        Raises:
            OSError: There was no place for it at all.
        """
        data = text.encode("utf-8", "backslashreplace")
        if self.is_file and not self._is_special():
            with suppress(OSError):
                return _write_new(self._path, suffix, data)
        file, name = tempfile.mkstemp(prefix="edn360-", suffix=suffix)
        with open(file, "wb") as stream:
            stream.write(data)
        return name


def _write_new(beside: Path, suffix: str, data: bytes) -> str:
    number = 1
    while True:
        path = beside.with_name(f"{beside.name}{f'.{number}' if number > 1 else ''}{suffix}")
        with suppress(FileExistsError), path.open("xb") as stream:
            stream.write(data)
            return str(path)
        number += 1


def write_output(text: str, encoding: str = "utf-8") -> None:
    """Write a result to standard output, at once.

    Raises:
        OSError: Its reader has left, or its disk is full. It is then given up: Python would
            otherwise try again at exit, and complain.
    """
    if sys.stdout is None:
        raise OSError("standard output is closed")
    try:
        sys.stdout.flush()
        buffer = getattr(sys.stdout, "buffer", None)
        if buffer is None:  # a StringIO that somebody put there
            sys.stdout.write(text)
        else:
            buffer.write(text.encode(encoding, "replace"))
            buffer.flush()
    except OSError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise
