"""The tests on each Python, with the newest dependencies and with the lowest: ``nox``, ``nox -l``.

A Python that is not installed is skipped. ``make test`` is the everyday command.
"""

from __future__ import annotations

import re
from pathlib import Path

import nox

nox.options.sessions = ["checks", "tests", "lowest"]
nox.options.error_on_missing_interpreters = False

PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]
PROJECT = nox.project.load_toml("pyproject.toml")
EXTRAS = ".[cli,simulator]"


def group(name: str) -> list[str]:
    return list(nox.project.dependency_groups(PROJECT, name))


def lowest_versions() -> list[str]:
    """Each dependency, pinned to the lowest version that ``pyproject.toml`` allows."""
    project = PROJECT["project"]
    extras = [line for extra in project["optional-dependencies"].values() for line in extra]
    pins: list[str] = []
    for line in [*project["dependencies"], *extras]:
        if line.startswith(f"{project['name']}["):
            continue  # an extra that includes another extra
        match = re.match(r"([\w.-]+)[^>]*>=\s*([\w.]+)", line)
        if match is None:
            raise ValueError(f"{line!r} in pyproject.toml has no lower bound")
        pins.append(f"{match[1]}=={match[2]}")
    return pins


@nox.session(python=PYTHONS[1])
def checks(session: nox.Session) -> None:
    """Lint and types; the types of the installed wheel are checked by ``make verifytypes``."""
    session.install("--editable", EXTRAS, *group("dev"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports", "--no-cache")
    session.run("mypy")
    session.run("pyright")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """All tests of ``make test``, with the newest dependencies."""
    session.install("--editable", EXTRAS, *group("dev"))
    session.run("pytest", "--numprocesses=4", "--dist=worksteal", *session.posargs)


@nox.session(python=PYTHONS[0])
def lowest(session: nox.Session) -> None:
    """The unit tests with the lowest dependencies.

    The contract tests need packages (``openai``, ``openai-chatkit``) that ask for newer ones.
    """
    pins = Path(session.create_tmp(), "lowest.txt")
    pins.write_text("\n".join(lowest_versions()), "utf-8")
    session.install("--constraint", str(pins), "--editable", EXTRAS, *group("test"))
    session.run(
        "pytest",
        "--numprocesses=2",
        "tests/clients",
        "tests/program",
        "tests/protocol",
        "--ignore-glob=*_in_a_browser.py",  # they need packages of the group dev
        *session.posargs,
    )


@nox.session(python=PYTHONS[1])
def coverage(session: nox.Session) -> None:
    """The tests with branches counted; fails below ``fail_under`` in ``pyproject.toml``."""
    session.install("--editable", EXTRAS, *group("dev"))
    session.run("pytest", "--numprocesses=4", "--dist=worksteal", "--cov", "--cov-report=term")
