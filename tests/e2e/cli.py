"""The command line: every command, on its happy and on its sad path, with exit codes and JSON looked at.

The broker is the program under test as well, unless MILLRACE_TEST_BROKERS names another (any Kafka broker): then the
cases that need no process of their own run against that.
"""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

from harness import ROOT, case, check, check_equal, data_lines, wait_until

DONE, FAILED, USAGE, PARTIAL, NOT_FOUND, EXISTS, REFUSED, UNREACHABLE, TIMEOUT, DAMAGED = 0, 1, 2, 5, 6, 7, 8, 9, 10, 11
WAIT_S = 60


class Client:
    """The program with one broker in its environment."""

    def __init__(self, current, shards=2, settings=None):
        self.current = current
        elsewhere = os.environ.get("MILLRACE_TEST_BROKERS")
        self.broker = None if elsewhere else current.broker(shards=shards, settings=settings)
        self.bootstrap = elsewhere or self.broker.bootstrap
        # Kafka takes a moment to forget a deleted topic, so names are new in every run.
        self.mark = f"-{os.getpid()}" if elsewhere else ""

    def name(self, text):
        return text + self.mark

    def run(self, *words, stdin=b"", expected=DONE, environment=None):
        """(standard output, standard error), both bytes."""
        done = subprocess.run([self.current.binary, *map(str, words)], input=stdin, capture_output=True,
                              timeout=WAIT_S, check=False,
                              env={**os.environ, "MILLRACE_BROKERS": self.bootstrap, **(environment or {})})
        check_equal(done.returncode, expected, f"exit code of millrace {' '.join(map(str, words))}\n"
                                               f"{done.stdout.decode(errors='replace')[-2000:]}\n"
                                               f"{done.stderr.decode(errors='replace')[-2000:]}")
        return done.stdout, done.stderr

    def out(self, *words, **options):
        return self.run(*words, **options)[0]

    def text(self, *words, **options):
        return self.out(*words, **options).decode()

    def says(self, *words, **options):
        return self.run(*words, **options)[1].decode()

    def json(self, *words, **options):
        return json.loads(self.out(*words, "-o", "json", **options))

    def lines(self, *words, **options):
        """JSON lines of consume and log dump."""
        return [json.loads(line) for line in self.out(*words, "-o", "json", **options).splitlines()]

    def end(self):
        if self.broker is not None:
            self.broker.stop()


@case("cli-topics")
def cli_topics(current):
    """topic create, list, describe, alter, add-partitions, trim, delete."""
    cli = Client(current)
    one, two, none = cli.name("one"), cli.name("two"), cli.name("none")
    rows = cli.json("topic", "create", one, two, "-p", 3, "-c", "retention.ms=7d", "-n")
    check_equal([row["error"] for row in rows], [None, None], "a dry run")
    check_equal([row for row in cli.json("topic", "list", one)], [], "topics after a dry run")
    rows = cli.json("topic", "create", one, two, "-p", 3, "-c", "retention.ms=7d", "-c", "segment.bytes=64M")
    check_equal([(row["topic"], row["partitions"], row["replicas"]) for row in rows], [(one, 3, 1), (two, 3, 1)],
                "create")
    check("exists already" in cli.says("topic", "create", one, expected=EXISTS), "no cause")
    cli.run("topic", "create", one, "--if-not-exists")
    rows = cli.json("topic", "create", one, cli.name("three"), expected=PARTIAL)
    check_equal([row["error"] for row in rows], ["TOPIC_ALREADY_EXISTS", None], "one of two")
    cli.run("topic", "create", "bad/name", expected=REFUSED)
    cli.run("topic", "create", cli.name("x"), "-c", "retention.msec=1", expected=REFUSED)
    cli.run("topic", "create", cli.name("x"), "-c", "no-setting", expected=USAGE)
    cli.run("topic", "create", cli.name("x"), "-r", 3, expected=REFUSED)

    cli.run("produce", one, "-p", 1, stdin=b"a\nb\nc\n")
    rows = {row["topic"]: row for row in cli.json("topic", "list")}
    check(rows[one]["partitions"] == 3 and rows[one]["bytes"] >= 0, f"list: {rows[one]}")
    check_equal(sorted(cli.text("topic", "list", "-q", one, two).split()), sorted([one, two]), "names only")
    check(not any(name.startswith("__") for name in rows), "internal topics without -i")
    page = cli.json("topic", "describe", one, two)
    check_equal(len(page["partitions"]), 6, "partitions of both")
    row = next(row for row in page["partitions"] if row["topic"] == one and row["partition"] == 1)
    check_equal((row["start"], row["end"]), (0, 3), "offsets")
    check_equal(row["isr"], row["replicas"], "replicas")
    check_equal(len(page["topics"][0]["id"]), 22, "topic id")
    check("there is no topic" in cli.says("topic", "describe", none, expected=NOT_FOUND), "no cause")
    cli.run("topic", "describe", one, none, expected=PARTIAL)
    rows = cli.json("topic", "offsets", one, "-p", "0,1")
    check_equal([(row["partition"], row["offset"]) for row in rows], [(0, 0), (1, 3)], "offsets")
    rows = cli.json("topic", "offsets", one, "-O", "@-1h")
    check_equal([row["offset"] for row in rows], [0, 0, 0], "offsets by time")
    check_equal(len(cli.json("topic", "offsets", f"on[e]{cli.mark}", f"tw*{cli.mark}")), 6, "patterns")
    cli.run("topic", "offsets", "no*thing", expected=NOT_FOUND)
    cli.run("topic", "offsets", one, "-O", "x", expected=USAGE)
    text = cli.text("topic", "describe", one)
    check("PARTITION" in text and "\x1b" not in text, "a table without colours in a pipe")

    def setting(name):
        rows = cli.json("topic", "describe", "-ca", one)
        return next((row["value"] for row in rows if row["name"] == name), None)

    check_equal((setting("retention.ms"), setting("segment.bytes")), ("604800000", "67108864"), "units of settings")
    cli.run("topic", "alter", one, "retention.ms=1h", "-n")
    check_equal(setting("retention.ms"), "604800000", "after a dry run")
    cli.run("topic", "alter", one, "retention.ms=1h", "-A", "cleanup.policy=compact")
    check_equal((setting("retention.ms"), setting("cleanup.policy")), ("3600000", "delete,compact"), "alter")
    check_equal(setting("segment.bytes"), "67108864", "what was not named")
    cli.run("topic", "alter", one, "-d", "retention.ms", "-S", "cleanup.policy=compact")
    check_equal((setting("retention.ms"), setting("cleanup.policy")), ("604800000", "delete"), "back")
    cli.run("topic", "alter", one, "retention.ms=-7", expected=REFUSED)
    cli.run("topic", "alter", none, "retention.ms=7", expected=NOT_FOUND)
    cli.run("topic", "alter", one, expected=USAGE)

    check_equal(cli.json("topic", "add", one, 2, "-n")[0]["partitions"], 5, "add-partitions, dry")
    cli.run("topic", "add-partitions", one, 2)
    check_equal(cli.json("topic", "list", one)[0]["partitions"], 5, "partitions")
    cli.run("topic", "add-partitions", one, "--to", 6)
    cli.run("topic", "add-partitions", one, "--to", 3, expected=REFUSED)
    cli.run("topic", "add-partitions", none, 1, expected=NOT_FOUND)
    cli.run("topic", "add-partitions", one, expected=USAGE)

    rows = cli.json("topic", "trim", one, "-O", 2, "-p", 1, "-n")
    check_equal([(row["before"], row["start"]) for row in rows], [(0, 2)], "trim, dry")
    check_equal(cli.text("consume", one, "-e", "-p", 1), "a\nb\nc\n", "records after a dry run")
    cli.run("topic", "trim", one, "-O", 2, "-p", 1)
    check_equal(cli.text("consume", one, "-e", "-p", 1), "c\n", "records after trim")
    cli.run("topic", "trim", one, "-O", 9, "-p", 1, expected=REFUSED)
    cli.run("topic", "trim", one, "-O", 0, "-p", 77, expected=NOT_FOUND)
    cli.run("topic", "trim", one, expected=USAGE)
    cli.run("topic", "trim", one, "-O", "end")
    check_equal(cli.text("consume", one, "-e"), "", "records after trimming all")

    rows = cli.json("topic", "delete", one, none, "-n", expected=PARTIAL)
    check_equal({row["topic"]: row["error"] is None for row in rows}, {one: True, none: False}, "delete, dry")
    cli.run("topic", "describe", one)
    cli.run("topic", "delete", one, two)
    wait_until(lambda: not cli.json("topic", "list", one, two), 5, "deletion")
    cli.run("topic", "delete", one, expected=NOT_FOUND)
    cli.end()


@case("cli-records")
def cli_records(current):
    """produce and consume: templates, keys, headers, codecs, positions, limits, pipes."""
    cli = Client(current)
    topic = cli.name("records")
    cli.run("topic", "create", topic, "-p", 1)
    cli.run("produce", topic, "-K:", "-H", "h=1", "-H", "null", stdin=b"k1:v1\nk2:v2\nplain\n:empty\n")
    cli.run("produce", topic, "-k", "t", "--tombstone")
    cli.run("produce", topic, "-m", "one", "-m", "two", "-z", "lz4")
    cli.run("produce", topic, "-Z", "-D", ";", "-z", "zstd", stdin=b"x;;y")
    cli.run("produce", topic, "-w", "-z", "gzip", "-a", "1", stdin=b"several\nlines\n")
    check_equal(cli.out("produce", topic, "-T", "-z", "snappy", stdin=b"tee\n"), b"tee\n", "what -T prints")
    records = cli.lines("consume", topic, "-e")
    check_equal([(record["key"], record["value"]) for record in records],
                [("k1", "v1"), ("k2", "v2"), (None, "plain"), ("", "empty"), ("t", None), (None, "one"), (None, "two"),
                 (None, "x"), (None, None), (None, "y"), (None, "several\nlines\n"), (None, "tee")], "records")
    check_equal([record["offset"] for record in records], list(range(12)), "offsets")
    check_equal(records[0]["headers"], [{"name": "h", "value": "1"}, {"name": "null", "value": None}], "headers")
    check(abs(records[0]["timestamp"] / 1000 - time.time()) < 60, f"timestamp {records[0]['timestamp']}")

    def template(text, *more):
        return cli.text("consume", topic, "-e", "-f", text, *more)

    check_equal(template("%t/%p/%o:%k=%s|%S|%K%%\\n", "-c", 1), f"{topic}/0/0:k1=v1|2|2%\n", "a template")
    check_equal(template("%h\\x21", "-c", 1), "h=1,null=!", "headers in a template")
    check_equal(template("%s{hex} %s{base64} %s{json} %k{json};", "-c", 1), '7631 djE= "v1" "k1";', "encodings")
    check_equal(template("%v,", "-O", "3:6", "-Z", "NIL"), "empty,NIL,one,", "null text")
    check_equal(cli.text("consume", topic, "-e", "-K", "=", "-c", 2), "k1=v1\nk2=v2\n", "-K")
    check_equal(cli.text("consume", topic, "-e", "-D", "\\0", "-c", 2), "v1\0v2\0", "-D")
    cli.run("consume", topic, "-e", "-f", "%y", expected=USAGE)
    cli.run("consume", topic, "-e", "-f", "\\q", expected=USAGE)
    cli.run("consume", topic, "-e", "-o", "beginning", expected=USAGE)

    def offsets(*words):
        return [int(line) for line in cli.text("consume", topic, "-f", "%o\\n", *words).split()]

    check_equal(offsets("-e", "-O", "-3"), [9, 10, 11], "the last three")
    check_equal(offsets("-e", "-O", "+10"), [10, 11], "ten behind the beginning")
    check_equal(offsets("-O", "5:8"), [5, 6, 7], "a range ends by itself")
    check_equal(offsets("-O", ":2"), [0, 1], "up to an offset")
    check_equal(offsets("-O", "9:end"), [9, 10, 11], "up to the end")
    check_equal(offsets("-e", "-O", 12), [], "at the end")
    check_equal(offsets("-e", "-O", 99999), [], "behind the end")
    check_equal(offsets("-e", "-O", "+99999"), [], "far behind the beginning")
    check_equal(offsets("-O", "end", "-e"), [], "from the end")
    check_equal(offsets("-e", "-O", f"@{records[2]['timestamp']}")[0] <= 2, True, "by time")
    check_equal(offsets("-e", "-O", "@-1h"), list(range(12)), "an hour ago")
    check_equal(offsets("-e", "-O", "s@-1h", "-O", "e@-30m"), [], "until half an hour ago")
    cli.run("consume", topic, "-e", "-O", "nowhere", expected=USAGE)
    cli.run("consume", topic, "-e", "-p", 7, expected=NOT_FOUND)
    check("there is no topic" in cli.says("consume", cli.name("none"), "-e", expected=NOT_FOUND), "no cause")
    cli.run("produce", topic, "-p", 7, "-m", "x", expected=NOT_FOUND)
    cli.run("produce", topic, "-z", "brotli", "-m", "x", expected=USAGE)
    cli.run("produce", topic, "--tombstone", expected=USAGE)
    cli.run("produce", topic, "/nowhere/at/all", expected=NOT_FOUND)
    cli.run("produce", topic, "-X", "no.such.setting=1", "-m", "x", expected=USAGE)
    check("2 records of 4 bytes" in cli.text("produce", topic, "-n", stdin=b"ab\ncd\n"), "a dry run")
    check_equal(len(offsets("-e")), 12, "records after a dry run")
    check_equal(cli.text("consume", f"rec*{cli.mark}", "-e", "-c", 1), "v1\n", "a pattern")

    binary = bytes(range(256))
    cli.run("produce", topic, "-w", stdin=binary)
    check_equal(cli.out("consume", topic, "-e", "-O", "-1", "-f", "%s"), binary, "binary as it is")
    check("value_base64" in cli.lines("consume", topic, "-e", "-O", "-1")[0], "binary in JSON")
    # All of it, with headers, null, bytes and timestamps, through a pipe into another topic.
    copy = cli.name("copy")
    cli.run("topic", "create", copy, "-p", 1)
    printed = cli.out("consume", topic, "-e", "-J")
    cli.run("produce", copy, "-J", "-z", "zstd", stdin=printed)
    check_equal(cli.out("consume", copy, "-e", "-J"), printed.replace(topic.encode(), copy.encode()), "a copied topic")
    cli.run("produce", copy, "-J", stdin=b'{"value": {"a": [1]}, "key": 7}\n')
    check_equal(cli.text("consume", copy, "-e", "-O", "-1", "-f", "%k %s"), '7 {"a": [1]}', "JSON as a value")
    check("record 2" in cli.says("produce", copy, "-J", stdin=b'{"value": "x"}\n{"value": }\n', expected=PARTIAL), "no")
    small = cli.name("small")
    cli.run("topic", "create", small, "-c", "max.message.bytes=1000")
    check("not written" in cli.says("produce", small, "-w", stdin=os.urandom(5000), expected=REFUSED), "no cause")
    cli.end()


@case("cli-pipes")
def cli_pipes(current):
    """Files through a topic, several partitions and codecs; readers that leave; records as they come; Ctrl-C."""
    cli = Client(current)
    topic = cli.name("file")
    cli.run("topic", "create", topic, "-p", 1)
    lines = data_lines("OpenSSH.log")
    content = b"".join(line + b"\n" for line in lines)
    path = os.path.join(current.folder, "file")
    with open(path, "wb") as file:
        file.write(content)
    cli.run("produce", topic, path, "-z", "zstd")
    check_equal(cli.out("consume", topic, "-e"), content, "the file")
    spread = cli.name("spread")
    cli.run("topic", "create", spread, "-p", 6)
    cli.run("produce", spread, "-K", " ", stdin=content)
    back = cli.out("consume", spread, "-e", "-K", " ").split(b"\n")[:-1]
    check_equal(sorted(back), sorted(lines), "the file over partitions, keys and values joined")
    environment = {**os.environ, "MILLRACE_BROKERS": cli.bootstrap}
    # The reader leaves: no complaint, no failure.
    shell = f"'{current.binary}' consume {topic} -e | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, timeout=WAIT_S, env=environment, check=False)
    check_equal(done.stdout, lines[0] + b"\n0\n", "head")
    check_equal(done.stderr, b"", "what a closed pipe says")
    # A consumer that waits shows what comes at once, and Ctrl-C ends it well.
    follower = subprocess.Popen([current.binary, "consume", topic, "-O", "end"], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env=environment)
    try:
        time.sleep(1.0)
        cli.run("produce", topic, "-m", "live")
        check_equal(follower.stdout.readline(), b"live\n", "what a waiting consumer shows")
        follower.send_signal(signal.SIGINT)
        check_equal(follower.wait(10), 0, "exit code after Ctrl-C")
    finally:
        follower.kill()
    # A producer sends lines while its input is still open.
    feeder = subprocess.Popen([current.binary, "produce", topic], stdin=subprocess.PIPE, env=environment)
    try:
        feeder.stdin.write(b"early\n")
        feeder.stdin.flush()
        wait_until(lambda: cli.text("consume", topic, "-e", "-O", "-1") == "early\n", 10, "an early line")
        feeder.stdin.close()
        check_equal(feeder.wait(10), 0, "exit code of the producer")
    finally:
        feeder.kill()
    cli.end()


@case("cli-groups")
def cli_groups(current):
    """consume -g; group list, describe, seek by every way, delete."""
    cli = Client(current)
    topic, group, other = cli.name("work"), cli.name("clerks"), cli.name("bosses")
    cli.run("topic", "create", topic, "-p", 2)
    cli.run("produce", topic, "-p", 0, stdin=b"a\nb\nc\nd\n")
    cli.run("produce", topic, "-p", 1, stdin=b"e\n")
    check_equal(len(cli.out("consume", topic, "-g", group, "-e").split()), 5, "records for a new group")
    check_equal(cli.out("consume", topic, "-g", group, "-e"), b"", "records for a group that has them all")
    row = next(row for row in cli.json("group", "list") if row["group"] == group)
    check_equal((row["state"], row["protocol_type"]), ("Empty", "consumer"), "list")
    check_equal(cli.text("group", "list", group, "-q"), group + "\n", "names only")

    def positions():
        return {row["partition"]: row["committed"] for row in cli.json("group", "describe", group)["positions"]}

    check_equal(positions(), {0: 4, 1: 1}, "positions")
    check_equal(cli.json("group", "describe", group)["groups"][0]["lag"], 0, "lag")
    rows = cli.json("group", "seek", group, "-O", "beginning", "-n")
    check_equal([row["after"] for row in rows], [0, 0], "seek, dry")
    check_equal(positions(), {0: 4, 1: 1}, "positions after a dry run")
    for words, expected in [(["-O", "beginning"], {0: 0, 1: 0}), (["-O", "end"], {0: 4, 1: 1}),
                            (["-O", 2, "-t", f"{topic}:0"], {0: 2, 1: 1}), (["-s", "-1"], {0: 1, 1: 0}),
                            (["-s", 100], {0: 4, 1: 1}), (["-O", "-3"], {0: 1, 1: 0}), (["-O", "@-1h"], {0: 0, 1: 0}),
                            (["-O", "@now"], {0: 4, 1: 1}), (["-O", "+1"], {0: 1, 1: 1})]:
        cli.run("group", "seek", group, *words)
        check_equal(positions(), expected, f"positions after seek {words}")
    cli.run("group", "seek", group, "-f", "-", stdin=f"{topic},0,3\n{topic} 1 0\n".encode())
    check_equal(positions(), {0: 3, 1: 0}, "positions from a file")
    cli.run("group", "seek", other, "-g", group)
    check_equal(cli.json("group", "describe", other)["groups"][0]["lag"], 2, "lag of the other group")
    cli.run("group", "seek", group, expected=USAGE)
    cli.run("group", "seek", group, "-O", "x", expected=USAGE)
    cli.run("group", "seek", cli.name("none"), "-O", "end", expected=NOT_FOUND)
    cli.run("group", "describe", cli.name("none"), expected=NOT_FOUND)

    environment = {**os.environ, "MILLRACE_BROKERS": cli.bootstrap}
    member = subprocess.Popen([current.binary, "consume", topic, "-g", group], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, env=environment)
    try:
        page = wait_until(lambda: next((page for page in [cli.json("group", "describe", group)]
                                        if page["groups"][0]["state"] == "Stable"), None), 30, "a stable group")
        check_equal(page["members"][0]["partitions"], 2, "partitions of the member")
        check_equal([row["member"] for row in page["positions"]], [page["members"][0]["member"]] * 2, "owners")
        check("MEMBER" in cli.text("group", "describe", group, "-m"), "members as a table")
        check("members" in cli.says("group", "delete", group, expected=REFUSED), "no cause")
        check("members" in cli.says("group", "seek", group, "-O", "end", expected=REFUSED), "no cause")
        member.send_signal(signal.SIGINT)
        check_equal(member.wait(15), 0, "exit code of the member")
    finally:
        member.kill()
    check_equal(positions(), {0: 4, 1: 1}, "positions after the member has left")
    cli.run("group", "delete", group, "-t", f"{topic}:1")
    check_equal(positions(), {0: 4}, "positions after deleting one")
    cli.run("group", "delete", group, "-n")
    rows = cli.json("group", "delete", group, other, cli.name("none"), expected=PARTIAL)
    check_equal([row["error"] for row in rows], [None, None, "GROUP_ID_NOT_FOUND"], "delete")
    check_equal(cli.json("group", "list", group, other), [], "groups afterwards")
    cli.end()


@case("cli-settings")
def cli_settings(current):
    """config get and set, for topics and brokers; never more than what is named."""
    cli = Client(current)
    topic = cli.name("set")
    cli.run("topic", "create", topic, "-c", "retention.ms=5d")
    rows = cli.json("config", "get", "topic", topic)
    check(("retention.ms", "432000000", "topic") in [(row["name"], row["value"], row["source"]) for row in rows], "get")
    check(len(cli.json("config", "get", "topic", topic, "-a")) > 20, "all settings")
    rows = cli.json("config", "get", "topic", topic, "cleanup.policy")
    check_equal([(row["value"], row["source"]) for row in rows], [("delete", "default")], "one setting")
    cli.run("config", "get", "topic", topic, "no.such", expected=NOT_FOUND)
    cli.run("config", "get", "topic", cli.name("none"), expected=NOT_FOUND)
    cli.run("config", "get", "topic", expected=USAGE)
    cli.run("config", "get", "planet", "earth", expected=USAGE)
    cli.run("config", "set", "topic", topic, "max.message.bytes=2M", "-n")
    check_equal(cli.json("config", "get", "topic", topic, "max.message.bytes")[0]["source"] == "topic", False, "dry")
    cli.run("config", "set", "topic", topic, "max.message.bytes=2M")
    values = {row["name"]: row["value"] for row in cli.json("config", "get", "topic", topic)}
    check_equal((values["max.message.bytes"], values["retention.ms"]), ("2097152", "432000000"), "set")
    cli.run("config", "set", "topic", topic, "max.message.bytes=x", expected=REFUSED)
    node = cli.json("cluster")["brokers"][0]["id"]
    check(cli.json("config", "get", "broker", node, "-a"), "settings of a broker")
    cli.run("config", "set", "broker", "default", "log.retention.ms=3d")
    wait_until(lambda: any(row["value"] == "259200000" for row in cli.json("config", "get", "broker", "default")), 5,
               "a default of all brokers")
    cli.run("config", "set", "broker", "default", "-d", "log.retention.ms")
    cli.run("config", "get", "broker", "x", expected=USAGE)
    # The older command of that name, about this machine's broker, is still there.
    check(json.loads(cli.out("config", "--json", "--all")), "settings of this machine")
    cli.end()


@case("cli-cluster")
def cli_cluster(current):
    """cluster: what Metadata, DescribeLogDirs and ApiVersions say."""
    cli = Client(current)
    cli.run("topic", "create", cli.name("c"), "-p", 4)
    page = cli.json("cluster")
    check_equal(len(page["cluster"]["cluster_id"]), 22, "cluster id")
    check_equal(page["cluster"]["brokers"], len(page["brokers"]), "brokers")
    check_equal(page["cluster"]["leaderless"], 0, "partitions without a leader")
    check(sum(row["leaders"] for row in page["brokers"]) >= 4, "leaders")
    check(all(row["size"] > row["free"] > 0 for row in page["log_directories"]), "log directories")
    check("cluster id" in cli.text("cluster"), "as text")
    cli.end()


@case("cli-doctor")
def cli_doctor(current):
    """doctor: what it finds here, and what it says where something is taken away."""
    def found(*words, expected=DONE, wrapper=(), environment=None):
        done = subprocess.run([*wrapper, current.binary, "doctor", "--dir", current.folder, "-o", "json", *words],
                              capture_output=True, timeout=WAIT_S, check=False,
                              env={**os.environ, **(environment or {})})
        check_equal(done.returncode, expected, f"exit code: {done.stderr.decode()}")
        return {row["check"]: row for row in json.loads(done.stdout)}

    rows = found()
    check_equal(rows["kernel"]["state"], "good", "kernel")
    check({"io_uring", "cpus", "memory", "descriptors", "storage", "space", "disk", "port"} <= rows.keys(), "checks")
    for row in rows.values():
        check((row["cure"] is None) == (row["state"] == "good"), f"good, or a cure: {row}")
    check_equal([name for name in os.listdir(current.folder) if name.startswith("millrace-doctor")], [], "scratch")

    few = found(wrapper=["prlimit", "--nofile=300:300"])["descriptors"]
    check(few["state"] == "limited" and few["found"].startswith("300 ") and "nofile" in few["cure"], f"limit: {few}")
    old = found(environment={"MILLRACE_URING_DISABLE": str(1 << 11)})["io_uring"]
    check(old["state"] == "slower" and "min_wait" in old["found"], f"without a feature: {old}")
    gone = found("--dir", os.path.join(current.folder, "nowhere"), expected=4)["storage"]
    check_equal(gone["state"], "broken", "no such directory")
    if os.path.isdir("/dev/shm"):
        check("NOT DURABLE" in found("--dir", "/dev/shm")["storage"]["found"], "a file system in memory")
    blocked = [sys.executable, os.path.join(ROOT, "tests", "e2e", "without_uring.py")]
    none = found(expected=3, wrapper=blocked)["io_uring"]
    check(none["state"] == "broken" and "seccomp" in none["found"], f"io_uring refused: {none}")
    taken = current.broker()
    text = subprocess.run([current.binary, "doctor", "--dir", current.folder], capture_output=True, text=True,
                          timeout=WAIT_S, check=False).stdout
    check("A broker can start here" in text or "Nothing is in a broker's way" in text, f"for people: {text}")
    taken.stop()


@case("cli-transactions")
def cli_transactions(current):
    """produce --txn; txn list, describe, producers, abort."""
    import confluent_kafka
    cli = Client(current)
    topic, done, hung = cli.name("money"), cli.name("done"), cli.name("hung")
    cli.run("topic", "create", topic, "-p", 1)
    cli.run("produce", topic, "--txn", done, stdin=b"a\nb\n")
    check_equal(cli.text("consume", topic, "-e"), "a\nb\n", "what was committed")
    wait_until(lambda: next(row["state"] for row in cli.json("txn", "list") if row["transactional_id"] == done)
               == "CompleteCommit", 10, "the end of the transaction")
    check_equal(cli.json("txn", "describe", done)["transactions"][0]["state"], "CompleteCommit", "describe")
    cli.run("txn", "describe", cli.name("none"), expected=NOT_FOUND)
    cli.run("txn", "list", "-s", "Nonsense", expected=USAGE)
    producer = confluent_kafka.Producer({"bootstrap.servers": cli.bootstrap, "transactional.id": hung, "log_level": 0})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(topic, b"open")
    producer.flush(10)
    check_equal([row["transactional_id"] for row in cli.json("txn", "list", "-s", "Ongoing")], [hung], "ongoing")
    page = cli.json("txn", "describe", hung)
    check_equal([(row["topic"], row["partition"]) for row in page["partitions"]], [(topic, 0)], "partitions")
    rows = cli.json("txn", "producers", topic, "--open")
    check_equal([row["producer_id"] for row in rows], [page["transactions"][0]["producer_id"]], "open producers")
    check_equal(cli.text("consume", topic, "-e"), "a\nb\n", "read_committed")
    check_equal(cli.text("consume", topic, "-e", "-u"), "a\nb\nopen\n", "read_uncommitted")
    cli.run("txn", "abort", hung, "-n")
    check_equal(cli.json("txn", "describe", hung)["transactions"][0]["state"], "Ongoing", "after a dry run")
    cli.run("txn", "abort", hung)
    wait_until(lambda: not cli.json("txn", "producers", topic, "--open"), 10, "the abort marker")
    cli.run("txn", "abort", cli.name("none"), expected=NOT_FOUND)
    cli.run("txn", "abort", expected=USAGE)
    cli.run("txn", "abort", "-t", topic, "-p", 0, expected=NOT_FOUND)
    cli.run("produce", topic, "-m", "after")
    check_equal(cli.text("consume", topic, "-e"), "a\nb\nafter\n", "what was aborted stays unseen")
    cli.end()


@case("cli-usage")
def cli_usage(current):
    """Help of every command, wrong words, brokers that are not there, do not answer, or are none."""
    cli = Client(current)
    tree = {"": ["start", "topic", "produce", "consume", "group", "config", "cluster", "txn", "log", "nexmark",
                 "completion"],
            "topic": ["create", "list", "describe", "offsets", "alter", "delete", "add-partitions", "trim"],
            "group": ["list", "describe", "delete", "seek"], "config": ["get", "set"],
            "txn": ["list", "describe", "producers", "abort"], "log": ["dump"], "completion": ["bash", "zsh"]}
    for above, names in tree.items():
        for name in names:
            words = [*above.split(), name]
            text = cli.text(*words, "--help")
            check(f"millrace {' '.join(words)}" in text, f"help of {words}")
            check(name in tree or "examples:" in text, f"help of {words} has no examples")
            check_equal(cli.text("help", *words), text, f"help {words}")
            check(name in cli.text("completion", "words", *words), f"completion of {words}")
    for words in (["nexmark"], ["nexmark", "-N", "x"], ["nexmark", "-N", 5, "-P", 3], ["nexmark", "-N", 5, "-p", 1],
                  ["nexmark", "-N", 5, "-r", 0], ["nexmark", "-N", 5, "extra"], [], ["nonsense"], ["topic"],
                  ["topic", "nonsense"], ["topic", "list", "--nonsense"], ["topic", "create"], ["t", "a"],
                  ["cluster", "extra"], ["topic", "list", "-o", "xml"], ["topic", "list", "--timeout", "x"],
                  ["topic", "list", "-b"], ["log", "dump"], ["group", "list", "-b", "host:port"]):
        cli.run(*words, expected=USAGE)
    cli.run("t", "l")
    check("cannot reach" in cli.says("topic", "list", "-b", "127.0.0.1:1", expected=UNREACHABLE), "no cause")
    cli.run("consume", "x", "-b", "127.0.0.1:1", expected=UNREACHABLE)
    cli.run("topic", "list", "-b", f"127.0.0.1:1,{cli.bootstrap}")
    cli.run("topic", "list", "--bootstrap-server", cli.bootstrap, environment={"MILLRACE_BROKERS": "127.0.0.1:1"})
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        begin = time.monotonic()
        cli.run("topic", "list", "-b", place, "--timeout", "1s", expected=UNREACHABLE)
        check(time.monotonic() - begin < 5, "a silent broker")

        def answer():
            connection, _ = silent.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        server = threading.Thread(target=answer, daemon=True)
        silent.accept()[0].close()
        server.start()
        check("Kafka" in cli.says("topic", "list", "-b", place, expected=UNREACHABLE), "no cause")
        server.join(5)
    topic = cli.name("complete")
    cli.run("topic", "create", topic)
    check_equal(cli.text("completion", "words", "consume", topic[:-1]), topic + "\n", "completion of topics")
    check_equal(cli.text("completion", "words", "topic", "list", "-o", "j"), "json\n", "completion of values")
    check("retention.ms=" in cli.text("completion", "words", "topic", "create", "x", "-c", "retention"), "of settings")
    for shell in ("bash", "zsh"):
        script = cli.text("completion", shell)
        if subprocess.run(["which", shell], capture_output=True, check=False).returncode == 0:
            subprocess.run([shell, "-n"], input=script.encode(), check=True, timeout=10)
    script = f"""millrace() {{ '{current.binary}' "$@"; }}
        source <(millrace completion bash)
        COMP_WORDS=(millrace topic de) COMP_CWORD=2
        _millrace
        printf '%s ' "${{COMPREPLY[@]}}"
        COMP_WORDS=(millrace consume '{topic[:-1]}') COMP_CWORD=2
        _millrace
        printf '%s ' "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=20, check=False,
                          env={**os.environ, "MILLRACE_BROKERS": cli.bootstrap})
    check_equal((done.stdout, done.stderr), (f"describe delete {topic} ", ""), "completion in bash")
    cli.end()


@case("cli-json-fields")
def cli_json_fields(current):
    """What -o json prints stands in docs/cli/json.md, which promises not to change."""
    cli = Client(current)
    topic, group, txn = cli.name("j"), cli.name("jg"), cli.name("jt")
    cli.run("topic", "create", topic, "-p", 1)
    cli.run("produce", topic, "--txn", txn, "-m", "x")
    cli.run("consume", topic, "-g", group, "-e")
    with open(os.path.join(ROOT, "docs", "cli", "json.md"), encoding="utf-8") as file:
        rows = [line.split("|")[1:3] for line in file if line.startswith("| `")]
    promised = {command.strip(): set(re.findall(r"[a-z_]+", " ".join(re.findall(r"`([^`]*)`", text))))
                for names, text in rows for command in re.findall(r"`([^`]*)`", names)}

    def fields(document):
        if isinstance(document, list):
            return set().union(*(fields(row) for row in document), set())
        return set().union(document, *(fields(value) for value in document.values() if isinstance(value, (list, dict))
                                       and (isinstance(value, dict) or not value or isinstance(value[0], dict))))

    for command, words in [("topic create", [cli.name("j2")]), ("topic list", ["-i"]), ("topic describe", [topic]),
                           ("topic describe -c", [topic, "-a"]), ("topic alter", [topic, "retention.ms=7d"]),
                           ("config get", ["topic", topic, "-a"]), ("config set", ["topic", topic, "retention.ms=8d"]),
                           ("topic add-partitions", [topic, 1]),
                           ("topic offsets", [topic]), ("topic trim", [topic, "-O", 0]), ("group list", []),
                           ("group describe", [group]), ("group seek", [group, "-O", "end"]), ("cluster", []),
                           ("txn list", []), ("txn describe", [txn]), ("txn producers", [topic]), ("txn abort", [txn]),
                           ("group delete -t", [f"{topic}:0", group]), ("group delete", [group]),
                           ("topic delete", [topic])]:
        found = fields(cli.json(*command.split(), *words))
        check(found, f"millrace {command} says nothing")
        check(found <= promised[command], f"not promised: {found - promised[command]} of millrace {command}")
    cli.end()


@case("cli-outage")
def cli_outage(current):
    """A broker that goes away: who waits for an end is told, who follows goes on when it is back."""
    broker = current.broker()
    cli = Client.__new__(Client)
    cli.current, cli.broker, cli.bootstrap, cli.mark = current, broker, broker.bootstrap, ""
    cli.run("produce", "t", "-m", "before")
    errors = os.path.join(current.folder, "errors")
    with open(errors, "wb") as file:
        follower, counter = (subprocess.Popen([current.binary, "consume", "t", *words], stdout=subprocess.PIPE,
                                              stderr=file, env={**os.environ, "MILLRACE_BROKERS": cli.bootstrap})
                             for words in ([], ["-c", "5"]))
        try:
            check_equal(follower.stdout.readline(), b"before\n", "the first record")
            broker.kill()
            check_equal(counter.wait(30), UNREACHABLE, "exit code of one that waits for five records")
            cli.run("produce", "t", "-m", "x", expected=UNREACHABLE)
            broker.start()
            cli.run("produce", "t", "-m", "after")
            check_equal(follower.stdout.readline(), b"after\n", "the record after the outage")
            follower.send_signal(signal.SIGTERM)
            check_equal(follower.wait(10), DONE, "exit code of the follower")
        finally:
            follower.kill()
            counter.kill()
    with open(errors, encoding="utf-8") as file:
        check("trying on" in file.read(), "nothing was said")
    broker.stop()
