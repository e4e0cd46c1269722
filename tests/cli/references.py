"""A ``run`` with the file of its reference, for several tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.patience import wait_for

RUN = ["run", "athlete.json", "-o", "out.json", "--poll-interval", "0.05"]


def start(*args: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "edn360_chatkit", *args])


def wait_for_part(file: Path, part: str) -> None:
    wait_for(lambda: file.exists() and part in file.read_text("utf-8"))
