/* cli_doctor.c: millrace doctor. */
#include "tools/cli/cli_doctor.h"

#include "io/io.h"
#include "tools/cli/cli_command.h"
#include "tools/cli/cli_out.h"

#include <stdarg.h>
#include <unistd.h>

#define DOCTOR_EXIT_URING 3 /* as of `millrace start` */
#define DOCTOR_EXIT_DATA  4
#define DOCTOR_DIRECTORY  "./millrace-data"

const struct cli_option cli_doctor_options[] = {
    {.kind = CLI_TEXT,
     .name = "dir",
     .value = "DIR",
     .complete = "file",
     .help = "where data is to be; default ./millrace-data, or . when that is not there yet"},
    CLI_OPTIONS_END,
};
const char cli_doctor_details[] =
    "Looks at what this process may use: kernel, io_uring, limits, CPUs, memory, the disk under DIR. Says for each\n"
    "thing that is in the way what it costs and how to lift it. Run it as the user, and in the container or unit, "
    "that\n"
    "the broker will have. Writes a scratch file of 1 MiB into DIR and removes it.\n"
    "\n"
    "Ends with 0 when a broker can start, 3 when io_uring cannot be used, 4 when data cannot be kept in DIR.\n";

static const char *const state_names[] = {"good", "limited", "slower", "broken"};

void doctor_find(struct doctor *doctor, const char *check, enum doctor_state state, const char *cure,
                 const char *format, ...)
{
    char    text[400];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    doctor->counts[state]++;
    cli_row(doctor->table);
    cli_put_text(doctor->table, "check", check);
    cli_put_text(doctor->table, "state", state_names[state]);
    cli_put_text(doctor->table, "found", cli_text_copy(doctor->cli, view_text(text)));
    cli_put_text(doctor->table, "cure", cure);
    if (!cli_out_is_json(doctor->cli)) {
        (void)printf("%-8s %-15s %s\n", state_names[state], check, text);
        if (cure != NULL) {
            (void)printf("%25s-> %s\n", "", cure);
        }
        (void)fflush(stdout);
    }
}

static void doctor_sum_up(const struct doctor *doctor)
{
    if (doctor->counts[DOCTOR_BROKEN] > 0) {
        (void)printf("\nA broker cannot start here: see what is broken.\n");
    } else if (doctor->counts[DOCTOR_SLOWER] + doctor->counts[DOCTOR_LIMITED] > 0) {
        (void)printf("\nA broker can start here; slower than it could be: %u, limited: %u.\n",
                     doctor->counts[DOCTOR_SLOWER], doctor->counts[DOCTOR_LIMITED]);
    } else {
        (void)printf("\nNothing is in a broker's way.\n");
    }
}

int cli_doctor_run(struct cli *cli)
{
    struct doctor doctor = {.cli = cli, .table = cli_table(cli, NULL, NULL)};
    struct io    *io;
    bool          stored = true;

    doctor.directory = cli_option(cli, "dir");
    if (doctor.directory == NULL) {
        doctor.directory = access(DOCTOR_DIRECTORY, F_OK) == 0 ? DOCTOR_DIRECTORY : ".";
    }
    doctor_machine(&doctor);
    doctor_system(&doctor);
    io = doctor_uring(&doctor);
    if (io != NULL) {
        stored = doctor_storage(&doctor, io);
        doctor_port(&doctor, io);
        io_destroy(io);
    }
    if (cli_out_is_json(cli)) {
        cli_out_print(cli);
    } else {
        doctor_sum_up(&doctor);
    }
    return io == NULL ? DOCTOR_EXIT_URING : stored ? CLI_DONE : DOCTOR_EXIT_DATA;
}
