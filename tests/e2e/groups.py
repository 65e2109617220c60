"""Consumer groups with Debian's clients: everybody's share is read once, positions survive restarts and kill -9, and
members come and go.

A record's value is its number, so that what was read can be counted. A record may be read twice when the broker or a
member died in between, never zero times; a position that was committed and acknowledged never goes back.
"""
import subprocess
import threading
import time

import confluent_kafka
from confluent_kafka.admin import AdminClient, NewTopic

import clients
from harness import case, check, check_equal, wait_until

TOPIC = "numbers"
SETTINGS = {"group.initial.rebalance.delay.ms": 100}


def create(broker, partitions):
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    for future in admin.create_topics([NewTopic(TOPIC, partitions, 1)]).values():
        future.result(30)


def produce(broker, first, count, partitions):
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.bootstrap, "enable.idempotence": True})
    for number in range(first, first + count):
        producer.produce(TOPIC, value=str(number).encode(), partition=number % partitions)
        producer.poll(0)
    check_equal(producer.flush(30), 0, "records without an answer")


class Member(threading.Thread):
    """Polls, counts and commits until it is told to stop; `silent`: it only stops, until its client notices."""

    def __init__(self, broker, group, **config):
        super().__init__(daemon=True)
        self.read, self.owned, self.committed, self.errors = [], set(), {}, []
        self.ending, self.silent = False, False
        self.consumer = confluent_kafka.Consumer({
            "bootstrap.servers": broker.bootstrap, "group.id": group, "auto.offset.reset": "earliest",
            "enable.auto.commit": False, "session.timeout.ms": 6000, "heartbeat.interval.ms": 500,
            "max.poll.interval.ms": 8000, "reconnect.backoff.max.ms": 200, "log_level": 0, **config})
        self.consumer.subscribe([TOPIC], on_assign=self.assigned, on_revoke=self.revoked, on_lost=self.revoked)

    def assigned(self, _consumer, partitions):
        self.owned |= {part.partition for part in partitions}

    def revoked(self, _consumer, partitions):
        self.owned -= {part.partition for part in partitions}

    def step(self):
        messages = self.consumer.consume(50, 0.1)
        for message in messages:
            if message.error() is None:
                self.read.append((message.partition(), message.offset(), int(message.value())))
        if messages:
            try:
                for part in self.consumer.commit(asynchronous=False) or []:
                    if part.error is None and part.offset >= 0:
                        self.committed[part.partition] = part.offset
            except confluent_kafka.KafkaException as error:
                if not error.args[0].retriable() and error.args[0].name() not in (
                        "ILLEGAL_GENERATION", "UNKNOWN_MEMBER_ID", "REBALANCE_IN_PROGRESS", "_NO_OFFSET", "_WAIT_COORD",
                        "COORDINATOR_LOAD_IN_PROGRESS", "NOT_COORDINATOR", "_TRANSPORT", "_TIMED_OUT", "_STATE",
                        "COORDINATOR_NOT_AVAILABLE", "_FAIL", "_ASSIGNMENT_LOST"):
                    self.errors.append(error)

    def run(self):
        while not self.ending:
            self.step()
        if not self.silent:
            self.consumer.close()

    def end(self):
        self.ending = True
        self.join(30)
        check(not self.is_alive(), "a member does not end")
        check(not self.errors, f"a member was told {self.errors[:1]}")


def all_read(members, count):
    return len({number for member in members for _, _, number in member.read}) == count


def positions(broker, group, partitions):
    reader = confluent_kafka.Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group})
    try:
        asked = [confluent_kafka.TopicPartition(TOPIC, part) for part in range(partitions)]
        found = reader.committed(asked, timeout=20)
        return {part.partition: part.offset for part in found}
    finally:
        reader.close()


@case("groups/kcat")
def kcat_reads_on(run):
    """What one kcat has read, the next one of the group does not get again, also after kill -9."""
    broker = run.broker(shards=2, settings=SETTINGS)
    create(broker, 3)
    produce(broker, 0, 300, 3)
    first = clients.kcat(broker.bootstrap, "-G", "g", "-e", "-q", "-X", "auto.offset.reset=earliest", TOPIC)
    check_equal(sorted(map(int, first.split())), list(range(300)), "the first reading")
    broker.kill()
    broker.start()
    produce(broker, 300, 60, 3)
    second = clients.kcat(broker.bootstrap, "-G", "g", "-e", "-q", "-X", "auto.offset.reset=earliest", TOPIC)
    check_equal(sorted(map(int, second.split())), list(range(300, 360)), "the second reading")


def churn(run, shards, strategy):
    """Three members; one comes, one goes, one dies, the broker is killed twice: everything is read."""
    partitions, group, total = 6, f"churn-{strategy}", 0
    broker = run.broker(f"broker-{strategy}", shards=shards, settings=SETTINGS)
    create(broker, partitions)
    members = [Member(broker, group, **{"partition.assignment.strategy": strategy}) for _ in range(3)]
    for member in members:
        member.start()

    def more(count=600):
        nonlocal total
        produce(broker, total, count, partitions)
        total += count

    def settled(active):
        owned = [part for member in active for part in member.owned]
        return sorted(owned) == list(range(partitions)) and all(member.owned for member in active)

    more()
    wait_until(lambda: all_read(members, total) and settled(members), 60, "three members have read everything")
    late = Member(broker, group, **{"partition.assignment.strategy": strategy})
    late.start()
    members.append(late)
    wait_until(lambda: settled(members), 60, "the fourth member has a share")
    for _ in range(2):
        acknowledged = {}
        for member in members:
            for part, offset in member.committed.items():
                acknowledged[part] = max(offset, acknowledged.get(part, -1))
        broker.kill()
        broker.start()
        found = positions(broker, group, partitions)
        for part, offset in acknowledged.items():
            check(found[part] >= offset, f"partition {part}: {found[part]} is committed, {offset} was acknowledged")
        more()
        wait_until(lambda: all_read(members, total), 60, "everything is read after kill -9")
    members[0].end()
    wait_until(lambda: settled(members[1:]), 60, "the others take over from one that left")
    members[1].silent = True
    members[1].ending = True
    more()
    wait_until(lambda: all_read(members, total), 90, "everything is read after a member died")
    for member in members[2:]:
        member.end()
    found = positions(broker, group, partitions)
    check_equal(sum(found.values()), total, "the committed positions")
    run.note(f"{strategy}: {total} records, read {sum(len(member.read) for member in members)} times")
    broker.stop()


@case("groups/eager")
def eager(run):
    churn(run, 4, "range")


@case("groups/cooperative", quick=False)
def cooperative(run):
    churn(run, 2, "cooperative-sticky")


LONG = {"session.timeout.ms": 20000, "max.poll.interval.ms": 30000}


@case("groups/static", quick=False)
def static(run):
    """A static member that comes back within its session gets its share again, and nobody else notices."""
    broker = run.broker(shards=2, settings=SETTINGS)
    create(broker, 4)
    produce(broker, 0, 400, 4)
    stays = Member(broker, "static", **{"group.instance.id": "a", **LONG})
    leaves = Member(broker, "static", **{"group.instance.id": "b", **LONG})
    stays.start()
    leaves.start()
    wait_until(lambda: all_read([stays, leaves], 400) and stays.owned and leaves.owned, 60, "both have a share")
    before, share = set(stays.owned), set(leaves.owned)
    leaves.end()  # closes without a LeaveGroup, as static members do
    back = Member(broker, "static", **{"group.instance.id": "b", **LONG})
    back.start()
    wait_until(lambda: back.owned == share, 30, "the static member has its share again")
    check_equal(stays.owned, before, "the other one's share")
    back.end()
    stays.end()


@case("groups/java", quick=False)
def java(run):
    """The console consumer of Apache Kafka in a group, if its jars are at hand (MILLRACE_KAFKA_LIBS)."""
    import os
    from harness import Skip
    jars = os.environ.get("MILLRACE_KAFKA_LIBS")
    if not jars:
        raise Skip("MILLRACE_KAFKA_LIBS names no folder")
    broker = run.broker(shards=2, settings=SETTINGS)
    create(broker, 3)
    produce(broker, 0, 300, 3)
    words = ["java", "-cp", f"{jars}/*", "org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server",
             broker.bootstrap, "--topic", TOPIC, "--group", "java", "--from-beginning", "--timeout-ms", "8000"]

    def read():
        out = subprocess.run(words, capture_output=True, timeout=90, check=False).stdout
        return sorted(int(line) for line in out.split(b"\n") if line.isdigit())  # its own log lines go there, too

    begin = time.monotonic()
    check_equal(read(), list(range(300)), "the first reading")
    produce(broker, 300, 30, 3)
    check_equal(read(), list(range(300, 330)), "the second reading")
    run.note(f"{time.monotonic() - begin:.0f} s of Java")
