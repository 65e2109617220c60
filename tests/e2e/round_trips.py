"""Round trips: real files through real clients, over every codec and many shapes, come back byte for byte; and what is
stored really has the codec that the client chose.

The rows are a pairwise selection over the factors below; the full run takes the cross product of the factors that touch
the broker most. Rows of one number of shards share a broker: first those read at once, then those read after a clean
restart, then those read after kill -9.
"""
import itertools
import random

import clients
import harness
import pairwise
from harness import case, check, check_equal
from wire import CODECS, LATEST, EARLIEST

FACTORS = {
    "file": harness.DATA_FILES,
    "codec": CODECS,
    "client": ["kcat", "confluent"],
    "keys": ["none", "some"],
    "headers": ["none", "some"],
    "values": ["lines", "empty", "null"],
    "timestamps": ["now", "set"],
    "partitions": [1, 4, 100],
    "shards": [1, 2, 4],
    "fate": ["plain", "restart", "kill"],
}
ROWS_MAX = 60
BATCH_RECORDS_SURE = 20  # librdkafka leaves a batch uncompressed that would not shrink; from so many records on it does
TIMESTAMP_FIRST = 1_700_000_000_000


def is_allowed(row):
    """kcat cannot set timestamps, and sees an empty value only behind a key."""
    return row["client"] != "kcat" or (row["timestamps"] == "now" and
                                       (row["keys"] == "some" or row["values"] == "lines"))


def quick_rows():
    rows = pairwise.pairwise(FACTORS, is_allowed)
    check(len(rows) <= ROWS_MAX, f"{len(rows)} rows are too many")
    return rows


def full_rows():
    """Everything the broker sees of a client, each with the rest drawn at random from one seed."""
    crossed = ["codec", "client", "partitions", "shards", "fate"]
    rng, rows = random.Random(7), []
    for values in itertools.product(*(FACTORS[name] for name in crossed)):
        row = dict(zip(crossed, values))
        while True:
            rest = {name: rng.choice(choices) for name, choices in FACTORS.items() if name not in crossed}
            if is_allowed({**row, **rest}):
                rows.append({**row, **rest})
                break
    return rows + quick_rows()


def records_of(row):
    """What the row sends, in order."""
    lines = harness.data_lines(row["file"])
    count = min(row["partitions"], 4) if row["client"] == "kcat" else row["partitions"]
    spread = [i * (row["partitions"] - 1) // max(count - 1, 1) for i in range(count)]
    records = []
    for i, line in enumerate(lines):
        if line == b"" and row["keys"] == "none" and row["client"] == "kcat":
            continue
        value = line
        if row["values"] != "lines" and i % 7 == 3:
            value = None if row["values"] == "null" else b""
        headers = []
        if row["headers"] == "some":
            headers = [("origin", row["file"].encode()), ("kind", b"line")]
        records.append((spread[i % len(spread)], b"line-%d" % i if row["keys"] == "some" else None, value, headers,
                        TIMESTAMP_FIRST + i * 7 if row["timestamps"] == "set" else None))
    return records


def describe(row):
    return " ".join(str(row[name]) for name in FACTORS)


def produce(broker, topic, row, records):
    with broker.wire() as wire:
        created = wire.create_topic(topic, row["partitions"])
        check_equal(created["error_code"], 0, f"creating {topic}")
    send = clients.kcat_produce if row["client"] == "kcat" else clients.confluent_produce
    send(broker.bootstrap, topic, row["codec"], records, row["values"])


def check_stored(broker, topic, row, records):
    """The batches themselves: codec bits, checksum of each partition's first batch, offsets, both ends of the log."""
    compressed = batches_seen = 0
    counts = {}
    for record in records:
        counts[record[0]] = counts.get(record[0], 0) + 1
    sample = sorted(counts)[:: max(len(counts) // 8, 1)]
    wires = {}
    with broker.wire() as first:
        places = first.leaders(topic)
    try:
        for partition in sample:
            place = places[partition]
            if place not in wires:
                wires[place] = broker.wire(place[1] - broker.port)
            wire, offset = wires[place], 0
            for batch in wire.fetch_batches(topic, partition):
                if offset == 0:
                    check(batch.crc_is_right(), f"{topic}-{partition}: wrong checksum in the first batch")
                check_equal(batch.base_offset, offset, f"{topic}-{partition}: first offset of a batch")
                offset = batch.last_offset + 1
                batches_seen += 1
                compressed += batch.codec == row["codec"]
                if batch.count >= BATCH_RECORDS_SURE or batch.codec != "none":
                    check_equal(batch.codec, row["codec"], f"{topic}-{partition}: codec of the batch at {offset}")
            check_equal(offset, counts[partition], f"{topic}-{partition}: end of the last batch")
            check_equal(wire.list_offset(topic, partition, LATEST)[:2], (0, counts[partition]), "latest offset")
            check_equal(wire.list_offset(topic, partition, EARLIEST)[:2], (0, 0), "earliest offset")
    finally:
        for wire in wires.values():
            wire.close()
    check(compressed > 0, f"{topic}: none of {batches_seen} batches has codec {row['codec']}")


def verify(broker, topic, row, records):
    what = f"{topic} ({describe(row)})"
    if row["client"] == "kcat":
        found = clients.kcat_consume(broker.bootstrap, topic)
    else:
        found = clients.confluent_consume(broker.bootstrap, topic, row["partitions"])
    clients.check_same(records, found, what)
    check_stored(broker, topic, row, records)


def run_rows(current, shards):
    rows = [row for row in (full_rows() if current.full else quick_rows()) if row["shards"] == shards]
    broker = current.broker(shards=shards)
    sent = {}
    done = 0

    def send_all(fate):
        for number, row in enumerate(rows):
            if row["fate"] == fate:
                topic = f"trip-{number}-{row['codec']}-{row['partitions']}"
                sent.setdefault(fate, []).append((topic, row, records_of(row)))
                produce(broker, *sent[fate][-1])

    def verify_all(fate):
        for topic, row, records in sent.get(fate, []):
            verify(broker, topic, row, records)
        return len(sent.get(fate, []))

    send_all("plain")
    send_all("restart")
    done += verify_all("plain")
    broker.restart()
    done += verify_all("restart")
    send_all("kill")
    broker.kill()
    broker.start()
    done += verify_all("kill")
    current.note(f"{done} round trips")
    # What was read before must still be there, too.
    for topic, row, records in sent.get("plain", [])[:1]:
        verify(broker, topic, row, records)
    broker.stop()


for shard_count in FACTORS["shards"]:
    case(f"trips-{shard_count}")(lambda current, shards=shard_count: run_rows(current, shards))
