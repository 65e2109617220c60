/* kp_random_source.h: random field values for the generated kp_random.c. Everything comes from one seed and one arena.
 */
#ifndef MILLRACE_KP_RANDOM_SOURCE_H
#define MILLRACE_KP_RANDOM_SOURCE_H

#include "core/base/arena.h"
#include "core/base/prng.h"

struct kp_random {
    struct prng  prng;
    struct arena arena;
};

void kp_random_init(struct kp_random *random, uint64_t seed);
void kp_random_deinit(struct kp_random *random);
/* True now and then, so that defaults and left-out tagged fields are met. */
bool  kp_random_keeps_default(struct kp_random *random);
void *kp_random_alloc(struct kp_random *random, int32_t count, size_t element_bytes);

bool        kp_random_bool(struct kp_random *random);
int8_t      kp_random_int8(struct kp_random *random);
int16_t     kp_random_int16(struct kp_random *random);
uint16_t    kp_random_uint16(struct kp_random *random);
int32_t     kp_random_int32(struct kp_random *random);
uint32_t    kp_random_uint32(struct kp_random *random);
int64_t     kp_random_int64(struct kp_random *random);
double      kp_random_float64(struct kp_random *random);
struct uuid kp_random_uuid(struct kp_random *random);
struct view kp_random_string(struct kp_random *random, bool nullable);
struct view kp_random_bytes(struct kp_random *random, bool nullable);
/* Small; -1 for null now and then. */
int32_t kp_random_count(struct kp_random *random, bool nullable);
/* As one view or as parts. */
void kp_random_records(struct kp_random *random, bool nullable, struct view *out_records, const struct view **out_parts,
                       int32_t *out_parts_count);

/* Null and empty differ. */
bool kp_random_view_equal(struct view a, struct view b);
/* Equal as bytes on the wire, however they are split. */
bool kp_random_records_equal(struct view a, const struct view *a_parts, int32_t a_parts_count, struct view b,
                             const struct view *b_parts, int32_t b_parts_count);

#endif
