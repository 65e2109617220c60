/* The world: virtual time, the heap of events ordered by (time, sequence), and the turns of cores.
 *
 * Invariants
 *  1. now_ns never goes back and moves only in world_advance().
 *  2. Two events of one instant fire in the order they were scheduled: the sequence number decides, never an address.
 *  3. Every random draw comes from one of the world's generators, in program order: equal seeds give equal runs. */
#include "io/sim/sim_internal.h"

#include "core/base/hash.h"

#define SIM_IDLE_STEPS_MAX 1000000
#define SIM_TIME_START_NS  (NS_PER_S) /* not 0: a forgotten deadline of 0 is then in the past */
#define SIM_WALL_START_MS  INT64_C(1767225600000)

void sim_options_default(struct sim_options *out_options, uint64_t seed)
{
    *out_options = (struct sim_options){
        .seed = seed,
        .wall_start_ms = SIM_WALL_START_MS,
        .direct_align_bytes = 512,
        .block_bytes = 4096,
        .physical_block_bytes = 4096,
        .fua = true,
        .durable_writes = true,
        .capacity_bytes = 64 * GIB,
        .read_latency = {20 * NS_PER_US, 200 * NS_PER_US},
        .write_latency = {20 * NS_PER_US, 400 * NS_PER_US},
        .sync_latency = {50 * NS_PER_US, 2 * NS_PER_MS},
        .name_latency = {5 * NS_PER_US, 200 * NS_PER_US},
        .net_latency = {10 * NS_PER_US, 200 * NS_PER_US},
        .socket_buffer_bytes = 256 * 1024,
        .recv_chunk_bytes = 64 * 1024,
        .descriptors_max = 1024,
    };
}

struct sim *sim_create(const struct sim_options *options)
{
    struct sim *sim = mem_alloc(MEM_TEST, sizeof(*sim));

    CHECK(options->direct_align_bytes == 0 || is_power_of_two(options->direct_align_bytes));
    CHECK(is_power_of_two(options->block_bytes) && is_power_of_two(options->physical_block_bytes));
    CHECK(options->physical_block_bytes >= SIM_SECTOR_BYTES && options->physical_block_bytes <= 64 * KIB);
    sim->options = *options;
    sim->now_ns = SIM_TIME_START_NS;
    prng_init(&sim->prng_schedule, hash_u64(options->seed) ^ 1);
    prng_init(&sim->prng_fault, hash_u64(options->seed) ^ 2);
    prng_init(&sim->prng_program, hash_u64(options->seed) ^ 3);
    prng_init(&sim->prng_test, hash_u64(options->seed) ^ 4);
    sim->zero_page = mem_alloc(MEM_TEST, sizeof(*sim->zero_page));
    sim->zero_page->refs = 1;
    sim->port_next = 40000;
    list_init(&sim->ios);
    list_init(&sim->listeners);
    list_init(&sim->ends);
    return sim;
}

void sim_destroy(struct sim *sim)
{
    if (sim == NULL) {
        return;
    }
    CHECK(list_empty(&sim->ios));
    sim__net_deinit(sim);
    for (size_t i = 0; i < SIM_HOSTS_MAX; i++) {
        if (sim->hosts[i] != NULL) {
            sim__disk_deinit(&sim->hosts[i]->disk);
            map_deinit(&sim->hosts[i]->locks);
            mem_free(MEM_TEST, sim->hosts[i]);
        }
    }
    CHECK(sim->heap_count == 0);
    CHECK(sim->zero_page->refs == 1);
    mem_free(MEM_TEST, sim->zero_page);
    mem_free(MEM_TEST, sim->heap);
    mem_free(MEM_TEST, sim);
}

struct sim_host *sim__host(const struct sim *sim, uint32_t host)
{
    CHECK(host < SIM_HOSTS_MAX && sim->hosts[host] != NULL);
    return sim->hosts[host];
}

static struct sim_host *world_host_create(struct sim *sim, uint32_t index)
{
    struct sim_host *host = mem_alloc(MEM_TEST, sizeof(*host));

    host->sim = sim;
    host->index = index;
    sim__disk_init(&host->disk, sim);
    map_init(&host->locks, MEM_TEST);
    sim->hosts[index] = host;
    return host;
}

struct io *sim_io(struct sim *sim, uint32_t host_index, uint32_t core)
{
    struct sim_host *host;
    struct sim_io   *io;

    CHECK(host_index < SIM_HOSTS_MAX && core < SIM_CORES_MAX);
    host = sim->hosts[host_index] != NULL ? sim->hosts[host_index] : world_host_create(sim, host_index);
    CHECK(host->cores[core] == NULL);
    io = mem_alloc(MEM_TEST, sizeof(*io));
    io->io.backend = &sim__backend;
    io->sim = sim;
    io->host = host;
    io->core = core;
    io->sleep_until_ns = INT64_MAX;
    list_init(&io->pending);
    list_init(&io->ready);
    list_push_back(&sim->ios, &io->link);
    host->cores[core] = io;
    host->down = false;
    return &io->io;
}

struct sim_options *sim_settings(struct sim *sim)
{
    return &sim->options;
}

struct prng *sim_prng(struct sim *sim)
{
    return &sim->prng_test;
}

int64_t sim_now_ns(const struct sim *sim)
{
    return sim->now_ns;
}

int64_t sim__wall_ms(const struct sim *sim)
{
    return sim->options.wall_start_ms + sim->wall_offset_ms + sim->now_ns / NS_PER_MS;
}

void sim_wall_jump(struct sim *sim, int64_t delta_ms)
{
    sim->wall_offset_ms += delta_ms;
}

uint64_t sim_trace_hash(const struct sim *sim)
{
    return sim->trace_hash;
}

int64_t sim__draw(struct sim *sim, struct sim_range range)
{
    CHECK(range.min_ns >= 0 && range.max_ns >= range.min_ns);
    return range.min_ns + (int64_t)prng_below(&sim->prng_schedule, (uint64_t)(range.max_ns - range.min_ns) + 1);
}

bool sim__chance(struct sim *sim, struct sim_ratio ratio)
{
    return ratio.denominator != 0 && ratio.numerator != 0 &&
           prng_chance(&sim->prng_fault, ratio.numerator, ratio.denominator);
}

/* --- events ----------------------------------------------------------------------------------- */

static bool event_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->sequence < b->sequence;
}

static void heap_place(struct sim *sim, struct sim_event *event, size_t index)
{
    sim->heap[index] = event;
    event->index = index;
}

static void heap_up(struct sim *sim, size_t index)
{
    struct sim_event *event = sim->heap[index];

    while (index > 1 && event_before(event, sim->heap[index / 2])) {
        heap_place(sim, sim->heap[index / 2], index);
        index /= 2;
    }
    heap_place(sim, event, index);
}

static void heap_down(struct sim *sim, size_t index)
{
    struct sim_event *event = sim->heap[index];

    for (;;) {
        size_t child = index * 2;

        if (child > sim->heap_count) {
            break;
        }
        if (child + 1 <= sim->heap_count && event_before(sim->heap[child + 1], sim->heap[child])) {
            child++;
        }
        if (!event_before(sim->heap[child], event)) {
            break;
        }
        heap_place(sim, sim->heap[child], index);
        index = child;
    }
    heap_place(sim, event, index);
}

void sim__schedule(struct sim *sim, struct sim_event *event, int64_t delay_ns, sim_fire_fn *fire, void *context)
{
    CHECK(event->index == 0 && delay_ns >= 0);
    if (sim->heap_count + 2 > sim->heap_capacity) {
        sim->heap_capacity = MAX((size_t)64, sim->heap_capacity * 2);
        sim->heap = mem_realloc(MEM_TEST, sim->heap, sim->heap_capacity * sizeof(*sim->heap));
    }
    event->at_ns = sim->now_ns + delay_ns;
    event->sequence = ++sim->event_sequence;
    event->fire = fire;
    event->context = context;
    heap_place(sim, event, ++sim->heap_count);
    heap_up(sim, sim->heap_count);
}

void sim__unschedule(struct sim *sim, struct sim_event *event)
{
    size_t            index = event->index;
    struct sim_event *last;

    if (index == 0) {
        return;
    }
    CHECK(sim->heap[index] == event);
    last = sim->heap[sim->heap_count--];
    event->index = 0;
    if (last != event) {
        heap_place(sim, last, index);
        heap_up(sim, index);
        heap_down(sim, last->index);
    }
}

static int64_t world_next_event_ns(const struct sim *sim)
{
    return sim->heap_count == 0 ? INT64_MAX : sim->heap[1]->at_ns;
}

/* Moves the clock (never back) and fires what is due, in order. */
static void world_advance(struct sim *sim, int64_t to_ns)
{
    sim->now_ns = MAX(sim->now_ns, to_ns);
    while (sim->heap_count > 0 && sim->heap[1]->at_ns <= sim->now_ns) {
        struct sim_event *event = sim->heap[1];

        sim__unschedule(sim, event);
        event->fire(sim, event->context);
    }
}

/* --- turns ------------------------------------------------------------------------------------ */

static void world_add_turn(struct sim *sim, sim_turn_fn *turn, void *context, const void *owner)
{
    CHECK(sim->turn_count < SIM_TURNS_MAX && !sim->in_step);
    sim->turns[sim->turn_count++] = (struct sim_turn){turn, context, owner};
}

void sim_add_turn(struct sim *sim, sim_turn_fn *turn, void *context)
{
    world_add_turn(sim, turn, context, context);
}

static int world_core_turn(void *context)
{
    return io_core_turn(context, INT64_MAX);
}

void sim_add_host(struct sim *sim, struct io_host *host)
{
    for (uint32_t i = 0; i < io_host_core_count(host); i++) {
        world_add_turn(sim, world_core_turn, io_host_core(host, i), host);
    }
}

void sim_remove_turn(struct sim *sim, const void *context)
{
    uint32_t kept = 0;

    CHECK(!sim->in_step);
    for (uint32_t i = 0; i < sim->turn_count; i++) {
        if (sim->turns[i].owner != context) {
            sim->turns[kept++] = sim->turns[i];
        }
    }
    sim->turn_count = kept;
}

static bool world_somebody_ready(const struct sim *sim)
{
    LIST_EACH(&sim->ios, node) {
        const struct sim_io *io = LIST_ENTRY(node, struct sim_io, link);

        if ((!io->dead || io->reaped) && (io->woken || !list_empty(&io->ready))) {
            return true;
        }
    }
    return false;
}

static int64_t world_next_deadline_ns(const struct sim *sim)
{
    int64_t next_ns = INT64_MAX;

    LIST_EACH(&sim->ios, node) {
        const struct sim_io *io = LIST_ENTRY(node, struct sim_io, link);

        if (!io->dead || io->reaped) {
            next_ns = MIN(next_ns, io->sleep_until_ns);
        }
    }
    return next_ns;
}

/* One turn each, in seeded order: the work done. */
static int world_turns(struct sim *sim)
{
    uint32_t order[SIM_TURNS_MAX];
    int      done = 0;

    for (uint32_t i = 0; i < sim->turn_count; i++) {
        uint32_t j = (uint32_t)prng_below(&sim->prng_schedule, (uint64_t)i + 1);

        order[i] = order[j];
        order[j] = i;
    }
    LIST_EACH(&sim->ios, node) {
        LIST_ENTRY(node, struct sim_io, link)->sleep_until_ns = INT64_MAX;
    }
    for (uint32_t i = 0; i < sim->turn_count; i++) {
        int count = sim->turns[order[i]].turn(sim->turns[order[i]].context);

        done += MAX(count, 0);
    }
    return done;
}

/* sim_step() that does not pass `limit_ns`. */
static bool world_step(struct sim *sim, int64_t limit_ns)
{
    int64_t next_ns;
    int     done;

    CHECK(!sim->in_step);
    world_advance(sim, sim->now_ns);
    sim->in_step = true;
    done = world_turns(sim);
    sim->in_step = false;
    if (done > 0 || world_somebody_ready(sim)) {
        sim->idle_steps = 0;
        return true;
    }
    CHECK(++sim->idle_steps < SIM_IDLE_STEPS_MAX); /* a deadline that has passed and wakes nobody */
    next_ns = MIN(world_next_event_ns(sim), world_next_deadline_ns(sim));
    if (next_ns == INT64_MAX && limit_ns == INT64_MAX) {
        return false;
    }
    if (MIN(next_ns, limit_ns) > sim->now_ns) {
        sim->idle_steps = 0;
    }
    world_advance(sim, MIN(next_ns, limit_ns));
    return true;
}

bool sim_step(struct sim *sim)
{
    return world_step(sim, INT64_MAX);
}

bool sim_run_until(struct sim *sim, bool (*condition)(void *context), void *context, int64_t max_ns)
{
    int64_t limit_ns = sim->now_ns + max_ns;

    while (!condition(context)) {
        if (sim->now_ns >= limit_ns || !world_step(sim, limit_ns)) {
            return condition(context);
        }
    }
    return true;
}

void sim_run_for(struct sim *sim, int64_t duration_ns)
{
    int64_t limit_ns = sim->now_ns + duration_ns;

    while (sim->now_ns < limit_ns && world_step(sim, limit_ns)) {
    }
}

/* --- io_run() when nothing is ready ----------------------------------------------------------- */

void sim__idle(struct sim_io *io, int64_t deadline_ns)
{
    struct sim *sim = io->sim;
    uint64_t    delivered = io->delivered; /* a turn taken below may run this back end's callbacks itself */
    int64_t     next_ns;

    if (sim->in_step) {
        io->sleep_until_ns = deadline_ns;
        return;
    }
    if (deadline_ns <= sim->now_ns) {
        /* A poll takes a moment: whoever polls in a loop sees time pass. */
        world_advance(sim, sim->now_ns + NS_PER_US);
        return;
    }
    while (list_empty(&io->ready) && !io->woken && io->delivered == delivered && sim->now_ns < deadline_ns) {
        if (sim->turn_count > 0) {
            CHECK(world_step(sim, deadline_ns)); /* nobody in the world will ever do anything: a deadlock */
            continue;
        }
        next_ns = MIN(world_next_event_ns(sim), deadline_ns);
        CHECK(next_ns != INT64_MAX); /* the same, with one back end */
        world_advance(sim, next_ns);
    }
}

void sim__due(struct sim *sim)
{
    world_advance(sim, sim->now_ns);
}
