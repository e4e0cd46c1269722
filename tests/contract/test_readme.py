"""The README's code runs as printed, and the links of the documentation exist."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from edn360_chatkit import ChatKitClient, WorkflowEvent
from edn360_chatkit.cli import _COMMANDS
from edn360_chatkit.program.records import COLUMNS
from edn360_chatkit.program.texts import words
from edn360_chatkit.testing import ChatKitSimulator

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


def test_readme_code_runs_from_top_to_bottom(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # the code writes a journal
    with ChatKitSimulator() as sim:
        monkeypatch.setenv("EDN360_CHATKIT_BASE_URL", sim.base_url)
        monkeypatch.setenv("EDN360_OPENAI_API_KEY", sim.api_key)
        monkeypatch.setenv("EDN360_TRAINING_WORKFLOW_ID", "wf_demo")
        names: dict[str, Any] = {}
        for block in python_blocks(ROOT / "README.md"):
            # The port in the text may be in use on this machine.
            code = block.replace("http://127.0.0.1:8765/v1/chatkit", sim.base_url)
            exec(compile(code, "README.md", "exec"), names)
        response = asyncio.run(names["watch"]())
        for client in (value for value in names.values() if isinstance(value, ChatKitClient)):
            client.close()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(" 4")
    assert {"session.created", "message.sent", "response"} <= set(lines)
    assert len(response.program.sessions) == 4
    assert len(names["rows"]) > 10
    assert names["result"].response.program.title


def test_documented_tests_pass(sim: ChatKitSimulator) -> None:
    names: dict[str, Any] = {}
    for name in ("guide.md", "simulated-workflow.md"):
        for block in python_blocks(ROOT / "docs" / name):
            if "def test_" in block:
                exec(compile(block, name, "exec"), names)
                arguments = [sim] if "(chatkit_simulator)" in block else []
                names[re.findall(r"def (test_\w+)", block)[0]](*arguments)
    assert names["test_a_broken_stream_starts_no_second_run"]
    assert names["test_my_service"]


def test_linked_files_exist() -> None:
    assert ROOT / "CONTRIBUTING.md" in PAGES
    assert ROOT / "docs" / "decisions" / "README.md" in PAGES
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)[)#]", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def anchors(page: Path) -> set[str]:
    """The anchors of GitHub for a page's headings: lower case, no punctuation, - for blanks."""
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_linked_headings_exist() -> None:
    links = 0
    for page in PAGES:
        for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text("utf-8")):
            there = page.parent / target if target else page
            assert anchor in anchors(there), f"{page.name}: {target}#{anchor}"
            links += 1
    assert links >= 8


def test_python_of_docs_compiles() -> None:
    for page in PAGES:
        for block in python_blocks(page):
            indented = "\n".join(f"    {line}" for line in block.splitlines())
            compile(f"async def page():\n{indented}", page.name, "exec")


def test_docs_name_every_event_check_and_column() -> None:
    guide, programs = (
        (ROOT / "docs" / name).read_text("utf-8") for name in ("guide.md", "programs.md")
    )
    events = [event.__name__ for event in get_args(WorkflowEvent)]
    assert [name for name in events if f"`{name}`" not in guide] == []
    # The suffix "_all" marks a second text for a check.
    codes = {code.removesuffix("_all") for code in words("en").findings}
    codes_and_columns = [*sorted(codes), *COLUMNS]
    assert [name for name in codes_and_columns if f"`{name}`" not in programs] == []


def test_docs_name_every_subcommand() -> None:
    page, readme = ((ROOT / name).read_text("utf-8") for name in ("docs/command.md", "README.md"))
    listed = readme.partition("- [The command](docs/command.md)")[2].partition("\n- ")[0]
    for name in _COMMANDS:
        assert re.search(rf"^## `{name}\b", page, re.MULTILINE), f"docs/command.md: {name}"
        assert f"`{name}`" in listed.replace("edn360-chatkit ", ""), f"README.md: {name}"
