"""Chromium, told by its own protocol to run JavaScript in a page."""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)

_KEYS = {
    **{"Tab": 9, "Enter": 13, "Escape": 27, " ": 32},
    **{"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40},
}
_TEXTS = {"Enter": "\r"}


class Browser:
    """A page of a running browser.

    Args:
        asks: where commands are written, each ended by a NUL.
        says: where answers and events are read.
    """

    def __init__(self, asks: int, says: int) -> None:
        self._asks, self._says = asks, os.fdopen(says, "rb", buffering=0)
        self._number, self._read = 0, b""
        self._session: dict[str, str] = {}
        self._reached: set[tuple[str, str]] = set()

    def open(self, address: str) -> None:
        """Opens a page, in which `run` then runs."""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self._ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        self._ask("Page.enable")
        self._ask("Page.setLifecycleEventsEnabled", enabled=True)
        self.go(address)

    def go(self, address: str) -> None:
        """Loads an address in the same tab, also if it is the one that is shown."""
        self._ask("Page.navigate", url="about:blank")
        loader = self._ask("Page.navigate", url=address)["loaderId"]
        while (loader, "load") not in self._reached:
            self._next()

    def reload(self) -> None:
        """Loads the page anew, as a person does; what the old one showed is gone after it."""
        self.run("window.old = true")
        self._ask("Page.reload")
        self.wait("!window.old && document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """What an expression gives, once its promise is kept."""
        answer = self._ask(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, condition: str, seconds: float = 240) -> None:
        """Waits until an expression is true; what it asks about may come, or load anew, meanwhile.

        Raises:
            AssertionError: it is not, in time; with what the page shows.
        """
        end = time.monotonic() + seconds
        while True:
            try:  # an element that is not there yet, or a page that was left, is no answer
                held, why = self.run(f"Boolean({condition})"), None
            except AssertionError as error:
                held, why = False, error
            if held:
                return
            assert time.monotonic() < end, (condition, why, self.run("document.body?.innerText"))
            time.sleep(0.05)

    def resize(self, width: int, height: int = 900) -> None:
        """Shows the page in a window of this size."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._ask("Emulation.setDeviceMetricsOverride", **screen)

    def prefer(self, **features: str) -> None:
        """Sets media features: `prefer(prefers_color_scheme="dark")`."""
        told = [{"name": k.replace("_", "-"), "value": v} for k, v in features.items()]
        self._ask("Emulation.setEmulatedMedia", features=told)

    def press(self, key: str) -> None:
        """Presses a key, as a person does."""
        text = {"text": _TEXTS.get(key, key)} if len(key) == 1 or key in _TEXTS else {}
        for kind in ("keyDown", "keyUp"):
            pressed = {"key": key, "windowsVirtualKeyCode": _KEYS.get(key, ord(key[0].upper()))}
            self._ask("Input.dispatchKeyEvent", type=kind, **pressed, **text)

    def type(self, text: str) -> None:
        """Presses the keys of a text."""
        for letter in text:
            self.press(letter)

    def choose(self, path: Path) -> None:
        """Chooses a file in the field that has the focus."""
        field = self._ask("Runtime.evaluate", expression="document.activeElement")["result"]
        self._ask("DOM.setFileInputFiles", files=[str(path)], objectId=field["objectId"])

    def download_to(self, folder: Path) -> None:
        """Saves in a folder what a page gives to download."""
        self._ask("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    @contextmanager
    def slow(self, seconds: float) -> Iterator[None]:
        """Within it every answer of a server comes so much later."""
        self._ask("Network.enable")
        through = {"offline": False, "downloadThroughput": -1, "uploadThroughput": -1}
        self._ask("Network.emulateNetworkConditions", latency=1000 * seconds, **through)
        try:
            yield
        finally:
            self._ask("Network.emulateNetworkConditions", latency=0, **through)

    def screenshot(self, path: Path) -> None:
        """Saves what the whole page looks like, as PNG."""
        shot = self._ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        """Closes both pipes."""
        os.close(self._asks)
        self._says.close()

    def _ask(self, method: str, **params: Any) -> Any:
        self._number += 1
        told = {"id": self._number, "method": method, "params": params, **self._session}
        os.write(self._asks, json.dumps(told).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def _next(self) -> Any:
        while b"\0" not in self._read:
            piece = self._says.read(1 << 16)
            assert piece, "the browser has ended"
            self._read += piece
        message, _, self._read = self._read.partition(b"\0")
        told = json.loads(message)
        if told.get("method") == "Page.lifecycleEvent":
            self._reached.add((told["params"]["loaderId"], told["params"]["name"]))
        return told


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser that keeps what it keeps in a folder; skips the test where there is none."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if program is None:
        missing = "no chromium here: apt-get install chromium, or name one in CHROMIUM"
        if "CHROMIUM_REQUIRED" in os.environ:  # as in CI, which must not skip
            pytest.fail(missing)
        pytest.skip(missing)
    theirs, asks = os.pipe()
    says, mine = os.pipe()
    joined = f'exec "$@" 3<&{theirs} 4>&{mine}'
    command = ["bash", "-c", joined, "bash", program, *_QUIET, f"--user-data-dir={folder}"]
    with subprocess.Popen(
        [*command, "about:blank"], pass_fds=(theirs, mine), stderr=subprocess.DEVNULL
    ) as process:
        os.close(theirs)
        os.close(mine)
        page = Browser(asks, says)
        try:
            yield page
        finally:
            page.close()
            process.kill()
