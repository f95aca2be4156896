"""The report as its reader meets it: opened from disk in a headless browser, on a wide and a narrow
screen, light, dark and printed, by mouse and by keyboard."""

import dataclasses
import json
import shutil
import time

import pytest

from analysis.report import render
from analysis.runs import records
from analysis.stats import verdicts
from analysis.test import synthetic

try:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
except ImportError:
    webdriver = Service = None

LACKING = [name for name, there in (("chromium", shutil.which("chromium")),
                                    ("chromium-driver", shutil.which("chromedriver")),
                                    ("python3-selenium", webdriver)) if not there]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(
    bool(LACKING), reason=f"nothing can open the report; install {' '.join(LACKING)}")]

SCREENS = [(1280, "light", "screen"), (1280, "dark", "screen"), (400, "light", "screen"),
           (400, "dark", "screen"), (700, "light", "print")]


def example():
    """A run with every verdict, every part, and arms that do not apply or are refused."""
    record = synthetic.with_parts(
        synthetic.make_record(synthetic.EXAMPLE, 24, synthetic.normal(0.005), seed=3))
    refused = records.Refusal("trace/sqlite", "tcmalloc", 4, "ended by SIGSEGV", True)
    kept = [launch for launch in record.launches if launch.workload != "trace/sqlite"
            or "tcmalloc" not in (launch.arm, launch.baseline)]
    return dataclasses.replace(record, launches=kept, refusals=[refused])


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                     "--disable-dev-shm-usage",
                     f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    render.write_all(verdicts.analyse(example()), folder)
    return folder / "report.html"


@pytest.fixture(scope="module")
def large_report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    record = synthetic.full(launches=8, micro=24, traces=2)
    render.write_all(verdicts.analyse(record), folder)
    return folder / "report.html"


def show(browser, path, width=1280, colours="light", medium="screen"):
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {
        "media": medium, "features": [{"name": "prefers-color-scheme", "value": colours},
                                      {"name": "prefers-reduced-motion", "value": "reduce"}]})
    browser.get(path.as_uri())
    deadline = time.monotonic() + 60
    while browser.execute_script("return document.documentElement.dataset.ready") != "yes":
        assert time.monotonic() < deadline, "the page's script has not run"
        time.sleep(0.05)


MEASURE = """
const seen = element => {
  const style = getComputedStyle(element);
  return style.visibility !== "hidden" && style.display !== "none";
};
const hidden = element =>
  element.closest("thead") && getComputedStyle(element.closest("thead")).clipPath !== "none"
  || element.classList.contains("skip")
  || element.closest("desc, title, script, style, noscript, head");
const name = (element, text) =>
  `${element.tagName}.${element.getAttribute("class") || ""} "${text.trim().slice(0, 40)}"`;
const wide = document.documentElement.clientWidth;
const parts = [], wrong = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let node = walker.nextNode(); node; node = walker.nextNode()) {
  const element = node.parentElement;
  if (!node.textContent.trim() || hidden(element) || !seen(element)) continue;
  const range = document.createRange();
  range.selectNodeContents(node);
  for (const box of range.getClientRects()) {
    if (box.width < 0.5 || box.height < 0.5) continue;
    const text = name(element, node.textContent);
    const scrolls = element.closest("pre");
    if (!scrolls && (box.left < -0.5 || box.right > wide + 0.5))
      wrong.push(`beyond the screen: ${text} ${box.left} to ${box.right}`);
    const chart = element.closest("svg");
    if (chart) {
      const frame = chart.getBoundingClientRect();
      if (box.left < frame.left - 2 || box.right > frame.right + 2
          || box.top < frame.top - 3 || box.bottom > frame.bottom + 3)
        wrong.push(`beyond its chart: ${text}`);
    } else {
      const cell = element.closest("td, th");
      if (cell) {
        const frame = cell.getBoundingClientRect();
        if (box.left < frame.left - 1 || box.right > frame.right + 1)
          wrong.push(`beyond its cell: ${text}`);
      }
    }
    parts.push({ box, text, chart });
  }
}
for (const element of document.querySelectorAll("body *")) {
  if (hidden(element) || element.closest("svg") || !seen(element)) continue;
  const style = getComputedStyle(element);
  if (element.scrollWidth > element.clientWidth + 1
      && style.overflowX !== "visible" && style.overflowX !== "auto")
    wrong.push(`cut: ${name(element, element.textContent)}`);
}
const reach = document.documentElement.scrollWidth;
if (reach > wide) wrong.push(`the page scrolls sideways: ${reach}`);
parts.sort((a, b) => a.box.top - b.box.top);
const shrink = (box, chart) => {
  const down = box.height * 0.22, across = chart ? 0.8 : 0.3;
  return { left: box.left + across, right: box.right - across,
           top: box.top + down, bottom: box.bottom - down };
};
for (let i = 0; i < parts.length; i++) {
  const one = shrink(parts[i].box, parts[i].chart);
  for (let j = i + 1; j < parts.length && parts[j].box.top < parts[i].box.bottom; j++) {
    const two = shrink(parts[j].box, parts[j].chart);
    if (one.left < two.right && two.left < one.right
        && one.top < two.bottom && two.top < one.bottom)
      wrong.push(`overlap: ${parts[i].text} and ${parts[j].text}`);
  }
}
return [parts.length, wrong.slice(0, 20), wrong.length];
"""

CONTRAST = """
const parse = colour => (colour.match(/[\\d.]+/g) || []).map(Number);
const light = ([r, g, b]) => {
  const part = value =>
    (value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
};
const ground = element => {
  for (let at = element; at; at = at.parentElement) {
    const colour = parse(getComputedStyle(at).backgroundColor);
    if (colour.length === 3 || colour[3] > 0.5) return colour;
  }
  return [255, 255, 255];
};
const faint = new Set();
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let node = walker.nextNode(); node; node = walker.nextNode()) {
  const element = node.parentElement;
  if (!node.textContent.trim() || element.closest("script, style, title, desc, noscript")) continue;
  const style = getComputedStyle(element);
  const ink = light(parse(element.closest("svg") ? style.fill : style.color));
  const paper = light(ground(element));
  const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  const name = `${element.tagName}.${element.getAttribute("class")}`;
  if (contrast < 4.5) faint.add(`${name}: ${contrast.toFixed(2)}`);
}
return [...faint];
"""


@pytest.mark.parametrize("width, colours, medium", SCREENS)
def test_nothing_overlaps_or_is_cut(browser, report, width, colours, medium):
    show(browser, report, width, colours, medium)
    parts, wrong, count = browser.execute_script(MEASURE)
    assert parts > 1000
    assert count == 0, "\n".join(wrong)


@pytest.mark.parametrize("width, colours", [(1280, "light"), (400, "dark")])
def test_nothing_overlaps_or_is_cut_in_a_large_run(browser, large_report, width, colours):
    show(browser, large_report, width, colours)
    parts, wrong, count = browser.execute_script(MEASURE)
    assert parts > 8000
    assert count == 0, "\n".join(wrong)


def test_the_measure_sees_what_overlaps_or_is_cut(browser, report):
    show(browser, report)
    for spoil, complaint in (
            ("document.querySelector('h2').style.marginTop = '-9rem'", "overlap"),
            ("document.querySelector('h1').style.marginLeft = '80rem'", "beyond the screen"),
            ("document.querySelector('svg text').setAttribute('y', '-30')", "beyond its chart"),
            ("const p = document.querySelector('p.lead'); p.style.width = '5rem';"
             "p.style.whiteSpace = 'nowrap'; p.style.overflow = 'hidden'", "cut")):
        show(browser, report)
        browser.execute_script(spoil)
        assert any(found.startswith(complaint)
                   for found in browser.execute_script(MEASURE)[1]), complaint


@pytest.mark.parametrize("colours, medium", [("light", "screen"), ("dark", "screen"),
                                             ("dark", "print")])
def test_every_text_stands_out_from_its_ground(browser, report, colours, medium):
    show(browser, report, 1280, colours, medium)
    assert browser.execute_script(CONTRAST) == []


def test_no_request_leaves_it_and_the_console_is_silent(browser, report, large_report):
    for path in (report, large_report):
        browser.get_log("performance"), browser.get_log("browser")
        show(browser, path)
        asked = [message["params"]["request"]["url"] for entry in browser.get_log("performance")
                 if (message := json.loads(entry["message"])["message"])["method"]
                 == "Network.requestWillBeSent"]
        assert path.as_uri() in asked, "the log works"
        assert [url for url in asked if url != path.as_uri() and not url.startswith("data:")] == []
        assert browser.get_log("browser") == []


def test_the_page_itself_forbids_requests(browser, report):
    show(browser, report)
    browser.get_log("browser")
    browser.execute_async_script("""
        const image = new Image(), done = arguments[0];
        image.onerror = image.onload = () => done();
        image.src = "http://127.0.0.1:9/x.png";
    """)
    said = [entry["message"] for entry in browser.get_log("browser")]
    assert any("Content Security Policy" in message for message in said)


def test_the_keyboard_reaches_everything_and_shows_where_it_is(browser, report):
    show(browser, report)
    wanted = browser.execute_script("return document.querySelectorAll('a, pre').length")
    places = []
    for _ in range(wanted):
        browser.execute_cdp_cmd("Input.dispatchKeyEvent", {
            "type": "keyDown", "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9})
        places.append(browser.execute_script("""
            const at = document.activeElement, box = at.getBoundingClientRect();
            const style = getComputedStyle(at);
            return [at.tagName + at.textContent.slice(0, 60), box.left >= -1 && box.width > 0,
                    style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
                    box.bottom > 0 && box.top < innerHeight,
                    [...document.querySelectorAll("a, pre")].indexOf(at)];
        """))
    assert places[0][0].startswith("ATo the verdicts"), "the first stop skips the navigation"
    assert [place[4] for place in places] == list(range(wanted)), "in the order of the page"
    assert all(on_screen and outlined for _, on_screen, outlined, _, _ in places)
    assert all(scrolled for *_, scrolled, _ in places)


def test_a_screen_reader_finds_tables_charts_and_headings(browser, report):
    for width in (1280, 400):
        show(browser, report, width)
        tree = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        by_role = {}
        for node in tree:
            if not node.get("ignored"):
                by_role.setdefault(node["role"]["value"], []).append(
                    node.get("name", {}).get("value", ""))
        tables = browser.execute_script("return document.querySelectorAll('table').length")
        assert len(by_role["table"]) == tables > 20 and all(by_role["table"])
        charts = browser.execute_script("return document.querySelectorAll('svg').length")
        named = [name for name in by_role.get("image", []) + by_role.get("img", []) if name]
        assert len(named) == charts == 2 + 6
        assert len(by_role["columnheader"]) > 50 and len(by_role["rowheader"]) > 100
        assert {"main", "banner", "contentinfo", "navigation"} <= set(by_role)


def test_it_prints(browser, report):
    show(browser, report, medium="print")
    pages = browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": False})["data"]
    assert len(pages) > 50_000
    assert browser.execute_script(
        "return getComputedStyle(document.querySelector('nav')).display") == "none"
