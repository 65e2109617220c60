"""log dump: what is found in a data directory without a broker, whole and damaged."""
import glob
import os

from cli import DAMAGED, DONE, NOT_FOUND, USAGE, Client
from harness import Failure, Skip, case, check, check_equal, data_lines, wait_until


def spoil(path, position, length=16):
    with open(path, "r+b") as file:
        file.seek(position)
        old = file.read(length)
        file.seek(position)
        file.write(bytes(byte ^ 0x5a for byte in old))


@case("cli-log-dump")
def cli_log_dump(current):
    """log dump: after a clean stop, after kill -9, with damage; records as they were sent, internal topics decoded."""
    broker = current.broker(shards=2, settings={"log.segment.bytes": 1 << 20})
    cli = Client.__new__(Client)
    cli.current, cli.broker, cli.bootstrap, cli.mark = current, broker, broker.bootstrap, ""
    lines = data_lines("Apache.log")[:5000]
    cli.run("topic", "create", "logs", "-p", 2)
    cli.run("produce", "logs", "-z", "lz4", "-K", " ", stdin=b"\n".join(lines))
    cli.run("consume", "logs", "-g", "readers", "-e")
    cli.run("topic", "create", "money", "-p", 1)
    cli.run("produce", "money", "--txn", "teller", "-m", "coin")
    wait_until(lambda: cli.json("txn", "describe", "teller")["transactions"][0]["state"] == "CompleteCommit", 10,
               "the commit")
    expected = sorted((record["partition"], record["offset"], record["key"], record["value"])
                      for record in cli.lines("consume", "logs", "-e"))
    broker.kill()

    def dump(*words, code=DONE):
        return cli.lines("log", "dump", broker.data, *words, expected=code)

    items = dump()
    check_equal(items[-1]["kind"], "summary", "the last item")
    check_equal(items[-1]["damaged"], 0, "damage after kill -9")
    check({"segment", "journal", "checkpoint"} <= {item["kind"] for item in items}, "kinds of files")
    entries = [item for item in dump("-f") if item["kind"] == "journal_entry"]
    check(any(item["topic"] == "logs" for item in entries), "names of topics in the journal")
    broker.start()
    broker.stop()
    items = dump("-r", "-t", "logs")
    found = sorted((int(item["partition"]), item["offset"], item.get("key"), item.get("value"))
                   for item in with_partition(items))
    check_equal(found == expected, True, f"records: {len(found)} of {len(expected)}")
    items = dump("-t", "__consumer_offsets", "-r")
    commits = [item for item in items if item["kind"] == "record" and item.get("type") == "OffsetCommit"]
    check(any(item["key"]["group"] == "readers" and item["key"]["topic"] == "logs" for item in commits), "commits")
    items = dump("-t", "__transaction_state", "-r")
    states = [item for item in items if item["kind"] == "record" and item.get("type") == "TransactionLog"]
    check(states and all(item["key"]["transactional_id"] == "teller" for item in states), "transactions")
    markers = [item["control"] for item in dump("-t", "money", "-b") if item["kind"] == "batch" and "control" in item]
    check_equal(markers, ["commit"], "markers")
    items = dump("-t", "__cluster_metadata", "-r")
    check(any(item.get("type") == "TopicRecord" and item["value"]["name"] == "logs" for item in items), "topics")
    check("TopicRecord" in cli.text("log", "dump", broker.data, "-r"), "as text")
    limited = [item["offset"] for item in dump("-t", "logs:0", "-r", "-O", "10:13") if item["kind"] == "record"]
    check_equal(limited, [10, 11, 12], "a range of offsets")
    check_equal([item["clean"] for item in dump() if item["kind"] == "checkpoint"], [True, True], "clean checkpoints")

    segments = sorted(path for path in glob.glob(broker.data + "/shard-*/logs-*/*.seg")
                      if os.path.getsize(path) > 20000)
    spoil(segments[0], 12288 + 200)
    items = dump("-t", "logs", code=DAMAGED)
    damage = [item for item in items if item["kind"] == "damage"]
    check(damage and damage[0]["file"] == segments[0] and damage[0]["position"] >= 12288, f"damage: {damage}")
    rng = current.random
    for path in glob.glob(broker.data + "/shard-*/**/*", recursive=True):
        if os.path.isfile(path):
            for _ in range(20):
                spoil(path, rng.randrange(max(os.path.getsize(path) - 16, 1)), rng.randrange(1, 64))
    dump("-r", code=DAMAGED)
    for path in segments:
        with open(path, "r+b") as file:
            file.truncate(rng.randrange(1, os.path.getsize(path)))
    dump("-r", code=DAMAGED)
    cli.run("log", "dump", broker.data + "/nothing", expected=NOT_FOUND)
    cli.run("log", "dump", current.binary, expected=USAGE)


def with_partition(items):
    """Records with the partition of the segment they stand in."""
    partition = None
    for item in items:
        if item["kind"] == "segment":
            partition = item["partition"]
        elif item["kind"] == "record":
            yield {**item, "partition": partition}


@case("cli-log-dump-compacted")
def cli_log_dump_compacted(current):
    """Segments that compaction has replaced are named and not shown again."""
    broker = current.broker(settings={"log.cleaner.backoff.ms": 200})
    cli = Client.__new__(Client)
    cli.current, cli.broker, cli.bootstrap, cli.mark = current, broker, broker.bootstrap, ""
    cli.run("topic", "create", "c", "-p", 1, "-c", "cleanup.policy=compact", "-c", "segment.bytes=1M",
            "-c", "min.cleanable.dirty.ratio=0.01")
    for lap in range(3):
        lines = b"".join(b"key-%d:%s-%d\n" % (i % 500, b"v" * 100, lap) for i in range(20000))
        cli.run("produce", "c", "-K:", stdin=lines)

    def replaced():
        return [item for item in cli.lines("log", "dump", broker.data, "-t", "c")
                if item["kind"] == "segment" and "replaced_by" in item]

    if not wait_for(replaced, 30):
        raise Skip("compaction has not run")
    broker.stop()
    items = cli.lines("log", "dump", broker.data, "-t", "c", "-r")
    check_equal(items[-1]["damaged"], 0, "damage")
    offsets = [item["offset"] for item in items if item["kind"] == "record"]
    check_equal(len(offsets), len(set(offsets)), "offsets shown twice")
    check_equal(len({item["key"] for item in items if item["kind"] == "record"}), 500, "keys")


def wait_for(condition, timeout_s):
    try:
        return wait_until(condition, timeout_s, "it", 0.5)
    except Failure:
        return None
