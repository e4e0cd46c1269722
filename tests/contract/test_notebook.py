"""The example notebook runs from top to bottom, and its outputs agree with its text."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebook.ipynb"

# A cell that is added before the last: checks that must find a mismatch.
GUARD = """
nine = {"days_per_week": 9}
programs = ((program, athlete), (next_program, evolution))
print([[f.code for f in p.model_copy(update=nine).check(against=a)] for p, a in programs])
"""


def read() -> Any:
    """The notebook; nbformat has no types."""
    notebook: Any = nbformat.read(NOTEBOOK, as_version=nbformat.NO_CONVERT)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    return notebook


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The cells by their ids, after a run in an empty directory."""
    folder = tmp_path_factory.mktemp("notebook")
    notebook = read()
    guard: Any = nbformat.v4.new_code_cell(GUARD, id="guard")  # type: ignore[no-untyped-call]
    notebook.cells.insert(-1, guard)
    with pytest.MonkeyPatch.context() as environment:
        # Keep Jupyter out of the home directory.
        for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
            environment.setenv(name, str(tmp_path_factory.mktemp("jupyter")))
        place = {"metadata": {"path": str(folder)}}
        NotebookClient(notebook, timeout=300, resources=place).execute()
    assert [file.name for file in folder.iterdir()] == ["program.html"]
    return {cell.id: cell for cell in notebook.cells}


def data(cell: Any) -> dict[str, str]:
    """The value of a cell's last line, by media type. The cell must not print."""
    (output,) = cell.outputs
    assert output.output_type == "execute_result"
    return dict(output.data)


def stdout(cell: Any) -> str:
    assert {(o.output_type, o.get("name")) for o in cell.outputs} == {("stream", "stdout")}
    return "".join(output.text for output in cell.outputs)


def test_notebook_is_stored_without_outputs() -> None:
    for cell in read().cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)


def test_every_cell_runs(cells: dict[str, Any]) -> None:
    ran = [cell for cell in cells.values() if cell.cell_type == "code"]
    assert [cell.execution_count for cell in ran] == list(range(1, len(ran) + 1))
    assert {o.get("name") for cell in ran for o in cell.outputs} <= {"stdout", None}


def test_run_shows_progress(cells: dict[str, Any]) -> None:
    first, *steps = stdout(cells["run"]).splitlines()
    assert first == "sent"
    assert [step.split()[0] for step in steps] == ["done:"] * 3


def test_run_without_on_event_shows_line(cells: dict[str, Any]) -> None:
    *lines, result = cells["evolution"].outputs
    assert result.data["text/plain"] == "[]"
    if find_spec("ipywidgets"):  # tests/clients/test_progress.py reads its text
        assert "application/vnd.jupyter.widget-view+json" in lines[0].data
        return
    line = "".join(output.text for output in lines).split("\r")[-1]
    steps = "profile · questionnaire_normalized · training_plan"
    assert re.fullmatch(rf"\d:\d\d · program received after \d s · {steps} *\n", line)


def test_last_values_are_displayed(cells: dict[str, Any]) -> None:
    value = data(cells["program"])
    assert "<h1" in value["text/html"]
    assert "Objetivo" in value["text/html"]
    assert value["text/markdown"].startswith("# ")
    assert "ana-ejemplo" in data(cells["athlete"])["text/html"]
    outputs = str(cells["athlete"].outputs)
    for answer in ("Ganar músculo", "mancuernas", "ninguna"):
        assert answer in cells["athlete"].source
        assert answer not in outputs
    diff = data(cells["diff"])["text/html"]
    assert "sustituido" in diff
    assert "Cuádriceps" in diff


def test_check_finds_mismatches(cells: dict[str, Any]) -> None:
    assert data(cells["check"])["text/plain"] == "[]"
    assert stdout(cells["later"]).count("carga la rodilla") == 3
    codes = ["days_mismatch", "days_not_as_asked"]
    assert stdout(cells["guard"]).strip() == str([codes, codes])


def test_volume_is_printed_by_muscle(cells: dict[str, Any]) -> None:
    first, *muscles = stdout(cells["numbers"]).splitlines()
    assert first == "41.5 sets a week, of which"
    assert muscles[:2] == ["  11.0  Isquiosurales", "  10.0  Glúteos"]
    assert len(muscles) == 11


def test_title_names_requirements(cells: dict[str, Any]) -> None:
    title = cells["title"].source
    assert 'pip install "edn360-chatkit[simulator]" jupyterlab' in title
    assert "ChatKitClient(max_attempts=120)" in title


def test_program_is_exported(cells: dict[str, Any]) -> None:
    assert data(cells["records"])["text/plain"].startswith("{'session_number': 1,")
    assert "program.html" in stdout(cells["page"])
