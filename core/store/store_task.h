/* store_task.h: straight-line code over asynchronous operations, private to the room core/store.
 *
 * A task is a function that is entered again at the place where it stopped. It keeps everything it needs across a stop
 * in the struct that embeds the task; local variables do not survive. A task stops only in TASK_AWAIT (an operation was
 * submitted; its callback resumes) and TASK_UNTIL (a condition does not hold yet; whoever may make it true calls
 * store__task_resume). It ends by calling whatever the brief says and returning; memory is the owner's.
 *
 *   static void seal_run(struct store_task *task)
 *   {
 *       struct seal *seal = CONTAINER_OF(task, struct seal, task);
 *
 *       TASK_BEGIN(task);
 *       TASK_AWAIT(task, io_sync(io, &task->op, seal->file, store__task_op_done));
 *       if (task->result < 0) { ... }
 *       TASK_END;
 *   }
 *
 * No switch statement may stand around a TASK_AWAIT, and two of them must not share a line. */
#ifndef MILLRACE_STORE_TASK_H
#define MILLRACE_STORE_TASK_H

#include "io/io_file.h"

struct store_task;
typedef void store_task_fn(struct store_task *task);

struct store_task {
    int               line;    /* where to go on; 0 = the beginning */
    int               result;  /* of the operation awaited last */
    bool              waiting; /* in TASK_UNTIL: may be resumed by anyone */
    store_task_fn    *run;
    struct io_op      op;   /* one of the two is in flight at a time */
    struct io_file_op file; /* the looping operations */
};

#define TASK_BEGIN(task)    \
    switch ((task)->line) { \
    case 0:

#define TASK_AWAIT(task, submit) \
    do {                         \
        (task)->line = __LINE__; \
        submit;                  \
        return;                  \
    case __LINE__:;              \
    } while (0)

#define TASK_UNTIL(task, condition)     \
    do {                                \
        (task)->line = __LINE__;        \
        __attribute__((fallthrough));   \
    case __LINE__:                      \
        (task)->waiting = !(condition); \
        if ((task)->waiting) {          \
            return;                     \
        }                               \
    } while (0)

#define TASK_END \
    default:     \
        break;   \
        }

static inline void store__task_resume(struct store_task *task)
{
    task->run(task);
}

static inline void store__task_op_done(struct io_op *op)
{
    struct store_task *task = CONTAINER_OF(op, struct store_task, op);

    task->result = op->result;
    task->run(task);
}

static inline void store__task_file_done(struct io_file_op *op)
{
    struct store_task *task = CONTAINER_OF(op, struct store_task, file);

    task->result = op->result;
    task->run(task);
}

#endif
