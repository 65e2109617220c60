"""Debian's kcat and confluent-kafka behind one face: send these records, give me back all there are.

A record is (partition, key, value, headers, timestamp): key and value bytes or None, headers a list of (str, bytes),
timestamp in ms or None. What comes back carries the offset in front of it: (offset, record).
"""
import subprocess
import time

import confluent_kafka

from harness import Failure, check_equal

CLIENT_S = 60.0  # no call of a client takes longer


def kcat(bootstrap, *words, stdin=None, timeout_s=CLIENT_S, expected=0):
    """stdout of kcat, bytes."""
    command = ["kcat", "-b", bootstrap, "-X", "broker.address.family=v4", *words]
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as late:
        raise Failure(f"{' '.join(command)}: not done within {timeout_s} s\n"
                      f"{(late.stderr or b'').decode(errors='replace')[-2000:]}") from None
    if expected is not None and done.returncode != expected:
        raise Failure(f"{' '.join(command)}: ended with code {done.returncode}\n"
                      f"{done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout


def kcat_produce(bootstrap, topic, codec, records, values):
    """One kcat for each partition and set of headers; `values` "null" sends empty values as null."""
    groups = {}
    for partition, key, value, headers, _ in records:
        groups.setdefault((partition, tuple(headers)), []).append((key, value))
    for (partition, headers), pairs in groups.items():
        words = ["-P", "-t", topic, "-p", str(partition), "-z", codec, "-X", "linger.ms=20"]
        for name, value in headers:
            words += ["-H", f"{name}={value.decode()}"]
        if pairs[0][0] is not None:
            words += ["-K", "\\t"]
        if values == "null":
            words.append("-Z")
        text = b"".join((b"" if key is None else key + b"\t") + (value or b"") + b"\n" for key, value in pairs)
        kcat(bootstrap, *words, stdin=text)


def kcat_consume(bootstrap, topic):
    """{partition: [(offset, record)]} of everything up to the end."""
    out = kcat(bootstrap, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-X", "check.crcs=true",
               "-f", "%p %o %T %K %S \\n%k%s%h\\n")
    found, at = {}, 0
    while at < len(out):
        end = out.index(b"\n", at)
        partition, offset, timestamp, key_len, value_len = map(int, out[at:end].split())
        at = end + 1
        key = None if key_len < 0 else out[at:at + key_len]
        at += max(key_len, 0)
        value = None if value_len < 0 else out[at:at + value_len]
        at += max(value_len, 0)
        end = out.index(b"\n", at)
        headers = [tuple(part.split("=", 1)) for part in out[at:end].decode().split(",") if part]
        at = end + 1
        found.setdefault(partition, []).append(
            (offset, (partition, key, value, [(name, text.encode()) for name, text in headers], timestamp)))
    return found


UNDERSCORED = ("log_level", "error_cb")  # these really have one


def dotted(settings):
    """Python words to librdkafka's names."""
    return {name if name in UNDERSCORED else name.replace("_", "."): value for name, value in settings.items()}


def confluent_producer(bootstrap, **settings):
    return confluent_kafka.Producer({
        "bootstrap.servers": bootstrap, "broker.address.family": "v4", "message.timeout.ms": int(CLIENT_S * 1000),
        **dotted(settings)})


def confluent_produce(bootstrap, topic, codec, records, _values=None, **settings):
    """Sends and waits for every acknowledgement; {partition: [offset]} in the order of sending."""
    producer = confluent_producer(bootstrap, compression_type=codec, linger_ms=20, **settings)
    offsets, errors = {}, []

    def delivered(error, message):
        if error is not None:
            errors.append(error)
        else:
            offsets.setdefault(message.partition(), []).append(message.offset())

    for partition, key, value, headers, timestamp in records:
        options = {} if timestamp is None else {"timestamp": timestamp}
        while True:
            try:
                producer.produce(topic, value=value, key=key, partition=partition, headers=headers or None,
                                 on_delivery=delivered, **options)
                break
            except BufferError:
                producer.poll(0.1)
    left = producer.flush(CLIENT_S)
    if left or errors:
        raise Failure(f"{left} records not delivered to {topic}, errors: {errors[:3]}")
    return offsets


def confluent_consumer(bootstrap, **settings):
    return confluent_kafka.Consumer({
        "bootstrap.servers": bootstrap, "broker.address.family": "v4", "group.id": "e2e", "check.crcs": True,
        "enable.auto.commit": False, "enable.partition.eof": True, "auto.offset.reset": "error",
        **dotted(settings)})


def confluent_consume(bootstrap, topic, partitions, timeout_s=CLIENT_S, start=confluent_kafka.OFFSET_BEGINNING):
    """{partition: [(offset, record)]} of everything up to the end of each partition."""
    consumer = confluent_consumer(bootstrap)
    found, open_partitions = {}, set(range(partitions))
    deadline = time.monotonic() + timeout_s
    try:
        consumer.assign([confluent_kafka.TopicPartition(topic, i, start) for i in range(partitions)])
        while open_partitions:
            if time.monotonic() > deadline:
                raise Failure(f"{topic}: no end of partitions {sorted(open_partitions)[:10]} within {timeout_s} s; "
                              f"{sum(map(len, found.values()))} records so far")
            for message in consumer.consume(1000, 0.2):
                error = message.error()
                if error is not None:
                    if error.code() == confluent_kafka.KafkaError._PARTITION_EOF:
                        open_partitions.discard(message.partition())
                        continue
                    raise Failure(f"consuming {topic}: {error}")
                found.setdefault(message.partition(), []).append(
                    (message.offset(), (message.partition(), message.key(), message.value(), message.headers() or [],
                                        message.timestamp()[1])))
    finally:
        consumer.close()
    return found


def check_same(sent, found, what, offsets_from=0):
    """Every record sent came back, once, in order, at offsets without gaps, partition by partition."""
    expected = {}
    for record in sent:
        expected.setdefault(record[0], []).append(record)
    check_equal(sorted(found), sorted(expected), f"{what}: partitions with records")
    for partition, records in expected.items():
        got = found[partition]
        check_equal(len(got), len(records), f"{what}: records in partition {partition}")
        check_equal([offset for offset, _ in got], list(range(offsets_from, offsets_from + len(records))),
                    f"{what}: offsets of partition {partition}")
        for (offset, back), record in zip(got, records):
            if back[:4] != record[:4] or (record[4] is not None and back[4] != record[4]):
                raise Failure(f"{what}: partition {partition} offset {offset}: {back!r} came back for {record!r}")
