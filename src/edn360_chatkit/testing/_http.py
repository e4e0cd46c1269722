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
        self.response = JSONResponse({"error": error}, status)


def invalid_value(param: str, why: str) -> APIError:
    """The answer to a parameter with a wrong value."""
    return APIError(400, f"Invalid value for '{param}': {why}.", param=param, code="invalid_value")


class Strict(BaseModel):
    """A part of a request to OpenAI's API, which refuses unknown parameters."""

    model_config = ConfigDict(extra="forbid")


class ListQuery(Strict):
    """The query of a list."""

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
    if problem["type"] == "extra_forbidden":
        text, code = f"Unknown parameter: '{param}'.", "unknown_parameter"
    elif problem["type"] == "missing":
        text, code = f"Missing required parameter: '{param}'.", "missing_required_parameter"
    else:
        raise invalid_value(param, problem["msg"])
    raise APIError(400, text, param=param, code=code)


def page(entries: Sequence[T], query: ListQuery) -> tuple[list[T], bool]:
    """A part of a list, oldest entry first, and whether there is more.

    ``after`` and ``before`` are places in the order of the query.
    """
    ordered = list(entries) if query.order == "asc" else list(reversed(entries))
    ids = [entry.id for entry in ordered]
    for name, place in (("after", query.after), ("before", query.before)):
        if place is not None and place not in ids:
            raise invalid_value(name, f"No entry found with id '{place}'")
    start = 0 if query.after is None else ids.index(query.after) + 1
    stop = len(ids) if query.before is None else ids.index(query.before)
    rest = ordered[start:stop]
    more = len(rest) > query.limit
    if query.before is not None and query.after is None:
        return rest[max(len(rest) - query.limit, 0) :], more
    return rest[: query.limit], more


def listed(data: Sequence[dict[str, Any]], has_more: bool) -> dict[str, Any]:
    """A part of a list, in the form of OpenAI's API."""
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    ends = {"first_id": first, "last_id": last}
    return {"object": "list", "data": data, "has_more": has_more, **ends}
