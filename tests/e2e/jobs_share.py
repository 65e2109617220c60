"""A job's share of a core: `millrace.job.cpu.percent` holds for each of two jobs, and both get on."""
import re
import time

from harness import case, check, wait_until
from sql_server import Server, WAIT_S

PERCENT, SECONDS, ROWS = 1, 2, 200000  # a job takes 0.1 s of a core and more for the rows
USED = re.compile(r'^millrace_job_cpu_seconds_total\{[^}]*job_id="([0-9a-f]{32})"[^}]*\} ([0-9.e+-]+)$', re.M)
NOTHING = "CREATE TABLE nothing (auction BIGINT) WITH ('connector' = 'blackhole');"
INSERT = "INSERT INTO nothing SELECT auction FROM bids WHERE note LIKE '%7';"


def used(server):
    """CPU seconds by job."""
    return {job: float(value) for job, value in USED.findall(server.ask("GET", "/metrics"))}


def pending(server, jobs):
    return [server.job(job)["pending-records"] for job in jobs]


@case("jobs-share", alone=True)
def share(current):
    server = Server(current, **{"millrace.job.cpu.percent": PERCENT})
    server.kafka("topic", "create", "bids", "-p", "1")
    server.produce(0, ROWS)
    jobs = [next(line["job"] for line in server.lines(text) if "job" in line)
            for text in (server.tables() + NOTHING + INSERT, INSERT)]
    wait_until(lambda: all(used(server).get(job, 0) > 0 for job in jobs) and all(pending(server, jobs)), WAIT_S,
               "both jobs work")
    before, left, begin = used(server), pending(server, jobs), time.monotonic()
    time.sleep(SECONDS)
    after, now_left, passed = used(server), pending(server, jobs), time.monotonic() - begin
    for job, first, last in zip(jobs, left, now_left):
        took, may = after[job] - before[job], passed * PERCENT / 100
        # Some of what is counted may be other programs': turns are measured by the clock.
        check(took < 2 * may + 0.1, f"a job of {PERCENT} % had {took:.3f} of {passed:.1f} s")
        check(0 < last < first, f"a job had {first} records before it, then {last}: it runs, and not at full speed")
