/* guarded: runs a script under the same guard as the programs of this room.
 *
 *   guarded SECONDS COMMAND [ARGUMENT...]
 *
 * The command finds a directory of its own in SHARDFS_SCRATCH; nothing of what it starts outlives
 * it. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "process/stage.h"

static char **command;

static void run(void)
{
    if (setenv("SHARDFS_SCRATCH", stage_scratch(), 1) == 0)
        execvp(command[0], command);
    perror(command[0]);
    exit(1);
}

int main(int argc, char **argv)
{
    static const struct stage_test test = {"script", run};
    unsigned long seconds = argc > 2 ? strtoul(argv[1], NULL, 10) : 0;
    if (seconds == 0) {
        fputs("usage: guarded SECONDS COMMAND [ARGUMENT...]\n", stderr);
        return 2;
    }
    command = argv + 2;
    return stage_main(1, argv, &test, 1, (unsigned)seconds);
}
