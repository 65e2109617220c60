"""What the suites of the clients share: starting brokers, running a client program, reading what it says, the table.

A client program is started once for every number of shards, with the broker's address as its only argument, and prints
one line per case: `case TAB pass|fail|skip TAB reason`. Anything else it prints is kept for the log. The rows of all
programs of a suite become one table: client, version, shards, case, result, seconds, reason.

A suite needs a registry and often a compiler or a runtime; where one is missing it says so and is skipped.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

import harness  # noqa: E402

COLUMNS = ["client", "version", "shards", "case", "result", "seconds", "reason"]
RESULTS = ("pass", "fail", "skip")
REASON_CHARS_MAX = 300
PROGRAM_S = 240.0
PREPARE_S = 600.0
# What changes from run to run, and is of no interest to who compares two tables.
FLEETING = [(re.compile(r"\d+\.\d+\.\d+\.\d+:\d+"), "ADDRESS"), (re.compile(r"-[0-9a-f]{8,}\b"), "-NAME"),
            (re.compile(r"(/[\w.+-]+){3,}/"), ""), (re.compile(r"0x[0-9a-f]+"), "0x"), (re.compile(r"\s+"), " ")]


class Skip(Exception):
    """The suite cannot run here; the text says why."""


class Program:
    """A client of one version, ready to be started."""

    def __init__(self, client, version, command, folder=None, environment=None, limit_s=PROGRAM_S):
        self.client, self.version, self.command, self.folder = client, version, command, folder
        self.environment, self.limit_s = environment or {}, limit_s


def need(*tools):
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        raise Skip(f"not installed: {', '.join(missing)}")


def prepare_run(what, command, folder=None, environment=None, timeout_s=PREPARE_S):
    """Runs a step that may need a registry; if it does not succeed the suite is skipped with its last words."""
    try:
        done = subprocess.run(command, cwd=folder, env={**os.environ, **(environment or {})}, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        raise Skip(f"{what}: not within {timeout_s:.0f} s") from None
    if done.returncode != 0:
        words = [line for line in (done.stdout + done.stderr).split("\n") if line.strip()]
        raise Skip(f"{what}: {words[-1][:200] if words else f'exit code {done.returncode}'}")
    return done.stdout


def maven_libs(pom, cache):
    """The jars that a pom names, in the cache; fetched once."""
    folder = os.path.join(cache, "libs")
    if not os.path.isdir(folder):
        fresh = folder + ".fresh"
        prepare_run("maven", ["mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies",
                              f"-DoutputDirectory={fresh}"])
        os.rename(fresh, folder)
    return folder


def copy_sources(source, target, names):
    """The build of a suite happens in the cache; the tree stays as it is."""
    os.makedirs(target, exist_ok=True)
    for name in names:
        shutil.copy(os.path.join(source, name), os.path.join(target, name))
    return target


def one_line(text):
    for pattern, instead in FLEETING:
        text = pattern.sub(instead, text)
    return text.strip()[:REASON_CHARS_MAX]


class Table:
    """The rows of one suite."""

    def __init__(self, echo=True):
        self.rows, self.echo = [], echo

    def add(self, client, version, shards, case, result, seconds, reason=""):
        row = [client, version, str(shards), case, result, f"{seconds:.1f}", one_line(reason) or "-"]
        self.rows.append(row)
        if self.echo:
            print("  ".join(row), flush=True)

    def count(self, result):
        return sum(row[4] == result for row in self.rows)

    def write(self, path):
        with open(path, "w", encoding="utf-8") as file:
            for row in [COLUMNS] + self.rows:
                file.write("\t".join(row) + "\n")


def run_program(program, bootstrap, shards, table, log):
    """Starts a client program and turns its lines into rows; its end and its silence are judged, too."""
    process = subprocess.Popen(program.command + [bootstrap], cwd=program.folder, text=True, errors="replace",
                               env={**os.environ, **program.environment}, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=log, preexec_fn=harness.die_with_parent)
    timer = threading.Timer(program.limit_s, process.kill)
    timer.start()
    begin = previous = time.monotonic()
    for line in process.stdout:
        words = line.rstrip("\n").split("\t")
        if len(words) >= 2 and words[1] in RESULTS:
            now = time.monotonic()
            table.add(program.client, program.version, shards, words[0], words[1], now - previous, " ".join(words[2:]))
            previous = now
        else:
            log.write(line)
            log.flush()
    code = process.wait()
    timer.cancel()
    if code != 0:
        table.add(program.client, program.version, shards, "program", "fail", time.monotonic() - begin,
                  f"ended with code {code}" + (": out of time" if code == -9 else ""))


def run_with_broker(options, shards, act):
    """act(bootstrap) beside a broker of so many shards, or beside the one named on the command line."""
    if options.bootstrap:
        act(options.bootstrap, None)
        return
    folder = tempfile.mkdtemp(prefix="millrace-suite-")
    broker = harness.Broker(os.path.abspath(options.broker), folder, shards=shards)
    try:
        broker.start()
        act(broker.bootstrap, broker)
        harness.check(broker.is_alive(), f"the broker died:\n{broker.log()[-4000:]}")
        broker.stop()
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        broker.discard()


def parse(name, description):
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    parser = argparse.ArgumentParser(prog=f"tests/suites/{name}/run", description=description)
    parser.add_argument("--broker", default=os.path.join(harness.ROOT, "build", "release", "millrace"),
                        help="the program to test (build/release/millrace)")
    parser.add_argument("--bootstrap", help="a broker that runs already, instead of --broker")
    parser.add_argument("--shards", default="1,4", help="one run for each (1,4)")
    parser.add_argument("--out", help="where the table goes (only printed otherwise)")
    parser.add_argument("--cache", default=os.path.join(cache, "millrace-suites"), help="where packages are kept")
    parser.add_argument("--log", default="", help="where the clients' other output goes (a file in the cache)")
    return parser.parse_args()


def main(name, description, prepare, run=run_program):
    """prepare(cache folder) makes the programs; run(program, bootstrap, shards, table, log) runs one of them."""
    options = parse(name, description)
    cache = os.path.join(os.path.abspath(options.cache), name)
    os.makedirs(cache, exist_ok=True)
    try:
        programs = prepare(cache)
    except Skip as skip:
        print(f"{name}: skipped: {skip}")
        return 0
    if not options.bootstrap and not os.access(options.broker, os.X_OK):
        print(f"{options.broker} is not there: run tools/build release")
        return 1
    table = Table()
    log_path = options.log or os.path.join(cache, "log")
    with open(log_path, "w", encoding="utf-8") as log:
        for shards in [int(word) for word in options.shards.split(",")]:
            for program in programs:
                log.write(f"--- {program.client} {program.version}, {shards} shards\n")
                log.flush()
                try:
                    run_with_broker(options, shards, lambda bootstrap, _, program=program, shards=shards:
                                    run(program, bootstrap, shards, table, log))
                except harness.Failure as failure:
                    table.add(program.client, program.version, shards, "broker", "fail", 0.0, str(failure))
                    print(failure)
    if options.out:
        table.write(options.out)
    print(f"{name}: {table.count('pass')} passed, {table.count('fail')} failed, {table.count('skip')} skipped"
          f" (log: {log_path})")
    return 1 if table.count("fail") else 0
