/* broker_banner.h: what a person sees when the broker is ready. */
#ifndef MILLRACE_BROKER_BANNER_H
#define MILLRACE_BROKER_BANNER_H

#include "net/broker/broker.h"
#include "net/broker/broker_machine.h"

#include <stdio.h>

/* The last line, "millrace: ready", is stable: programs wait for it. */
void broker_banner_print(const struct broker *broker, struct io *io, const struct machine *machine,
                         const char *http_url, FILE *out);

#endif
