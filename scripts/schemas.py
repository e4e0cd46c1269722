"""Write the JSON Schemas of the models into ``docs/schemas``: ``python -m scripts.schemas``.

A test holds them to the models.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel

from edn360_chatkit import EDN360Input, EnrichedTrainingProgram

FOLDER = Path(__file__).parents[1] / "docs" / "schemas"
MODELS: dict[str, type[BaseModel]] = {
    "edn360_input.json": EDN360Input,
    "training_program.json": EnrichedTrainingProgram,
}
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_text(model: type[BaseModel]) -> str:
    """A model's JSON Schema, as it stands in its file."""
    schema = {"$schema": DIALECT, **model.model_json_schema()}
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, model in MODELS.items():
        (FOLDER / name).write_text(schema_text(model), "utf-8")
