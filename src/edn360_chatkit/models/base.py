"""What all models here have in common: known keys are typed, unknown keys are kept."""

from collections.abc import Iterable
from datetime import date, datetime
from html import escape
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Strict, StrictFloat, StrictInt, StrictStr

Number: TypeAlias = StrictInt | StrictFloat
"""A JSON number that stays what it was: 8 is not turned into 8.0, nor "8" into 8."""

Moment: TypeAlias = (
    StrictStr | Annotated[datetime, Strict()] | Annotated[date, Strict()] | StrictInt | StrictFloat
)
"""A point in time. Text and unix seconds stay as they were written; ``datetime`` and ``date``
objects go out as ISO 8601."""


class OpenModel(BaseModel):
    """A frozen model that keeps every key it does not know.

    Validation errors never quote the value at fault: it may be health data.
    """

    model_config = ConfigDict(
        extra="allow",
        frozen=True,
        hide_input_in_errors=True,
        # NaN has no JSON form. Keeping it visible here lets ``to_json_text`` refuse it,
        # where pydantic's default would quietly send null instead.
        ser_json_inf_nan="constants",
    )

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        # Never the keys that are not known: a repr ends up in logs and tracebacks.
        fields = type(self).model_fields.items()
        return [(name, getattr(self, name, None)) for name, field in fields if field.repr]


def card_html(title: str, **values: object) -> str:
    """A small HTML table for notebooks, without a style of its own; ``None`` is left out."""
    rows = "".join(
        f"<tr><th scope='row'>{escape(name)}</th><td>{escape(str(value))}</td></tr>"
        for name, value in values.items()
        if value is not None
    )
    return f"<table><caption>{escape(title)}</caption>{rows}</table>"
