"""kill -9 while exactly-once jobs run: what readers of committed records see is the golden table, each row once.

Several Nexmark queries run at once, slowed down so that every kill falls into their work. After each start: a job's
offsets stand in its group, and never ahead of its output. At the end: every table is Flink's, and nothing holds
readers of committed records back. The simulator (tests/sim) cuts the power; this is the real program.
"""
import hashlib
import json
import os
import re
import subprocess
import time

import confluent_kafka

from clients import confluent_consume, confluent_consumer
from harness import Failure, case, check, check_equal, wait_until
from jobs_nexmark import LARGER, Jobs, corpus, golden, query_text

QUERIES = ("q0", "q5", "q7", "q11", "q15", "q17", "q20")  # rows, windows, sessions, DISTINCT, groups, a join
# Which of several rows of equal order stays is the order of partitions to say; what they are ordered by is not.
TIES = {"q18": ("auction", "bidder", "dateTime"), "q19": ("auction", "price", "rank_number")}
SHARDS, PARTITIONS = 2, 4
DONE_S = 120
SINK = re.compile(r"('topic' = '(q\d+)',)")
COMMAND_S = 30
# The definition differs from query to query by its group; running jobs keep theirs.
AGAIN = "".join(f"DROP VIEW IF EXISTS {view};\n" for view in ("person", "auction", "bid")) + \
    "DROP TABLE IF EXISTS nexmark;\n"


def exactly_once(query):
    """The script with the sink's guarantee, and a group of its own."""
    text = SINK.sub(r"\1 'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = '\2',",
                    query_text(query))
    return AGAIN + text.replace("'properties.group.id' = 'nexmark'", f"'properties.group.id' = 'group-{query}'")


class Killed(Jobs):
    """Jobs that are on their way for seconds."""

    def __init__(self, current, percent, name=""):
        super().__init__(current, SHARDS, PARTITIONS, {"millrace.job.epoch.interval.ms": 50,
                                                       "millrace.job.cpu.percent": percent,
                                                       "millrace.job.restart.min.ms": 10}, name)

    def sql(self, *words):
        done = subprocess.run([self.current.binary, "sql", "--server", f"http://{self.url}", "-q", *words],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_S, check=False)
        check(done.returncode == 0, f"{words}: exit code {done.returncode}: {done.stderr.decode()[-1500:]}")
        return done.stdout.decode()

    def submit(self, name, script):
        path = f"{self.current.folder}/{name}.sql"
        with open(path, "w", encoding="utf-8") as file:
            file.write(script)
        self.sql("-f", path)

    def states(self):
        """{name of the sink: status}"""
        rows = [json.loads(line) for line in self.sql("-e", "SHOW JOBS", "-o", "json").splitlines()]
        return {row["job name"].rsplit(".", 1)[1].removeprefix("out_"): row["status"] for row in rows}

    def are_finished(self, queries):
        states = self.states()
        check("FAILED" not in states.values(), f"a job failed: {states}")
        return all(states.get(query) == "FINISHED" for query in queries)

    def bids_before(self, offsets):
        return sum(line.startswith(b'{"event_type":2') or b'"event_type":2,' in line
                   for partition, offset in offsets.items() for line in self.lines[partition][:offset])

    def check_offsets(self):
        """q0 writes a row per bid: as many are committed as its group says were read, or more."""
        consumer = confluent_consumer(self.broker.bootstrap, group_id="group-q0")
        try:
            found = consumer.committed([confluent_kafka.TopicPartition("nexmark", i) for i in range(PARTITIONS)], 20)
        finally:
            consumer.close()
        offsets = {each.partition: max(each.offset, 0) for each in found}
        rows = len(self.table("q0")) if sum(offsets.values()) else 0
        check(rows >= self.bids_before(offsets), f"the group is at {offsets}, {self.bids_before(offsets)} bids, "
                                                 f"but only {rows} rows are committed")
        return sum(offsets.values())

    def check_nothing_open(self, topic):
        """Readers of committed records come as far as all others."""
        for partition in range(PARTITIONS):
            with self.broker.leader_wire(topic, partition) as wire:
                ends = [wire.list_offset(topic, partition, -1, isolation_level=level)[:2] for level in (0, 1)]
            check_equal(ends[1], ends[0], f"the last stable offset of {topic}-{partition}")


def check_golden(jobs, query, rows, digest):
    found = jobs.table(query)
    data = b"".join(row + b"\n" for row in found)
    check((len(found), hashlib.sha256(data).hexdigest()) == (rows, digest),
          f"{query}: {len(found)} rows, {rows} expected")


def projected(rows, columns):
    return sorted(tuple(json.loads(row)[column] for column in columns) for row in rows)


def check_ties(jobs, query, columns):
    """Against the engine without a broker, over the same partitions."""
    output = f"{jobs.current.folder}/{query}.jsonl"
    subprocess.run([jobs.current.binary, "sql", "--local", "-q", "-f", os.path.join(corpus.NEXMARK, f"{query}.sql"),
                    *(word for path in jobs.paths for word in ("-i", f"nexmark={path}")),
                    "--output-file", f"{query}={output}"], check=True, timeout=COMMAND_S, stdin=subprocess.DEVNULL)
    with open(output, "rb") as file:
        expected = projected(file.read().split(b"\n")[:-1], columns)
    found = projected(jobs.table(query), columns)
    missing, extra = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    check(found == expected, f"{query}: {len(found)} rows, {len(expected)} expected; missing {missing[:3]}, "
                             f"extra {extra[:3]}")


def run_kills(current, rounds, percent, name=""):
    """Nine jobs over the same events, the broker killed so often while they work; returns what the notes say."""
    jobs = Killed(current, percent, name)
    jobs.events(LARGER)
    queries = [*QUERIES, *TIES]
    for query in queries:
        jobs.submit(query, exactly_once(query))
    progress = []
    for _ in range(rounds):
        time.sleep(current.random.uniform(0.05, 1.0))
        jobs.broker.kill()
        jobs.broker.start()
        progress.append(jobs.check_offsets())
    wait_until(lambda: jobs.are_finished(queries), DONE_S, f"jobs to finish, offsets {progress}", 0.2)
    expected = golden(LARGER)
    failures = []
    for query in queries:
        try:
            if query in TIES:
                check_ties(jobs, query, TIES[query])
            else:
                check_golden(jobs, query, *expected[query])
            jobs.check_nothing_open(query)
        except Failure as failure:
            failures.append(str(failure))
    check(not failures, "\n".join(failures))
    jobs.broker.stop()
    return f"{rounds} kills, offsets after each: {progress}"


@case("jobs-kills", long=True)
def jobs_kills(current):
    """Two kills; ten when full. MILLRACE_TEST_KILLS=200: as many, ten to a broker and its jobs."""
    wanted = int(os.environ.get("MILLRACE_TEST_KILLS") or (10 if current.full else 2))
    done = 0
    while done < wanted:
        rounds = min(10, wanted - done)
        note = run_kills(current, rounds, 2 if wanted <= 2 else 1, f"kills-{done}")
        done += rounds
        if wanted > 10:
            print(f"    {done} of {wanted}: {note}", flush=True)
    current.note(note if wanted <= 10 else f"{done} kills")


@case("jobs-ended")
def jobs_ended(current):
    """A job that goes on without end is stopped; another is killed with the broker and stopped at once after the start:
    nobody waits for what they left."""
    jobs = Killed(current, 100)
    jobs.events(LARGER)
    endless = exactly_once("q0").replace("'scan.bounded.mode' = 'latest-offset',", "")
    expected = golden(LARGER)["q0"]
    jobs.submit("endless", endless)
    wait_until(lambda: len(jobs.table("q0")) == expected[0], DONE_S, "all rows of q0", 0.2)
    check_golden(jobs, "q0", *expected)
    jobs.broker.kill()
    jobs.broker.start()
    rows = [json.loads(line) for line in jobs.sql("-e", "SHOW JOBS", "-o", "json").splitlines()]
    check_equal(len(rows), 1, "jobs")
    jobs.sql("-e", f"STOP JOB '{rows[0]['job id']}'")
    wait_until(lambda: jobs.states()["q0"] in ("FINISHED", "CANCELED"), DONE_S, "the job to end", 0.1)
    jobs.check_nothing_open("q0")
    check_golden(jobs, "q0", *expected)
    found = confluent_consume(jobs.broker.bootstrap, "q0", PARTITIONS)
    check_equal(sum(map(len, found.values())), expected[0], "rows that readers of committed records get")
