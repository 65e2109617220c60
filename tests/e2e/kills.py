"""kill -9 of a real process under load, again and again: what was acknowledged is there, once, at its offset, in order.

The page cache survives kill -9, so this says nothing about power cuts (the simulator does); it shows that recovery,
producer state and the clients' retries fit together in the real program.
"""
import threading
import time

import clients
import history
from harness import case, check, check_equal, wait_until
from wire import WireError, Wire, split_batches

TOPIC, PARTITIONS = "kills", 4
BACKLOG_MAX = 2000


class Load:
    """A producer of its own thread. plain=True: not idempotent, acks=1, never sends twice by itself."""

    def __init__(self, broker, name, rng, known, plain=False, value_bytes=(20, 400), linger_ms=1):
        self.name, self.rng, self.known, self.value_bytes = name, rng, known, value_bytes
        self.attempts, self.acknowledged, self.fatal = [], 0, None
        self.waiting = 0
        settings = {"enable_idempotence": True, "acks": "all"}
        if plain:
            settings = {"acks": "1", "message_send_max_retries": 0, "message_timeout_ms": 3000}
        self.producer = clients.confluent_producer(
            broker.bootstrap, linger_ms=linger_ms, reconnect_backoff_ms=20, reconnect_backoff_max_ms=200,
            retry_backoff_ms=20, topic_metadata_refresh_fast_interval_ms=50, log_level=0,
            error_cb=self.on_error, **settings)
        self.is_stopping = False
        self.thread = threading.Thread(target=self.run, daemon=True)

    def on_error(self, error):
        if error.fatal():
            self.fatal = error

    def delivered(self, attempt):
        def callback(error, message):
            self.waiting -= 1
            if error is None:
                attempt.offset = -1 if message.offset() is None else message.offset()
                self.acknowledged += 1
                if attempt.offset > self.known[attempt.partition]:
                    self.known[attempt.partition] = attempt.offset
            else:
                attempt.error = error
        return callback

    def run(self):
        number = 0
        while not self.is_stopping and self.fatal is None:
            if self.waiting >= BACKLOG_MAX:
                self.producer.poll(0.02)
                continue
            partition = self.rng.randrange(PARTITIONS)
            value = b"%s-%d-" % (self.name.encode(), number) + self.rng.randbytes(self.rng.randint(*self.value_bytes))
            attempt = history.Attempt(self.name, number, partition, value, self.known[partition])
            self.attempts.append(attempt)
            self.waiting += 1
            self.producer.produce(TOPIC, value=value, partition=partition, on_delivery=self.delivered(attempt))
            self.producer.poll(0)
            number += 1
            if number % 50 == 0:
                self.producer.poll(0.005)

    def finish(self):
        self.is_stopping = True
        self.thread.join(20)
        check_equal(self.producer.flush(40), 0, f"records of {self.name} without an answer")


class Witness:
    """Reads all the time what consumers may see; a sample of it is compared with the final log."""

    def __init__(self, broker):
        self.broker, self.seen, self.is_stopping = broker, {i: [] for i in range(PARTITIONS)}, False
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        next_offset = [0] * PARTITIONS
        while not self.is_stopping:
            try:
                with self.broker.wire(timeout_s=2) as wire:
                    places = wire.leaders(TOPIC)
                for partition, place in places.items():
                    with Wire(*place, 2) as wire:
                        row = wire.fetch_raw(TOPIC, partition, next_offset[partition], 1 << 20)
                        for batch in split_batches(row["records"] or b""):
                            records = batch.records()
                            self.seen[partition] += [(record.offset, record.value) for record in records]
                            next_offset[partition] = batch.last_offset + 1
            except (WireError, OSError):
                time.sleep(0.02)  # the broker is down at the moment
            time.sleep(0.02)


def kill_and_start(current, broker):
    """Now and then a start is cut short, too."""
    broker.kill()
    while current.random.random() < 0.3:
        broker.launch()
        time.sleep(current.random.random() * 0.12)
        if broker.process.poll() is not None:
            check(False, f"the broker ended by itself with {broker.process.returncode}:\n{broker.log()}")
        broker.kill()
    broker.start()


def log_of(broker, partition):
    with broker.leader_wire(TOPIC, partition) as wire:
        return [(record.offset, record.value) for batch in wire.fetch_batches(TOPIC, partition)
                for record in batch.records()]


@case("kill-idempotent")
def kill_idempotent(current):
    wrong = history.self_test()
    check(not wrong, "; ".join(wrong))
    rounds = 20 if current.full else 5
    broker = current.broker(shards=2, settings={"log.segment.bytes": 1 << 20})
    with broker.wire() as wire:
        check_equal(wire.create_topic(TOPIC, PARTITIONS)["error_code"], 0, "creating the topic")
    known = {i: -1 for i in range(PARTITIONS)}
    loads = [Load(broker, "small", current.random, known),
             Load(broker, "large", current.random, known, value_bytes=(500, 5000), linger_ms=30),
             Load(broker, "plain", current.random, known, plain=True)]
    witness = Witness(broker)
    for actor in [*loads, witness]:
        actor.thread.start()
    slowest_s = 0
    for _ in range(rounds):
        before = [load.acknowledged for load in loads]
        wait_until(lambda: all(load.acknowledged > count for load, count in zip(loads, before)) or
                   any(load.fatal for load in loads), 20, "progress of every producer after a restart")
        check(not any(load.fatal for load in loads), f"fatal: {[load.fatal for load in loads]}")
        time.sleep(0.2 + current.random.random() * 0.8)
        kill_and_start(current, broker)
        slowest_s = max(slowest_s, broker.ready_s)
    for load in loads:
        load.finish()
    witness.is_stopping = True
    witness.thread.join(10)
    broker.kill()
    broker.start()
    findings = []
    for partition in range(PARTITIONS):
        attempts = [attempt for load in loads for attempt in load.attempts if attempt.partition == partition]
        found = history.check_partition(attempts, log_of(broker, partition), witness.seen[partition])
        findings += [f"partition {partition}: {text}" for text in found]
    check(not findings, f"{len(findings)} findings:\n" + "\n".join(findings[:20]))
    for load in loads[:2]:
        errors = [attempt.error for attempt in load.attempts if attempt.error is not None]
        check(not errors, f"{load.name}: {len(errors)} records failed, first: {errors[:1]}")
    current.note(f"{rounds} kills, {sum(load.acknowledged for load in loads)} records acknowledged, "
                 f"{sum(map(len, witness.seen.values()))} read meanwhile, slowest start {slowest_s:.2f} s")
    broker.stop()
