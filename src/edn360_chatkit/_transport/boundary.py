"""What leaves the package when a call fails: a ``ChatKitError``, and none of the data that it had.

A traceback holds the local variables of every frame that it goes through, and whoever shows them
(rich, ``pytest -l``, error trackers) would show keys and health data: the request's bytes in ours,
its headers in httpcore's, the mapping that is being validated in pydantic's. So an exception that
leaves a public method leaves without them: which lines it went through stays, what was in their
variables does not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import wraps
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from traceback import walk_tb
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, cast

from ..errors import ChatKitError

P = ParamSpec("P")
T = TypeVar("T")

_PACKAGE = __name__.partition(".")[0]
_LIBRARIES = {
    *(_PACKAGE, "anyio", "h11", "h2", "hpack", "httpcore", "httpx", "httpx_sse"),
    *("pydantic", "sniffio", "tenacity", "trio"),
}
"""Whose frames may hold what this package handed down. All others are the caller's."""
# To clear the frame of a coroutine or generator that is to go on would end it.
_MAY_BE_SUSPENDED = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR


def public(method: Callable[P, T]) -> Callable[P, T]:
    """A method that callers call: what it raises carries no local variables of its own."""

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        handled = sys.exc_info()[1]
        try:
            return method(*args, **kwargs)
        except BaseException as error:
            # This frame stays in the traceback, and is still running: it can't be cleared.
            del args, kwargs
            forget_locals(error, handled)
            raise

    return call


def public_async(
    method: Callable[P, Coroutine[Any, Any, T]],
) -> Callable[P, Coroutine[Any, Any, T]]:
    """:func:`public` for a coroutine function."""

    @wraps(method)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        handled = sys.exc_info()[1]
        try:
            return await method(*args, **kwargs)
        except BaseException as error:
            del args, kwargs
            forget_locals(error, handled)
            raise

    return call


def forget_locals(error: BaseException, handled: BaseException | None) -> None:
    """Clear the local variables of this package's frames, and of those below, from a traceback.

    The causes' frames are cleared as well, but for those of an exception of the caller's own.

    Args:
        error: What is about to leave the package.
        handled: What the caller was handling when it called; that and its causes are the caller's.
    """
    known: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is None or id(one) in known or (one is handled and one is not error):
            continue
        known.add(id(one))
        if _clear_frames(one.__traceback__):
            continue
        if isinstance(one, ChatKitError) and one.__suppress_context__ and one.__cause__ is None:
            # Raised ``from None``, since what it came from quotes data: that is not kept either.
            one.__context__ = None
        left += [one.__cause__, one.__context__]
        if isinstance(parts := getattr(one, "exceptions", None), tuple):
            found = cast("tuple[object, ...]", parts)
            left += [part for part in found if isinstance(part, BaseException)]


def _clear_frames(traceback: TracebackType | None) -> bool:
    """Clear what is ours; whether the exception comes out of what the caller gave."""
    at_callback = False
    for frame, _ in walk_tb(traceback):
        module = str(frame.f_globals.get("__name__"))
        package = module.partition(".")[0]
        if package == _PACKAGE:
            # The one place where a driver calls what the caller gave it: ``on_event``.
            at_callback = (
                module == f"{_PACKAGE}._transport.driver" and frame.f_code.co_name == "run"
            )
        elif at_callback:
            # From here on it is the caller's own code, and the caller's to debug.
            return True
        if package in _LIBRARIES or (
            package in sys.stdlib_module_names and not frame.f_code.co_flags & _MAY_BE_SUSPENDED
        ):
            with suppress(RuntimeError):
                # Frames that are still running can't be cleared; those are the public methods, and
                # each sees to its own.
                frame.clear()
    return False


def checked(kind: type[ChatKitError], what: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A function that reads what the caller gave: objects whose own methods may raise anything.

    Args:
        kind: The error that such an exception becomes.
        what: What is read, for the error's text.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return function(*args, **kwargs)
            except ChatKitError:
                raise
            except Exception as error:
                raise kind(
                    f"{what} can't be used: reading it raised {type(error).__name__}."
                ) from error

        return call

    return decorate


def unexpected(error: Exception) -> ChatKitError:
    """The error for what nothing in this package expects; raise it from that."""
    return ChatKitError(
        f"Something that this package does not expect ({type(error).__name__}): please report it "
        "with its traceback. A run that was started goes on at the server."
    )
