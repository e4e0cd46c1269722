"""Starts servers in separate processes, each on a free port of loopback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
# `make foreign` installs the packages of these servers here.
ADK_PYTHON = Path(sys.prefix) / "adk" / "bin" / "python"
NODE_DIRECTORY = Path(sys.prefix) / "node"
START_SECONDS = 300.0  # importing google-adk on a busy machine


def agents_command() -> list[str]:
    pytest.importorskip("agents", reason="openai-agents is not installed")
    return [sys.executable, "-m", "tests.contract.foreign.agents_server"]


def adk_command() -> list[str]:
    if not ADK_PYTHON.exists():
        pytest.skip("adk-chatkit is not installed: make foreign")
    return [str(ADK_PYTHON), str(HERE / "adk_server.py")]


def node_command() -> list[str]:
    if not (NODE_DIRECTORY / "node_modules" / "chatkit-node-backend-sdk").exists():
        pytest.skip("chatkit-node-backend-sdk is not installed (it needs Node): make foreign")
    return ["node", str(HERE / "node_server.mjs"), str(NODE_DIRECTORY)]


@contextmanager
def serve(command: list[str], model_url: str) -> Iterator[int]:
    """Run a server, which prints ``port N`` when it listens.

    Args:
        command: The program and its arguments.
        model_url: The base URL of the scripted model.
    """
    environment = {
        **{k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")},
        "OPENAI_API_KEY": "sk-scripted-model",
        "OPENAI_BASE_URL": model_url,
    }
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        errors: list[str] = []
        assert process.stderr is not None
        reader = threading.Thread(target=errors.extend, args=(process.stderr,), daemon=True)
        reader.start()  # a full pipe would stop the server
        try:
            yield read_port(process, errors)
        finally:
            process.kill()
            reader.join(5)


def read_port(process: subprocess.Popen[str], errors: list[str]) -> int:
    assert process.stdout is not None
    impatience = threading.Timer(START_SECONDS, process.kill)
    impatience.start()
    try:
        for line in process.stdout:
            if match := re.match(r"port (\d+)", line):
                return int(match[1])
    finally:
        impatience.cancel()
    process.wait()
    raise AssertionError("the server did not start: " + "".join(errors)[-2000:])
