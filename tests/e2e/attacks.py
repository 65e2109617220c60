"""Hostile and broken clients: each costs itself at most. A probe client works beside every attack and must not
notice."""
import random
import struct
import threading
import time

from harness import case, check, check_equal, wait_until
from wire import EARLIEST, LATEST, SCHEMAS, Record, Wire, WireError, make_batch, split_batches

CORRUPT_MESSAGE, MESSAGE_TOO_LARGE, UNSUPPORTED_VERSION = 2, 10, 35
UNSUPPORTED_FORMAT, INVALID_RECORD, NOT_LEADER, INVALID_ACKS = 43, 87, 6, 21
FRAME_BYTES_MAX = 100 << 20
PROBE_SLOW_S = 3.0  # on a machine that does much besides


class Probe:
    """Produces and fetches one record after the other, and keeps the longest time it took."""

    def __init__(self, broker):
        self.broker, self.error, self.slowest_s, self.rounds = broker, None, 0.0, 0
        self.is_stopping = False
        with broker.wire() as wire:
            check_equal(wire.create_topic("probe")["error_code"], 0, "creating the probe's topic")
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            with self.broker.leader_wire("probe", 0) as wire:
                while not self.is_stopping:
                    begin = time.monotonic()
                    value = b"probe-%d" % self.rounds
                    code, offset = wire.produce("probe", 0, [Record(None, value)])
                    check_equal((code, offset), (0, self.rounds), "the probe's produce")
                    row = wire.fetch_raw("probe", 0, offset)
                    check_equal(split_batches(row["records"])[0].records()[0].value, value, "the probe's record")
                    self.slowest_s = max(self.slowest_s, time.monotonic() - begin)
                    self.rounds += 1
                    time.sleep(0.002)
        except Exception as error:  # told by finish() on the main thread
            self.error = error

    def finish(self, current):
        self.is_stopping = True
        self.thread.join(15)
        check(self.error is None, f"the probe failed: {self.error}")
        check(self.rounds > 0, "the probe did nothing")
        check(self.slowest_s < PROBE_SLOW_S, f"the probe took {self.slowest_s:.2f} s once")
        current.note(f"probe: {self.rounds} rounds, slowest {self.slowest_s * 1000:.0f} ms")


def frame(body):
    return struct.pack(">i", len(body)) + body


def is_refused(broker, data, within_s=3.0):
    """Sends bytes on a connection of their own; True when the broker closes it."""
    with broker.wire() as wire:
        try:
            wire.send_raw(data)
        except WireError:
            return True
        return wire.is_closed_by_broker(within_s)


@case("attack-frames")
def attack_frames(current):
    """Garbage, lengths that lie, other protocols, requests cut off."""
    broker = current.broker(shards=2)
    probe = Probe(broker)
    closed = {
        "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "TLS": bytes.fromhex("16030100c8010000c40303") + bytes(200),
        "negative length": struct.pack(">i", -1),
        "longest length": struct.pack(">i", 0x7FFFFFFF),
        "just too long": struct.pack(">i", FRAME_BYTES_MAX + 1),
        "no header": frame(b""),
        "half a header": frame(b"\x00\x12\x00"),
        "unknown API": frame(struct.pack(">hhih", 1234, 0, 1, -1)),
        "client id longer than the frame": frame(struct.pack(">hhih", 18, 0, 1, 3000)),
        "unknown version of Metadata": frame(struct.pack(">hhih", 3, 99, 1, -1) + bytes(20)),
    }
    for name, data in closed.items():
        check(is_refused(broker, data), f"{name}: the connection stays open")
    # A newer ApiVersions is answered in version 0, so that any client can find a version in common.
    with broker.wire() as wire:
        wire.send_raw(frame(struct.pack(">hhih", 18, 77, 5, -1) + bytes(10)))
        reply = wire.receive("ApiVersions", 0, 5)
        check_equal(reply["error_code"], UNSUPPORTED_VERSION, "error of an unknown version of ApiVersions")
        check(any(row["api_key"] == 18 for row in reply["api_keys"]), "ApiVersions does not name itself")
        check(wire.api_versions(), "the connection does not live on")
    # Bytes behind a request are left alone: librdkafka's Metadata for all topics has three.
    with broker.wire() as wire:
        whole = wire.request_bytes("Metadata", 13, {"topics": None})
        wire.send_raw(frame(whole[4:] + bytes(3)))
        check_equal([row["name"] for row in wire.receive("Metadata", 13)["topics"]], ["probe"], "topics")
    # An announced length costs nothing before its bytes come.
    rss = broker.memory_bytes()
    held = [broker.wire(i % 2) for i in range(60)]
    for wire in held:
        wire.send_raw(struct.pack(">ihhih", FRAME_BYTES_MAX, 0, 9, 1, -1) + bytes(100))
    time.sleep(0.5)
    grown = broker.memory_bytes() - rss
    check(grown < 64 << 20 or current.has_sanitizer, f"{grown >> 20} MiB for 60 frames that did not come")
    for wire in held:
        wire.close()
    for i in range(400 if current.full else 150):
        with broker.wire(i % 2) as wire:
            try:
                wire.send_raw(current.random.randbytes(current.random.randint(1, 3000)))
                if i % 10 == 0:
                    wire.is_closed_by_broker(0.02)
            except WireError:
                pass
    probe.finish(current)
    broker.stop()


def random_request(rng, api, version, topics):
    """A valid request: every field with a value of its type, small, now and then a topic that exists."""
    def value_of(field, array):
        if array:
            return [value_of(field, False) for _ in range(rng.choice([0, 1, 1, 2]))]
        if field.base == "struct":
            return {inner.name: value_of(inner, inner.array) for inner in field.struct.fields
                    if inner.versions.has(version)}
        if field.base == "string":
            return rng.choice(topics + ["", "x" * 300, "no-such", "10", "retention.ms"])
        if field.base in ("bytes", "records"):
            return rng.choice([b"", rng.randbytes(80), make_batch([Record(b"k", b"v")])])
        if field.base == "uuid":
            return rng.randbytes(16)
        if field.base == "bool":
            return rng.random() < 0.5
        if field.base == "float64":
            return 0.5
        bits = {"int8": 7, "int16": 15, "uint16": 16, "int32": 31, "uint32": 32, "int64": 63}[field.base]
        return rng.choice([0, 1, 2, 5, (1 << bits) - 1] + ([] if field.base[0] == "u" else [-1, -(1 << bits)]))
    return {field.name: value_of(field, field.array) for field in SCHEMAS[api].messages[0].root.fields
            if field.versions.has(version)}


HARMFUL = ("CreateTopics", "CreatePartitions")  # a random count of partitions is taken at its word


@case("attack-requests")
def attack_requests(current):
    """Every API in every version with random content, whole and damaged: an answer or a closed connection."""
    broker = current.broker(shards=2, settings={"millrace.max.partitions": 500})
    probe = Probe(broker)
    rng = current.random
    with broker.wire() as wire:
        versions = {name: span for name, span in wire.api_versions().items() if name in SCHEMAS}
        check_equal(len(versions), len(SCHEMAS), "APIs advertised")
        wire.create_topic("victim", 3)
        wire.create_topic("prey", 3)  # the one that a random DeleteTopics may name
    answered = damaged = 0
    for api, (lowest, highest) in sorted(versions.items()):
        lowest = max(lowest, SCHEMAS[api].versions.lo)
        for version in range(lowest, highest + 1):
            for i in range(12 if current.full else 3):
                message = random_request(rng, api, version, ["prey" if api == "DeleteTopics" else "victim"])
                if api in HARMFUL:
                    message["validate_only"] = True
                if "timeout_ms" in message:
                    message["timeout_ms"] = 1000
                if "max_wait_ms" in message:
                    message["max_wait_ms"] = 10
                with broker.wire(i % 2) as wire:
                    data = bytearray(wire.request_bytes(api, version, message))
                    if i > 0:  # the first goes out as it is
                        damaged += 1
                        for _ in range(rng.randint(1, 4)):
                            data[rng.randrange(12, len(data))] = rng.randrange(256)
                    wire.send_raw(bytes(data))
                    if i == 0 and not (api == "Produce" and message["acks"] == 0):
                        try:
                            wire.receive(api, version)
                            answered += 1
                        except WireError as error:
                            check("closed" in str(error) or "reset" in str(error), f"{api} {version}: {error}")
    check(broker.is_alive(), "the broker died")
    with broker.leader_wire("victim", 0) as wire:
        wire.list_offset("victim", 0, LATEST)
    current.note(f"{answered} random requests answered, {damaged} damaged")
    probe.finish(current)
    broker.stop()


@case("attack-batches")
def attack_batches(current):
    """Batches whose header or checksum lies are refused with Kafka's errors, and nothing of them is stored."""
    broker = current.broker()
    probe = Probe(broker)
    with broker.wire() as wire:
        wire.create_topic("batches", 1, {"max.message.bytes": "100000"})
        some = [Record(b"k", b"v%d" % i) for i in range(5)]
        good = make_batch(some)
        lies = {
            "checksum": (make_batch(some, crc=1), [CORRUPT_MESSAGE]),
            "count above": (make_batch(some, count=6), [INVALID_RECORD, CORRUPT_MESSAGE]),
            "count below": (make_batch(some, count=4), [INVALID_RECORD, CORRUPT_MESSAGE]),
            "count of two thousand million": (make_batch(some, count=2_000_000_000), [INVALID_RECORD, CORRUPT_MESSAGE]),
            "count negative": (make_batch(some, count=-1), [INVALID_RECORD, CORRUPT_MESSAGE]),
            "last offset": (make_batch(some, last_delta=9), [INVALID_RECORD, CORRUPT_MESSAGE]),
            "length above": (make_batch(some, length=len(good)), [CORRUPT_MESSAGE, INVALID_RECORD]),
            "length below": (make_batch(some, length=49), [CORRUPT_MESSAGE, INVALID_RECORD]),
            "length negative": (make_batch(some, length=-5), [CORRUPT_MESSAGE, INVALID_RECORD]),
            "magic 7": (make_batch(some, magic=7), [CORRUPT_MESSAGE, INVALID_RECORD, UNSUPPORTED_FORMAT]),
            "magic 1": (make_batch(some, magic=1), [UNSUPPORTED_FORMAT, INVALID_RECORD, CORRUPT_MESSAGE]),
            "control batch": (make_batch(some, attributes=1 << 5), [INVALID_RECORD]),
            "codec 6": (make_batch(some, attributes=6), [INVALID_RECORD, CORRUPT_MESSAGE, 76]),
            "gzip that is none": (make_batch(some, attributes=1), [CORRUPT_MESSAGE, INVALID_RECORD]),
            "cut": (good[:-3], [CORRUPT_MESSAGE, INVALID_RECORD]),
            "two batches": (good + good, [INVALID_RECORD, CORRUPT_MESSAGE]),
            "nothing": (b"", [INVALID_RECORD, CORRUPT_MESSAGE]),
            "too large": (make_batch([Record(None, bytes(200000))]), [MESSAGE_TOO_LARGE]),
            "producer without sequence": (make_batch(some, producer=(5, 0, -1)), [INVALID_RECORD]),
        }
        for name, (data, codes) in lies.items():
            row = wire.produce_raw("batches", 0, data)
            check(row["error_code"] in codes, f"{name}: error {row['error_code']}, expected one of {codes}")
            check_equal(row["base_offset"], -1, f"{name}: offset")
        row = wire.produce_raw("batches", 0, good, acks=2)
        check_equal(row["error_code"], INVALID_ACKS, "acks=2")
        check_equal(wire.list_offset("batches", 0, LATEST)[1], 0, "records stored of what was refused")
        check_equal(wire.produce("batches", 0, some), (0, 0), "a good batch after all that")
        check_equal([record.value for record in wire.fetch_batches("batches", 0)[0].records()],
                    [record.value for record in some], "the good batch")
        # acks=0: an error closes the connection, so that the client looks for the leader again.
        wire.produce_raw("batches", 0, make_batch(some, crc=1), acks=0)
        check(wire.is_closed_by_broker(3), "a refused batch with acks=0 leaves the connection open")
    current.note(f"{len(lies)} lies")
    probe.finish(current)
    broker.stop()


@case("attack-slow", alone=True)
def attack_slow(current):
    """Readers that never read, writers that never finish: bounded memory, everybody else is served."""
    broker = current.broker(shards=2, settings={"millrace.memory.bytes": 128 << 20})
    with broker.wire() as wire:
        wire.create_topic("bulk", 1)
    with broker.leader_wire("bulk", 0) as wire:
        filling = make_batch([Record(None, current.random.randbytes(900_000))])
        for _ in range(40):
            check_equal(wire.produce_raw("bulk", 0, filling)["error_code"], 0, "filling")
        place = wire.socket.getpeername()
    probe = Probe(broker)
    rss = broker.memory_bytes()
    readers, writers = [], []
    for _ in range(30):
        reader = Wire(*place)
        for _ in range(20):
            reader.send("Fetch", 11, {"max_wait_ms": 0, "min_bytes": 1, "max_bytes": 50 << 20, "session_epoch": -1,
                                      "topics": [{"topic": "bulk", "partitions": [
                                          {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 50 << 20}]}]})
        readers.append(reader)
    half = make_batch([Record(None, bytes(500_000))])
    for _ in range(100):
        writer = Wire(*place)
        whole = writer.request_bytes("Produce", 9, {"acks": -1, "timeout_ms": 1000, "topic_data": [
            {"name": "bulk", "partition_data": [{"index": 0, "records": half}]}]})
        writer.send_raw(whole[:len(whole) // 2])
        writers.append(writer)
    time.sleep(3)
    grown = (broker.memory_bytes() - rss) >> 20
    check(grown < 200 or current.has_sanitizer, f"{grown} MiB more than before")
    with Wire(*place) as wire:
        check_equal(wire.produce("bulk", 0, [Record(None, b"still")])[0], 0, "produce beside the slow ones")
        check_equal(wire.list_offset("bulk", 0, EARLIEST)[:2], (0, 0), "the earliest offset")
    # A slow reader that wakes up gets everything, in order.
    reader = readers[0]
    row = reader.receive("Fetch", 11, 1)["responses"][0]["partitions"][0]
    check_equal((row["error_code"], split_batches(row["records"])[0].base_offset), (0, 0), "what waited for it")
    for wire in readers + writers:
        wire.close()
    current.note(f"{grown} MiB for 30 readers and 100 writers")
    probe.finish(current)
    broker.stop()


@case("attack-half-open", quick=False)
def attack_half_open(current):
    """A frame that was begun and does not go on is given up after ten seconds, an idle one when its time is up."""
    broker = current.broker(settings={"connections.max.idle.ms": 4000})
    probe = Probe(broker)
    begun, silent = broker.wire(), broker.wire()
    begun.send_raw(struct.pack(">ih", 1000, 3))
    begin = time.monotonic()
    check(silent.is_closed_by_broker(8), "an idle connection was not closed")
    check(2.5 < time.monotonic() - begin, "an idle connection was closed too early")
    check(begun.is_closed_by_broker(20), "a frame that does not go on keeps its connection")
    current.note(f"given up after {time.monotonic() - begin:.0f} s")
    probe.finish(current)
    broker.stop()


@case("pipelining")
def pipelining(current):
    """Requests of one connection are answered in order, also behind a long poll; others do not wait for it."""
    broker = current.broker()
    with broker.wire() as wire:
        wire.create_topic("pipe")
        poll = {"max_wait_ms": 1500, "min_bytes": 1, "max_bytes": 1000, "session_epoch": -1, "topics": [
            {"topic": "pipe", "partitions": [{"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1000}]}]}
        sent = [("Fetch", 11, wire.send("Fetch", 11, poll))]
        for i in range(40):
            api, version, message = [("Metadata", 9, {"topics": [{"name": "pipe"}]}), ("ApiVersions", 2, {}),
                                     ("ListOffsets", 5, {"replica_id": -1, "topics": [
                                         {"name": "pipe", "partitions": [{"partition_index": 0, "timestamp": -1}]}]}),
                                     ("FindCoordinator", 3, {"key": "g"})][i % 4]
            sent.append((api, version, wire.send(api, version, message)))
        begin = time.monotonic()
        with broker.wire() as other:
            check_equal(other.produce("pipe", 0, [Record(b"k", b"v")]), (0, 0), "produce on another connection")
        check(time.monotonic() - begin < 1.2, "another connection waited for the long poll")
        replies = [wire.receive(*request) for request in sent]
        row = replies[0]["responses"][0]["partitions"][0]
        check_equal(len(split_batches(row["records"])), 1, "batches of the long poll, which the produce ended")
        # Produce requests sent together are appended in their order.
        ids = [wire.send("Produce", 9, {"acks": -1, "timeout_ms": 5000, "topic_data": [
            {"name": "pipe", "partition_data": [{"index": 0, "records": make_batch([Record(None, b"%d" % i)])}]}]})
               for i in range(50)]
        offsets = [wire.receive("Produce", 9, i)["responses"][0]["partition_responses"][0]["base_offset"] for i in ids]
        check_equal(offsets, list(range(1, 51)), "offsets of 50 produce requests in flight")
        values = [record.value for batch in wire.fetch_batches("pipe", 0, 1) for record in batch.records()]
        check_equal(values, [b"%d" % i for i in range(50)], "their order in the log")
        # An empty long poll ends when its time is up.
        begin = time.monotonic()
        wire.fetch_raw("pipe", 0, 51, max_wait_ms=400)
        check(0.3 < time.monotonic() - begin < 2.0, f"a long poll of 0.4 s took {time.monotonic() - begin:.2f} s")
    broker.stop()


@case("wrong-shard")
def wrong_shard(current):
    """A partition asked of a shard that does not own it: NOT_LEADER_OR_FOLLOWER and where to go instead."""
    broker = current.broker(shards=4)
    with broker.wire(2) as wire:
        check_equal(wire.create_topic("spread", 8)["error_code"], 0, "creating a topic through shard 2")
        places = wire.leaders("spread")
        check_equal(sorted(set(place[1] - broker.port for place in places.values())), [0, 1, 2, 3], "shards that lead")
        controllers = set()
    for shard in range(4):
        with broker.wire(shard) as wire:
            check_equal(wire.leaders("spread"), places, f"leaders as shard {shard} sees them")
            controllers.add(wire.metadata()["controller_id"])
            for partition, place in places.items():
                code, _ = wire.produce("spread", partition, [Record(None, b"%d" % shard)])
                own = place[1] == broker.port + shard
                check_equal(code, 0 if own else NOT_LEADER, f"produce to {partition} through shard {shard}")
                check_equal(wire.fetch_raw("spread", partition, 0)["error_code"], 0 if own else NOT_LEADER, "fetch")
                check_equal(wire.list_offset("spread", partition, LATEST)[0], 0 if own else NOT_LEADER, "list offsets")
    check_equal(len(controllers), 1, "controllers that the shards name")
    broker.stop()
