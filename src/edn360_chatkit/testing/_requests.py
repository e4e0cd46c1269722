"""The requests of all endpoints, and errors in the form of OpenAI's API.

The simulator has its own models, so it does not depend on the code that it tests.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError
from starlette.responses import JSONResponse

M = TypeVar("M", bound=BaseModel)
Text = Annotated[str, Field(min_length=1)]
Feature = dict[str, bool | int | None]


class APIError(Exception):
    """A refused request, with its response."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        kind = "server_error" if status >= 500 else "invalid_request_error"
        error = {"message": message, "type": kind, "param": param, "code": code}
        self.response = JSONResponse({"error": error}, status)


def read(model: type[M], data: Any, path: str = "") -> M:
    """Validate the part of a request at a path. Raises an ``APIError``."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problem = error.errors()[0]
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"])
    param = (path + "".join(parts)).lstrip(".")
    text, code = {
        "extra_forbidden": (f"Unknown parameter: '{param}'.", "unknown_parameter"),
        "missing": (f"Missing required parameter: '{param}'.", "missing_required_parameter"),
    }.get(problem["type"], (f"Invalid value for '{param}': {problem['msg']}.", "invalid_value"))
    raise APIError(400, text, param=param, code=code)


class Strict(BaseModel, extra="forbid"):
    """A part of a request to OpenAI's API, which refuses unknown parameters."""


class Workflow(Strict):
    id: Text
    version: Text | None = None
    state_variables: dict[str, str | bool | int | float] | None = None
    tracing: Feature = Field(default={"enabled": True})


class Expiry(Strict):
    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, Field(ge=1)] = 600


class RateLimits(Strict):
    max_requests_per_1_minute: int = 10


class Configuration(Strict):
    automatic_thread_titling: Feature = Field(default={"enabled": True})
    file_upload: Feature = Field(default={"enabled": False})
    history: Feature = Field(default={"enabled": True})


class NewSession(Strict):
    workflow: Workflow
    user: Text
    expires_after: Expiry = Expiry()
    rate_limits: RateLimits = RateLimits()
    chatkit_configuration: Configuration = Configuration()


class InputText(BaseModel):
    type: Literal["input_text"]
    text: str


class NewMessage(Strict):
    role: Literal["user"]
    content: Annotated[list[InputText], Field(min_length=1)]


class ListParams(BaseModel):
    """A list of the thread protocol. Like ``openai-chatkit``, it ignores unknown parameters."""

    limit: Annotated[int, Field(ge=0, le=100)] = 20
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None
    before: str | None = None


class ListQuery(ListParams, Strict):
    """A list of OpenAI's API."""


class ThreadQuery(ListQuery):
    user: str | None = None


class UserInput(BaseModel):
    content: list[InputText]
    attachments: Annotated[list[str], Field(max_length=0)]  # the simulator has no uploads
    quoted_text: str | None = None
    inference_options: dict[str, Any]


class NewThread(BaseModel):
    input: UserInput


class OneThread(BaseModel):
    thread_id: str


class NextMessage(NewThread, OneThread):
    """A message for a thread that exists."""


class ListItems(ListParams, OneThread):
    """The items of a thread."""


PARAMS: dict[str, type[BaseModel]] = {
    "threads.create": NewThread,
    "threads.add_user_message": NextMessage,
    "threads.get_by_id": OneThread,
    "threads.list": ListParams,
    "threads.delete": OneThread,
    "items.list": ListItems,
}


class Envelope(BaseModel):
    """A request of the thread protocol. ``PARAMS`` has the models of its parameters."""

    type: str
    params: dict[str, Any]
    metadata: dict[str, Any] = Field({})
