"""What the log does over time: rolling, retention, many segments and partitions over restarts, and a full disk."""
import os
import shutil
import subprocess
import threading
import time

import clients
from harness import Skip, case, check, check_equal, wait_until
from wire import EARLIEST, LATEST, CODECS, Record, WireError, make_batch

STORAGE_ERROR, NOT_ENOUGH_REPLICAS, NOT_ENOUGH_REPLICAS_AFTER, TIMED_OUT = 56, 19, 20, 7
RETRIABLE = {STORAGE_ERROR, NOT_ENOUGH_REPLICAS, NOT_ENOUGH_REPLICAS_AFTER, TIMED_OUT, 5, 6, 8, 13, 89}


def fill(wire, topic, partition, count, value_bytes, rng, first=0):
    """`count` batches of one record of random bytes, eight requests under way; the values."""
    values, waiting = [], []
    for i in range(count + 8):
        if i < count:
            values.append(b"%08d" % (first + i) + rng.randbytes(value_bytes - 8))
            waiting.append(wire.send("Produce", 9, {"acks": -1, "timeout_ms": 10000, "topic_data": [
                {"name": topic, "partition_data": [{"index": partition, "records": make_batch(
                    [Record(None, values[-1])])}]}]}))
        if i >= 8:
            row = wire.receive("Produce", 9, waiting.pop(0))["responses"][0]["partition_responses"][0]
            check_equal((row["error_code"], row["base_offset"]), (0, first + i - 8), f"batch {i - 8} of {topic}")
    return values


def values_from(wire, topic, partition, offset):
    return [record.value for batch in wire.fetch_batches(topic, partition, offset) for record in batch.records()]


@case("retention", long=True)
def retention(current):
    """Segments roll by size; retention drops the oldest; what is left is whole, also after a restart and kill -9."""
    broker = current.broker(settings={"log.retention.check.interval.ms": 300, "log.segment.delete.delay.ms": 500})
    with broker.wire(timeout_s=20) as wire:
        wire.create_topic("short", 1, {"segment.bytes": str(1 << 20), "retention.bytes": str(3 << 20),
                                       "file.delete.delay.ms": "200"})
        wire.create_topic("keep", 1, {"segment.bytes": str(1 << 20)})
        wire.create_topic("aged", 1, {"segment.bytes": str(1 << 20), "retention.ms": "1500",
                                      "file.delete.delay.ms": "200"})
        small = fill(wire, "keep", 0, 300, 5000, current.random)
        large = fill(wire, "keep", 0, 40, 200_000, current.random, first=300)
        short = fill(wire, "short", 0, 80, 100_000, current.random)
        fill(wire, "aged", 0, 30, 100_000, current.random)

        def earliest(topic):
            return wire.list_offset(topic, 0, EARLIEST)[1]

        wait_until(lambda: earliest("short") > 0, 10, "retention by size")
        wait_until(lambda: earliest("aged") > 0, 10, "retention by time")
        time.sleep(1)
        first = earliest("short")
        check(40 <= first <= 60, f"of 80 batches of 100,000 bytes with 3 MiB kept, the first is {first}")
        check_equal(values_from(wire, "short", 0, first), short[first:], "what retention left")
        check_equal(wire.fetch_raw("short", 0, 0)["error_code"], 1, "fetch of what is gone")
        check_equal(earliest("keep"), 0, "a topic without limits")
        check_equal(values_from(wire, "keep", 0, 0), small + large, "a topic of many segments")
        reply = wire.call("DescribeLogDirs", 4, {"topics": None})
        sizes = {row["name"]: row["partitions"][0]["partition_size"] for row in reply["results"][0]["topics"]}
        check(2 << 20 < sizes["short"] < 6 << 20, f"{sizes['short']} bytes on disk with 3 MiB to keep")
        current.note(f"first kept: {first} of 80; {sizes['short'] >> 10} KiB stored")
    for how in (broker.stop, broker.kill):
        how()
        broker.start()
        with broker.wire() as wire:
            check(first <= wire.list_offset("short", 0, EARLIEST)[1] <= first + 20, "the start after a new start")
            check_equal(values_from(wire, "keep", 0, 0), small + large, "a topic of many segments, again")
            check_equal(wire.list_offset("keep", 0, LATEST)[1], 340, "its end")
    broker.stop()


@case("many-partitions")
def many_partitions(current):
    """Hundreds of partitions, a few records each: restarts stay quick and nothing is mixed up."""
    count = 2000 if current.full else 400
    broker = current.broker(shards=2)
    with broker.wire(timeout_s=60) as wire:
        begin = time.monotonic()
        check_equal(wire.create_topic("many", count, timeout_ms=60000)["error_code"], 0, f"creating {count} partitions")
        created_s = time.monotonic() - begin
    records = [(i, b"%d" % i, b"value-%d-%d" % (i, k), [], None) for k in range(2) for i in range(count)]
    clients.confluent_produce(broker.bootstrap, "many", "none", records)
    stopped = time.monotonic()
    broker.stop()
    stop_s = time.monotonic() - stopped
    broker.start()
    clean_s = broker.ready_s
    clients.check_same(records, clients.confluent_consume(broker.bootstrap, "many", count), "many")
    broker.kill()
    broker.start()
    clients.check_same(records, clients.confluent_consume(broker.bootstrap, "many", count), "many, after kill -9")
    current.note(f"{count} created in {created_s:.1f} s, stopped in {stop_s:.1f} s, started in {clean_s:.1f} s, "
                 f"after kill -9 in {broker.ready_s:.1f} s")
    broker.stop()


def small_disk(current, size_bytes):
    """A folder on a file system of its own, as small as asked for; ext4 in a file, else in memory."""
    if os.geteuid() != 0:
        raise Skip("only root can mount a small file system")
    folder = os.path.join(current.folder, "disk")
    image = os.path.join(current.folder, "image")
    os.makedirs(folder)
    with open(image, "wb") as file:
        file.truncate(size_bytes)
    attempts = [["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "millrace-e2e", folder]]
    make = shutil.which("mkfs.ext4", path=os.environ.get("PATH", "") + ":/sbin:/usr/sbin")
    if make and subprocess.run([make, "-q", "-F", "-m", "0", image], capture_output=True, check=False).returncode == 0:
        attempts.insert(0, ["mount", "-o", "loop", image, folder])
    for attempt in attempts:
        if subprocess.run(attempt, capture_output=True, check=False).returncode == 0:
            current.cleaners.append(lambda: subprocess.run(["umount", "-l", folder], check=False))
            current.note("ext4" if "loop" in attempt else "tmpfs")
            return folder
    raise Skip("no small file system can be mounted here")


@case("disk-full")
def disk_full(current):
    """A full disk refuses produce with an error that clients retry, goes on serving, and recovers by itself."""
    folder = small_disk(current, 96 << 20)
    broker = current.broker(start=False, settings={
        "millrace.journal.bytes": 4 << 20, "millrace.free.bytes.min": 8 << 20, "log.segment.delete.delay.ms": 100,
        "log.retention.check.interval.ms": 300})
    broker.data = os.path.join(folder, "data")
    broker.start()
    stored, refused = 0, []
    with broker.wire(timeout_s=20) as wire:
        wire.create_topic("fill", 1, {"segment.bytes": str(8 << 20), "file.delete.delay.ms": "100"})
        wire.create_topic("small", 1)
        kept = fill(wire, "small", 0, 10, 1000, current.random)
        value = current.random.randbytes(200_000)
        batch = make_batch([Record(None, value)])
        for _ in range(2000):
            row = wire.produce_raw("fill", 0, batch)
            if row["error_code"]:
                refused.append(row["error_code"])
                if len(refused) >= 5:
                    break
                continue
            check_equal(row["base_offset"], stored, "offset while the disk fills")
            stored += 1
        check(refused, "a disk of 96 MiB never filled up")
        check(set(refused) <= RETRIABLE, f"errors of a full disk: {sorted(set(refused))}, not all retriable")
        check(stored > 100, f"the disk is full after {stored} records of 200 kB")
        check([value] * stored == values_from(wire, "fill", 0, 0), "what was acknowledged is not what the disk holds")
        check_equal(values_from(wire, "small", 0, 0), kept, "another topic")
        check(wire.metadata("small")["topics"][0]["error_code"] == 0, "metadata on a full disk")
        # Deleting makes room; the producer that only retries gets through, without a restart.
        reply = wire.call("DeleteTopics", 6, {"timeout_ms": 5000, "topics": [{"name": "fill"}]})
        check_equal(reply["responses"][0]["error_code"], 0, "deleting a topic on a full disk")

        def accepted():
            return wire.produce("small", 0, [Record(None, b"again")])[0] == 0

        wait_until(accepted, 20, "produce after room was made", 0.3)
        check_equal(values_from(wire, "small", 0, 0)[:10], kept, "the other topic afterwards")
    current.note(f"{stored} records, then errors {sorted(set(refused))}")
    broker.restart()
    with broker.wire() as wire:
        check_equal(values_from(wire, "small", 0, 0)[:10], kept, "the other topic after a restart")
    broker.stop()
    current.cleaners.pop()()


@case("readers-and-writers")
def readers_and_writers(current):
    """Consumers that follow the end see every record once and in order while producers write and topics come and go."""
    broker = current.broker(shards=2)
    with broker.wire() as wire:
        wire.create_topic("live", 4, {"segment.bytes": str(1 << 20)})
    errors, found = [], {}

    def follow():
        try:
            consumer = clients.confluent_consumer(broker.bootstrap, fetch_wait_max_ms=50)
            import confluent_kafka
            consumer.assign([confluent_kafka.TopicPartition("live", i, 0) for i in range(4)])
            deadline = time.monotonic() + 40
            while sum(map(len, found.values())) < 20_000 and time.monotonic() < deadline:
                for message in consumer.consume(500, 0.1):
                    if message.error() is None:
                        found.setdefault(message.partition(), []).append((message.offset(), message.value()))
            consumer.close()
        except Exception as error:  # told on the main thread
            errors.append(error)

    reader = threading.Thread(target=follow, daemon=True)
    reader.start()
    sent = {}
    for number, codec in enumerate(CODECS):
        records = [(i % 4, None, b"%d-%d-" % (number, i) + bytes(i % 300), [], None) for i in range(4000)]
        clients.confluent_produce(broker.bootstrap, "live", codec, records)
        for record in records:
            sent.setdefault(record[0], []).append(record[2])
        with broker.wire() as wire:
            wire.create_topic(f"passing-{number}", 3)
            wire.call("DeleteTopics", 6, {"timeout_ms": 5000, "topics": [{"name": f"passing-{number}"}]})
    reader.join(45)
    check(not errors, f"the reader failed: {errors}")
    for partition, values in sent.items():
        check_equal([offset for offset, _ in found.get(partition, [])], list(range(len(values))), "offsets followed")
        check([value for _, value in found[partition]] == values, f"values of partition {partition}")
    broker.stop()
