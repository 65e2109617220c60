"""Apache Kafka's console tools against a broker: java_tools.py JARS BOOTSTRAP. Lines as of the other suites. What needs
a group or transaction coordinator is left out."""
import json
import os
import subprocess
import sys
import tempfile

JARS, BOOTSTRAP = sys.argv[1], sys.argv[2]
TOOL_S = 60
LINES = 500
failed = 0


class ToolFailed(Exception):
    pass


def tool(name, *words, stdin=None):
    """What the tool printed."""
    command = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", os.path.join(JARS, "*"),
               name if "." in name and name.startswith(("kafka", "org")) else f"org.apache.kafka.tools.{name}", *words]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=TOOL_S, check=False)
    if done.returncode != 0:
        raise ToolFailed(f"{name} {' '.join(words)}: code {done.returncode}: {(done.stdout + done.stderr)[-600:]}")
    return done.stdout


def expect(condition, what):
    if not condition:
        raise ToolFailed(str(what)[:500])


def check(name, run):
    global failed
    try:
        run()
        print(f"ok {name}", flush=True)
    except (ToolFailed, subprocess.TimeoutExpired, ValueError, IndexError) as error:
        failed += 1
        print(f"FAILED {name}: {' '.join(str(error).split())}", flush=True)


BOOT = ["--bootstrap-server", BOOTSTRAP]


def topics():
    tool("TopicCommand", *BOOT, "--create", "--topic", "tools", "--partitions", "3", "--config", "retention.ms=100000")
    expect("tools" in tool("TopicCommand", *BOOT, "--list").split(), "the topic is not listed")
    text = tool("TopicCommand", *BOOT, "--describe", "--topic", "tools")
    expect("PartitionCount: 3" in text and "retention.ms=100000" in text, text)
    tool("TopicCommand", *BOOT, "--alter", "--topic", "tools", "--partitions", "4")
    expect("PartitionCount: 4" in tool("TopicCommand", *BOOT, "--describe", "--topic", "tools"), "not four partitions")
    tool("TopicCommand", *BOOT, "--create", "--topic", "gone")
    tool("TopicCommand", *BOOT, "--delete", "--topic", "gone")
    expect("gone" not in tool("TopicCommand", *BOOT, "--list").split(), "a deleted topic is listed")


def configs():
    entity = ["--entity-type", "topics", "--entity-name", "tools"]
    expect("retention.ms=100000" in tool("kafka.admin.ConfigCommand", *BOOT, "--describe", *entity), "retention.ms")
    tool("kafka.admin.ConfigCommand", *BOOT, "--alter", *entity, "--add-config", "max.message.bytes=200000")
    text = tool("kafka.admin.ConfigCommand", *BOOT, "--describe", *entity)
    expect("max.message.bytes=200000" in text and "retention.ms=100000" in text, text)
    tool("kafka.admin.ConfigCommand", *BOOT, "--alter", *entity, "--delete-config", "max.message.bytes")
    expect("max.message.bytes" not in tool("kafka.admin.ConfigCommand", *BOOT, "--describe", *entity), "not deleted")
    expect("log.segment.bytes" in tool("kafka.admin.ConfigCommand", *BOOT, "--describe", "--entity-type", "brokers",
                                       "--entity-name", "0", "--all"), "settings of broker 0")


def console():
    tool("TopicCommand", *BOOT, "--create", "--topic", "console", "--partitions", "1")
    lines = [f"key-{i}\tline number {i} äöü" for i in range(LINES)]
    tool("ConsoleProducer", *BOOT, "--topic", "console", "--reader-property", "parse.key=true", "--compression-codec",
         "zstd", stdin="\n".join(lines) + "\n")
    out = tool("consumer.ConsoleConsumer", *BOOT, "--topic", "console", "--partition", "0", "--offset", "earliest",
               "--max-messages", str(LINES), "--timeout-ms", "20000", "--formatter-property", "print.key=true")
    expect(out.strip().split("\n") == lines, f"the console consumer read: {out[:300]}")


def offsets():
    expect(f"console:0:{LINES}" in tool("GetOffsetShell", *BOOT, "--topic", "console"), "the latest offset")
    expect("console:0:0" in tool("GetOffsetShell", *BOOT, "--topic", "console", "--time", "earliest"), "the earliest")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"version": 1, "partitions": [{"topic": "console", "partition": 0, "offset": 100}]}, file)
        file.flush()
        expect("low_watermark: 100" in tool("DeleteRecordsCommand", *BOOT, "--offset-json-file", file.name), "deleting")
    expect("console:0:100" in tool("GetOffsetShell", *BOOT, "--topic", "console", "--time", "earliest"),
           "the earliest offset after deleting records")


def verifiable():
    out = tool("VerifiableProducer", *BOOT, "--topic", "tools", "--max-messages", "1000", "--acks", "-1")
    rows = [json.loads(line) for line in out.split("\n") if line.startswith("{")]
    expect(sum(row["name"] == "producer_send_success" for row in rows) == 1000, rows[-1])
    total = sum(int(line.rsplit(":", 1)[1]) for line in tool("GetOffsetShell", *BOOT, "--topic", "tools").split())
    expect(total == 1000, f"{total} records stored of 1000")


def performance():
    out = tool("ProducerPerformance", "--topic", "tools", "--num-records", "20000", "--record-size", "500",
               "--throughput", "-1", "--producer-props", f"bootstrap.servers={BOOTSTRAP}", "acks=all")
    expect("20000 records sent" in out, out)


def directories():
    out = tool("LogDirsCommand", *BOOT, "--describe", "--topic-list", "tools")
    rows = json.loads(next(line for line in out.split("\n") if line.startswith("{")))
    folders = [folder for broker in rows["brokers"] for folder in broker["logDirs"]]
    sizes = [place["size"] for folder in folders for place in folder["partitions"]]
    expect(len(sizes) == 4 and sum(sizes) > 0, rows)


def cluster():
    expect("Cluster ID:" in tool("ClusterTool", "cluster-id", *BOOT), "no cluster id")
    text = tool("BrokerApiVersionsCommand", *BOOT)
    expect("Produce(0): 0 to 13" in text, text)


for check_name, function in [("topics", topics), ("configs", configs), ("console", console), ("offsets", offsets),
                             ("verifiable producer", verifiable), ("producer performance", performance),
                             ("log directories", directories), ("cluster", cluster)]:
    check(check_name, function)
sys.exit(1 if failed else 0)
