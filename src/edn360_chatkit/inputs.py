"""``EDN360Input``: what the workflow is given.

Backends differ in what they put inside. Known keys are typed, unknown ones are kept, and what
goes out is what came in, the same keys and values.
"""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import AfterValidator, Field, StrictInt, StrictStr
from pydantic_core import PydanticCustomError, PydanticSerializationError, to_jsonable_python

from ._validation import as_model
from .models.base import Moment, Number, OpenModel, card_html

if TYPE_CHECKING:
    from .program.model import EnrichedTrainingProgram


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "Text should not be empty")
    return text


class Subscription(OpenModel):
    """The athlete's subscription, where a backend nests it."""

    plan: StrictStr | None = Field(default=None, repr=False)
    status: StrictStr | None = Field(default=None, repr=False)


class UserProfile(OpenModel):
    """Who the program is for. Only ``user_id`` is required.

    ``height`` and ``weight`` are in whatever unit the backend uses; ``height_cm`` is in
    centimetres and ``weight_kg`` in kilograms.
    """

    user_id: Annotated[StrictStr, AfterValidator(_not_blank)]
    name: StrictStr | None = None
    email: StrictStr | None = None
    phone: StrictStr | StrictInt | None = None
    age: Number | StrictStr | None = None
    gender: StrictStr | None = None
    sex: StrictStr | None = None
    height: Number | StrictStr | None = None
    height_cm: Number | StrictStr | None = None
    weight: Number | StrictStr | None = None
    weight_kg: Number | StrictStr | None = None
    created_at: Moment | None = None
    subscription: Subscription | StrictStr | None = None
    subscription_plan: StrictStr | None = None
    subscription_status: StrictStr | None = None

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        # Their number only: a repr ends up in logs and tracebacks.
        return [("fields", len(self.model_fields_set))]


class Questionnaire(OpenModel):
    """One questionnaire that the athlete filled in.

    Backends name its kind ``source``, ``type`` or ``questionnaire_type`` and its answers
    ``payload``, ``answers`` or ``responses``; :attr:`kind` and :attr:`content` read whichever
    is there.
    """

    submission_id: StrictStr | StrictInt | None = None
    submitted_at: Moment | None = None
    source: StrictStr | None = None
    type: StrictStr | None = None
    questionnaire_type: StrictStr | None = None
    payload: dict[str, Any] | None = None
    answers: dict[str, Any] | None = None
    responses: dict[str, Any] | None = None

    @property
    def kind(self) -> str | None:
        """The questionnaire's kind, such as ``initial``, ``nutrition_initial`` or ``followup``."""
        return self.source or self.type or self.questionnaire_type

    @property
    def content(self) -> Mapping[str, Any]:
        """The answers, by question; empty where there are none."""
        return self.payload or self.answers or self.responses or {}

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [("kind", self.kind), ("answers", len(self.content))]


class PreviousTrainingPlan(OpenModel):
    """The plan that an evolution starts from."""

    plan_data: Any = None
    created_at: Moment | None = None
    source: StrictStr | None = None

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [("source", self.source)]


class RequestContext(OpenModel):
    """Where the request comes from and what it asks for."""

    request_type: StrictStr | None = None
    timestamp: Moment | None = None
    version: StrictStr | Number | None = None
    platform: StrictStr | None = None
    previous_training_plan: PreviousTrainingPlan | None = None

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [
            ("request_type", self.request_type),
            ("previous_training_plan", self.previous_training_plan is not None),
        ]


class EDN360Input(OpenModel):
    """An athlete's data, as the EDN360 training workflow takes it.

    Attributes:
        user_profile: Who the program is for.
        questionnaires: What the athlete answered; at least one.
        context: The kind of request and, for an evolution, the plan before it.

    Raises:
        pydantic.ValidationError: A field is missing or of the wrong type. The clients turn it
            into :class:`~edn360_chatkit.InvalidInputError`.
    """

    user_profile: UserProfile
    questionnaires: Annotated[list[Questionnaire], Field(min_length=1)]
    context: RequestContext | None = None

    def to_json_text(self) -> str:
        """The text that is sent to the workflow: compact JSON, not escaped to ASCII.

        Returns:
            The same keys and values that came in; ``datetime`` and ``date`` objects as ISO 8601.

        Raises:
            ValueError: A value has no JSON form; the message names its path, never the value.
        """
        try:
            data = self.model_dump(
                mode="json", exclude_unset=True, serialize_as_any=True, warnings=False
            )
            text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
            text.encode("utf-8")
        except (PydanticSerializationError, ValueError, TypeError, RecursionError):
            faults = list(_faults(self.model_dump(exclude_unset=True, warnings=False), "", ()))
            where = "; ".join(faults) or "a value that has no JSON form"
            # Without its cause: a UnicodeEncodeError carries the whole text.
            raise ValueError(where) from None
        return text

    def with_previous_program(
        self,
        program: "EnrichedTrainingProgram | Mapping[str, Any]",
        *,
        created_at: Moment | None = None,
        source: str | None = None,
    ) -> "EDN360Input":
        """The same input with the program that the athlete has done, for an evolution.

        Args:
            program: It goes into ``context.previous_training_plan.plan_data`` as it came from the
                workflow, and takes the place of one that is there. A mapping is validated as one.
            created_at: When it was made.
            source: Where it comes from, such as ``"edn360"``.

        Returns:
            A new input. ``context.request_type`` is ``"evolution"`` where there was none, and else
            as it was.

        Raises:
            InvalidInputError: ``program`` is no program; ``.errors`` has every field at fault.
        """
        from .program.model import EnrichedTrainingProgram

        program = as_model(EnrichedTrainingProgram, program)
        data = program.model_dump(mode="json", exclude_unset=True)
        fields = {"plan_data": data, "created_at": created_at, "source": source}
        # What is not known is left out: null is a value, which would be sent.
        known = {name: value for name, value in fields.items() if value is not None}
        plan = PreviousTrainingPlan.model_validate(known)
        context = self.context or RequestContext()
        update: dict[str, Any] = {"previous_training_plan": plan}
        if context.request_type is None:
            update["request_type"] = "evolution"
        return self.model_copy(update={"context": context.model_copy(update=update)})

    def _repr_html_(self) -> str:
        answers = sum(len(questionnaire.content) for questionnaire in self.questionnaires)
        context = self.context or RequestContext()
        return card_html(
            "EDN360Input",
            user_id=self.user_profile.user_id,
            questionnaires=len(self.questionnaires),
            answers=answers,
            request_type=context.request_type,
            previous_training_plan="yes" if context.previous_training_plan else None,
        )

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [("questionnaires", len(self.questionnaires)), ("context", self.context)]


def _faults(value: object, path: str, above: tuple[int, ...]) -> list[str]:
    """Where a value can't be written as JSON, one line a place."""
    if id(value) in above:
        return [f"{path}: refers back to itself"]
    if len(above) > 100:
        return [f"{path}: nested more than 100 deep"]
    items: list[tuple[object, object]]
    if isinstance(value, Mapping):
        items = list(cast("Mapping[object, object]", value).items())
    elif isinstance(value, (list, tuple, set, frozenset)):
        items = list(enumerate(cast("Iterable[object]", value)))
    else:
        return [f"{path}: {fault}" for fault in _leaf_fault(value)]
    inside = (*above, id(cast("object", value)))
    return [f for key, item in items for f in _faults(item, f"{path}.{key}".lstrip("."), inside)]


def _leaf_fault(value: object) -> list[str]:
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            return ["text with half a character (a lone surrogate)"]
        return []
    try:
        json.dumps(to_jsonable_python(value, inf_nan_mode="constants"), allow_nan=False)
    except (PydanticSerializationError, ValueError, TypeError, RecursionError):
        kind = type(value).__name__
        return [f"a {kind} that JSON can't hold (NaN, infinity or an unknown type)"]
    return []
