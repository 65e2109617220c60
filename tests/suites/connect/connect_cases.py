"""A distributed Connect worker with a file source (exactly once) and a file sink, killed and restarted.

    connect_cases.py JAVA... -- BOOTSTRAP      JAVA...: how to start Java with Connect's class path
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid

LINES = 6000
ROUNDS = 3
WAIT_S = 120
SETTINGS = """
bootstrap.servers={bootstrap}
group.id={name}
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
config.storage.topic={name}-configs
offset.storage.topic={name}-offsets
status.storage.topic={name}-status
config.storage.replication.factor=1
offset.storage.replication.factor=1
status.storage.replication.factor=1
offset.flush.interval.ms=500
session.timeout.ms=6000
heartbeat.interval.ms=1000
scheduled.rebalance.max.delay.ms=0
exactly.once.source.support=enabled
listeners=http://127.0.0.1:{port}
plugin.discovery=service_load
plugin.path={plugins}
"""


class Failure(Exception):
    pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Worker:
    def __init__(self, java, bootstrap, folder):
        self.java, self.bootstrap, self.folder = java, bootstrap, folder
        self.name = "connect-" + uuid.uuid4().hex[:8]
        self.port = free_port()
        self.process = None
        plugins = os.path.join(folder, "plugins")
        os.makedirs(plugins)
        self.settings = os.path.join(folder, "worker.properties")
        with open(self.settings, "w", encoding="utf-8") as file:
            file.write(SETTINGS.format(bootstrap=bootstrap, name=self.name, port=self.port, plugins=plugins))

    def start(self):
        with open(os.path.join(self.folder, "worker.log"), "a", encoding="utf-8") as log:
            self.process = subprocess.Popen([*self.java, "org.apache.kafka.connect.cli.ConnectDistributed",
                                             self.settings], stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        try:
            return self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure("the worker does not stop within 60 s") from None

    def ask(self, method, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def wait_for(self, what, condition):
        deadline = time.monotonic() + WAIT_S
        last = None
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Failure(f"the worker ended with code {self.process.returncode} while {what} was awaited")
            try:
                if condition():
                    return
            except (urllib.error.URLError, OSError, KeyError) as error:
                last = error
            time.sleep(0.5)
        raise Failure(f"{what}: not within {WAIT_S} s ({last})")

    def running(self, connector):
        status = self.ask("GET", f"/connectors/{connector}/status")
        return (status["connector"]["state"] == "RUNNING" and len(status["tasks"]) > 0
                and all(task["state"] == "RUNNING" for task in status["tasks"]))


def lines_of(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return file.read().split("\n")[:-1]


def report(name, body):
    try:
        body()
        print(f"{name}\tpass\t", flush=True)
        return True
    except (Failure, urllib.error.URLError, OSError) as error:
        detail = error.read().decode(errors="replace") if isinstance(error, urllib.error.HTTPError) else ""
        print(f"{name}\tfail\t{' '.join(str(error).split())} {' '.join(detail.split())}", flush=True)
        return False


class Cases:
    def __init__(self, worker, folder):
        self.worker = worker
        self.topic = worker.name + "-lines"
        self.source, self.sink = os.path.join(folder, "in.txt"), os.path.join(folder, "out.txt")
        self.written = []

    def append(self, count):
        fresh = [f"line {len(self.written) + i} of the source" for i in range(count)]
        with open(self.source, "a", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in fresh))
        self.written += fresh

    def starts(self):
        self.worker.start()
        self.worker.wait_for("the worker's REST interface", lambda: self.worker.ask("GET", "/connectors") == [])

    def connectors_run(self):
        self.append(LINES // (ROUNDS + 1))
        for name, kind, settings in (
                ("source", "FileStreamSource", {"topic": self.topic, "file": self.source}),
                ("sink", "FileStreamSink", {"topics": self.topic, "file": self.sink,
                                            "consumer.override.isolation.level": "read_committed"})):
            self.worker.ask("POST", "/connectors", {"name": name, "config": {
                "connector.class": f"org.apache.kafka.connect.file.{kind}Connector", "tasks.max": "1", **settings}})
        for name in ("source", "sink"):
            self.worker.wait_for(f"the {name}", lambda name=name: self.worker.running(name))
        self.arrive()

    def arrive(self):
        wanted = set(self.written)
        self.worker.wait_for(f"{len(wanted)} lines in the sink's file", lambda: wanted <= set(lines_of(self.sink)))

    def survives_kills(self):
        for _ in range(ROUNDS):
            self.append(LINES // (ROUNDS + 1))
            time.sleep(1.5)
            self.worker.kill()
            self.worker.start()
            self.worker.wait_for("the worker after kill -9", lambda: self.worker.running("sink"))
        self.arrive()

    def nothing_invented(self):
        found = lines_of(self.sink)
        if set(found) != set(self.written):
            raise Failure(f"{len(set(found) - set(self.written))} lines in the sink that were never written")
        first_seen = list(dict.fromkeys(found))
        if first_seen != self.written:
            raise Failure("the lines came in another order than they were written")

    def source_is_exactly_once(self):
        """A new sink reads the topic from its beginning: no line twice."""
        again = self.sink + ".again"
        self.worker.ask("POST", "/connectors", {"name": "again", "config": {
            "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector", "tasks.max": "1",
            "topics": self.topic, "file": again, "consumer.override.isolation.level": "read_committed"}})
        self.worker.wait_for("the second sink", lambda: len(lines_of(again)) >= len(self.written))
        time.sleep(2)
        if lines_of(again) != self.written:
            raise Failure(f"{len(lines_of(again))} lines in the topic, {len(self.written)} were written")

    def offsets_are_shown(self):
        offsets = self.worker.ask("GET", "/connectors/source/offsets")["offsets"]
        if not offsets or offsets[0]["offset"]["position"] != os.path.getsize(self.source):
            raise Failure(f"the source's offset is {offsets}")

    def stops(self):
        for name in ("source", "sink", "again"):
            self.worker.ask("DELETE", f"/connectors/{name}")
        self.worker.stop()


def main():
    split = sys.argv.index("--")
    folder = tempfile.mkdtemp(prefix="millrace-connect-")
    worker = Worker(sys.argv[1:split], sys.argv[split + 1], folder)
    cases = Cases(worker, folder)
    try:
        steps = [("worker starts", cases.starts), ("file source and sink run", cases.connectors_run),
                 (f"killed {ROUNDS} times: nothing lost", cases.survives_kills),
                 ("nothing invented, order kept", cases.nothing_invented),
                 ("source is exactly once", cases.source_is_exactly_once),
                 ("offsets of the source", cases.offsets_are_shown), ("connectors deleted, clean stop", cases.stops)]
        for name, body in steps:
            if not report(name, body):
                with open(os.path.join(folder, "worker.log"), encoding="utf-8", errors="replace") as log:
                    sys.stderr.write(log.read()[-20000:])
                break
    finally:
        if worker.process is not None and worker.process.poll() is None:
            worker.kill()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
