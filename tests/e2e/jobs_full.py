"""Jobs on a disk that runs full, a real one: they wait and say why, readers do not notice, and with room again they go
on by themselves, also after kill -9 in between: every bid that was acknowledged is copied once and counted once.

The simulator has the cases one by one (tests/unit/job/test_job_full.c).
"""
import collections
import json
import os
import subprocess
import time

import clients
from harness import case, check, check_equal, free_ports, wait_until
from storage import RETRIABLE, small_disk
from wire import Record, make_batch

MIB = 1 << 20
PARTITIONS, KEYS = 2, 7
COMMAND_S, WAIT_S, FULL_S = 30, 60, 8
BIDS = """CREATE TABLE bids (auction BIGINT, price BIGINT) WITH (
  'connector' = 'kafka', 'topic' = 'bids', 'properties.bootstrap.servers' = '{address}', 'properties.group.id' = 'full',
  'scan.startup.mode' = 'earliest-offset', 'format' = 'json');
"""
ONCE = "'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = 'full'"
COPIES = BIDS + """CREATE TABLE copies (auction BIGINT, price BIGINT) WITH (
  'connector' = 'kafka', 'topic' = 'copies', 'properties.bootstrap.servers' = '{address}', 'format' = 'json', {once});
INSERT INTO copies SELECT auction, price FROM bids;
"""
SUMS = BIDS + """CREATE TABLE sums (auction BIGINT, n BIGINT, total BIGINT, PRIMARY KEY (auction) NOT ENFORCED) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'sums', 'properties.bootstrap.servers' = '{address}', 'key.format' = 'json',
  'value.format' = 'json', {once});
INSERT INTO sums SELECT auction, COUNT(*), SUM(price) FROM bids GROUP BY auction;
"""


class Full:
    """A broker on a small disk, two jobs, and what was acknowledged."""

    def __init__(self, current):
        self.current, self.bids = current, []
        self.url = f"127.0.0.1:{free_ports(1)}"
        self.broker = current.broker(start=False, shards=2, settings={
            "millrace.http.listener": self.url, "millrace.job.epoch.interval.ms": 100,
            "millrace.job.restart.min.ms": 100, "millrace.journal.bytes": 4 * MIB, "millrace.free.bytes.min": 48 * MIB,
            "log.segment.delete.delay.ms": 100, "log.retention.check.interval.ms": 300})
        self.broker.data = os.path.join(small_disk(current, 200 * MIB), "data")
        self.broker.start()
        with self.broker.wire() as wire:
            for topic in ("bids", "copies", "sums"):
                check_equal(wire.create_topic(topic, PARTITIONS, {"segment.bytes": str(MIB)})["error_code"], 0, topic)
        for script in (COPIES, SUMS):
            self.sql("-e", script.format(address=self.broker.bootstrap, once=ONCE))

    def sql(self, *words):
        done = subprocess.run([self.current.binary, "sql", "--server", f"http://{self.url}", "-q", *words],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_S, check=False)
        check(done.returncode == 0, f"{words}: exit code {done.returncode}: {done.stderr.decode()[-1500:]}")
        return done.stdout.decode()

    def states(self):
        return [json.loads(line)["status"] for line in self.sql("-e", "SHOW JOBS", "-o", "json").splitlines()]

    def bid(self, wires, count=1):
        """False: refused; an error that clients retry."""
        for _ in range(count):
            price, partition = len(self.bids) + 1, len(self.bids) % PARTITIONS
            value = json.dumps({"auction": price % KEYS, "price": price}, separators=(",", ":")).encode()
            error, _ = wires[partition].produce("bids", partition, [Record(None, value)])
            if error:
                check(error in RETRIABLE, f"error {error} of a full disk is not retriable")
                return False
            self.bids.append(value)
        return True

    def fill(self):
        """Until nothing is taken any more; bids go in between, so that jobs are at work to the end."""
        refused = 0
        with self.broker.wire() as wire:
            check_equal(wire.create_topic("fill", 2, {"segment.bytes": str(8 * MIB), "file.delete.delay.ms": "100"})
                        ["error_code"], 0, "fill")
        wires = [self.broker.leader_wire("bids", partition) for partition in range(PARTITIONS)]
        fillers = [self.broker.leader_wire("fill", partition) for partition in range(2)]
        batch = make_batch([Record(None, self.current.random.randbytes(200_000))])
        for i in range(4000):
            error = fillers[i % 2].produce_raw("fill", i % 2, batch)["error_code"]
            if (not self.bid(wires) or error) and (refused := refused + 1) > 20:
                break
        check(refused > 20, "the disk never filled up")

    def accepts(self):
        wires = [self.broker.leader_wire("bids", partition) for partition in range(PARTITIONS)]
        return self.bid(wires, PARTITIONS)

    def make_room(self):
        with self.broker.wire(timeout_s=20) as wire:
            reply = wire.call("DeleteTopics", 6, {"timeout_ms": 10000, "topics": [{"name": "fill"}]})
            check_equal(reply["responses"][0]["error_code"], 0, "deleting a topic on a full disk")
        wait_until(self.accepts, WAIT_S, "produce after room was made", 0.3)

    def values(self, topic):
        found = clients.confluent_consume(self.broker.bootstrap, topic, PARTITIONS)
        return [value for rows in found.values() for _, (_, _, value, _, _) in rows]

    def is_copied(self):
        return len(self.values("copies")) >= len(self.bids)

    def sums(self):
        last = {}
        for value in self.values("sums"):
            row = json.loads(value)
            check(row["n"] > last.get(row["auction"], (0, 0))[0], f"a sum goes back: {row} after {last}")
            last[row["auction"]] = row["n"], row["total"]
        return last

    def check_end(self):
        """All of it, once, and nobody is held back."""
        wait_until(self.is_copied, WAIT_S, "copies of all bids", 0.3)
        expected = collections.defaultdict(lambda: (0, 0))
        for value in self.bids:
            row = json.loads(value)
            count, total = expected[row["auction"]]
            expected[row["auction"]] = count + 1, total + row["price"]
        wait_until(lambda: self.sums() == expected, WAIT_S, "sums of all bids", 0.3)
        check_equal(sorted(self.values("copies")), sorted(self.bids), "copies")
        wait_until(lambda: self.states() == ["RUNNING"] * 2, WAIT_S, "both jobs to run", 0.2)
        for topic in ("copies", "sums"):
            for partition in range(PARTITIONS):
                with self.broker.leader_wire(topic, partition) as wire:
                    ends = [wire.list_offset(topic, partition, -1, isolation_level=level)[1] for level in (0, 1)]
                check_equal(ends[1], ends[0], f"the last stable offset of {topic}-{partition}")


@case("jobs-full", quick=False)
def jobs_full(current):
    """Filled and emptied; filled, killed, started on the full disk, emptied."""
    full = Full(current)
    for kills in (False, True):
        full.fill()
        seen = full.values("copies")
        check(set(seen) <= set(full.bids) and len(seen) == len(set(seen)), "copies on a full disk")
        if kills:
            full.broker.kill()
            full.broker.start()
        time.sleep(FULL_S if current.full else 1)
        states = full.states()
        check(len(states) == 2 and set(states) <= {"RUNNING", "RESTARTING", "INITIALIZING"}, f"jobs: {states}")
        check(set(seen) <= set(full.values("copies")), "what was committed stands")
        full.make_room()
        full.check_end()
    full.broker.stop()
    current.note(f"{len(full.bids)} bids")
    current.cleaners.pop()()
