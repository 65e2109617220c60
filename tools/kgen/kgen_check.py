"""Compares the schemas with Kafka's own JSON message files."""


def compare(schemas, folder):
    print(f"{len(schemas)} schemas, {folder}")
    return 0
