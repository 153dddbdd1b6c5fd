/* What is wrong on a command line, in a directory, at an address or on a port gets one clear line,
 * the right exit status, and nothing is changed by it. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process/stage.h"

#define CASE_WORDS_MAX 20u
#define ANSWER_MS 10000

/* A word that begins with '@' stands for something that this run made: see expand(). */
struct input_case {
    int exit_status;
    const char *says; /* in its one line */
    const char *words[CASE_WORDS_MAX];
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct stage stage;
static char free_address[64], two_addresses[80], long_name[300], long_key[5000],
    path[12][STAGE_PATH_MAX], quoted_path[STAGE_PATH_MAX + 8];

enum { PATH_NEW, PATH_FILE, PATH_FULL, PATH_OTHER, PATH_USED, PATH_EMPTY, PATH_CLUSTER };

/* -- running a case -------------------------------------------------------------------------- */

static const char *expand(const char *word)
{
    const struct {
        const char *word, *is;
    } words[] = {
        {"@masters", stage.masters},
        {"@cluster", stage.cluster_id},
        {"@master-1", stage_find(&stage, "master-1")->address},
        {"@group-100-1", stage_find(&stage, "group-100-1")->address},
        {"@group-100-2", stage_find(&stage, "group-100-2")->address},
        {"@group-100-3", stage_find(&stage, "group-100-3")->address},
        {"@free", free_address},
        {"@free-and-1", two_addresses},
        {"@long-name", long_name},
        {"@long-key", long_key},
        {"@new", path[PATH_NEW]},
        {"@new-quoted", quoted_path},
        {"@file", path[PATH_FILE]},
        {"@full", path[PATH_FULL]},
        {"@other", path[PATH_OTHER]},
        {"@used", path[PATH_USED]},
        {"@empty", path[PATH_EMPTY]},
        {"@dir", path[PATH_CLUSTER]},
    };
    for (size_t i = 0; i < COUNT(words); i++) {
        if (strcmp(words[i].word, word) == 0)
            return words[i].is;
    }
    if (word[0] == '@')
        stage_fail("this test does not know %s", word);
    return word;
}

static void describe(const struct input_case *c, char *line, size_t size)
{
    size_t at = 0;
    line[0] = 0;
    for (size_t i = 0; c->words[i] && at < size; i++)
        at += (size_t)snprintf(line + at, size - at, "%s ", c->words[i]);
}

/* "PROGRAM: text", one line and nothing else. */
static bool is_one_line(const char *text, const char *program)
{
    const char *end = strchr(text, '\n');
    return end && end[1] == 0 && strncmp(text, program, strlen(program)) == 0 &&
           strncmp(text + strlen(program), ": ", 2) == 0;
}

static void run_case(const struct input_case *c, bool with_masters)
{
    const char *words[CASE_WORDS_MAX + 1] = {NULL};
    char *text, line[1024];
    for (size_t i = 0; c->words[i]; i++)
        words[i] = expand(c->words[i]);
    int exit_status = stage_run(with_masters ? &stage : NULL, &text, words);
    describe(c, line, sizeof line);
    if (exit_status != c->exit_status)
        stage_fail("%s: status %d in place of %d: %s", line, exit_status, c->exit_status, text);
    if (!is_one_line(text, c->words[0]))
        stage_fail("%s: this is not one line of %s: %s", line, c->words[0], text);
    if (!strstr(text, c->says))
        stage_fail("%s: it does not say '%s': %s", line, c->says, text);
    free(text);
}

static void run_cases(const struct input_case *cases, size_t count, bool with_masters)
{
    for (size_t i = 0; i < count; i++)
        run_case(&cases[i], with_masters);
}

/* -- the stage ------------------------------------------------------------------------------- */

static void make_file(const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || close(fd) != 0)
        stage_fail("%s: %s", name, strerror(errno));
}

static void make_dir(const char *name)
{
    if (mkdir(name, 0700) != 0)
        stage_fail("%s: %s", name, strerror(errno));
}

static void make_paths(void)
{
    static const char *const names[] = {
        [PATH_NEW] = "new",     [PATH_FILE] = "file",   [PATH_FULL] = "full",
        [PATH_OTHER] = "other", [PATH_EMPTY] = "empty",
    };
    for (size_t i = 0; i < COUNT(names); i++) {
        if (names[i])
            snprintf(path[i], sizeof path[i], "%.400s/%s", stage.dir, names[i]);
    }
    snprintf(path[PATH_USED], sizeof path[PATH_USED], "%.400s/group-100-1", stage.dir);
    snprintf(path[PATH_CLUSTER], sizeof path[PATH_CLUSTER], "%.400s", stage.dir);
    snprintf(quoted_path, sizeof quoted_path, "%s/it's", path[PATH_NEW]);
    make_file(path[PATH_FILE]);
    make_dir(path[PATH_FULL]);
    make_dir(path[PATH_EMPTY]);
    char inside[STAGE_PATH_MAX];
    snprintf(inside, sizeof inside, "%.400s/something", path[PATH_FULL]);
    make_file(inside);
}

/* A directory that is a replica's: group 7, alone, at this address. */
static void make_other(void)
{
    char log[STAGE_PATH_MAX];
    snprintf(log, sizeof log, "%.400s/other.log", stage_scratch());
    pid_t pid =
        stage_spawn(NULL, log,
                    STAGE_WORDS("shardkv", "--dir", path[PATH_OTHER], "--listen", free_address,
                                "--cluster", "c0ffee", "--gid", "7", "--peers", free_address,
                                "--masters", "127.0.0.1:1", "--create"));
    stage_await_text(log, "serves group 7 as replica 1 of 1", ANSWER_MS);
    kill(pid, SIGTERM);
    if (stage_wait(pid) != 0)
        stage_fail("a server does not end when it is asked to");
}

static void set_stage(const char *name)
{
    stage_open(&stage, name, STAGE_WORDS("--groups", "1", "--master-replicas", "1"));
    stage_free_address(free_address);
    snprintf(two_addresses, sizeof two_addresses, "%s,127.0.0.1:1", free_address);
    memset(long_name, 'n', sizeof long_name - 1);
    memset(long_key, 'k', sizeof long_key - 1);
    make_paths();
    make_other();
    stage_must(&stage, STAGE_WORDS("shardctl", "put", "file", "x"));
    stage_must(&stage, STAGE_WORDS("shardctl", "put", "dir/below", "x"));
}

/* All that a command could have changed. */
static char *take_picture(void)
{
    char *text;
    if (stage_run(&stage, &text,
                  STAGE_WORDS("sh", "-c",
                              "shardctl query --json; shardctl ls -l; shardctl ls -l dir")) != 0)
        stage_fail("no picture: %s", text);
    return text;
}

/* -- command lines --------------------------------------------------------------------------- */

static const struct input_case ctl_usage[] = {
    {2, "which command? See 'shardctl --help'", {"shardctl"}},
    {2, "no command 'frobnicate'", {"shardctl", "frobnicate"}},
    {2, "no option '--frob'", {"shardctl", "--frob"}},
    {2, "no option '-x'", {"shardctl", "-x", "query"}},
    {2, "put '--' before a word", {"shardctl", "put", "file", "-5"}},
    {2, "--masters needs a value", {"shardctl", "query", "--masters"}},
    {2, "takes no value", {"shardctl", "query", "--json=1"}},
    {2, "'put' does not take --json", {"shardctl", "put", "file", "y", "--json"}},
    {2, "'put' does not take --old", {"shardctl", "put", "--old", "file", "y"}},
    {2, "'get' does not take --dir", {"shardctl", "get", "file", "--dir", "@new"}},
    {2, "'up' does not take --masters", {"shardctl", "up", "--dir", "@new", "--masters", "a:1"}},
    {2,
     "'down' does not take options of a new cluster",
     {"shardctl", "down", "--dir", "@dir", "--shards", "5"}},
    {2, "no command 'a\\nb\\033[31m'", {"shardctl", "a\nb\033[31m"}},
    {2, "an argument is missing; usage: shardctl put NAME [VALUE]", {"shardctl", "put"}},
    {2,
     "'c' is one argument too many; usage: shardctl put NAME [VALUE]",
     {"shardctl", "put", "file", "b", "c"}},
    {2, "usage: shardctl get NAME", {"shardctl", "get"}},
    {2, "usage: shardctl get NAME", {"shardctl", "get", "file", "b"}},
    {2, "usage: shardctl move SHARD GID", {"shardctl", "move", "1"}},
    {2, "usage: shardctl join GID HOST:PORT...", {"shardctl", "join", "5"}},
    {2, "usage: shardctl leave GID...", {"shardctl", "leave"}},
    {2, "usage: shardctl drain GID", {"shardctl", "drain"}},
    {2, "usage: shardctl transfer GID HOST:PORT", {"shardctl", "transfer", "100"}},
    {2, "usage: shardctl status", {"shardctl", "status", "x"}},
    {2, "from 0 to 86400, not '-1'", {"shardctl", "--timeout=-1", "query"}},
    {2, "from 0 to 86400, not 'soon'", {"shardctl", "--timeout", "soon", "query"}},
    {2, "SHARD is a whole number from 0 to 4095, not 'x'", {"shardctl", "move", "x", "100"}},
    {2,
     "SHARD is a whole number from 0 to 4095, not '-1'",
     {"shardctl", "move", "--", "-1", "100"}},
    {2, "GID is a whole number from 1, not '0'", {"shardctl", "move", "1", "0"}},
    {2, "GID is a whole number from 1, not '1e3'", {"shardctl", "join", "1e3", "127.0.0.1:1"}},
    {2,
     "GID is a whole number from 1, not '99999999999999999999'",
     {"shardctl", "leave", "99999999999999999999"}},
    {2, "'nonsense' is not an address HOST:PORT", {"shardctl", "join", "5", "nonsense"}},
    {2, "'127.0.0.1:99999' is not an address", {"shardctl", "join", "5", "127.0.0.1:99999"}},
    {2, "'127.0.0.1:1' is named twice", {"shardctl", "join", "5", "127.0.0.1:1", "127.0.0.1:1"}},
    {2,
     "at most 9 replicas, not 10",
     {"shardctl", "join", "5", "a:1", "a:2", "a:3", "a:4", "a:5", "a:6", "a:7", "a:8", "a:9",
      "a:10"}},
    {2, "'x' is not an address HOST:PORT", {"shardctl", "transfer", "100", "x"}},
    {2, "NUM is a whole number", {"shardctl", "query", "newest"}},
    {2, "the NAME is empty", {"shardctl", "get", ""}},
    {2, "at most 255 bytes (--key takes", {"shardctl", "put", "@long-name", "x"}},
    {2, "a key has at most 4096", {"shardctl", "put", "--key", "@long-key", "x"}},
    {2, "'.' and '..' are no names here", {"shardctl", "put", "dir/../x", "x"}},
    {2, "ends in '/' is a directory's", {"shardctl", "put", "new/", "x"}},
    {2, "ends in '/' is a directory's", {"shardctl", "append", "file/", "x"}},
    {2, "say where the cluster lives", {"shardctl", "up"}},
    {2, "say where the cluster lives", {"shardctl", "down", "--dir", ""}},
    {2, "has a ' or a control", {"shardctl", "up", "--dir", "@new-quoted"}},
    {2,
     "--shards is a whole number from 1 to 4096, not '0'",
     {"shardctl", "up", "--dir", "@new", "--shards", "0"}},
    {2,
     "--routing is hash, first-byte or number, not 'random'",
     {"shardctl", "up", "--dir", "@new", "--routing", "random"}},
    {2,
     "--engine is raft or paxos, not 'zab'",
     {"shardctl", "up", "--dir", "@new", "--engine", "zab"}},
    {2,
     "--engine paxos: this cluster was made with raft, which stays",
     {"shardctl", "up", "--dir", "@dir", "--engine", "paxos"}},
    {2,
     "--groups is a whole number from 1 to 16, not '17'",
     {"shardctl", "up", "--dir", "@new", "--groups", "17"}},
    {2,
     "--replicas is a whole number from 1 to 9, not '10'",
     {"shardctl", "up", "--dir", "@new", "--replicas", "10"}},
    {2,
     "--shards 10: this cluster was made with 64",
     {"shardctl", "up", "--dir", "@dir", "--shards", "10"}},
    {2,
     "--static: this cluster was made with shardmasters",
     {"shardctl", "up", "--dir", "@dir", "--static"}},
    {2, "--servers goes with --static", {"shardctl", "up", "--dir", "@new", "--servers", "3"}},
    {2,
     "--servers is a whole number from 1 to 16, not '17'",
     {"shardctl", "up", "--dir", "@new", "--static", "--servers", "17"}},
    {2,
     "do not go with --static",
     {"shardctl", "up", "--dir", "@new", "--static", "--master-replicas", "3"}},
    {2,
     "--replicas 4: in a ring of 3 servers a shard has at most 3 replicas",
     {"shardctl", "up", "--dir", "@new", "--static", "--servers", "3", "--replicas", "4"}},
    {2,
     "--shards 10: a ring of 3 servers has 3 shards",
     {"shardctl", "up", "--dir", "@new", "--static", "--servers", "3", "--shards", "10"}},
};

static const struct input_case ctl_failures[] = {
    {1, "nothing: no such key", {"shardctl", "get", "nothing"}},
    {1, "nothing: no such key", {"shardctl", "del", "nothing"}},
    {1, "nothing: no such key", {"shardctl", "stat", "nothing"}},
    {1, "nothing/at/all: no such key", {"shardctl", "ls", "nothing/at/all"}},
    {1, "nothing: no such key", {"shardctl", "get", "--key", "nothing"}},
    {1, "no\\nsuch: no such key", {"shardctl", "get", "no\nsuch"}},
    {1, "a part of this name is a file", {"shardctl", "get", "file/"}},
    {1, "a part of this name is a file", {"shardctl", "stat", "file/"}},
    {1, "a part of this name is a file", {"shardctl", "ls", "file/"}},
    {1, "a part of this name is a file", {"shardctl", "del", "file/"}},
    {1, "dir: is a directory", {"shardctl", "get", "dir"}},
    {1, "dir: is a directory", {"shardctl", "put", "dir", "x"}},
    {1, "dir: is a directory", {"shardctl", "append", "dir", "x"}},
    {1, "dir: the directory is not empty", {"shardctl", "del", "dir"}},
    {1, "/: the root cannot be deleted", {"shardctl", "del", "/"}},
    {1, "a part of this name is a file", {"shardctl", "put", "file/below", "x"}},
    {1, "there is no shard 64: the cluster has 0 to 63", {"shardctl", "move", "64", "100"}},
    {1, "there is no group 5", {"shardctl", "move", "1", "5"}},
    {1, "leave: group 5: no such group", {"shardctl", "leave", "5"}},
    {1, "there is no group 5", {"shardctl", "transfer", "5", "@group-100-1"}},
    {1, "is no replica of group 100", {"shardctl", "transfer", "100", "@master-1"}},
    {1, "there never was a group 5", {"shardctl", "drain", "5"}},
    {1, "group 100 is the last one", {"shardctl", "drain", "100"}},
    {1, "group 100 has joined already", {"shardctl", "join", "100", "@free"}},
    {1,
     "does not answer); start its replicas first, or use --force",
     {"shardctl", "join", "5", "@free"}},
    {1,
     "is in group 100, and has no replica of this group",
     {"shardctl", "join", "5", "@group-100-1", "@group-100-2", "@group-100-3"}},
    {1,
     "is in group 100, and has no replica of this group",
     {"shardctl", "join", "--force", "5", "@group-100-1", "@free"}},
    {1,
     "no majority of these addresses answers as group 5",
     {"shardctl", "join", "5", "@master-1"}},
    {1,
     "no shardmaster answers at 127.0.0.1:1",
     {"shardctl", "--masters", "127.0.0.1:1", "--timeout", "1", "query"}},
    {1,
     "is no shardmaster",
     {"shardctl", "--masters", "@group-100-1", "--timeout", "1", "get", "file"}},
    {1, "is not empty (something is in it)", {"shardctl", "up", "--dir", "@full"}},
    {1, "Not a directory", {"shardctl", "up", "--dir", "@file"}},
    {1, "there is no cluster in", {"shardctl", "down", "--dir", "@empty"}},
    {1, "No such file or directory", {"shardctl", "down", "--dir", "@new"}},
};

static const struct input_case without_masters[] = {
    {2, "--masters HOST:PORT,... or SHARDFS_MASTERS", {"shardctl", "get", "file"}},
    {2, "(look at 'x')", {"shardctl", "--masters", "127.0.0.1:1,x", "get", "file"}},
    {2, "is not a list", {"shardctl", "--masters", "127.0.0.1:1,", "get", "file"}},
    {2, "name the shardmasters", {"shardfs", "@empty"}},
    {2, "usage: shardfs", {"shardfs"}},
    {2, "usage: shardfs", {"shardfs", "a:1", "@empty", "c"}},
    {2, "--frob", {"shardfs", "--frob"}},
    {2, "frob", {"shardfs", "127.0.0.1:1", "@empty", "-o", "frob"}},
    {2, "timeo=x", {"shardfs", "127.0.0.1:1", "@empty", "-o", "timeo=x"}},
    {2, "is not a list", {"shardfs", "nonsense", "@empty"}},
    {1, "there is no such directory to mount on", {"shardfs", "127.0.0.1:1", "@new"}},
    {1, "the mount point is not empty", {"shardfs", "127.0.0.1:1", "@full"}},
    {1, "irectory", {"shardfs", "127.0.0.1:1", "@file"}},
};

static void test_command_lines(void)
{
    set_stage("lines");
    char *before = take_picture();
    run_cases(ctl_usage, COUNT(ctl_usage), true);
    run_cases(ctl_failures, COUNT(ctl_failures), true);
    run_cases(without_masters, COUNT(without_masters), false);
    char *after = take_picture();
    if (strcmp(before, after) != 0)
        stage_fail("something was changed:\n%s\n%s", before, after);
    if (access(path[PATH_NEW], F_OK) == 0)
        stage_fail("%s was made", path[PATH_NEW]);
    free(before);
    free(after);
    stage_close(&stage);
}

/* -- servers --------------------------------------------------------------------------------- */

/* A server's command line, all of it right: what follows changes one word. */
#define SERVER "shardkv", "--cluster", "c0ffee", "--masters", "127.0.0.1:1"
#define MEMBER "--gid", "7", "--listen", "@free", "--peers", "@free"
#define STATIC_MEMBER "shardkv", "--cluster", "c0ffee", "--dir", "@new", MEMBER

static const struct input_case servers[] = {
    {2, "--dir DIR is missing", {"shardkv"}},
    {2, "\"--frob\" is no option; see --help", {"shardkv", "--frob"}},
    {2, "--dir needs a value; see --help", {"shardkv", "--dir"}},
    {2, "takes no value", {"shardkv", "--create=yes"}},
    {2, "\"word\" is no option; see --help", {"shardkv", "--dir", "@new", "word"}},
    {2, "--listen HOST:PORT is missing", {SERVER, "--dir", "@new"}},
    {2,
     "--listen: \"nonsense\" is not an address",
     {SERVER, "--dir", "@new", "--gid", "7", "--listen", "nonsense", "--peers", "nonsense"}},
    {2, "--cluster: \"xyz\" is not", {"shardkv", "--cluster", "xyz", "--dir", "@new", MEMBER}},
    {2, "--cluster HEX is missing", {"shardkv", "--dir", "@new", MEMBER}},
    {2,
     "say --insecure",
     {SERVER, "--dir", "@new", "--gid", "7", "--listen", "0.0.0.0:7", "--peers", "0.0.0.0:7"}},
    {2, "--masters A,B,C is missing", {"shardkv", "--cluster", "c0ffee", "--dir", "@new", MEMBER}},
    {2, "--gid N and --peers A,B,C are missing", {SERVER, "--dir", "@new", "--listen", "@free"}},
    {2,
     "is none of the group's addresses 127.0.0.1:1",
     {SERVER, "--dir", "@new", "--gid", "7", "--listen", "@free", "--peers", "127.0.0.1:1"}},
    {2,
     "--static stands in place of --masters",
     {SERVER, "--dir", "@new", MEMBER, "--static", "x"}},
    {2, "a group is given as GID=HOST:PORT,", {STATIC_MEMBER, "--static", "x"}},
    {2, "stands twice in one group", {STATIC_MEMBER, "--static", "7=127.0.0.1:1,127.0.0.1:1"}},
    {2, "group is given twice: 8=a:2", {STATIC_MEMBER, "--static", "8=a:1", "--static", "8=a:2"}},
    {2, "group 7 of this process is not among them", {STATIC_MEMBER, "--static", "8=a:1"}},
    {2,
     "group 7 of this process stands there with other addresses",
     {STATIC_MEMBER, "--static", "7=127.0.0.1:1"}},
    {2,
     "--shards: \"0\" is not a number from 1 to 4096",
     {SERVER, "--dir", "@new", MEMBER, "--shards", "0"}},
    {2,
     "--routing: \"x\" is none of hash, first-byte, number",
     {SERVER, "--dir", "@new", MEMBER, "--routing", "x"}},
    {2,
     "--engine: \"zab\" is none of raft, paxos",
     {SERVER, "--dir", "@new", MEMBER, "--engine", "zab"}},
    {2,
     "--lag: \"0\" is not a number of MiB from 1 to 1048576",
     {SERVER, "--dir", "@new", MEMBER, "--lag", "0"}},
    {2,
     "--peers A,B,C is missing",
     {"shardmaster", "--cluster", "c0ffee", "--dir", "@new", "--listen", "@free"}},
    {2, "\"--gid\" is no option", {"shardmaster", "--gid", "7"}},
    {1, "say --create", {SERVER, "--dir", "@new", MEMBER}},
    {1, "say --create", {SERVER, "--dir", "@empty", MEMBER}},
    {1, "holds other files", {SERVER, "--dir", "@full", MEMBER, "--create"}},
    {1, "is a file", {SERVER, "--dir", "@file", MEMBER, "--create"}},
    {1,
     "is in use by another process",
     {SERVER, "--dir", "@new", "--create", "--gid", "7", "--listen", "@group-100-2", "--peers",
      "@group-100-2"}},
    {1, "cluster", {SERVER, "--dir", "@used", MEMBER}},
    {1,
     "in use",
     {"shardkv", "--cluster", "@cluster", "--masters", "@masters", "--dir", "@used", MEMBER}},
    {1,
     "cluster",
     {"shardkv", "--cluster", "beef", "--masters", "127.0.0.1:1", "--dir", "@other", MEMBER}},
    {1,
     "group",
     {SERVER, "--dir", "@other", "--gid", "8", "--listen", "@free", "--peers", "@free"}},
    {1,
     "127.0.0.1:1",
     {SERVER, "--dir", "@other", "--gid", "7", "--listen", "@free", "--peers", "@free-and-1"}},
    {1, "shards", {SERVER, "--dir", "@other", MEMBER, "--shards", "10"}},
    {1, "routing", {SERVER, "--dir", "@other", MEMBER, "--routing", "number"}},
    {1,
     "was created with engine raft, not paxos",
     {SERVER, "--dir", "@other", MEMBER, "--engine", "paxos"}},
    {1,
     "shardkv",
     {"shardmaster", "--cluster", "c0ffee", "--dir", "@other", "--listen", "@free", "--peers",
      "@free"}},
};

static void test_servers(void)
{
    set_stage("servers");
    for (size_t i = 0; i < COUNT(servers); i++) {
        run_case(&servers[i], false);
        if (access(path[PATH_NEW], F_OK) == 0)
            stage_fail("%s (%s): it made its directory", servers[i].words[0], servers[i].says);
    }
    if (rmdir(path[PATH_EMPTY]) != 0)
        stage_fail("an empty directory is empty no more");
    stage_close(&stage);
}

/* -- bytes on a port ------------------------------------------------------------------------- */

struct bytes_case {
    const char *what;
    const char *bytes;
    size_t size;
    bool closes; /* the server closes this connection; else it answers, or waits for more */
};

#define BYTES(text) text, sizeof(text) - 1

static const struct bytes_case bytes_cases[] = {
    {"noise", BYTES("\xc1\xff\x00\x13noise"), true},
    {"a web browser", BYTES("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), true},
    {"a number", BYTES("\x07"), true},
    {"an array of the wrong length", BYTES("\x92\x00\x01"), true},
    {"an unknown kind of message", BYTES("\x94\x07\x01\xa1x\x90"), true},
    {"a string of 4 GiB", BYTES("\x94\x00\x01\xdb\xff\xff\xff\xff"), true},
    {"an array of 4 billion", BYTES("\x94\x00\x01\xa1x\xdd\xff\xff\xff\xff"), true},
    {"nesting without end",
     BYTES("\x94\x00\x01\xa1x\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"
           "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"),
     true},
    {"half a message", BYTES("\x94\x00\x01\xa6kv.g"), false},
    {"an unknown method", BYTES("\x94\x00\x01\xa4nope\x90"), false},
    {"wrong parameters", BYTES("\x94\x00\x01\xa6kv.get\x91\xc0"), false},
    {"a notification that nobody knows", BYTES("\x93\x02\xa4nope\x90"), false},
};

static int dial(const char *address)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    const char *port = strrchr(address, ':') + 1;
    in.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&in, sizeof in) != 0)
        stage_fail("%s: %s", address, strerror(errno));
    return fd;
}

/* Does the server close it within `ms`? What it says before that is read away. */
static bool is_closed(int fd, int ms)
{
    char answer[4096];
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    while (poll(&poll_fd, 1, ms) > 0) {
        ssize_t n = read(fd, answer, sizeof answer);
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            return true;
        if (n < 0)
            stage_fail("read: %s", strerror(errno));
        ms = 200;
    }
    return false;
}

static void send_case(const char *address, const struct bytes_case *c)
{
    int fd = dial(address);
    if (send(fd, c->bytes, c->size, MSG_NOSIGNAL) != (ssize_t)c->size)
        stage_fail("%s: %s", c->what, strerror(errno));
    if (is_closed(fd, c->closes ? ANSWER_MS : 500) != c->closes)
        stage_fail("%s: the connection %s", c->what,
                   c->closes ? "stays open" : "was closed, which is not called for");
    close(fd);
}

/* More than a message may have: refused when the limit is reached, whatever is still to come. */
static void send_too_much(const char *address)
{
    static char block[1 << 16];
    int fd = dial(address);
    bool closed = false;
    size_t sent = 0;
    signal(SIGPIPE, SIG_IGN);
    const char head[] = "\x94\x00\x01\xa6kv.put\x91\xc6\x10\x00\x00\x00"; /* 256 MiB to come */
    closed = send(fd, head, sizeof head - 1, MSG_NOSIGNAL) < 0;
    while (!closed && sent < 64u << 20) {
        ssize_t n = send(fd, block, sizeof block, MSG_NOSIGNAL);
        closed = n < 0;
        sent += n > 0 ? (size_t)n : 0;
    }
    if (!closed && !is_closed(fd, ANSWER_MS))
        stage_fail("a message of 256 MiB was taken as far as %zu", sent);
    close(fd);
}

/* A connection that was there before goes on, and so does everybody else. */
static void test_garbage(void)
{
    static const char *const targets[] = {"master-1", "group-100-1", "group-100-2", "group-100-3"};
    stage_open(&stage, "garbage", STAGE_WORDS("--groups", "1", "--master-replicas", "1"));
    stage_must(&stage, STAGE_WORDS("shardctl", "put", "kept", "x"));
    for (size_t t = 0; t < COUNT(targets); t++) {
        const char *address = stage_find(&stage, targets[t])->address;
        int bystander = dial(address);
        for (size_t i = 0; i < COUNT(bytes_cases); i++)
            send_case(address, &bytes_cases[i]);
        send_too_much(address);
        if (is_closed(bystander, 0))
            stage_fail("%s closed a connection that did nothing wrong", targets[t]);
        close(bystander);
        stage_must(&stage, STAGE_WORDS("shardctl", "get", "kept"));
    }
    stage_close(&stage);
}

/* -- standard files -------------------------------------------------------------------------- */

/* The shell's line must end with the status. */
static void check_line(int exit_status, const char *says, const char *line)
{
    char *text, whole[4096];
    snprintf(whole, sizeof whole, "cd '%.400s' || exit 9; %s", stage_scratch(), line);
    int got = stage_run(&stage, &text, STAGE_WORDS("sh", "-c", whole));
    if (got != exit_status || !strstr(text, says))
        stage_fail("%s: status %d, not %d and '%s': %s", line, got, exit_status, says, text);
    free(text);
}

/* Closed, full, or left by their reader: said where it can be said, and nothing else is written to
 * in their place. */
static void test_standard_files(void)
{
    char line[2048];
    stage_open(&stage, "files", STAGE_WORDS("--groups", "1", "--master-replicas", "1"));
    stage_must(&stage, STAGE_WORDS("sh", "-c", "head -c 3000000 /dev/zero | shardctl put long"));
    check_line(1, "standard input: Bad file descriptor", "shardctl put color <&-");
    check_line(1, "color: no such key", "shardctl get color");
    check_line(0, "", "shardctl put color red <&- >&- 2>&-");
    check_line(0, "red", "shardctl get color <&-");
    check_line(1, "standard output: Bad file descriptor", "shardctl get color >&-");
    check_line(1, "standard output: Bad file descriptor", "shardctl status <&- >&-");
    check_line(1, "", "shardctl get color >&- 2>&-");
    check_line(1, "standard output: No space left", "shardctl get long >/dev/full");
    check_line(1, "standard output: No space left", "shardctl ls >/dev/full");
    check_line(1, "standard output: No space left", "shardctl query --json >/dev/full");
    check_line(1, "standard output: No space left", "shardctl --help >/dev/full");
    check_line(0, "end", "shardctl get long 2>&1 | head -c 0; printf end");
    check_line(1, "standard input: Is a directory", "shardctl put color </");
    stage_kill_all(&stage, "");
    snprintf(line, sizeof line, "shardctl up --dir '%.400s' <&- >&- 2>&-; shardctl get color",
             stage.dir);
    check_line(0, "red", line);
    stage_may_all_be_down(&stage, false);
    stage_close(&stage);
}

/* -- values ---------------------------------------------------------------------------------- */

/* What goes in by standard input comes out byte for byte. */
static void check_round_trip(const char *how)
{
    char line[2048];
    snprintf(line, sizeof line,
             "cd '%.400s' && %s >in && shardctl put v <in && shardctl get v >out && cmp in out && "
             "shardctl put dir/v <in && shardctl get dir/v >out && cmp in out && "
             "shardctl append dir/v <in && shardctl get dir/v >out && cat in in | cmp - out",
             stage_scratch(), how);
    stage_must(&stage, STAGE_WORDS("sh", "-c", line));
}

/* What append --old and puthash print is the value before, byte for byte; the hash is FNV-1a. */
static void test_old_values(void)
{
    check_line(0, "none", "test -z \"$(shardctl append --old old a)\" && echo none");
    check_line(0, "a-", "shardctl append --old old 'b c'; echo -");
    check_line(0, "ab c-", "printf '\\000\\377' | shardctl append --old old; echo -");
    check_line(0, "same",
               "printf 'ab c\\000\\377' >was && shardctl append --old old '' >now && "
               "cmp was now && echo same");
    check_line(0, "none", "test -z \"$(shardctl puthash dir/hash a)\" && echo none");
    check_line(0, "3826002220-", "shardctl puthash dir/hash b; echo -");
    check_line(0, "282007278-", "printf '' | shardctl puthash dir/hash; echo -");
    check_line(0, "2166136261-", "shardctl puthash --key e ''; shardctl get e; echo -");
    check_line(1, "dir: is a directory", "shardctl puthash dir x");
    check_line(1, "dir: is a directory", "shardctl append --old dir x");
    check_line(0, "", "head -c 1048570 /dev/zero | shardctl put old");
    check_line(1, "old: this is for values of at most 1048576 bytes",
               "shardctl append --old old 1234567");
    check_line(1, "at most 1048576", "head -c 1048577 /dev/zero | shardctl append --old fresh/x");
    check_line(1, "at most 1048576", "head -c 1048577 /dev/zero | shardctl puthash fresh/x");
    check_line(1, "fresh: no such key", "shardctl stat fresh");
    check_line(0, "1048576\n", "shardctl append --old old 123456 >now; shardctl get old | wc -c");
    check_line(0, "1048570\n", "wc -c <now");
    check_line(0, "1048577\n", "shardctl append old 7; shardctl get old | wc -c");
    check_line(1, "old: this is for values of at most 1048576 bytes",
               "shardctl append --old old 8");
    check_line(1, "old: this is for values of at most", "shardctl puthash old 8");
    check_line(0, "1048577\n", "rm was now; shardctl get old | wc -c");
}

static void test_values(void)
{
    stage_open(&stage, "values", STAGE_WORDS("--groups", "1", "--master-replicas", "1"));
    check_round_trip(":"); /* empty */
    check_round_trip("printf '\\000'");
    check_round_trip("printf 'no newline at the end'");
    check_round_trip("head -c 65536 /dev/urandom");
    check_round_trip("head -c 1048576 /dev/urandom");
    check_round_trip("head -c 1048577 /dev/urandom");
    check_round_trip("head -c 41943040 /dev/urandom");
    test_old_values();
    stage_must(&stage, STAGE_WORDS("sh", "-c",
                                   "shardctl put --key '' e && test \"$(shardctl get --key '')\" = "
                                   "e && shardctl del --key '' && ! shardctl get --key '' && "
                                   "shardctl put empty '' && test -z \"$(shardctl get empty)\""));
    stage_close(&stage);
}

int main(int argc, char **argv)
{
    static const struct stage_test tests[] = {
        {"command-lines", test_command_lines},
        {"servers", test_servers},
        {"garbage", test_garbage},
        {"standard-files", test_standard_files},
        {"values", test_values},
    };
    return stage_main(argc, argv, tests, sizeof tests / sizeof tests[0], 180);
}
