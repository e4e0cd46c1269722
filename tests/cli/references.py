"""A ``run`` with the file of its reference, for several tests."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

RUN = ["run", "athlete.json", "-o", "out.json", "--poll-interval", "0.05"]


def start(*args: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "edn360_chatkit", *args])


def wait_for(file: Path, part: str) -> None:
    deadline = time.monotonic() + 20
    while not file.exists() or part not in file.read_text("utf-8"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
