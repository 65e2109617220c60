/* Posted operations in order, two clocks, nothing else. */
#include "tests/support/fake_io.h"

#include "io/io_internal.h"

static struct fake_io *fake_of(struct io *io)
{
    return CONTAINER_OF(io, struct fake_io, io);
}

static void fake_submit(struct io *io, struct io_op *op)
{
    CHECK(op->kind == IO_POST);
    list_push_back(&fake_of(io)->posted, &op->link);
}

static int fake_run(struct io *io, int64_t deadline_ns)
{
    MAYBE(deadline_ns == 0);
    return fake_io_turn(fake_of(io));
}

static int64_t fake_now_ns(struct io *io)
{
    return fake_of(io)->now_ns;
}

static int64_t fake_wall_ms(struct io *io)
{
    return fake_of(io)->wall_ms;
}

static const struct io_backend fake_backend = {
    .name = "fake",
    .submit = fake_submit,
    .run = fake_run,
    .now_ns = fake_now_ns,
    .wall_ms = fake_wall_ms,
};

void fake_io_init(struct fake_io *fake)
{
    *fake = (struct fake_io){.io = {.backend = &fake_backend}, .now_ns = NS_PER_S, .wall_ms = INT64_C(1700000000000)};
    list_init(&fake->posted);
    timer_heap_init(&fake->timers);
    fake->shard = (struct io_shard){.io = &fake->io, .timers = &fake->timers};
}

void fake_io_deinit(struct fake_io *fake)
{
    CHECK(list_empty(&fake->posted));
    timer_heap_deinit(&fake->timers);
}

int fake_io_turn(struct fake_io *fake)
{
    struct list_node  round;
    struct list_node *node;
    int               count = 0;

    list_init(&round);
    list_splice_back(&round, &fake->posted);
    while ((node = list_pop_front(&round)) != NULL) {
        io__callback(&fake->io, LIST_ENTRY(node, struct io_op, link), 0, false);
        count++;
    }
    return count;
}

void fake_io_settle(struct fake_io *fake)
{
    while (fake_io_turn(fake) > 0) {
    }
}

void fake_io_advance(struct fake_io *fake, int64_t ms)
{
    fake->now_ns += ms * NS_PER_MS;
    fake->wall_ms += ms;
    MAYBE(timer_heap_run(&fake->timers, fake->now_ns) == 0);
}
