/* Configs: what is decoded is one on which the next Config can be built. */
#include "fuzz/fuzz_codec.h"

static int again(struct cursor *c, struct buffer *b)
{
    struct config *config = NULL;
    int status = codec_unpack_config(c, &config);
    if (status != SF_OK)
        return status;
    codec_pack_config(b, config);
    for (size_t i = 0; i < config->group_count; i++)
        sf_assert(group_identity(&config->groups[i]) != 0);
    struct config *next = NULL;
    group_id which = 0, first = config->group_count > 0 ? config->groups[0].gid : 0;
    if (first != 0 && config_leave(config, &first, 1, &next, &which) == SF_OK)
        sf_assert(next->group_count == config->group_count - 1);
    config_free(next);
    config_free(config);
    return SF_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    fuzz_codec(slice_of(bytes, n), again);
    return 0;
}

void fuzz_seed(struct sample *s, struct buffer *b)
{
    struct config *config = sample_config(s);
    pack_array(b, 1);
    codec_pack_config(b, config);
    config_free(config);
}
