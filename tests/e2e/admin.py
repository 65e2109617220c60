"""Topics and settings: through librdkafka's admin client, as users do it, and raw, where every field
can be looked at."""
import time

import confluent_kafka
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

import clients
from harness import case, check, check_equal, wait_until
from wire import EARLIEST, LATEST, MAX_TIMESTAMP, Record, make_batch, split_batches

TOPIC, BROKER = 2, 4
OFFSET_OUT_OF_RANGE, UNKNOWN_TOPIC, INVALID_TOPIC = 1, 3, 17
ALREADY_EXISTS, INVALID_PARTITIONS, INVALID_REPLICATION, INVALID_CONFIG, INVALID_REQUEST = 36, 37, 38, 40, 42
INVALID_TIMESTAMP, UNKNOWN_TOPIC_ID, FENCED_EPOCH, UNKNOWN_EPOCH = 32, 100, 74, 75
SET, DELETE, APPEND, SUBTRACT = 0, 1, 2, 3


def done(futures):
    """Waits for every future of an admin call; {key: (result, error code or 0)}"""
    results = {}
    for key, future in futures.items():
        try:
            results[key] = (future.result(20), 0)
        except confluent_kafka.KafkaException as error:
            results[key] = (None, error.args[0].code())
    return results


@case("admin-librdkafka")
def admin_librdkafka(current):
    broker = current.broker(shards=2)
    admin = AdminClient({"bootstrap.servers": broker.bootstrap, "broker.address.family": "v4", "log_level": 0})
    topics = [NewTopic("one", 3, 1, config={"retention.ms": "60000", "cleanup.policy": "compact"}),
              NewTopic("two", 1, 1), NewTopic("bad name", 1, 1), NewTopic("wide", 1, 3),
              NewTopic("odd", 1, 1, config={"retention.ms": "soon"})]
    results = done(admin.create_topics(topics))
    check_equal({name: code for name, (_, code) in results.items()},
                {"one": 0, "two": 0, "bad name": INVALID_TOPIC, "wide": INVALID_REPLICATION, "odd": INVALID_CONFIG},
                "results of create_topics")
    check_equal(done(admin.create_topics([NewTopic("one", 1, 1)]))["one"][1], ALREADY_EXISTS, "creating it again")
    seen = admin.list_topics(timeout=10)
    check_equal({name: len(topic.partitions) for name, topic in seen.topics.items()}, {"one": 3, "two": 1}, "topics")
    check_equal(len(seen.brokers), 2, "brokers")
    check_equal(done(admin.create_partitions([NewPartitions("two", 5)]))["two"][1], 0, "create_partitions")
    check_equal(done(admin.create_partitions([NewPartitions("two", 2)]))["two"][1], INVALID_PARTITIONS, "fewer of them")
    check_equal(len(admin.list_topics("two", timeout=10).topics["two"].partitions), 5, "partitions of two")
    resource = ConfigResource(ConfigResource.Type.TOPIC, "one")
    configs = done(admin.describe_configs([resource]))[resource][0]
    check_equal((configs["retention.ms"].value, configs["cleanup.policy"].value), ("60000", "compact"), "settings")
    check(len(configs) > 25, f"only {len(configs)} settings of a topic")
    check(not configs["retention.ms"].is_default and configs["segment.ms"].is_default, "defaults are not told apart")
    resource = ConfigResource(ConfigResource.Type.TOPIC, "one")
    resource.set_config("retention.ms", "120000")
    check_equal(done(admin.alter_configs([resource]))[resource][1], 0, "alter_configs")
    configs = done(admin.describe_configs([resource]))[resource][0]
    check_equal((configs["retention.ms"].value, configs["cleanup.policy"].value), ("120000", "delete"),
                "AlterConfigs replaces what it does not name")
    resource = ConfigResource(ConfigResource.Type.BROKER, "0")
    configs = done(admin.describe_configs([resource]))[resource][0]
    check_equal(configs["log.segment.bytes"].value, "1073741824", "a setting of broker 0")
    broker.restart()
    check_equal({name: len(topic.partitions) for name, topic in admin.list_topics(timeout=10).topics.items()},
                {"one": 3, "two": 5}, "topics after a restart")
    check_equal(done(admin.delete_topics(["one", "none"])), {"one": (None, 0), "none": (None, UNKNOWN_TOPIC)}, "delete")
    wait_until(lambda: "one" not in admin.list_topics(timeout=10).topics, 5, "a deleted topic is gone")
    broker.kill()
    broker.start()
    check("one" not in admin.list_topics(timeout=10).topics, "a deleted topic is back after kill -9")
    broker.stop()


@case("admin-topics")
def admin_topics(current):
    broker = current.broker(shards=4)
    with broker.wire(3) as wire:  # not the controller's shard: it forwards
        row = wire.create_topic("raw", 4, {"retention.bytes": "12345", "compression.type": "zstd"})
        check_equal((row["error_code"], row["num_partitions"], row["replication_factor"]), (0, 4, 1), "CreateTopics")
        shown = {config["name"]: config["value"] for config in row["configs"]}
        check_equal((shown["retention.bytes"], shown["compression.type"]), ("12345", "zstd"), "settings in the answer")
        topic_id = row["topic_id"]
        check(topic_id != bytes(16), "a topic without an id")
        check_equal(wire.create_topic("dry", 2, validate_only=True)["error_code"], 0, "validate_only")
        check_equal(wire.leaders("dry"), {}, "leaders of a topic that was only validated")
        for name, partitions, code in [("a/b", 1, INVALID_TOPIC), ("x" * 250, 1, INVALID_TOPIC), ("", 1, INVALID_TOPIC),
                                       ("..", 1, INVALID_TOPIC), ("zero", 0, INVALID_PARTITIONS),
                                       ("raw", 1, ALREADY_EXISTS)]:
            check_equal(wire.create_topic(name, partitions)["error_code"], code, f"creating {name!r} with {partitions}")
        check_equal(wire.create_topic("assigned", -1)["num_partitions"], 1, "partitions by num.partitions")
        reply = wire.call("CreateTopics", 7, {"timeout_ms": 5000, "topics": [
            {"name": "placed", "num_partitions": -1, "replication_factor": -1, "assignments": [
                {"partition_index": 0, "broker_ids": [2]}, {"partition_index": 1, "broker_ids": [2]}]}]})
        check_equal(reply["topics"][0]["error_code"], 0, "a topic with assignments")
        check_equal({place[1] - broker.port for place in wire.leaders("placed").values()}, {2}, "its leaders")
        # By id: Metadata 12, and what is unknown.
        reply = wire.call("Metadata", 12, {"topics": [{"topic_id": topic_id, "name": None}]})
        check_equal(reply["topics"][0]["name"], "raw", "Metadata by id")
        reply = wire.call("Metadata", 12, {"topics": [{"topic_id": topic_id, "name": ""}]})  # as Java asks
        check_equal(reply["topics"][0]["name"], "raw", "Metadata by id with an empty name")
        reply = wire.call("Metadata", 12, {"topics": [{"topic_id": b"\x01" * 16, "name": None}]})
        check_equal(reply["topics"][0]["error_code"], UNKNOWN_TOPIC_ID, "Metadata by an unknown id")
        check_equal(wire.metadata("nowhere")["topics"][0]["error_code"], UNKNOWN_TOPIC, "an unknown topic")
        reply = wire.call("DescribeCluster", 1, {})
        check_equal(sorted(row["broker_id"] for row in reply["brokers"]), [0, 1, 2, 3], "DescribeCluster")
        check_equal(reply["cluster_id"], wire.metadata()["cluster_id"], "cluster id")
        reply = wire.call("DescribeTopicPartitions", 0, {"topics": [{"name": "raw"}], "response_partition_limit": 3})
        check_equal((len(reply["topics"][0]["partitions"]), reply["next_cursor"]["partition_index"]), (3, 3), "a page")
        reply = wire.call("DescribeTopicPartitions", 0, {"topics": [{"name": "raw"}], "response_partition_limit": 3,
                                                         "cursor": reply["next_cursor"]})
        check_equal((len(reply["topics"][0]["partitions"]), reply["next_cursor"]), (1, None), "the last page")
        found = set()
        for version in (0, 3, 6):  # the same one of the four, whatever the version
            reply = wire.call("FindCoordinator", version, {"key": "g", "coordinator_keys": ["g"]} if version >= 4
                              else {"key": "g"})
            row = reply["coordinators"][0] if version >= 4 else reply
            check_equal(row["error_code"], 0, f"FindCoordinator {version}")
            check_equal(row["port"], broker.port + row["node_id"], "its port")
            found.add(row["node_id"])
        check_equal(len(found), 1, "coordinators of one group")
        reply = wire.call("CreatePartitions", 3, {"timeout_ms": 5000, "topics": [{"name": "raw", "count": 7,
                                                                                  "assignments": None}]})
        check_equal(reply["results"][0]["error_code"], 0, "CreatePartitions")
        check_equal(len(wire.leaders("raw")), 7, "partitions afterwards")
        reply = wire.call("DeleteTopics", 6, {"timeout_ms": 5000, "topics": [{"name": None, "topic_id": topic_id}]})
        check_equal((reply["responses"][0]["error_code"], reply["responses"][0]["name"]), (0, "raw"), "delete by id")
        check_equal(wire.leaders("raw"), {}, "leaders of a deleted topic")
        # The same name again is another topic.
        check(wire.create_topic("raw", 1)["topic_id"] != topic_id, "a topic made again has the old id")
    with broker.leader_wire("raw", 0) as wire:
        check_equal(wire.list_offset("raw", 0, LATEST)[:2], (0, 0), "its log")
    # On demand, by a producer and not by a client that forbids it.
    with broker.wire() as wire:
        reply = wire.metadata("forbidden", create=False)
        check_equal(reply["topics"][0]["error_code"], UNKNOWN_TOPIC, "no creation without leave")
        wire.metadata("wanted", create=True)
        wait_until(lambda: wire.leaders("wanted"), 5, "a topic made on demand")
    broker.stop()


def configs_of(wire, name, kind=TOPIC, keys=None):
    reply = wire.call("DescribeConfigs", 4, {"include_synonyms": True, "include_documentation": True, "resources": [
        {"resource_type": kind, "resource_name": name, "configuration_keys": keys}]})["results"][0]
    check_equal(reply["error_code"], 0, f"DescribeConfigs of {name}: {reply['error_message']}")
    return {row["name"]: row for row in reply["configs"]}


def alter(wire, name, operations, kind=TOPIC, validate_only=False):
    reply = wire.call("IncrementalAlterConfigs", 1, {"validate_only": validate_only, "resources": [
        {"resource_type": kind, "resource_name": name, "configs": [
            {"name": key, "config_operation": operation, "value": value} for key, operation, value in operations]}]})
    return reply["responses"][0]["error_code"]


@case("admin-configs")
def admin_configs(current):
    """Every setting of a topic with type, source, synonyms; set, added to, deleted; in force at once and later."""
    broker = current.broker(shards=2)
    with broker.wire(1) as wire:
        wire.create_topic("settings", 2)
        rows = configs_of(wire, "settings")
        check(len(rows) > 25 and all(row["config_type"] > 0 for row in rows.values()), "settings without a type")
        check(all(row["documentation"] for row in rows.values()), "settings without documentation")
        row = rows["retention.ms"]
        check_equal((row["value"], row["config_source"], row["config_type"]), ("604800000", 5, 5), "retention.ms")
        check("log.retention" in str(row["synonyms"]), f"synonyms of retention.ms: {row['synonyms']}")
        check_equal(alter(wire, "settings", [("retention.ms", SET, "1000000")]), 0, "SET")
        row = configs_of(wire, "settings", keys=["retention.ms"])["retention.ms"]
        check_equal((row["value"], row["config_source"]), ("1000000", 1), "retention.ms afterwards")
        check_equal(row["synonyms"][0]["value"], "1000000", "its first synonym")
        check_equal(alter(wire, "settings", [("cleanup.policy", APPEND, "compact")]), 0, "APPEND")
        check_equal(configs_of(wire, "settings")["cleanup.policy"]["value"], "delete,compact", "cleanup.policy")
        check_equal(alter(wire, "settings", [("cleanup.policy", SUBTRACT, "delete")]), 0, "SUBTRACT")
        check_equal(alter(wire, "settings", [("retention.ms", SET, "-7")]), INVALID_CONFIG, "a value out of range")
        check_equal(alter(wire, "settings", [("retention.msec", SET, "7")]), INVALID_CONFIG, "an unknown name")
        check_equal(alter(wire, "nowhere", [("retention.ms", SET, "7")]), UNKNOWN_TOPIC, "an unknown topic")
        check_equal(alter(wire, "settings", [("retention.ms", SET, "5")], validate_only=True), 0, "validate_only")
        check_equal(configs_of(wire, "settings")["retention.ms"]["value"], "1000000", "after validate_only")
        check_equal(alter(wire, "", [("log.retention.ms", SET, "777777")], kind=BROKER), 0, "a default of all brokers")
        check_equal(alter(wire, "settings", [("retention.ms", DELETE, None)]), 0, "DELETE")
        row = configs_of(wire, "settings")["retention.ms"]
        check_equal((row["value"], row["config_source"]), ("777777", 3), "retention.ms from the brokers' default")
        check_equal(alter(wire, "settings", [("max.message.bytes", SET, "2000"), ("cleanup.policy", SET, "delete")]), 0,
                    "two settings")
        places = wire.leaders("settings")
    broker.restart()
    with broker.wire() as wire:
        rows = configs_of(wire, "settings")
        values = [rows[name]["value"] for name in ("retention.ms", "max.message.bytes", "cleanup.policy")]
        check_equal(values, ["777777", "2000", "delete"], "settings after a restart")
    with broker.wire(places[0][1] - broker.port) as wire:
        check_equal(wire.produce("settings", 0, [Record(None, bytes(3000))])[0], 10, "a batch above max.message.bytes")
        check_equal(wire.produce("settings", 0, [Record(None, bytes(1000))]), (0, 0), "one below")
    broker.stop()


@case("admin-offsets")
def admin_offsets(current):
    """ListOffsets by time, watermarks, DeleteRecords, fetching outside the log, leader epochs, log directories."""
    broker = current.broker()
    base = 1_700_000_000_000
    with broker.wire() as wire:
        wire.create_topic("times")
        for i in range(20):  # ten records each, one second apart
            wire.produce("times", 0, [Record(b"k", b"%d" % (10 * i + k), timestamp=base + 1000 * (10 * i + k))
                                      for k in range(10)], codec="gzip" if i % 2 else "none")
        for wanted, offset in [(base, 0), (base - 5, 0), (base + 500, 1), (base + 57_000, 57), (base + 57_001, 58),
                               (base + 199_000, 199)]:
            check_equal(wire.list_offset("times", 0, wanted)[:2], (0, offset), f"offset of time {wanted - base}")
        check_equal(wire.list_offset("times", 0, base + 199_001), (0, -1, -1), "a time after the last record")
        check_equal(wire.list_offset("times", 0, MAX_TIMESTAMP, 7), (0, 199, base + 199_000), "the largest timestamp")
        check_equal(wire.fetch_raw("times", 0, 200)["error_code"], 0, "fetch at the end")
        check_equal(wire.fetch_raw("times", 0, 201)["error_code"], OFFSET_OUT_OF_RANGE, "fetch behind the end")
        # A fetch from the middle of a batch brings the whole batch; one record is enough to exceed the limit.
        row = wire.fetch_raw("times", 0, 55, max_bytes=1)
        check_equal([batch.base_offset for batch in split_batches(row["records"])], [50], "the whole first batch")

        def delete_records(offset):
            reply = wire.call("DeleteRecords", 2, {"timeout_ms": 5000, "topics": [
                {"name": "times", "partitions": [{"partition_index": 0, "offset": offset}]}]})
            row = reply["topics"][0]["partitions"][0]
            return row["error_code"], row["low_watermark"]

        check_equal(delete_records(33), (0, 33), "DeleteRecords")
        check_equal(wire.list_offset("times", 0, EARLIEST)[:2], (0, 33), "the earliest offset")
        check_equal(wire.fetch_raw("times", 0, 32)["error_code"], OFFSET_OUT_OF_RANGE, "fetch below the start")
        check_equal(wire.fetch_raw("times", 0, 33)["log_start_offset"], 33, "the start in Fetch")
        check_equal(delete_records(300), (OFFSET_OUT_OF_RANGE, -1), "DeleteRecords behind the end")
        reply = wire.call("OffsetForLeaderEpoch", 4, {"replica_id": -1, "topics": [{"topic": "times", "partitions": [
            {"partition": 0, "current_leader_epoch": -1, "leader_epoch": 0}]}]})
        check_equal(reply["topics"][0]["partitions"][0]["end_offset"], 200, "the end of epoch 0")
        reply = wire.call("DescribeLogDirs", 4, {"topics": None})
        sizes = {row["name"]: row["partitions"][0]["partition_size"] for row in reply["results"][0]["topics"]}
        check(sizes["times"] > 1000 and reply["results"][0]["total_bytes"] > 0, f"DescribeLogDirs: {sizes}")
    broker.kill()
    broker.start()
    with broker.wire() as wire:
        check_equal(wire.list_offset("times", 0, EARLIEST)[:2], (0, 33), "the start after kill -9")
        check_equal(wire.list_offset("times", 0, base + 57_000)[:2], (0, 57), "a time after kill -9")
    consumer = clients.confluent_consumer(broker.bootstrap)
    partition = confluent_kafka.TopicPartition("times", 0)
    check_equal(consumer.get_watermark_offsets(partition, 10), (33, 200), "watermarks through librdkafka")
    found = consumer.offsets_for_times([confluent_kafka.TopicPartition("times", 0, base + 120_000)], 10)
    check_equal(found[0].offset, 120, "offsets_for_times through librdkafka")
    consumer.close()
    broker.stop()


@case("admin-timestamps")
def admin_timestamps(current):
    """LogAppendTime, limits on timestamps, recompression by compression.type."""
    broker = current.broker()
    with broker.wire() as wire:
        wire.create_topic("stamped", 1, {"message.timestamp.type": "LogAppendTime"})
        begin = int(time.time() * 1000)
        row = wire.produce_raw("stamped", 0, make_batch([Record(b"k", b"v", timestamp=1000)], codec="gzip"))
        check(begin - 5 <= row["log_append_time_ms"] <= int(time.time() * 1000) + 5, f"append time: {row}")
        batch = wire.fetch_batches("stamped", 0)[0]
        check(batch.is_log_append_time and batch.crc_is_right(), "the stored batch is not stamped, or damaged")
        check_equal(batch.max_timestamp, row["log_append_time_ms"], "its timestamp")
        found = clients.confluent_consume(broker.bootstrap, "stamped", 1)
        check_equal(found[0][0][1][4], row["log_append_time_ms"], "the timestamp that a consumer sees")
        wire.create_topic("limits", 1, {"message.timestamp.before.max.ms": "60000",
                                        "message.timestamp.after.max.ms": "60000"})
        now = int(time.time() * 1000)
        for delta, code in [(0, 0), (-50_000, 0), (-70_000, INVALID_TIMESTAMP), (70_000, INVALID_TIMESTAMP)]:
            found = wire.produce("limits", 0, [Record(None, b"v", timestamp=now + delta)])[0]
            check_equal(found, code, f"a timestamp of now {delta:+}")
        lines = [Record(None, b"the same line again and again %d" % (i % 3)) for i in range(200)]
        for target in ("zstd", "lz4", "snappy", "gzip", "uncompressed"):
            topic = f"to-{target}"
            wire.create_topic(topic, 1, {"compression.type": target})
            for codec in ("none", "gzip"):
                check_equal(wire.produce(topic, 0, lines, codec=codec)[0], 0, f"produce {codec} to {topic}")
            stored = wire.fetch_batches(topic, 0)
            check_equal([batch.codec for batch in stored], [target.replace("uncompressed", "none")] * 2, f"in {topic}")
            check(all(batch.crc_is_right() for batch in stored), f"checksums in {topic}")
            found = clients.confluent_consume(broker.bootstrap, topic, 1)[0]
            check_equal([record[2] for _, record in found], [line.value for line in lines] * 2, f"records of {topic}")
    broker.stop()


@case("admin-sessions")
def admin_sessions(current):
    """Fetch sessions (KIP-227): only what changed comes back; produce ids and idempotence, raw."""
    broker = current.broker()
    with broker.wire() as wire:
        topic_id = wire.create_topic("session", 3)["topic_id"]
        wire.produce("session", 0, [Record(None, b"zero")])

        def fetch(session, epoch, partitions, wait=0, forgotten=()):
            return wire.call("Fetch", 13, {
                "max_wait_ms": wait, "min_bytes": 1, "max_bytes": 1 << 20, "session_id": session,
                "session_epoch": epoch,
                "topics": [{"topic_id": topic_id, "partitions": [
                    {"partition": i, "fetch_offset": offset, "partition_max_bytes": 1 << 20}
                    for i, offset in partitions]}] if partitions else [],
                "forgotten_topics_data": [{"topic_id": topic_id, "partitions": list(forgotten)}] if forgotten else []})

        reply = fetch(0, 0, [(0, 0), (1, 0), (2, 0)])
        session = reply["session_id"]
        check(session > 0 and reply["error_code"] == 0, f"no session: {reply['session_id']}")
        check_equal(len(reply["responses"][0]["partitions"]), 3, "partitions in the first answer")
        reply = fetch(session, 1, [(0, 1)])
        check_equal(reply["responses"], [], "partitions when nothing changed")
        wire.produce("session", 2, [Record(None, b"two")])
        reply = fetch(session, 2, [], wait=1000)
        check_equal([row["partition_index"] for row in reply["responses"][0]["partitions"]], [2], "what changed")
        reply = fetch(session, 3, [(2, 1)], forgotten=[0])
        check_equal(reply["responses"], [], "after moving on")
        wire.produce("session", 0, [Record(None, b"more")])
        check_equal(fetch(session, 4, [], wait=100)["responses"], [], "a forgotten partition")
        check_equal(fetch(session, 9, [])["error_code"], 71, "a wrong epoch: INVALID_FETCH_SESSION_EPOCH")
        check_equal(fetch(session + 999, 1, [])["error_code"], 70, "an unknown session: FETCH_SESSION_ID_NOT_FOUND")
        # Idempotence: a batch sent again is told its first offset; a gap is refused.
        new_producer = {"transactional_id": None, "transaction_timeout_ms": 1000}
        row = wire.call("InitProducerId", 4, new_producer)
        producer = row["producer_id"]
        check_equal((row["error_code"], row["producer_epoch"]), (0, 0), "InitProducerId")
        other = wire.call("InitProducerId", 4, new_producer)["producer_id"]
        check(other != producer, "two producers with one id")

        def produce(sequence, count=1, epoch=0, who=producer):
            return wire.produce("session", 1, [Record(None, b"x")] * count, producer=(who, epoch, sequence))

        check_equal(produce(0, 3), (0, 0), "first batch")
        check_equal(produce(3, 2), (0, 3), "second batch")
        check_equal(produce(0, 3), (0, 0), "the first again")
        check_equal(produce(3, 2), (0, 3), "the second again")
        check_equal(produce(9)[0], 45, "a gap: OUT_OF_ORDER_SEQUENCE_NUMBER")
        check_equal(produce(0, who=other), (0, 5), "another producer")
        broker.kill()
        broker.start()
    with broker.wire() as wire:
        check_equal(produce(3, 2), (0, 3), "the second again, after kill -9")
        check_equal(produce(5), (0, 6), "the next, after kill -9")
        check_equal(produce(0, epoch=1), (0, 7), "a newer epoch starts from 0")
        check_equal(produce(6, epoch=0)[0], 47, "the older epoch: INVALID_PRODUCER_EPOCH")
        third = wire.call("InitProducerId", 4, new_producer)["producer_id"]
        check(third not in (producer, other), "a producer id was given twice")
    broker.stop()
