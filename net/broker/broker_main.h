/* broker_main.h: the commands that are the broker: `millrace start`, `config` without a command, `version`.
 *
 * Each takes the words behind its name and returns the exit code: 0 done, 1 failed, 2 wrong usage or settings, 3
 * io_uring cannot be used, 4 the data directory or a listener cannot be used. main() and the client commands live in
 * tools/cli, which includes this; nothing else does. Called once, from the main thread. */
#ifndef MILLRACE_BROKER_MAIN_H
#define MILLRACE_BROKER_MAIN_H

int broker_main_start(int word_count, char **words);
int broker_main_config(int word_count, char **words);
int broker_main_version(int word_count, char **words);

#endif
