/* Exchanges: rows of one key on one worker, where an operator needs that and they are not there already. Which worker a
 * row came from never matters, so plans do not depend on their number. */
#include "compute/sql/sql_internal.h"
#include "core/base/check.h"

enum { MARK_EXCHANGED = 4 };

struct exchanging {
    struct sql_binder *binder;
    struct sql_rel   **made; /* exchanges, to be used again */
    uint32_t           count, capacity;
};

/* How rel's rows are spread: keys are columns of rel. */
static bool set_spread(struct sql_binder *binder, struct sql_rel *rel, enum exec_distribution spread,
                       const uint32_t *keys, uint32_t count)
{
    uint32_t *copy = sql__alloc_array(binder, count + 1, sizeof(*copy));

    if (copy == NULL) {
        return false;
    }
    if (count > 0) {
        memcpy(copy, keys, count * sizeof(*copy));
    }
    rel->spread = spread;
    rel->spread_keys = copy;
    rel->spread_count = count;
    return true;
}

static bool equal_keys(const struct sql_rel *rel, const uint32_t *keys, uint32_t count)
{
    return rel->spread == EXEC_HASH && rel->spread_count == count &&
           memcmp(rel->spread_keys, keys, count * sizeof(*keys)) == 0;
}

/* Rows that are equal in keys are together already. */
static bool is_together(const struct sql_rel *rel, const uint32_t *keys, uint32_t count)
{
    if (rel->spread == EXEC_SINGLE) {
        return true;
    }
    if (rel->spread != EXEC_HASH || rel->spread_count == 0) {
        return false;
    }
    for (uint32_t i = 0; i < rel->spread_count; i++) {
        bool found = false;

        for (uint32_t k = 0; k < count; k++) {
            found = found || keys[k] == rel->spread_keys[i];
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

static struct sql_rel *find_made(const struct exchanging *exchanging, const struct sql_rel *input, const uint32_t *keys,
                                 uint32_t count)
{
    for (uint32_t i = 0; i < exchanging->count; i++) {
        struct sql_rel *made = exchanging->made[i];

        if (made->node.inputs[0] == &input->node &&
            (count == 0 ? made->spread == EXEC_SINGLE : equal_keys(made, keys, count))) {
            return made;
        }
    }
    return NULL;
}

static bool remember(struct exchanging *exchanging, struct sql_rel *rel)
{
    if (exchanging->count == exchanging->capacity) {
        uint32_t         grown = MAX(16U, exchanging->capacity * 2);
        struct sql_rel **larger = sql__alloc_array(exchanging->binder, grown, sizeof(struct sql_rel *));

        if (larger == NULL) {
            return false;
        }
        if (exchanging->count > 0) {
            memcpy(larger, exchanging->made, exchanging->count * sizeof(*larger));
        }
        exchanging->made = larger;
        exchanging->capacity = grown;
    }
    exchanging->made[exchanging->count++] = rel;
    return true;
}

/* rel's input behind an exchange by keys; no keys: all rows on one worker. */
static bool exchange_input(struct exchanging *exchanging, struct sql_rel *rel, uint32_t i, const uint32_t *keys,
                           uint32_t count)
{
    struct sql_rel *input = sql__input(rel, i);
    struct sql_rel *made = find_made(exchanging, input, keys, count);

    if (made == NULL) {
        made = sql__new_over(exchanging->binder, EXEC_EXCHANGE, sql__node_place(rel), input);
        if (made == NULL || !remember(exchanging, made) ||
            !set_spread(exchanging->binder, made, count == 0 ? EXEC_SINGLE : EXEC_HASH, keys, count)) {
            return false;
        }
        made->node.place = rel->node.place;
        made->node.changes = input->node.changes;
        made->node.wants_before = input->node.wants_before;
        made->node.has_key = input->node.has_key;
        made->node.key = input->node.key;
        made->node.key_count = input->node.key_count;
        made->node.exchange =
            (struct exec_exchange){.distribution = made->spread, .key_count = count, .keys = made->spread_keys};
        made->mark = MARK_EXCHANGED;
    }
    rel->node.inputs[i] = &made->node;
    return true;
}

static bool together(struct exchanging *exchanging, struct sql_rel *rel, const uint32_t *keys, uint32_t count)
{
    return is_together(sql__input(rel, 0), keys, count) || exchange_input(exchanging, rel, 0, keys, count);
}

/* Both sides by the same keys in the same order, or both on one worker. */
static bool exchange_join(struct exchanging *exchanging, struct sql_rel *rel)
{
    const struct exec_join *join = &rel->node.join;
    const struct sql_rel   *left = sql__input(rel, 0);
    const struct sql_rel   *right = sql__input(rel, 1);
    bool                    single = left->spread == EXEC_SINGLE && right->spread == EXEC_SINGLE;

    if (!single &&
        (join->key_count == 0 ? left->spread != EXEC_SINGLE : !equal_keys(left, join->left_keys, join->key_count)) &&
        !exchange_input(exchanging, rel, 0, join->left_keys, join->key_count)) {
        return false;
    }
    if (!single &&
        (join->key_count == 0 ? right->spread != EXEC_SINGLE : !equal_keys(right, join->right_keys, join->key_count)) &&
        !exchange_input(exchanging, rel, 1, join->right_keys, join->key_count)) {
        return false;
    }
    return set_spread(exchanging->binder, rel, single || join->key_count == 0 ? EXEC_SINGLE : EXEC_HASH,
                      join->left_keys, single ? 0 : join->key_count);
}

/* The spread of the input in terms of rel's columns: place[i] = where input column i went. */
static bool carry(struct sql_binder *binder, struct sql_rel *rel, const uint32_t *places)
{
    const struct sql_rel *input = sql__input(rel, 0);
    uint32_t             *keys = sql__alloc_array(binder, input->spread_count + 1, sizeof(*keys));

    if (keys == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < input->spread_count; i++) {
        keys[i] = places == NULL ? input->spread_keys[i] : places[input->spread_keys[i]];
        if (keys[i] == EXEC_NO_COLUMN) {
            return true;
        }
    }
    return set_spread(binder, rel, input->spread, keys, input->spread_count);
}

static bool carry_calc(struct sql_binder *binder, struct sql_rel *rel)
{
    uint32_t  count = sql__input(rel, 0)->node.column_count;
    uint32_t *places = sql__alloc_array(binder, count + 1, sizeof(*places));

    for (uint32_t i = 0; places != NULL && i < count; i++) {
        places[i] = EXEC_NO_COLUMN;
    }
    for (uint32_t i = rel->node.column_count; places != NULL && i > 0; i--) {
        const struct expr *expr = rel->node.calc.exprs[i - 1];

        if (expr->kind == EXPR_COLUMN) {
            places[expr->index] = i - 1;
        }
    }
    return places != NULL && carry(binder, rel, places);
}

/* Keys stand first in an aggregation's result. */
static bool carry_keys(struct sql_binder *binder, struct sql_rel *rel, const uint32_t *keys, uint32_t key_count)
{
    uint32_t  count = sql__input(rel, 0)->node.column_count;
    uint32_t *places = sql__alloc_array(binder, count + 1, sizeof(*places));

    for (uint32_t i = 0; places != NULL && i < count; i++) {
        places[i] = EXEC_NO_COLUMN;
    }
    for (uint32_t i = 0; places != NULL && i < key_count; i++) {
        places[keys[i]] = i;
    }
    return places != NULL && carry(binder, rel, places);
}

static bool exchange_sink(struct exchanging *exchanging, struct sql_rel *rel)
{
    if (!rel->node.sink.is_upsert || rel->node.sink.key_count == 0) {
        return true;
    }
    return together(exchanging, rel, rel->node.sink.keys, rel->node.sink.key_count);
}

static bool carry_union(struct sql_binder *binder, struct sql_rel *rel)
{
    const struct sql_rel *first = sql__input(rel, 0);

    for (uint32_t i = 1; i < rel->node.input_count; i++) {
        const struct sql_rel *input = sql__input(rel, i);

        if (input->spread != first->spread ||
            (first->spread == EXEC_HASH && !equal_keys(input, first->spread_keys, first->spread_count))) {
            return true;
        }
    }
    return carry(binder, rel, NULL);
}

static bool exchange_one(struct exchanging *exchanging, struct sql_rel *rel)
{
    struct sql_binder *binder = exchanging->binder;

    switch (rel->node.kind) {
    case EXEC_CALC:
        return carry_calc(binder, rel);
    case EXEC_GROUP:
        return together(exchanging, rel, rel->node.group.keys, rel->node.group.key_count) &&
               carry_keys(binder, rel, rel->node.group.keys, rel->node.group.key_count);
    case EXEC_WINDOW_GROUP:
        return together(exchanging, rel, rel->node.window_group.keys, rel->node.window_group.key_count) &&
               carry_keys(binder, rel, rel->node.window_group.keys, rel->node.window_group.key_count);
    case EXEC_RANK:
        return together(exchanging, rel, rel->node.rank.keys, rel->node.rank.key_count) && carry(binder, rel, NULL);
    case EXEC_LIMIT:
        return together(exchanging, rel, NULL, 0) && carry(binder, rel, NULL);
    case EXEC_JOIN:
    case EXEC_INTERVAL_JOIN:
    case EXEC_WINDOW_JOIN:
        return exchange_join(exchanging, rel);
    case EXEC_UNION:
        return carry_union(binder, rel);
    case EXEC_VALUES:
        return set_spread(binder, rel, EXEC_SINGLE, NULL, 0);
    case EXEC_SINK:
        return exchange_sink(exchanging, rel);
    case EXEC_WATERMARK:
    case EXEC_WINDOW_ASSIGN:
    case EXEC_UNNEST:
        return carry(binder, rel, NULL);
    default:
        return true;
    }
}

static bool visit(struct exchanging *exchanging, struct sql_rel *rel)
{
    if (rel->mark == MARK_EXCHANGED) {
        return true;
    }
    rel->mark = MARK_EXCHANGED;
    for (uint32_t i = 0; i < rel->node.input_count; i++) {
        if (!visit(exchanging, sql__input(rel, i))) {
            return false;
        }
    }
    return exchange_one(exchanging, rel);
}

bool sql__exchange(struct sql_binder *binder, struct sql_roots *roots)
{
    struct exchanging exchanging = {.binder = binder};

    for (uint32_t i = 0; i < roots->count; i++) {
        if (!visit(&exchanging, roots->rels[i])) {
            return false;
        }
    }
    return true;
}
