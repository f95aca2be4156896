"""Every number of a report is found again in the raw files, by other means than made it: plain
Python, its own formulae, its own way of writing numbers. Nothing of the analysis is asked but to
make the report. Verdicts as words come from verdicts.json, whose tests are elsewhere."""

import collections
import gzip
import json
import math
import re
import statistics
import xml.etree.ElementTree as ElementTree

import pytest

from analysis.report import render
from analysis.runs import records
from analysis.stats import verdicts
from analysis.system.files import ROOT
from analysis.test import synthetic

pytestmark = pytest.mark.slow

SVG = "{http://www.w3.org/2000/svg}"
NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?")
POOLS = {"malloc": "pool-keep", "calloc": "pool"}
PERCENTILES = ("p50", "p90", "p99", "p99_9", "p99_99", "max")


# --- The raw files, and what follows from them ----------------------------------------------------


def lines(folder, name):
    path = folder / f"{name}.gz"
    text = gzip.decompress(path.read_bytes()).decode() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


def interval(values, error=0.05):
    """The median between the innermost pair of order statistics that leaves at most this error."""
    ordered, n = sorted(values), len(values)
    rank, tail = 0, 0.0
    for below in range(n // 2):
        tail += math.comb(n, below) / 2**n
        if 2 * tail > error:
            break
        rank = below + 1
    ends = (ordered[rank - 1], ordered[n - rank]) if rank else (-math.inf, math.inf)
    return statistics.median(ordered), *ends


def shown_beside(middle, low, high):
    """How far beyond δ a difference must be for an interval like this one to show it."""
    ends = [middle - low] * (high >= 0) + [high - middle] * (low <= 0)
    return max(ends)


def whole(side, column):
    """A batch's time, or a slice's: each slice by the median of its turns."""
    count = side.get("slices", 1)
    return sum(statistics.median(side[column][i::count]) for i in range(count)) / count



class Raw:
    """A run, computed anew."""

    def __init__(self, folder):
        self.run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        every = lines(folder, "launches.jsonl")
        self.launches = [line for line in every if "refused" not in line]
        self.refusals = [line for line in every if "refused" in line]
        judged = json.loads((folder / "verdicts.json").read_text(encoding="utf-8"))
        self.words = {(line["workload"], line["arm"], line["baseline"]): line["verdict"]
                      for line in judged}
        self.proved = sum(line["verdict"] in ("faster", "slower", "equal") for line in judged
                          if line["kind"] != "control")
        self.doubted = sum(bool(line.get("doubt")) for line in judged
                           if line["kind"] == "claim")
        self.arms = {arm["name"]: arm for arm in self.run["arms"]}
        gone = {(line["workload"], line["arm"]) for line in self.refusals}
        self.pairs = collections.defaultdict(lambda: collections.defaultdict(list))
        self.sides = collections.defaultdict(lambda: collections.defaultdict(list))
        for line in sorted(self.launches, key=lambda line: line["started_unix_s"]):
            names = [side["arm"] for side in line["sides"]]
            if not gone & {(line["workload"], name) for name in names}:
                self.pairs[line["workload"]][tuple(names)].append(line)
                for side in line["sides"]:
                    self.sides[line["workload"]][side["arm"]].append(side)
        self.parts = {part: collections.defaultdict(list) for part in ("work", "memory", "latency")}
        for line in lines(folder, "probes.jsonl"):
            if "refused" not in line:
                self.parts[line["part"]][line["workload"], line["arm"]].append(line["figures"])

    def times(self, workload, arm):
        return [whole(side, "cpu_ns") / side["operations"] for side in self.sides[workload][arm]]

    def present(self, workload):
        return list(self.sides[workload])

    def median_ns(self, workload, arm):
        return statistics.median(self.times(workload, arm))

    def differences(self, workload, arm, baseline):
        """Of each launch, the median over its turns."""
        pairs = self.pairs[workload]
        if (arm, baseline) in pairs:
            found = []
            for line in sorted(pairs[arm, baseline], key=lambda line: line["launch"]):
                mine, other = line["sides"]
                count = mine.get("slices", 1)
                sums = [0.0, 0.0]
                for i in range(count):
                    a, b = (side["cpu_ns"][i::count] for side in (mine, other))
                    ratio = math.exp(statistics.median([math.log(y / x) for x, y in zip(a, b)]))
                    both = statistics.median(a) * statistics.median(b)
                    sums[0] += (both / ratio) ** 0.5
                    sums[1] += (both * ratio) ** 0.5
                found.append(math.log(sums[1] / other["operations"]
                                      / (sums[0] / mine["operations"])))
            return found
        return []

    def difference(self, workload, arm, baseline):
        """Each look has an equal share of the error."""
        return interval(self.differences(workload, arm, baseline), 0.05 / len(self.run["looks"]))

    def delta(self, workload):
        if ("null", "glibc") not in self.pairs[workload]:
            return math.inf
        _, low, high = interval(self.differences(workload, "null", "glibc"))
        return max(math.log(1.01), abs(low), abs(high))

    def biases(self, workload):
        """Arm → the interval of log(time in turns / time alone)."""
        found = {}
        for arm, sides in self.sides[workload].items():
            logs = [math.log(whole(side, "cpu_ns") / whole(side, "alone_cpu_ns"))
                    for side in sides if side["alone_cpu_ns"]]
            if logs:
                found[arm] = interval(logs)
        return found

    def mallocs(self, workload, promise):
        return [arm for arm in self.present(workload) if self.arms[arm]["role"] == "malloc"
                and self.arms[arm]["promise"] == promise]

    def claims(self, workload):
        """The family's pairs on a workload."""
        found = []
        for promise, pool in POOLS.items():
            mallocs = self.mallocs(workload, promise) if pool in self.present(workload) else []
            found += [(pool, malloc) for malloc in mallocs]
        return found

    def smallest(self, workload):
        spans = [self.difference(workload, *pair) for pair in self.claims(workload)]
        family = sum(len(self.claims(name)) for name in self.sides)
        if not self.claims(workload):
            return math.inf
        if min(len(self.differences(workload, *pair))
               for pair in self.claims(workload)) < self.needed(family):
            return math.inf
        return statistics.median(self.delta(workload) + shown_beside(*span) for span in spans)

    def needed(self, family):
        """The launches that Holm's correction needs for so many claims."""
        return max(6, math.ceil(1 + math.log2(family * len(self.run["looks"]) / 0.05)))

    def usable(self, workload, arm):
        values = [side["usable_share"] for side in self.sides[workload][arm]
                  if side.get("usable_share") is not None]
        return statistics.median(values) if values else None

    def beside(self, part, workload, arm):
        """Name → the median of a figure beside time; nothing where nobody looked."""
        found = self.parts[part].get((workload, arm), [])
        return {name: statistics.median(figures[name] for figures in found)
                for name in (found[0] if found else ())}


# --- How numbers are written ----------------------------------------------------------------------


def times_as_fast(value):
    if value == 0:
        return "0"
    if value < 0.1:
        return f"{value:#.2g}"
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"


def span(low, high):
    return (f"{times_as_fast(math.exp(low))} to {times_as_fast(math.exp(high))}"
            if math.isfinite(low) else "no interval")


def three(value):
    if value <= 0:
        return "0"
    return (f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}" if value < 1000
            else f"{value:,.0f}")


def time_of(ns):
    for size, unit in ((1, "ns"), (1e3, "µs"), (1e6, "ms")):
        if ns < 1000 * size:
            return f"{three(ns / size)} {unit}"
    return f"{three(ns / 1e9)} s"


def size_of(count):
    power = 0
    while count >= 1024 and power < 3:
        count, power = count / 1024, power + 1
    return f"{int(count) if power == 0 else three(count)} {('B', 'KiB', 'MiB', 'GiB')[power]}"


def share(difference):
    if difference == math.inf:
        return "none"
    value = (math.exp(difference) - 1) * 100
    return f"{value:.1f} %" if value < 10 else f"{value:.0f} %"


def signed(percent):
    return f"{percent:+.1f} %".replace("-", "−")


def label(arm):
    return re.sub("-calloc$", " calloc", arm)


# --- The report, read -----------------------------------------------------------------------------


def read(path):
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"<!DOCTYPE html>|<script>.*?</script>|<style>.*?</style>", "", text,
                  flags=re.DOTALL)
    return ElementTree.fromstring(re.sub(r"<(meta[^>]*)>", r"<\1/>", text))


def plain(element):
    return " ".join("".join(element.itertext()).replace("\u00a0", " ").split())


def table_of(element):
    """Rows of cells, each (text, note); signs are left out."""
    rows = []
    for row in element.iter("tr"):
        cells = []
        for cell in row:
            note = cell.find("small")
            sign = cell.find("span")
            said = plain(note) if note is not None else ""
            text = plain(cell)
            text = text[:len(text) - len(said)].strip() if said else text
            text = text[len(plain(sign)):] if sign is not None else text
            cells.append((text.strip(), said))
        rows.append(cells)
    return rows[0], rows[1:]


# --- What each table must say ---------------------------------------------------------------------


class Expected:
    """For each table of a report: row heading → the other cells, as text or (text, note); None
    where a cell holds no number."""

    def __init__(self, raw):
        self.raw = raw
        self.names = [item["workload"] for item in raw.run["workloads"]
                      if item["workload"] in raw.sides]
        self.slugs = {re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-"): name
                      for name in self.names}

    def of(self, table):
        for prefix, make in (("map-", self.map), ("arms-", self.arms),
                             ("memory-", self.memory), ("latency-", self.latency)):
            if table.startswith(prefix):
                rest = table.removeprefix(prefix)
                return make(self.slugs.get(rest, rest))
        return getattr(self, table.replace("-", "_"))()

    def pair(self, workload, arm, baseline):
        middle, low, high = self.raw.difference(workload, arm, baseline)
        return f"{times_as_fast(math.exp(middle))}×", span(low, high)

    def map(self, promise):
        raw, pool, found = self.raw, POOLS[promise], {}
        mallocs = [name for name, arm in raw.arms.items()
                  if arm["role"] == "malloc" and arm["promise"] == promise]
        gone = {(line["workload"], line["arm"]) for line in raw.refusals}
        for item in raw.run["workloads"]:
            name = item["workload"]
            if name not in raw.sides:
                continue
            own = pool in raw.present(name)
            cells = []
            for malloc in mallocs:
                if (name, malloc) in gone:
                    cells.append(("refused", label(malloc)))
                elif malloc not in item["arms"]:
                    cells.append(("n/a", ""))
                else:
                    cells.append(self.pair(name, pool, malloc) if own else ("n/a", f"no {pool}"))
            found[name] = cells
        return found

    def arms(self, name):
        raw, found = self.raw, {}
        planned = next(item for item in raw.run["workloads"] if item["workload"] == name)
        parts = [part for part, there in (
            ("usable", planned.get("capacity_bytes", 0) > 0),
            ("work", any(key[0] == name for key in raw.parts["work"]))) if there]
        for arm in raw.present(name):
            _, low, high = interval([math.log(time) for time in raw.times(name, arm)])
            spread = (f"{time_of(math.exp(low))} to {time_of(math.exp(high))}"
                      if math.isfinite(low) else "no interval")
            promise = raw.arms[arm]["promise"]
            pool = POOLS.get(promise)
            compared = arm in raw.mallocs(name, promise) and pool in raw.present(name)
            cells = [(time_of(raw.median_ns(name, arm)), spread),
                     self.pair(name, pool, arm) if compared else "–"]
            if "usable" in parts:
                usable = raw.usable(name, arm)
                cells.append(("n/a", "no capacity") if usable is None
                             else f"{usable * 100:.1f} %")
            if "work" in parts:
                counted = raw.beside("work", name, arm)
                cells.append(three(counted["instructions"]) if counted else "–")
            found[label(arm)] = cells
        return found | {label(arm): ["not applicable", *["–"] * (1 + len(parts))]
                        for arm in raw.arms if arm not in planned["arms"]}

    def memory(self, name):
        found = {}
        for arm in self.raw.present(name):
            held = self.raw.beside("memory", name, arm)
            if held:
                found[label(arm)] = [
                    size_of(held["peak_bytes"]),
                    f"{times_as_fast(held['peak_bytes'] / held['peak_live_bytes'])}×",
                    size_of(held["end_bytes"]), size_of(held["drained_bytes"]),
                    f"{held['faults']:,.0f}"]
        return found

    def latency(self, name):
        found = {}
        for arm in self.raw.present(name):
            timed = self.raw.beside("latency", name, arm)
            for kind in {key.split()[0] for key in timed}:
                found[f"{kind}, {label(arm)}"] = [time_of(timed[f"{kind} {p}"])
                                                  for p in PERCENTILES]
        return found

    def noise_table(self):
        raw, found = self.raw, {}
        for name in self.names:
            middle = math.expm1(raw.difference(name, "null", "glibc")[0]) * 100
            biases = raw.biases(name)
            arm = max(biases, key=lambda arm: abs(biases[arm][0])) if biases else ""
            found[name] = [str(sum(map(len, raw.pairs[name].values()))), signed(middle),
                           share(raw.delta(name)), share(raw.smallest(name)),
                           (("missed", "seen")[self.delay_seen(name)], "of 5 %")
                           if "pool-keep-delayed" in raw.present(name) else "–",
                           (signed(math.expm1(biases[arm][0]) * 100), None) if arm else "–"]
        return found

    def delay_seen(self, name):
        signs = [value < 0 for value in
                 self.raw.differences(name, "pool-keep-delayed", "pool-keep")]
        n, more = len(signs), max(sum(signs), len(signs) - sum(signs))
        p = min(1.0, 2 * sum(math.comb(n, k) for k in range(more, n + 1)) / 2**n)
        return self.raw.difference(name, "pool-keep-delayed", "pool-keep")[2] < 0 and p <= 0.05

    def harness(self, name):
        raw = self.raw
        there = [arm for arm in raw.present(name) if raw.arms[arm]["role"] in ("pool", "malloc")]
        if "noop" not in raw.present(name):
            return ""
        fastest = min(raw.median_ns(name, arm) for arm in there)
        return f"{raw.median_ns(name, 'noop') / fastest:.0%}"

    def facts_table(self):
        raw, facts = self.raw, self.raw.run["environment"]
        said = {key.replace("_", " "): value for key, value in facts.items()}
        said["memory"] = size_of(said.pop("memory bytes"))
        if "load at start" in said:
            said["load at start"] = f"{said['load at start']:.2f}"
        if "virtual machine" in said:
            said["virtual machine"] = ["no", "yes"][said["virtual machine"]]
        for title, key in (("compiler", "compiler"), ("compiler flags", "compiler_flags"),
                           ("Google Benchmark", "benchmark_version")):
            said[title] = ", ".join(sorted({side[key] for line in raw.launches
                                              for side in line["sides"]}))
        said["libraries"] = ", ".join(f"{name} {version}" for name, version
                                      in facts["libraries"].items())
        wall = sum(line["wall_s"] for line in raw.launches)
        for title, key, digits in (("stolen by the hypervisor", "steal_s", 2),
                                   ("waiting for a processor", "pressure_s", 1)):
            taken = 100 * sum(line[key] or 0 for line in raw.launches) / wall
            said[f"meanwhile {title}"] = f"{taken:.{digits}f} %"
        said["variables removed"] = ", ".join(facts["variables_removed"]) or "none"
        return {title: [str(value)] for title, value in said.items() if value not in (None, "")}

    def libraries_table(self):
        raw, run = self.raw, self.raw.run
        served = collections.defaultdict(set)
        for side in (side for line in raw.launches for side in line["sides"]):
            served[side["malloc_owner"], side["malloc_sha256"]].add(side["arm"])
        found = {owner: [", ".join(label(arm) for arm in raw.arms if arm in arms), digest[:16]]
                 for (owner, digest), arms in served.items()}
        assert len(found) == len(served)
        found[run["benchmark"]["path"].split("/")[-1]] = ["all", run["benchmark"]["sha256"][:16]]
        for trace in run["traces"]:
            found[f"trace {trace['name']}"] = [trace["origin"], trace["sha256"][:16]]
        return found


def matches(cell, wanted):
    if wanted is None:
        return True
    text, note = wanted if isinstance(wanted, tuple) else (wanted, "")
    return (text is None or cell[0] == text) and (note is None or cell[1] == note)


def check_tables(page, raw):
    expected = Expected(raw)
    seen = collections.Counter()
    for element in page.iter("table"):
        name = element.get("id")
        heading, rows = table_of(element)
        wanted = expected.of(name)
        for (key, _), *cells in rows:
            assert len(cells) == len(wanted[key]) == len(heading) - 1, (name, key)
            assert all(map(matches, cells, wanted[key])), (name, key, cells, wanted[key])
        if not name.startswith("latency-"):
            assert {row[0][0] for row in rows} == set(wanted), name
        seen[re.sub("-.*", "", name)] += sum(len(row) - 1 for row in rows)
    return seen


def numbers_of(strings):
    return {number for text in strings for number in NUMBER.findall(str(text))}


def flat(value):
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (key, *flat(item))]
    if isinstance(value, (list, tuple)):
        return [text for item in value for text in flat(item)]
    return [] if value is None else [str(value)]


def check_sentences(page, raw):
    """Numbers outside tables: those of a workload in its article, those of the run elsewhere."""
    expected = Expected(raw)
    run_level = [raw.run["seed"], raw.run["looks"], len(raw.run["looks"]), raw.run["command"],
                 raw.run["started"].replace("T", " "), raw.run["notes"],
                 f"{len(raw.launches):,}", *(item["workload"] for item in raw.run["workloads"])]
    for name in ("noise-table", "map-malloc", "map-calloc"):
        run_level.append(flat(expected.of(name)))
    run_level += [json.dumps(raw.run["environment"]), json.dumps(raw.refusals),
                  str(max(line["round"] + 1 for line in raw.refusals)) if raw.refusals else "",
                  *map(str, range(1 + sum(len(raw.biases(name)) for name in expected.names)))]
    run_level += [f"{count}" for count in range(len(expected.names) + 1)]
    family = sum(len(raw.claims(name)) for name in expected.names)
    run_level += [*map(str, range(raw.proved + 1)), raw.doubted, family,
                  max(6, math.ceil(1 + math.log2(max(1, family) / 0.05))),
                  min(len(raw.differences(name, *pair)) for name in expected.names
                      for pair in raw.claims(name))]
    able = [raw.smallest(name) for name in expected.names if raw.claims(name)]
    run_level += [share(value) for value in (*able, statistics.median(able))]
    run_level += [share(raw.delta(name) + shown_beside(*raw.difference(name, *pair)))
                  for name in expected.names for pair in raw.claims(name)]
    known = numbers_of(flat(run_level)) | numbers_of(
        ["95 %", "1.25", "0.8", "1 %", "3 %", "5 %", "10 %"])
    checked = 0
    rooms = [room for room in page.iter() if room.tag in ("header", "section")]
    outside = [element for room in rooms for element in room.iter()
               if element.tag in ("p", "li", "h3", "figcaption")]
    inside = set()
    for article in page.iter("article"):
        name = expected.slugs[article.get("id")]
        own = [expected.arms(name), expected.memory(name), expected.latency(name), name,
               share(raw.delta(name)), sum(map(len, raw.pairs[name].values())),
               share(raw.smallest(name)) if raw.claims(name) else "", expected.harness(name)]
        item = next(found for found in raw.run["workloads"] if found["workload"] == name)
        own += [f"{item['batch']:,}", item["cycles"], item["question"],
                item["parameters"], item["source"], name]
        own += [str(line["round"] + 1) for line in raw.refusals if line["workload"] == name]
        own += [expected.pair(name, *pair) for pair in raw.pairs[name]]
        for promise, pool in POOLS.items():
            for malloc in raw.mallocs(name, promise) if pool in raw.present(name) else []:
                own.append(share(raw.delta(name)
                                 + shown_beside(*raw.difference(name, pool, malloc))))
        allowed = numbers_of(flat(own))
        for element in article.iter():
            if element.tag in ("p", "li", "caption", SVG + "desc"):
                text = plain(element)
                strange = [number for number in NUMBER.findall(text) if number not in allowed
                           and not (element.tag == "caption" and "live" in text)]
                assert not strange, (name, text, strange)
                checked += len(NUMBER.findall(text))
            inside.add(element)
    loose = known | numbers_of(["clock_gettime 3.19.0 99.9"])
    for element in outside:
        if element in inside:
            continue
        text = re.sub("^Sources: .*", "", plain(element))
        strange = [number for number in NUMBER.findall(text) if number not in loose]
        assert not strange, (text, strange)
        checked += len(NUMBER.findall(text))
    return checked


def check_charts(page, raw):
    """The strokes of ratios stand where the axis says that they should."""
    checked = 0
    for chart in page.iter(SVG + "svg"):
        found = re.fullmatch(r"Ratios of (\S+)", plain(chart.find(SVG + "title")))
        if not found:
            continue
        name = found[1]
        ticks = sorted(
            (math.log(float(plain(text)[:-1])), float(text.get("x")))
            for text in chart.iter(SVG + "text")
            if re.fullmatch(r"[\d.]+×", plain(text)) and "middle" in text.get("style"))
        (v0, x0), (v1, x1) = ticks[0], ticks[-1]
        assert v1 > v0, name
        dots = {float(found[1].split()[0]) for path in chart.iter(SVG + "path")
                if (found := re.fullmatch(r"M (-?[\d.]+ -?[\d.]+) L \1 ?", path.get("d")))}
        for pair in (*raw.claims(name), ("null", "glibc"), ("pool-keep-delayed", "pool-keep")):
            if pair in raw.pairs[name]:
                place = x0 + (raw.difference(name, *pair)[0] - v0) * (x1 - x0) / (v1 - v0)
                assert any(abs(place - dot) < 0.6 for dot in dots), (name, pair, place, dots)
                checked += 1
    return checked


# --- The tests ------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["synthetic", "few", "uneven"])
def run(request, tmp_path_factory):
    """A made-up run with every part, one with too few launches to prove anything, and one with a
    capacity and with objects that change hands."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "uneven":
        record = synthetic.make_uneven(13, synthetic.normal(0.01))
    else:
        record = synthetic.make_record(
            synthetic.EXAMPLE, 6 if request.param == "few" else 13, synthetic.normal(0.01), seed=4)
    synthetic.write(synthetic.with_parts(record), folder)
    render.write_all(verdicts.analyse(records.read(folder)), folder)
    return folder


def test_every_number_in_a_table_follows_from_the_raw_samples(run):
    seen = check_tables(read(run / "report.html"), Raw(run))
    assert {"map", "arms", "noise", "memory", "facts", "libraries"} <= set(seen)
    assert sum(seen.values()) > 400


def test_every_number_in_a_sentence_follows_from_the_raw_samples(run):
    page = read(run / "report.html")
    assert check_sentences(page, Raw(run)) > 60


def test_every_mark_stands_where_its_number_belongs(run):
    assert check_charts(read(run / "report.html"), Raw(run)) > 30


def test_markdown_says_what_the_page_says(run):
    text = (run / "report.md").read_text(encoding="utf-8").replace("\u00a0", " ")
    for element in read(run / "report.html").iter("table"):
        for row in table_of(element)[1]:
            for cell, note in row:
                for part in (cell, note):
                    assert re.sub(r"([\\`*_<>|\[\]])", r"\\\1", part) in text


@pytest.mark.parametrize("old, new", [("2.2", "2.3"), ("4.3", "4.9")])
def test_a_wrong_number_is_noticed(tmp_path, old, new):
    record = synthetic.make_record(synthetic.EXAMPLE, 13, synthetic.normal(0.008), seed=3)
    synthetic.write(record, tmp_path)
    render.write_all(verdicts.analyse(records.read(tmp_path)), tmp_path)
    page = tmp_path / "report.html"
    text = page.read_text(encoding="utf-8")
    cells = re.findall(rf"<td[^>]*>(?:<span>.</span>)?{re.escape(old)}\d*×", text)
    assert cells
    page.write_text(text.replace(cells[0], cells[0].replace(old, new), 1), encoding="utf-8")
    with pytest.raises(AssertionError):
        check_tables(read(page), Raw(tmp_path))


@pytest.mark.parametrize("name", ["facts-table", "libraries-table"])
def test_a_wrong_fact_is_noticed(run, tmp_path, name):
    """The last digit of each table's last number, changed."""
    text = (run / "report.html").read_text(encoding="utf-8")
    start = text.find(f'<table id="{name}"')
    end = text.index("</table>", start)
    place = max(found.end() for found in re.finditer(r"\d(?=[^<>]*</td>)", text[start:end])) - 1
    digit = text[start + place]
    page = tmp_path / "report.html"
    page.write_text(text[:start + place] + str((int(digit) + 1) % 10) + text[start + place + 1:],
                    encoding="utf-8")
    with pytest.raises(AssertionError):
        check_tables(read(page), Raw(run))


def test_the_published_report_has_the_numbers_of_its_samples():
    folder = ROOT / "results" / "reference"
    if not (folder / "launches.jsonl.gz").exists():
        pytest.skip("results/reference is not a run of launches; publish one")
    assert sum(check_tables(read(folder / "report.html"), Raw(folder)).values()) > 400, (
        "make it again: ./poolproof report results/reference")
