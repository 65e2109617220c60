/* sim_internal.h: what the files of io/sim share. See sim.h for what the world promises.
 *
 * The life of an operation here: sim__submit() wraps the caller's op in a struct sim_pending, which is in flight until
 * its last callback. Disk operations take effect when their event fires (sim__disk_apply), network operations when
 * bytes move. The result is queued on the back end (sim__ready) and delivered by its next io_run(). */
#ifndef MILLRACE_SIM_INTERNAL_H
#define MILLRACE_SIM_INTERNAL_H

#include "core/base/map.h"
#include "io/io_internal.h"
#include "io/sim/sim.h"

#define SIM_PAGE_BYTES   4096
#define SIM_SECTOR_BYTES 512
#define SIM_NAME_BYTES   256
#define SIM_TURNS_MAX    256

struct sim_host;
struct sim_io;
struct sim_pending;
struct sim_inode;
struct sim_end;

typedef void sim_fire_fn(struct sim *sim, void *context);

/* Embedded in whatever waits; index 0 = not scheduled. */
struct sim_event {
    int64_t      at_ns;
    uint64_t     sequence;
    size_t       index;
    sim_fire_fn *fire;
    void        *context;
};

enum sim_handle_kind { SIM_HANDLE_FREE, SIM_HANDLE_FILE, SIM_HANDLE_DIRECTORY, SIM_HANDLE_LISTENER, SIM_HANDLE_SOCKET };

struct sim_handle {
    enum sim_handle_kind kind;
    uint32_t             flags;     /* enum io_open_flags */
    uint32_t             in_flight; /* operations that name this handle */
    struct sim_inode    *inode;
    struct sim_listener *listener;
    struct sim_end      *end;
};

/* One operation between submit and its last callback. */
struct sim_pending {
    struct list_node   link; /* sim_io.pending */
    struct list_node   wait; /* listener or connection queue */
    struct sim_event   event;
    struct sim_io     *io;
    struct io_op      *op;
    struct sim_handle *handle;    /* NULL when the kind has none */
    uint64_t           snapshot;  /* disk sequence at submission: what a sync covers */
    uint32_t           checksum;  /* of the memory of a write or send */
    int                fault;     /* ERR_ to end with, 0 = none */
    uint64_t           cut_after; /* the serial of the cut that comes when this has completed; 0: none */
    bool               finished;  /* its last result is queued */
    uint64_t           moved;     /* bytes so far: IO_RECV_ALL */
};

/* One callback to deliver. */
struct sim_ready {
    struct list_node    link;
    struct sim_pending *pending;
    int32_t             result;
    bool                more;
    struct span         received; /* from mem_alloc; freed after the callback */
};

struct sim_io {
    struct io           io;
    struct sim         *sim;
    struct sim_host    *host;
    uint32_t            core;
    bool                dead;   /* its host is down: no callbacks */
    bool                reaped; /* dead, and everything ends with ERR_IO */
    bool                woken;
    int64_t             sleep_until_ns; /* noted by io_run() inside a turn */
    struct list_node    link;           /* sim.ios */
    struct list_node    pending;
    struct list_node    ready;
    struct sim_handle **handles; /* by id; ids are not used again, so that a stale one is found */
    uint32_t            handle_count;
    uint32_t            handle_capacity;
    uint32_t            handles_open;
    uint64_t            delivered; /* callbacks run */
};

/* --- disk model ------------------------------------------------------------------------------- */

/* Shared between the visible image, the durable image and the unsynced changes; written only while refs == 1. */
struct sim_page {
    uint32_t refs;
    uint8_t  bytes[SIM_PAGE_BYTES];
};

struct sim_slot {
    struct sim_page *visible; /* NULL: zeros */
    struct sim_page *durable;
    bool             allocated;
};

enum sim_change_kind { SIM_CHANGE_WRITE, SIM_CHANGE_PUNCH, SIM_CHANGE_TRUNCATE, SIM_CHANGE_SIZE };

/* One unsynced change of a file, in order of completion. */
struct sim_change {
    struct list_node     link;
    enum sim_change_kind kind;
    uint64_t             sequence;
    uint64_t             offset;  /* WRITE, PUNCH: the range. SIZE: 0 */
    uint64_t             length;  /* SIZE: the size to grow to. TRUNCATE: 0 */
    bool                 durable; /* covered, but an earlier overlapping change is not */
    bool                 lost;    /* a sync over it failed: no later one may cover it */
    bool                 buffered;
    bool                 in_flight; /* the crash caught it before completion */
    size_t               page_count;
    struct sim_page     *pages[]; /* WRITE: the pages the range touches, as they were right after it */
};

enum sim_name_kind { SIM_NAME_CREATE, SIM_NAME_UNLINK, SIM_NAME_RENAME };

/* One unsynced change of a directory. */
struct sim_name_change {
    struct list_node   link;
    enum sim_name_kind kind;
    uint64_t           sequence;
    struct sim_inode  *inode;
    struct sim_inode  *from_directory; /* RENAME */
    char               name[SIM_NAME_BYTES];
    char               from[SIM_NAME_BYTES];
};

struct sim_range_bytes {
    uint64_t offset;
    uint64_t length;
};

struct sim_inode {
    struct list_node link; /* sim_disk.inodes, in order of creation */
    struct sim_disk *disk;
    uint32_t         refs; /* names (visible and durable), name changes, handles, temporary holds */
    uint32_t         visible_links;
    uint32_t         handles;
    bool             is_directory;
    bool             space_given_back;
    char             label[SIM_NAME_BYTES]; /* its first name, for traces */
    int64_t          modified_ms;
    /* file */
    uint64_t                visible_size;
    uint64_t                durable_size;
    struct sim_slot        *slots;
    size_t                  slot_count;
    uint64_t                allocated_pages;
    struct list_node        changes;
    struct sim_range_bytes *unreadable;
    size_t                  unreadable_count;
    /* directory */
    struct map       visible;
    struct map       durable;
    struct list_node name_changes;
};

struct sim_disk {
    struct sim       *sim;
    struct sim_inode *root;
    struct list_node  inodes;
    uint64_t          sequence;
    uint64_t          capacity_bytes;
    uint64_t          used_pages;
};

/* --- network model ------------------------------------------------------------------------------- */

/* One end of a connection. */
struct sim_end {
    struct list_node    link; /* sim.ends */
    struct list_node    queued;
    struct sim         *sim;
    struct sim_host    *host;
    struct sim_end     *peer; /* NULL once the peer's end is gone */
    struct io_address   local;
    struct io_address   remote;
    bool                open;  /* a handle names it, or it waits in an accept queue */
    bool                ended; /* no more bytes will come: end of stream read */
    bool                reset;
    bool                shut;      /* we have sent end of stream */
    struct list_node    under_way; /* to this end */
    struct list_node    arrived;
    size_t              buffered; /* bytes under way and arrived */
    int64_t             last_arrival_ns;
    struct sim_event    arrival;
    struct sim_event    send_event;
    struct sim_pending *receiver; /* RECV or RECV_MULTI */
    struct list_node    senders;  /* sim_pending.wait: SEND and SEND_FILE, in order */
};

struct sim_fail {
    uint64_t countdown; /* 0: not armed, or fired */
    uint64_t seen;
    uint32_t classes;
    int      error;
    bool     sticky;
    bool     stuck;
};

struct sim_cut {
    uint64_t             serial; /* of what was asked for last: asking again, or disarming, ends what is on its way */
    uint64_t             countdown; /* 0: not armed */
    enum sim_cut_when    when;
    uint64_t             seed;
    enum sim_crash_style style;
};

struct sim_host {
    struct sim     *sim;
    uint32_t        index;
    bool            down;
    struct sim_io  *cores[SIM_CORES_MAX];
    struct sim_disk disk;
    struct map      locks; /* path -> struct sim_io * */
    uint64_t        change_count;
    uint64_t        operation_count;
    struct sim_fail fail;
    struct sim_cut  cut;
};

struct sim_turn {
    sim_turn_fn *turn;
    void        *context;
    const void  *owner;
};

struct sim {
    struct sim_options options;
    int64_t            now_ns;
    int64_t            wall_offset_ms;
    struct prng        prng_schedule; /* latencies, order of turns */
    struct prng        prng_fault;    /* short counts, errors */
    struct prng        prng_program;  /* io_random() */
    struct prng        prng_test;     /* sim_prng() */
    struct sim_event **heap;          /* 1-based */
    size_t             heap_count;
    size_t             heap_capacity;
    uint64_t           event_sequence;
    uint64_t           trace_hash;
    struct sim_page   *zero_page;
    struct sim_host   *hosts[SIM_HOSTS_MAX];
    struct list_node   ios;
    struct sim_turn    turns[SIM_TURNS_MAX];
    uint32_t           turn_count;
    bool               in_step;
    uint64_t           idle_steps; /* in which neither work was done nor time moved */
    /* network */
    struct list_node listeners;
    struct list_node ends;
    uint16_t         port_next;
    bool             partitioned[SIM_HOSTS_MAX][SIM_HOSTS_MAX];
};

/* sim_world.c */
void    sim__schedule(struct sim *sim, struct sim_event *event, int64_t delay_ns, sim_fire_fn *fire, void *context);
void    sim__unschedule(struct sim *sim, struct sim_event *event);
int64_t sim__draw(struct sim *sim, struct sim_range range);
/* io_run() with nothing to do: time passes, or the deadline is noted for the world. */
void sim__idle(struct sim_io *io, int64_t deadline_ns);
/* Fires what is due at the present instant. */
void             sim__due(struct sim *sim);
bool             sim__chance(struct sim *sim, struct sim_ratio ratio);
int64_t          sim__wall_ms(const struct sim *sim);
struct sim_host *sim__host(const struct sim *sim, uint32_t host);

/* sim_io.c */
extern const struct io_backend sim__backend;
/* Queues one callback. more == false: the last one. `received` is handed over. */
void sim__ready(struct sim_pending *pending, int32_t result, bool more, struct span received);
void sim__finish(struct sim_pending *pending, int32_t result);
/* ERR_DESCRIPTORS, or the id. */
int                sim__handle_open(struct sim_io *io, enum sim_handle_kind kind, struct sim_handle **out_handle);
struct sim_handle *sim__handle(struct sim_io *io, struct io_handle handle);
void               sim__handle_free(struct sim_io *io, struct io_handle handle);
struct sim_io     *sim__io(struct io *io);
/* The process behind these back ends has stopped: handles and locks are gone, nothing calls back. */
void     sim__io_die(struct sim_io *io);
void     sim__io_reap(struct sim_io *io);
uint32_t sim__op_checksum(const struct io_op *op);

/* sim_page.c */
struct sim_page *sim__page_ref(struct sim_page *page);
void             sim__page_unref(struct sim_page *page);
/* Replaces part of a page. Whole pages of zeros are shared: pre-written files are mostly that. */
void sim__page_write(struct sim *sim, struct sim_page **slot, size_t at, const uint8_t *bytes, size_t len);
void sim__page_zero(struct sim_page **slot, size_t at, size_t len);
/* The part of [offset, offset + length) that lies in page `index`: its place in the page, its length. */
size_t sim__page_part(uint64_t offset, uint64_t length, size_t index, size_t *out_at);
size_t sim__page_first(uint64_t offset);
size_t sim__page_end(uint64_t offset, uint64_t length);

/* sim_disk.c: contents of files */
/* All inodes, each with a reference, in order of creation; sim__inodes_release() gives it back. */
struct sim_inode **sim__inodes_hold(struct sim_disk *disk, size_t *out_count);
void               sim__inodes_release(struct sim_inode **inodes, size_t count);
void               sim__slots_reach(struct sim_inode *inode, size_t count);
void               sim__slot_deallocate(struct sim_inode *inode, size_t index);
void               sim__changes_clear(struct sim_inode *inode);
/* A range of a write, or a whole change, reaches the durable image. */
void sim__durable_write(struct sim_inode *inode, const struct sim_change *change, uint64_t offset, uint64_t length);
void sim__durable_apply(struct sim_inode *inode, const struct sim_change *change);
void sim__disk_init(struct sim_disk *disk, struct sim *sim);
void sim__disk_deinit(struct sim_disk *disk);
struct sim_inode *sim__inode_create(struct sim_disk *disk, bool is_directory);
struct sim_inode *sim__inode_ref(struct sim_inode *inode);
void              sim__inode_unref(struct sim_inode *inode);
void              sim__inode_settle_space(struct sim_inode *inode);
/* Bytes written, or ERR_NO_SPACE when not even the first fits. */
int64_t sim__inode_write(struct sim_inode *inode, uint64_t offset, struct view bytes, bool buffered, bool in_flight);
size_t  sim__inode_read(const struct sim_inode *inode, uint64_t offset, struct span into);
bool    sim__inode_unreadable(const struct sim_inode *inode, uint64_t offset, uint64_t length);
int     sim__inode_allocate(struct sim_inode *inode, uint64_t offset, uint64_t length);
void    sim__inode_punch(struct sim_inode *inode, uint64_t offset, uint64_t length);
void    sim__inode_truncate(struct sim_inode *inode);
/* Everything up to `snapshot` is durable; with failed, it is lost instead. */
void sim__inode_sync(struct sim_inode *inode, uint64_t snapshot, bool failed);
/* The write with this sequence is durable; without FUA, what the device's cache held at `snapshot` too. */
void sim__inode_make_durable(struct sim_inode *inode, uint64_t sequence, uint64_t snapshot);
void sim__inode_poke(struct sim_inode *inode, uint64_t offset, struct view bytes);
void sim__inode_resize(struct sim_inode *inode, uint64_t size_bytes);
void sim__inode_bad(struct sim_inode *inode, uint64_t offset, uint64_t length);
/* A power cut: what survives becomes the durable and the visible content. */
void sim__inode_crash(struct sim_inode *inode, struct prng *prng, enum sim_crash_style style);

/* sim_fs.c: names */
int  sim__fs_find(struct sim_disk *disk, const char *path, struct sim_inode **out_inode);
int  sim__fs_create(struct sim_disk *disk, const char *path, bool is_directory, struct sim_inode **out_inode);
int  sim__fs_unlink(struct sim_disk *disk, const char *path, bool is_directory);
int  sim__fs_rename(struct sim_disk *disk, const char *from, const char *to);
int  sim__fs_list(struct sim_disk *disk, struct prng *prng, const char *path, io_list_fn *each, void *context);
void sim__fs_sync(struct sim_inode *directory, uint64_t snapshot, bool failed);
void sim__fs_crash(struct sim_inode *directory, struct prng *prng, enum sim_crash_style style);
void sim__fs_adopt(struct sim_inode *directory); /* after a crash: the durable names are the visible ones */
/* Forgets all names; the inode stays usable. */
void sim__fs_clear(struct sim_inode *directory);
void sim__fs_deinit(struct sim_inode *directory);

/* sim_file.c: file operations and the crash of a whole disk */
void sim__file_submit(struct sim_pending *pending);
void sim__host_power_cut(struct sim_host *host, uint64_t seed, enum sim_crash_style style);
int  sim__volume_probe(struct io *io, const char *path, struct io_volume *out_volume);
int  sim__volume_free(struct io *io, const char *path, uint64_t *out_free_bytes, uint64_t *out_total_bytes);

/* sim_fault.c: decides whether this operation fails; 0 or ERR_ */
int sim__fault(struct sim_host *host, enum io_kind kind);

/* sim_stream.c */
struct sim_end *sim__end_create(struct sim_host *host, const struct io_address *local, const struct io_address *remote);
/* Closes and frees it; died: with a reset. */
void sim__end_close(struct sim_end *end, bool died);
void sim__end_free(struct sim_end *end);
/* The connection breaks at this end: what waits on it ends with ERR_CLOSED. */
void sim__end_break(struct sim_end *end);
void sim__end_fail_sends(struct sim_end *end);
void sim__submit_recv(struct sim_pending *pending);
void sim__submit_send(struct sim_pending *pending);
void sim__submit_shutdown(struct sim_pending *pending);

/* sim_net.c */
void sim__net_submit(struct sim_pending *pending);
bool sim__net_cancel(struct sim_pending *pending); /* true: it ends with ERR_CANCELED */
void sim__net_close(struct sim_io *io, struct sim_handle *handle, bool died);
int  sim__listen(struct io *io, const struct io_address *address, uint32_t backlog, struct io_handle *out_listener);
int  sim__local_address(struct io *io, struct io_handle socket, struct io_address *out_address);
int  sim__peer_address(struct io *io, struct io_handle socket, struct io_address *out_address);
void sim__net_deinit(struct sim *sim);

#endif
