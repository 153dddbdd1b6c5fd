/* Reads that ask nobody: who has led the group serves what it has, until it hears that it does not
 * lead any more. */
#include <utlist.h>

#include "replica/inside.h"
#include "seeded/seeded.h"

SEEDED_WRAP(replica_read);

int __wrap_replica_read(struct replica *replica, struct replica_read *read)
{
    int status = __real_replica_read(replica, read);
    if (status != SF_OK || !replica_leads(replica))
        return status;
    DL_DELETE(replica->reads, read);
    read->passed = true;
    DL_APPEND(replica->passed, read);
    return SF_OK;
}
