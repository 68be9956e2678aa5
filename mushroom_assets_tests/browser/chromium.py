"""The system's Chromium under Playwright, and pictures of its pages.

What is on them is the business of the tests.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PICTURES = os.environ.get("SCREENSHOTS")  # a folder; unset: no pictures
WIDTH = 1280
HEIGHT = 900
COLOURS = 256  # of a picture: a third of the bytes, and nobody sees it
MARGIN = 100  # pixels above what a picture is of
PATIENCE_MS = 60_000  # for what should be there in seconds; a busy machine takes its time


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A browser; a process may have one at a time."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


def new_page(browser: Browser) -> Page:
    """A page at a desk; waits on it give up after `PATIENCE_MS`."""
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    page.set_default_timeout(PATIENCE_MS)
    return page


@contextmanager
def open_page() -> Iterator[Page]:
    """A page of a new browser."""
    with open_browser() as browser:
        yield new_page(browser)


def picture(page: Page, name: str, shown: Locator | None = None) -> None:
    """Save what the page shows as `<SCREENSHOTS>/<name>.png`; nothing where that is unset.

    The file is small enough for a README.

    Args:
        page: as it is; nothing is clicked.
        name: file name without its ending.
        shown: what is scrolled to the top.
    """
    if PICTURES is None:
        return
    if shown is not None:
        shown.evaluate(
            "(element, margin) => {element.style.scrollMarginTop = `${margin}px`}", MARGIN
        )
        shown.evaluate("element => element.scrollIntoView()")
    page.mouse.move(WIDTH - 1, HEIGHT - 1)  # off what it hovers over
    page.wait_for_load_state("networkidle")
    path = Path(PICTURES) / f"{name}.png"
    page.screenshot(path=path, animations="disabled", caret="hide")
    small_png(path)


def beside(paths: Sequence[Path], into: Path) -> None:
    """One picture of several, side by side; those are gone then."""
    from PIL import Image

    taken = [Image.open(path) for path in paths]
    gap = 24
    width = sum(one.width for one in taken) + gap * (len(taken) - 1)
    whole = Image.new("RGB", (width, max(one.height for one in taken)), "white")
    left = 0
    for one, path in zip(taken, paths, strict=True):
        whole.paste(one.convert("RGB"), (left, 0))
        left += one.width + gap
        path.unlink()
    whole.save(into)
    small_png(into)


def small_png(path: Path) -> None:
    """Save a picture anew with few colours: small enough for a README."""
    from PIL import Image

    with Image.open(path) as taken:
        small = taken.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
