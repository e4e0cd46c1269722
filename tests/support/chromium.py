"""Chromium without a window, driven over its DevTools protocol."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

FOUND = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


class Chromium:
    """A browser with its own profile."""

    def __init__(self, profile: Path) -> None:
        assert FOUND is not None
        options = ["--headless=new", "--remote-debugging-port=0", "--hide-scrollbars"]
        options += ["--disable-gpu", "--no-first-run", "--disable-background-networking"]
        if os.geteuid() == 0:
            options.append("--no-sandbox")  # root can't have a sandbox
        self._process = subprocess.Popen(
            [FOUND, *options, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        port, path = self._address(profile / "DevToolsActivePort")
        self._socket = connect(f"ws://127.0.0.1:{port}{path}", max_size=None, proxy=None)
        self._calls = 0
        self._events: list[dict[str, Any]] = []

    def _address(self, file: Path) -> tuple[str, str]:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            if file.exists() and len(lines := file.read_text().split()) == 2:
                return lines[0], lines[1]
            assert self._process.poll() is None, "Chromium ended by itself"
            time.sleep(0.05)
        raise AssertionError("Chromium did not start")

    def close(self) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.wait(20)

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        self._calls += 1
        call = {"id": self._calls, "method": method, "params": params}
        self._socket.send(json.dumps(call if session is None else {**call, "sessionId": session}))
        while (message := self._receive()).get("id") != self._calls:
            pass
        assert "error" not in message, f"{method}: {message['error']}"
        result: dict[str, Any] = message["result"]
        return result

    def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._socket.recv(timeout=60))
        if "method" in message:
            self._events.append(message)
        return message

    def wait_for(self, method: str, session: str) -> None:
        while not self.events(method, session):
            self._receive()

    def events(self, method: str, session: str) -> list[dict[str, Any]]:
        mine = (event for event in self._events if event.get("sessionId") == session)
        return [event["params"] for event in mine if event["method"] == method]


class Tab:
    """A page in the browser.

    Args:
        browser: The browser.
        url: The address of the page.
        width: The width of the window, in pixels.
        dark: Whether the reader prefers dark pages.
        paper: Whether the layout is that of print.
    """

    def __init__(
        self, browser: Chromium, url: str, *, width: int, dark: bool = False, paper: bool = False
    ) -> None:
        self._browser = browser
        self._target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=self._target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            self._call(f"{domain}.enable")
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        medium = "print" if paper else ""  # "" keeps the medium
        self._call("Emulation.setEmulatedMedia", media=medium, features=[scheme])
        self._call("Page.navigate", url=url)
        browser.wait_for("Page.loadEventFired", self._session)

    def __enter__(self) -> Tab:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._browser.call("Target.closeTarget", targetId=self._target)

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **params)

    def run(self, script: str) -> Any:
        """Evaluate an expression of JavaScript, and wait for its promise."""
        options = {"returnByValue": True, "awaitPromise": True}
        answer = self._call("Runtime.evaluate", expression=script, **options)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def requests(self) -> list[str]:
        """The URLs of all requests so far, failed requests included."""
        events = self._browser.events("Network.requestWillBeSent", self._session)
        return [event["request"]["url"] for event in events]

    def accessible(self, role: str) -> list[str]:
        """The names of the elements of a role, as the browser gives them to a screen reader."""
        nodes = self._call("Accessibility.getFullAXTree")["nodes"]
        exposed = (node for node in nodes if not node["ignored"])
        return [node["name"]["value"] for node in exposed if node["role"]["value"] == role]

    def screenshot(self) -> bytes:
        height = self.run("Math.ceil(document.documentElement.getBoundingClientRect().height)")
        width = self.run("window.innerWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = self._call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(shot["data"])

    def pdf(self) -> bytes:
        paper = {"paperWidth": 8.27, "paperHeight": 11.69, "printBackground": True}
        return base64.b64decode(
            self._call("Page.printToPDF", preferCSSPageSize=True, **paper)["data"]
        )
