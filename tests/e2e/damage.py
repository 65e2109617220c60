"""Bytes that change on the disk while the broker is down, and file systems that cannot write directly: what is damaged
is said, with file and offset, and never served; everything else is."""
import os
import re
import subprocess

import clients
from harness import Skip, case, check, check_equal
from wire import LATEST, Record, split_batches

CORRUPT_MESSAGE, STORAGE_ERROR = 2, 56
COUNT, VALUE_BYTES, SMALL_BYTES = 25, 100_000, 3000


def files_below(folder):
    return [os.path.join(place, name) for place, _, names in os.walk(folder) for name in names]


def spoil(current, folder, value):
    """Overwrites a few bytes of a stored value, in every file that holds it; the names of the files."""
    spoiled = []
    for path in files_below(folder):
        with open(path, "r+b") as file:
            at = file.read().find(value[100:160])
            if at >= 0:
                file.seek(at)
                file.write(bytes(byte ^ 0x55 for byte in value[100:100 + current.random.randint(1, 20)]))
                spoiled.append(path)
    check(spoiled, "the value to damage is in no file")
    return spoiled


def read_on(wire, values):
    """Reads from offset 0, checking every byte; (offset of the first error or the end, error code)."""
    offset = 0
    while offset < len(values):
        row = wire.fetch_raw("hit", 0, offset, 1 << 18)
        batches = split_batches(row["records"] or b"")
        for batch in batches:
            for record in batch.records():
                check(record.value == values[record.offset], f"wrong bytes are served at offset {record.offset}")
        if row["error_code"] or not batches:
            return offset, row["error_code"]
        offset = batches[-1].last_offset + 1
    return offset, 0


@case("damage")
def damage(current):
    # (value to damage, size of values, how it stops)
    scenes = [(15, VALUE_BYTES, "stop"), (15, VALUE_BYTES, "kill"), (23, VALUE_BYTES, "kill"),
              (12, SMALL_BYTES, "kill")]
    for number, (victim, value_bytes, how) in enumerate(scenes):
        what = f"value {victim} of {value_bytes} bytes damaged after {how}"
        broker = current.broker(f"scene-{number}")
        values = [current.random.randbytes(value_bytes) for _ in range(COUNT)]
        with broker.wire() as wire:
            for topic in ("hit", "fine"):
                wire.create_topic(topic, 1, {"segment.bytes": str(1 << 20)})
                for i, value in enumerate(values):
                    record = Record(None, value if topic == "hit" else value[:SMALL_BYTES][::-1])
                    check_equal(wire.produce(topic, 0, [record]), (0, i), "filling")
        getattr(broker, how)()
        spoil(current, broker.data, values[victim])
        broker.start()
        with broker.wire() as wire:
            end, code = read_on(wire, values)
            check(end <= victim, f"{what}: read up to {end}")
            if value_bytes == VALUE_BYTES:
                check_equal(end, victim, f"{what}: where reading ends")
            latest = wire.list_offset("hit", 0, LATEST)[1]
            check(code == CORRUPT_MESSAGE or code == STORAGE_ERROR or latest == end,
                  f"{what}: error {code} at {end}, the log ends at {latest}")
            found = [record.value for batch in wire.fetch_batches("fine", 0) for record in batch.records()]
            check(found == [value[:SMALL_BYTES][::-1] for value in values], f"{what}: the other topic is not whole")
            check_equal(wire.produce("fine", 0, [Record(None, b"on")]), (0, COUNT), f"{what}: the other topic")
        text = broker.log()
        told = [line for line in text.split("\n") if line.startswith("ERROR") and "damaged" in line]
        check(told and re.search(r"hit-0|journal", told[0]) and re.search(r"(byte|offset) \d+", told[0]),
              f"{what}: the log does not say where:\n{text}")
        broker.stop()
        if value_bytes == SMALL_BYTES:  # what only the journal has is not forgotten by starting often
            broker.start()
            check("damaged" in broker.log(), f"{what}: the next start says nothing:\n{broker.log()}")
            with broker.wire() as wire:
                code, _ = wire.produce("hit", 0, [Record(None, b"on top")])
                check(code != 0, f"{what}: the next start has forgotten it and takes records again")
            broker.stop()
    current.note(f"{len(scenes)} scenes")


@case("damage-derived")
def damage_derived(current):
    """What can be made again is: everything but segments, journal and the two small files may be missing or garbage."""
    for how in ("removed", "garbage"):
        broker = current.broker(f"derived-{how}")
        values = [current.random.randbytes(60_000) for _ in range(60)]
        with broker.wire() as wire:
            wire.create_topic("made", 1, {"segment.bytes": str(1 << 20)})
            for i, value in enumerate(values):
                wire.produce("made", 0, [Record(None, value, timestamp=1_700_000_000_000 + i)])
        broker.stop()
        derived = [path for path in files_below(broker.data)
                   if path.endswith((".idx", ".snp", ".index", ".epochs")) and "made-0" in path]
        for path in derived:
            if how == "removed":
                os.unlink(path)
            else:
                with open(path, "wb") as file:
                    file.write(current.random.randbytes(500))
        broker.start()
        with broker.wire() as wire:
            found = [record.value for batch in wire.fetch_batches("made", 0) for record in batch.records()]
            check(found == values, f"{len(derived)} files {how}: the log is not whole")
            check_equal(wire.list_offset("made", 0, 1_700_000_000_041)[:2], (0, 41), f"offset of a time, files {how}")
        broker.stop()
        current.note(f"{len(derived)} files {how}")


@case("start-buffered")
def start_buffered(current):
    """On a file system without direct I/O the broker says so and works, over a restart and kill -9."""
    if os.geteuid() != 0:
        raise Skip("only root can mount a file system without direct I/O")
    folder = os.path.join(current.folder, "ram")
    os.makedirs(folder)
    mount = ["mount", "-t", "ramfs", "millrace-e2e", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        raise Skip("ramfs cannot be mounted here")
    current.cleaners.append(lambda: subprocess.run(["umount", "-l", folder], check=False))
    broker = current.broker(start=False, shards=2, settings={"millrace.journal.bytes": 8 << 20,
                                                             "log.segment.bytes": 1 << 20})
    broker.data = os.path.join(folder, "data")
    broker.start()
    check("buffered writes" in broker.log(), f"the banner does not say how it writes:\n{broker.log()}")
    check("NOT DURABLE" in broker.log(), "the banner promises what memory cannot keep")
    records = [(i % 4, b"%d" % i, current.random.randbytes(3000), [], None) for i in range(3000)]
    with broker.wire() as wire:
        wire.create_topic("ram", 4)
    clients.confluent_produce(broker.bootstrap, "ram", "none", records)
    for how in (None, broker.stop, broker.kill):
        if how is not None:
            how()
            broker.start()
        clients.check_same(records, clients.confluent_consume(broker.bootstrap, "ram", 4), f"after {how}")
    broker.stop()


@case("kcat-modes")
def kcat_modes(current):
    """What people do with kcat by hand: metadata, offsets by time, from an offset, the last ones, one partition."""
    broker = current.broker(shards=2)
    lines = [b"line %d" % i for i in range(100)]
    with broker.wire() as wire:
        wire.create_topic("hand", 2)
    clients.kcat(broker.bootstrap, "-P", "-t", "hand", "-p", "0", stdin=b"\n".join(lines))
    records = [(1, None, line, [], 1_700_000_000_000 + i) for i, line in enumerate(lines)]
    clients.confluent_produce(broker.bootstrap, "hand", "gzip", records)

    def read(*words):
        return clients.kcat(broker.bootstrap, "-C", "-t", "hand", "-e", "-q", *words).split(b"\n")[:-1]

    text = clients.kcat(broker.bootstrap, "-L").decode()
    check("2 brokers" in text and 'topic "hand" with 2 partitions' in text, text)
    check_equal(read("-p", "0", "-o", "90"), lines[90:], "from offset 90")
    check_equal(read("-p", "1", "-o", "-5"), lines[-5:], "the last five")
    check_equal(read("-p", "1", "-o", "s@1700000000040", "-o", "e@1700000000043"), lines[40:43], "between two times")
    check_equal(read("-p", "0", "-o", "beginning", "-c", "3"), lines[:3], "the first three")
    text = clients.kcat(broker.bootstrap, "-Q", "-t", "hand:1:1700000000077").decode()
    check("hand [1] offset 77" in text, text)
    clients.kcat(broker.bootstrap, "-P", "-t", "demand", stdin=b"made on demand\n")
    check_equal(clients.kcat(broker.bootstrap, "-C", "-t", "demand", "-e", "-q", "-o", "beginning"),
                b"made on demand\n", "a topic made on demand")
    broker.stop()
