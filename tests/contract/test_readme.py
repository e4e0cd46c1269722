"""The README's first lines work as printed: the command in one terminal, the lines in another."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_first_lines_run_against_the_command() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    lines = blocks[0]
    assert len(lines.strip().splitlines()) == 5
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "edn360_chatkit", "simulate", "--delay", "0.2"]
    with subprocess.Popen(
        [*command, "--port", str(port)], stdout=subprocess.PIPE, text=True
    ) as simulator:
        try:
            assert simulator.stdout is not None
            assert "EDN360_CHATKIT_BASE_URL" in simulator.stdout.readline()
            # The port alone is changed: the one that is printed may be in use on this machine.
            printed = lines.replace(":8765/", f":{port}/")
            assert printed != lines
            done = subprocess.run([sys.executable, "-c", printed], capture_output=True, text=True)
        finally:
            simulator.terminate()
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Programa simulado")
    assert done.stdout.endswith(" 4\n")


def test_every_file_that_the_docs_point_to_is_there() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)[)#]", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def anchors(page: Path) -> set[str]:
    """What GitHub makes of a page's headings: lower case, no punctuation, - for blanks."""
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_heading_that_the_docs_point_to_is_there() -> None:
    found = 0
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text("utf-8")):
            there = page.parent / target if target else page
            assert anchor in anchors(there), f"{page.name}: {target}#{anchor}"
            found += 1
    assert found >= 8


def test_the_python_of_the_docs_compiles() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for block in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            indented = "\n".join(f"    {line}" for line in block.splitlines())
            compile(f"async def page():\n{indented}", page.name, "exec")
