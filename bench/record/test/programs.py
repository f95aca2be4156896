"""Real programs, with the recorder and without: the same outcome and output, all their processes
seen, and each trace replays with its contents verified. ./poolproof check programs runs them, and
one under a recorder with the planted bug that RECORDER_BUG names, which it must notice."""

import dataclasses
import os
import pathlib
import subprocess

import pytest

from analysis.building import meson
from analysis.fuzzing import planted
from analysis.measure import recorder
from analysis.system.files import ROOT
from bench.record.test.test_cases import BUGS, compiled, run_bare

LIMIT_S = 300

NGINX = r"""
cat > conf <<END
user nobody nogroup; worker_processes 2; daemon off; pid pid; error_log log;
events { worker_connections 64; }
http { access_log off; gzip on; gzip_min_length 0; gzip_types *; client_body_temp_path body;
       server { listen unix:socket; root files; } }
END
mkdir files body && chmod 711 . && chmod 777 body && seq 100000 > files/numbers
nginx -p . -c conf &
until [ -S socket ]; do kill -0 $!; sleep 0.05; done; chmod 777 socket
for i in 1 2 3 4 5; do
    curl -sf --compressed --unix-socket socket 'http://x/numbers?[1-40]' | md5sum
    curl -s --unix-socket socket 'http://x/missing[1-40]' -o answer -w '%{http_code} '
done
kill -QUIT $! && wait $!
"""
REDIS = """
redis-server --port 0 --unixsocket socket --io-threads 3 --enable-debug-command yes --save '' \
    --dir . > log &
until [ -S socket ]; do kill -0 $!; sleep 0.05; done
seq 20000 | awk '{ print "RPUSH list" $1 % 97, "item-" $1; print "HSET hash" $1 % 89, $1, $1 * $1
                   print "ZADD sorted" $1 % 7, $1 % 1009, $1; print "APPEND text" $1 % 50, $1 }' |
    redis-cli -s socket --pipe | tail -1
redis-cli -s socket save; redis-cli -s socket bgrewriteaof > answer
redis-cli -s socket debug reload; redis-cli -s socket debug digest
redis-cli -s socket shutdown nosave; wait $!
"""
NINJA = """
{ echo 'rule cc'; echo ' command = gcc -O1 -DNUMBER=$n -I$root/core -MD -MF $out.d -c $in -o $out'
  echo ' depfile = $out.d'
  for n in $(seq 6); do echo "build $n.o: cc $ROOT/core/mem_pool.c"; echo " n = $n"; done
  echo "root = $ROOT"; } > build.ninja
ninja -j 4 --quiet && ninja && md5sum *.o
"""
PYTHON = """
import hashlib, json, random, threading, zlib
digests = [None] * 32
def work(number):
    choose, digest = random.Random(number), hashlib.sha256()
    for turn in range(60):
        data = {str(choose.random()): ["x" * choose.randrange(300)] * 3 for _ in range(50)}
        text = json.dumps(data)
        digest.update(zlib.compress(text.encode()) + str(len(json.loads(text))).encode())
    digests[number] = digest.hexdigest()
threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(*digests, sep="\\n")
"""
NODE = """
const {Worker, isMainThread, workerData, parentPort} = require('worker_threads');
const crypto = require('crypto'), zlib = require('zlib');
const work = (n) => {
  const hash = crypto.createHash('sha256');
  for (let i = 0; i < 300; i++)
    hash.update(zlib.deflateSync(JSON.stringify(Array.from({length: i}, (_, k) => ({k, n})))));
  return hash.digest('hex');
};
if (isMainThread) {
  const told = [];
  for (let n = 0; n < 4; n++)
    new Worker(__filename, {workerData: n}).on('message', (digest) => {
      if (told.push(n + ' ' + digest) === 4) console.log(told.sort().join('\\n'));
    });
  crypto.pbkdf2('a', 'b', 1000, 32, 'sha256', () => work(9));
} else parentPort.postMessage(work(workerData));
"""
JAVA = """
import java.util.*; import java.util.stream.*; import java.util.zip.*;
public class Work {
    static long work(int n) {
        var sum = new CRC32();
        for (int i = 0; i < 200; i++) {
            var bytes = ("x" + i * n).repeat(1000).getBytes();
            var deflater = new Deflater(); var out = new byte[20000];
            deflater.setInput(bytes); deflater.finish();
            sum.update(out, 0, deflater.deflate(out)); deflater.end();
        }
        return sum.getValue();
    }
    public static void main(String[] words) {
        System.out.println(IntStream.range(0, 16).parallel().mapToObj(Work::work)
            .collect(Collectors.toList()));
    }
}
"""


@dataclasses.dataclass(frozen=True)
class Program:
    """A program by how the name of its file begins: what a shell runs of it in an empty folder.

    operations, processes: how many at least, of all. threads: of one of them. files: to be there
    before.
    """

    name: str
    script: str
    operations: int
    processes: int = 1
    threads: int = 1
    files: dict[str, str] = dataclasses.field(default_factory=dict)
    root: bool = False


PROGRAMS = [
    Program("nginx", NGINX, 1_000, processes=3, root=True),
    Program("redis-check-rdb", REDIS, 100_000, processes=2),
    Program("cc1", NINJA, 100_000, processes=6),
    Program("python3", "PYTHONMALLOC=malloc /usr/bin/python3 work.py", 500_000, threads=33,
            files={"work.py": PYTHON}),
    Program("node", "node work.js", 50_000, threads=9, files={"work.js": NODE}),
    Program("java", "java -Xmx256m Work.java", 50_000, threads=10, files={"Work.java": JAVA}),
]


@pytest.fixture(scope="session", name="built")
def built_folder():
    return meson.ensure_build("release")


def judge(program, built, tools, folder, monkeypatch, capfd):
    """Runs it without the recorder and with it; AssertionError if that makes a difference."""
    monkeypatch.setenv("ROOT", str(ROOT))
    outputs, recording = [], None
    for name in ("without", "with"):
        place = folder / name
        place.mkdir()
        for file, text in program.files.items():
            (place / file).write_text(text)
        monkeypatch.chdir(place)
        command = ["timeout", str(LIMIT_S), "sh", "-ec", program.script]
        if name == "without":
            status, output, _ = run_bare(command)
        else:
            recording = recorder.record(command, folder / "x.trace", tools=tools, everything=True)
            status, output = recording.status, capfd.readouterr().out
        assert status == 0
        outputs.append(output)
    assert outputs[0] and outputs[0] == outputs[1]
    judge_traces(program, built, recording)


def judge_traces(program, built, recording):
    """That its processes were seen, and what was recorded of each replays."""
    assert recording.stopped is None and recording.unfinished == 0 and recording.unseen == []
    own = [image for image in recording.converted if image["program"].startswith(program.name)]
    assert len(own) >= program.processes
    assert max(image["threads"] for image in own) >= program.threads
    assert sum(image["operations"] for image in own) >= program.operations
    for image, trace in zip(recording.converted, recording.traces):
        assert image["missed_frees"] == 0
        subprocess.run([built / "core/trace/poolproof-trace", "run", "--on", "malloc", trace],
                       stdout=subprocess.DEVNULL, check=True)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_program_is_as_without_the_recorder(program, built, tmp_path, monkeypatch, capfd):
    if program.root and os.geteuid() != 0:
        pytest.skip("only root can give up rights")
    tmp_path.chmod(0o711)
    tools = recorder.built_tools()
    for bug in (bug for bug in BUGS if bug.name == os.environ.get("RECORDER_BUG")):
        planted.copy_with(bug, tmp_path / "tree")
        names = {pathlib.PurePath(file).name for file in bug.files}
        library = compiled(built, tmp_path / "tree", names).library
        tools = dataclasses.replace(tools, library=library)
    judge(program, built, tools, tmp_path, monkeypatch, capfd)
