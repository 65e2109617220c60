"""Transactions of jobs as operators see them: shown like anybody's, and nobody but the job ends them."""
import json
import subprocess

from harness import case, check, check_equal, wait_until
from sql_server import INSERT, Server, WAIT_S

LONG_EPOCHS = "SET 'execution.checkpointing.interval' = '1 h';"


def transactions(server):
    """State by id."""
    shown = json.loads(server.kafka("txn", "list", "-o", "json"))
    rows = shown if isinstance(shown, list) else next(iter(shown.values()))
    return {row["transactional_id"]: row["state"] for row in rows}


def refused(server, *words):
    done = subprocess.run([server.current.binary, "txn", "abort", *words, "-b", server.broker.bootstrap],
                          capture_output=True, timeout=WAIT_S, check=False)
    check(done.returncode != 0, f"txn abort {words} went through: {done.stdout.decode()}")
    return done.stdout.decode() + done.stderr.decode()


@case("jobs-transactions")
def shown_and_kept(current):
    server = Server(current)
    server.kafka("topic", "create", "bids", "doubled", "-p", "1")
    server.produce(0, 100)
    job = next(line["job"] for line in server.lines(LONG_EPOCHS + server.tables() + INSERT) if "job" in line)
    prefix = f"millrace-job-{job}-"
    wait_until(lambda: "Ongoing" in transactions(server).values(), WAIT_S, "an open transaction of the job")
    states = transactions(server)
    check(all(name.startswith(prefix) for name in states), f"ids of jobs only: {states}")
    name = next(name for name, state in states.items() if state == "Ongoing")
    described = server.kafka("txn", "describe", name)
    check("doubled" in described and "Ongoing" in described, f"the description: {described}")
    check_equal(server.consume(), [], "nothing is committed")
    check("TRANSACTIONAL_ID_AUTHORIZATION_FAILED" in refused(server, name), "an abort by id")
    check("INVALID_PRODUCER_EPOCH" in refused(server, "-t", "doubled", "-p", "0"), "an abort by markers")
    server.ask("POST", f"/jobs/{job}/pause")
    wait_until(lambda: server.job(job)["state"] == "SUSPENDED", WAIT_S, "paused")
    check_equal(server.consume(), list(range(100)), "what was open is committed")
    check_equal(transactions(server), {}, "a job that does not run has none")
