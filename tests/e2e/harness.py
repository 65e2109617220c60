"""Runs real brokers for the end-to-end tests, and the frame the cases stand in.

A Broker is one process on loopback ports of its own, with its data in a folder of the case. Everything that waits has a
limit; whatever a case leaves running is killed by its process id when the case ends. Files of a failed case are kept.
"""
import ctypes
import gzip
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import traceback

from wire import Wire, WireError

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
READY = "millrace: ready"
READY_S = 20.0
STOP_S = 10.0
PORT_LOWEST, PORT_HIGHEST = 12000, 30000  # below the ports the kernel hands out by itself
PR_SET_PDEATHSIG = 1

# Optional features of io_uring by their bits in io/uring/uring.h; Linux 6.1 has them all, so nothing newer is in use.
URING_FEATURES = ["single issuer", "defer taskrun", "coop taskrun", "ring fd", "buffer ring", "recv multishot",
                  "accept multishot", "fixed buffers", "dsync", "sendfile", "dio statx"]
URING_FEATURES_ALL = (1 << len(URING_FEATURES)) - 1
LIBC = ctypes.CDLL(None, use_errno=True)


class Failure(Exception):
    """A case saw something it must not see."""


class Skip(Exception):
    """A case cannot run here; the text says why."""


def check(condition, text):
    if not condition:
        raise Failure(text)


def check_equal(found, expected, what):
    if found != expected:
        raise Failure(f"{what}: found {found!r}, expected {expected!r}")


def wait_until(condition, timeout_s, what, interval_s=0.05):
    """The first true value of condition(); a Failure when time is up."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not within {timeout_s} s")
        time.sleep(interval_s)


def is_port_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


PORTS = [PORT_LOWEST, PORT_HIGHEST]  # this process's share


def take_port_share(index, shares):
    """Cases that run beside each other have ports apart: one may not take what a killed broker of another had."""
    width = (PORT_HIGHEST - PORT_LOWEST) // shares
    PORTS[:] = PORT_LOWEST + index * width, PORT_LOWEST + (index + 1) * width


def free_ports(count):
    """The first of `count` free ports in a row."""
    for _ in range(1000):
        first = random.randrange(PORTS[0], PORTS[1] - count)
        if all(is_port_free(first + i) for i in range(count)):
            return first
    raise Failure(f"no {count} free ports in a row")


def data_lines(name):
    """The lines of a file in tests/data, without their line feeds, as bytes."""
    with gzip.open(os.path.join(ROOT, "tests", "data", name + ".gz")) as file:
        lines = file.read().split(b"\n")
    return lines[:-1] if lines[-1] == b"" else lines


DATA_FILES = ["Apache.log", "BGL.log", "HDFS.log", "OpenSSH.log", "commits-git.jsonl", "commits-kafka.jsonl"]


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Broker:
    """One millrace process and what is needed to start it again."""

    def __init__(self, binary, folder, shards=1, settings=None, environment=None, limits=None, user=None, wrapper=()):
        """limits: {"memlock": bytes, "nofile": count}; user: a name to run as; wrapper: words before the program."""
        self.binary, self.folder, self.shards, self.user = binary, folder, shards, user
        self.settings, self.environment = dict(settings or {}), dict(environment or {})
        self.limits, self.wrapper = dict(limits or {}), list(wrapper)
        self.port = free_ports(shards)
        self.data = os.path.join(folder, "data")
        self.log_path = os.path.join(folder, "broker.log")
        self.process = None
        self.log_begin = 0
        os.makedirs(self.folder, exist_ok=True)

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self):
        return self.process.pid

    def command(self):
        settings = {"listeners": f"PLAINTEXT://127.0.0.1:{self.port}", "log.dirs": self.data,
                    "millrace.shards": self.shards, "millrace.memory.bytes": 256 << 20,
                    "millrace.http.listener": "none", **self.settings}
        words = list(self.wrapper)
        if self.limits:
            words += ["prlimit"] + [f"--{name}={value}:{value}" for name, value in self.limits.items()]
        if self.user:
            account = pwd.getpwnam(self.user)
            words += ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups",
                      "--inh-caps=-all", "--bounding-set=-all", "--pdeathsig=KILL"]
        words += [self.binary, "start"]
        for name, value in settings.items():
            if value is not None:
                words += ["--set", f"{name}={value}"]
        return words

    def launch(self):
        """Starts the process without waiting."""
        check(self.process is None, "the broker runs already")
        with open(self.log_path, "ab") as log:
            self.log_begin = log.tell()
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=self.folder, env={**os.environ, **self.environment},
                                            preexec_fn=die_with_parent)
        return self

    def start(self, ready_s=READY_S):
        """Starts the process and waits until it says that it is ready."""
        self.launch()
        begin = time.monotonic()
        while READY not in self.log():
            if self.process.poll() is not None:
                code, self.process = self.process.returncode, None
                raise Failure(f"the broker ended with code {code} before it was ready:\n{self.log()}")
            if time.monotonic() - begin > ready_s:
                raise Failure(f"the broker was not ready within {ready_s} s:\n{self.log()}")
            time.sleep(0.01)
        self.ready_s = time.monotonic() - begin
        return self

    def wait_end(self, timeout_s):
        """The exit code of a process that is to end by itself."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise Failure(f"the broker did not end within {timeout_s} s:\n{self.log()}") from None
        self.process = None
        return code

    def stop(self, timeout_s=STOP_S):
        """SIGTERM; the broker must end cleanly."""
        self.process.send_signal(signal.SIGTERM)
        code = self.wait_end(timeout_s)
        check(code == 0, f"the broker ended with code {code} after SIGTERM:\n{self.log()}")

    def kill(self):
        """kill -9."""
        if self.process is not None:
            check(self.process.poll() is None, f"the broker ended by itself with {self.process.returncode}:"
                                               f"\n{self.log()}")
            self.process.kill()
            self.process.wait()
            self.process = None

    def discard(self):
        """For the end of a case, whatever the state."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process = None

    def restart(self):
        self.stop()
        return self.start()

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def log(self, whole=False):
        """What this run, or every run, of the broker has printed."""
        try:
            with open(self.log_path, "rb") as log:
                log.seek(0 if whole else self.log_begin)
                return log.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def wire(self, shard=0, timeout_s=10.0):
        return Wire("127.0.0.1", self.port + shard, timeout_s)

    def leader_wire(self, topic, partition, timeout_s=10.0):
        """A connection to the shard that leads the partition."""
        with self.wire() as wire:
            place = wait_until(lambda: wire.leaders(topic).get(partition), 5, f"leader of {topic}-{partition}")
        return Wire(*place, timeout_s)

    def memory_bytes(self, name="VmRSS"):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(name + ":"))

    def cpu_s(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as stat:
            words = stat.read().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class Case:
    """What a test function gets: folders, brokers, a seed, and the size of the run."""

    def __init__(self, name, binary, full, seed):
        self.name, self.binary, self.full, self.seed = name, binary, full, seed
        self.random = random.Random(f"{seed} {name}")
        self.folder = tempfile.mkdtemp(prefix=f"millrace-{name.replace('/', '-')}-")
        os.chmod(self.folder, 0o755)
        with open(binary, "rb") as program:  # its quarantine makes memory figures meaningless
            self.has_sanitizer = b"__asan_init" in program.read()
        self.brokers = []
        self.cleaners = []
        self.notes = []

    def broker(self, name="broker", start=True, **options):
        broker = Broker(self.binary, os.path.join(self.folder, name), **options)
        self.brokers.append(broker)
        return broker.start() if start else broker

    def note(self, text):
        """A figure worth a place behind the case's line."""
        self.notes.append(text)

    def finish(self, failed):
        for broker in self.brokers:
            broker.discard()
        for cleaner in reversed(self.cleaners):
            cleaner()
        if not failed:
            shutil.rmtree(self.folder, ignore_errors=True)


class Registered:
    def __init__(self, function, quick, alone, long):
        self.function, self.quick, self.alone, self.long = function, quick, alone, long


CASES = {}


def case(name, quick=True, alone=False, long=False):
    """Registers a function as a case. quick=False leaves it to the full run; alone: it measures, and runs with nothing
    beside it; long: it takes so much longer than others that it begins first."""
    def register(function):
        CASES[name] = Registered(function, quick, alone, long)
        return function
    return register


def run_case(name, binary, full, seed):
    """("ok" | "FAILED" | "skipped", text of the line, details)"""
    begin = time.monotonic()
    current = Case(name, binary, full, seed)
    outcome, text, details = "ok", "", ""
    try:
        CASES[name].function(current)
        for broker in current.brokers:
            if broker.process is not None and broker.process.poll() is not None:
                raise Failure(f"a broker died with {broker.process.returncode}:\n{broker.log()[-4000:]}")
    except Skip as skip:
        outcome, text = "skipped", str(skip)
    except (Failure, WireError, AssertionError) as failure:
        outcome = "FAILED"
        details = str(failure)
        if isinstance(failure, WireError):
            details += "\n" + traceback.format_exc(limit=-4)
    except Exception:  # a bug of the test is a failure of the test, and the next case shall run
        outcome, details = "FAILED", traceback.format_exc()
    except BaseException:  # interrupted
        current.finish(True)
        raise
    if outcome == "FAILED":
        for broker in current.brokers:
            details += f"\n--- end of {broker.log_path}\n" + "\n".join(broker.log(True).split("\n")[-25:])
        details += f"\nfiles of this case: {current.folder}"
    current.finish(outcome == "FAILED")
    notes = "; ".join(filter(None, [text] + current.notes))
    return outcome, f"{time.monotonic() - begin:6.1f} s  {name}{': ' + notes if notes else ''}", details
