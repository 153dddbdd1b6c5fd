/* recent: the files and references that a tree read or wrote last, for calls that would only read
 * them again to change them: the kernel looks a name up before it removes it.
 *
 * Nothing is believed of it. Who changes what is remembered here names its version or its inode
 * number in the change, which then fails if anybody was there meanwhile; and answers no error, and
 * nothing else, without having read.
 */
#ifndef TREE_RECENT_H
#define TREE_RECENT_H

#include "client/client.h"

#define RECENT_MAX 256u
#define RECENT_BYTES_MAX 1024u /* of key, attributes and content; larger ones are not kept */

struct recent;

struct recent *recent_new(void);
void recent_free(struct recent *recent);
/* The record was so; a directory's is not kept. content: of a reference; else not looked at. */
void recent_note(struct recent *recent, enum kv_space space, struct slice key,
                 const struct kv_stat *stat, struct slice content);
/* It has changed, or will. */
void recent_forget(struct recent *recent, enum kv_space space, struct slice key);
/* False: not known. *stat has kind, version, created and attr alone, which is borrowed, as *content
 * is, until the next call of this module. */
bool recent_find(const struct recent *recent, enum kv_space space, struct slice key,
                 struct kv_stat *stat, struct slice *content);

#endif
