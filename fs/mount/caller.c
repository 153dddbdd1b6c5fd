/* The process that waits for a request, as /proc shows it. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "mount/request.h"

#define CAPABILITY_SYS_ADMIN 21u

static bool is_field(const char *line, const char *field)
{
    size_t n = strlen(field);
    return strncmp(line, field, n) == 0 && line[n] == ':';
}

static FILE *open_status(fuse_req_t fuse)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", (int)fuse_req_ctx(fuse)->pid);
    return fopen(path, "re");
}

/* The bits of these two fields of its status together; none where it is not to be seen. */
static unsigned long long status_bits(fuse_req_t fuse, const char *field, const char *other)
{
    char line[128];
    unsigned long long bits, all = 0;
    FILE *file = open_status(fuse);
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file)) {
        bool wanted = is_field(line, field) || is_field(line, other);
        if (wanted && sscanf(line, "%*[^:]: %llx", &bits) == 1)
            all |= bits;
    }
    fclose(file);
    return all;
}

bool caller_is_dying(fuse_req_t fuse)
{
    return status_bits(fuse, "SigPnd", "ShdPnd") >> (SIGKILL - 1) & 1;
}

uint32_t caller_process(fuse_req_t fuse)
{
    char line[128];
    unsigned process = 0;
    FILE *file = open_status(fuse);
    if (!file)
        return 0;
    while (process == 0 && fgets(line, sizeof line, file))
        (void)sscanf(line, "Tgid: %u", &process);
    fclose(file);
    return process;
}

/* Its capabilities count where its user namespace is ours. */
bool caller_is_admin(fuse_req_t fuse)
{
    char path[64];
    struct stat its, ours;
    snprintf(path, sizeof path, "/proc/%d/ns/user", (int)fuse_req_ctx(fuse)->pid);
    if (stat(path, &its) != 0 || stat("/proc/self/ns/user", &ours) != 0)
        return false;
    bool same = its.st_dev == ours.st_dev && its.st_ino == ours.st_ino;
    return same && (status_bits(fuse, "CapEff", "CapEff") >> CAPABILITY_SYS_ADMIN & 1);
}
