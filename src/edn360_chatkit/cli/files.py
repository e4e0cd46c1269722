"""Files: checked before a run is paid for, and written completely or not at all after it."""

import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path
from typing import TypeVar

from ..errors import ConfigurationError, InvalidInputError
from .console import unwritable, write_output

STANDARD = "-"  # the file name that means standard input or output
T = TypeVar("T")


@contextmanager
def label_errors(label: str) -> Generator[None, None, None]:
    """Begin the text of an ``InvalidInputError`` with the name of its source."""
    try:
        yield
    except InvalidInputError as error:
        raise InvalidInputError(f"{label}: {error}", errors=error.errors) from None


def read_file(name: str, parse: Callable[[str], T]) -> T:
    """Read and parse a file or standard input, or raise an ``InvalidInputError`` that names it."""
    with label_errors("Standard input" if name == STANDARD else name):
        return parse(_read_text(name))


def _read_text(name: str) -> str:
    try:
        if name != STANDARD:
            data = Path(name).read_bytes()
        elif sys.stdin is None:
            raise InvalidInputError("It is closed; name a file instead of -.")
        else:
            data = sys.stdin.buffer.read()
        return data.decode("utf-8-sig")  # Windows programs write a byte order mark.
    except OSError as error:
        raise InvalidInputError(f"It can't be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise InvalidInputError("This is not UTF-8 text; save it as UTF-8.") from None


class Destination:
    """The place of a result: standard output, or a file, which is written completely or not."""

    def __init__(self, name: str) -> None:
        self.label: str = "Standard output" if name == STANDARD else name
        # A symbolic link stays a link: its target is replaced. Standard output has no path.
        self.path: Path | None = None if name == STANDARD else Path(os.path.realpath(name))

    def check(self, source: str) -> None:
        """Raise ``ConfigurationError`` if it can't be written, or is the file of the input."""
        try:
            fault = self._fault(source)
        except OSError as error:
            fault = error.strerror or str(error)
        if fault is not None:
            raise ConfigurationError(
                f"{self.label} can't be written: {fault}. Name another file; nothing was done."
            )

    def _fault(self, source: str) -> str | None:
        if self.path is None:
            return "it is closed" if sys.stdout is None else None
        if source != STANDARD and self.path == Path(os.path.realpath(source)):
            return "it is the input"
        if self.path.is_dir():
            return "it is a directory"
        if self.label.endswith(os.sep):
            return "there is no such directory"
        if not self.path.parent.is_dir():
            return f"there is no directory {self.path.parent}"
        places = [self.path.parent, self.path] if self.is_regular() else [self.path]
        if any(place.exists() and not os.access(place, os.W_OK) for place in places):
            return "it is read-only, or its directory is"
        return None

    def is_regular(self) -> bool:
        """Whether it is a file. A device or pipe, such as /dev/null, must not be replaced."""
        if self.path is None:
            return False
        try:
            # Not exists() and then is_file(): another command may write the file in between.
            return stat.S_ISREG(self.path.stat().st_mode)
        except OSError:
            return True  # it does not exist, or can't be written either

    def write(self, text: str, *, is_new: bool = False) -> None:
        """Write a result, or raise ``OSError`` and leave an existing file unchanged.

        With ``is_new``, raise ``FileExistsError`` if the file exists. Of several commands that
        write it at the same time, a single command succeeds.
        """
        if self.path is None:
            write_output(text)
            return
        try:
            self._replace(self.path, text.encode("utf-8", "replace"), is_new)
        except OSError as error:
            raise unwritable(self.label, error) from None

    def _replace(self, path: Path, data: bytes, is_new: bool) -> None:
        if not self.is_regular():
            path.write_bytes(data)
            return
        temporary = path.with_name(f".edn360-{secrets.token_hex(8)}.tmp")
        try:
            temporary.write_bytes(data)
            if path.exists():
                shutil.copymode(path, temporary)
            if is_new:
                _claim(path, temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def save_beside(self, text: str, suffix: str) -> str:
        """Save a text in a new file beside this file. If that fails, use the temporary directory.

        Returns the name of the new file; raises ``OSError`` if neither place can be written.
        """
        data = text.encode("utf-8", "backslashreplace")
        with suppress(OSError):
            if self.path is not None and self.is_regular():
                ends = chain([suffix], (f".{number}{suffix}" for number in count(2)))
                paths = (Path(f"{self.path}{end}") for end in ends)
                new = next(path for path in paths if not path.exists())
                with new.open("xb") as stream:
                    stream.write(data)
                return str(new)
        file, name = tempfile.mkstemp(prefix="edn360-", suffix=suffix)
        with open(file, "wb") as stream:
            stream.write(data)
        return name


def _claim(path: Path, source: Path) -> None:
    """Make a new file with the content of ``source``, or raise ``FileExistsError``."""
    try:
        os.link(source, path)
    except FileExistsError:
        raise
    except OSError:  # no hard links here: the file is empty until it is replaced
        path.open("xb").close()
