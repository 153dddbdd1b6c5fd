#include "mount/options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/memory.h"

static void print_help(void)
{
    puts("usage: shardfs HOST:PORT[,HOST:PORT...] MOUNTPOINT [-o OPTIONS] [-f] [-d]\n"
         "       shardfs MOUNTPOINT ...     with the shardmasters in SHARDFS_MASTERS\n"
         "       (of a static cluster, which has no shardmasters: any of its servers)\n"
         "       fusermount3 -u MOUNTPOINT  unmounts\n\n"
         "  -f                   stay in the foreground, and log there; else to syslog\n"
         "  -d                   say every request (implies -f)\n"
         "  -h, --help           -V, --version\n\n"
         "  -o ro                refuse every change\n"
         "  -o allow_other       other users may use the mount (with default_permissions)\n"
         "  -o default_permissions  the kernel checks modes and owners\n"
         "  -o uid=N,gid=N,umask=M  show every file with this owner, these bits off\n"
         "  -o timeo=SECONDS     an operation fails after so long without the cluster (30);\n"
         "                       0 is hard\n"
         "  -o hard              it waits for ever instead\n"
         "  -o attr_timeout=S,entry_timeout=S  let the kernel cache for so long (0: every\n"
         "                       look is at the cluster)\n"
         "  -o max_background=N  requests that the kernel keeps in flight (64)\n"
         "  -o fsname=NAME       what 'mount' and 'df' show; a comma in it is '\\,'\n"
         "  -o nonempty          mount over a directory that is not empty\n"
         "  -o no_mend           do not ask the kernel for what this libfuse cannot name:\n"
         "                       shared mappings, parallel look-ups and writes");
}

static enum options_result bad(const char *format, ...) SF_PRINTF(1, 2);
static enum options_result bad(const char *format, ...)
{
    va_list args;
    fputs("shardfs: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return OPTIONS_BAD;
}

/* -- one -o word ---------------------------------------------------------------------------- */

enum word_kind {
    WORD_FLAG,    /* bool */
    WORD_NUMBER,  /* uint32_t */
    WORD_COUNT,   /* unsigned, 1..65535 */
    WORD_MODE,    /* uint32_t, octal, at most 0777 */
    WORD_SECONDS, /* double */
    WORD_TEXT,    /* char *, owned */
    WORD_PASS,    /* for the kernel */
    WORD_IGNORE   /* for mount(8), or the default */
};

struct word {
    const char *name;
    enum word_kind kind;
    size_t field; /* offset in struct mount_options */
    size_t flag;  /* of a bool that is set too; 0: none */
};

#define FIELD(name) offsetof(struct mount_options, name)

static const struct word words[] = {
    {"ro", WORD_FLAG, FIELD(read_only), 0},
    {"allow_other", WORD_FLAG, FIELD(allow_other), 0},
    {"default_permissions", WORD_FLAG, FIELD(default_permissions), 0},
    {"nonempty", WORD_FLAG, FIELD(nonempty), 0},
    {"hard", WORD_FLAG, FIELD(hard), 0},
    {"no_mend", WORD_FLAG, FIELD(no_mend), 0},
    {"debug", WORD_FLAG, FIELD(debug), 0},
    {"uid", WORD_NUMBER, FIELD(uid), FIELD(set_uid)},
    {"gid", WORD_NUMBER, FIELD(gid), FIELD(set_gid)},
    {"umask", WORD_MODE, FIELD(umask), FIELD(set_umask)},
    {"attr_timeout", WORD_SECONDS, FIELD(attr_timeout_s), 0},
    {"entry_timeout", WORD_SECONDS, FIELD(entry_timeout_s), 0},
    {"timeo", WORD_NUMBER, FIELD(timeo_s), 0},
    {"max_background", WORD_COUNT, FIELD(max_background), 0},
    {"fsname", WORD_TEXT, FIELD(fsname), 0},
    {"dev", WORD_PASS, 0, 0},
    {"suid", WORD_PASS, 0, 0},
    {"nodev", WORD_PASS, 0, 0},
    {"nosuid", WORD_PASS, 0, 0},
    {"exec", WORD_PASS, 0, 0},
    {"noexec", WORD_PASS, 0, 0},
    {"noatime", WORD_PASS, 0, 0},
    {"atime", WORD_PASS, 0, 0},
    {"sync", WORD_PASS, 0, 0},
    {"async", WORD_PASS, 0, 0},
    {"dirsync", WORD_PASS, 0, 0},
    {"rw", WORD_IGNORE, 0, 0},
    {"defaults", WORD_IGNORE, 0, 0},
    {"auto", WORD_IGNORE, 0, 0},
    {"noauto", WORD_IGNORE, 0, 0},
    {"user", WORD_IGNORE, 0, 0},
    {"users", WORD_IGNORE, 0, 0},
    {"nouser", WORD_IGNORE, 0, 0},
    {"_netdev", WORD_IGNORE, 0, 0},
    {"nofail", WORD_IGNORE, 0, 0},
    {"relatime", WORD_IGNORE, 0, 0},
    {"nodiratime", WORD_IGNORE, 0, 0},
    {"subtype", WORD_IGNORE, 0, 0},
};

static const struct word *find_word(const char *text, size_t n)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strlen(words[i].name) == n && memcmp(words[i].name, text, n) == 0)
            return &words[i];
    }
    return NULL;
}

static bool take_number(const char *value, int base, uint32_t min, uint32_t max, void *field)
{
    char *end;
    if (!value || value[0] < '0' || value[0] > '9')
        return false;
    unsigned long long number = strtoull(value, &end, base);
    if (*end || number < min || number > max)
        return false;
    *(uint32_t *)field = (uint32_t)number;
    return true;
}

static bool take_seconds(const char *value, void *field)
{
    char *end;
    double seconds = value ? strtod(value, &end) : -1;
    if (!value || end == value || *end || !(seconds >= 0 && seconds < 1e9))
        return false;
    *(double *)field = seconds;
    return true;
}

static void pass_on(struct mount_options *options, const char *word)
{
    size_t old = options->pass_on ? strlen(options->pass_on) : 0;
    options->pass_on = sf_realloc(options->pass_on, old + strlen(word) + 2);
    sprintf(options->pass_on + old, "%s%s", old > 0 ? "," : "", word);
}

/* False: the value is missing, superfluous or not one. */
static bool take_value(struct mount_options *options, const struct word *word, const char *text,
                       const char *value)
{
    void *field = (char *)options + word->field;
    switch (word->kind) {
    case WORD_FLAG:
        *(bool *)field = true;
        return !value;
    case WORD_NUMBER:
        return take_number(value, 10, 0, UINT32_MAX, field);
    case WORD_COUNT:
        return take_number(value, 10, 1, 65535, field);
    case WORD_MODE:
        return take_number(value, 8, 0, 0777, field);
    case WORD_SECONDS:
        return take_seconds(value, field);
    case WORD_TEXT:
        free(*(char **)field);
        *(char **)field = sf_strdup(value ? value : "");
        return value && value[0];
    case WORD_PASS:
        pass_on(options, text);
        return !value;
    case WORD_IGNORE:
        return true;
    }
    return false;
}

static bool take_word(struct mount_options *options, char *text)
{
    char *value = strchr(text, '=');
    size_t n = value ? (size_t)(value - text) : strlen(text);
    const struct word *word = find_word(text, n);
    if (strncmp(text, "x-", 2) == 0 || strncmp(text, "comment=", 8) == 0 || !text[0])
        return true; /* for others to read: systemd, udisks */
    if (!word) {
        (void)bad("there is no option '%s'; see 'shardfs --help'", text);
        return false;
    }
    if (take_value(options, word, text, value ? value + 1 : NULL)) {
        if (word->flag)
            *(bool *)((char *)options + word->flag) = true;
        return true;
    }
    (void)bad("the option '%s' needs another value; see 'shardfs --help'", text);
    return false;
}

/* Cuts the next word off the list. A backslash takes what follows it as it is, be it a comma, as
 * libfuse has it. NULL: there is none. */
static char *next_word(char **list)
{
    char *word = *list, *from = word, *to = word;
    if (!*from)
        return NULL;
    for (; *from && *from != ','; from++) {
        if (*from == '\\' && from[1])
            from++;
        *to++ = *from;
    }
    *list = *from ? from + 1 : from;
    *to = 0;
    return word;
}

static bool take_words(struct mount_options *options, const char *list)
{
    char *copy = sf_strdup(list), *rest = copy, *text;
    bool good = true;
    while (good && (text = next_word(&rest)))
        good = take_word(options, text);
    free(copy);
    return good;
}

/* -- the command line ----------------------------------------------------------------------- */

#define USAGE "usage: shardfs HOST:PORT[,HOST:PORT...] MOUNTPOINT [-o OPTIONS]"

static enum options_result take_names(struct mount_options *options, size_t count, char **names)
{
    options->masters = getenv("SHARDFS_MASTERS");
    if (count == 2)
        options->masters = names[0];
    if (count < 1)
        return bad(USAGE);
    if (count > 2)
        return bad("'%s' is one word too many; " USAGE, names[2]);
    if (!options->masters || !options->masters[0])
        return bad("name the shardmasters, as HOST:PORT,HOST:PORT,... or in SHARDFS_MASTERS");
    options->mountpoint = names[count - 1];
    return OPTIONS_RUN;
}

/* The word that getopt stumbled over. */
static enum options_result bad_letter(int letter, char **argv)
{
    if (letter == ':')
        return bad("'-%c' needs a value; see 'shardfs --help'", optopt);
    if (optopt != 0)
        return bad("there is no option '-%c'; see 'shardfs --help'", optopt);
    return bad("there is no option '%s'; see 'shardfs --help'", argv[optind - 1]);
}

static enum options_result take_letters(struct mount_options *options, int argc, char **argv)
{
    static const struct option long_options[] = {
        {"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}};
    int letter;
    opterr = 0;
    while ((letter = getopt_long(argc, argv, ":fdhVo:s", long_options, NULL)) != -1) {
        switch (letter) {
        case 'f':
            options->foreground = true;
            break;
        case 'd':
            options->foreground = options->debug = true;
            break;
        case 's': /* one thread: always so */
            break;
        case 'o':
            if (!take_words(options, optarg))
                return OPTIONS_BAD;
            break;
        case 'h':
            print_help();
            return OPTIONS_DONE;
        case 'V':
            puts("shardfs " SHARDFS_VERSION);
            return OPTIONS_DONE;
        default:
            return bad_letter(letter, argv);
        }
    }
    return OPTIONS_RUN;
}

enum options_result mount_options_parse(struct mount_options *options, int argc, char **argv)
{
    *options = (struct mount_options){.timeo_s = 30, .max_background = 64};
    enum options_result result = take_letters(options, argc, argv);
    if (result == OPTIONS_RUN)
        result = take_names(options, (size_t)(argc - optind), argv + optind);
    if (result == OPTIONS_RUN && !options->fsname)
        options->fsname = sf_strdup(options->masters);
    if (options->timeo_s == 0)
        options->hard = true;
    if (options->allow_other)
        options->default_permissions = true;
    return result;
}

void mount_options_deinit(struct mount_options *options)
{
    free(options->fsname);
    free(options->pass_on);
}
