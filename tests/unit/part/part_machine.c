#include "tests/unit/part/part_machine.h"

static bool machine_is_done(void *context)
{
    return ((struct part_machine *)context)->done;
}

void part_machine_wait(struct part_machine *machine)
{
    assert_true(sim_run_until(machine->sim, machine_is_done, machine, PATIENCE_NS));
    machine->done = false;
}

static void store_done(void *context, int result)
{
    struct part_machine *machine = context;

    machine->done = true;
    machine->result = result;
}

void part_machine_done(void *context, int16_t error)
{
    store_done(context, error);
}

void part_machine_start(struct part_machine *machine)
{
    struct io_host_options host = {
        .core_count = 1, .shard_count = 1, .region_bytes_per_core = 16 * MIB, .budget_bytes_per_core = 64 * MIB};

    machine->io = sim_io(machine->sim, 0, 0);
    machine->host = io_host_create(&host, &machine->io);
    sim_add_host(machine->sim, machine->host);
    assert_int_equal(io_volume_probe(machine->io, ".", &machine->store_options.volume), ERR_OK);
    machine->store = store_create(io_host_shard(machine->host, 0), &machine->store_options);
    store_open(machine->store, store_done, machine);
    part_machine_wait(machine);
    assert_int_equal(machine->result, ERR_OK);
    machine->table = part_table_create(io_host_shard(machine->host, 0), machine->store);
    machine->part = part_open(machine->table, &machine->options, part_machine_done, machine);
    part_machine_wait(machine);
    assert_int_equal(machine->result, KP_ERR_NONE);
    assert_true(part_online(machine->part));
}

static void machine_bury(struct part_machine *machine)
{
    part_table_destroy(machine->table);
    store_destroy(machine->store);
    sim_remove_turn(machine->sim, machine->host);
    io_host_destroy(machine->host);
    io_destroy(machine->io);
}

void part_machine_stop(struct part_machine *machine)
{
    part_table_close(machine->table, part_machine_done, machine);
    part_machine_wait(machine);
    store_close(machine->store, store_done, machine);
    part_machine_wait(machine);
    assert_int_equal(machine->result, ERR_OK);
    machine_bury(machine);
}

void part_machine_cut(struct part_machine *machine, bool kill)
{
    if (kill) {
        sim_kill(machine->sim, 0, prng_next(&machine->prng));
    } else {
        sim_crash(machine->sim, 0, prng_next(&machine->prng),
                  (enum sim_crash_style)prng_below(&machine->prng, SIM_CRASH_STYLE_COUNT));
    }
    sim_reap(machine->sim, 0);
    part_table_close(machine->table, part_machine_done, machine);
    part_machine_wait(machine);
    machine_bury(machine);
}

static void read_answered(struct part_read *read)
{
    ((struct part_machine *)read->user)->done = true;
}

struct view part_machine_read(struct part_machine *machine, struct part_read *read)
{
    uint8_t *joined;
    size_t   len = 0;

    read->done = read_answered;
    read->user = machine;
    if (!part_read(machine->part, read)) {
        part_machine_wait(machine);
    }
    assert_int_equal(read->error, KP_ERR_NONE);
    assert_true(read->store.bytes > 0 && read->store.next_offset > read->offset);
    joined = mem_alloc(MEM_TEST, read->store.bytes);
    for (uint32_t i = 0; i < read->store.slice_count; i++) {
        memcpy(joined + len, read->store.slices[i].base, read->store.slices[i].len);
        len += read->store.slices[i].len;
    }
    assert_int_equal(len, read->store.bytes);
    part_read_release(read);
    return view_of(joined, len);
}
