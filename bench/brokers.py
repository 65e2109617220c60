"""Brokers to measure: start one on fresh data, pinned, wait until it serves, stop it. For scripts in this folder."""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def free_port(count):
    """The first of `count` ports in a row that nobody listens on; chosen at random: scripts may run at once."""
    for port in random.sample(range(23000, 32000, 97), 93):
        try:
            for i in range(count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port + i))
            return port
        except OSError:
            continue
    raise RuntimeError("no free ports")


def cpu_seconds(pid):
    """User and system time of the whole process, its kernel workers included."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def status_kib(pid, name):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith(name + ":"):
                return int(line.split()[1])
    return 0


class Broker:
    """One running broker. `pin` is a CPU list for taskset."""

    def __init__(self, directory, pin):
        self.directory = tempfile.mkdtemp(prefix="millrace-bench-", dir=directory)
        self.pin = pin
        self.process = None
        self.ready_seconds = 0.0

    def spawn(self, command, log_name):
        self.log_path = os.path.join(self.directory, log_name)
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(["taskset", "-c", self.pin] + command, stdout=log, stderr=log,
                                            cwd=self.directory)
        self.pid = self.process.pid

    def wait_port(self, seconds):
        begin = time.monotonic()
        while time.monotonic() - begin < seconds:
            if self.process.poll() is not None:
                break
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return
            except OSError:
                time.sleep(0.1)
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            raise RuntimeError(f"{type(self).__name__} did not start: {log.read()[-2000:]}")

    def stop(self, number=signal.SIGTERM):
        begin = time.monotonic()
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return time.monotonic() - begin

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)


class Millrace(Broker):
    name = "millrace"

    def __init__(self, directory, pin, binary, shards=1, settings=()):
        super().__init__(directory, pin)
        self.binary = binary
        self.port = free_port(shards)
        self.settings = [f"listeners=PLAINTEXT://127.0.0.1:{self.port}", f"millrace.shards={shards}",
                         f"log.dirs={self.directory}/data"] + list(settings)

    def command(self):
        return [self.binary, "start"] + [word for setting in self.settings for word in ("--set", setting)]

    def start(self):
        begin = time.monotonic()
        self.spawn(self.command(), "millrace.log")
        while time.monotonic() - begin < 300:
            with open(self.log_path, encoding="utf-8", errors="replace") as log:
                if "millrace: ready" in log.read():
                    self.ready_seconds = time.monotonic() - begin
                    return self
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        self.wait_port(0)
        return self


class Kafka(Broker):
    """Apache Kafka, one node, KRaft. `fsync`: every append is flushed before it is acknowledged."""

    def __init__(self, directory, pin, libs, fsync):
        super().__init__(directory, pin)
        self.libs = libs
        self.fsync = fsync
        self.name = "kafka-fsync" if fsync else "kafka"
        self.port = free_port(2)

    def start(self):
        config = os.path.join(self.directory, "server.properties")
        with open(config, "w", encoding="ascii") as file:
            file.write(f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{self.port + 1}
listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.port + 1}
advertised.listeners=PLAINTEXT://127.0.0.1:{self.port}
controller.listener.names=CONTROLLER
log.dirs={self.directory}/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
""" + ("log.flush.interval.messages=1\n" if self.fsync else ""))
        with open(os.path.join(self.directory, "log4j2.yaml"), "w", encoding="ascii") as file:
            file.write("Configuration:\n  Appenders:\n    Console: {name: STDOUT, PatternLayout: {pattern: \"%m%n\"}}\n"
                       "  Loggers:\n    Root: {level: WARN, AppenderRef: {ref: STDOUT}}\n")
        java = ["java", "-Dlog4j2.configurationFile=log4j2.yaml", "-cp", f"{self.libs}/*"]
        if not os.path.exists(os.path.join(self.directory, "data", "meta.properties")):
            self.format(java, config)
        begin = time.monotonic()
        self.spawn(["java", "-Xms2g", "-Xmx2g", "-XX:+UseG1GC", "-XX:+AlwaysPreTouch"] + java[1:] +
                   ["kafka.Kafka", config], "kafka.log")
        self.wait_port(90)
        self.ready_seconds = time.monotonic() - begin
        time.sleep(2)
        return self

    def format(self, java, config):
        """Once: a restart keeps its data."""
        uuid = subprocess.run(java + ["kafka.tools.StorageTool", "random-uuid"], cwd=self.directory, check=True,
                              capture_output=True, text=True).stdout.split()[-1]
        subprocess.run(java + ["kafka.tools.StorageTool", "format", "-t", uuid, "-c", config], cwd=self.directory,
                       check=True, capture_output=True)


def kafka_libs(path):
    """The folder with Kafka's jars: `path` if given, else what Maven brings. None and a message when out of reach."""
    if path:
        return os.path.abspath(path)
    cache = os.path.join(os.path.expanduser("~"), ".cache", "millrace-bench", "kafka-4.3.0")
    if os.path.isdir(cache) and os.listdir(cache):
        return cache
    if shutil.which("mvn") is None or shutil.which("java") is None:
        print("skip: Apache Kafka: needs a JDK and Maven (apt-get install maven default-jdk-headless)")
        return None
    result = subprocess.run(["mvn", "-q", "-f", os.path.join(ROOT, "bench", "peers", "kafka-pom.xml"),
                             "dependency:copy-dependencies", f"-DoutputDirectory={cache}"], check=False)
    if result.returncode != 0:
        print("skip: Apache Kafka: Maven's registry is out of reach")
        return None
    return cache


def machine():
    """What a figure must be read with."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "?")
    return {"cpu": model, "cpus": os.cpu_count(), "kernel": os.uname().release,
            "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)}
