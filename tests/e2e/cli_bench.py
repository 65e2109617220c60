"""millrace bench: what it sends is what it counts, what it counts is there, and what is not there it says."""
import json
import os
import signal
import subprocess
import time
import xml.dom.minidom

from cli import DAMAGED, DONE, NOT_FOUND, UNREACHABLE, USAGE, Client
from harness import case, check, check_equal

SHORT = ("-d", "1s", "-w", "200ms", "-q")


@case("cli-bench", alone=True)
def cli_bench(current):
    """bench: closed and open loop, every codec, verified and read back; latency; a record too many is found."""
    cli = Client(current)
    for words in ((), ("-z", "lz4", "-k", 100), ("--rate", "2M", "-B", "8K", "-a", 1), ("--fresh", "-z", "zstd")):
        found = cli.json("bench", "produce", *SHORT, "--verify", "-p", 4, *words)
        check(found["verified"]["good"], f"verified: {found}")
        check_equal(found["verified"]["checked"].startswith("content"), "--fresh" not in words, "what was compared")
        check(0 < found["run"]["records"] <= found["verified"]["records"], "records")
        check(found["run"]["errors"] == 0 and found["latency"][0]["p50_us"] > 0, "answers")
        if "--rate" in words:
            check_equal(found["run"]["limited_by"], "rate", "who held it up")
    found = cli.json("bench", "produce", *SHORT, "--verify", "-p", 1000, "-C", 20, "-B", "4K")
    check(found["verified"]["good"], f"read back by requests of a thousand partitions: {found}")
    check_equal(cli.json("topic", "list"), [], "topics that were made are gone")

    found = cli.json("bench", "produce", "wheel", *SHORT, "-p", 3, "-s", 100, "-B", "4K", "-C", 2)
    kept = found["run"]["records"]
    read = cli.json("bench", "consume", "wheel", "-q", "--verify")
    check(read["run"]["records"] >= kept and read["run"]["errors"] == 0, "records read")
    check_equal(read["run"]["partitions"], 3, "partitions")
    cli.run("bench", "consume", "nowhere", expected=NOT_FOUND)

    # Somebody else writes into the topic: more is there than was sent.
    intruder = subprocess.Popen([current.binary, "produce", "wheel", "-b", cli.bootstrap], stdin=subprocess.PIPE)
    time.sleep(0.2)
    running = subprocess.Popen([current.binary, "bench", "produce", "wheel", "-b", cli.bootstrap, "-d", "2s", "-w",
                                "0s", "-q", "--verify", "-o", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(1)
    intruder.communicate(b"one too many\n")
    said, _ = running.communicate(timeout=60)
    check_equal(running.returncode, DAMAGED, "exit code")
    check_equal(json.loads(said)["verified"]["good"], False, "verified")

    path = os.path.join(current.folder, "run.hgrm")
    found = cli.json("bench", "latency", *SHORT, "--rate", 500, "-p", 2, "--percentiles", path)
    rows = {row["time"]: row for row in found["latency"]}
    check_equal(rows["read"]["count"], rows["acknowledged"]["count"], "records timed")
    check(rows["read"]["count"] > 250 and rows["read"]["p50_us"] >= rows["acknowledged"]["p50_us"] * 0.5, "times")
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    check_equal(lines[0].split(), ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"], "the file's head")
    check(f"Total count    = {rows['read']['count']:12}]" in lines[-3], f"the file's end: {lines[-3]}")
    cli.run("bench", "produce", "-z", "brotli", expected=USAGE)
    cli.run("bench", "produce", "-B", "0", expected=USAGE)
    cli.run("bench", "latency", "-C", "0", expected=USAGE)


@case("cli-bench-mixed", alone=True)
def cli_bench_mixed(current):
    """bench: idempotent producers, keys by Zipf's law, consumers and re-readers beside producers, presets."""
    cli = Client(current)
    for words in ((), ("-C", 2, "-i", 20), ("--fresh", "-z", "snappy"), ("-k", 1000, "--skew", "zipf:1.1")):
        found = cli.json("bench", "produce", *SHORT, "--verify", "-p", 4, "--idempotent", *words)
        check(found["verified"]["good"] and found["run"]["errors"] == 0, f"idempotent, {words}: {found}")
        check(found["run"]["idempotent"], "idempotent is reported")
    cli.run("bench", "produce", "--idempotent", "-a", 1, expected=USAGE)

    # One key is most of all: one partition gets most of all.
    cli.json("bench", "produce", "tilted", *SHORT, "-p", 8, "-k", 100000, "--skew", "zipf:2", "-B", "4K")
    ends = [row["offset"] for row in cli.json("topic", "offsets", "tilted")]
    check(max(ends) > 0.5 * sum(ends) and min(ends) < max(ends) / 4, f"how full partitions are: {ends}")
    cli.json("bench", "produce", "level", *SHORT, "-p", 8, "-k", 100000, "--skew", "zipf:0.1", "-B", "4K")
    ends = [row["offset"] for row in cli.json("topic", "offsets", "level")]
    check(min(ends) > 0.5 * max(ends), f"how full partitions are: {ends}")
    for skew in ("zipf:0", "zipf:x", "pareto"):
        cli.run("bench", "produce", "-k", 10, "--skew", skew, expected=USAGE)
    cli.run("bench", "produce", "--skew", "zipf:1", expected=USAGE)

    found = cli.json("bench", "mixed", *SHORT, "--verify", "-p", 4, "--consumers", 2, "--rereaders", 1, "--rate", "20M")
    check(found["verified"]["good"], f"verified: {found}")
    check_equal(found["read"]["bytes"], found["verified"]["bytes"], "consumers had everything")
    check(found["read"]["reread_bytes_per_s"] > found["run"]["bytes_per_s"] / 4, "the re-reader got something")
    check(found["read"]["bytes_per_s"] > found["run"]["bytes_per_s"] / 2, "consumers kept up")

    found = cli.json("bench", "mixed", *SHORT, "--preset", "1-topic-100-partitions-1kb-4p-2c-5k", "--verify")
    check_equal([found["run"][name] for name in ("partitions", "connections")], [100, 6], "the preset")
    check(3500 < found["run"]["records_per_s"] < 6500 and found["verified"]["good"], f"the preset's rate: {found}")
    for preset in ("2-topic-1-partition-1kb", "1-topic-1kb", "1-topic-4-partitions", "1-topic-x", "fast"):
        cli.run("bench", "produce", "--preset", preset, expected=USAGE)


@case("cli-bench-sweeps", long=True)
def cli_bench_sweeps(current):
    """bench: partitions, connections, recovery, a picture: each row is a run, nothing acknowledged is lost."""
    cli = Client(current)
    path = os.path.join(current.folder, "run.svg")
    cli.json("bench", "produce", "-d", "2s", "-w", "1s", "-q", "--plot", path)
    drawing = xml.dom.minidom.parse(path)
    lines = [line for line in drawing.getElementsByTagName("path") if "L" in line.getAttribute("d")]
    check_equal(len(lines), 4, "lines of the picture: throughput and three percentiles")
    said = [text.firstChild.data for text in drawing.getElementsByTagName("text")]
    check({"throughput", "p50", "p99", "p99.9", "MB/s"} <= set(said), f"what the picture says: {said}")

    watched = ("--broker-pid", cli.broker.process.pid)
    rows = cli.json("bench", "partitions", *SHORT, "--counts", "1,20,300", "--rate", "5M", *watched)["partitions"]
    check_equal([row["partitions"] for row in rows], [1, 20, 300], "counts")
    rows += cli.json("bench", "connections", *SHORT, "--counts", "0,50", "--rate", "5M", *watched)["connections"]
    check_equal([row["connections"] for row in rows[3:]], [0, 50], "counts")
    for row in rows:
        check(row["errors"] == 0 and row["bytes_per_s"] > 1e6 and row["p50_us"] > 0, f"a row: {row}")
        check(row["broker_memory"] > 1 << 20, f"the broker's memory: {row}")
    check(rows[4]["connect_us"] > 0, "connecting takes time")
    check_equal(cli.json("topic", "list"), [], "topics that were made are gone")
    cli.run("bench", "partitions", "--counts", "x", expected=USAGE)

    beside = os.path.join(current.folder, "beside")
    os.mkdir(beside)
    command = [current.binary, "bench", "recovery", "--dir", beside, *SHORT, "-p", "3", "-i", "50", "-B", "4K", "-o",
               "json"]
    for words in ((), ("--idempotent",)):
        done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=120, check=False)
        check_equal(done.returncode, DONE, f"recovery: {done.stderr}")
        found = json.loads(done.stdout)
        check(found["verified"]["good"] and found["verified"]["checked"].startswith("content"), f"recovery: {found}")
        check(found["recovery"]["in_flight_when_killed"] > 0, "requests were on their way")
        check(found["verified"]["records"] >= found["recovery"]["records_acknowledged"] > 0, "nothing is lost")
        check(0 < found["recovery"]["answers_ms"] <= found["recovery"]["ready_ms"], "times")
    check_equal(os.listdir(beside), [], "files left behind")
    cli.run("bench", "recovery", "-b", cli.bootstrap, expected=USAGE)  # not with somebody else's broker


@case("cli-bench-groups")
def cli_bench_groups(current):
    """bench: groups form over both shards, heartbeats and commits go round, nothing is left behind."""
    cli = Client(current, settings={"group.initial.rebalance.delay.ms": 200})
    found = cli.json("bench", "groups", "-g", 12, "-m", 3, "--offsets", 5, "-d", "700ms", "--broker-pid",
                     cli.broker.process.pid)
    rows = {row["what"]: row for row in found["groups"]}
    check_equal(list(rows), ["joined", "heartbeats", "committed offsets"], "what was measured")
    check_equal(rows["joined"]["count"], 36, "members")
    for row in rows.values():
        check(row["errors"] == 0 and row["count"] >= 36 and 0 < row["p50_us"] <= row["max_us"], f"a row: {row}")
    check(rows["committed offsets"]["count"] % 5 == 0, "offsets come in fives")
    check_equal(cli.json("group", "list"), [], "groups that are left")
    check_equal(cli.json("topic", "list"), [], "topics that are left")


@case("cli-bench-ends")
def cli_bench_ends(current):
    """bench: a broker of its own leaves nothing behind; Ctrl-C reports; a broker that dies is said."""
    cli = Client(current)
    beside = os.path.join(current.folder, "beside")
    os.mkdir(beside)
    found = cli.json("bench", "produce", *SHORT, "--self", "--shards", 2, "--dir", beside, "--verify")
    check(found["verified"]["good"] and found["run"]["broker_cpu_percent"] > 0, f"its own broker: {found}")
    check_equal(os.listdir(beside), [], "files left behind")

    def start(*words):
        return subprocess.Popen([current.binary, "bench", "produce", "wheel", "-b", cli.bootstrap, "-d", "60s", "-q",
                                 "-o", "json", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    running = start("-w", "0s", "--verify")
    time.sleep(1.5)
    running.send_signal(signal.SIGINT)
    said, errors = running.communicate(timeout=60)
    check_equal(running.returncode, DONE, f"exit code after Ctrl-C: {errors}")
    check(json.loads(said)["verified"]["good"], "verified after Ctrl-C")
    check(500 < json.loads(said)["run"]["measured"] < 10000, "time measured")
    running = start("-w", "0s")
    time.sleep(1)
    cli.broker.kill()
    _, errors = running.communicate(timeout=60)
    check_equal(running.returncode, UNREACHABLE, "exit code when the broker dies")
    check("closed a connection" in errors, errors)
