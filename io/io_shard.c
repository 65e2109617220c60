/* Cores, shards, mailboxes.
 *
 * A mailbox is a single-producer single-consumer ring of pointers between an ordered pair of cores, made when the pair
 * first speaks. The receiver has one bit per sender that says "look into that ring". Invariants:
 * 1. Sending: the ring's tail is stored, then the receiver's bit is set (sequentially consistent), then `sleeping` is
 * read. Falling asleep: `sleeping` is set (sequentially consistent), then the bits are read. So one of the two sees the
 * other: either the receiver finds the mail or the sender wakes it.
 * 2. A mail that finds its ring full waits in the sender's overflow list for that receiver, and everything after it to
 * the same receiver too: order is kept. The sender then sets the ring's `producer_waits`; the receiver, having made
 * room, wakes the sender. The same store-then-look order on both sides makes sure that one of them notices.
 * 3. A mail under way has its link marked or stands in a list: sending it again fails a CHECK.
 * 4. Mail from foreign threads is pushed on the core's stack and taken off all at once, so that nobody compares with a
 * node that has come back meanwhile; the push stands before the look at `sleeping`, as in 1. */
#include "io/io_shard.h"

#include <stdalign.h>

#define IO_CACHE_LINE_BYTES 64
#define IO_WORD_BITS        64
#define IO_PENDING_WORDS    (IO_CORES_MAX / IO_WORD_BITS)

struct io_mailbox {
    alignas(IO_CACHE_LINE_BYTES) uint64_t head; /* receiver's; next to read */
    alignas(IO_CACHE_LINE_BYTES) uint64_t tail; /* sender's; next to write */
    uint64_t head_seen;                         /* sender's copy of head: reads the shared line only when full */
    alignas(IO_CACHE_LINE_BYTES) uint32_t producer_waits;
    struct io_mail *slots[IO_MAILBOX_SLOTS];
};

struct io_core {
    struct io_host     *host;
    uint32_t            index;
    struct io          *io;
    struct timer_heap   timers;
    struct buf_pool    *bufs;
    struct list_node    local;                                       /* mail between shards of this core */
    uint64_t            overflow_count;                              /* mails in all overflow lists */
    struct list_node   *overflow;                                    /* per receiving core */
    struct io_mailbox **boxes;                                       /* per sending core; set once by the sender */
    alignas(IO_CACHE_LINE_BYTES) uint64_t pending[IO_PENDING_WORDS]; /* senders with mail for us */
    alignas(IO_CACHE_LINE_BYTES) uint32_t sleeping;
    uint32_t          stop;
    struct list_node *injected; /* by foreign threads, newest first; linked by `next`, the last one's is the mark */
};

struct io_host {
    uint32_t         core_count;
    uint32_t         shard_count;
    struct io_core  *cores;
    struct io_shard *shards;
};

/* What link_ points to while a mail stands in a ring. */
static struct list_node io_mail_under_way;

struct io_host *io_host_create(const struct io_host_options *options, struct io *const *ios)
{
    struct io_host *host = mem_alloc(MEM_IO, sizeof(*host));

    CHECK(options->core_count > 0 && options->core_count <= IO_CORES_MAX);
    CHECK(options->shard_count >= options->core_count && options->shard_count <= IO_SHARDS_MAX);
    host->core_count = options->core_count;
    host->shard_count = options->shard_count;
    host->cores = mem_alloc_aligned(MEM_IO, host->core_count * sizeof(*host->cores), IO_CACHE_LINE_BYTES);
    host->shards = mem_alloc(MEM_IO, host->shard_count * sizeof(*host->shards));
    for (uint32_t i = 0; i < host->core_count; i++) {
        struct io_core *core = &host->cores[i];

        core->host = host;
        core->index = i;
        core->io = ios[i];
        core->bufs = buf_pool_create(options->region_bytes_per_core, options->budget_bytes_per_core);
        /* refused under a small RLIMIT_MEMLOCK: then direct writes pin their pages one by one, as io_describe() shows
         */
        MAYBE(io_register_region(ios[i], buf_pool_region(core->bufs)) == ERR_OK);
        core->overflow = mem_alloc(MEM_IO, host->core_count * sizeof(*core->overflow));
        core->boxes = mem_alloc(MEM_IO, host->core_count * sizeof(struct io_mailbox *));
        timer_heap_init(&core->timers);
        list_init(&core->local);
        for (uint32_t to = 0; to < host->core_count; to++) {
            list_init(&core->overflow[to]);
        }
    }
    for (uint32_t i = 0; i < host->shard_count; i++) {
        struct io_core *core = &host->cores[i % host->core_count];

        host->shards[i] =
            (struct io_shard){.index = i, .core = core, .io = core->io, .timers = &core->timers, .bufs = core->bufs};
    }
    return host;
}

void io_host_destroy(struct io_host *host)
{
    if (host == NULL) {
        return;
    }
    for (uint32_t i = 0; i < host->core_count; i++) {
        struct io_core *core = &host->cores[i];

        timer_heap_deinit(&core->timers);
        buf_pool_destroy(core->bufs);
        for (uint32_t from = 0; from < host->core_count; from++) {
            mem_free(MEM_IO, core->boxes[from]);
        }
        mem_free(MEM_IO, core->boxes);
        mem_free(MEM_IO, core->overflow);
    }
    mem_free(MEM_IO, host->shards);
    mem_free(MEM_IO, host->cores);
    mem_free(MEM_IO, host);
}

uint32_t io_host_core_count(const struct io_host *host)
{
    return host->core_count;
}

uint32_t io_host_shard_count(const struct io_host *host)
{
    return host->shard_count;
}

struct io_shard *io_host_shard(struct io_host *host, uint32_t shard)
{
    CHECK(shard < host->shard_count);
    return &host->shards[shard];
}

struct io_core *io_host_core(struct io_host *host, uint32_t core)
{
    CHECK(core < host->core_count);
    return &host->cores[core];
}

/* --- sending --------------------------------------------------------------------------------------------------------
 */

static struct io_mailbox *io_mailbox_from(struct io_core *to, uint32_t from)
{
    struct io_mailbox *box = __atomic_load_n(&to->boxes[from], __ATOMIC_ACQUIRE);

    if (box == NULL) {
        box = mem_alloc_aligned(MEM_IO, sizeof(*box), IO_CACHE_LINE_BYTES);
        __atomic_store_n(&to->boxes[from], box, __ATOMIC_RELEASE);
    }
    return box;
}

static bool io_mailbox_full(struct io_mailbox *box)
{
    if (box->tail - box->head_seen < IO_MAILBOX_SLOTS) {
        return false;
    }
    box->head_seen = __atomic_load_n(&box->head, __ATOMIC_SEQ_CST);
    return box->tail - box->head_seen >= IO_MAILBOX_SLOTS;
}

static void io_mailbox_push(struct io_mailbox *box, struct io_mail *mail)
{
    mail->link_.next = &io_mail_under_way;
    mail->link_.prev = &io_mail_under_way;
    box->slots[box->tail % IO_MAILBOX_SLOTS] = mail;
    __atomic_store_n(&box->tail, box->tail + 1, __ATOMIC_RELEASE);
}

static void io_core_wake(struct io_core *core)
{
    if (__atomic_load_n(&core->sleeping, __ATOMIC_SEQ_CST) != 0 &&
        __atomic_exchange_n(&core->sleeping, 0, __ATOMIC_SEQ_CST) != 0) {
        io_wake(core->io);
    }
}

/* After a push: tells the receiver. */
static void io_core_notify(struct io_core *to, uint32_t from)
{
    (void)__atomic_fetch_or(&to->pending[from / IO_WORD_BITS], UINT64_C(1) << (from % IO_WORD_BITS), __ATOMIC_SEQ_CST);
    io_core_wake(to);
}

void io_shard_send(struct io_shard *from, uint32_t to_shard, struct io_mail *mail, io_mail_fn *deliver)
{
    struct io_core    *sender = from->core;
    struct io_core    *receiver = io_host_shard(sender->host, to_shard)->core;
    struct io_mailbox *box;

    CHECK(deliver != NULL && !list_linked(&mail->link_));
    mail->from_shard = from->index;
    mail->to_shard = to_shard;
    mail->deliver = deliver;
    list_init(&mail->link_);
    if (receiver == sender) {
        list_push_back(&sender->local, &mail->link_);
        return;
    }
    box = io_mailbox_from(receiver, sender->index);
    if (!list_empty(&sender->overflow[receiver->index]) || io_mailbox_full(box)) {
        list_push_back(&sender->overflow[receiver->index], &mail->link_);
        sender->overflow_count++;
        return;
    }
    io_mailbox_push(box, mail);
    io_core_notify(receiver, sender->index);
}

void io_shard_inject(struct io_shard *to, struct io_mail *mail, io_mail_fn *deliver)
{
    struct io_core   *core = to->core;
    struct list_node *newest = __atomic_load_n(&core->injected, __ATOMIC_RELAXED);

    CHECK(deliver != NULL && !list_linked(&mail->link_));
    mail->from_shard = to->index;
    mail->to_shard = to->index;
    mail->deliver = deliver;
    do {
        mail->link_.next = newest == NULL ? &io_mail_under_way : newest;
    } while (
        !__atomic_compare_exchange_n(&core->injected, &newest, &mail->link_, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
    io_core_wake(core);
}

/* Moves waiting mail into rings that have room again; returns how many. */
static uint64_t io_core_flush_overflow(struct io_core *core)
{
    uint64_t moved = 0;

    for (uint32_t to = 0; core->overflow_count > 0 && to < core->host->core_count; to++) {
        struct list_node  *waiting = &core->overflow[to];
        struct io_core    *receiver = &core->host->cores[to];
        struct io_mailbox *box = receiver->boxes[core->index];
        uint64_t           moved_before = moved;

        while (!list_empty(waiting)) {
            if (io_mailbox_full(box)) {
                __atomic_store_n(&box->producer_waits, 1, __ATOMIC_SEQ_CST);
                box->head_seen = __atomic_load_n(&box->head, __ATOMIC_SEQ_CST);
                if (io_mailbox_full(box)) {
                    break;
                }
            }
            io_mailbox_push(box, LIST_ENTRY(list_pop_front(waiting), struct io_mail, link_));
            core->overflow_count--;
            moved++;
        }
        if (moved > moved_before) {
            io_core_notify(receiver, core->index);
        }
    }
    return moved;
}

/* --- receiving ------------------------------------------------------------------------------------------------------
 */

static void io_mail_deliver(struct io_core *core, struct io_mail *mail)
{
    struct io_shard *to = &core->host->shards[mail->to_shard];

    list_init(&mail->link_);
    mail->deliver(mail, to); /* may send the same struct again, or free it */
}

static uint64_t io_core_deliver_local(struct io_core *core)
{
    struct list_node now;
    uint64_t         delivered = 0;

    list_init(&now);
    list_splice_back(&now, &core->local);
    while (!list_empty(&now)) {
        io_mail_deliver(core, LIST_ENTRY(list_pop_front(&now), struct io_mail, link_));
        delivered++;
    }
    return delivered;
}

static uint64_t io_core_deliver_injected(struct io_core *core)
{
    struct list_node *at;
    struct list_node  now;
    uint64_t          delivered = 0;

    if (__atomic_load_n(&core->injected, __ATOMIC_RELAXED) == NULL) {
        return 0;
    }
    list_init(&now);
    at = __atomic_exchange_n(&core->injected, NULL, __ATOMIC_SEQ_CST);
    while (at != NULL && at != &io_mail_under_way) {
        struct list_node *older = at->next;

        list_init(at);
        list_push_front(&now, at); /* the oldest comes first again */
        at = older;
    }
    while (!list_empty(&now)) {
        io_mail_deliver(core, LIST_ENTRY(list_pop_front(&now), struct io_mail, link_));
        delivered++;
    }
    return delivered;
}

/* What stands in one ring now. A slot is given back before its callback, so that the sender finds room as early as
 * possible. */
static uint64_t io_core_deliver_from(struct io_core *core, uint32_t from)
{
    struct io_mailbox *box = __atomic_load_n(&core->boxes[from], __ATOMIC_ACQUIRE);
    uint64_t           head;
    uint64_t           tail;
    uint64_t           delivered;

    CHECK(box != NULL);
    head = box->head;
    tail = __atomic_load_n(&box->tail, __ATOMIC_ACQUIRE);
    delivered = tail - head;
    while (head != tail) {
        struct io_mail *mail = box->slots[head % IO_MAILBOX_SLOTS];

        head++;
        __atomic_store_n(&box->head, head, __ATOMIC_RELEASE);
        io_mail_deliver(core, mail);
    }
    if (delivered > 0) {
        __atomic_store_n(&box->head, head, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&box->producer_waits, __ATOMIC_SEQ_CST) != 0 &&
            __atomic_exchange_n(&box->producer_waits, 0, __ATOMIC_SEQ_CST) != 0) {
            io_core_wake(&core->host->cores[from]);
        }
    }
    return delivered;
}

static uint64_t io_core_deliver(struct io_core *core)
{
    uint64_t delivered = io_core_deliver_local(core) + io_core_deliver_injected(core);

    for (uint32_t word = 0; word * IO_WORD_BITS < core->host->core_count; word++) {
        uint64_t bits;

        if (__atomic_load_n(&core->pending[word], __ATOMIC_RELAXED) == 0) {
            continue;
        }
        bits = __atomic_exchange_n(&core->pending[word], 0, __ATOMIC_SEQ_CST);
        while (bits != 0) {
            delivered += io_core_deliver_from(core, word * IO_WORD_BITS + (uint32_t)__builtin_ctzll(bits));
            bits &= bits - 1;
        }
    }
    return delivered;
}

static bool io_core_has_mail(const struct io_core *core)
{
    if (!list_empty(&core->local) || __atomic_load_n(&core->injected, __ATOMIC_SEQ_CST) != NULL) {
        return true;
    }
    for (uint32_t word = 0; word * IO_WORD_BITS < core->host->core_count; word++) {
        if (__atomic_load_n(&core->pending[word], __ATOMIC_SEQ_CST) != 0) {
            return true;
        }
    }
    return false;
}

bool io_shard_waiting(const struct io_shard *shard)
{
    return io_waiting(shard->io) || (shard->core != NULL && io_core_has_mail(shard->core));
}

/* --- the loop -------------------------------------------------------------------------------------------------------
 */

/* A sender that waits for room may have missed the wake-up between its look and its sleep; looking once more closes the
 * gap. */
static bool io_core_may_sleep(struct io_core *core)
{
    __atomic_store_n(&core->sleeping, 1, __ATOMIC_SEQ_CST);
    if (io_core_has_mail(core) || __atomic_load_n(&core->stop, __ATOMIC_SEQ_CST) != 0 ||
        (core->overflow_count > 0 && io_core_flush_overflow(core) > 0)) {
        __atomic_store_n(&core->sleeping, 0, __ATOMIC_SEQ_CST);
        return false;
    }
    return true;
}

int io_core_turn(struct io_core *core, int64_t max_wait_ns)
{
    uint64_t work = timer_heap_run(&core->timers, io_now_ns(core->io));
    int64_t  now_ns;
    int64_t  deadline_ns;
    int      callbacks;

    work += io_core_deliver(core);
    work += io_core_flush_overflow(core);
    now_ns = io_now_ns(core->io);
    deadline_ns = timer_heap_next_ns(&core->timers);
    if (max_wait_ns < INT64_MAX - now_ns) {
        deadline_ns = MIN(deadline_ns, now_ns + max_wait_ns);
    }
    if (deadline_ns > now_ns && io_core_may_sleep(core)) {
        callbacks = io_run(core->io, deadline_ns);
        __atomic_store_n(&core->sleeping, 0, __ATOMIC_SEQ_CST);
    } else {
        callbacks = io_run(core->io, now_ns);
    }
    if (callbacks < 0) {
        return callbacks;
    }
    return (int)MIN(work + (uint64_t)callbacks, (uint64_t)INT32_MAX);
}

int io_core_run(struct io_core *core)
{
    while (__atomic_load_n(&core->stop, __ATOMIC_SEQ_CST) == 0) {
        int result = io_core_turn(core, INT64_MAX);

        if (result < 0) {
            return result;
        }
    }
    return 0;
}

void io_core_stop(struct io_core *core)
{
    __atomic_store_n(&core->stop, 1, __ATOMIC_SEQ_CST);
    io_wake(core->io);
}
