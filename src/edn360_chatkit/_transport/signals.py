"""Exceptions that a signal handler raises.

A Celery or RQ time limit may be an ``OSError``, as the failure of a socket is. Its traceback shows
the difference: a signal handler has the frame of its caller as an argument.
"""

from __future__ import annotations

import inspect
import signal
from traceback import walk_tb
from types import CodeType, FrameType
from typing import NoReturn


def exception_chain(
    error: BaseException, handled: BaseException | None = None
) -> list[BaseException]:
    """An exception with its causes, up to the one that the caller was handling."""
    chain: list[BaseException] = []
    exception: BaseException | None = error
    while exception is not None and exception is not handled and exception not in chain:
        chain.append(exception)
        exception = exception.__cause__ or exception.__context__
    return chain


def signal_exception(
    error: BaseException, handled: BaseException | None = None
) -> BaseException | None:
    """The exception of a signal handler among an exception and its causes, or ``None``."""
    handlers = _installed_handlers()
    for exception in exception_chain(error, handled):
        caller: FrameType | None = None
        for frame, _ in walk_tb(exception.__traceback__):
            # A handler may delete its arguments. While it is installed, its code identifies it.
            if frame.f_code in handlers or (caller is not None and _has_argument(frame, caller)):
                return exception
            caller = frame
    return None


def raise_unchanged(error: BaseException) -> NoReturn:
    """Raise an exception again, with the context that it had."""
    context = error.__context__
    try:
        raise error
    finally:
        error.__context__ = context


def _installed_handlers() -> set[CodeType]:
    """The code of the installed signal handlers."""
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    # A callable object has its code in its class.
    owners = [*handlers, *(type(handler).__call__ for handler in handlers if callable(handler))]
    codes = (getattr(owner, "__code__", None) for owner in owners)
    return {code for code in codes if isinstance(code, CodeType)}


def _has_argument(frame: FrameType, value: object) -> bool:
    """Whether a function was called with a value: itself or among ``*args``."""
    arguments = inspect.getargvalues(frame)
    values = [arguments.locals.get(name) for name in arguments.args]
    values += arguments.locals.get(arguments.varargs or "", ())
    return any(item is value for item in values)
