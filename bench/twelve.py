#!/usr/bin/env python3
"""The twelve benchmarks that Millrace is judged by, beside Apache Kafka, in alternating runs on the same machine.

  bench/twelve.py                                    all of them, five rounds: hours
  bench/twelve.py ingest-max produce-latency         some; --list names them
  bench/twelve.py --rounds 1 --seconds 1 --small     whether everything runs, in minutes: figures mean nothing

Millrace: one shard on CPU 0, every append on stable storage. Kafka: KRaft, G1 with 2 GiB that are touched at start, on
--kafka-cpus, without and with a flush of each append. The generator, `millrace bench`, is on CPU 1; acks=all. What was
produced is read back and compared after each run. Each run is a JSON line in docs/perf/history/twelve.jsonl, with
commit, machine, durability and the exact command; bench/charts.py draws pictures of them.
"""

import argparse
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import brokers
import measure

MIB = 1 << 20


def produce(args, broker, *words, topic="suite", verify=True):
    return measure.bench(args, broker, "produce", topic, *words, verify=verify)


# --- the twelve: each yields (case, row) of one system ---------------------------------------------------------------


def ingest_cost(args, make):
    """CPU per GiB at a rate that all keep up with: 400 MiB/s in batches of 256 KiB."""
    with measure.running(make) as broker:
        rate = "40M" if args.small else "400M"
        yield rate, produce(args, broker, "--rate", rate, "-B", "256K", "-C", "4")


def ingest_max(args, make):
    """As fast as it goes, over 1, 4, 16 and 100 partitions."""
    for partitions in (1, 16) if args.small else (1, 4, 16, 100):
        with measure.running(make) as broker:
            yield f"{partitions} partitions", produce(args, broker, "-p", str(partitions), "-B", "128K", "-C", "8")


def produce_latency(args, make):
    """Poisson arrivals at 20, 50 and 80 % of what Kafka without fsync takes (--latency-base, in MB/s)."""
    for part in args.latency_parts:
        with measure.running(make) as broker:
            rate = int(args.latency_base * 1e6 * part)
            yield f"{100 * part:.0f} %", produce(args, broker, "--rate", str(rate), "-B", "16K", "-C", "4")


def produce_durable(args, make):
    """Saturated, small batches, each on stable storage before it is acknowledged where the system can."""
    for batch in ("4K", "16K"):
        with measure.running(make) as broker:
            yield batch, produce(args, broker, "-B", batch, "-C", "8")


def tail_latency(args, make):
    """10,000 records of 100 bytes a second, one consumer that waits for them."""
    with measure.running(make) as broker:
        yield "10k/s", measure.bench(args, broker, "latency", "suite", "--rate", "1000" if args.small else "10000")


def drop_caches():
    """Only root may; without it a "cold" read is a warm one, and says so."""
    try:
        os.sync()
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
            file.write("1")
        return "cold"
    except OSError:
        return "warm"


def catch_up(args, make):
    """Reading --catch-up-gib from the disk with 1, 4 and 16 connections."""
    amount = 64 * MIB if args.small else int(args.catch_up_gib * 1024 * MIB)
    with measure.running(make) as broker:
        fill(args, broker, amount)
        for connections in (1, 4) if args.small else (1, 4, 16):
            kind = drop_caches()
            yield f"{connections} readers, {kind}", measure.bench(args, broker, "consume", "suite", "-C",
                                                                  str(connections), "--fetch-size", "1M")


def fill(args, broker, amount):
    """So many bytes, as fast as they go in."""
    done = 0
    while done < amount:
        out = subprocess.run(["taskset", "-c", "1", measure.binary(args), "bench", "produce", "suite", "-b",
                              f"127.0.0.1:{broker.port}", "-B", "256K", "-d", "1s", "-w", "0s", "-q", "-o", "json"],
                             check=True, capture_output=True, text=True)
        done += measure.json.loads(out.stdout)["run"]["bytes"]


def mixed(args, make):
    """A rate of producers with a consumer that keeps up: alone, and beside one that reads everything again."""
    rate = "20M" if args.small else args.mixed_rate
    for again in (0, 1):
        with measure.running(make) as broker:
            yield f"{again} catching up", measure.bench(args, broker, "mixed", "suite", "--rate", rate, "-C", "4",
                                                        "--consumers", "1", "--rereaders", str(again))


def many_partitions(args, make):
    """50 MiB/s over 1, 100 and 10,000 partitions."""
    for partitions in (1, 100) if args.small else (1, 100, 10000):
        with measure.running(make) as broker:
            row = produce(args, broker, "-p", str(partitions), "--rate", "5M" if args.small else "50M", "-B", "4K",
                          "-C", "16")
            row["open_files"] = len(os.listdir(f"/proc/{broker.pid}/fd"))
            yield f"{partitions} partitions", row


def idle_connections(port, count):
    """Connected, and each has asked for the versions: a client that has nothing to do."""
    head = struct.pack(">hhih4s", 18, 0, 1, 4, b"idle")
    sockets = []
    for _ in range(count):
        sock = socket.create_connection(("127.0.0.1", port), timeout=60)
        sock.sendall(struct.pack(">i", len(head)) + head)
        sock.recv(65536)
        sockets.append(sock)
    return sockets


def many_connections(args, make):
    """A light load beside 0, 100 and 5,000 idle connections."""
    for count in (0, 100) if args.small else (0, 100, 5000):
        with measure.running(make) as broker:
            before = brokers.status_kib(broker.pid, "VmRSS")
            begin = time.monotonic()
            sockets = idle_connections(broker.port, count)
            seconds = time.monotonic() - begin
            after = brokers.status_kib(broker.pid, "VmRSS")
            row = produce(args, broker, "--rate", "20M", "-B", "16K")
            row["kib_per_connection"] = round((after - before) / count, 2) if count else 0
            row["connects_per_s"] = round(count / seconds) if count else 0
            for sock in sockets:
                sock.close()
            yield f"{count} idle", row


def small_messages(args, make):
    """Batches of one record of 100 bytes, 1 and 32 in flight on each of four connections."""
    for in_flight in (1, 32):
        with measure.running(make) as broker:
            row = produce(args, broker, "-s", "100", "-B", "1", "-i", str(in_flight), "-C", "4")
            requests = max(row["requests"], 1)
            row["broker_cpu_us_per_request"] = round(row["broker_cpu_s_per_gib"] * row["bytes"] / 2**30 * 1e6 /
                                                     requests, 2)
            yield f"{in_flight} in flight", row


def recovery(args, make):
    """kill -9 at a rate of producers, with --recovery-gib stored: until a first record is taken and one is read."""
    with measure.running(make) as broker:
        fill(args, broker, 32 * MIB if args.small else int(args.recovery_gib * 1024 * MIB))
        load = subprocess.Popen(["taskset", "-c", "1", measure.binary(args), "bench", "produce", "suite", "-b",
                                 f"127.0.0.1:{broker.port}", "--rate", "50M" if args.small else "300M", "-B", "128K",
                                 "-d", "600s", "-w", "0s", "-q"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(2 if args.small else 10)
        stopped = broker.stop(signal.SIGKILL)
        load.wait(60)
        begin = time.monotonic()
        waker = threading.Thread(target=broker.start)
        waker.start()
        while not serves(args, broker):
            if time.monotonic() - begin > 900:
                raise measure.Failed(f"{broker.name} does not come back")
        ready = time.monotonic() - begin
        waker.join()
        row = measure.bench(args, broker, "consume", "suite")  # every CRC and offset
        yield "kill -9", {**row, "kill_s": round(stopped, 3), "first_produce_and_fetch_s": round(ready, 3)}


def serves(args, broker):
    """One record goes in and comes out."""
    address = f"127.0.0.1:{broker.port}"
    done = subprocess.run([measure.binary(args), "bench", "produce", "suite", "-b", address, "-d", "1ms", "-w", "0s",
                           "-B", "1", "-q", "--verify", "--timeout", "2s"], capture_output=True, check=False)
    return done.returncode == 0


def footprint(args, make):
    """At rest: memory, CPU, start, size of what is installed."""
    with measure.running(make) as broker:
        size = os.path.getsize(measure.binary(args)) if broker.name == "millrace" else \
            sum(os.path.getsize(os.path.join(broker.libs, name)) for name in os.listdir(broker.libs))
        for partitions in (0, 100) if args.small else (0, 1000, 10000):
            if partitions:
                subprocess.run([measure.binary(args), "topic", "create", f"rest-{partitions}", "-p", str(partitions),
                                "-b", f"127.0.0.1:{broker.port}", "--timeout", "300s"], check=True,
                               capture_output=True)
                time.sleep(2)
            before = brokers.cpu_seconds(broker.pid)
            company = measure.Company([broker.pid])
            time.sleep(args.seconds)
            yield f"{partitions} partitions", {
                "rss_mib": round(brokers.status_kib(broker.pid, "VmRSS") / 1024, 1),
                "idle_cpu_percent": round(100 * (brokers.cpu_seconds(broker.pid) - before) / args.seconds, 2),
                "ready_s": round(broker.ready_seconds, 3), "installed_mib": round(size / MIB, 1),
                "foreign_cpu_percent": company.percent(), "command": "no load"}


# Name: function, the figures of its table (name, digits), whether Kafka with fsync takes part.
RUNS = {
    "ingest-cost": (ingest_cost, [("broker_cpu_s_per_gib", 3), ("mb_per_s", 0), ("rss_mib", 0)], True),
    "ingest-max": (ingest_max, [("mb_per_s", 0), ("broker_cpu_s_per_gib", 3)], True),
    "produce-latency": (produce_latency, [("acknowledged_p50_us", 0), ("acknowledged_p99_us", 0),
                                          ("acknowledged_p999_us", 0)], True),
    "produce-durable": (produce_durable, [("mb_per_s", 0), ("broker_cpu_s_per_gib", 2), ("acknowledged_p99_us", 0)],
                        True),
    "tail-latency": (tail_latency, [("read_p50_us", 0), ("read_p99_us", 0), ("read_p999_us", 0),
                                    ("broker_cpu_percent", 0)], False),
    "catch-up": (catch_up, [("mb_per_s", 0), ("broker_cpu_s_per_gib", 3)], False),
    "mixed": (mixed, [("acknowledged_p99_us", 0), ("mb_per_s", 0), ("broker_cpu_percent", 0)], True),
    "many-partitions": (many_partitions, [("broker_cpu_s_per_gib", 2), ("acknowledged_p99_us", 0), ("rss_mib", 0),
                                          ("open_files", 0)], True),
    "many-connections": (many_connections, [("acknowledged_p99_us", 0), ("kib_per_connection", 1),
                                            ("connects_per_s", 0)], False),
    "small-messages": (small_messages, [("requests_per_s", 0), ("broker_cpu_us_per_request", 2),
                                        ("acknowledged_p99_us", 0)], True),
    "recovery": (recovery, [("first_produce_and_fetch_s", 2), ("kill_s", 2)], False),
    "footprint": (footprint, [("rss_mib", 0), ("idle_cpu_percent", 2), ("ready_s", 2), ("installed_mib", 0)], False),
}


def run(args, name):
    function, figures, with_fsync = RUNS[name]
    rows = {}
    print(f"\n{name}: {function.__doc__.split(chr(10))[0]}", flush=True)
    for _ in range(args.rounds):
        for make in measure.systems(args, fsync=with_fsync):
            probe = make()
            system, durable = probe.name, measure.durability(probe)
            probe.remove()
            try:
                for case, row in function(args, make):
                    row = {"system": system, "durability": durable, "case": case, **row}
                    rows.setdefault((case, system), []).append(row)
                    measure.keep(args, "twelve", {"name": name, **row})
            except (measure.Failed, subprocess.SubprocessError, RuntimeError) as failure:
                print(f"  {system}: {failure}", file=sys.stderr, flush=True)
    measure.table(["case", "system", *[figure for figure, _ in figures]],
                  [[case, system, *[measure.spread(found, figure, digits) for figure, digits in figures]]
                   for (case, system), found in sorted(rows.items())])
    measure.note_disturbed([row for found in rows.values() for row in found])
    return bool(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    measure.add_options(parser)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--small", action="store_true", help="little data and few cases: only whether all runs")
    parser.add_argument("--latency-base", type=float, default=100, help="MB/s that are 100 %% for produce-latency")
    parser.add_argument("--latency-parts", type=float, nargs="+", default=[0.2, 0.5, 0.8], help="of that rate")
    parser.add_argument("--mixed-rate", default="300M")
    parser.add_argument("--catch-up-gib", type=float, default=40, help="more than memory, or nothing is read from disk")
    parser.add_argument("--recovery-gib", type=float, default=10)
    args = parser.parse_args()
    if args.list:
        for name, (function, _, _) in RUNS.items():
            print(f"{name:18} {function.__doc__}")
        return
    unknown = [name for name in args.names if name not in RUNS]
    if unknown:
        parser.error(f"no benchmark is called {unknown[0]}: see --list")
    if args.small:
        args.latency_base = min(args.latency_base, 20)
    results = [run(args, name) for name in args.names or RUNS]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
