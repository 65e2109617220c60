"""How things are measured here: the generator, the limit probes, foreign CPU, medians, the history. For scripts in this
folder.

A run is one measurement of one system; runs of different systems alternate (rounds), so that what changes on the
machine changes for all of them. A run during which somebody else used more than FOREIGN_PERCENT of a CPU is marked as
disturbed and left out of medians as long as undisturbed ones are there.
"""

import contextlib
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import brokers

FOREIGN_PERCENT = 5
HISTORY = os.path.join(brokers.ROOT, "docs", "perf", "history")


class Failed(Exception):
    """A run that ended otherwise than it should."""


def add_options(parser, rounds=5, seconds=10):
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--seconds", type=float, default=seconds, help="measured, of each run")
    parser.add_argument("--warm", type=float, default=3)
    parser.add_argument("--build", default=os.path.join(brokers.ROOT, "build", "release"))
    parser.add_argument("--directory", default=tempfile.gettempdir(), help="where data goes: the disk to measure")
    parser.add_argument("--kafka-libs", help="folder with Apache Kafka's jars")
    parser.add_argument("--no-kafka", action="store_true")
    parser.add_argument("--no-fsync", action="store_true", help="Kafka only without a flush of each append")
    parser.add_argument("--kafka-cpus", default="0,1", help="CPUs that Kafka may use")
    parser.add_argument("--history", default=HISTORY, help="folder of the JSON lines; empty: nothing is kept")


def binary(args):
    return os.path.join(args.build, "millrace")


def systems(args, fsync=True):
    """Functions that make brokers, in the order in which they take turns."""
    makers = [lambda: brokers.Millrace(args.directory, "0", binary(args))]
    libs = None if args.no_kafka else brokers.kafka_libs(args.kafka_libs)
    if libs:
        makers.append(lambda: brokers.Kafka(args.directory, args.kafka_cpus, libs, False))
        if fsync and not args.no_fsync:
            makers.append(lambda: brokers.Kafka(args.directory, args.kafka_cpus, libs, True))
    return makers


def durability(broker):
    return {"millrace": "each append on stable storage", "kafka": "page cache",
            "kafka-fsync": "each append flushed"}[broker.name]


@contextlib.contextmanager
def running(make):
    """A broker that was just started, on fresh data, and goes with its data."""
    broker = make()
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()
        broker.remove()


# --- who else uses the machine ---------------------------------------------------------------------------------------


def machine_busy_s():
    """Of all CPUs: busy for anybody, or taken by the host."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _idle, _wait, irq, soft, steal = [int(word) for word in file.readline().split()[1:9]]
    return (user + nice + system + irq + soft + steal) / brokers.CLOCK_TICKS


class Company:
    """What others took while the processes `pids` and the commands started here ran, in percent of one CPU."""

    def __init__(self, pids):
        self.pids = pids
        self.begin = (time.monotonic(), machine_busy_s(), self.ours())

    def ours(self):
        times = os.times()
        return sum(brokers.cpu_seconds(pid) for pid in self.pids) + sum(times[:4])

    def percent(self):
        seconds = time.monotonic() - self.begin[0]
        return round(100 * max(0.0, machine_busy_s() - self.begin[1] - (self.ours() - self.begin[2])) / seconds, 1)


# --- runs ------------------------------------------------------------------------------------------------------------


def bench(args, broker, mode, *words, verify=True, cpu="1", timeout=1800):
    """`millrace bench MODE` against a running broker: its report, flat, with the command and how disturbed it was."""
    command = ["taskset", "-c", cpu, binary(args), "bench", mode, *words, "-b", f"127.0.0.1:{broker.port}", "-q", "-o",
               "json", "--broker-pid", str(broker.pid)]
    if mode not in ("consume",):
        command += ["-d", f"{args.seconds}s", "-w", f"{args.warm}s"]
    if verify and mode != "latency":
        command += ["--verify"]
    company = Company([broker.pid])
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode != 0:
        raise Failed(f"{broker.name}: {' '.join(command)}: code {done.returncode}: {done.stderr.strip()}")
    report = json.loads(done.stdout)
    found = dict(report["run"])
    for row in report["latency"]:
        found.update({f"{row['time']}_{name}": value for name, value in row.items() if name != "time"})
    for part in ("verified", "read"):
        if part in report:
            found[part] = report[part]
    found["broker_cpu_s_per_gib"] = found.get("broker_cpu_ms_per_gib", 0) / 1000
    found["mb_per_s"] = round(found["bytes_per_s"] / 1e6, 1)
    found["rss_mib"] = round(brokers.status_kib(broker.pid, "VmRSS") / 1024, 1)
    found["foreign_cpu_percent"] = company.percent()
    found["command"] = " ".join(os.path.relpath(word, brokers.ROOT) if word.startswith(brokers.ROOT) else word
                                for word in command)
    return found


def probe(args, kind, size, *words):
    """One line of bench/limits on the same disk."""
    command = [os.path.join(args.build, "bench", "limits", "limits"), kind, "--bytes", str(size), "--dir",
               args.directory, "--seconds", str(args.seconds), "-o", "json", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: {done.stderr.strip()}")
    return json.loads(done.stdout.split("\n")[0])


def disturbed(row):
    return row.get("foreign_cpu_percent", 0) > FOREIGN_PERCENT


def commit():
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=brokers.ROOT, capture_output=True, text=True,
                          check=False)
    return done.stdout.strip() or None


def keep(args, name, row):
    """One line of docs/perf/history/NAME.jsonl."""
    if not args.history:
        return
    os.makedirs(args.history, exist_ok=True)
    line = {"when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "commit": commit(),
            "benchmark": name, "machine": brokers.machine(), **row}
    with open(os.path.join(args.history, f"{name}.jsonl"), "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def good_rows(rows):
    """Those that count for a median."""
    return [row for row in rows if not disturbed(row)] or rows


def median(rows, name):
    return statistics.median([row[name] for row in good_rows(rows)])


def spread(rows, name, digits=2):
    """'median (least .. most)'."""
    values = [row[name] for row in good_rows(rows)]
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} .. {max(values):.{digits}f})"


def table(heads, lines):
    """Columns as wide as they must be; texts to the left, numbers to the right."""
    widths = [max(len(str(line[i])) for line in [heads, *lines]) for i in range(len(heads))]
    for line in [heads, *lines]:
        print("  ".join(str(word).ljust(width) if i == 0 else str(word).rjust(width)
                        for i, (word, width) in enumerate(zip(line, widths))))


def note_disturbed(rows):
    count = sum(disturbed(row) for row in rows)
    if count:
        print(f"{count} of {len(rows)} runs were disturbed: others used more than {FOREIGN_PERCENT} % of a CPU",
              file=sys.stderr)
