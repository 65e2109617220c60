/* MD5 and the SHA family: the query engine's door to libcrypto. Results are lower-case hexadecimal digits. */
#include <openssl/evp.h>

#include "compute/expr/expr_text.h"
#include "core/base/check.h"

#define HEX_BYTES_MAX 128

struct digest {
    const char *function;
    const char *algorithm; /* libcrypto's name */
    int32_t     hex_len;
};

static const struct digest digests[] = {
    {"MD5", "MD5", 32},         {"SHA1", "SHA1", 40},       {"SHA224", "SHA2-224", 56},
    {"SHA256", "SHA2-256", 64}, {"SHA384", "SHA2-384", 96}, {"SHA512", "SHA2-512", 128},
};

/* Of one step of one program. */
struct digester {
    EVP_MD     *algorithm;
    EVP_MD_CTX *context;
};

static void release_digester(void *object)
{
    struct digester *digester = object;

    EVP_MD_CTX_free(digester->context);
    EVP_MD_free(digester->algorithm);
    mem_free(MEM_COMPUTE, digester);
}

static struct digester *digester_of(struct expr_call *call)
{
    const struct digest *const *digest = call->state;
    struct digester            *digester = call->scratch->object;

    if (digester == NULL) {
        digester = mem_alloc(MEM_COMPUTE, sizeof(*digester));
        digester->algorithm = EVP_MD_fetch(NULL, (*digest)->algorithm, NULL);
        digester->context = EVP_MD_CTX_new();
        *call->scratch = (struct expr_scratch){.object = digester, .release = release_digester};
    }
    return digester;
}

static bool digest_rows(struct expr_call *call)
{
    static const char digits[] = "0123456789abcdef";
    struct vec_access texts = vec_access_of(&call->arguments[0]);
    struct digester  *digester = digester_of(call);

    for (uint32_t i = 0; i < call->row_count; i++) {
        size_t        row = expr__row(call, i);
        struct view   text = expr__view_at(&texts, row);
        unsigned char bytes[EVP_MAX_MD_SIZE];
        char          hex[HEX_BYTES_MAX];
        unsigned      len = 0;

        if (digester->algorithm == NULL || digester->context == NULL ||
            EVP_DigestInit_ex2(digester->context, digester->algorithm, NULL) != 1 ||
            EVP_DigestUpdate(digester->context, text.base, text.len) != 1 ||
            EVP_DigestFinal_ex(digester->context, bytes, &len) != 1 || len * 2 > sizeof(hex)) {
            return expr__fail(call, row, "the system's libcrypto does not offer %s", call->expr->function->name);
        }
        for (unsigned at = 0; at < len; at++) {
            hex[2 * at] = digits[bytes[at] >> 4];
            hex[2 * at + 1] = digits[bytes[at] & 15];
        }
        if (!expr__put_copy(call, row, hex, (size_t)len * 2)) {
            return false;
        }
    }
    return true;
}

static bool bind_digest(struct expr_bind *bind, const struct digest *digest)
{
    const struct digest **state = arena_alloc(bind->maker->arena, sizeof(struct digest *));

    if (state == NULL) {
        return expr__refuse(bind->maker, "the statement needs more memory than a plan may have");
    }
    *state = digest;
    bind->out.state = state;
    expr__result(bind, vec_type_of(VEC_CHAR), digest_rows);
    bind->out.result.nullable = false;
    bind->out.result.length = digest->hex_len;
    return expr__want_text(bind, 0);
}

bool expr__bind_digest(struct expr_bind *bind)
{
    for (size_t i = 0; i < COUNT_OF(digests); i++) {
        if (strcmp(digests[i].function, bind->name) == 0) {
            return bind_digest(bind, &digests[i]);
        }
    }
    CHECK(false);
    return false;
}

/* SHA2(text, bits): the bits as a number in the statement. */
bool expr__bind_sha2(struct expr_bind *bind)
{
    int64_t bits = 0;

    if (!expr__constant_int(bind->arguments[1], &bits) || (bits != 224 && bits != 256 && bits != 384 && bits != 512)) {
        return expr__refuse(bind->maker, "SHA2 wants 224, 256, 384 or 512 as a number");
    }
    bind->count = 1;
    for (size_t i = 0; i < COUNT_OF(digests); i++) {
        if (digests[i].hex_len == bits / 4 && strncmp(digests[i].function, "SHA", 3) == 0 && bits >= 224) {
            bool ok = bind_digest(bind, &digests[i]);

            bind->out.result.kind = VEC_VARCHAR;
            bind->out.result.length = HEX_BYTES_MAX;
            return ok;
        }
    }
    return false;
}
