/* exec_internal.h: the operator contract, for the files of compute/exec.
 *
 * An operator is an instance of a plan node on one worker. Its input side is called by the operators below, its output
 * goes to the operators above through exec__emit(). Calls nest: an operator's emit runs its users before it returns, so
 * what an operator emits from is not changed by anything but itself.
 *
 * Order. On one input, watermarks and chunks arrive in order. A watermark that an operator passes on must not overtake
 * rows that it still owes for it: emit first, then exec__emit_watermark(). A watermark of EXEC_WATERMARK_END is the end
 * of event time; finish() follows when the input is through. Operators with several inputs combine watermarks with
 * exec__combine_watermark() and finishing is called once, when all inputs have finished. */
#ifndef MILLRACE_EXEC_INTERNAL_H
#define MILLRACE_EXEC_INTERNAL_H

#include "compute/exec/exec.h"

/* In place of a watermark: the input has nothing to say until it speaks again, and holds nobody back. Only operators
 * with several inputs see it, and hand it to exec__combine_watermark(). */
#define EXEC_WATERMARK_IDLE (INT64_MIN + 1)

struct exec_operator;
struct exec_bytes; /* exec_state.h */
struct exec_reader;
struct exec_save;

struct exec_operator_class {
    const char *name;
    size_t      bytes; /* of the operator's struct, which begins with struct exec_operator */
    /* False: exec__fail() was called. open may be NULL, close too. close frees what is not in the worker's arenas. */
    bool (*open)(struct exec_operator *op);
    bool (*push)(struct exec_operator *op, uint32_t input, const struct vec_chunk *chunk);
    /* NULL: passed on (combined over inputs). */
    bool (*watermark)(struct exec_operator *op, uint32_t input, int64_t watermark_us);
    /* Emit what changed since the last flush, a piece while exec__flush_has_room(). NULL: nothing held back. */
    bool (*flush)(struct exec_operator *op);
    /* Processing time. NULL: of no interest. */
    bool (*time)(struct exec_operator *op, int64_t now_ms);
    /* A piece of what a watermark or the clock fired (exec_hold.h); op->is_firing: there is more. NULL: never. */
    bool (*fire)(struct exec_operator *op);
    /* All inputs are through; flush() was called before. NULL: nothing to do. The users' finish follows by itself. */
    bool (*finish)(struct exec_operator *op);
    void (*close)(struct exec_operator *op);
    /* State (exec_state.h); NULL: there is none. Of scalars the frame sees by itself whether they changed; load_scalars
     * may come several times, the last one counts. load: value NULL: the key is gone. loaded: behind the last record.
     */
    void (*save_scalars)(struct exec_operator *op, struct exec_bytes *bytes);
    bool (*load_scalars)(struct exec_operator *op, struct exec_reader *reader);
    bool (*save)(struct exec_operator *op, struct exec_save *save);
    bool (*load)(struct exec_operator *op, uint32_t table, struct exec_reader *key, struct exec_reader *value);
    bool (*loaded)(struct exec_operator *op);
    /* Users are not finished when the inputs are: the operator calls exec__finish_users() itself. */
    bool finishes_later;
};

struct exec_operator {
    const struct exec_operator_class *class;
    const struct exec_node *node;
    struct exec_worker     *worker;
    uint32_t                user_count;
    struct exec_use        *users;
    uint32_t                inputs_open;
    uint32_t                barriers_seen;    /* of the inputs, of the epoch that ends */
    bool                    owes;             /* flush() stopped before its end: more is held back */
    bool                    owes_barrier;     /* and its users wait for the barrier that comes behind that */
    bool                    is_firing;        /* fire() has not come to its end */
    bool                    is_holding;       /* so what comes waits in `hold` */
    struct exec_hold       *hold;             /* exec_hold.c */
    uint32_t                watermark_inputs; /* of input_watermarks: the inputs; of an exchange, the workers */
    int64_t                *input_watermarks; /* EXEC_WATERMARK_IDLE: does not count */
    int64_t                 combined_us;      /* lowest of them so far; never falls */
    int64_t                 watermark_us;     /* last passed on */
    bool                    is_idle;          /* told so to the users */
    bool                    is_loaded;        /* its scalars came from a record */
    uint64_t                fingerprint;      /* 0: not asked for so far */
    struct exec_bytes      *saved;            /* its scalars as they were written last */
    bool                    is_positional;    /* row numbers of its input are those of the pushed chunk */
    struct exec_stats       stats;            /* of this worker; written by it, read by any */
};

/* Who gets an operator's output, and as which input. */
struct exec_use {
    struct exec_operator *op;
    uint32_t              input;
};

/* Pushes to all users. The chunk may be empty: then nothing happens. More than rows_max rows are cut. */
MUST_USE bool exec__emit(struct exec_operator *op, const struct vec_chunk *chunk);
MUST_USE bool exec__emit_watermark(struct exec_operator *op, int64_t watermark_us);
/* Nothing comes for a while: users with other inputs go on without this one. */
MUST_USE bool exec__emit_idle(struct exec_operator *op);
/* For classes that finish later. */
MUST_USE bool exec__finish_users(struct exec_operator *op);
/* Notes the watermark of an input; true with the new minimum when that advanced. */
bool exec__combine_watermark(struct exec_operator *op, uint32_t input, int64_t watermark_us, int64_t *out_us);
/* The job fails at this operator. Returns false. */
bool exec__fail(struct exec_operator *op, const char *format, ...) PRINTF_LIKE(2, 3);
/* The same at a row of the operator's input: the driver learns which pushed row it was, where that is known. */
bool exec__fail_row(struct exec_operator *op, size_t row, const char *format, ...) PRINTF_LIKE(3, 4);
bool exec__fail_expr(struct exec_operator *op, const struct expr_program *program);
/* Lets the driver switch away: between emitted chunks of a long emission, when the operator's state is whole. */
void exec__pause(struct exec_operator *op);

/* Asked before each piece of a flush, some chunk or so; false: it goes on with the next call. */
bool exec__flush_has_room(struct exec_operator *op);

/* What changes is to be noted: options.keeps_changes. */
bool exec__keeps_changes(const struct exec_operator *op);

int64_t  exec__now_ms(const struct exec_operator *op);
uint32_t exec__rows_max(const struct exec_operator *op);
/* For what lives as long as the operator; never NULL. */
void         *exec__alloc(struct exec_operator *op, size_t bytes);
struct arena *exec__arena(struct exec_operator *op);
/* 0 .. VEC_ROWS_MAX - 1: a selection of all rows, to be cut. */
const uint16_t *exec__identity(const struct exec_operator *op);
/* Accounts for state; false after exec__fail() when the budget is spent. Heaps do it by themselves. */
MUST_USE bool exec__charge(struct exec_operator *op, size_t bytes);
void          exec__release(struct exec_operator *op, size_t bytes);
/* Rows of state more or fewer, for the statistics. Tables count their entries by themselves. */
void exec__count_state_rows(struct exec_operator *op, int64_t rows);
void exec__count_late(struct exec_operator *op, uint64_t rows);

/* The class of a node's kind. */
const struct exec_operator_class *exec__class(enum exec_node_kind kind);

extern const struct exec_operator_class exec__scan_class, exec__values_class, exec__calc_class, exec__watermark_class,
    exec__exchange_class, exec__group_class, exec__window_assign_class, exec__window_group_class, exec__join_class,
    exec__interval_join_class, exec__window_join_class, exec__rank_class, exec__union_class, exec__unnest_class,
    exec__limit_class, exec__sink_class;

#endif
