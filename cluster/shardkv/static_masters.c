/* static_masters: where the placement is static, every server answers for the shardmasters that
 * there are not, so that a client is told of any server and finds the others.
 *
 *   master.query [num, pass on]                      -> [SF_OK, "", Config]; Config 0 has no groups
 *   master.join, master.leave, master.move [...]     -> SF_UNSUPPORTED
 */
#include "proto/codec.h"
#include "shardkv/service.h"

static void answer(struct rpc_request *request, const struct config *config)
{
    struct buffer result = {0};
    pack_array(&result, 3);
    pack_i64(&result, SF_OK);
    pack_str(&result, "");
    codec_pack_config(&result, config);
    rpc_reply(request, &result);
}

static void on_query(void *ctx, struct rpc_request *request, const msgpack_object *params)
{
    const struct shardkv *service = ctx;
    struct cursor c = unpack_object(params);
    int64_t num = unpack_i64(&c);
    if (unpack_left(&c) > 0)
        (void)unpack_bool(&c); /* may it be passed on? It need not be */
    if (!unpack_done(&c)) {
        rpc_reply_error(request, SF_PROTOCOL, "master.query has parameters [number, pass on]");
    } else if (num == 0) {
        struct config *none = config_new(service->fixed->shard_count, service->fixed->routing);
        answer(request, none);
        config_free(none);
    } else {
        answer(request, service->fixed);
    }
}

static void on_change(void *ctx, struct rpc_request *request, const msgpack_object *params)
{
    (void)ctx;
    (void)params;
    rpc_reply_error(request, SF_UNSUPPORTED, "the placement is static: it never changes");
}

void static_masters_serve(struct shardkv *service)
{
    rpc_on_request(service->rpc, "master.query", on_query, service);
    rpc_on_request(service->rpc, "master.join", on_change, service);
    rpc_on_request(service->rpc, "master.leave", on_change, service);
    rpc_on_request(service->rpc, "master.move", on_change, service);
}
