/* shardctl: the command line of a shardfs cluster. */
#include "ctl/command.h"

int main(int argc, char **argv)
{
    return command_main(argc, argv);
}
