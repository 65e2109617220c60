"""The cases of kafka-python: VERSION BOOTSTRAP. Prints one line per case, see suite.py."""
import sys
import time
import traceback
import uuid

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka import errors as Errors
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewPartitions, NewTopic

import kafka_python_groups

VERSION, BOOTSTRAP = sys.argv[1], sys.argv[2]
IS_OLD = VERSION.startswith("2.")
RUN = uuid.uuid4().hex[:8]
CODECS = [None, "gzip", "snappy", "lz4", "zstd"]
RECORDS = 2000
WAIT_S = 20
CASES = []


class Skipped(Exception):
    pass


def case(name):
    def register(function):
        CASES.append((name, function))
        return function
    return register


def equal(found, expected, what):
    if found != expected:
        raise AssertionError(f"{what}: found {found!r}, expected {expected!r}"[:250])


def raises(error, call):
    try:
        call()
    except error:
        return
    raise AssertionError(f"no {error.__name__}")


def admin():
    return KafkaAdminClient(bootstrap_servers=BOOTSTRAP)


def create(name, partitions, configs=None):
    topic = f"{name}-{RUN}"
    client = admin()
    client.create_topics([NewTopic(topic, partitions, 1, topic_configs=configs or {})])
    client.close()
    return topic


def consumer(**settings):
    return KafkaConsumer(bootstrap_servers=BOOTSTRAP, auto_offset_reset="earliest", enable_auto_commit=False,
                         consumer_timeout_ms=500, **settings)


def read(topic, partitions, count, **settings):
    """The first `count` records of a topic, as a list for each partition."""
    client = consumer(**settings)
    client.assign([TopicPartition(topic, p) for p in range(partitions)])
    client.seek_to_beginning()
    found = {p: [] for p in range(partitions)}
    deadline = time.monotonic() + WAIT_S
    while sum(map(len, found.values())) < count and time.monotonic() < deadline:
        for place, records in client.poll(timeout_ms=200).items():
            found[place.partition] += records
    client.close()
    equal(sum(map(len, found.values())), count, "records read")
    for records in found.values():
        equal([r.offset for r in records], list(range(len(records))), "offsets")
    return found


def round_trip(topic, partitions, count=RECORDS, **settings):
    sent = {p: [] for p in range(partitions)}
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, linger_ms=5, **settings)
    futures = []
    for i in range(count):
        value = b"value %d " % i + b"x" * (i % 300)
        sent[i % partitions].append((b"key %d" % i, value))
        futures.append(producer.send(topic, value, key=b"key %d" % i, partition=i % partitions))
    producer.flush(WAIT_S)
    for future in futures:
        future.get(WAIT_S)
    producer.close()
    found = read(topic, partitions, count)
    for p in range(partitions):
        equal([(r.key, r.value) for r in found[p]] == sent[p], True, f"partition {p} as sent")


@case("metadata")
def _():
    topic = create("seen", 3)
    client = consumer()
    equal(topic in client.topics(), True, "topic listed")
    equal(client.partitions_for_topic(topic), {0, 1, 2}, "partitions")
    client.close()


@case("cluster")
def _():
    client = admin()
    cluster = client.describe_cluster()
    equal(bool(cluster["cluster_id"]), True, "cluster id")
    equal(len(cluster["brokers"]) >= 1, True, "brokers")
    client.close()


@case("topics: create, list, describe, delete")
def _():
    topic = create("life", 3)
    client = admin()
    equal(topic in client.list_topics(), True, "listed")
    described = client.describe_topics([topic])[0]
    equal(len(described["partitions"]), 3, "partitions")
    equal({p.get("leader", p.get("leader_id")) in p.get("replicas", p.get("replica_nodes"))
           for p in described["partitions"]}, {True}, "leader among replicas")
    raises(Errors.TopicAlreadyExistsError, lambda: client.create_topics([NewTopic(topic, 3, 1)]))
    raises(Errors.InvalidReplicationFactorError, lambda: client.create_topics([NewTopic(topic + "x", 1, 30)]))
    raises(Errors.InvalidTopicError, lambda: client.create_topics([NewTopic("no spaces", 1, 1)]))
    raises(Errors.InvalidPartitionsError, lambda: client.create_topics([NewTopic(topic + "y", 0, 1)]))
    client.create_topics([NewTopic(topic + "z", 1, 1)], validate_only=True)
    equal(topic + "z" in client.list_topics(), False, "validated only")
    client.delete_topics([topic])
    equal(topic in client.list_topics(), False, "listed after delete")
    raises(Errors.UnknownTopicOrPartitionError, lambda: client.delete_topics([topic]))
    client.close()


@case("partitions: add")
def _():
    topic = create("grow", 1)
    client = admin()
    client.create_partitions({topic: NewPartitions(5)})
    equal(len(client.describe_topics([topic])[0]["partitions"]), 5, "partitions")
    raises(Errors.InvalidPartitionsError, lambda: client.create_partitions({topic: NewPartitions(2)}))
    client.close()
    round_trip(topic, 5, 500)


def config_values(answer):
    if IS_OLD:
        return {entry[0]: entry[1] for response in answer for entry in response.resources[0][4]}
    found = {}

    def walk(node):
        if isinstance(node, dict):
            for name, value in node.items():
                if isinstance(value, dict) and "value" in value:
                    found[name] = value["value"]
                elif isinstance(value, (str, int)) and "." in str(name):
                    found[name] = str(value)
                else:
                    walk(value)
        elif isinstance(node, (list, tuple)):
            for part in node:
                walk(part)
    walk(answer)
    return found


@case("configs: describe and alter a topic")
def _():
    topic = create("conf", 1, {"retention.ms": "3600000"})
    client = admin()
    options = {} if IS_OLD else {"config_filter": "all"}

    def describe():
        return config_values(client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], **options))
    equal(describe()["retention.ms"], "3600000", "retention.ms")
    client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic,
                                         configs={"max.message.bytes": "65536", "retention.ms": "3600000"})])
    values = describe()
    equal((values["max.message.bytes"], values["retention.ms"]), ("65536", "3600000"), "settings")
    client.close()


@case("configs: describe a broker")
def _():
    client = admin()
    node = str(client.describe_cluster()["brokers"][0]["node_id" if IS_OLD else "broker_id"])
    options = {} if IS_OLD else {"config_filter": "all"}
    values = config_values(client.describe_configs([ConfigResource(ConfigResourceType.BROKER, node)], **options))
    equal("log.retention.ms" in values or "log.retention.hours" in values, True, "log.retention among the settings")
    client.close()


for acks in (0, 1, "all"):
    @case(f"produce: acks={acks}")
    def _(acks=acks):
        settings = {} if IS_OLD else {"enable_idempotence": False}
        round_trip(create(f"acks{acks}", 4), 4, acks=acks, **settings)

for codec in CODECS:
    @case(f"codec: {codec or 'none'}")
    def _(codec=codec):
        if IS_OLD and codec == "zstd":
            # 2.0.2 asks for a broker of 2.1 or later, which it tells from API versions.
            round_trip(create("codec-zstd", 4), 4, compression_type=codec, api_version=(2, 1, 0))
            return
        round_trip(create(f"codec-{codec}", 4), 4, compression_type=codec)


@case("produce: idempotent")
def _():
    if IS_OLD:
        raise Skipped("2.0.2 has no idempotent producer")
    round_trip(create("idempotent", 4), 4, 5000, enable_idempotence=True, acks="all")


@case("produce: topic made on demand")
def _():
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP)
    equal(producer.send(f"demand-{RUN}", b"one").get(WAIT_S).offset, 0, "offset")
    producer.close()


@case("produce: 100 partitions")
def _():
    round_trip(create("many", 100), 100, 5000)


@case("headers, null and empty keys and values, timestamps")
def _():
    topic = create("forms", 1)
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP)
    headers = [("a", b"1"), ("a", b"2"), ("empty", b""), ("\u00fc", bytes(range(256)))]
    forms = [(b"", None, []), (b"", b"", headers), (None, b"v", headers[:1]), (b"k", None, []), (b"k", b"", [])]
    for i, (key, value, tags) in enumerate(forms):
        producer.send(topic, value, key=key, headers=tags, partition=0, timestamp_ms=1600000000000 + i).get(WAIT_S)
    producer.close()
    found = read(topic, 1, len(forms))[0]
    equal([(r.key, r.value, list(r.headers)) for r in found], forms, "records")
    equal([r.timestamp for r in found], [1600000000000 + i for i in range(len(forms))], "timestamps")
    equal({r.timestamp_type for r in found}, {0}, "timestamp types")


@case("timestamps: LogAppendTime")
def _():
    topic = create("append-time", 1, {"message.timestamp.type": "LogAppendTime"})
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP)
    answer = producer.send(topic, b"v", timestamp_ms=1600000000000).get(WAIT_S)
    producer.close()
    record = read(topic, 1, 1)[0][0]
    equal(record.timestamp_type, 1, "timestamp type")
    equal(abs(record.timestamp / 1000 - time.time()) < 60, True, "near to now")
    equal(answer.timestamp, record.timestamp, "the producer's answer")


@case("offsets: earliest, latest, by time")
def _():
    topic = create("times", 1)
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP)
    for i in range(100):
        producer.send(topic, b"v", partition=0, timestamp_ms=1600000000000 + 10 * i).get(WAIT_S)
    producer.close()
    client, place = consumer(), TopicPartition(topic, 0)
    equal(client.beginning_offsets([place])[place], 0, "beginning")
    equal(client.end_offsets([place])[place], 100, "end")
    found = client.offsets_for_times({place: 1600000000000 + 495})[place]
    equal((found.offset, found.timestamp), (50, 1600000000500), "by time")
    equal(client.offsets_for_times({place: 1700000000000})[place], None, "after the last")
    client.assign([place])
    client.seek(place, 90)
    equal(next(client).offset, 90, "after seek")
    client.close()


@case("consume: read_committed")
def _():
    topic = create("committed", 1)
    if IS_OLD:
        raise Skipped("2.0.2 has no isolation level")
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP)
    for _ in range(10):
        producer.send(topic, b"v", partition=0).get(WAIT_S)
    producer.close()
    read(topic, 1, 10, isolation_level="read_committed")


@case("consume: offset out of range")
def _():
    topic = create("range", 1)
    client, place = KafkaConsumer(bootstrap_servers=BOOTSTRAP, auto_offset_reset="none", group_id=None), None
    place = TopicPartition(topic, 0)
    client.assign([place])
    client.seek(place, 1000)
    deadline = time.monotonic() + WAIT_S

    def poll():
        while time.monotonic() < deadline:
            client.poll(timeout_ms=200)
    raises(Errors.OffsetOutOfRangeError, poll)
    client.close()


@case("errors: too large for the topic")
def _():
    topic = create("small", 1, {"max.message.bytes": "1000"})
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, retries=0)
    raises(Errors.MessageSizeTooLargeError, lambda: producer.send(topic, b"x" * 5000, partition=0).get(WAIT_S))
    equal(producer.send(topic, b"x" * 500, partition=0).get(WAIT_S).offset, 0, "offset of one that fits")
    producer.close()


@case("large records")
def _():
    topic = create("large", 1)
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, max_request_size=2 << 20)
    for i in range(10):
        producer.send(topic, b"%d" % i * 900000, partition=0)
    producer.flush(WAIT_S)
    producer.close()
    equal([r.value == b"%d" % i * 900000 for i, r in enumerate(read(topic, 1, 10)[0])], [True] * 10, "records")


def newer_admin(name):
    client = admin()
    if not hasattr(client, name):
        client.close()
        raise Skipped(f"{VERSION} has no {name}")
    return client


@case("delete records")
def _():
    topic = create("trim", 2)
    round_trip(topic, 2, 100)
    client = newer_admin("delete_records")
    client.delete_records({TopicPartition(topic, 0): 20, TopicPartition(topic, 1): -1})
    client.close()
    reader = consumer()
    found = reader.beginning_offsets([TopicPartition(topic, 0), TopicPartition(topic, 1)])
    equal(sorted(found.values()), [20, 50], "beginnings")
    reader.close()


@case("log dirs")
def _():
    topic = create("dirs", 1)
    client = newer_admin("describe_log_dirs")
    equal(topic in str(client.describe_log_dirs()), True, "topic in the answer")
    client.close()


@case("describe topic partitions")
def _():
    topic = create("dtp", 5)
    client = newer_admin("describe_topic_partitions")
    equal(topic in str(client.describe_topic_partitions([topic])), True, "topic in the answer")
    client.close()


@case("list offsets by the admin client")
def _():
    topic = create("alo", 1)
    round_trip(topic, 1, 10)
    client = newer_admin("list_partition_offsets")
    from kafka.admin import OffsetSpec
    place = TopicPartition(topic, 0)
    for spec, offset in ((OffsetSpec.EARLIEST, 0), (OffsetSpec.LATEST, 10), (OffsetSpec.MAX_TIMESTAMP, None)):
        found = client.list_partition_offsets({place: spec})[place]
        if offset is not None:
            equal(found.offset, offset, str(spec))
    client.close()


kafka_python_groups.register(case, globals())


def main():
    for name, function in CASES:
        try:
            function()
            print(name, "pass", sep="\t", flush=True)
        except Skipped as skipped:
            print(name, "skip", skipped, sep="\t", flush=True)
        except Exception as error:  # whatever the client raises is a result
            traceback.print_exc()
            print(name, "fail", f"{type(error).__name__}: {error}".replace("\n", " ").replace("\t", " "), sep="\t",
                  flush=True)


main()
