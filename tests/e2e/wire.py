"""A Kafka client of our own, small and raw: any API in any version from the schemas in core/proto/schema, record
batches as bytes, and frames that lie. It does only what it is told: no retries, no metadata cache, no threads.

    with Wire("127.0.0.1", 9092) as wire:
        reply = wire.call("Metadata", 9, {"topics": None})
        code, offset = wire.produce("t", 0, [Record(b"key", b"value")])

Messages are dicts with Kafka's names in lower snake case. Missing fields take their schema's default.
"""
import gzip
import os
import socket
import struct
import sys
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "tools", "kgen"))
import kgen_parse  # noqa: E402

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
EARLIEST, LATEST, MAX_TIMESTAMP = -2, -1, -3
FLAGS = {"bool": "?", "int8": "b", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q",
         "float64": "d"}


class WireError(Exception):
    """The broker closed the connection, answered late, or sent bytes that do not decode."""


def read_schemas():
    folder = os.path.join(ROOT, "core", "proto", "schema")
    schemas = [kgen_parse.parse(os.path.join(folder, name)) for name in sorted(os.listdir(folder))
               if name.endswith(".kp")]
    return {schema.name: schema for schema in schemas}


SCHEMAS = read_schemas()


# --- checksum -----------------------------------------------------------------------------------------------------

def crc32c_table():
    table = []
    for i in range(256):
        for _ in range(8):
            i = (i >> 1) ^ (0x82F63B78 if i & 1 else 0)
        table.append(i)
    return table


CRC_TABLE = crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


# --- encoding -----------------------------------------------------------------------------------------------------

def uvarint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def varint(value):
    """Signed, zigzag, up to 64 bits."""
    return uvarint(((value << 1) ^ (value >> 63)) & 0xFFFFFFFFFFFFFFFF)


class Reader:
    """A cursor over bytes that refuses to run past the end."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if count < 0 or self.at + count > len(self.data):
            raise WireError(f"{count} bytes wanted at {self.at} of {len(self.data)}")
        part = self.data[self.at:self.at + count]
        self.at += count
        return part

    def flat(self, kind):
        return struct.unpack(">" + kind, self.take(struct.calcsize(">" + kind)))[0]

    def uvarint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise WireError("a varint that does not end")

    def varint(self):
        value = self.uvarint()
        return (value >> 1) ^ -(value & 1)

    def remaining(self):
        return len(self.data) - self.at


def is_null_allowed(field, version):
    return field.nullable is not None and field.nullable.has(version)


def default_of(field, version):
    if field.array:
        return None if field.default == "null" and is_null_allowed(field, version) else []
    if field.base == "struct":
        return None if field.default == "null" and is_null_allowed(field, version) else {}
    if field.default == "null":
        return None if is_null_allowed(field, version) else ""
    if field.default is None:
        return {"string": "", "bytes": b"", "records": b"", "uuid": bytes(16), "bool": False}.get(field.base, 0)
    if field.base == "bool":
        return field.default == "true"
    return int(field.default, 0) if field.base != "string" else field.default


def encode_length(length, base, flexible):
    """Of strings, bytes and arrays; -1 stands for null."""
    if flexible:
        return uvarint(length + 1)
    return struct.pack(">h" if base == "string" else ">i", length)


def encode_value(field, value, version, flexible, array):
    if array:
        if value is None:
            return encode_length(-1, "array", flexible)
        return encode_length(len(value), "array", flexible) + b"".join(
            encode_value(field, item, version, flexible, False) for item in value)
    if field.base == "struct":
        if field.nullable is not None and field.tag is None and not field.array:
            if value is None:
                return b"\xff"
            return b"\x01" + encode_struct(field.struct, value, version, flexible)
        return encode_struct(field.struct, value, version, flexible)
    if field.base in ("string", "bytes", "records"):
        if value is None:
            return encode_length(-1, field.base, flexible)
        data = value.encode() if isinstance(value, str) else bytes(value)
        return encode_length(len(data), field.base, flexible) + data
    if field.base == "uuid":
        return bytes(value)
    return struct.pack(">" + FLAGS[field.base], value)


def encode_struct(description, message, version, flexible):
    unknown = set(message) - {field.name for field in description.fields}
    if unknown:
        raise ValueError(f"no such field in {description.c_name}: {', '.join(sorted(unknown))}")
    out = bytearray()
    for field in description.plain():
        if field.versions.has(version):
            value = message.get(field.name, default_of(field, version))
            out += encode_value(field, value, version, flexible, field.array)
    if flexible:
        tagged = [(field.tag, encode_value(field, message[field.name], version, True, field.array))
                  for field in description.tagged() if field.versions.has(version) and field.name in message]
        out += uvarint(len(tagged))
        for tag, data in tagged:
            out += uvarint(tag) + uvarint(len(data)) + data
    return bytes(out)


def decode_length(reader, base, flexible):
    if flexible:
        return reader.uvarint() - 1
    return reader.flat("h" if base == "string" else "i")


def decode_value(reader, field, version, flexible, array):
    if array:
        count = decode_length(reader, "array", flexible)
        if count > reader.remaining():
            raise WireError(f"{field.name}: {count} elements in {reader.remaining()} bytes")
        return None if count < 0 else [decode_value(reader, field, version, flexible, False) for _ in range(count)]
    if field.base == "struct":
        if field.nullable is not None and field.tag is None and not field.array and reader.flat("b") < 0:
            return None
        return decode_struct(reader, field.struct, version, flexible)
    if field.base in ("string", "bytes", "records"):
        length = decode_length(reader, field.base, flexible)
        if length < 0:
            return None
        data = bytes(reader.take(length))
        return data.decode() if field.base == "string" else data
    if field.base == "uuid":
        return bytes(reader.take(16))
    return reader.flat(FLAGS[field.base])


def decode_struct(reader, description, version, flexible):
    message = {field.name: default_of(field, version) for field in description.fields if field.versions.has(version)}
    for field in description.plain():
        if field.versions.has(version):
            message[field.name] = decode_value(reader, field, version, flexible, field.array)
    if flexible:
        tagged = {field.tag: field for field in description.tagged() if field.versions.has(version)}
        for _ in range(reader.uvarint()):
            tag, data = reader.uvarint(), Reader(reader.take(reader.uvarint()))
            if tag in tagged:
                message[tagged[tag].name] = decode_value(data, tagged[tag], version, True, tagged[tag].array)
    return message


# --- record batches -----------------------------------------------------------------------------------------------

class Record:
    """One record. Offset and timestamp are absolute in what was read, and ignored or 0 = now in what is written."""

    def __init__(self, key=None, value=None, headers=(), timestamp=0, offset=-1):
        self.key, self.value, self.headers, self.timestamp, self.offset = key, value, list(headers), timestamp, offset

    def __repr__(self):
        return f"Record({self.offset}: {self.key!r} = {self.value!r})"


class Batch:
    """The header of a stored batch, and its records where the codec is none or gzip."""

    HEAD = ">qiibIhiqqqhii"

    def __init__(self, data):
        (self.base_offset, self.length, self.leader_epoch, self.magic, self.crc, self.attributes, self.last_delta,
         self.first_timestamp, self.max_timestamp, self.producer_id, self.producer_epoch, self.sequence,
         self.count) = struct.unpack_from(self.HEAD, data)
        self.data = data
        self.codec = CODECS[self.attributes & 7] if self.attributes & 7 < len(CODECS) else "unknown"
        self.last_offset = self.base_offset + self.last_delta
        self.is_log_append_time = bool(self.attributes & 8)

    def crc_is_right(self):
        return crc32c(self.data[21:]) == self.crc

    def records(self):
        body = self.data[61:]
        if self.codec == "gzip":
            body = gzip.decompress(body)
        elif self.codec != "none":
            raise WireError(f"records of a {self.codec} batch are for another client to read")
        reader, found = Reader(body), []
        for _ in range(self.count):
            inner = Reader(reader.take(reader.varint()))
            inner.take(1)
            timestamp, offset = self.first_timestamp + inner.varint(), self.base_offset + inner.varint()
            key, value = read_varbytes(inner), read_varbytes(inner)
            headers = [(bytes(inner.take(inner.varint())).decode(), read_varbytes(inner))
                       for _ in range(inner.varint())]
            found.append(Record(key, value, headers, timestamp, offset))
        return found


def read_varbytes(reader):
    length = reader.varint()
    return None if length < 0 else bytes(reader.take(length))


def write_varbytes(data):
    return varint(-1) if data is None else varint(len(data)) + data


def encode_record(record, delta, timestamp_delta):
    body = b"\x00" + varint(timestamp_delta) + varint(delta) + write_varbytes(record.key) + write_varbytes(record.value)
    body += varint(len(record.headers))
    for name, value in record.headers:
        body += varint(len(name)) + name.encode() + write_varbytes(value)
    return varint(len(body)) + body


def make_batch(records, codec="none", producer=(-1, -1, -1), attributes=0, base_offset=0, **lies):
    """A batch v2. `lies` replaces single header fields: length, magic, crc, last_delta, count, ..."""
    now = int(time.time() * 1000)
    times = [record.timestamp or now for record in records]
    body = b"".join(encode_record(record, i, times[i] - times[0]) for i, record in enumerate(records))
    if codec == "gzip":
        body = gzip.compress(body)
    elif codec != "none":
        raise ValueError(f"no {codec} here")
    tail = struct.pack(">hiqqqhii", lies.get("attributes", attributes | CODECS.index(codec)),
                       lies.get("last_delta", len(records) - 1), lies.get("first_timestamp", times[0]),
                       lies.get("max_timestamp", max(times)), *producer, lies.get("count", len(records))) + body
    tail = tail if "tail" not in lies else lies["tail"](tail)
    head = struct.pack(">qiibI", base_offset, lies.get("length", len(tail) + 9), -1, lies.get("magic", 2),
                       lies.get("crc", crc32c(tail)))
    return head + tail


def split_batches(data):
    """The batches in a Fetch answer; a cut one at the end is left out, as clients do."""
    batches, at = [], 0
    while len(data) - at >= 61:
        length = struct.unpack_from(">i", data, at + 8)[0] + 12
        if length < 61:
            raise WireError(f"a batch of {length} bytes at {at}")
        if at + length > len(data):
            break
        batches.append(Batch(data[at:at + length]))
        at += length
    return batches


# --- connection ---------------------------------------------------------------------------------------------------

class Wire:
    """One connection. Every wait ends after timeout_s with a WireError."""

    def __init__(self, host, port, timeout_s=10.0, client_id="wire"):
        self.socket = socket.create_connection((host, port), timeout=timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.client_id, self.correlation_id, self.timeout_s = client_id, 0, timeout_s

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send_raw(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise WireError(f"send: {error}") from None

    def receive_exactly(self, count):
        parts = bytearray()
        while len(parts) < count:
            try:
                part = self.socket.recv(min(count - len(parts), 1 << 20))
            except OSError as error:
                raise WireError(f"receive: {error}") from None
            if not part:
                raise WireError("the broker closed the connection")
            parts += part
        return bytes(parts)

    def is_closed_by_broker(self, within_s):
        """True when the broker ends the connection within the time; what it still sends is thrown away."""
        self.socket.settimeout(within_s)
        try:
            while self.socket.recv(65536):
                pass
            return True
        except socket.timeout:
            return False
        except OSError:
            return True
        finally:
            self.socket.settimeout(self.timeout_s)

    def request_bytes(self, api, version, message, correlation_id=None):
        """The frame of a request, length included."""
        schema = SCHEMAS[api]
        request = schema.messages[0]
        flexible = request.flexible is not None and request.flexible.has(version)
        if correlation_id is None:
            self.correlation_id += 1
            correlation_id = self.correlation_id
        client = self.client_id.encode()
        head = struct.pack(">hhih", schema.key, version, correlation_id, len(client)) + client
        head += b"\x00" if flexible else b""
        body = encode_struct(request.root, message, version, flexible)
        return struct.pack(">i", len(head) + len(body)) + head + body

    def send(self, api, version, message):
        self.send_raw(self.request_bytes(api, version, message))
        return self.correlation_id

    def receive(self, api, version, correlation_id=None):
        """The next answer; with a correlation id it must be the one to that request."""
        frame = Reader(self.receive_exactly(struct.unpack(">i", self.receive_exactly(4))[0]))
        found = frame.flat("i")
        if correlation_id is not None and found != correlation_id:
            raise WireError(f"answer to request {found}, expected {correlation_id}")
        response = SCHEMAS[api].messages[1]
        flexible = response.flexible is not None and response.flexible.has(version)
        if flexible and api != "ApiVersions":
            for _ in range(frame.uvarint()):
                frame.uvarint()
                frame.take(frame.uvarint())
        message = decode_struct(frame, response.root, version, flexible)
        if frame.remaining():
            raise WireError(f"{frame.remaining()} bytes behind the answer to {api} {version}")
        return message

    def call(self, api, version, message):
        return self.receive(api, version, self.send(api, version, message))

    # --- short cuts -----------------------------------------------------------------------------------------------

    def api_versions(self):
        """{name or key: (lowest, highest)}"""
        reply = self.call("ApiVersions", 3, {"client_software_name": "wire", "client_software_version": "1"})
        if reply["error_code"]:
            raise WireError(f"ApiVersions: error {reply['error_code']}")
        names = {schema.key: name for name, schema in SCHEMAS.items()}
        return {names.get(row["api_key"], row["api_key"]): (row["min_version"], row["max_version"])
                for row in reply["api_keys"]}

    def metadata(self, topic=None, create=False):
        topics = None if topic is None else [{"name": topic}]
        return self.call("Metadata", 12, {"topics": topics, "allow_auto_topic_creation": create})

    def leaders(self, topic):
        """{partition: (host, port)}; empty while the topic is unknown."""
        reply = self.metadata(topic)
        nodes = {row["node_id"]: (row["host"], row["port"]) for row in reply["brokers"]}
        if reply["topics"][0]["error_code"]:
            return {}
        return {row["partition_index"]: nodes.get(row["leader_id"]) for row in reply["topics"][0]["partitions"]}

    def produce_raw(self, topic, partition, records, acks=-1, version=9, timeout_ms=10000):
        """The answer's partition row; None with acks 0."""
        message = {"acks": acks, "timeout_ms": timeout_ms, "topic_data": [
            {"name": topic, "partition_data": [{"index": partition, "records": records}]}]}
        correlation_id = self.send("Produce", version, message)
        if acks == 0:
            return None
        return self.receive("Produce", version, correlation_id)["responses"][0]["partition_responses"][0]

    def produce(self, topic, partition, records, **options):
        """(error code, offset of the first record)"""
        row = self.produce_raw(topic, partition, make_batch(records, **options))
        return row["error_code"], row["base_offset"]

    def fetch_raw(self, topic, partition, offset, max_bytes=1 << 20, max_wait_ms=0, min_bytes=1, version=11):
        """The answer's partition row."""
        reply = self.call("Fetch", version, {
            "max_wait_ms": max_wait_ms, "min_bytes": min_bytes, "max_bytes": max_bytes, "session_id": 0,
            "session_epoch": -1, "topics": [{"topic": topic, "partitions": [
                {"partition": partition, "fetch_offset": offset, "partition_max_bytes": max_bytes}]}]})
        if reply["error_code"]:
            raise WireError(f"Fetch: error {reply['error_code']}")
        return reply["responses"][0]["partitions"][0]

    def fetch_batches(self, topic, partition, offset=0, max_bytes=8 << 20):
        """All batches from an offset to the high watermark."""
        batches = []
        while True:
            row = self.fetch_raw(topic, partition, offset, max_bytes)
            if row["error_code"]:
                raise WireError(f"Fetch of {topic}-{partition} at {offset}: error {row['error_code']}")
            found = split_batches(row["records"] or b"")
            batches += found
            if not found or found[-1].last_offset + 1 >= row["high_watermark"]:
                return batches
            offset = found[-1].last_offset + 1

    def list_offset(self, topic, partition, timestamp, version=5, isolation_level=0):
        """(error code, offset, timestamp)"""
        reply = self.call("ListOffsets", version, {"replica_id": -1, "isolation_level": isolation_level, "topics": [
            {"name": topic, "partitions": [{"partition_index": partition, "timestamp": timestamp}]}]})
        row = reply["topics"][0]["partitions"][0]
        return row["error_code"], row["offset"], row["timestamp"]

    def create_topic(self, topic, partitions=1, configs=(), version=7, **more):
        """The answer's topic row."""
        return self.call("CreateTopics", version, {"timeout_ms": 10000, **more, "topics": [
            {"name": topic, "num_partitions": partitions, "replication_factor": -1,
             "configs": [{"name": name, "value": value} for name, value in dict(configs).items()]}]})["topics"][0]
