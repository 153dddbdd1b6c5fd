/* Limits that a user meets. Each is enforced where the input enters, with a message that names it.
 */
#ifndef SHARDFS_LIMITS_H
#define SHARDFS_LIMITS_H

#define SF_KEY_BYTES_MAX 4096u          /* a key */
#define SF_VALUE_BYTES_MAX (1u << 20)   /* a value within one record; longer ones have extents */
#define SF_EXTENT_BYTES (1u << 20)      /* an extent of a long value */
#define SF_ATTR_BYTES_MAX 4096u         /* the opaque attributes of a record */
#define SF_TAIL_MAX 32u                 /* entries {first extent, data id} of a record's tail */
#define SF_MESSAGE_BYTES_MAX (8u << 20) /* one RPC message */
#define SF_FILE_BYTES_MAX (1ull << 44)  /* a long value: 16 TiB */
#define SF_APPEND_BYTES_MAX (3u << 20)  /* one append: a transaction carries it whole */
#define SF_SESSION_OPEN_MAX 256u        /* requests of one session whose replies are kept */
#define SF_SESSIONS_MAX 65536u          /* sessions of one shard */
#define SF_MINI_OPS_MAX 32u             /* operations of one minitransaction */
#define SF_SCAN_MAX 4096u               /* names in one page of a Scan */
#define SF_SHARDS_MAX 4096u             /* shards of a cluster */
#define SF_SHARDS_DEFAULT 64u
#define SF_GROUPS_MAX 1024u       /* groups of a Config */
#define SF_REPLICAS_MAX 9u        /* replicas of a group */
#define SF_ADDRESS_BYTES_MAX 256u /* HOST:PORT with its terminating 0 */

#endif
