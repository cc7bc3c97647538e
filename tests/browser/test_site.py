"""The site to read: built once, served on this machine, and read in a browser."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import build
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from project import ROOT

from tutorial_project.checks.gaps import BEGIN_BROKEN

LESSONS = [folder.name for folder in build.lesson_folders()]
READ = [
    "index.html",
    "notebooks/10_files_and_streaming.html",
    "exercises/03_waiting_together.html",
    "questions.html",
]
OF_EACH_KIND = [
    "index.html",
    "notebooks/01_first_async_view.html",
    "exercises/index.html",
    "exercises/03_waiting_together.html",
    "solutions/12_users_and_sessions.html",
    "tutorial_project/trips/models.html",
    "sheet.html",
    "statements.html",
]
"""What axe reads in a minute; it takes ten for every page:  ALL_PAGES=1 make test ARGS="tests/browser -k axe"."""
NOWHERE = "http://127.0.0.1:9"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Say nothing about requests."""


class Anchors(HTMLParser):
    """The ids of a page, and all that it links to or loads."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids |= {value for name in ("id", "name") if (value := found.get(name))}
        self.links |= {value for name in ("href", "src") if (value := found.get(name))}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built where every way out is closed."""
    folder = tmp_path_factory.mktemp("site") / "html"
    closed = {name: NOWHERE for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")}
    command = [sys.executable, "website/build_site.py", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | closed, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Where the site is served."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def complaints(page: Page, address: str) -> list[str]:
    """What went wrong in the browser, and what it asked of others."""
    found: list[str] = []
    page.on(
        "console",
        lambda message: found.append(message.text) if message.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("requestfailed", lambda request: found.append(f"failed: {request.url}"))
    page.on(
        "request",
        lambda request: None if request.url.startswith((address, "data:")) else found.append(request.url),
    )
    return found


def pages(site: Path) -> list[Path]:
    return [page for page in site.rglob("*.html") if "_static" not in page.parts]


def test_every_link_and_anchor_of_every_page_resolves(site: Path) -> None:
    read = {page: Anchors(page) for page in pages(site)}
    broken = []
    for page, found in read.items():
        for link in found.links:
            parts = urlsplit(link)
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            anchors = read[target].ids if target in read else set()
            lost = parts.fragment and unquote(parts.fragment) not in anchors
            if not parts.scheme and (not target.exists() or lost):
                broken.append((page.relative_to(site).as_posix(), link))
    assert len(read) > 3 * len(LESSONS)
    assert broken == []


def test_every_lesson_has_its_pages_and_exercises_are_unanswered(site: Path) -> None:
    for name in LESSONS:
        assert (site / "notebooks" / f"{name}.html").is_file()
        if (build.LESSONS / name / "exercise.md").exists():
            exercise = (site / "exercises" / f"{name}.html").read_text(encoding="utf-8")
            assert "in JupyterLab, where its checks answer" in exercise
            assert "NotImplementedError" in exercise or BEGIN_BROKEN in build.exercise_text(name)
            assert "cell_output" not in exercise


@pytest.mark.parametrize("path", [*READ, "search.html?q=gather"])
def test_a_page_loads_nothing_from_elsewhere_and_the_console_is_quiet(
    page: Page, address: str, complaints: list[str], path: str
) -> None:
    page.goto(f"{address}/{path}", wait_until="networkidle")
    expect(page.locator("article h1, #search-results")).to_be_visible()
    assert complaints == []


def test_searching_for_an_error_finds_a_lesson_on_a_telephone_too(page: Page, address: str) -> None:
    page.goto(f"{address}/index.html")
    page.keyboard.press("ControlOrMeta+k")
    page.keyboard.type("SynchronousOnlyOperation")
    page.keyboard.press("Enter")
    found = page.locator("#search-results a[href*='notebooks/02_event_loop_in_the_notebook']")
    expect(found.first).to_be_visible()
    expect(page.locator("#search-results a[href*='questions.html']").first).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 800})
    expect(page.locator("#search-results .search-summary, #search-results .context").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_next_and_previous_walk_the_lessons_in_order(page: Page, address: str) -> None:
    page.goto(f"{address}/index.html")
    for before, name in zip([None, *LESSONS], LESSONS, strict=False):
        page.locator("a.right-next").click()
        page.wait_for_url(f"{address}/notebooks/{name}.html", wait_until="commit")
        if before:
            expect(page.locator("a.left-prev")).to_have_attribute("href", f"{before}.html")


def test_no_page_scrolls_sideways_on_a_telephone(browser: Browser, site: Path, address: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800}, java_script_enabled=False)
    page = context.new_page()
    widths = {}
    for file in pages(site):
        page.goto(f"{address}/{file.relative_to(site).as_posix()}", wait_until="load")
        widths[file.name] = page.evaluate("document.documentElement.scrollWidth")
    context.close()
    assert {name: width for name, width in widths.items() if width > 390} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lesson_03_shows_its_timeline_in_the_readers_colours(
    browser: Browser, address: str, scheme: str
) -> None:
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{address}/notebooks/03_waiting_together.html")
    expect(page.locator("html")).to_have_attribute("data-theme", scheme)
    picture = page.locator("svg.timeline").first
    expect(picture).to_be_visible()
    assert picture.bounding_box()["width"] > 300
    ink = picture.locator("text").first.evaluate("text => getComputedStyle(text).fill")
    assert ink == page.locator("article").evaluate("article => getComputedStyle(article).color")
    context.close()


def test_the_reader_may_switch_the_colours(page: Page, address: str) -> None:
    page.goto(f"{address}/index.html")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.locator(".theme-switch-button:visible").click()
    page.locator(".theme-change-button[data-mode=dark]:visible").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_an_error_on_purpose_looks_like_one(page: Page, address: str) -> None:
    page.goto(f"{address}/notebooks/01_first_async_view.html")
    error = page.locator(".traceback .gr", has_text="ValueError: The view").first
    shares = error.evaluate("error => getComputedStyle(error).color.match(/[\\d.]+/g).map(Number)")
    red, green, _ = shares[:3]
    assert red > 2 * green


def test_a_live_page_is_replaced_by_a_sentence(site: Path) -> None:
    lesson = (site / "notebooks" / "10_files_and_streaming.html").read_text(encoding="utf-8")
    assert "<iframe" not in lesson
    assert "In JupyterLab, the live page shows here." in lesson


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, site: Path, address: str, scheme: str) -> None:
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    everything = [file.relative_to(site).as_posix() for file in pages(site)]
    found = []
    for path in everything if "ALL_PAGES" in os.environ else OF_EACH_KIND:
        page.goto(f"{address}/{path}", wait_until="load")
        violations = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        found += [
            (path, violation["id"], node["target"])
            for violation in violations
            for node in violation["nodes"]
            if violation["impact"] in ("serious", "critical")
        ]
    context.close()
    assert found == []


def test_the_sheet_prints_on_two_pages(page: Page, address: str) -> None:
    page.goto(f"{address}/sheet.html")
    paper = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) == 2
