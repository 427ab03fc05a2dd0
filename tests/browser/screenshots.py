"""`python -m tests.browser.screenshots OUTDIR`: every page, two sizes, light and dark, as PNG.

Run it after each change of a page, and look at the pictures.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from dashboard import navigation
from tests.browser.app import App, running_app, running_browser, settled

SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
SCHEMES = ("light", "dark")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--page", action="append", help="url path, e.g. latent-space (default: all)"
    )
    parser.add_argument("--query", default="", help="added to the address, e.g. checkpoint=NAME")
    parser.add_argument("--size", choices=SIZES, action="append")
    parser.add_argument("--scheme", choices=SCHEMES, action="append")
    parser.add_argument("--viewport", action="store_true", help="the first screen only")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    paths = options.page or [entry.url_path for entry in navigation.ENTRIES]
    with (
        tempfile.TemporaryDirectory() as scratch,
        running_app(Path(scratch) / "app.log") as app,
        running_browser() as browser,
    ):
        for path in paths:
            for size in options.size or SIZES:
                for scheme in options.scheme or SCHEMES:
                    target = options.folder / f"{path or 'overview'}-{size}-{scheme}.png"
                    take(browser, app, path, size, scheme, options, target)
        print(app.logged())


def take(
    browser: Browser,
    app: App,
    path: str,
    size: str,
    scheme: str,
    options: argparse.Namespace,
    target: Path,
) -> None:
    """One picture of the whole page (or of its first screen); prints what the console says."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, device_scale_factor=1
    )
    page = context.new_page()
    page.on(
        "console", lambda m: print(f"  console {m.type}: {m.text}") if m.type != "log" else None
    )
    page.on("pageerror", lambda error: print(f"  page error: {error}"))
    page.goto(f"{app.url}/{path}{'?' + options.query if options.query else ''}")
    _settle(page)
    if not options.viewport:
        # Streamlit scrolls inside the page, so a full-page picture needs a window of that height.
        content = page.evaluate(
            "() => document.querySelector('[data-testid=\"stMainBlockContainer\"]').scrollHeight"
        )
        page.set_viewport_size(
            {"width": width, "height": max(height, min(int(content) + 60, 8000))}
        )
        _settle(page)
    page.screenshot(path=target)
    print(target)
    context.close()


def _settle(page: Page) -> None:
    """Wait for the page; where it never comes to rest, say so and go on with what there is."""
    try:
        settled(page)
    except (TimeoutError, PlaywrightTimeout) as error:
        print(f"  {page.url} did not settle: {str(error).splitlines()[0]}")


if __name__ == "__main__":
    main()
