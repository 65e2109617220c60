"""Starting and stopping: without any setting, with little of everything, where it cannot work, and what it says
then."""
import json
import os
import signal
import socket
import subprocess
import sys
import time

import clients
import harness
from harness import Broker, Skip, case, check, check_equal
from wire import Record, Wire, WireError

EXIT_USAGE, EXIT_URING, EXIT_DATA = 2, 3, 4
HERE = os.path.dirname(os.path.abspath(__file__))


def run_to_end(broker, timeout_s=10.0):
    """(exit code, what it printed) of a broker that is to refuse to start."""
    broker.launch()
    code = broker.wait_end(timeout_s)
    return code, broker.log()


def command(current, *words, expected=0):
    done = subprocess.run([current.binary, *words], capture_output=True, text=True, timeout=20, check=False)
    check_equal(done.returncode, expected, f"exit code of millrace {' '.join(words)}\n{done.stderr}")
    return done.stdout, done.stderr


def use_it(broker, topic, codec="lz4"):
    """A small round trip through a real client."""
    records = [(i % 2, b"key-%d" % i, b"value-%d" % i * 20, [("h", b"x")], 1_700_000_000_000 + i) for i in range(500)]
    with broker.wire() as wire:
        check_equal(wire.create_topic(topic, 2)["error_code"], 0, f"creating {topic}")
    clients.confluent_produce(broker.bootstrap, topic, codec, records)
    return records


def verify_it(broker, topic, records):
    clients.check_same(records, clients.confluent_consume(broker.bootstrap, topic, 2), topic)


def listening_addresses(pid):
    """The addresses a process listens on, as the kernel writes them: 127.0.0.1 is 0100007F."""
    held = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            held.add(os.readlink(f"/proc/{pid}/fd/{name}"))
        except OSError:
            pass
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if os.path.exists(table):
            with open(table, encoding="ascii") as lines:
                rows = [line.split() for line in lines][1:]
            found += [row[1].split(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in held]
    return found


def try_banner(current, text):
    """What the banner says to try does what it promises: the first command puts a line in, the second shows it."""
    programs = os.path.join(current.folder, "programs")
    os.makedirs(programs)
    os.symlink(os.path.abspath(current.binary), os.path.join(programs, "millrace"))
    lines = [line.strip() for line in text.split("try it:")[1].splitlines() if line.strip()][:2]
    for line, shown in zip(lines, ("", "hello")):
        done = subprocess.run(["sh", "-c", line], env=dict(os.environ, PATH=f"{programs}:{os.environ['PATH']}"),
                              capture_output=True, text=True, timeout=60, check=False)
        check(done.returncode == 0 and shown in done.stdout, f"{line!r} ended with {done.returncode}:\n{done.stdout}"
              f"{done.stderr}")


@case("start-plain", alone=True)
def start_plain(current):
    """No file, no setting: loopback only, data in ./millrace-data, ready in under a second."""
    out, _ = command(current, "version")
    check(out.startswith("millrace "), f"version: {out}")
    if not all(harness.is_port_free(9092 + i) for i in range(os.cpu_count())):
        raise Skip("port 9092 is in use on this machine")
    folder = os.path.join(current.folder, "plain")
    os.makedirs(folder)
    broker = current.broker("plain", start=False)
    broker.folder, broker.port = folder, 9092
    broker.command = lambda: [current.binary, "start"]
    broker.start()
    current.note(f"ready in {broker.ready_s:.2f} s")
    check(broker.ready_s < 1.0 or os.getloadavg()[0] > os.cpu_count(), f"ready only after {broker.ready_s:.2f} s")
    text = broker.log()
    for word in ("127.0.0.1:9092", "shards", "io_uring", "storage", "try it:", "millrace: ready"):
        check(word in text, f"the banner lacks {word!r}:\n{text}")
    try_banner(current, text)
    check(os.path.isdir(os.path.join(folder, "millrace-data")), "no ./millrace-data")
    own = listening_addresses(broker.pid)
    check(own and all(address == "0100007F" for address in own), f"not on loopback only: {own}")
    clients.kcat(broker.bootstrap, "-P", "-t", "wheel", stdin=b"hello, mill\n")
    check_equal(clients.kcat(broker.bootstrap, "-C", "-t", "wheel", "-e", "-q", "-o", "beginning"), b"hello, mill\n",
                "what kcat read")
    broker.stop()


@case("start-frugal", long=True)
def start_frugal(current):
    """64 KiB of lockable memory, 1,024 descriptors, an ordinary user; and with io_uring's features switched off."""
    if os.geteuid() != 0:
        raise Skip("only root can become an ordinary user here")
    masks = [0, harness.URING_FEATURES_ALL]
    singles = [1 << i for i in range(len(harness.URING_FEATURES))]
    masks += singles if current.full else [singles[4] | singles[8], singles[7] | singles[1]]
    binary = os.path.join(current.folder, "millrace")
    with open(current.binary, "rb") as source, open(binary, "wb") as target:
        target.write(source.read())
    os.chmod(binary, 0o755)
    for mask in masks:
        broker = current.broker(f"mask-{mask}", start=False, shards=2, user="nobody",
                                limits={"memlock": 65536, "nofile": 1024},
                                environment={"MILLRACE_URING_DISABLE": str(mask)})
        broker.binary = binary
        os.chmod(broker.folder, 0o777)
        broker.start()
        with open(f"/proc/{broker.pid}/limits", encoding="ascii") as limits:
            text = limits.read()
        check("Max locked memory         65536" in text and "Max open files            1024" in text, text)
        records = use_it(broker, "frugal")
        verify_it(broker, "frugal", records)
        broker.restart()
        verify_it(broker, "frugal", records)
        broker.kill()
        broker.start()
        verify_it(broker, "frugal", records)
        broker.stop()
    current.note(f"{len(masks)} sets of io_uring features")


@case("start-refusals")
def start_refusals(current):
    """Each mistake has its exit code and a text that helps."""
    def refused(name, settings, code, *texts, **options):
        # A start that is refused leaves its memory to the end of the process.
        broker = current.broker(name, start=False, settings=settings, environment={"ASAN_OPTIONS": "detect_leaks=0"},
                                **options)
        found, text = run_to_end(broker)
        check_equal(found, code, f"exit code of {name}:\n{text}")
        for part in texts:
            check(part in text, f"{name}: {part!r} is not in:\n{text}")

    refused("unknown", {"log.retention.byte": 1}, EXIT_USAGE, "log.retention.byte",
            "did you mean 'log.retention.bytes'")
    refused("value", {"num.partitions": "many"}, EXIT_USAGE, "num.partitions")
    refused("overlap", {"listeners": "A://127.0.0.1:18000,B://127.0.0.1:18001",
                        "listener.security.protocol.map": "A:PLAINTEXT,B:PLAINTEXT"}, EXIT_DATA, "18000", "18001",
            shards=2)
    refused("wrapped", {}, EXIT_URING, "io_uring", "seccomp",
            wrapper=[sys.executable, os.path.join(HERE, "without_uring.py")])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused("port", {"listeners": f"PLAINTEXT://127.0.0.1:{port}"}, EXIT_DATA, str(port))
    first = current.broker("first")
    second = current.broker("second", start=False, environment={"ASAN_OPTIONS": "detect_leaks=0"})
    second.data = first.data
    code, text = run_to_end(second)
    check_equal(code, EXIT_DATA, f"exit code of a second broker:\n{text}")
    check("data" in text and ("use" in text or "lock" in text), f"a second broker says only:\n{text}")
    verify_it(first, "still", use_it(first, "still"))
    first.stop()
    wrong_shards = current.broker("shards", start=False, shards=2, environment={"ASAN_OPTIONS": "detect_leaks=0"})
    wrong_shards.data = first.data
    code, text = run_to_end(wrong_shards)
    check_equal(code, EXIT_DATA, f"exit code with another number of shards:\n{text}")
    check("shard" in text, f"another number of shards: only\n{text}")
    # A known property without a meaning here is only noticed.
    notice = current.broker("notice", settings={"num.network.threads": 8, "zookeeper.connect": "localhost:2181"})
    check("zookeeper.connect" in notice.log(), "no notice of a property without meaning")
    notice.stop()


@case("start-config")
def start_config(current):
    """server.properties and --set, what `config` says of them, and what DescribeConfigs says."""
    path = os.path.join(current.folder, "server.properties")
    with open(path, "w", encoding="utf-8") as file:
        file.write("# comment\nnum.partitions = 3\nlog.retention.hours:24\nmessage.max.bytes=20000\\\n00\n"
                   "auto.create.topics.enable=true\n")
    out, _ = command(current, "config", "--config", path, "--set", "num.partitions=5", "--json")
    shown = json.loads(out)
    check_equal(shown["num.partitions"], {"value": "5", "source": "command line"}, "num.partitions")
    check_equal(shown["log.retention.hours"], {"value": "24", "source": "file"}, "log.retention.hours")
    check_equal(shown["message.max.bytes"]["value"], "2000000", "a value over two lines")
    out, _ = command(current, "config", "--all")
    check("num.partitions" in out and "default" in out, out[:400])
    out, _ = command(current, "config", "--reference")
    check(out.count("\n") > 100, "the reference is short")
    _, error = command(current, "config", "--set", "no.such.thing=1", expected=EXIT_USAGE)
    check("no.such.thing" in error, error)
    _, error = command(current, "start", "--config", path + ".missing", expected=EXIT_USAGE)
    check(".missing" in error, error)
    broker = current.broker("configured", start=False, settings={"num.partitions": 5})
    plain = broker.command
    broker.command = lambda: plain() + ["--config", path]
    broker.start()
    clients.kcat(broker.bootstrap, "-P", "-t", "made", stdin=b"x\n")
    with broker.wire() as wire:
        check_equal(len(wire.leaders("made")), 5, "partitions of a topic made on demand")
        reply = wire.call("DescribeConfigs", 4, {"include_synonyms": True, "resources": [
            {"resource_type": 2, "resource_name": "made",
             "configuration_keys": ["retention.ms", "max.message.bytes"]}]})
        rows = {row["name"]: row for row in reply["results"][0]["configs"]}
        check_equal(rows["retention.ms"]["value"], str(24 * 3600 * 1000), "retention.ms")
        check_equal(rows["max.message.bytes"]["value"], "2000000", "max.message.bytes")
        check_equal(rows["max.message.bytes"]["config_source"], 4, "its source, static broker configuration")
    broker.stop()


@case("start-listeners")
def start_listeners(current):
    """Several named listeners, IPv6 among them, each advertised to those who came by it."""
    first, second, third = harness.free_ports(2), harness.free_ports(2), harness.free_ports(2)
    names = f"LAN://127.0.0.1:{first},WAN://127.0.0.1:{second}"
    advertised = f"LAN://127.0.0.1:{first},WAN://localhost:{second}"
    has_ipv6 = os.path.exists("/proc/net/if_inet6") and "00000000000000000000000000000001" in open(
        "/proc/net/if_inet6", encoding="ascii").read()
    if has_ipv6:
        names += f",SIX://[::1]:{third}"
        advertised += f",SIX://[::1]:{third}"
    broker = current.broker("listeners", shards=2, settings={
        "listeners": names, "advertised.listeners": advertised,
        "listener.security.protocol.map": "LAN:PLAINTEXT,WAN:PLAINTEXT,SIX:PLAINTEXT"})
    expected = [("127.0.0.1", first, "127.0.0.1"), ("127.0.0.1", second, "localhost")]
    for host, port, shown in expected + ([("::1", third, "::1")] if has_ipv6 else []):
        with Wire(host, port) as wire:
            found = sorted((row["host"], row["port"]) for row in wire.metadata()["brokers"])
            check_equal(found, [(shown, port), (shown, port + 1)], f"brokers seen by {host}:{port}")
        with Wire(host, port + 1) as wire:
            check(wire.api_versions(), "no ApiVersions on the second shard")
    broker.stop()


@case("start-stop")
def start_stop(current):
    """SIGTERM with clients at work: what was asked is answered or cut off, and the end is clean."""
    broker = current.broker(shards=2)
    records = use_it(broker, "stopping")
    with broker.leader_wire("stopping", 0) as waiting:
        offset = sum(1 for record in records if record[0] == 0)
        waiting.send("Fetch", 11, {
            "max_wait_ms": 30000, "min_bytes": 1, "max_bytes": 1000, "session_epoch": -1, "topics": [
                {"topic": "stopping", "partitions": [
                    {"partition": 0, "fetch_offset": offset, "partition_max_bytes": 1000}]}]})
        begin = time.monotonic()
        broker.stop()
        current.note(f"stopped in {time.monotonic() - begin:.2f} s with a long poll open")
    broker.start()
    verify_it(broker, "stopping", records)
    broker.process.send_signal(signal.SIGINT)
    check_equal(broker.wait_end(10), 0, "exit code after SIGINT")


@case("idle", alone=True)
def idle(current):
    """500 silent connections cost no CPU and little memory."""
    broker = current.broker(shards=2)
    with broker.wire() as wire:
        wire.create_topic("idle", 10)
    before = broker.memory_bytes()
    wires = []
    try:
        for i in range(500):
            wires.append(broker.wire(i % 2))
            wires[-1].api_versions()
        time.sleep(1.5)
        each = (broker.memory_bytes() - before) / 500
        begin = broker.cpu_s()
        time.sleep(4)
        used = broker.cpu_s() - begin
        check(used <= 0.02, f"{used:.2f} s of CPU in 4 s with nothing to do")
        check(each < 65536 or current.has_sanitizer, f"{each:.0f} bytes of memory for each idle connection")
        for wire in wires[::50]:
            check(wire.api_versions(), "an idle connection does not answer")
        current.note(f"{each / 1024:.1f} KiB a connection, {used:.2f} s of CPU in 4 s")
    finally:
        for wire in wires:
            wire.close()
    broker.stop()
