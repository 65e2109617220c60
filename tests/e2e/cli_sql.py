"""millrace sql --local: options, sources, sinks, results, errors, exit codes; every example of docs/sql/examples."""
import gzip
import json
import os
import re
import signal
import subprocess
import time

from harness import ROOT, Skip, case, check, check_equal

DONE, FAILED, USAGE, PARTIAL, NOT_FOUND = 0, 1, 2, 5, 6
WAIT_S = 60
EXAMPLES = os.path.join(ROOT, "docs", "sql", "examples")
SOURCE = """
CREATE TABLE t (k STRING, n BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH (
  'connector' = 'kafka', 'topic' = 't', 'properties.bootstrap.servers' = 'localhost:9092',
  'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset', 'format' = 'json');
"""
UPSERT = """
CREATE TABLE o (k STRING, c BIGINT, s BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH (
  'connector' = 'upsert-kafka', 'topic' = 'o', 'properties.bootstrap.servers' = 'localhost:9092',
  'key.format' = 'json', 'value.format' = 'json');
INSERT INTO o SELECT k, COUNT(*), SUM(n) FROM t GROUP BY k;
"""


def rows(count, keys=3):
    return "".join(f'{{"k":"k{i % keys}","n":{i},"ts":"2026-01-01 00:00:{i // 10 % 60:02d}.000"}}\n'
                   for i in range(count)).encode()


class Sql:
    """The command in the case's folder."""

    def __init__(self, current):
        self.current = current
        self.folder = current.folder

    def path(self, name, text=None):
        path = os.path.join(self.folder, name)
        if text is not None:
            with open(path, "wb") as file:
                file.write(text)
        return path

    def run(self, *words, stdin=b"", expected=DONE):
        """(standard output, standard error) as text."""
        done = subprocess.run([self.current.binary, "sql", *map(str, words)], input=stdin, capture_output=True,
                              timeout=WAIT_S, check=False, cwd=self.folder)
        out, says = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        check_equal(done.returncode, expected, f"exit code of millrace sql {words}\n{out[-2000:]}\n{says[-2000:]}")
        return out, says

    def out(self, *words, **options):
        return self.run("--local", *words, **options)[0]

    def says(self, *words, **options):
        return self.run("--local", *words, **options)[1]

    def json(self, *words, **options):
        return [json.loads(line) for line in self.out(*words, "-o", "json", **options).splitlines()]


@case("cli-sql")
def cli_sql(current):
    """Options, inputs, outputs, forms of results."""
    sql = Sql(current)
    data = sql.path("t.jsonl", rows(100))
    given = ("-e", SOURCE, "-i", f"t={data}")
    check_equal(sql.json("-e", "SELECT 1 + 1 AS two, 'x' AS x"), [{"two": 2, "x": "x"}], "no table")
    check_equal(sql.out("-e", "SELECT 1 + 1 AS two", "-o", "csv"), "two\n2\n", "csv")
    text = sql.out("-e", "SELECT 1 + 1 AS two, CAST(NULL AS STRING) AS nothing")
    check("two" in text and "<NULL>" in text and "\x1b" not in text, f"a table: {text!r}")
    check_equal(sql.json(*given, "-e", "SELECT k, n FROM t WHERE n < 3"),
                [{"k": f"k{i}", "n": i} for i in range(3)], "a filter")
    counts = [{"k": "k0", "c": 34}, {"k": "k1", "c": 33}, {"k": "k2", "c": 33}]
    query = "SELECT k, COUNT(*) AS c FROM t GROUP BY k"
    for words in ((), ("-w", 2), ("--rows", 1), ("--flush", 7), ("-w", 3, "--rows", 5), ("--verify", 11)):
        check_equal(sql.json(*given, "-e", query, *words), counts, f"a table that changes, {words}")
    changes = sql.out(*given, "-e", query, "-o", "changelog", "--flush", 10).splitlines()
    check_equal(changes[0], '+I {"k":"k0","c":4}', "the first change")
    check_equal(changes[-1][:2], "+U", "the last change")

    script = sql.path("s.sql", (SOURCE + UPSERT).encode())
    final = [{"k": "k0", "c": 34, "s": 1683}, {"k": "k1", "c": 33, "s": 1617}, {"k": "k2", "c": 33, "s": 1650}]
    lines = sql.out("-f", script, "-i", f"t={data}").splitlines()
    check_equal([json.loads(line) for line in lines], final, "the final table of an upsert sink")
    target = sql.path("o.jsonl")
    check_equal(sql.out("-f", script, "-i", f"t={data}", "--output-file", f"o={target}"), "", "standard output")
    with open(target, encoding="utf-8") as file:
        check_equal(file.read().splitlines(), lines, "the file")

    packed = sql.path("t.jsonl.gz", gzip.compress(rows(50)) + gzip.compress(rows(100)[len(rows(50)):]))
    check_equal(sql.json("-e", SOURCE, "-i", f"t={packed}", "-e", query), counts, "gzip")
    check_equal(sql.json("-e", SOURCE, "-i", "t=-", "-e", query, stdin=rows(100)), counts, "standard input")
    check_equal(sql.json("-f", "-", "-i", f"t={data}", stdin=(SOURCE + query).encode()), counts, "script from a pipe")
    half = sql.path("half.jsonl", rows(100)[len(rows(50)):])
    first = sql.path("first.jsonl", rows(50))
    check_equal(sql.json("-e", SOURCE, "-i", f"t={first}", "-i", f"t={half}", "-e", query), counts, "two partitions")
    check_equal(sql.json("-e", SOURCE, "-i", f"t={first}", "-i", f"t={half}", "-e", query, "-w", 2), counts,
                "two partitions, two workers")
    plain = "CREATE TABLE r (line STRING) WITH ('connector' = 'kafka', 'topic' = 'r', " \
            "'properties.bootstrap.servers' = 'x', 'scan.startup.mode' = 'earliest-offset', 'format' = 'raw')"
    check_equal(sql.json("-e", plain, "-i", "r=-", "-e", "SELECT line FROM r", stdin=b"a\r\nb\n\nc"),
                [{"line": "a"}, {"line": "b"}, {"line": ""}, {"line": "c"}], "lines")
    check_equal(sql.json("-e", plain, "-i", "r=-", "-0", "-e", "SELECT line FROM r", stdin=b"a\nb\0c\0"),
                [{"line": "a\nb"}, {"line": "c"}], "records that end with NUL")
    check("explain" not in sql.out(*given, "-x", "-e", query).lower(), "a plan is no table")
    check(sql.out(*given, "--explain", "-e", query) != "", "no plan")
    text = sql.says(*given, "-s", "-e", query)
    check("100 rows" in text and "OPERATOR" in text and "group" in text.lower(), f"statistics: {text}")
    page = json.loads(sql.run("--local", *given, "-s", "-o", "json", "-e", query)[1])
    check_equal(page["rows"], 100, "statistics as JSON")
    check_equal([sink["inserted"] for sink in page["sinks"]], [3], "rows of the result")
    check("nothing reads topic 'x'" in sql.says("-e", "SELECT 1", "-i", f"x={data}"), "an input that nobody reads")


@case("cli-sql-sinks")
def cli_sql_sinks(current):
    """print, blackhole, several sinks, time."""
    sql = Sql(current)
    data = sql.path("t.jsonl", rows(100))
    given = ("-e", SOURCE, "-i", f"t={data}")
    text = sql.out(*given, "-e", "CREATE TABLE p (k STRING, n BIGINT, ts TIMESTAMP(3)) WITH ('connector' = 'print')",
                   "-e", "INSERT INTO p SELECT k, n, ts FROM t WHERE n BETWEEN 9 AND 11")
    check_equal(text.splitlines(), ["+I[k0, 9, 2026-01-01T00:00]", "+I[k1, 10, 2026-01-01T00:00:01]",
                                    "+I[k2, 11, 2026-01-01T00:00:01]"], "print")
    black = "CREATE TABLE b (k STRING, n BIGINT) WITH ('connector' = 'blackhole'); "
    out, says = sql.run("--local", *given, "-s", "-e", black + "INSERT INTO b SELECT k, n FROM t")
    check_equal(out, "", "what a blackhole shows")
    check("b: 100 inserted" in says, f"what it counts: {says}")
    windows = "SELECT window_start, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND)) " \
              "GROUP BY window_start, window_end"
    check_equal(sql.json(*given, "-e", windows), [{"window_start": "2026-01-01 00:00:00", "c": 50},
                                                  {"window_start": "2026-01-01 00:00:05", "c": 50}], "windows")
    clock = SOURCE.replace("ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND", "pt AS PROCTIME()")
    windows = windows.replace("ts", "pt")
    timed = ("-e", clock, "-i", f"t={data}", "--now", "2026-01-01T00:00:00Z", "--clock-rate", 10)
    for words in ((), ("--rows", 3), ("--rows", 1)):
        check_equal(sql.json(*timed, "-e", windows, *words), [{"window_start": "2026-01-01 00:00:00", "c": 50}],
                    "windows of an injected clock: what is open at the end is lost")


@case("cli-sql-errors")
def cli_sql_errors(current):
    """What is wrong is named, with its place, before anything runs; exit codes."""
    sql = Sql(current)
    data = sql.path("t.jsonl", rows(100))
    check("goes with --local" in sql.run("-e", "SELECT 1", "-w", "2", expected=USAGE)[1], "without --local")
    for words in ((), ("-e", "SELECT 1", "-w", 0), ("-e", "SELECT 1", "-w", 65), ("-e", "SELECT 1", "--rows", 2049),
                  ("-e", "SELECT 1", "-i", "t"), ("-e", "SELECT 1", "--memory", "x"), ("-e", "SELECT 1", "--now", "x"),
                  ("-e", "SELECT 1", "-o", "xml"), ("-e", "SELECT 1", "--clock-rate", 5)):
        sql.says(*words, expected=USAGE)
    text = sql.says("-e", SOURCE, "-i", f"t={data}", "-e", "SELECT k,\n  pirce FROM t", expected=USAGE)
    check("line 2, column 3" in text and "pirce" in text and "^^^^^" in text, f"a name: {text}")
    check("line 1, column 8" in sql.says("-e", "SELECT FROM", expected=USAGE), "syntax")
    check_equal(sql.run("--local", "-e", "SELECT 1", "-e", "SELEC 2", expected=USAGE)[0], "",
                "nothing runs before all is parsed")
    text = sql.says("-e", SOURCE, "-e", "SELECT * FROM t", expected=USAGE)
    check("--input t=FILE" in text, f"the cure: {text}")
    text = sql.says("-e", SOURCE, "-i", "t=no.jsonl", "-e", "SELECT * FROM t", expected=NOT_FOUND)
    check("no.jsonl" in text, f"a file: {text}")
    check("no.sql" in sql.says("-f", "no.sql", expected=NOT_FOUND), "a script")
    broken = sql.path("broken.jsonl", rows(7) + b'{"k":"x","n":\n' + rows(3))
    text = sql.says("-e", SOURCE, "-i", f"t={broken}", "-e", "SELECT * FROM t", expected=FAILED)
    check("broken.jsonl, line 8" in text, f"a record: {text}")
    text = sql.says("-e", SOURCE, "-i", f"t={data}", "-e", "SELECT 1 / (n - 50) AS x FROM t", expected=FAILED)
    check("t.jsonl, line" in text and "zero" in text.lower(), f"an expression: {text}")
    text = sql.says("-e", SOURCE, "-i", "t=-", "-e", "SELECT a.k FROM t AS a, t AS b WHERE a.n = b.n AND a.k > b.k",
                    "--memory", "1M", stdin=rows(1), expected=DONE)
    wide = sql.path("wide.jsonl", rows(60000, keys=60000))
    query = "SELECT k, COUNT(*) AS c FROM t GROUP BY k"
    text = sql.says("-e", SOURCE, "-i", f"t={wide}", "-e", query, "--memory", "1M", expected=FAILED)
    check("memory" in text.lower() or "budget" in text.lower(), f"the budget: {text}")
    check("jobs" in sql.says("-e", "SHOW JOBS", expected=USAGE), "jobs")


@case("cli-sql-pipes")
def cli_sql_pipes(current):
    """A reader that goes away, a writer that waits, SIGINT."""
    sql = Sql(current)
    data = sql.path("t.jsonl", rows(200000))
    words = [current.binary, "sql", "--local", "-q", "-e", SOURCE]
    child = subprocess.Popen(words + ["-i", f"t={data}", "-o", "json", "-e", "SELECT * FROM t"],
                             stdout=subprocess.PIPE)
    child.stdout.readline()
    child.stdout.close()
    check_equal(child.wait(WAIT_S), DONE, "exit code when nobody reads on")
    query = "SELECT k, COUNT(*) AS c FROM t GROUP BY k"
    child = subprocess.Popen(words + ["-i", "t=-", "-o", "changelog", "-e", query],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stdin.write(rows(2))
    child.stdin.flush()
    check_equal([child.stdout.readline(), child.stdout.readline()],
                [b'+I {"k":"k0","c":1}\n', b'+I {"k":"k1","c":1}\n'], "changes while the pipe is open")
    time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    _, says = child.communicate(timeout=WAIT_S)
    check_equal(child.returncode, PARTIAL, "exit code after SIGINT")
    check(b"partial" in says, f"what is said: {says}")


def examples():
    """(command, output) of every console block of the page."""
    with open(os.path.join(EXAMPLES, "README.md"), encoding="utf-8") as file:
        for block in re.findall(r"```console\n(.*?)```", file.read(), re.S):
            command, output = block.split("\n", 1)
            check(command.startswith("$ millrace "), f"no command: {command}")
            yield command[2:], output


@case("cli-sql-examples")
def cli_sql_examples(current):
    """docs/sql/examples: every command prints what its page says."""
    count = 0
    for command, output in examples():
        words = command.replace("millrace", current.binary, 1)
        done = subprocess.run(["sh", "-c", words], capture_output=True, timeout=WAIT_S, check=False, cwd=ROOT,
                              text=True)
        check_equal(done.returncode, DONE, f"{command}\n{done.stderr}")
        check_equal(done.stdout, output, command)
        count += 1
    if count == 0:
        raise Skip("the page has no examples")
