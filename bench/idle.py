#!/usr/bin/env python3
"""A broker that has nothing to do: 10,000 partitions and 1,000 connections at rest, and thousands of waiting fetches.

  bench/idle.py                                    sleeps of the core per second, CPU, memory per connection
  bench/idle.py --partitions 1000 --connections 100 --waiting 200 --seconds 3

Connections have asked for the versions, as every client does. The waiting ones have a Fetch of one partition each with
max.wait = 30 s on their way; then one record a second goes into one partition that all of them wait for: CPU per
answer. `wakes` counts how often the core's thread slept and woke again (voluntary_ctxt_switches). One JSON line in
docs/perf/history/idle.jsonl for each row.
"""

import argparse
import os
import resource
import socket
import struct
import subprocess
import time

import brokers
import measure
import twelve


def sleeps(pid):
    """Of all threads: how often they gave up their CPU by themselves."""
    count = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status", encoding="ascii") as file:
            count += sum(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt_switches"))
    return count


def rest(args, broker):
    """A second to settle, then as long as was asked for."""
    time.sleep(4)
    cpu, wakes, begin = brokers.cpu_seconds(broker.pid), sleeps(broker.pid), time.monotonic()
    time.sleep(args.seconds)
    seconds = time.monotonic() - begin
    return {"cpu_percent": round(100 * (brokers.cpu_seconds(broker.pid) - cpu) / seconds, 2),
            "wakes_per_s": round((sleeps(broker.pid) - wakes) / seconds, 1),
            "rss_mib": round(brokers.status_kib(broker.pid, "VmRSS") / 1024, 1)}


def fetch_request(topic, offset):
    """Fetch 4 of one partition: wait for a byte, 30 s at most."""
    name = topic.encode()
    body = struct.pack(">iiiibi", -1, 30000, 1, 1 << 20, 0, 1) + struct.pack(">h", len(name)) + name + \
        struct.pack(">iiqi", 1, 0, offset, 1 << 20)
    head = struct.pack(">hhih4s", 1, 4, 1, 4, b"wait")
    return struct.pack(">i", len(head) + len(body)) + head + body


def received(sock):
    """One answer, which nobody looks at."""
    need = struct.unpack(">i", sock.recv(4, socket.MSG_WAITALL))[0]
    while need > 0:
        need -= len(sock.recv(min(need, 65536)))


def wake(args, broker, sockets):
    """--wakes records, one after the other; each wakes everybody."""
    for sock in sockets:
        sock.sendall(fetch_request("bell", 0))
    asleep = rest(args, broker)
    cpu, answers = 0.0, 0
    for number in range(args.wakes):
        before = brokers.cpu_seconds(broker.pid)
        subprocess.run([measure.binary(args), "produce", "bell", "-b", f"127.0.0.1:{broker.port}"], input=b"ding\n",
                       check=True, stdout=subprocess.DEVNULL)
        for sock in sockets:
            received(sock)
        for sock in sockets:
            sock.sendall(fetch_request("bell", number + 1))
        time.sleep(0.5)
        cpu += brokers.cpu_seconds(broker.pid) - before
        answers += len(sockets)
    return {**asleep, "answers": answers, "cpu_us_per_wake": round(cpu * 1e6 / max(answers, 1), 2)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    measure.add_options(parser, rounds=1, seconds=20)
    parser.add_argument("--partitions", type=int, default=10000)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--waiting", type=int, default=2000)
    parser.add_argument("--wakes", type=int, default=20)
    args = parser.parse_args()
    lines = []
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    def row(case, found):
        lines.append([case, *[found.get(name, "-") for name in NAMES]])
        measure.keep(args, "idle", {"case": case, **found})
        print(case, found, flush=True)

    for _ in range(args.rounds):
        with measure.running(lambda: brokers.Millrace(args.directory, "0", measure.binary(args),
                                                      settings=["max.connections.per.ip=100000"])) as broker:
            row("empty", rest(args, broker))
            for topic, count in (("rest", args.partitions), ("bell", 1)):
                subprocess.run([measure.binary(args), "topic", "create", topic, "-p", str(count), "-b",
                                f"127.0.0.1:{broker.port}", "--timeout", "300s"], check=True, capture_output=True)
            row(f"{args.partitions} partitions", rest(args, broker))
            before = brokers.status_kib(broker.pid, "VmRSS")
            sockets = twelve.idle_connections(broker.port, args.connections)
            found = rest(args, broker)
            grown = brokers.status_kib(broker.pid, "VmRSS") - before
            found["kib_per_connection"] = round(grown / args.connections, 2)
            row(f"and {args.connections} connections", found)
            more = twelve.idle_connections(broker.port, args.waiting)
            row(f"and {args.waiting} waiting fetches", wake(args, broker, more))
            for sock in sockets + more:
                sock.close()
    print()
    measure.table(["case", *NAMES], lines)


NAMES = ("cpu_percent", "wakes_per_s", "rss_mib", "kib_per_connection", "cpu_us_per_wake")

if __name__ == "__main__":
    main()
