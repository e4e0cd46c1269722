"""No file imports itself through other files. Imports in functions and for types count.

``make lint`` checks the rooms (``[tool.importlinter]``). Only this test finds a circle between a
package and its own modules.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

import grimp


def circle(imports: Mapping[str, Iterable[str]]) -> list[str]:
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_files_have_no_circle_of_imports() -> None:
    graph = grimp.build_graph("edn360_chatkit", cache_dir=None)
    imports = {file: graph.find_modules_directly_imported_by(file) for file in graph.modules}
    assert len(imports) > 30
    assert circle(imports) == []


def test_search_finds_circle_of_imports() -> None:
    assert set(circle({"a": ["b"], "b": ["c"], "c": ["a"]})) == {"a", "b", "c"}
    assert circle({"a": ["b", "c"], "b": ["c"], "c": []}) == []


def test_package_import_loads_no_event_loop() -> None:
    code = (
        "import sys, edn360_chatkit;"
        "loaded = {'anyio', 'tenacity', 'json_repair'} & set(sys.modules);"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


MODELS_IN_THREADS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from edn360_chatkit import EnrichedTrainingProgram, Exercise

sys.setswitchinterval(1e-6)
together = Barrier(8)

def make(number):
    together.wait()
    assert Exercise(name="Plank").name == "Plank"
    assert EnrichedTrainingProgram.model_validate({"sessions": [{"blocks": []}]}).sessions

with ThreadPoolExecutor(8) as threads:
    list(threads.map(make, range(8)))
"""


def test_threads_can_create_first_models() -> None:
    """pydantic 2.11 builds a validator at its first use, without a lock."""
    subprocess.run([sys.executable, "-c", MODELS_IN_THREADS], check=True)


def test_first_client_builds_all_models() -> None:
    code = (
        "import edn360_chatkit as e;"
        "assert not e.RawEvent.__pydantic_complete__;"
        "e.ChatKitClient(api_key='sk-1', workflow_id='wf_1').close();"
        "assert e.RawEvent.__pydantic_complete__ and e.Exercise.__pydantic_complete__"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_import_loads_no_analysis() -> None:
    code = (
        "import sys, edn360_chatkit.cli; edn360_chatkit.Exercise;"
        "rooms = ['edn360_chatkit.program.' + name"
        " for name in ('numbers', 'checks', 'diff', 'rendering.html')];"
        "assert not set(rooms) & set(sys.modules);"
        "edn360_chatkit.Range; assert rooms[0] in sys.modules;"
        "from edn360_chatkit import *; Finding, ProgramDiff"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
