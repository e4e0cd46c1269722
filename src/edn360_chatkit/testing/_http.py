"""Requests and answers of all endpoints: validation, errors and pages of lists.

Statuses and messages follow the known answers of OpenAI's API. The requests have models of their
own here, so that the simulator does not depend on the code that it tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import JSONResponse

M = TypeVar("M", bound=BaseModel)


class HasId(Protocol):
    """An entry of a list."""

    id: str


T = TypeVar("T", bound=HasId)


class APIError(Exception):
    """An error answer, in the form of OpenAI's API."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        kind = "server_error" if status >= 500 else "invalid_request_error"
        error = {"message": message, "type": kind, "param": param, "code": code}
        self.response: JSONResponse = JSONResponse({"error": error}, status)


class Strict(BaseModel, extra="forbid"):
    """A part of a request to OpenAI's API, which refuses unknown parameters."""


class ListQuery(Strict):
    """The query of a list; ``after`` and ``before`` are places in its order."""

    limit: Annotated[int, Field(ge=0, le=100)] = 20
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None
    before: str | None = None


def read(model: type[M], data: Any, *, under: str = "") -> M:
    """A part of a request, validated; ``under`` is its place in the request.

    Raises:
        APIError: It does not fit.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problem = error.errors()[0]
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"])
    param = (under + "".join(parts)).lstrip(".")
    text, code = {
        "extra_forbidden": (f"Unknown parameter: '{param}'.", "unknown_parameter"),
        "missing": (f"Missing required parameter: '{param}'.", "missing_required_parameter"),
    }.get(problem["type"], (f"Invalid value for '{param}': {problem['msg']}.", "invalid_value"))
    raise APIError(400, text, param=param, code=code)


def page(entries: Sequence[T], query: ListQuery) -> tuple[list[T], bool]:
    """The part of a list, oldest entry first, that a query asks for, and whether there is more."""
    rest = list(entries) if query.order == "asc" else list(reversed(entries))
    for name, place in (("before", query.before), ("after", query.after)):
        if place is None:
            continue
        index = next((index for index, entry in enumerate(rest) if entry.id == place), None)
        if index is None:
            text = f"Invalid value for '{name}': No entry found with id '{place}'."
            raise APIError(400, text, param=name, code="invalid_value")
        rest = rest[:index] if name == "before" else rest[index + 1 :]
    more = len(rest) > query.limit
    if query.before is not None and query.after is None:
        return rest[max(len(rest) - query.limit, 0) :], more
    return rest[: query.limit], more
