"""Apache Kafka's console tools: each step is one of them in a JVM of its own, with a check of what it prints.

MILLRACE_TOOL_STEPS is a regular expression that picks steps by their names.
"""
import json
import os
import re
import shutil
import subprocess
import tempfile
import time

import java_groups
import java_transactions


STEP_S = 90
PACKAGE = "org.apache.kafka.tools."
TOPIC = PACKAGE + "TopicCommand"
CONFIG = "kafka.admin.ConfigCommand"
CONSUMER = PACKAGE + "consumer.ConsoleConsumer"
PRODUCER = PACKAGE + "ConsoleProducer"
OFFSETS = PACKAGE + "GetOffsetShell"
PERFORMANCE = PACKAGE + "ProducerPerformance"
CLUSTER = PACKAGE + "ClusterTool"
FEATURES = PACKAGE + "FeatureCommand"
QUORUM = PACKAGE + "MetadataQuorumCommand"
ELECTION = PACKAGE + "LeaderElectionCommand"
REASSIGN = PACKAGE + "reassign.ReassignPartitionsCommand"
LOG_DIRS = PACKAGE + "LogDirsCommand"
ACLS = PACKAGE + "AclCommand"
CLIENT_METRICS = PACKAGE + "ClientMetricsCommand"
SUBCOMMANDS_FIRST = (CLUSTER,)
LINES = 2000
TIMED = ["--formatter-property", "print.timestamp=true", "--formatter-property", "print.headers=true",
         "--formatter-property", "print.key=true", "--formatter-property", "print.partition=true",
         "--formatter-property", "print.offset=true"]


def has(pattern):
    return lambda text: None if re.search(pattern, text, re.M) else f"nothing printed is like {pattern}"


def has_not(pattern):
    return lambda text: f"printed: {pattern}" if re.search(pattern, text, re.M) else None


def rows(pattern, count):
    def judge(text):
        found = len(re.findall(pattern, text, re.M))
        return None if found == count else f"{found} lines like {pattern} instead of {count}"
    return judge


def exactly(expected):
    def judge(text):
        found = [line for line in text.split("\n") if line]
        return None if found == expected else f"{len(found)} lines, not the {len(expected)} expected ones"
    return judge


def offset_sum(expected):
    def judge(text):
        found = sum(int(number) for number in re.findall(r":(\d+)$", text, re.M))
        return None if found == expected else f"offsets sum up to {found} instead of {expected}"
    return judge


class Steps:
    """The steps beside one broker."""

    def __init__(self, program, bootstrap, shards, table, log):
        self.program, self.shards, self.table, self.log = program, shards, table, log
        self.bootstrap = ["--bootstrap-server", bootstrap]
        self.wanted = re.compile(os.environ.get("MILLRACE_TOOL_STEPS", ""))
        self.node = "0"  # of some broker, as the first step finds it
        self.folder = tempfile.mkdtemp(prefix="millrace-tools-")

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def step(self, name, judge, tool, *words, stdin="", code=0, bootstrap=True):
        """Runs a tool; judge(output) gives a reason against it, or None. Its output is returned."""
        if not self.wanted.search(name):
            return ""
        begin = time.monotonic()
        try:
            command = [*self.program.command, tool]
            if bootstrap:  # the copier has another name for it
                words = [*words, *self.bootstrap] if tool in SUBCOMMANDS_FIRST else [*self.bootstrap, *words]
            command += words
            done = subprocess.run(command, input=stdin, text=True, errors="replace", capture_output=True,
                                  timeout=STEP_S, check=False)
            output, reason = done.stdout, None
            self.log.write(f"--- {name}\n{done.stdout[-20000:]}{done.stderr[-20000:]}")
            if done.returncode != code:
                lines = [line for line in (done.stderr + done.stdout).split("\n")
                         if re.search("Exception|[Ee]rror|WARN", line)]
                reason = f"exit code {done.returncode}: {lines[0] if lines else ''}"
            else:
                reason = judge(done.stdout + done.stderr) if code else judge(done.stdout)
        except subprocess.TimeoutExpired:
            output, reason = "", f"not within {STEP_S} s"
        self.table.add(self.program.client, self.program.version, self.shards, name, "fail" if reason else "pass",
                       time.monotonic() - begin, reason or "")
        return output


def topics(s):
    s.step("TopicCommand --create", has("Created topic tools-in"), TOPIC, "--create", "--topic", "tools-in",
           "--partitions", "4", "--replication-factor", "1")
    s.step("TopicCommand --create --config", has("Created topic"), TOPIC, "--create", "--topic", "tools-compact",
           "--config", "cleanup.policy=compact", "--config", "segment.bytes=1048576")
    s.step("TopicCommand --create, a second time", has("already exists"), TOPIC, "--create", "--topic", "tools-in",
           code=1)
    s.step("TopicCommand --create --if-not-exists", lambda text: None, TOPIC, "--create", "--topic", "tools-in",
           "--if-not-exists")
    s.step("TopicCommand --create, a bad setting", has("[Uu]nknown topic config"), TOPIC, "--create", "--topic",
           "tools-bad", "--config", "no.such=1", code=1)
    s.step("TopicCommand --list", exactly(["tools-compact", "tools-in"]), TOPIC, "--list")
    s.step("TopicCommand --describe", rows(r"Partition: \d+\s+Leader: \d+\s+Replicas: \d+\s+Isr: \d+", 4), TOPIC,
           "--describe", "--topic", "tools-in")
    s.step("TopicCommand --describe, settings", has(r"cleanup\.policy=compact,segment\.bytes=1048576|"
                                                    r"segment\.bytes=1048576,cleanup\.policy=compact"), TOPIC,
           "--describe", "--topic", "tools-compact")
    s.step("TopicCommand --describe --under-replicated", exactly([]), TOPIC, "--describe",
           "--under-replicated-partitions")
    s.step("TopicCommand --describe --unavailable", exactly([]), TOPIC, "--describe", "--unavailable-partitions")
    s.step("TopicCommand --alter", lambda text: None, TOPIC, "--alter", "--topic", "tools-compact", "--partitions", "3")
    s.step("TopicCommand --describe, after --alter", has("PartitionCount: 3"), TOPIC, "--describe", "--topic",
           "tools-compact")


def console(s):
    lines = [f"line {i}" for i in range(LINES)]
    text = "\n".join(lines) + "\n"
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        topic = f"tools-{codec}"
        s.step(f"ConsoleProducer, {codec}, topic on demand", lambda text: None, PRODUCER, "--topic", topic,
               "--compression-codec", codec, stdin=text)
        s.step(f"ConsoleConsumer by partition, {codec}", exactly(lines), CONSUMER, "--topic", topic, "--partition",
               "0", "--offset", "earliest", "--max-messages", str(LINES), "--timeout-ms", "20000")
    s.step("ConsoleConsumer from an offset", exactly(lines[-5:]), CONSUMER, "--topic", "tools-none", "--partition", "0",
           "--offset", str(LINES - 5), "--max-messages", "5", "--timeout-ms", "20000")
    s.step("ConsoleConsumer, read_committed", exactly(lines), CONSUMER, "--topic", "tools-none", "--partition", "0",
           "--offset", "0", "--max-messages", str(LINES), "--timeout-ms", "20000", "--isolation-level",
           "read_committed")
    s.step("ConsoleProducer, keys and headers", lambda text: None, PRODUCER, "--topic", "tools-keyed",
           "--reader-property", "parse.key=true", "--reader-property", "parse.headers=true", "--reader-property",
           "null.marker=NULL", "--sync", stdin="h1:v1,h2:v2\tkey1\tvalue1\nh3:v3\tkey2\tNULL\n")
    s.step("ConsoleConsumer, keys, headers, offsets, timestamps",
           rows(r"^CreateTime:\d{13}\tPartition:0\tOffset:0\th1:v1,h2:v2\tkey1\tvalue1\n"
                r"CreateTime:\d{13}\tPartition:0\tOffset:1\th3:v3\tkey2\tnull$", 1), CONSUMER, "--topic", "tools-keyed",
           "--partition", "0", "--offset", "earliest", "--max-messages", "2", "--timeout-ms", "20000", *TIMED)


def performance(s):
    for name, words in (("", []), (", acks=1", ["--command-property", "acks=1"]),
                        (", zstd", ["--command-property", "compression.type=zstd"]),
                        (", limited", ["--throughput", "20000"])):
        limit = [] if "--throughput" in words else ["--throughput", "-1"]
        s.step("ProducerPerformance" + name, has("^50000 records sent"), PERFORMANCE, "--topic", "tools-in",
               "--num-records", "50000", "--record-size", "500", *limit, *words)
    s.step("GetOffsetShell, latest", offset_sum(200000), OFFSETS, "--topic", "tools-in", "--time", "latest")
    s.step("ConsumerPerformance", has(r"^20\d\d-.*, 50\d{3}, "), PACKAGE + "ConsumerPerformance", "--topic", "tools-in",
           "--num-records", "50000", "--timeout", "60000")
    s.step("EndToEndLatency", has(r"^Percentiles: 50th = \d+"), PACKAGE + "EndToEndLatency", "--topic", "tools-latency",
           "--num-records", "500", "--producer-acks", "all", "--record-size", "20")
    s.step("VerifiableProducer", has('"sent":5000,"acked":5000'), PACKAGE + "VerifiableProducer", "--topic",
           "tools-verified", "--max-messages", "5000")
    s.step("ClientCompatibilityTest", has("^SUCCESS"), PACKAGE + "ClientCompatibilityTest", "--topic", "tools-compat",
           "--offsets-for-times-supported", "True", "--cluster-id-supported", "True",
           "--expect-record-too-large-exception", "False", "--num-cluster-nodes", str(s.shards),
           "--create-topics-supported", "True", "--describe-acls-supported", "True", "--describe-configs-supported",
           "True", "--idempotent-producer-supported", "True")


def offsets_and_records(s):
    s.step("GetOffsetShell, earliest", rows(r"^tools-in:\d:0$", 4), OFFSETS, "--topic", "tools-in", "--time",
           "earliest")
    s.step("GetOffsetShell, max-timestamp", rows(r"^tools-in:\d:\d+$", 4), OFFSETS, "--topic", "tools-in", "--time",
           "max-timestamp")
    s.step("GetOffsetShell, by time", rows(r"^tools-in:\d:0$", 4), OFFSETS, "--topic", "tools-in", "--time",
           "1600000000000")
    s.step("GetOffsetShell, partitions", rows(r"^tools-in:[13]:\d+$", 2), OFFSETS, "--topic-partitions",
           "tools-in:1,tools-in:3")
    s.step("GetOffsetShell, earliest-local", rows(r"^tools-in:\d:0$", 4), OFFSETS, "--topic", "tools-in", "--time",
           "earliest-local")
    file = s.file("records.json", json.dumps({"version": 1, "partitions": [
        {"topic": "tools-none", "partition": 0, "offset": 100},
        {"topic": "tools-gzip", "partition": 0, "offset": -1}]}))
    s.step("DeleteRecordsCommand", rows(f"low_watermark: (100|{LINES})$", 2), PACKAGE + "DeleteRecordsCommand",
           "--offset-json-file", file)
    s.step("ConsoleConsumer after DeleteRecordsCommand", exactly(["line 100"]), CONSUMER, "--topic", "tools-none",
           "--partition", "0", "--offset", "earliest", "--max-messages", "1", "--timeout-ms", "20000")
    file = s.file("beyond.json", json.dumps({"version": 1, "partitions": [
        {"topic": "tools-none", "partition": 0, "offset": 1000000}]}))
    s.step("DeleteRecordsCommand beyond the end", has("OffsetOutOfRange"), PACKAGE + "DeleteRecordsCommand",
           "--offset-json-file", file)


def configs(s):
    entity = ["--entity-type", "topics", "--entity-name", "tools-in"]
    s.step("ConfigCommand --alter --add-config", has("Completed updating config"), CONFIG, "--alter", *entity,
           "--add-config", "retention.ms=3600000,cleanup.policy=[compact,delete]")
    s.step("ConfigCommand --describe", has(r"retention\.ms=3600000 sensitive=false synonyms=\{DYNAMIC_TOPIC_CONFIG"),
           CONFIG, "--describe", *entity)
    s.step("ConfigCommand --alter, a bad value", has("InvalidConfiguration|Invalid value"), CONFIG, "--alter", *entity,
           "--add-config", "retention.ms=soon", code=1)
    s.step("ConfigCommand --alter --delete-config", has("Completed updating config"), CONFIG, "--alter", *entity,
           "--delete-config", "retention.ms,cleanup.policy")
    s.step("ConfigCommand --describe, after --delete-config", has_not("retention.ms="), CONFIG, "--describe", *entity)
    s.step("ConfigCommand --describe --all", has(r"max\.message\.bytes=1048588"), CONFIG, "--describe", "--all",
           *entity)
    s.step("ConfigCommand --describe --all, a broker", has(r"num\.partitions="), CONFIG, "--describe", "--all",
           "--entity-type", "brokers", "--entity-name", s.node)
    s.step("ConfigCommand --alter, an unknown topic setting", has("Unknown topic config name"), CONFIG, "--alter",
           *entity, "--add-config", "no.such=1", code=1)


def broker_configs(s):
    broker = ["--entity-type", "brokers", "--entity-name", s.node]
    all_brokers = ["--entity-type", "brokers", "--entity-default"]
    s.step("ConfigCommand --alter, all brokers", has("Completed updating default config for brokers"), CONFIG,
           "--alter", *all_brokers, "--add-config", "log.retention.ms=86400000,max.connections=5000")
    s.step("ConfigCommand --describe, all brokers", has(r"log\.retention\.ms=86400000 sensitive=false synonyms="),
           CONFIG, "--describe", *all_brokers)
    s.step("ConfigCommand --alter, one broker", has("Completed updating config for broker"), CONFIG, "--alter", *broker,
           "--add-config", "log.retention.ms=43200000")
    s.step("ConfigCommand --describe, one broker",
           has(r"log\.retention\.ms=43200000 sensitive=false synonyms="
               r"\{DYNAMIC_BROKER_CONFIG:log\.retention\.ms=43200000, "
               r"DYNAMIC_DEFAULT_BROKER_CONFIG:log\.retention\.ms=86400000"), CONFIG, "--describe", *broker)
    s.step("ConfigCommand --alter, a setting that needs a restart", has("Cannot update these configs dynamically"),
           CONFIG, "--alter", *broker, "--add-config", "num.partitions=7", code=1)
    s.step("ConfigCommand --alter, a bad broker setting", has("InvalidRequestException.*Invalid value soon"), CONFIG,
           "--alter", *all_brokers, "--add-config", "log.retention.ms=soon", code=1)
    s.step("ConfigCommand --delete-config, one broker", has("Completed updating config for broker"), CONFIG, "--alter",
           *broker, "--delete-config", "log.retention.ms")
    s.step("ConfigCommand --delete-config, all brokers", has("Completed updating default config for brokers"), CONFIG,
           "--alter", *all_brokers, "--delete-config", "log.retention.ms,max.connections")
    s.step("ConfigCommand --describe, all brokers, afterwards", has_not("log.retention.ms="), CONFIG, "--describe",
           *all_brokers)
    group = ["--entity-type", "groups", "--entity-name", "tools-group"]
    s.step("ConfigCommand --alter, a group", has("Completed updating config for group tools-group"), CONFIG, "--alter",
           *group, "--add-config", "consumer.session.timeout.ms=50000")
    s.step("ConfigCommand --describe, a group",
           has(r"consumer\.session\.timeout\.ms=50000 sensitive=false synonyms=\{DYNAMIC_GROUP_CONFIG"), CONFIG,
           "--describe", *group)
    s.step("ConfigCommand --alter, a group beyond the limit", has("InvalidConfiguration"), CONFIG, "--alter", *group,
           "--add-config", "consumer.session.timeout.ms=1", code=1)
    s.step("ConfigCommand --delete-config, a group", has("Completed updating config for group"), CONFIG, "--alter",
           *group, "--delete-config", "consumer.session.timeout.ms")
    loggers = ["--entity-type", "broker-loggers", "--entity-name", s.node]
    text = s.step("ConfigCommand --describe, loggers", has(r"^\s*root=(INFO|WARN|ERROR)"), CONFIG, "--describe",
                  *loggers)
    level = re.search(r"^\s*root=(\w+)", text, re.M)
    s.step("ConfigCommand --alter, a logger", has("Completed updating config for broker-logger"), CONFIG, "--alter",
           *loggers, "--add-config", "root=ERROR")
    s.step("ConfigCommand --describe, loggers, afterwards", has(r"^\s*root=ERROR"), CONFIG, "--describe", *loggers)
    s.step("ConfigCommand --alter, a logger, back", has("Completed updating config for broker-logger"), CONFIG,
           "--alter", *loggers, "--add-config", f"root={level.group(1) if level else 'INFO'}")
    s.step("ConfigCommand --alter, a logger that is not there", has("no.such.logger"), CONFIG, "--alter", *loggers,
           "--add-config", "no.such.logger=INFO", code=1)


def quotas(s):
    user = ["--entity-type", "users", "--entity-name", "tools-user"]
    s.step("ConfigCommand --alter, a quota of a user", has("Completed updating config for user tools-user"), CONFIG,
           "--alter", *user, "--add-config", "producer_byte_rate=1024,request_percentage=50")
    s.step("ConfigCommand --alter, a quota of all clients", has("Completed updating default config for clients"),
           CONFIG, "--alter", "--entity-type", "clients", "--entity-default", "--add-config", "consumer_byte_rate=2048")
    s.step("ConfigCommand --alter, a quota of an address", has("Completed updating config for ip"), CONFIG, "--alter",
           "--entity-type", "ips", "--entity-name", "127.0.0.2", "--add-config", "connection_creation_rate=10")
    s.step("ConfigCommand --describe, quotas of a user",
           has(r"Quota configs for user-principal 'tools-user' are .*producer_byte_rate=1024\.0"), CONFIG, "--describe",
           *user)
    s.step("ConfigCommand --describe, quotas of clients", has(r"the default client-id are consumer_byte_rate=2048\.0"),
           CONFIG, "--describe", "--entity-type", "clients")
    s.step("ConfigCommand --describe, quotas of addresses",
           has(r"ip '127\.0\.0\.2' are connection_creation_rate=10\.0"),
           CONFIG, "--describe", "--entity-type", "ips")
    s.step("ConfigCommand --delete-config, quotas", has("Completed updating config for user tools-user"), CONFIG,
           "--alter", *user, "--delete-config", "producer_byte_rate,request_percentage")
    s.step("ConfigCommand --describe, quotas of a user, afterwards", has_not("producer_byte_rate"), CONFIG,
           "--describe",
           *user)


def placement(s):
    s.step("LeaderElectionCommand, all partitions", has_not("[Ee]rror|could not"), ELECTION, "--election-type",
           "preferred", "--all-topic-partitions")
    s.step("LeaderElectionCommand, one partition", has("Valid replica already elected for partitions tools-in-0"),
           ELECTION, "--election-type", "preferred", "--topic", "tools-in", "--partition", "0")
    s.step("LeaderElectionCommand, what is not there", has("UnknownTopicOrPartition"), ELECTION, "--election-type",
           "unclean", "--topic", "tools-absent", "--partition", "0", code=1)
    s.step("ReassignPartitionsCommand --list", has("No partition reassignments found"), REASSIGN, "--list")
    text = s.step("TopicCommand --describe, leaders", has("Partition: 0"), TOPIC, "--describe", "--topic", "tools-in")
    leaders = {int(partition): int(leader)
               for partition, leader in re.findall(r"Partition: (\d+)\s+Leader: (\d+)", text)}
    file = s.file("reassign.json", json.dumps({"version": 1, "partitions": [
        {"topic": "tools-in", "partition": partition, "replicas": [leader]} for partition, leader in leaders.items()]}))
    s.step("ReassignPartitionsCommand --verify", rows("is completed", len(leaders)), REASSIGN, "--verify",
           "--reassignment-json-file", file)
    s.step("ReassignPartitionsCommand --execute, where they are", has("Successfully started partition reassignments"),
           REASSIGN, "--execute", "--reassignment-json-file", file)
    s.step("ReassignPartitionsCommand --cancel, nothing",
           has("None of the specified partition reassignments are active"),
           REASSIGN, "--cancel", "--reassignment-json-file", file)
    file = s.file("nowhere.json", json.dumps({"version": 1, "partitions": [
        {"topic": "tools-in", "partition": 0, "replicas": [12345]}]}))
    s.step("ReassignPartitionsCommand --execute, to a node that is not there", has("12345"), REASSIGN, "--execute",
           "--reassignment-json-file", file, code=1)


def security(s):
    s.step("AclCommand --list, no authorizer", has("SecurityDisabledException"), ACLS, "--list", code=1)
    s.step("AclCommand --add, no authorizer", has("SecurityDisabledException"), ACLS, "--add", "--allow-principal",
           "User:someone", "--operation", "Read", "--topic", "tools-in", code=1)
    s.step("ClientMetricsCommand --list", exactly([]), CLIENT_METRICS, "--list")


def cluster(s):
    text = s.step("BrokerApiVersionsCommand", rows(r"Produce\(0\): 0 to \d+", s.shards),
                  PACKAGE + "BrokerApiVersionsCommand")
    node = re.search(r"\(id: (\d+) ", text)
    s.step("ClusterTool cluster-id", has(r"Cluster ID: \S+"), CLUSTER, "cluster-id")
    s.step("ClusterTool list-endpoints", rows(r"^\d+\s+127\.0\.0\.1\s+\d+", s.shards), CLUSTER, "list-endpoints")
    s.step("ClusterTool list-endpoints, fenced ones too", rows(r"^\d+\s+127\.0\.0\.1\s+\d+", s.shards), CLUSTER,
           "list-endpoints", "--include-fenced-brokers")
    s.step("ClusterTool unregister, a node that is not there", has("BrokerIdNotRegistered"), CLUSTER, "unregister",
           "--id", "12345", code=1)
    s.step("MetadataQuorumCommand describe --status", has("^LeaderId: +\\d+\n(.*\n)*CurrentVoters: +\\[.\"id\": \\d+"),
           QUORUM, "describe", "--status")
    s.step("MetadataQuorumCommand describe --replication", rows(r"\t(Leader|Observer)", s.shards), QUORUM, "describe",
           "--replication")
    s.node = node.group(1) if node else s.node


def features(s):
    s.step("FeatureCommand describe", has(r"^Feature: metadata\.version\s.*FinalizedVersionLevel: 4\.3-IV0"), FEATURES,
           "describe")
    s.step("FeatureCommand upgrade, as it is", has("group.version was upgraded to 1"), FEATURES, "upgrade", "--feature",
           "group.version=1")
    s.step("FeatureCommand upgrade, transactions", has("transaction.version was upgraded to 2"), FEATURES, "upgrade",
           "--feature", "transaction.version=2")
    s.step("FeatureCommand downgrade", has("group.version was downgraded to 0"), FEATURES, "downgrade", "--feature",
           "group.version=0")
    s.step("FeatureCommand describe, after downgrade", has(r"^Feature: group\.version\s.*FinalizedVersionLevel: 0"),
           FEATURES, "describe")
    s.step("FeatureCommand upgrade, back", has("group.version was upgraded to 1"), FEATURES, "upgrade", "--feature",
           "group.version=1")
    s.step("FeatureCommand downgrade, metadata", has("Could not downgrade metadata.version to 19"), FEATURES,
           "downgrade",
           "--metadata", "3.7", code=1)
    s.step("FeatureCommand upgrade, beyond what is supported", has("only supports versions 0-1"), FEATURES, "upgrade",
           "--feature", "group.version=7", code=1)


def log_dirs(s):
    if not s.wanted.search("LogDirsCommand"):
        return
    s.step("LogDirsCommand --describe, all", has('"brokers"'), LOG_DIRS, "--describe")
    text = s.step("LogDirsCommand --describe", has('"brokers"'), LOG_DIRS, "--describe", "--topic-list", "tools-in")
    found = {partition["partition"] for line in text.split("\n") if line.startswith("{")
             for broker in json.loads(line)["brokers"] for place in broker["logDirs"]
             for partition in place["partitions"]}
    wanted = {f"tools-in-{i}" for i in range(4)}
    s.table.add(s.program.client, s.program.version, s.shards, "LogDirsCommand, partitions",
                "pass" if found == wanted else "fail", 0.0, "" if found == wanted else f"found {sorted(found)}")


def deletes(s):
    s.step("TopicCommand --delete", lambda text: None, TOPIC, "--delete", "--topic", "tools-.*")
    s.step("TopicCommand --list, after --delete", has_not("^tools-"), TOPIC, "--list")
    s.step("TopicCommand --delete, what is not there", has("does not exist"), TOPIC, "--delete", "--topic", "tools-in",
           code=1)


def run(program, bootstrap, shards, table, log):
    s = Steps(program, bootstrap, shards, table, log)
    for part in (cluster, features, topics, console, performance, offsets_and_records, configs, broker_configs, quotas,
                 placement, security, log_dirs, java_groups.groups, java_transactions.transactions,
                 deletes):
        part(s)
    shutil.rmtree(s.folder, ignore_errors=True)
