"""A real nginx on loopback with its own directory, independent of the system's service."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# The settings of Debian's nginx.conf, without its paths. A test adds the `location`.
CONFIGURATION = """
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 768; }}
http {{
    sendfile on;
    tcp_nopush on;
    gzip on;
    default_type application/octet-stream;
    access_log {directory}/access.log;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
{upstreams}
    server {{
        listen 127.0.0.1:{port};
{location}
    }}
}}
"""
DEFAULT = """
location / {{
    proxy_pass http://127.0.0.1:{upstream};
}}
"""


def _documented(number: int) -> str:
    document = Path(__file__).parents[3] / "docs" / "self-hosting.md"
    return document.read_text("utf-8").split("```nginx\n")[number].split("```")[0]


def documented_location() -> str:
    """The ``location`` that docs/self-hosting.md gives."""
    block = _documented(1)
    assert "http://127.0.0.1:8000" in block
    template = block.replace("{", "{{").replace("}", "}}")
    return template.replace("http://127.0.0.1:8000", "http://127.0.0.1:{upstream}")


def documented_pair(ports: tuple[int, int]) -> tuple[str, str]:
    """The ``upstream`` of two servers that docs/self-hosting.md gives, and its ``location``."""
    upstreams, _, lines = _documented(2).partition(
        "# In the location, instead of its proxy_pass:\n"
    )
    for documented, port in zip(("8000", "8001"), ports, strict=True):
        assert documented in upstreams
        upstreams = upstreams.replace(documented, str(port))
    location = _documented(1).replace("    proxy_pass http://127.0.0.1:8000;\n", lines)
    return upstreams, location.replace("{", "{{").replace("}", "}}")


@contextmanager
def serve(
    directory: Path, upstream: int, location: str = DEFAULT, upstreams: str = ""
) -> Iterator[int]:
    """Run nginx in front of a port of loopback.

    Args:
        directory: The place of its files.
        upstream: The server's port.
        location: A ``location`` for nginx, with ``{upstream}`` for the server's port.
        upstreams: Configuration that is inserted before nginx's ``server``.
    """
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/bin")
    if program is None:
        pytest.skip("nginx is not installed")
    port = free_port()
    text = CONFIGURATION.format(
        directory=directory,
        port=port,
        location=location.format(upstream=upstream),
        upstreams=upstreams,
    )
    (directory / "nginx.conf").write_text(text, "utf-8")
    command = [program, "-p", str(directory), "-c", "nginx.conf", "-e", f"{directory}/error.log"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until_open(port, process)
            yield port
        finally:
            process.terminate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_until_open(port: int, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if process.poll() is not None:
            assert process.stderr is not None
            raise AssertionError(f"it did not start: {process.stderr.read()}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("it does not listen")
