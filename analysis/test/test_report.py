"""The report of a synthetic run: complete, self-contained, accessible, and with the raw samples'
numbers."""

import cProfile
import collections
import dataclasses
import html.parser
import json
import math
import re
import statistics
import xml.etree.ElementTree as ElementTree

import pytest

from analysis.report import charts, document, narrative, page, render, tables
from analysis.report.document import Cell
from analysis.runs import plan, records
from analysis.stats import inference, verdicts
from analysis.system import drawing, units
from analysis.test import synthetic


@pytest.fixture(scope="module")
def analysis():
    record = synthetic.make_record(synthetic.EXAMPLE, 24, synthetic.normal(0.005), seed=3)
    return verdicts.analyse(synthetic.with_parts(record))


def content_of(analysis):
    return page.page(analysis)


@pytest.fixture(scope="module")
def text(analysis):
    return document.html(content_of(analysis))


class Page(html.parser.HTMLParser):
    """Collects what the tests ask about, and checks that tags close in order."""

    VOID = {"meta", "link", "br", "hr", "img", "input"}

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.attributes, self.headings = [], [], [], [], []
        self.captions = self.svgs = 0
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.attributes.append((tag, attributes))
        if "id" in attributes:
            self.ids.append(attributes["id"])
        for key in ("href", "xlink:href"):
            if key in attributes:
                self.links.append(attributes[key])
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        self.captions += tag == "caption"
        self.svgs += tag == "svg"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_it_needs_nothing_from_anywhere(text):
    assert len(text.encode()) < 3_000_000
    read = Page(text)
    for tag, attributes in read.attributes:
        assert tag not in ("link", "iframe", "img", "object", "embed")
        assert "src" not in attributes and not any(name.startswith("on") for name in attributes)
    assert all(link.startswith("#") for link in read.links)
    assert "default-src 'none'" in text
    outside = set(re.findall(r"https?://[^\s\"'<)]+", text)) - {
        "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
    }
    assert outside == set() and "@import" not in text
    assert not re.search(r"url\((?!#)", text)


def test_its_structure_serves_a_screen_reader(text):
    read = Page(text)
    assert len(read.ids) == len(set(read.ids)), "an id stands twice"
    inside = [link[1:] for link in read.links if link.startswith("#")]
    assert inside and set(inside) <= set(read.ids), "a link leads nowhere"
    assert read.headings[0] == 1 and read.headings.count(1) == 1
    assert all(b <= a + 1
               for a, b in zip(read.headings, read.headings[1:])), "a heading level is skipped"
    found = [attributes for tag, attributes in read.attributes if tag == "table"]
    assert read.captions == len(found) > 10
    assert all("scope" in attributes for tag, attributes in read.attributes if tag == "th")
    charts = [attributes for tag, attributes in read.attributes if tag == "svg"]
    assert len(charts) == 2 + 6, "forests, and one of each workload"
    for chart in charts:
        assert chart["role"] == "img"
        assert all(name in read.ids for name in chart["aria-labelledby"].split())
    referred = re.findall(r"aria-labelledby=\"([^\"]+)\"", text)
    assert all(name in read.ids for names in referred for name in names.split())


def test_charts_are_xml_and_have_no_colour_of_their_own(text):
    for chart in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        marks = list(ElementTree.fromstring(chart).iter())
        assert not re.search(r"#[0-9a-f]{6}|url\(|href", chart)
        assert not any("id" in mark.attrib for mark in marks
                       if not mark.tag.endswith(("title", "desc")))
        assert any("var(--" in mark.get("style", "") for mark in marks)


def test_the_picture_stands_alone(analysis):
    picture = drawing.alone(charts.forest(analysis, "malloc", "picture"))
    assert "--ink: #" in picture and "var(--faster)" in picture
    ElementTree.fromstring(picture)


def test_it_is_light_and_dark_and_prints(text):
    for wanted in ("screen and (prefers-color-scheme: dark", "@media print", "@media (max-width",
                   ":focus-visible", 'name="viewport"', 'lang="en"', "prefers-reduced-motion"):
        assert wanted in text


def test_every_workload_claim_and_interval_is_there(analysis, text):
    markdown = document.markdown(content_of(analysis))
    for result in analysis.results:
        assert result.workload.workload in text and result.workload.workload in markdown
        assert result.workload.question in text
    for claim in analysis.family:
        for number in (f"{units.ratio(claim.ratio)}×", narrative.interval(claim)):
            assert number in text and number in markdown
    assert narrative.found(analysis) in text and narrative.found(analysis) in markdown


def test_its_times_are_the_medians_of_the_raw_samples(analysis, text):
    times = collections.defaultdict(list)
    for launch in analysis.record.launches:
        for side in launch.sides:
            times[launch.workload, side.arm].append(side.time_ns)
    assert all(units.time(statistics.median(values)) in text for values in times.values())


def test_the_first_screen_says_what_was_asked_found_and_not_to_be_seen(analysis):
    asked, found, unseen = content_of(analysis).lead
    assert asked == ("Asked: are pool and pool-keep faster than glibc, jemalloc, mimalloc and"
                     " tcmalloc on 6 workloads?")
    assert found == ("Found: pool-keep is faster than every malloc on 4 of 6 workloads, slower than"
                     " the fastest on 1 and equal to the fastest on 1; pool is faster than every"
                     " calloc on 3 of 6 workloads, slower than the fastest on 1 and undecided on"
                     " 2.")
    assert re.fullmatch(r"Not seen: differences below \d\.\d\s% on the median workload, or below"
                        r" \d\.\d\s% on \S+, the noisiest\.", unseen)


@pytest.mark.parametrize("words", ["--workload trace/sqlite", "--workload trace/sq*",
                                   "--trace x/sqlite.trace"])
def test_what_the_user_named_comes_first(analysis, words):
    plan_ = dataclasses.replace(analysis.plan, command=f"./poolproof bench {words}")
    asked = dataclasses.replace(analysis, record=dataclasses.replace(analysis.record, plan=plan_))
    assert tables.headlines(asked)[0].workload == "trace/sqlite"
    assert "on trace/sqlite" in narrative.asked(asked)


def test_an_arm_that_turns_change_is_named():
    record = synthetic.make_record({"pair/64": synthetic.EXAMPLE["pair/64"]}, 12,
                                   synthetic.normal(0.005))
    record.launches[:] = [dataclasses.replace(launch, sides=[
        dataclasses.replace(side, cpu_ns=[int(1.25 * time) for time in side.cpu_ns])
        if side.arm == "jemalloc" else side for side in launch.sides])
        for launch in record.launches]
    analysis = verdicts.analyse(record)
    row = tables.noise_grid(analysis).rows[0]
    assert row.cells[-1].note == "jemalloc; too much: jemalloc"
    assert row.cells[-1].text.startswith("+2")


def test_what_is_not_claimed_does_not_look_like_a_claim(text):
    said = re.findall(r'<td class="[^"]*verdict (\w+)"', text)
    assert {"faster", "slower", "equal", "small"} <= set(said)
    style = text[text.index("<style>"):text.index("</style>")]
    assert re.search(r"\.small\.verdict, \.inconclusive\.verdict \{[^}]*italic", style)
    assert "dashed" in style


def test_names_from_outside_cannot_break_the_page():
    hostile = '<script>alert("x")</script>&"\''
    truths = {hostile: synthetic.Truth(hostile, {"pool-keep": 1.0} | synthetic.mallocs(2, 2, 2, 2))}
    text = document.html(content_of(
        verdicts.analyse(synthetic.make_record(truths, 7, synthetic.normal(0.01)))))
    assert text.count("<script") == 1 and text.count("</script") == 1
    Page(text)


def test_a_run_with_almost_nothing_still_reports():
    truths = {"w": synthetic.Truth("?", {"noop": 1.0})}
    analysis = verdicts.analyse(synthetic.make_record(truths, 1, synthetic.normal(0.01)))
    content = content_of(analysis)
    Page(document.html(content))
    assert "Found: no pool was compared with a malloc." in document.html(content)
    document.markdown(content)


@pytest.mark.parametrize("pool, word, launches", [
    (1.0, "faster", 20), (4.0, "slower", 20), (2.0, "equal", 20), (1.0, "unproved", 5)])
def test_a_workload_has_one_of_four_outcomes(pool, word, launches):
    truths = {"w": synthetic.Truth("?", {"pool-keep": pool} | synthetic.mallocs(2, 2, 2, 2))}
    analysis = verdicts.analyse(synthetic.make_record(truths, launches, synthetic.normal(0.002)))
    assert narrative.outcome_of(analysis.results[0], "pool-keep") == word
    assert narrative.outcome_of(analysis.results[0], "pool") is None


@pytest.mark.parametrize("change, said", [
    ({}, "2.00 times as fast as glibc (1.90 to 2.10)"),
    ({"verdict": "inconclusive", "doubt": "faster, not borne out by x"},
     "(1.90 to 2.10): faster, not borne out by x"),
    ({"verdict": "inconclusive"}, "this many claims need more launches for a proof"),
    ({"verdict": "small", "limit": math.log(3)}, "this run could have proved 216\xa0%"),
    ({"verdict": "inconclusive", "limit": math.inf}, "this run could have proved nothing")])
def test_a_claim_in_words_says_what_stands_in_its_way(change, said):
    claim = verdicts.Claim("w", "pool-keep", "glibc", "claim", "malloc", inference.Interval(
        math.log(2), math.log(1.9), math.log(2.1), 0.98, 9), math.log(1.01), 0.01, 0.01, "faster",
        1.0, 2.0)
    assert said in narrative.amount(dataclasses.replace(claim, **change))


@pytest.fixture(scope="module")
def full_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("full")
    synthetic.write(synthetic.full(launches=12), folder)
    return folder


MOST_CALLS = 3_800_000
"""What a report of four workloads of 24 launches may call, the measure of its time that no other
load of the machine changes: a tenth more than the 3.42 million calls that it made when this was
written."""


@pytest.mark.slow
def test_a_report_does_no_more_work_than_it_did(tmp_path):
    synthetic.write(synthetic.full(micro=2, traces=1), tmp_path)
    profile = cProfile.Profile()
    with profile:
        render.write_all(verdicts.analyse(records.read(tmp_path)), tmp_path)
    assert sum(entry.callcount for entry in profile.getstats()) < MOST_CALLS


@pytest.mark.slow
def test_a_report_of_a_full_run_is_small_and_whole(full_run, tmp_path):
    record = records.read(full_run)
    paths = render.write_all(verdicts.analyse(record), tmp_path)
    assert len(record.plan.workloads) == 76 and len(record.launches) > 10_000
    assert paths[0].stat().st_size < 3_000_000
    text = paths[0].read_text(encoding="utf-8")
    Page(text)
    assert text.count("<article") == 76 and text.count("<svg") == 2 + 76
    assert (records.complaint("verdicts", json.loads(
        (tmp_path / "verdicts.json").read_text())) is None)


def test_what_does_not_apply_or_was_refused_is_shown_as_such():
    record = synthetic.full(launches=7, micro=2, traces=1)
    record.refusals.append(records.Refusal("trace/program0", "pmr", 0, "ended by SIGSEGV", True))
    grid = tables.map_grid(verdicts.analyse(record), "malloc")
    by_title = {column.title: index for index, column in enumerate(grid.columns)}
    rows = {row.cells[0].text: row.cells for row in grid.rows}
    assert rows["family0/16x1000"][by_title["apr"]].text == "n/a"
    assert rows["trace/program0"][by_title["apr"]].text != "n/a"
    assert rows["trace/program0"][by_title["pmr"]].text == "refused"


def test_a_workload_ends_with_the_arms_that_cannot_do_it(analysis):
    result = analysis.results[0]
    limited = plan.Arm("boost-pool", "boost-pool", "other", "", limits="It has one size.")
    rows = tables.workload_grid(result, {}, [*analysis.plan.arms, limited]).rows
    last = rows[-1].cells
    assert (last[0].text, last[0].note, last[1].text) == ("boost-pool", limited.limits,
                                                          "not applicable")
    assert all(len(row.cells) == len(last) for row in rows)
    assert sum(row.cells[1].text == "not applicable" for row in rows) == 1 + sum(
        arm.name not in result.workload.arms for arm in analysis.plan.arms)


def test_a_capacity_and_what_pools_cannot_do_are_shown_with_their_reasons():
    analysis = verdicts.analyse(synthetic.make_uneven(7, synthetic.normal(0.01)))
    grids = {result.workload.workload: tables.workload_grid(result, {}, analysis.plan.arms)
             for result in analysis.results}
    at = [column.title for column in grids["fill/64"].columns].index("usable")
    usable = {row.cells[0].text: row.cells[at] for row in grids["fill/64"].rows}
    assert usable["pool"].text == "98.8 %" and usable["freelist"].text == "93.8 %"
    assert usable["glibc"] == Cell("n/a", "no capacity", kind="off")
    assert "4.00\xa0MiB" in grids["fill/64"].columns[at].note
    assert not any(column.title == "usable" for column in grids["pair/64"].columns)
    handed = {row.cells[0].text: row.cells for row in grids["xmalloc-test/64"].rows}
    assert handed["pool"][0].note == "Such an arm belongs to one thread."
    assert handed["pool"][1].text == "not applicable" != handed["glibc"][1].text


@pytest.mark.parametrize("noop_ns, text", [
    (0.6, "takes 30\xa0% of the fastest arm’s time: Because."),
    (0.2, "takes 10\xa0% of the fastest arm’s time.")])
def test_a_large_share_of_the_harness_is_explained(noop_ns, text):
    truths = {"w": synthetic.Truth("?", {"pool-keep": 2.0, "noop": noop_ns}
                                   | synthetic.mallocs(3, 3, 3, 3))}
    result, = verdicts.analyse(synthetic.make_record(
        truths, 7, synthetic.normal(0.001), machine=synthetic.normal(0.001))).results
    result = dataclasses.replace(result, workload=dataclasses.replace(
        result.workload, harness="Because."))
    assert f"The harness {text}" in narrative.remarks(result)


@pytest.mark.parametrize("value, text", [(2.411, "2.41"), (0.8, "0.80"), (12.34, "12.3"),
                                         (140.2, "140"), (float("inf"), "∞"), (0, "0"), ])
def test_ratios_in_words(value, text):
    assert units.ratio(value) == text


@pytest.mark.parametrize("value, text", [(0.123, "0.123 ns"), (1.412, "1.41 ns"),
                                         (31.42, "31.4 ns"), (999.0, "999 ns"), (1500, "1.50 µs"),
                                         (2.5e6, "2.50 ms"), (3e9, "3.00 s"), ])
def test_times_in_words(value, text):
    assert units.time(value) == text.replace(" ", units.NARROW)


@pytest.mark.parametrize("value, text", [(512, "512 B"), (2048, "2.00 KiB"), (5 << 20, "5.00 MiB"),
                                         (3 << 30, "3.00 GiB")])
def test_sizes_in_words(value, text):
    assert units.size(value) == text.replace(" ", units.NARROW)


def test_a_ratio_far_below_one_keeps_two_digits():
    assert [units.ratio(value) for value in (0.0512, 0.00499, 0.12, 0.0, 2.414)] == [
        "0.051", "0.0050", "0.12", "0", "2.41"]


@pytest.mark.parametrize("noise, launches, able", [(0.005, 20, 1), (0.08, 20, 0), (0.005, 6, 0)])
def test_the_run_says_whether_ten_percent_could_be_seen(noise, launches, able):
    truths = {"w": synthetic.Truth("?", {"pool-keep": 2.0} | synthetic.mallocs(2, 2, 2, 2))}
    analysis = verdicts.analyse(
        synthetic.make_record(truths, launches, synthetic.normal(noise), seed=2))
    [(value, _)] = narrative.provable(analysis)
    assert (value <= inference.LARGEST_EQUALITY) == bool(able)
