/* hello: who is at the other end. The first request on a connection that is dialled, and the
 * question that tells a slow peer from a dead one. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "env/log.h"
#include "rpc/endpoint.h"

struct hello {
    uint64_t version;
    uint64_t cluster_id; /* 0: any */
    char role[ROLE_BYTES_MAX];
};

static void hello_pack(struct buffer *b, const struct rpc_options *options)
{
    pack_array(b, 3);
    pack_u64(b, PROTOCOL_VERSION);
    pack_u64(b, options->cluster_id);
    pack_str(b, options->role ? options->role : "");
}

/* It will stand in a log line. */
static bool is_printable(const char *text)
{
    while (isprint((unsigned char)*text))
        text++;
    return *text == 0;
}

static int hello_unpack(const msgpack_object *object, struct hello *out)
{
    struct cursor c = unpack_object(object);
    out->version = unpack_u64(&c, UINT64_MAX);
    out->cluster_id = unpack_u64(&c, UINT64_MAX);
    unpack_str(&c, out->role, sizeof out->role);
    return unpack_done(&c) && is_printable(out->role) ? SF_OK : SF_PROTOCOL;
}

static bool hello_fits(const struct hello *hello, const struct rpc_options *own)
{
    return hello->version == PROTOCOL_VERSION &&
           (hello->cluster_id == own->cluster_id || hello->cluster_id == 0 || own->cluster_id == 0);
}

/* -- asking -------------------------------------------------------------------------------- */

static void hello_on_done(struct rpc_call *call, int status, const msgpack_object *result)
{
    struct rpc_conn *conn = container_of(call, struct rpc_conn, hello);
    struct hello hello = {0};
    bool fits = status != SF_MISMATCH;
    if (status == SF_OK && hello_unpack(result, &hello) == SF_OK)
        fits = hello_fits(&hello, &conn->rpc->options);
    /* Any other failure says nothing about who is there: the answer was lost, or it is no server of
     * ours. */
    if (!fits) {
        log_warn("rpc", "%s belongs to another cluster or speaks another version", conn->address);
        conn_end(conn, SF_MISMATCH, MISMATCH_BACKOFF_MS);
    }
}

void hello_send(struct rpc_conn *conn)
{
    struct buffer params = {0};
    if (conn->hello.open)
        return;
    hello_pack(&params, &conn->rpc->options);
    call_start_on(conn, &conn->hello, "hello", &params, HELLO_TIMEOUT_MS, hello_on_done);
}

/* -- answering ----------------------------------------------------------------------------- */

static void refuse(struct rpc *rpc, struct rpc_request *request, const struct hello *hello)
{
    char text[160];
    struct rpc_conn *conn = conn_find_peer(rpc, rpc_request_peer(request));
    snprintf(text, sizeof text,
             "this is cluster %016llx, protocol %u; the caller said cluster %016llx, protocol %llu",
             (unsigned long long)rpc->options.cluster_id, PROTOCOL_VERSION,
             (unsigned long long)hello->cluster_id, (unsigned long long)hello->version);
    log_warn("rpc", "refused a %s: %s", hello->role, text);
    rpc_reply_error(request, SF_MISMATCH, text);
    if (conn->state == CONN_OPEN)
        conn_refuse(conn);
}

static void note_member(struct rpc_conn *conn, const struct hello *hello)
{
    const struct rpc_options *own = &conn->rpc->options;
    bool same = own->cluster_id != 0 && hello->cluster_id == own->cluster_id && own->role &&
                strcmp(hello->role, own->role) == 0;
    if (same && !conn->member) {
        conn->member = true;
        intake_forget(conn);
    }
}

void hello_on_request(void *ctx, struct rpc_request *request, const msgpack_object *params)
{
    struct rpc *rpc = ctx;
    struct hello hello = {0};
    if (hello_unpack(params, &hello) != SF_OK) {
        rpc_reply_error(request, SF_PROTOCOL, "hello takes [version, cluster id, role]");
    } else if (!hello_fits(&hello, &rpc->options)) {
        refuse(rpc, request, &hello);
    } else {
        struct buffer answer = {0};
        note_member(conn_find_peer(rpc, rpc_request_peer(request)), &hello);
        hello_pack(&answer, &rpc->options);
        rpc_reply(request, &answer);
    }
}
