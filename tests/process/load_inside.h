/* What load.c and load_verify.c share. */
#ifndef TESTS_PROCESS_LOAD_INSIDE_H
#define TESTS_PROCESS_LOAD_INSIDE_H

#include "client/client.h"
#include "process/load.h"

#define LOAD_KEY "load-%zu" /* a key's name, by its index */

enum token_outcome { TOKEN_OPEN, TOKEN_ACKNOWLEDGED, TOKEN_UNKNOWN, TOKEN_REFUSED };

struct token {
    uint32_t key; /* index */
    enum token_outcome outcome;
    bool found; /* by load_verify */
};

struct writer {
    struct load *load;
    unsigned number;
    struct client *client;
    struct env_timer timer; /* the pause after NO_SPACE */
    struct token *tokens;   /* by number; the last one is of the change in flight, if any */
    size_t token_count, token_room;
    /* The operation in flight. */
    struct value_call call;
    struct buffer data;
    char key_text[32];
    size_t key;
    size_t floor; /* a read must show at least this */
};

/* Levels (acked, seen, a read's floor): of a put key a token's number + 1; of an appended one how
 * many tokens. */
struct key_state {
    size_t issued;   /* changes that were sent */
    size_t acked;    /* the highest level that was acknowledged */
    size_t seen;     /* the highest that a read saw */
    bool has_failed; /* a change of it, in whatever way */
};

struct load {
    struct load_options options;
    struct env *env;
    struct rpc *rpc;
    struct router *router;
    struct client **clients;
    struct writer *writers;
    struct key_state *keys;
    struct env_timer wake; /* a turn ends after some milliseconds at most */
    size_t open;           /* operations in flight */
    bool stopping;
    uint64_t acknowledged, unknown, refused, reads;
};

/* Bytes between "W.N" and the newline. */
size_t load_filler(const struct load *load, size_t key, unsigned writer, size_t number);
void load_turn(struct load *load);
/* Starts nothing more and waits for what is in flight. */
void load_stop(struct load *load);

#endif
