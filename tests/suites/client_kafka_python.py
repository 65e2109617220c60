"""kafka-python, any release: produce, consume by assignment, admin. client_kafka_python.py BOOTSTRAP (its folder in
PYTHONPATH). One line for each check: ok NAME, FAILED NAME: why, or skipped NAME: why."""
import sys
import time
import traceback

import kafka
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewPartitions, NewTopic

BOOTSTRAP = sys.argv[1]
OLD = kafka.__version__.startswith("2.0")
COUNT = 300
FIRST_MS = 1_700_000_000_000


class Skipped(Exception):
    pass


def equal(found, expected, what):
    if found != expected:
        raise AssertionError(f"{what}: found {found!r}, expected {expected!r}")


def wait_for(condition, what):
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within 10 s")
        time.sleep(0.05)


def consume(topic, partitions, start=0):
    """[(partition, offset, key, value, headers, timestamp)] up to the end."""
    consumer = kafka.KafkaConsumer(bootstrap_servers=BOOTSTRAP, enable_auto_commit=False, consumer_timeout_ms=10000)
    places = [kafka.TopicPartition(topic, i) for i in range(partitions)]
    consumer.assign(places)
    ends = consumer.end_offsets(places)
    for place in places:
        consumer.seek(place, start)
    left = {place for place in places if ends[place] > start}
    found = []
    while left:
        message = next(consumer)
        found.append((message.partition, message.offset, message.key, message.value, message.headers,
                      message.timestamp))
        if message.offset + 1 >= ends[kafka.TopicPartition(topic, message.partition)]:
            left.discard(kafka.TopicPartition(topic, message.partition))
    consumer.close()
    return found


def test_topics():
    admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    admin.create_topics([NewTopic("kp", 4, 1, topic_configs={"retention.ms": "100000"}), NewTopic("gone", 1, 1)])
    wait_for(lambda: {"kp", "gone"} <= set(admin.list_topics()), "topics in the list")
    described = admin.describe_topics(["kp"])
    equal(len(described[0]["partitions"]), 4, "partitions described")
    admin.create_partitions({"gone": NewPartitions(3)})
    wait_for(lambda: len(admin.describe_topics(["gone"])[0]["partitions"]) == 3, "partitions added")
    admin.delete_topics(["gone"])
    wait_for(lambda: "gone" not in admin.list_topics(), "a deleted topic is gone")
    try:
        admin.create_topics([NewTopic("kp", 1, 1)])
        raise AssertionError("a topic was created twice")
    except kafka.errors.TopicAlreadyExistsError:
        pass
    cluster = admin.describe_cluster()
    equal(len(cluster["brokers"]) > 0 and bool(cluster["cluster_id"]), True, "cluster")
    admin.close()


def test_configs():
    admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    resource = ConfigResource(ConfigResourceType.TOPIC, "kp")
    text = str(admin.describe_configs([resource]))
    if "100000" not in text:
        raise AssertionError(f"retention.ms is not in {text[:500]}")
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, "kp", configs={"retention.ms": "200000"})])
    text = str(admin.describe_configs([resource]))
    if "200000" not in text:
        raise AssertionError(f"the altered retention.ms is not in {text[:500]}")
    admin.close()


def test_codec(codec):
    topic = f"kp-{codec}"
    options = {} if OLD else {"enable_idempotence": True}
    try:
        producer = kafka.KafkaProducer(bootstrap_servers=BOOTSTRAP, acks="all", linger_ms=20,
                                       compression_type=None if codec == "none" else codec, **options)
    except (AssertionError, RuntimeError) as missing:
        raise Skipped(f"no library for {codec}: {missing}") from None
    sent = []
    for i in range(COUNT):
        key = None if i % 3 == 0 else b"key-%d" % i
        value = None if i % 7 == 1 and key else b"" if i % 7 == 2 else b"value-%d" % i * 10
        headers = [("name", b"text"), ("empty", b"")] if i % 2 else []
        future = producer.send(topic, value=value, key=key, headers=headers, partition=0, timestamp_ms=FIRST_MS + i)
        sent.append((0, i, key, value, headers, FIRST_MS + i))
        if i == 0:
            equal(future.get(10).offset, 0, "offset of the first record")
    equal(future.get(10).offset, COUNT - 1, "offset of the last record")
    producer.close()
    equal([(*row[:4], list(row[4]), row[5]) for row in consume(topic, 1)], sent, "records")


def test_offsets():
    consumer = kafka.KafkaConsumer(bootstrap_servers=BOOTSTRAP, enable_auto_commit=False)
    place = kafka.TopicPartition("kp-none", 0)
    equal(consumer.beginning_offsets([place])[place], 0, "beginning")
    equal(consumer.end_offsets([place])[place], COUNT, "end")
    equal(consumer.offsets_for_times({place: FIRST_MS + 100})[place].offset, 100, "offset of a time")
    equal(consumer.partitions_for_topic("kp"), {0, 1, 2, 3}, "partitions")
    consumer.close()


def test_spread():
    producer = kafka.KafkaProducer(bootstrap_servers=BOOTSTRAP)
    for i in range(COUNT):
        producer.send("kp", key=b"%d" % i, value=b"%d" % i)
    producer.flush(10)
    producer.close()
    found = consume("kp", 4)
    equal(sorted(int(row[3]) for row in found), list(range(COUNT)), "values over four partitions")


def test_delete_records():
    admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    if not hasattr(admin, "delete_records"):
        raise Skipped("this release has no delete_records")
    place = kafka.TopicPartition("kp-none", 0)
    admin.delete_records({place: 50})
    admin.close()
    consumer = kafka.KafkaConsumer(bootstrap_servers=BOOTSTRAP)
    equal(consumer.beginning_offsets([place])[place], 50, "beginning after delete_records")
    consumer.close()
    equal(consume("kp-none", 1, 50)[0][1], 50, "first offset read")


def main():
    tests = [("topics", test_topics), ("configs", test_configs)]
    tests += [(f"codec {codec}", lambda codec=codec: test_codec(codec))
              for codec in ("none", "gzip", "snappy", "lz4", "zstd")]
    tests += [("offsets", test_offsets), ("spread", test_spread), ("delete records", test_delete_records)]
    failed = 0
    for name, test in tests:
        try:
            test()
            print(f"ok {name}", flush=True)
        except Skipped as skipped:
            print(f"skipped {name}: {skipped}", flush=True)
        except Exception as error:
            failed += 1
            print(f"FAILED {name}: {type(error).__name__}: {' '.join(str(error).split())[:400]}", flush=True)
            traceback.print_exc()
    return 1 if failed else 0


sys.exit(main())
