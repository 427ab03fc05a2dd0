"""One running app and one Chromium for all browser tests; a fresh tab for each test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.browser.app import CHROMIUM, App, running_app, running_browser, settled

# The frontend looks for its server under the address of the page first ("/training/_stcore/health")
# and goes on one level up when that is not found.
EXPECTED_ON_SUBPAGES = ("_stcore/health", "_stcore/host-config")

# A page on a machine that is busy with other things takes longer than Playwright's five seconds;
# what never comes fails all the same.
expect.set_options(timeout=30_000)


@dataclass
class Tab:
    """A page of the browser with everything its console complained of."""

    page: Page
    app: App
    complaints: list[str] = field(default_factory=list)
    _logged_before: int = 0

    def __post_init__(self) -> None:
        self._logged_before = len(self.app.logged())

    def logged(self) -> str:
        """What the server has written since this tab was opened."""
        return self.app.logged()[self._logged_before :]

    def open(self, path: str) -> Page:
        """Go to a path of the app, and wait until it has been drawn."""
        self.page.goto(f"{self.app.url}/{path}")
        settled(self.page)
        return self.page

    def exceptions(self) -> list[str]:
        """The texts of the exception boxes on the page."""
        return self.page.locator('[data-testid="stException"]').all_inner_texts()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium; without one the test is skipped at home, and fails where everything must run."""
    if not CHROMIUM.exists():
        message = f"there is no {CHROMIUM}: install Debian's package `chromium`"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    with running_browser() as running:
        yield running


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on the shipped checkpoints, as a user starts it."""
    with running_app(tmp_path_factory.mktemp("app") / "app.log") as running:
        yield running


@pytest.fixture(scope="session")
def bare_apps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, App]]:
    """The app as in a fresh clone: "data", without the real data; "checkpoints", with none."""
    folder = tmp_path_factory.mktemp("bare")
    nothing = {"HELMHOLTZ_DATA": "", "HELMHOLTZ_CACHE": str(folder / "cache")}
    (folder / "pretrained").mkdir()
    empty = {**nothing, "HELMHOLTZ_PRETRAINED": str(folder / "pretrained")}
    with (
        running_app(folder / "data.log", nothing) as without_data,
        running_app(folder / "checkpoints.log", empty) as without_checkpoints,
    ):
        yield {"data": without_data, "checkpoints": without_checkpoints}


@pytest.fixture
def open_tab(browser: Browser) -> Iterator[Callable[..., Tab]]:
    """Open a tab on an app; options are Playwright's, e.g. `viewport` or `color_scheme`."""
    contexts = []

    def opened(app: App, **options: object) -> Tab:
        settings = {"viewport": {"width": 1440, "height": 900}, **options}
        context = browser.new_context(**settings)  # type: ignore[arg-type]
        contexts.append(context)
        tab = Tab(context.new_page(), app)

        def heard(message: ConsoleMessage) -> None:
            where = message.location.get("url", "")
            if message.type == "error" and not where.endswith(EXPECTED_ON_SUBPAGES):
                tab.complaints.append(f"{message.text} ({where})")

        tab.page.on("console", heard)
        tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
        return tab

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def tab(app: App, open_tab: Callable[..., Tab]) -> Tab:
    """A tab on the app of the session."""
    return open_tab(app)
