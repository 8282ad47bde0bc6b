"""The page in a real browser: nothing breaks, nothing is cut off, everyone can read it."""

import shutil
import sys
from collections.abc import Iterator

import pytest

from stages.report.__main__ import main
from tests.helpers.report_inputs import CLASSES, arguments, written

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed (Debian: chromium)"
)
sync_api = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

LONG = "a finding whose name is longer than a telephone is wide, without_any_place_to_break_it_well"
FOCUS = """() => {
    const one = document.activeElement, style = getComputedStyle(one);
    return {tag: one.tagName, outline: style.outlineStyle, width: parseFloat(style.outlineWidth)};
}"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = written(tmp_path_factory.mktemp("inputs"), (*CLASSES, LONG), images=160)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(sys, "argv", ["page", *arguments(folder, folder / "report")])
        main()
    return (folder / "report" / "index.html").as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator["sync_api.Browser"]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM)
        yield started
        started.close()


def opened(browser: "sync_api.Browser", address: str, width: int, scheme: str) -> "sync_api.Page":
    """The page, its closed parts opened; what it says to the console is kept in `said`."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url[:80]))
    page.goto(address)
    page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true })")
    page.said = [text for text in said if not text.startswith(("file:", "data:"))]  # type: ignore[attr-defined]
    return page


@pytest.mark.parametrize(("width", "scheme"), [(400, "light"), (1400, "dark")])
def test_it_is_whole_and_open_to_everyone(
    browser: "sync_api.Browser", address: str, width: int, scheme: str
) -> None:
    page = opened(browser, address, width, scheme)
    assert page.said == []  # type: ignore[attr-defined]
    broken = "[...document.images].filter(one => !one.complete || !one.naturalWidth).length"
    assert page.evaluate("document.images.length") >= 10
    assert page.evaluate(broken) == 0
    assert page.evaluate("document.documentElement.scrollWidth") == width
    violations = axe.Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in violations] == []
    page.close()


def test_all_of_it_can_be_reached_by_keyboard(browser: "sync_api.Browser", address: str) -> None:
    page = opened(browser, address, 400, "light")
    stops = page.evaluate("document.querySelectorAll('a, summary, [tabindex=\"0\"]').length")
    focused = []
    for _ in range(stops):
        page.keyboard.press("Tab")
        focused.append(page.evaluate(FOCUS))
    assert {one["tag"] for one in focused} == {"A", "SUMMARY", "DIV"}
    assert all(one["outline"] == "solid" and one["width"] >= 2 for one in focused)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") not in ("SUMMARY", "DIV")
    page.close()


def test_the_first_stop_skips_the_contents(browser: "sync_api.Browser", address: str) -> None:
    page = opened(browser, address, 1400, "light")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.close()


def test_printed_it_leaves_nothing_out_to_the_right(
    browser: "sync_api.Browser", address: str
) -> None:
    page = opened(browser, address, 1100, "light")
    page.emulate_media(media="print")
    hidden = "getComputedStyle(document.querySelector('nav')).display"
    assert page.evaluate(hidden) == "none"
    assert page.evaluate("document.documentElement.scrollWidth") == 1100
    page.close()
