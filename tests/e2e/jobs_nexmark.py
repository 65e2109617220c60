"""Nexmark as jobs: the files that Flink ran, unchanged, over topics of a broker; final tables are Flink's.

Events come from `millrace nexmark`, go into a topic through an ordinary client, and each query runs as a job to its
end ('table.dml-sync'). What its topic holds then, folded by key where records have keys, is compared byte for byte
with tests/data/sql/nexmark. The quick run has one broker of two shards and topics of four partitions; the full one all
of 1, 2 and 4 shards over 1 and 4 partitions, and a longer stream.
"""
import gzip
import hashlib
import os
import subprocess
import sys

from clients import confluent_consume, confluent_produce
from harness import ROOT, Failure, case, check, check_equal, free_ports

sys.path.insert(0, os.path.join(ROOT, "tests", "sql"))
import corpus  # noqa: E402

SMALL = ("3", "30", "3000")     # of which all rows are known
LARGER = ("2", "100000", "30000")  # of which hashes are known
JOB_S = 60
WAIT = "SET 'table.dml-sync' = 'true';\n"
LATER = {"q4"}  # refused by name, as in tests/sql/run


class Jobs:
    """A broker with a Nexmark topic, and its listener for statements."""

    def __init__(self, current, shards, partitions, settings=None, name=""):
        self.current, self.partitions = current, partitions
        self.url = f"127.0.0.1:{free_ports(1)}"
        self.broker = current.broker(name or f"s{shards}-p{partitions}", shards=shards, settings={
            "num.partitions": partitions, "millrace.http.listener": self.url,
            "millrace.job.epoch.interval.ms": 200, **(settings or {})})
        self.lines, self.paths = [], []  # of each partition

    def events(self, stream):
        """Fills the topic, each event into the partition that the generator gave it."""
        seed, rate, count = stream
        path = os.path.join(self.current.folder, f"events-{'-'.join(stream)}-{self.partitions}")
        subprocess.run([self.current.binary, "nexmark", "--seed", seed, "--rate", rate, "--events", count, "--quiet",
                        "--partitions", str(self.partitions), "--output", path], check=True, timeout=JOB_S)
        self.paths = [path] if self.partitions == 1 else [f"{path}.{i}" for i in range(self.partitions)]
        with self.broker.wire() as wire:
            check_equal(wire.create_topic("nexmark", self.partitions)["error_code"], 0, "the topic of events")
        for each in self.paths:
            with open(each, "rb") as file:
                self.lines.append(file.read().split(b"\n")[:-1])
        records = [(partition, None, line, [], 0) for partition, lines in enumerate(self.lines) for line in lines]
        check_equal(len(records), int(count), "events")
        confluent_produce(self.broker.bootstrap, "nexmark", "lz4", records)

    def run(self, query, script):
        """Runs the job to its end: its final table."""
        path = os.path.join(self.current.folder, f"{query}.sql")
        with open(path, "w", encoding="utf-8") as file:
            file.write(WAIT + script)
        done = subprocess.run([self.current.binary, "sql", "--server", f"http://{self.url}", "-f", path],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=JOB_S, check=False)
        if query in LATER:
            check(done.returncode == 2 and b"Millrace not yet" in done.stderr, f"{query}: not refused any more")
            return None
        check(done.returncode == 0, f"{query}: exit code {done.returncode}: {done.stdout.decode()[-1000:]}"
                                    f"{done.stderr.decode()[-2000:]}")
        return self.table(query)

    def table(self, topic):
        found = confluent_consume(self.broker.bootstrap, topic, self.partitions)
        return corpus.fold([(key, value) for partition in sorted(found)
                            for _, (_, key, value, _, _) in found[partition]])


def query_text(query):
    with open(os.path.join(corpus.NEXMARK, f"{query}.sql"), encoding="utf-8") as file:
        return file.read()


def check_rows(jobs, query):
    with gzip.open(os.path.join(corpus.NEXMARK, "rows", f"{query}.jsonl.gz"), "rb") as file:
        expected = file.read().split(b"\n")[:-1]
    found = jobs.run(query, query_text(query))
    if found is not None and found != expected:
        missing = sorted(set(expected) - set(found))
        extra = sorted(set(found) - set(expected))
        raise Failure(f"{query}: {len(found)} rows, {len(expected)} expected; missing {missing[:3]!r}, "
                      f"extra {extra[:3]!r}")


def check_hash(jobs, query, rows, digest):
    found = jobs.run(query, query_text(query))
    if found is None:
        return
    data = b"".join(row + b"\n" for row in found)
    check((len(found), hashlib.sha256(data).hexdigest()) == (rows, digest),
          f"{query}: {len(found)} rows, {rows} expected; the first: {found[:2]!r}")


def golden(stream):
    """{query: (rows, sha256)}"""
    found = {}
    with open(os.path.join(corpus.NEXMARK, "golden.tsv"), encoding="utf-8") as file:
        for line in file.read().split("\n")[1:-1]:
            query, seed, rate, events, rows, digest = line.split("\t")
            if (seed, rate, events) == stream:
                found[query] = (int(rows), digest)
    return found


def run_small(current, shards, partitions):
    jobs = Jobs(current, shards, partitions)
    jobs.events(SMALL)
    failures = []
    for query in corpus.queries():
        try:
            check_rows(jobs, query)
        except Failure as failure:  # the others are worth knowing, too
            failures.append(str(failure))
    check(not failures, "\n".join(failures))
    current.note(f"{len(corpus.queries())} queries")


def register(shards, partitions):
    @case(f"jobs-nexmark-{shards}-{partitions}", quick=(shards, partitions) == (2, 4), long=True)
    def jobs_nexmark(current):
        """Every query, 3,000 events: all rows."""
        run_small(current, shards, partitions)


for _shards in (1, 2, 4):
    for _partitions in (1, 4):
        register(_shards, _partitions)


@case("jobs-nexmark-hashes", quick=False)
def jobs_nexmark_hashes(current):
    """Every query, 30,000 events in a tenth of the time."""
    jobs = Jobs(current, 2, 1)
    jobs.events(LARGER)
    for query, (rows, digest) in sorted(golden(LARGER).items()):
        check_hash(jobs, query, rows, digest)
