/* Error codes: one list for the whole project.
 *
 * A function that can fail returns an int: 0 (SF_OK) or one of the negative values below. They lie
 * in a range of their own (-2001 downwards), so that an errno or a libuv code that leaked shows.
 * SF_NOT_LEADER and its like are also answers of the protocol: they travel in replies by value, so
 * numbers are never reused and new ones go to the end.
 */
#ifndef SHARDFS_ERROR_H
#define SHARDFS_ERROR_H

#define SF_ERROR_LIST(X)                                                                           \
    X(NOT_FOUND, -2001, "no such key")                                                             \
    X(EXISTS, -2002, "the key exists already")                                                     \
    X(PRECONDITION, -2003, "the precondition does not hold")                                       \
    X(IS_DIRECTORY, -2004, "the key is a directory")                                               \
    X(IS_REFERENCE, -2005, "the key is a reference to another key")                                \
    X(NOT_EMPTY, -2006, "the prefix is not empty")                                                 \
    X(TOO_BIG, -2007, "larger than the limit")                                                     \
    X(INVALID, -2008, "an argument is not valid")                                                  \
    X(UNSUPPORTED, -2009, "this operation is not supported")                                       \
    X(WRONG_GROUP, -2010, "this group does not serve the shard")                                   \
    X(NOT_LEADER, -2011, "this replica does not lead its group")                                   \
    X(OVERLOADED, -2012, "too many requests are waiting")                                          \
    X(LOCKED, -2013, "the key is locked by a transaction")                                         \
    X(STALE, -2014, "the request number is below the first incomplete one")                        \
    X(ABANDONED, -2015, "the request was abandoned by its client")                                 \
    X(SESSION_EXPIRED, -2016, "the session is unknown or has expired")                             \
    X(UNKNOWN, -2017, "the outcome is unknown: it may or may not have happened")                   \
    X(TIMEOUT, -2018, "the time for this call is over; nothing was changed")                       \
    X(CANCELLED, -2019, "the call was cancelled before it was sent")                               \
    X(NO_SPACE, -2020, "no space is left on the cluster's disks")                                  \
    X(BUSY, -2021, "the store is busy; try again shortly")                                         \
    X(CORRUPT, -2022, "stored data is damaged")                                                    \
    X(IO, -2023, "an input/output operation failed")                                               \
    X(PROTOCOL, -2024, "the message breaks the protocol")                                          \
    X(CLOSED, -2025, "the connection is closed")                                                   \
    X(UNREACHABLE, -2026, "nothing answers at this address")                                       \
    X(IN_USE, -2027, "another process uses it")                                                    \
    X(MISMATCH, -2028, "it belongs to another cluster, group or replica")                          \
    X(NOT_YET, -2029, "not ready yet; ask again")                                                  \
    X(GONE, -2030, "it was here and is gone")                                                      \
    X(NO_GROUP, -2031, "no such group")                                                            \
    X(GROUP_EXISTS, -2032, "the group has joined already")                                         \
    X(NO_SHARD, -2033, "no such shard")                                                            \
    X(NO_METHOD, -2034, "the server does not know this method")                                    \
    X(INTENT_GONE, -2035, "the extents' intent is gone; write them again under a new id")          \
    X(SESSIONS_FULL, -2036, "too many requests of this session are open")                          \
    X(ADDRESS, -2037, "this is not an address of the form HOST:PORT")                              \
    X(PERMISSION, -2038, "permission denied")                                                      \
    X(NOT_DIRECTORY, -2039, "not a directory")                                                     \
    X(STALE_FILE, -2041, "this file is gone")                                                      \
    X(NAME_TOO_LONG, -2042, "the name is too long")                                                \
    X(FILE_TOO_BIG, -2043, "larger than the largest file")                                         \
    X(BAD_ATTR, -2044, "the attributes are damaged or of a newer version")                         \
    X(INTERRUPTED, -2045, "interrupted by a signal")                                               \
    X(LINKS, -2046, "too many symbolic links")                                                     \
    X(NO_XATTR, -2047, "no such extended attribute")                                               \
    X(CONFLICT, -2048, "another transaction holds one of the keys")                                \
    X(MANY_NAMES, -2049, "the file has too many names")                                            \
    X(LOCK_HELD, -2050, "another owner holds a lock on these bytes")                               \
    X(QUEUED, -2051, "it waits for a lock")                                                        \
    X(DEADLOCK, -2052, "it would wait for itself")                                                 \
    X(LOCKS_FULL, -2053, "too many locks, or too many who wait for them")                          \
    X(FENCED, -2054, "this client's locks were given to others")

#define SF_OK 0

enum sf_error {
#define X(name, number, text) SF_##name = number,
    SF_ERROR_LIST(X)
#undef X
};

/* The name ("NOT_FOUND") and the text ("no such key") of an error; "?" for a number that is none.
 * Static strings, never freed. */
const char *sf_error_name(int error);
const char *sf_error_text(int error);

#endif
