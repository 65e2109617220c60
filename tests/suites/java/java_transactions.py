"""Transactions with Apache Kafka's own tools: a chain of three copiers with random aborts must carry every line through
exactly once; TransactionsCommand must show, find and end what is open."""
import re

PACKAGE = "org.apache.kafka.tools."
COPIER = PACKAGE + "TransactionalMessageCopier"
TRANSACTIONS = PACKAGE + "TransactionsCommand"
TOPIC = PACKAGE + "TopicCommand"
CONSUMER = PACKAGE + "consumer.ConsoleConsumer"
PRODUCER = PACKAGE + "ConsoleProducer"
PERFORMANCE = PACKAGE + "ProducerPerformance"
LINES = 3000
CHAIN = ("tools-txn-in", "tools-txn-a", "tools-txn-b", "tools-txn-out")
READ_S = "8000"


def has(pattern):
    return lambda text: None if re.search(pattern, text, re.M) else f"nothing printed is like {pattern}"


def each_once(text):
    found = re.findall(r"^line \d+$", text, re.M)
    if len(found) != len(set(found)):
        return f"{len(found) - len(set(found))} lines came twice"
    return None if len(found) == LINES else f"{len(found)} lines, not {LINES}"


def copiers(s):
    broker_list = ("--broker-list", s.bootstrap[1])
    for name in CHAIN:
        s.step(f"Transactions: TopicCommand --create {name}", has("Created topic"), TOPIC, "--create", "--topic", name,
               "--partitions", "1")
    s.step("Transactions: ConsoleProducer", lambda text: None, PRODUCER, "--topic", CHAIN[0],
           stdin="".join(f"line {i}\n" for i in range(LINES)))
    for number, (source, target) in enumerate(zip(CHAIN, CHAIN[1:])):
        s.step(f"Transactions: TransactionalMessageCopier {number + 1} of 3", has("ShutdownComplete"), COPIER,
               *broker_list, "--transactional-id", f"tools-copier-{number}", "--input-topic", source,
               "--input-partition", "0", "--max-messages", str(LINES), "--output-topic", target, "--consumer-group",
               f"tools-copiers-{number}", "--use-group-metadata", "--enable-random-aborts", "--transaction-size", "150",
               bootstrap=False)
    # In a group it counts markers as lines still to come, so only the first of a chain could ever end that way.
    s.step("Transactions: TransactionalMessageCopier in a group", has("ShutdownComplete"), COPIER, *broker_list,
           "--transactional-id", "tools-copier-group", "--input-topic", CHAIN[0], "--input-partition", "0",
           "--output-topic", "tools-txn-group", "--consumer-group", "tools-copiers-group", "--group-mode",
           "--use-group-metadata", "--enable-random-aborts", "--transaction-size", "250", bootstrap=False)
    s.step("Transactions: ConsoleConsumer read_committed, of a group", each_once, CONSUMER, "--topic",
           "tools-txn-group", "--from-beginning", "--isolation-level", "read_committed", "--timeout-ms", READ_S)
    s.step("Transactions: ConsoleConsumer read_committed", each_once, CONSUMER, "--topic", CHAIN[-1],
           "--from-beginning", "--isolation-level", "read_committed", "--timeout-ms", READ_S)
    s.step("Transactions: ProducerPerformance", has("^4000 records sent"), PERFORMANCE, "--topic", CHAIN[0],
           "--num-records", "4000", "--record-size", "100", "--throughput", "-1", "--transactional-id",
           "tools-performance", "--transaction-duration-ms", "100")


def commands(s):
    s.step("TransactionsCommand list", has(r"tools-copier-0.*Complete(Commit|Abort)"), TRANSACTIONS, "list")
    s.step("TransactionsCommand list, by pattern", lambda text: None if "tools-copier-2" in text and
           "tools-copier-0" not in text else "not the one asked for", TRANSACTIONS, "list",
           "--transactional-id-pattern", "tools-copier-[2]")
    s.step("TransactionsCommand describe", has(r"tools-copier-1\s.*Complete(Commit|Abort)"), TRANSACTIONS, "describe",
           "--transactional-id", "tools-copier-1")
    s.step("TransactionsCommand describe, who is not there", has("ID could not be found"), TRANSACTIONS, "describe",
           "--transactional-id", "tools-nobody", code=1)
    s.step("TransactionsCommand describe-producers", has(r"^ProducerId.*\n\d+"), TRANSACTIONS, "describe-producers",
           "--topic", CHAIN[-1], "--partition", "0")
    s.step("TransactionsCommand find-hanging", lambda text: None if len(text.strip().split("\n")) == 1 else text,
           TRANSACTIONS, "find-hanging", "--broker-id", s.node)
    s.step("TransactionsCommand forceTerminateTransaction", lambda text: None, TRANSACTIONS,
           "forceTerminateTransaction", "--transactionalId", "tools-copier-1")
    s.step("TransactionsCommand list, after it", has(r"tools-copier-1.*Empty"), TRANSACTIONS, "list")


def transactions(s):
    copiers(s)
    commands(s)
