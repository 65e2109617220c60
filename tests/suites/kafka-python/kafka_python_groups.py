"""Groups and transactions of kafka-python: joining, rebalancing, committing, administration."""
import threading
import time

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka import errors as Errors

try:
    from kafka.structs import OffsetAndMetadata
except ImportError:  # 2.0.2 has it elsewhere
    from kafka import OffsetAndMetadata

PARTITIONS = 6
WAIT_S = 30


def position(offset, note=""):
    """The type has three fields from 2.1 on."""
    fields = len(OffsetAndMetadata._fields)
    return OffsetAndMetadata(offset, note) if fields == 2 else OffsetAndMetadata(offset, note, -1)


class Member:
    """A consumer of a group in a thread of its own."""

    def __init__(self, crew, settings):
        self.crew, self.stopped = crew, threading.Event()
        self.client = KafkaConsumer(bootstrap_servers=crew.bootstrap, group_id=crew.group, auto_offset_reset="earliest",
                                    enable_auto_commit=False, heartbeat_interval_ms=200, session_timeout_ms=10000,
                                    **settings)
        self.client.subscribe([crew.topic])
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopped.is_set():
            batches = self.client.poll(timeout_ms=100)
            with self.crew.lock:
                self.crew.owned[self] = {place.partition for place in self.client.assignment()}
                for place, records in batches.items():
                    self.crew.seen.setdefault(place.partition, []).extend(record.offset for record in records)
            if batches:
                try:
                    self.client.commit()
                except Errors.CommitFailedError:
                    pass
        self.client.close()

    def leave(self):
        self.stopped.set()
        self.thread.join(WAIT_S)
        with self.crew.lock:
            self.crew.owned.pop(self, None)


class Crew:
    """What the members of one group did, by member and by partition."""

    def __init__(self, bootstrap, topic):
        self.bootstrap, self.topic, self.group = bootstrap, topic, "group-" + topic
        self.owned, self.seen, self.lock = {}, {}, threading.Lock()

    def join(self, **settings):
        return Member(self, settings)

    def until(self, what, holds):
        deadline = time.monotonic() + WAIT_S
        while True:
            with self.lock:
                if holds():
                    return
                owned = [sorted(parts) for parts in self.owned.values()]
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: not within {WAIT_S} s; owned {owned}")
            time.sleep(0.02)

    def shared(self, members):
        """So many members have all partitions between them, none twice, and nobody more than one more."""
        counts = [len(parts) for parts in self.owned.values()]
        everything = sorted(p for parts in self.owned.values() for p in parts)
        return len(counts) == members and everything == list(range(PARTITIONS)) and max(counts) - min(counts) <= 1

    def produce(self, count):
        producer = KafkaProducer(bootstrap_servers=self.bootstrap)
        for i in range(count):
            producer.send(self.topic, b"value %d" % i, partition=i % PARTITIONS)
        producer.flush(WAIT_S)
        producer.close()

    def read(self):
        return sum(map(len, self.seen.values()))

    def in_order(self):
        for partition, offsets in self.seen.items():
            if offsets != list(range(len(offsets))):
                raise AssertionError(f"partition {partition} was read as {offsets}"[:250])


def register(case, tools):
    """`tools`: BOOTSTRAP, VERSION, create, equal, raises, admin and Skipped of the cases."""
    bootstrap, create, equal, raises = tools["BOOTSTRAP"], tools["create"], tools["equal"], tools["raises"]

    def crew_of(name):
        return Crew(bootstrap, create(name, PARTITIONS))

    @case("groups: join, commit, go on")
    def _():
        crew = crew_of("group-life")
        crew.produce(600)
        first = crew.join()
        crew.until("all read", lambda: crew.read() >= 600)
        first.leave()
        crew.produce(300)
        second = crew.join()
        crew.until("the rest read", lambda: crew.read() >= 900)
        second.leave()
        equal(crew.read(), 900, "records, none a second time")
        crew.in_order()

    def rebalance(name, assignor):
        crew = crew_of("rebalance-" + name)
        settings = {"partition_assignment_strategy": [assignor]}
        first = crew.join(**settings)
        crew.until("one has all", lambda: crew.shared(1))
        others = [crew.join(**settings), crew.join(**settings)]
        crew.until("three share", lambda: crew.shared(3))
        others[0].leave()
        crew.until("two share", lambda: crew.shared(2))
        first.leave()
        crew.until("one has all again", lambda: crew.shared(1))
        crew.produce(60)
        crew.until("all read", lambda: crew.read() >= 60)
        others[1].leave()
        crew.in_order()

    @case("groups: rebalance, range")
    def _():
        from kafka.coordinator.assignors.range import RangePartitionAssignor
        rebalance("range", RangePartitionAssignor)

    @case("groups: rebalance, round robin")
    def _():
        from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
        rebalance("robin", RoundRobinPartitionAssignor)

    @case("groups: offsets without joining")
    def _():
        topic = create("simple", 2)
        client = KafkaConsumer(bootstrap_servers=bootstrap, group_id="simple-" + topic, enable_auto_commit=False)
        place = TopicPartition(topic, 1)
        client.assign([place])
        equal(client.committed(place), None, "before")
        client.commit({place: position(42, "note")})
        client.close()
        client = KafkaConsumer(bootstrap_servers=bootstrap, group_id="simple-" + topic, enable_auto_commit=False)
        equal(client.committed(place), 42, "after")
        client.close()

    @case("groups: list, describe, offsets, delete")
    def _():
        crew = crew_of("admin")
        crew.produce(60)
        member = crew.join()
        crew.until("all read", lambda: crew.read() >= 60)
        client = tools["admin"]()
        listing = getattr(client, "list_consumer_groups", None) or client.list_groups
        equal(crew.group in str(listing()), True, "listed")
        described = (getattr(client, "describe_consumer_groups", None) or client.describe_groups)([crew.group])
        equal("Stable" in str(described), True, "described as stable")
        member.leave()
        offsets = (getattr(client, "list_consumer_group_offsets", None) or client.list_group_offsets)(crew.group)
        found = offsets.get(crew.group, offsets) if isinstance(offsets, dict) else offsets
        equal(found[TopicPartition(crew.topic, 3)].offset, 10, "committed offset")
        (getattr(client, "delete_consumer_groups", None) or client.delete_groups)([crew.group])
        equal(crew.group in str(listing()), False, "listed after delete")
        client.close()

    def transactional(name):
        if not hasattr(KafkaProducer, "init_transactions"):
            raise tools["Skipped"](f"{tools['VERSION']} has no transactions")
        producer = KafkaProducer(bootstrap_servers=bootstrap, transactional_id=name)
        producer.init_transactions()
        return producer

    def committed(topic, count):
        client = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None, isolation_level="read_committed",
                               enable_auto_commit=False)
        place, found = TopicPartition(topic, 0), []
        client.assign([place])
        client.seek_to_beginning()
        deadline = time.monotonic() + WAIT_S
        while len(found) < count and time.monotonic() < deadline:
            found += [record.value for records in client.poll(timeout_ms=200).values() for record in records]
        client.close()
        return found

    @case("transactions: commit and abort")
    def _():
        topic = create("txn", 1)
        producer = transactional("txn-" + topic)
        for i in range(10):
            producer.begin_transaction()
            producer.send(topic, b"%d" % i, partition=0).get(WAIT_S)
            (producer.commit_transaction if i % 2 == 0 else producer.abort_transaction)()
        producer.close()
        equal(committed(topic, 5), [b"0", b"2", b"4", b"6", b"8"], "committed")

    @case("transactions: the newer producer wins")
    def _():
        topic = create("fenced", 1)
        old = transactional("fenced-" + topic)
        old.begin_transaction()
        old.send(topic, b"old", partition=0).get(WAIT_S)
        fresh = transactional("fenced-" + topic)
        fresh.begin_transaction()
        fresh.send(topic, b"fresh", partition=0).get(WAIT_S)
        fresh.commit_transaction()
        raises(Errors.KafkaError, old.commit_transaction)
        fresh.close()
        old.close(timeout=1)
        equal(committed(topic, 1), [b"fresh"], "committed")

    @case("transactions: offsets of a group")
    def _():
        topic = create("txn-offsets", 1)
        place, group = TopicPartition(topic, 0), "txn-offsets-" + topic
        producer = transactional(group)
        client = KafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
        for offset, end, expected in ((7, producer.abort_transaction, None), (8, producer.commit_transaction, 8)):
            producer.begin_transaction()
            sender = producer.send_offsets_to_transaction
            try:
                sender({place: position(offset)}, client.consumer_group_metadata())
            except AttributeError:
                sender({place: position(offset)}, group)
            end()
            deadline = time.monotonic() + WAIT_S
            while client.committed(place) != expected and time.monotonic() < deadline:
                time.sleep(0.05)
            equal(client.committed(place), expected, "committed offset")
        producer.close()
        client.close()
