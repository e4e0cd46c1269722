"""``show`` writes a page, Markdown and a table."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from edn360_chatkit.cli import main

from .shell import PROGRAM, ROOT_KEY, write

pytestmark = pytest.mark.usefixtures("evolution")


def test_show_writes_html_and_markdown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer = write("answer.json", {ROOT_KEY: PROGRAM})
    assert main(["show", answer, "--html", "out.html", "--markdown", "out.md"]) == 0
    assert capsys.readouterr() == ("", "")
    page, markdown = (Path(name).read_text("utf-8") for name in ("out.html", "out.md"))
    assert page.startswith('<!DOCTYPE html>\n<html lang="es">')
    assert markdown.startswith("# Fuerza — niño\n")
    assert "Semanas" in page
    assert "- Semanas: 4" in markdown
    assert main(["show", answer, "--markdown", "-", "--lang", "en"]) == 0
    assert "- Weeks: 4" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--html", "--csv"])
@pytest.mark.parametrize(
    ("output", "reason"),
    [("program.json", "it is the input"), ("no/out", "there is no directory")],
)
def test_show_writes_no_file_with_unusable_output(
    output: str, reason: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = json.dumps(PROGRAM)
    program = write("program.json", before)
    assert main(["show", program, "--markdown", "a.md", option, output]) == 2
    assert f"{output} can't be written: {reason}" in capsys.readouterr().err
    assert not Path("a.md").exists()
    assert Path("program.json").read_text() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_show_reports_a_full_disk(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", write("program.json", PROGRAM), "--html", "/dev/full"]) == 1
    assert "/dev/full can't be written: No space left on device" in capsys.readouterr().err


def test_show_writes_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "new.json", "--csv", "out.csv"]) == 0
    assert capsys.readouterr() == ("", "")
    with open("out.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert Path("out.csv").read_bytes().startswith(b"\xef\xbb\xbfsession_number,")
    assert [row["name"] for row in rows][:2] == [
        "Dumbbell Romanian deadlift",
        "Dumbbell floor press",
    ]
    assert (rows[0]["sets"], rows[0]["reps"], rows[0]["rpe_low"]) == ("4.0", "5-6", "7.0")


def test_show_writes_a_table_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "new.json", "--csv", "-"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("session_number,session,")
    assert len(list(csv.reader(io.StringIO(out)))) == 14


def test_failed_table_leaves_the_old_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("out.csv").write_text("mine", "utf-8")
    before = set(Path().iterdir())
    assert main(["show", write("bad.json", {"title": 1}), "--csv", "out.csv"]) == 2
    assert Path("out.csv").read_text("utf-8") == "mine"
    assert set(Path().iterdir()) - before == {Path("bad.json")}


@pytest.mark.parametrize(
    "names",
    [
        {"--html": "-", "--csv": "-"},
        {"--html": "out", "--csv": "out"},
        {"--markdown": "out", "--csv": "./out"},
        {"--html": "a", "--markdown": "link", "--csv": "out"},
    ],
)
def test_outputs_with_equal_name_are_refused(
    names: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("link").symlink_to("out")
    before = set(Path().iterdir())
    assert main(["show", "new.json", *(word for pair in names.items() for word in pair)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Two of the files have the same name" in err
    assert set(Path().iterdir()) == before


def test_file_and_standard_output_can_be_combined(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "new.json", "--html", "out", "--csv", "-"]) == 0
    assert capsys.readouterr().out.startswith("session_number,")
    assert Path("out").read_text("utf-8").startswith("<!DOCTYPE html>")


def test_help_names_standard_output_for_each_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["show", "--help"]) == 0
    assert " ".join(capsys.readouterr().out.split()).count("- is standard output") == 3
