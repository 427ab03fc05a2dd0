"""The real app on a free port, and a headless Chromium to look at it with."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class App:
    """A running server: where it answers, and the file that has everything it logged."""

    url: str
    log: Path

    def logged(self) -> str:
        """Everything written to standard output and standard error so far."""
        return self.log.read_text(errors="replace")


def free_port() -> int:
    """A port of the loopback interface that nobody holds at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_app(
    log: Path, environment: dict[str, str] | None = None, script: str = "streamlit_app.py"
) -> Iterator[App]:
    """`streamlit run streamlit_app.py` as a user starts it, stopped at the end.

    Args:
        log: receives what the server prints.
        environment: variables beside (or instead of) the inherited ones.
        script: another app, from the root of the project.

    Raises:
        RuntimeError: the server ended, or did not answer within 60 seconds.
    """
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", script]
    command += ["--server.port", str(port), "--server.address", "127.0.0.1"]
    env = {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=output, stderr=subprocess.STDOUT
        )
        app = App(f"http://127.0.0.1:{port}", log)
        try:
            _wait_until_healthy(server, app)
            yield app
        finally:
            server.terminate()
            try:
                server.wait(timeout=15)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


@contextmanager
def app_on(folder: Path) -> Iterator[App]:
    """The app on the checkpoints of a folder alone: no data, nothing in its cache."""
    environment = {
        "HELMHOLTZ_PRETRAINED": str(folder),
        "HELMHOLTZ_DATA": str(folder),
        "HELMHOLTZ_CACHE": str(folder),
        "OMP_NUM_THREADS": "1",
    }
    with running_app(folder / "app.log", environment) as running:
        yield running


def _wait_until_healthy(server: subprocess.Popen[bytes], app: App) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with {server.returncode}:\n{app.logged()}")
        try:
            with urllib.request.urlopen(f"{app.url}/_stcore/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"the server did not answer within 60 seconds:\n{app.logged()}")


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A headless Chromium of the system; nothing is downloaded."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), headless=True, args=list(CHROMIUM_FLAGS)
        )
        try:
            yield browser
        finally:
            browser.close()


def settled(page: Page, *, quiet_ms: int = 400, timeout_s: float = 150) -> None:
    """Wait until the script has run to its end and the page has stopped changing.

    Raises:
        TimeoutError: it is still running after `timeout_s`.
    """
    page.wait_for_selector('[data-testid="stApp"]', timeout=timeout_s * 1000)
    deadline = time.monotonic() + timeout_s
    calm_since: float | None = None
    before = ""
    while time.monotonic() < deadline:
        # Streamlit's own mark of a run; skeletons stand where elements are still to come.
        state = page.evaluate(
            """() => {
                const app = document.querySelector('[data-testid="stApp"]');
                const charts = [...document.querySelectorAll('[data-testid="stPlotlyChart"]')];
                const waiting = document.querySelectorAll(
                    '[data-testid="stSkeleton"], [data-testid="stSpinner"]').length
                    + charts.filter(chart => !chart.querySelector('.main-svg')).length;
                return app.getAttribute('data-test-script-state') + '|' + waiting + '|'
                    + document.querySelector('[data-testid="stMain"]')?.innerText.length + '|'
                    + document.images.length + '|'
                    + [...document.images].every(image => image.complete && image.naturalWidth > 0);
            }"""
        )
        busy = "running" in state or "|0|" not in state or state.endswith("false")
        now = time.monotonic()
        if busy or state != before:
            calm_since = None
        elif calm_since is None:
            calm_since = now
        elif (now - calm_since) * 1000 >= quiet_ms:
            return
        before = state
        page.wait_for_timeout(50)
    raise TimeoutError(f"the page did not settle within {timeout_s} s: {before}")


def eventually(page: Page, met: Callable[[], bool], *, timeout_s: float = 30) -> None:
    """Wait until `met()` holds: canvases are painted a frame later, on a busy machine many.

    Raises:
        AssertionError: it still does not after `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    while not met():
        assert time.monotonic() < deadline, f"what was waited for did not come in {timeout_s} s"
        page.wait_for_timeout(50)
