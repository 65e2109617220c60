"""Transactions through librdkafka: what is committed is there once and whole, what is aborted is not, whoever dies.

A transfer moves an amount between partitions of several shards in one transaction, so every committed transfer sums to
zero, and the sum of all that a reader of committed records sees is zero as well.
"""
import json
import threading
import time

import confluent_kafka

import clients
from harness import case, check, check_equal, wait_until

TOPIC, PARTITIONS = "transfers", 6
SETTINGS = {"offsets.topic.num.partitions": 6,
            "transaction.state.log.num.partitions": 6,
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": 500}
CALL_S = 20


def transactional_producer(broker, name, **settings):
    return clients.confluent_producer(
        broker.bootstrap, transactional_id=name, transaction_timeout_ms=10000, message_timeout_ms=10000,
        reconnect_backoff_ms=20, reconnect_backoff_max_ms=200, retry_backoff_ms=20, socket_timeout_ms=5000,
        topic_metadata_refresh_fast_interval_ms=50, log_level=0, **settings)


class Discard(Exception):
    """This producer is not asked for anything more."""


class Teller:
    """Makes transfers, one transaction each, until it is told to stop. Outcomes: committed, aborted, unknown."""

    def __init__(self, broker, name, rng):
        self.broker, self.name, self.rng = broker, name, rng
        self.outcomes, self.is_stopping, self.reborn, self.failure = {}, False, 0, None
        self.lost = {}  # key: [(leg, error)] that librdkafka says it did not deliver
        self.thread = threading.Thread(target=self.run, daemon=True)

    def committed(self):
        return sum(outcome == "committed" for outcome in self.outcomes.values())

    def run(self):
        number, producer = 0, None
        try:
            while not self.is_stopping:
                try:
                    if producer is None:
                        producer = transactional_producer(self.broker, self.name)
                        producer.init_transactions(CALL_S)
                    number += 1
                    self.transfer(producer, f"{self.name}-{number}")
                except confluent_kafka.KafkaException as error:
                    if error.args[0].code() == confluent_kafka.KafkaError._STATE and not error.args[0].fatal():
                        self.failure = self.failure or str(error)
                    self.reborn += 1
                    producer = None  # the next one, with the same id, finds out what became of it
                except Discard:
                    self.reborn += 1
                    producer = None
        except Exception as error:  # a bug here must not look like a quiet teller
            self.failure = repr(error)

    def transfer(self, producer, key):
        legs = self.rng.randint(2, 5)
        amounts = [self.rng.randint(1, 100) for _ in range(legs - 1)]
        amounts.append(-sum(amounts))
        lost = self.lost[key] = []
        self.outcomes[key] = "aborted"  # whatever happens before the commit is asked for
        producer.begin_transaction()
        for leg, amount in enumerate(amounts):
            producer.produce(TOPIC, key=key, partition=self.rng.randrange(PARTITIONS),
                             value=json.dumps({"key": key, "leg": leg, "legs": legs, "amount": amount}),
                             on_delivery=lambda error, _, leg=leg: lost.append((leg, str(error))) if error else None)
        if self.rng.random() < 0.3:
            producer.flush(self.rng.random() * 0.1)
        if self.rng.random() < 0.25:
            # librdkafka gives the sequence numbers of what it throws away in an abort to the next records. Had one been
            # sent already, and written, and the answer lost, a broker takes the next record for it and drops it
            # (Kafka does, too). So nothing may be left to throw away.
            if producer.flush(CALL_S) > 0:
                raise Discard
            self.insist(producer, lambda: producer.abort_transaction(CALL_S))
            return
        self.outcomes[key] = "unknown"
        try:
            self.insist(producer, lambda: producer.commit_transaction(CALL_S))
            self.outcomes[key] = "committed"
        except confluent_kafka.KafkaException as error:
            if not error.args[0].txn_requires_abort():
                raise
            self.insist(producer, lambda: producer.abort_transaction(CALL_S))
            self.outcomes[key] = "aborted"
            raise Discard from None

    def insist(self, producer, call):
        """Again as long as librdkafka says that this may help."""
        while True:
            try:
                return call()
            except confluent_kafka.KafkaException as error:
                if not error.args[0].retriable():
                    raise


def read_committed(broker, topic=TOPIC, partitions=PARTITIONS):
    """Every record up to the end, by a reader of committed records."""
    consumer = confluent_kafka.Consumer({
        "bootstrap.servers": broker.bootstrap, "broker.address.family": "v4", "group.id": "reader",
        "enable.auto.commit": False, "isolation.level": "read_committed", "enable.partition.eof": True,
        "auto.offset.reset": "earliest", "log_level": 0})
    consumer.assign([confluent_kafka.TopicPartition(topic, i, 0) for i in range(partitions)])
    found, ended, deadline = [], set(), time.monotonic() + 60
    while len(ended) < partitions:
        check(time.monotonic() < deadline, f"only {len(ended)} partitions could be read to their end")
        message = consumer.poll(1)
        if message is None:
            continue
        if message.error() is None:
            found.append((message.partition(), message.offset(), message.value()))
        elif message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
            ended.add(message.partition())
        else:
            check(False, f"reading: {message.error()}")
    consumer.assign([])
    return found


def unstable(broker, topic=TOPIC, partitions=PARTITIONS):
    """Partitions whose last stable offset is behind their end."""
    found = []
    for partition in range(partitions):
        with broker.leader_wire(topic, partition) as wire:
            ends = [wire.list_offset(topic, partition, -1, isolation_level=level)[1] for level in (0, 1)]
            if ends[0] != ends[1]:
                found.append(f"{topic}-{partition}: end {ends[0]}, last stable offset {ends[1]}")
    return found


def check_transfers(records, outcomes):
    """Findings: what a reader of committed records saw that it must not, and what it missed."""
    findings, seen, total = [], {}, 0
    for partition, offset, value in records:
        row = json.loads(value)
        total += row["amount"]
        legs = seen.setdefault(row["key"], {})
        if row["leg"] in legs:
            findings.append(f"{row['key']} leg {row['leg']} twice, again at {partition}:{offset}")
        legs[row["leg"]] = row
    if total != 0:
        findings.append(f"the sum is {total}")
    for key, legs in seen.items():
        if len(legs) != next(iter(legs.values()))["legs"]:
            findings.append(f"{key}: legs {sorted(legs)} only")
        if outcomes[key] == "aborted":
            findings.append(f"{key} was aborted and can be read")
    findings += [f"{key} was committed and is missing" for key, outcome in outcomes.items()
                 if outcome == "committed" and key not in seen]
    return findings


def self_test():
    """The check itself must find what is spoiled."""
    def row(key, leg, amount, legs=2):
        return (0, 0, json.dumps({"key": key, "leg": leg, "legs": legs, "amount": amount}))
    good = [row("a", 0, 5), row("a", 1, -5)]
    check_equal(check_transfers(good, {"a": "committed", "b": "aborted", "c": "unknown"}), [], "a good history")
    for spoiled, outcomes in ((good[:1], {"a": "unknown"}), (good + good[1:], {"a": "committed"}),
                              ([], {"a": "committed"}), (good, {"a": "aborted"})):
        check(check_transfers(spoiled, outcomes), f"a spoiled history was taken for good: {spoiled} {outcomes}")


def create(broker):
    with broker.wire() as wire:
        check_equal(wire.create_topic(TOPIC, PARTITIONS)["error_code"], 0, "creating the topic")


def verify(current, broker, tellers):
    for teller in tellers:
        check(teller.failure is None, f"{teller.name}: {teller.failure}")
    wait_until(lambda: not unstable(broker), 40, "every transaction ended", interval_s=0.5)
    outcomes = {key: outcome for teller in tellers for key, outcome in teller.outcomes.items()}
    findings = check_transfers(read_committed(broker), outcomes)
    for teller in tellers:
        findings += [f"{key} is {teller.outcomes[key]} and librdkafka dropped legs {lost}"
                     for key, lost in teller.lost.items() if lost and teller.outcomes[key] == "committed"]
    check(not findings, f"{len(findings)} findings:\n" + "\n".join(findings[:20]))
    counts = {outcome: list(outcomes.values()).count(outcome) for outcome in ("committed", "aborted", "unknown")}
    current.note(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))


@case("transactions")
def transactions(current):
    """Without disturbance, on one shard and on four: commits, aborts, and a clean stop in the middle."""
    self_test()
    for shards in (1, 4):
        broker = current.broker(name=f"shards-{shards}", shards=shards, settings=SETTINGS)
        create(broker)
        tellers = [Teller(broker, f"teller-{i}", current.random) for i in range(3)]
        for teller in tellers:
            teller.thread.start()
        wait_until(lambda: all(teller.committed() >= 10 or teller.failure for teller in tellers), 40, "first transfers")
        broker.restart()
        before = [teller.committed() for teller in tellers]
        wait_until(lambda: all(teller.committed() >= count + 10 or teller.failure
                               for teller, count in zip(tellers, before)), 40, "transfers after a restart")
        for teller in tellers:
            teller.is_stopping = True
        for teller in tellers:
            teller.thread.join(60)
        verify(current, broker, tellers)
        broker.stop()


@case("transactions-fenced")
def fenced(current):
    """A second producer of the same id ends what the first one has open, and the first one gets nothing done."""
    broker = current.broker(shards=2, settings=SETTINGS)
    create(broker)
    first = transactional_producer(broker, "same")
    first.init_transactions(CALL_S)
    first.begin_transaction()
    first.produce(TOPIC, value=json.dumps({"key": "first", "leg": 0, "legs": 1, "amount": 0}), partition=0)
    first.flush(10)
    second = transactional_producer(broker, "same")
    second.init_transactions(CALL_S)
    second.begin_transaction()
    second.produce(TOPIC, value=json.dumps({"key": "second", "leg": 0, "legs": 1, "amount": 0}), partition=0)
    second.commit_transaction(CALL_S)
    try:
        first.commit_transaction(CALL_S)
        check(False, "the first producer could commit")
    except confluent_kafka.KafkaException as error:
        check(error.args[0].fatal(), f"the first producer was told {error}")
    check_equal(check_transfers(read_committed(broker), {"first": "aborted", "second": "committed"}), [], "readable")
    broker.stop()


@case("transactions-timeout")
def timed_out(current):
    """A producer that dies with an open transaction holds readers back until its timeout, not longer."""
    broker = current.broker(shards=2, settings=SETTINGS)
    create(broker)
    dead = clients.confluent_producer(broker.bootstrap, transactional_id="dead", transaction_timeout_ms=1500,
                                      message_timeout_ms=1500, log_level=0)
    dead.init_transactions(CALL_S)
    dead.begin_transaction()
    dead.produce(TOPIC, value=json.dumps({"key": "dead", "leg": 0, "legs": 1, "amount": 0}), partition=1)
    dead.flush(10)
    check_equal(len(unstable(broker)), 1, "partitions held back")
    broker.kill()
    broker.start()
    check_equal(len(unstable(broker)), 1, "partitions held back after kill -9")
    wait_until(lambda: not unstable(broker), 10, "the coordinator's abort")
    check_equal(check_transfers(read_committed(broker), {"dead": "aborted"}), [], "readable")
    broker.stop()


@case("transactions-kill")
def killed(current):
    """kill -9 of the broker again and again: committed transfers are whole, and none is left open."""
    rounds = 20 if current.full else 6
    broker = current.broker(shards=3, settings={**SETTINGS, "log.segment.bytes": 1 << 20})
    create(broker)
    tellers = [Teller(broker, f"teller-{i}", current.random) for i in range(4)]
    for teller in tellers:
        teller.thread.start()
    for _ in range(rounds):
        before = [teller.committed() for teller in tellers]
        wait_until(lambda: all(teller.committed() > count or teller.failure for teller, count in zip(tellers, before)),
                   40, "progress of every teller after a restart")
        time.sleep(0.1 + current.random.random() * 0.5)
        broker.kill()
        broker.start()
    for teller in tellers:
        teller.is_stopping = True
    for teller in tellers:
        teller.thread.join(60)
        check(not teller.thread.is_alive(), f"{teller.name} does not end")
    broker.kill()
    broker.start()
    verify(current, broker, tellers)
    current.note(f"{rounds} kills, {sum(teller.reborn for teller in tellers)} producers made anew")
    broker.stop()
