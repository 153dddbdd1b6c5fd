#include "shardfs/error.h"

const char *sf_error_name(int error)
{
    switch (error) {
    case SF_OK:
        return "OK";
#define X(name, number, text)                                                                      \
    case SF_##name:                                                                                \
        return #name;
        SF_ERROR_LIST(X)
#undef X
    default:
        return "?";
    }
}

const char *sf_error_text(int error)
{
    switch (error) {
    case SF_OK:
        return "success";
#define X(name, number, text)                                                                      \
    case SF_##name:                                                                                \
        return text;
        SF_ERROR_LIST(X)
#undef X
    default:
        return "?";
    }
}
