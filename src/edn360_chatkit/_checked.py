"""Reading what the caller gave."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from .errors import ChatKitError

P = ParamSpec("P")
T = TypeVar("T")


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
