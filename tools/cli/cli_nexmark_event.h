/* cli_nexmark_event.h: events of the Nexmark benchmark, from a seed.
 *
 * Of every 50 events one is a person, three are auctions, 46 are bids. Half of the bids go to one hot auction of every
 * hundred, three quarters of them come from one hot bidder, three quarters of the auctions from one hot seller. A
 * price is 100 * 10^(6u), u uniform; 10,000 channels have a fixed address each, four hot ones take half of the bids.
 *
 * Event n is a function of (seed, rate, n) alone: any part of a stream can be made by itself, and the bytes are the
 * same on every machine and with every compiler, because all arithmetic is on integers. The draws are those of
 * the generator that the golden results of tests/data/sql were made with: same seed, same bytes.
 *
 * Ownership: nexmark_destroy() ends what nexmark_create() made (about 2 MiB). Threads: one for each generator. */
#ifndef MILLRACE_CLI_NEXMARK_EVENT_H
#define MILLRACE_CLI_NEXMARK_EVENT_H

#include "core/base/base.h"

#define NEXMARK_EVENT_BYTES_MAX 2048
/* Times have four digits for the year. */
#define NEXMARK_TIME_S_MAX INT64_C(200000000000)

struct nexmark;

/* rate: events in a second of event time, at least 1. */
MUST_USE struct nexmark *nexmark_create(uint64_t seed, uint64_t rate);
void                     nexmark_destroy(struct nexmark *nexmark);
/* Writes event n as one JSON object and a line feed; returns its bytes, at most NEXMARK_EVENT_BYTES_MAX. */
size_t nexmark_event(struct nexmark *nexmark, uint64_t n, uint8_t *out_line);
/* Event time in milliseconds since 1970. */
int64_t nexmark_time_ms(uint64_t n, uint64_t rate);
/* 100 * 10^(6u) to the nearest integer, u = draw / 2^53. */
int64_t nexmark_price(uint64_t draw);

#endif
