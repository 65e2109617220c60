"""Compacted topics: what a consumer has of every key is what was written to it last, however often the log was
compacted meanwhile, and though the broker was killed.

Values say how many writes their key has had. One idempotent producer keeps the order, so for each key the last value
acknowledged, or a later one, must be what a reader of the whole log ends with.
"""
import re
import time

import clients
from harness import case, check, check_equal, wait_until

TOPIC = "compacted"
LINE = re.compile(r"compacted below offset (\d+) .* (\d+) KiB to (\d+) KiB, (\d+) records to (\d+)")
CONFIGS = {"cleanup.policy": "compact", "segment.bytes": "4194304", "min.cleanable.dirty.ratio": "0.3",
           "delete.retention.ms": "2000", "file.delete.delay.ms": "500", "segment.ms": "5000"}
SETTINGS = {"log.cleaner.backoff.ms": 300}


class Writer:
    """Updates of random keys; now and then a tombstone."""

    def __init__(self, broker, rng, keys, value_bytes, codec, partitions):
        self.rng, self.keys, self.value_bytes, self.partitions = rng, keys, value_bytes, partitions
        self.sent = {}  # key -> (count, is tombstone)
        self.count, self.bytes, self.errors = 0, 0, []
        self.filling = rng.randbytes(value_bytes * 64)
        self.producer = clients.confluent_producer(
            broker.bootstrap, enable_idempotence=True, acks="all", linger_ms=5, compression_type=codec,
            reconnect_backoff_ms=20, reconnect_backoff_max_ms=200, retry_backoff_ms=20, log_level=0,
            queue_buffering_max_kbytes=65536, error_cb=lambda error: None)

    def delivered(self, error, _message):
        if error is not None:
            self.errors.append(error)

    def write(self, count):
        for _ in range(count):
            key = self.rng.randrange(self.keys)
            writes = self.sent.get(key, (0, False))[0] + 1
            is_tombstone = self.rng.random() < 0.02
            begin = self.rng.randrange(len(self.filling) - self.value_bytes)
            value = None if is_tombstone else b"%d " % writes + self.filling[begin:begin + self.value_bytes]
            self.sent[key] = (writes, is_tombstone)
            while True:
                try:
                    self.producer.produce(TOPIC, key=b"key-%d" % key, value=value, partition=key % self.partitions,
                                          on_delivery=self.delivered)
                    break
                except BufferError:
                    self.producer.poll(0.05)
            self.count += 1
            self.bytes += 0 if value is None else len(value)
        self.producer.poll(0)

    def finish(self):
        check_equal(self.producer.flush(60), 0, "records without an answer")
        check(not self.errors, f"{len(self.errors)} records failed, first: {self.errors[:1]}")


def read_newest(broker, partitions):
    """({key: value}, records read): what is left when everything is read from the beginning."""
    newest, total = {}, 0
    for rows in clients.confluent_consume(broker.bootstrap, TOPIC, partitions, timeout_s=120).values():
        last = -1
        for offset, (_, key, value, _, _) in rows:
            check(offset > last, f"offset {offset} behind {last}")
            last = offset
            newest[key] = value
            total += 1
    return newest, total


def check_content(broker, writer):
    newest, total = read_newest(broker, writer.partitions)
    wrong = []
    for key, (writes, is_tombstone) in writer.sent.items():
        value = newest.get(b"key-%d" % key)
        found = None if value is None else int(value.split(b" ", 1)[0])
        if found != (None if is_tombstone else writes):
            wrong.append(f"key {key}: write {found}, expected {'a tombstone or nothing' if is_tombstone else writes}")
    check(not wrong, f"{len(wrong)} of {len(writer.sent)} keys are wrong: {wrong[:5]}")
    check(len(newest) <= writer.keys, f"{len(newest)} keys")
    return total


def passes(broker):
    return [tuple(map(int, found)) for found in LINE.findall(broker.log(True))]


def compaction(current, keys, total_bytes, value_bytes, partitions, kills, codecs, settings=None, shards=2):
    broker = current.broker(shards=shards, settings={**SETTINGS, **(settings or {})})
    with broker.wire() as wire:
        check_equal(wire.create_topic(TOPIC, partitions, CONFIGS)["error_code"], 0, "creating the topic")
    written, rounds, begin = None, kills + 1, time.monotonic()
    writer = Writer(broker, current.random, keys, value_bytes, current.random.choice(codecs), partitions)
    for index in range(rounds):
        before, goal = len(passes(broker)), total_bytes * (index + 1) // rounds
        while writer.bytes < goal:
            writer.write(2000)
        if index + 1 < rounds:
            wait_until(lambda: writer.write(500) or len(passes(broker)) > before, 60, "a pass of compaction", 0.2)
            writer.write(500)
            broker.kill()
            broker.start()
    writer.finish()
    written = time.monotonic() - begin
    count = check_content(broker, writer)
    wait_until(lambda: check_content(broker, writer) < writer.count / 2, 60, "most of the log to be gone", 1)
    broker.kill()
    broker.start()
    count = check_content(broker, writer)
    broker.restart()
    check_content(broker, writer)
    done = passes(broker)
    current.note(f"{writer.count} records of {writer.bytes >> 20} MiB written in {written:.0f} s, {len(done)} passes, "
                 f"{sum(row[1] for row in done) >> 10} MiB to {sum(row[2] for row in done) >> 10} MiB, {count} left")
    broker.stop()


@case("compaction-while-producing", long=True)
def compaction_while_producing(current):
    compaction(current, keys=500, total_bytes=48 << 20, value_bytes=200, partitions=3, kills=2,
               codecs=["none", "lz4", "zstd", "gzip", "snappy"])


@case("compaction-little-memory", quick=False)
def compaction_little_memory(current):
    compaction(current, keys=40000, total_bytes=96 << 20, value_bytes=150, partitions=2, kills=1, codecs=["none"],
               settings={"log.cleaner.dedupe.buffer.size": 1 << 20, "log.cleaner.io.max.bytes.per.second": 64 << 20})


@case("compaction-large", quick=False)
def compaction_large(current):
    compaction(current, keys=10000, total_bytes=1 << 30, value_bytes=1000, partitions=1, kills=3, codecs=["none"],
               shards=1)


@case("compaction-of-transactions", long=True)
def compaction_of_transactions(current):
    """Aborted updates are gone or skipped, committed ones are what is left, also when markers have gone."""
    partitions, rounds = 2, 600 if current.full else 200
    broker = current.broker(shards=2, settings={**SETTINGS, "transaction.state.log.num.partitions": 4})
    with broker.wire() as wire:
        check_equal(wire.create_topic(TOPIC, partitions, {**CONFIGS, "segment.ms": "1000", "segment.bytes": "1048576",
                                                          "min.cleanable.dirty.ratio": "0.1",
                                                          "delete.retention.ms": "500"})["error_code"], 0, "creating")
    producer = clients.confluent_producer(
        broker.bootstrap, transactional_id="compacted", transaction_timeout_ms=60000, linger_ms=1, log_level=0,
        reconnect_backoff_ms=20, reconnect_backoff_max_ms=200, retry_backoff_ms=20)
    producer.init_transactions(20)
    newest, aborted = {}, 0
    for number in range(rounds):
        updates = {}
        producer.begin_transaction()
        for _ in range(current.random.randint(1, 20)):
            key = current.random.randrange(40)
            updates[key] = b"%d-%d" % (number, key)
            producer.produce(TOPIC, key=b"key-%d" % key, value=updates[key], partition=key % partitions)
        if current.random.random() < 0.4:
            check_equal(producer.flush(20), 0, "records before an abort")
            producer.abort_transaction(20)
            aborted += 1
        else:
            producer.commit_transaction(20)
            newest.update(updates)
        if number % (rounds // 4) == rounds // 8:
            broker.kill()
            broker.start()
        time.sleep(0.01)
    for index in range(3):
        found, total = read_newest(broker, partitions)
        expected = {b"key-%d" % key: value for key, value in newest.items()}
        check_equal(found, expected, f"what readers of committed records have (look {index + 1})")
        before = len(passes(broker))
        wait_until(lambda: len(passes(broker)) > before, 30, "a pass of compaction")
        producer.begin_transaction()  # so that there is something new to compact
        for key in range(2):
            newest[key] = b"look-%d" % index
            producer.produce(TOPIC, key=b"key-%d" % key, value=newest[key], partition=key % partitions)
        producer.commit_transaction(20)
        if index == 1:
            broker.kill()
            broker.start()
    current.note(f"{rounds} transactions, {aborted} aborted, {len(passes(broker))} passes, {total} records left")
    broker.stop()
