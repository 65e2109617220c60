"""SQL at a broker: the HTTP listener as programs see it, `millrace sql` as people do: scripts, pipes, a terminal."""
import json
import os
import pty
import re
import select
import signal
import subprocess
import time
import urllib.error
import urllib.request

from harness import case, check, check_equal, free_ports, wait_until

DONE, USAGE, NOT_FOUND, UNREACHABLE = 0, 2, 6, 9
WAIT_S = 30
TABLES = """
CREATE TABLE bids (auction BIGINT, price DOUBLE, note STRING) WITH (
  'connector' = 'kafka', 'topic' = 'bids', 'properties.bootstrap.servers' = '{address}',
  'scan.startup.mode' = 'earliest-offset', 'format' = 'json'{bounded});
CREATE TABLE doubled (auction BIGINT, price DOUBLE) WITH (
  'connector' = 'kafka', 'topic' = 'doubled', 'properties.bootstrap.servers' = '{address}', 'format' = 'json',
  'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = 'e2e');
"""
INSERT = "INSERT INTO doubled SELECT auction, price * 2 FROM bids;"


class Server:
    """A broker with an HTTP listener, and both ways to it."""

    def __init__(self, current, **settings):
        self.current = current
        self.http_port = free_ports(1)
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.broker = current.broker(shards=2, settings={
            "millrace.http.listener": f"127.0.0.1:{self.http_port}", "millrace.job.epoch.interval.ms": 100, **settings})

    def ask(self, method, path, body=None, headers=None, expected=200):
        """The answer's text."""
        request = urllib.request.Request(self.url + path, method=method, headers=headers or {},
                                         data=None if body is None else body.encode())
        try:
            with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        check_equal(status, expected, f"status of {method} {path}: {text}")
        return text

    def lines(self, script, expected=200):
        """What a script answers, line by line."""
        text = self.ask("POST", "/v1/sql", script, {"Content-Type": "text/plain"}, expected)
        return [json.loads(line) for line in text.split("\n") if line]

    def tables(self, bounded=False):
        more = ",\n  'scan.bounded.mode' = 'latest-offset'" if bounded else ""
        return TABLES.format(address=self.broker.bootstrap, bounded=more)

    def sql(self, *words, stdin=b"", expected=DONE):
        """(standard output, standard error) of the command."""
        done = subprocess.run([self.current.binary, "sql", "--server", self.url, *words], input=stdin,
                              capture_output=True, timeout=WAIT_S, check=False)
        out, says = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        check_equal(done.returncode, expected, f"exit code of millrace sql {words}\n{out}\n{says}")
        return out, says

    def kafka(self, *words, stdin=b""):
        done = subprocess.run([self.current.binary, *words, "-b", self.broker.bootstrap], input=stdin,
                              capture_output=True, timeout=WAIT_S, check=False)
        check_equal(done.returncode, 0, f"millrace {words}: {done.stderr.decode()}")
        return done.stdout.decode()

    def produce(self, first, count):
        rows = "".join(f'{{"auction":{i},"price":{i}.25,"note":"n{i}"}}\n' for i in range(first, first + count))
        self.kafka("produce", "bids", stdin=rows.encode())

    def consume(self):
        """The auctions that read_committed readers see in the sink."""
        text = self.kafka("consume", "doubled", "-e", "-X", "isolation.level=read_committed")
        return sorted(json.loads(line)["auction"] for line in text.split("\n") if line)

    def job(self, job):
        return json.loads(self.ask("GET", f"/jobs/{job}"))


@case("sql-server-http")
def http(current):
    """Statements, their failures, and the fixed answers."""
    server = Server(current)
    check_equal(json.loads(server.ask("GET", "/health")), {"status": "ok"}, "health")
    check_equal(server.lines(server.tables())[-1], {"statement": 1, "result": "OK"}, "CREATE TABLE")
    check_equal(server.lines("SHOW TABLES")[0]["rows"], [["bids"], ["doubled"]], "SHOW TABLES")
    failed = server.lines("SHOW TABLES; SELECT nothing FROM bids;", expected=400)
    check("nothing" in failed[-1]["errors"][0] and failed[-1]["statement"] == 1, f"the failure: {failed}")
    server.ask("POST", "/v1/sql", '{"statements": 7}', {"Content-Type": "application/json"}, expected=400)
    server.ask("POST", "/v1/sql", "SHOW TABLES", {"Origin": "http://evil.example"}, expected=403)
    server.ask("GET", "/health", headers={"Host": "evil.example"}, expected=403)
    server.ask("GET", "/jobs/0123", expected=404)
    server.ask("PUT", "/jobs", "", expected=405)
    check_equal(json.loads(server.ask("GET", "/jobs")), {"jobs": []}, "no jobs")
    second = current.broker("second", settings={"millrace.http.listener": f"127.0.0.1:{server.http_port}"})
    check("There is no HTTP listener" in second.log(), f"a port in use is a warning: {second.log()}")
    second.stop()
    for i in range(300):  # more sessions than are kept: the oldest ones go
        server.ask("POST", "/v1/sql", json.dumps({"statements": "SHOW TABLES", "session": f"s{i}"}),
                   {"Content-Type": "application/json"})
    metrics = server.ask("GET", "/metrics")
    check(re.search(r'^millrace_requests_total\{shard="1"\} \d+$', metrics, re.M), metrics)
    rows = server.lines("SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t(x, y)")
    check_equal(sorted(line["row"] for line in rows if "op" in line), [[1, "a"], [2, "b"]], "rows of VALUES")
    server.kafka("topic", "create", "bids")
    client = subprocess.Popen([current.binary, "sql", "--server", server.url, "-e", "SELECT * FROM bids", "-o", "json"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    current.cleaners.append(client.kill)
    server.produce(0, 1)
    check(b'"auction":0' in client.stdout.readline(), "a row for a client that is killed now")
    client.kill()
    client.wait()
    begin = time.monotonic()
    server.broker.stop()  # nothing of it keeps the broker
    check(time.monotonic() - begin < 5, "the stop took its time")


@case("sql-server-job")
def job_life(current):
    """A job over kill -9 and a clean restart, then paused, stopped, deleted, all over HTTP."""
    server = Server(current)
    server.kafka("topic", "create", "bids", "doubled", "-p", "2")
    server.produce(0, 500)
    job = next(line["job"] for line in server.lines(server.tables() + INSERT) if "job" in line)
    wait_until(lambda: len(server.consume()) >= 500, WAIT_S, "the first rows")
    server.broker.kill()
    server.broker.start()
    server.produce(500, 500)
    wait_until(lambda: len(server.consume()) >= 1000, WAIT_S, "rows after kill -9")
    server.broker.restart()
    server.produce(1000, 500)
    wait_until(lambda: len(server.consume()) >= 1500, WAIT_S, "rows after a restart")
    check_equal(server.consume(), list(range(1500)), "each row once")
    facts = server.job(job)
    check_equal((facts["state"], facts["job-type"]), ("RUNNING", "STREAMING"), "the job")
    check("flink_jobmanager_job_numberOfCompletedCheckpoints{" in server.ask("GET", "/metrics"), "metrics of the job")
    check(json.loads(server.ask("GET", f"/jobs/{job}/checkpoints"))["counts"]["completed"] > 0, "checkpoints")
    check_equal(json.loads(server.ask("GET", f"/jobs/{job}/status")), {"status": "RUNNING"}, "status")
    plan = json.loads(server.ask("GET", f"/jobs/{job}/plan"))["plan"]
    check("table=[doubled]" in plan["nodes"][0]["description"], f"the plan: {plan}")
    names = ["busyTimeMsPerSecond", "idleTimeMsPerSecond", "backPressuredTimeMsPerSecond"]
    times = json.loads(server.ask("GET", f"/jobs/{job}/metrics?get={','.join(names)}"))
    check_equal(sum(int(time["value"]) for time in times), 1000, f"all of a second: {times}")
    check(facts["vertices"][0]["metrics"]["accumulated-idle-time"] > 0, f"idle: {facts}")
    check(facts["vertices"][0]["metrics"]["write-bytes"] > 0, f"bytes written: {facts}")
    why = server.ask("POST", f"/jobs/{job}/savepoints", "{}", {"Content-Type": "application/json"}, expected=409)
    check("leaves no savepoint" in why, why)
    server.ask("POST", f"/jobs/{job}/pause")
    check_equal(server.job(job)["state"], "SUSPENDED", "paused")
    server.ask("POST", f"/jobs/{job}/resume")
    wait_until(lambda: server.job(job)["state"] == "RUNNING", WAIT_S, "resumed")
    trigger = json.loads(server.ask("POST", f"/jobs/{job}/stop", '{"savepoint": "kept"}',
                                    {"Content-Type": "application/json"}, expected=202))["request-id"]
    done = json.loads(server.ask("GET", f"/jobs/{job}/savepoints/{trigger}"))
    check_equal(done["status"], {"id": "COMPLETED"}, "the stop")
    check_equal(server.job(job)["state"], "FINISHED", "stopped")
    named = ["POST", "/savepoint-disposal", '{"savepoint-path": "kept"}', {"Content-Type": "application/json"}]
    trigger = json.loads(server.ask(*named, expected=202))["request-id"]
    done = json.loads(server.ask("GET", f"/savepoint-disposal/{trigger}"))
    check_equal(done["status"], {"id": "COMPLETED"}, "the disposal")
    server.ask(*named, expected=404)
    server.ask("DELETE", f"/jobs/{job}")
    server.ask("GET", f"/jobs/{job}", expected=404)


@case("sql-server-command")
def command(current):
    """millrace sql: files, pipes, formats, exit codes, waiting for a bounded insert."""
    server = Server(current)
    server.kafka("topic", "create", "bids", "doubled")
    server.produce(0, 20)
    path = os.path.join(current.folder, "tables.sql")
    with open(path, "w", encoding="utf-8") as file:
        file.write(server.tables(bounded=True))
    check_equal(server.sql("-f", path), ("", ""), "CREATE TABLE says nothing")
    check_equal(server.sql("-e", "SHOW TABLES")[0], "table name\nbids\ndoubled\n", "SHOW TABLES")
    check_equal(server.sql("-e", "SHOW TABLES", "-o", "json")[0],
                '{"table name":"bids"}\n{"table name":"doubled"}\n', "as JSON")
    out = server.sql("-e", "SET 'table.dml-sync' = 'true'", "-e", INSERT)[0]  # one session
    check(re.fullmatch(r"Job ID: [0-9a-f]{32}\n", out), f"the job's id: {out!r}")
    check_equal(server.consume(), list(range(20)), "a bounded insert was waited for")
    out = server.sql("-e", "SELECT auction, note FROM bids WHERE auction < 2", "-o", "csv")[0]
    check_equal(sorted(out.split("\n")), sorted(["op,auction,note", "+I,0,n0", "+I,1,n1", ""]), "rows as CSV")
    out = server.sql("-e", "SELECT auction FROM bids LIMIT 3; SHOW TABLES;")[0]
    check_equal(len(out.split("\n")), 8, f"three rows, and on: {out}")
    says = server.sql("-e", "SET 'sql-client.execution.result-mode' = 'tables'", expected=USAGE)[1]
    check("'changelog'" in says, f"the modes there are: {says}")
    out = server.sql(stdin=b"SELECT price FROM bids WHERE auction = 7;")[0]
    check_equal(out.split(), ["op", "price", "+I", "7.25"], "a script from a pipe")
    says = server.sql("-e", "SELECT * FROM nothing", expected=USAGE)[1]
    check("line 1, column 15" in says, f"the place of an error: {says}")
    server.sql("-f", "no-such-file.sql", expected=NOT_FOUND)
    server.sql("--local", "-e", "SELECT 1", expected=USAGE)
    server.broker.stop()
    says = server.sql("-e", "SHOW TABLES", expected=UNREACHABLE)[1]
    check("millrace start" in says, f"the cure: {says}")


class Terminal:
    """The interactive client on a pseudo-terminal."""

    def __init__(self, server):
        self.text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm", XDG_STATE_HOME=server.current.folder)
            os.execv(server.current.binary, [server.current.binary, "sql", "--server", server.url])
        server.current.cleaners.append(self.discard)

    def discard(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0

    def type(self, text):
        os.write(self.fd, text.encode())

    def expect(self, pattern, what):
        """Waits until the pattern was shown, and forgets what came before."""
        deadline = time.monotonic() + WAIT_S
        while True:
            found = re.search(pattern, self.text, re.S)
            if found:
                self.text = self.text[found.end():]
                return found
            ready, _, _ = select.select([self.fd], [], [], max(deadline - time.monotonic(), 0))
            check(ready, f"{what}: not shown within {WAIT_S} s: {self.text[-2000:]!r}")
            try:
                self.text += os.read(self.fd, 65536).decode(errors="replace")
            except OSError:
                check(False, f"{what}: the client has ended: {self.text[-2000:]!r}")

    def wait_end(self):
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.pid = 0
        return code


@case("sql-server-terminal")
def terminal(current):
    """Several lines, completion, a live SELECT ended by Ctrl-C, an error, history, leaving."""
    server = Server(current)
    server.kafka("topic", "create", "bids", "doubled")
    server.lines(server.tables())
    screen = Terminal(server)
    screen.expect(r"sql> ", "the prompt")
    screen.type("SHOW\n")
    screen.expect(r"-> ", "the prompt of a second line")
    screen.type("TABLES;\n")
    screen.expect(r"bids\r?\n.*doubled\r?\n.*sql> ", "the tables")
    screen.type("sel\t* from bi\t;\n")
    screen.expect(r"-- 0 rows; 0 records, 0/s; Ctrl-C ends it", "how far a query over an empty topic is")
    screen.type("\x03")
    screen.expect(r"0 rows in [0-9.]+ s, stopped.*sql> ", "the end of the query")
    server.produce(0, 3)
    screen.type("SELECT auction, note FROM bids;\n")
    screen.expect(r"auction  note.* 2  n2.*-- 3 rows; ", "rows that are there")
    server.produce(3, 1)
    screen.expect(r" 3  n3.*-- 4 rows; ", "a row that comes")
    screen.type("\x03")
    screen.expect(r" 3  n3\r?\n4 rows in [0-9.]+ s, stopped.*sql> ", "the count")
    screen.type("SELECT COUNT(*) AS n, SUM(auction) AS total FROM bids;\n")
    screen.expect(r"-- 1 row; ", "a table of one row")
    server.produce(4, 1)
    screen.expect(r"\x1b\[[0-9]+A +n +total.* 5 +10\x1b\[K\r?\n-- 1 row; ", "the row, changed where it stands")
    screen.type("\x03")
    screen.expect(r" 5 +10\r?\n1 row in [0-9.]+ s, stopped.*sql> ", "as it stays")
    screen.type("SELECT auction FROM bids LIMIT 2;\n")
    screen.expect(r"2 rows in [0-9.]+ s\r?\n.*sql> ", "the end at the limit")
    screen.type("SET 'sql-client.execution.result-mode' = 'tableau';\n")
    screen.expect(r"OK\r?\n.*sql> ", "a mode of Flink's client")
    screen.type("SELECT auction FROM bids LIMIT 1;\n")
    screen.expect(r"\| op \| +auction \|.*\| \+I \| +0 \|.*Received a total of 1 row\r?\n.*sql> ", "the frame")
    screen.type("SELEC 1;\n")
    screen.expect(r"line 1, column 1.*sql> ", "an error")
    screen.type("half a statement\x03")
    screen.expect(r"sql> ", "Ctrl-C drops what was typed")
    screen.type("\\?\n")
    screen.expect(r"Ctrl-C ends it.*sql> ", "help")
    screen.type("\\q\n")
    check_equal(screen.wait_end(), 0, "exit code")
    with open(os.path.join(current.folder, "millrace-sql-history"), encoding="utf-8") as file:
        check("SELEC" in file.read(), "the history")
    again = Terminal(server)
    again.expect(r"sql> ", "the prompt")
    again.type("\x1b[A\x1b[A\n")  # up twice
    again.expect(r"1 row in [0-9.]+ s", "a statement from the history")
    again.expect(r"sql> ", "its end")
    again.type("\x04")
    check_equal(again.wait_end(), 0, "exit code after Ctrl-D")
