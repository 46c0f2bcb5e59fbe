"""The certificate's page in a real browser: at three widths, in print, light and dark."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_page import nasty, nothing, quick
from two_programs import CONTRACT, QUEUE, REPLY, TICKET, row, side
from whole_ladder import whole

from shipworthy.evidence.page import render
from shipworthy.registry import compare
from shipworthy.runtime import Contract

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make test")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed: make test")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTHS = (1280, 768, 400)
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
PAINT = """() => new Promise(done => new PerformanceObserver(seen => done(seen.getEntries().at(-1).startTime))
    .observe({type: 'paint', buffered: true}))"""
CUT_OFF = """() => [...document.querySelectorAll('svg[role=img] text')].filter(text => {
    const box = text.getBoundingClientRect(), plot = text.closest('figure').getBoundingClientRect();
    return box.left < plot.left || box.right > plot.right;
}).map(text => text.textContent)"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no Chromium: none of {', '.join(BROWSERS)} is on the PATH")
    with playwright.sync_playwright() as driver:
        # CI runs as root in a container, where Chromium's own sandbox cannot be had.
        opened = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    found = {}
    for make in (whole, quick, nothing, nasty):
        found[make.__name__] = folder / f"{make.__name__}.html"
        found[make.__name__].write_text(render(make()), encoding="utf-8")
    found["differs"] = folder / "differs.html"
    found["differs"].write_text(differs(folder), encoding="utf-8")
    return found


def differs(folder: Path) -> str:
    """The page of two programs that differ in all that a page has a section for."""
    text = "https://example.org/" + "a" * 300
    rows = [
        [row(CONTRACT, {"ticket": f"{text} {n}"}, {"queue": "billing"}, outputs) for n in range(4)]
        for outputs in ({"queue": "billing"}, {"queue": text}, None)
    ]
    after = {
        "instruction": f"{text}\nSort it.",
        "demos": [(text, "billing")] * 3,
        "threshold": 0.625,
        "lm": text,
    }
    sides = side(folder / "one", rows[0]), side(folder / text[-9:], rows[1][:2] + rows[2][2:], **after)
    contract = Contract((TICKET,), (REPLY, QUEUE))
    back = compare(side(folder / "two", contract=contract), side(folder / "three"))
    found = compare(*sides)
    return dataclasses.replace(found, changes=(*back.changes, *found.changes)).page()


class Opened:
    """A page in its own context, and what it asked of the network and the console."""

    def __init__(self, browser: Any, path: Path, width: int, scheme: str = "light") -> None:
        self.requests: list[str] = []
        self.said: list[str] = []
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page = self.context.new_page()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.goto(path.as_uri())

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def unfold(self) -> None:
        self.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")


@pytest.mark.parametrize(
    ("name", "width"),
    [
        *(("whole", width) for width in WIDTHS),
        *((name, 400) for name in ("quick", "nothing", "nasty", "differs")),
        ("differs", 1280),
    ],
)
def test_it_fits_and_asks_nobody_anything(
    browser: Any, pages: dict[str, Path], name: str, width: int, record_testsuite_property: Any
) -> None:
    path = pages[name]
    assert path.stat().st_size < 2_000_000
    with Opened(browser, path, width) as opened:
        # What the machine made of it is for people to read, in `--junitxml`: no test times anything.
        record_testsuite_property(f"{name} at {width}: first paint, ms", opened.page.evaluate(PAINT))
        assert opened.page.evaluate(OVERFLOW) == 0
        opened.unfold()
        assert opened.page.evaluate(OVERFLOW) == 0
        assert opened.page.evaluate(CUT_OFF) == []
        assert opened.requests == [path.as_uri()]
        assert opened.said == []


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [
        ("whole", 1280, "light"),
        ("whole", 400, "dark"),
        ("quick", 768, "dark"),
        ("differs", 400, "dark"),
        ("differs", 1280, "light"),
    ],
)
def test_axe_finds_no_barrier(
    browser: Any, pages: dict[str, Path], name: str, width: int, scheme: str
) -> None:
    with Opened(browser, pages[name], width, scheme) as opened:
        opened.unfold()
        found = axe.Axe().run(opened.page, options={"resultTypes": ["violations"]})
        assert found.response["violations"] == [], found.generate_report()
        assert len(found.response["passes"]) > 10


def test_axe_would_find_a_barrier(browser: Any, tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text("<html><body><p style='color: #aaa'>pale</p></body></html>", encoding="utf-8")
    with Opened(browser, page, 800) as opened:
        found = {one["id"] for one in axe.Axe().run(opened.page).response["violations"]}
    assert {"color-contrast", "html-has-lang"} <= found


def test_links_lead_to_their_sections(browser: Any, pages: dict[str, Path]) -> None:
    with Opened(browser, pages["whole"], 1280) as opened:
        links = opened.page.locator("nav a")
        for number in range(links.count()):
            links.nth(number).click()
            target = (links.nth(number).get_attribute("href") or "").removeprefix("#")
            assert opened.page.locator(f"#{target}").is_visible()
        assert opened.requests == [pages["whole"].as_uri()]


def test_in_print_everything_is_unfolded_and_on_white(browser: Any, pages: dict[str, Path]) -> None:
    with Opened(browser, pages["whole"], 1280, "dark") as opened:
        folded = opened.page.locator("details table").first
        assert not folded.is_visible()
        opened.page.emulate_media(media="print")
        assert folded.evaluate("one => one.getBoundingClientRect().height") > 200
        back = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert back == "rgb(255, 255, 255)"
        opened.page.set_viewport_size({"width": 680, "height": 1000})  # A4 between its margins
        assert opened.page.evaluate(OVERFLOW) == 0
        printed = opened.page.pdf(prefer_css_page_size=True)
        assert printed.startswith(b"%PDF")
        assert len(printed) < 2_000_000
