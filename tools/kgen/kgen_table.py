"""Emits the tables: kp_table.c (what is spoken), api_table.c (who answers) and protocol.md (for people)."""

from kgen_emit import NOTE

WRAPPERS = """static void {name}_init(void *out)
{{
    kp_{name}_init(out);
}}

static int {name}_decode(struct kp_reader *reader, int16_t version, void *out)
{{
    return kp_{name}_decode(reader, version, out);
}}

static void {name}_encode(struct kp_writer *writer, int16_t version, const void *in)
{{
    kp_{name}_encode(writer, version, in);
}}
"""


def codec(name):
    return (f"{{.bytes = sizeof(struct kp_{name}), .init = {name}_init, .decode = {name}_decode, "
            f".encode = {name}_encode}}")


def flexible_from(schema):
    return "KP_NEVER_FLEXIBLE" if schema.flexible == "never" else str(schema.flexible.lo)


def emit_table(apis, records, entries):
    lines = [NOTE + '#include "core/proto/kp_table.h"', "", '#include "core/proto/kp_entries.h"',
             '#include "core/proto/kp_records.h"', ""]
    for schema in apis + records + entries:
        lines += [WRAPPERS.format(name=message.c_name) for message in schema.messages]
    lines += ["const struct kp_api kp_api_table[KP_API_KEY_COUNT] = {"]
    for schema in apis:
        lines += [
            f"    [KP_{schema.snake().upper()}_KEY] = {{",
            f"        .key = {schema.key}, .name = \"{schema.name}\",",
            f"        .version_min = {schema.versions.lo}, .version_max = {schema.versions.hi},",
            f"        .advertised_min = {schema.advertise.lo}, .advertised_max = {schema.advertise.hi},",
            f"        .flexible_from = {flexible_from(schema)}, .scope = KP_SCOPE_{schema.scope.upper()},",
            f"        .answered = {'false' if schema.handler == 'none' else 'true'},",
            f"        .request = {codec(schema.messages[0].c_name)},",
            f"        .response = {codec(schema.messages[1].c_name)},",
            "    },"]
    lines += ["};", "", "const struct kp_record kp_record_table[KP_RECORD_KEY_COUNT] = {"]
    for schema in records:
        lines += [
            f"    [KP_{schema.snake().upper()}_KEY] = {{",
            f"        .key = {schema.key}, .name = \"{schema.name}\",",
            f"        .version_min = {schema.versions.lo}, .version_max = {schema.versions.hi},",
            f"        .body = {codec(schema.messages[0].c_name)},",
            "    },"]
    lines += ["};", "", "const int32_t kp_record_table_count = KP_RECORD_KEY_COUNT;", "",
              "const struct kp_entry kp_entry_table[] = {"]
    for schema in entries:
        lines += [
            "    {",
            f"        .log = KP_ENTRY_LOG_{schema.log.upper()}, .type = {schema.key}, .name = \"{schema.name}\",",
            f"        .version_min = {schema.versions.lo}, .version_max = {schema.versions.hi},",
            f"        .key = {codec(schema.messages[0].c_name)},",
            f"        .value = {codec(schema.messages[1].c_name)},",
            "    },"]
    # The closing row keeps the array from being empty.
    return "\n".join(lines + ["    {.name = NULL},", "};", "",
                              f"const int32_t kp_entry_table_count = {len(entries)};", ""])


def emit_api_table(apis):
    """Compiled by net/api: an API of the schema without a handler does not link."""
    size = max(schema.key for schema in apis) + 1
    apis = [schema for schema in apis if schema.handler is None]
    lines = [NOTE + '#include "net/api/api.h"', ""]
    lines += [f"void api_{schema.snake()}(struct api_call *call);" for schema in apis]
    lines += ["", f"static api_call_fn *const api_table[{size}] = {{"]
    lines += [f"    [{schema.key}] = api_{schema.snake()}," for schema in apis]
    lines += ["};", "", "api_call_fn *api_handler(int16_t api_key)", "{",
              f"    return api_key >= 0 && api_key < {size} ? api_table[api_key] : NULL;", "}", ""]
    return "\n".join(lines)


def emit_protocol(apis, records, entries):
    scopes = {"any": "any broker", "controller": "the controller", "owner": "the leader or coordinator",
              "own": "every broker, for its own part"}
    lines = ["# Protocol", "", "Made from the schemas in core/proto/schema.", "",
             "| key | API | versions | advertised | flexible from | answered by |", "|---|---|---|---|---|---|"]
    for schema in apis:
        flexible = "never" if schema.flexible == "never" else schema.flexible.lo
        who = scopes[schema.scope] if schema.handler is None else "nobody yet: the client's codecs only"
        advertise = schema.advertise if schema.handler is None else ""
        lines.append(f"| {schema.key} | {schema.name} | {schema.versions} | {advertise} | {flexible} | {who} |")
    lines += ["", "## Records of the metadata log", "", "| type | record | versions |", "|---|---|---|"]
    lines += [f"| {schema.key} | {schema.name} | {schema.versions} |" for schema in records]
    lines += ["", "## Entries of the internal topics", "", "The key starts with the type, the value with its version.",
              "", "| topic | type | entry | versions of the value |", "|---|---|---|---|"]
    topics = {"offsets": "`__consumer_offsets`", "transactions": "`__transaction_state`",
              "jobs": "`__millrace_jobs`"}
    lines += [f"| {topics[schema.log]} | {schema.key} | {schema.name} | {schema.versions} |" for schema in entries]
    return "\n".join(lines + [""])
