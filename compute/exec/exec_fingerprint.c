/* What a node's saved state depends on, as a number: two nodes with the same one can take each other's state. Names of
 * columns do not matter, nor does what lies below the inputs' types. */
#include "compute/exec/exec_state.h"

#include "core/base/hash.h"

/* The sum of a fixed key: nothing here is secret, and it stands on disk. */
#define KEY_LOW  UINT64_C(0x6d696c6c72616365)
#define KEY_HIGH UINT64_C(0x7374617465303031)

static void put_u32s(struct exec_bytes *bytes, const uint32_t *values, uint32_t count)
{
    exec_bytes_put_u32(bytes, count);
    exec_bytes_put(bytes, values, count * sizeof(*values));
}

static void put_type(struct exec_bytes *bytes, struct vec_type type)
{
    exec_bytes_put_u32(bytes, (uint32_t)type.kind);
    exec_bytes_put_u8(bytes, type.precision);
    exec_bytes_put_u8(bytes, type.scale);
    exec_bytes_put_u32(bytes, (uint32_t)type.length);
    exec_bytes_put_u32(bytes, type.child_count);
    for (uint32_t i = 0; i < type.child_count; i++) {
        put_type(bytes, type.children[i].type);
    }
}

static void put_columns(struct exec_bytes *bytes, const struct exec_node *node)
{
    exec_bytes_put_u32(bytes, node->column_count);
    for (uint32_t i = 0; i < node->column_count; i++) {
        put_type(bytes, node->columns[i].type);
    }
}

/* As EXPLAIN shows it, columns by number. */
static void put_expr(struct exec_bytes *bytes, const struct expr *expr)
{
    size_t len = expr == NULL ? 0 : expr_format(expr, NULL, 0, NULL, 0);
    char  *text = mem_alloc(MEM_COMPUTE, len + 1);

    if (expr != NULL) {
        (void)expr_format(expr, NULL, 0, text, len + 1);
    }
    exec_bytes_put_u64(bytes, len);
    exec_bytes_put(bytes, text, len);
    mem_free(MEM_COMPUTE, text);
}

static void put_aggregates(struct exec_bytes *bytes, const struct exec_aggregate *aggregates, uint32_t count)
{
    exec_bytes_put_u32(bytes, count);
    for (uint32_t i = 0; i < count; i++) {
        exec_bytes_put_u32(bytes, (uint32_t)aggregates[i].kind);
        exec_bytes_put_u8(bytes, aggregates[i].distinct);
        exec_bytes_put_u32(bytes, aggregates[i].argument);
        exec_bytes_put_u32(bytes, aggregates[i].filter);
        put_type(bytes, aggregates[i].type);
    }
}

static void put_window(struct exec_bytes *bytes, const struct exec_window *window)
{
    exec_bytes_put_u32(bytes, (uint32_t)window->kind);
    exec_bytes_put_u8(bytes, window->is_processing_time);
    exec_bytes_put_u32(bytes, window->is_processing_time ? 0 : window->time_column);
    exec_bytes_put_i64(bytes, window->size_ms);
    exec_bytes_put_i64(bytes, window->slide_ms);
    exec_bytes_put_i64(bytes, window->offset_ms);
    exec_bytes_put_u32(bytes, window->kind == EXEC_WINDOWED ? window->start_column : 0);
    exec_bytes_put_u32(bytes, window->kind == EXEC_WINDOWED ? window->end_column : 0);
}

static void put_join(struct exec_bytes *bytes, const struct exec_node *node)
{
    const struct exec_join *join = &node->join;

    put_u32s(bytes, join->left_keys, join->key_count);
    put_u32s(bytes, join->right_keys, join->key_count);
    put_expr(bytes, join->condition);
    exec_bytes_put_i64(bytes, join->state_ttl_ms);
    if (node->kind == EXEC_INTERVAL_JOIN) {
        exec_bytes_put_u32(bytes, join->left_time);
        exec_bytes_put_u32(bytes, join->right_time);
        exec_bytes_put_i64(bytes, join->lower_ms);
        exec_bytes_put_i64(bytes, join->upper_ms);
    } else if (node->kind == EXEC_WINDOW_JOIN) {
        exec_bytes_put_u32(bytes, join->left_start);
        exec_bytes_put_u32(bytes, join->left_end);
        exec_bytes_put_u32(bytes, join->right_start);
        exec_bytes_put_u32(bytes, join->right_end);
    }
}

static void put_rank(struct exec_bytes *bytes, const struct exec_rank *rank)
{
    put_u32s(bytes, rank->keys, rank->key_count);
    exec_bytes_put_u32(bytes, rank->order_count);
    for (uint32_t i = 0; i < rank->order_count; i++) {
        exec_bytes_put_u32(bytes, rank->orders[i].column);
        exec_bytes_put_u8(bytes, rank->orders[i].descending);
        exec_bytes_put_u8(bytes, rank->orders[i].nulls_last);
    }
    exec_bytes_put_u64(bytes, rank->first);
    exec_bytes_put_u64(bytes, rank->last);
    exec_bytes_put_u8(bytes, rank->with_number);
    exec_bytes_put_u8(bytes, rank->is_deduplication);
    exec_bytes_put_u8(bytes, rank->is_processing_time);
    exec_bytes_put_i64(bytes, rank->state_ttl_ms);
}

static void put_node(struct exec_bytes *bytes, const struct exec_node *node)
{
    switch (node->kind) {
    case EXEC_VALUES:
        for (uint32_t i = 0; i < node->values.row_count * node->column_count; i++) {
            put_expr(bytes, node->values.exprs[i]);
        }
        break;
    case EXEC_WATERMARK:
        exec_bytes_put_u32(bytes, node->watermark.time_column);
        put_expr(bytes, node->watermark.expr);
        exec_bytes_put_i64(bytes, node->watermark.idle_timeout_ms);
        break;
    case EXEC_GROUP:
        put_u32s(bytes, node->group.keys, node->group.key_count);
        put_aggregates(bytes, node->group.aggregates, node->group.aggregate_count);
        exec_bytes_put_i64(bytes, node->group.state_ttl_ms);
        break;
    case EXEC_WINDOW_ASSIGN:
        put_window(bytes, &node->window);
        break;
    case EXEC_WINDOW_GROUP:
        put_window(bytes, &node->window_group.window);
        put_u32s(bytes, node->window_group.keys, node->window_group.key_count);
        put_aggregates(bytes, node->window_group.aggregates, node->window_group.aggregate_count);
        break;
    case EXEC_JOIN:
    case EXEC_INTERVAL_JOIN:
    case EXEC_WINDOW_JOIN:
        put_join(bytes, node);
        break;
    case EXEC_RANK:
        put_rank(bytes, &node->rank);
        break;
    case EXEC_LIMIT:
        exec_bytes_put_u64(bytes, node->limit.row_count);
        break;
    case EXEC_SCAN:
    case EXEC_CALC:
    case EXEC_EXCHANGE:
    case EXEC_UNION:
    case EXEC_UNNEST:
    case EXEC_SINK:
    case EXEC_NODE_KIND_COUNT:
    default:
        break;
    }
}

uint64_t exec_node_fingerprint(const struct exec_node *node)
{
    struct exec_bytes bytes = {0};
    struct hash_128   hash;

    exec_bytes_put_u32(&bytes, (uint32_t)node->kind);
    put_columns(&bytes, node);
    for (uint32_t i = 0; i < node->input_count; i++) {
        put_columns(&bytes, node->inputs[i]);
    }
    exec_bytes_put_u32(&bytes, node->changes);
    exec_bytes_put_u8(&bytes, node->wants_before);
    put_node(&bytes, node);
    hash = hash_sip128(KEY_LOW, KEY_HIGH, view_of(bytes.base, bytes.len));
    exec_bytes_free(&bytes);
    return hash.low;
}
