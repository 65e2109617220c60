/* Formats and sets of columns.
 *
 * A format outlives the table that it came from: types and options are copied. Its fields form a tree (ROWs and ARRAYs
 * have some below them), numbered from the front; which of them a plan reads is a set of numbers, so that the union of
 * what several plans read is an OR. A shape is such a set as a decoder wants it. */
#include "compute/job/job_source.h"

#define ARENA_BLOCK ((size_t)4 * KIB)

static void *need(void *memory)
{
    CHECK(memory != NULL);
    return memory;
}

/* --- nodes ----------------------------------------------------------------------------------------------------------
 */

static uint32_t count_nodes(const struct vec_field *fields, uint32_t count)
{
    uint32_t nodes = count;

    for (uint32_t i = 0; i < count; i++) {
        nodes += count_nodes(fields[i].type.children, fields[i].type.child_count);
    }
    return nodes;
}

static bool is_wanted(const struct job_nodes *nodes, uint32_t node)
{
    return vec_bit_get(nodes->bits, node);
}

static void mark(struct job_nodes *nodes, uint32_t *node, struct vec_type type, const struct vec_type *wanted)
{
    if (wanted == NULL) {
        *node += 1 + count_nodes(type.children, type.child_count);
        return;
    }
    vec_bit_set(nodes->bits, (*node)++);
    for (uint32_t i = 0; i < type.child_count; i++) {
        const struct vec_type *child = NULL;

        for (uint32_t j = 0; j < wanted->child_count; j++) {
            if (type.kind == VEC_ARRAY || view_equal(wanted->children[j].name, type.children[i].name)) {
                child = &wanted->children[j].type;
            }
        }
        mark(nodes, node, type.children[i].type, child);
    }
}

static void mark_schema(struct job_nodes *nodes, uint32_t *node, const struct format_schema *schema)
{
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct vec_type *wanted = NULL;

        for (uint32_t j = 0; j < schema->column_count; j++) {
            wanted = schema->positions[j] == i ? &schema->columns[j].type : wanted;
        }
        mark(nodes, node, schema->fields[i].type, wanted);
    }
}

/* The type with those of its children that are wanted. The node itself is. */
static struct vec_type type_of(struct arena *arena, const struct job_nodes *nodes, uint32_t *node, struct vec_type type)
{
    struct vec_type   wanted = type;
    struct vec_field *children = need(arena_alloc_array(arena, type.child_count + 1, sizeof(*children)));

    wanted.child_count = 0;
    wanted.children = children;
    (*node)++;
    for (uint32_t i = 0; i < type.child_count; i++) {
        const struct vec_field *child = &type.children[i];

        if (is_wanted(nodes, *node)) {
            children[wanted.child_count++] = (struct vec_field){child->name, type_of(arena, nodes, node, child->type)};
        } else {
            *node += 1 + count_nodes(child->type.children, child->type.child_count);
        }
    }
    return wanted;
}

static struct format_schema schema_of(struct arena *arena, const struct job_nodes *nodes, uint32_t *node,
                                      const struct format_options *options, const struct vec_field *fields,
                                      uint32_t count)
{
    struct vec_field    *columns = need(arena_alloc_array(arena, count + 1, sizeof(*columns)));
    uint32_t            *positions = need(arena_alloc_array(arena, count + 1, sizeof(*positions)));
    struct format_schema schema = {
        .options = options, .columns = columns, .field_count = count, .fields = fields, .positions = positions};

    for (uint32_t i = 0; i < count; i++) {
        if (is_wanted(nodes, *node)) {
            positions[schema.column_count] = i;
            columns[schema.column_count++] =
                (struct vec_field){fields[i].name, type_of(arena, nodes, node, fields[i].type)};
        } else {
            *node += 1 + count_nodes(fields[i].type.children, fields[i].type.child_count);
        }
    }
    return schema;
}

/* --- formats --------------------------------------------------------------------------------------------------------
 */

static bool options_equal(const struct format_options *a, const struct format_options *b)
{
    return a->kind == b->kind && a->ignore_parse_errors == b->ignore_parse_errors &&
           a->fail_on_missing_field == b->fail_on_missing_field && a->iso_8601 == b->iso_8601 &&
           a->decimal_as_plain == b->decimal_as_plain && a->ignore_null_fields == b->ignore_null_fields &&
           a->field_delimiter == b->field_delimiter && a->quote == b->quote && a->escape == b->escape &&
           a->allow_comments == b->allow_comments && a->has_null_literal == b->has_null_literal &&
           (!a->has_null_literal || view_equal(a->null_literal, b->null_literal)) &&
           a->array_delimiter == b->array_delimiter && a->scientific == b->scientific && a->big_endian == b->big_endian;
}

static bool fields_equal(const struct vec_field *a, uint32_t a_count, const struct vec_field *b, uint32_t b_count)
{
    if (a_count != b_count) {
        return false;
    }
    for (uint32_t i = 0; i < a_count; i++) {
        if (!view_equal(a[i].name, b[i].name) || !vec_type_equal(a[i].type, b[i].type)) {
            return false;
        }
    }
    return true;
}

static bool format_is(const struct job_format *format, const struct format_schema *values,
                      const struct format_schema *keys)
{
    return !format->alone && options_equal(&format->value_options, values->options) &&
           fields_equal(format->value_fields, format->value_count, values->fields, values->field_count) &&
           format->has_key == (keys != NULL) &&
           (keys == NULL || (options_equal(&format->key_options, keys->options) &&
                             fields_equal(format->key_fields, format->key_count, keys->fields, keys->field_count)));
}

static const struct vec_field *copy_fields(struct arena *arena, const struct vec_field *fields, uint32_t count)
{
    struct vec_field *copy = need(arena_alloc_array(arena, count + 1, sizeof(*copy)));

    for (uint32_t i = 0; i < count; i++) {
        copy[i] = fields[i];
        copy[i].name = arena_copy(arena, fields[i].name);
        CHECK(copy[i].name.base != NULL);
        copy[i].type.children = copy_fields(arena, fields[i].type.children, fields[i].type.child_count);
    }
    return copy;
}

static struct format_options copy_options(struct arena *arena, const struct format_options *options)
{
    struct format_options copy = *options;

    if (copy.has_null_literal) {
        copy.null_literal = arena_copy(arena, options->null_literal);
        CHECK(copy.null_literal.base != NULL);
    }
    return copy;
}

static struct job_format *format_make(struct job_feeds *feeds, const struct format_schema *values,
                                      const struct format_schema *keys)
{
    struct job_format *format = mem_alloc(MEM_JOB, sizeof(*format));

    format->feeds = feeds;
    format->has_key = keys != NULL;
    arena_init(&format->arena, MEM_JOB, ARENA_BLOCK, SIZE_MAX);
    list_init(&format->shapes);
    list_init(&format->partitions);
    format->value_options = copy_options(&format->arena, values->options);
    format->value_count = values->field_count;
    format->value_fields = copy_fields(&format->arena, values->fields, values->field_count);
    if (keys != NULL) {
        format->key_options = copy_options(&format->arena, keys->options);
        format->key_count = keys->field_count;
        format->key_fields = copy_fields(&format->arena, keys->fields, keys->field_count);
    }
    list_push_back(&feeds->formats, &format->link);
    return format;
}

static void format_release(struct job_format *format)
{
    struct job_feeds *feeds = format->feeds;

    if (--format->refs > 0) {
        return;
    }
    CHECK(list_empty(&format->partitions) && list_empty(&format->shapes));
    list_remove(&format->link);
    arena_deinit(&format->arena);
    mem_free(MEM_JOB, format);
    if (list_empty(&feeds->formats)) {
        job__feeds_destroy(feeds);
    }
}

/* --- shapes ---------------------------------------------------------------------------------------------------------
 */

static size_t columns_bytes(const struct vec_field *columns, uint32_t count)
{
    size_t bytes = 0;

    for (uint32_t i = 0; i < count; i++) {
        bytes += vec_layout_bytes(vec_type_layout(columns[i].type)) + 1 +
                 columns_bytes(columns[i].type.children, columns[i].type.child_count);
    }
    return bytes;
}

static struct job_shape *shape_make(struct job_format *format, const struct job_nodes *nodes)
{
    struct job_shape *shape = mem_alloc(MEM_JOB, sizeof(*shape));

    shape->format = format;
    shape->nodes = *nodes;
    list_init(&shape->idle);
    arena_init(&shape->arena, MEM_JOB, ARENA_BLOCK, SIZE_MAX);
    list_push_back(&format->shapes, &shape->link);
    format->refs++;
    return shape;
}

static void shape_schemas(struct job_shape *shape)
{
    struct job_format *format = shape->format;
    uint32_t           node = 0;

    shape->values = schema_of(&shape->arena, &shape->nodes, &node, &format->value_options, format->value_fields,
                              format->value_count);
    shape->keys =
        schema_of(&shape->arena, &shape->nodes, &node, &format->key_options, format->key_fields, format->key_count);
    shape->row_bytes = columns_bytes(shape->values.columns, shape->values.column_count) +
                       columns_bytes(shape->keys.columns, shape->keys.column_count);
}

struct job_shape *job__shape_of(struct job_format *format, const struct job_nodes *nodes)
{
    struct job_shape *shape;

    LIST_EACH(&format->shapes, node) {
        shape = LIST_ENTRY(node, struct job_shape, link);
        if (memcmp(&shape->nodes, nodes, sizeof(*nodes)) == 0) {
            shape->refs++;
            return shape;
        }
    }
    shape = shape_make(format, nodes);
    shape->refs = 1;
    shape_schemas(shape);
    return shape;
}

/* A table of very many fields: its plan's own columns, for nobody else. */
static struct job_shape *shape_alone(struct job_format *format, const struct format_schema *values,
                                     const struct format_schema *keys)
{
    struct job_nodes  nodes = {0};
    struct job_shape *shape = shape_make(format, &nodes);
    uint32_t         *positions;

    format->alone = true;
    shape->refs = 1;
    for (int of_key = 0; of_key <= (keys != NULL); of_key++) {
        const struct format_schema *from = of_key ? keys : values;
        struct format_schema       *to = of_key ? &shape->keys : &shape->values;

        positions = need(arena_alloc_array(&shape->arena, from->column_count + 1, sizeof(*positions)));
        if (from->column_count > 0) {
            memcpy(positions, from->positions, from->column_count * sizeof(*positions));
        }
        *to = (struct format_schema){.options = of_key ? &format->key_options : &format->value_options,
                                     .column_count = from->column_count,
                                     .columns = copy_fields(&shape->arena, from->columns, from->column_count),
                                     .field_count = from->field_count,
                                     .fields = of_key ? format->key_fields : format->value_fields,
                                     .positions = positions};
        shape->row_bytes += columns_bytes(to->columns, to->column_count);
    }
    return shape;
}

static struct job_shape *shape_find(struct job_feeds *feeds, const struct format_schema *values,
                                    const struct format_schema *keys)
{
    struct job_format *format = NULL;
    struct job_nodes   nodes = {0};
    uint32_t           node = 0, key_nodes = keys == NULL ? 0 : count_nodes(keys->fields, keys->field_count);

    if (count_nodes(values->fields, values->field_count) + key_nodes > JOB_FEED_NODES_MAX) {
        return shape_alone(format_make(feeds, values, keys), values, keys);
    }
    LIST_EACH(&feeds->formats, at) {
        struct job_format *other = LIST_ENTRY(at, struct job_format, link);

        format = format == NULL && format_is(other, values, keys) ? other : format;
    }
    if (format == NULL) {
        format = format_make(feeds, values, keys);
    }
    mark_schema(&nodes, &node, values);
    if (keys != NULL) {
        mark_schema(&nodes, &node, keys);
    }
    return job__shape_of(format, &nodes);
}

struct job_shape *job__shape_open(struct job_shard *jobs, const struct sql_source_plan *plan)
{
    struct format_schema values, keys;
    struct job_shape    *shape = NULL;
    bool                 has_key = plan->table->has_key_format;
    struct arena         arena;

    arena_init(&arena, MEM_JOB, ARENA_BLOCK, SIZE_MAX);
    if (sql_source_schema(plan, false, &arena, &values) && (!has_key || sql_source_schema(plan, true, &arena, &keys))) {
        shape = shape_find(job__feeds_of(jobs), &values, has_key ? &keys : NULL);
    }
    arena_deinit(&arena);
    return shape;
}

void job__shape_release(struct job_shape *shape)
{
    struct job_format *format;
    struct list_node  *node;

    if (shape == NULL || --shape->refs > 0) {
        return;
    }
    format = shape->format;
    while ((node = list_pop_front(&shape->idle)) != NULL) {
        job__chunk_destroy(LIST_ENTRY(node, struct job_chunk, link));
    }
    list_remove(&shape->link);
    arena_deinit(&shape->arena);
    mem_free(MEM_JOB, shape);
    format_release(format);
}

bool job__shape_covers(const struct job_shape *shape, const struct job_shape *wanted)
{
    for (size_t i = 0; i < COUNT_OF(shape->nodes.bits); i++) {
        if ((wanted->nodes.bits[i] & ~shape->nodes.bits[i]) != 0) {
            return false;
        }
    }
    return shape->format == wanted->format;
}
