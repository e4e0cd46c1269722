"""Standard output for results, and standard error for other texts."""

import logging
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress

from ..program.rendering.printable import printable

NAME = "edn360-chatkit"


def write_output(text: str, encoding: str = "utf-8") -> None:
    """Write a result to standard output, or raise an ``OSError`` with the reason."""
    try:
        if sys.stdout is None:
            raise OSError("it is closed")
        sys.stdout.flush()
        buffer = getattr(sys.stdout, "buffer", None)
        if buffer is None:  # a StringIO
            sys.stdout.write(text)
        else:
            buffer.write(text.encode(encoding, "replace"))
            buffer.flush()
    except OSError as error:
        if sys.stdout is not None:
            # At exit, Python flushes the rest, and would report the error again.
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise unwritable("Standard output", error) from None


def print_text(text: str) -> None:
    """Print a text for people in the encoding of standard output, or raise ``OSError``."""
    write_output(text, getattr(sys.stdout, "encoding", None) or "utf-8")


def unwritable(label: str, error: OSError) -> OSError:
    """The error, with a text for people."""
    return type(error)(f"{label} can't be written: {error.strerror or error}.")


def say(*lines: str) -> None:
    """Print the lines on standard error that are not empty."""
    text = "\n".join(filter(None, lines))
    if text and sys.stderr is not None:
        # RuntimeError: this runs in a signal handler that interrupted another print().
        with suppress(OSError, RuntimeError):
            print(printable(text), file=sys.stderr, flush=True)


def complain(error: str, *more: str) -> None:
    """Print an error, with more lines below it."""
    say(f"{NAME}: {error}", *more)


def is_terminal() -> bool:
    """Whether standard error is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


class _LogHandler(logging.Handler):
    # Not a StreamHandler: the spinner replaces sys.stderr while it runs.
    def emit(self, record: logging.LogRecord) -> None:
        say(self.format(record))


@contextmanager
def log_to_stderr(level: int) -> Generator[None, None, None]:
    """Print the package's log from this level on, on standard error."""
    logger = logging.getLogger("edn360_chatkit")
    before, handler = logger.level, _LogHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
