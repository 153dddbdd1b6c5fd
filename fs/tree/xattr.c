#include "tree/xattr.h"

bool xattr_next(struct slice *list, struct xattr *out)
{
    struct reader r = reader_of(*list);
    size_t name_bytes = reader_u8(&r), value_bytes = reader_u16(&r);
    struct xattr found = {.name = reader_bytes(&r, name_bytes)};
    found.value = reader_bytes(&r, value_bytes);
    if (!reader_ok(&r) || name_bytes == 0)
        return false;
    *list = slice_of(r.p, reader_left(&r));
    *out = found;
    return true;
}

bool xattr_list_is_valid(struct slice list)
{
    struct xattr entry, other;
    while (xattr_next(&list, &entry)) {
        struct slice rest = list;
        while (xattr_next(&rest, &other)) {
            if (slice_equal(entry.name, other.name))
                return false;
        }
    }
    return list.n == 0;
}

bool xattr_find(struct slice list, struct slice name, struct slice *value)
{
    struct xattr entry;
    while (xattr_next(&list, &entry)) {
        if (slice_equal(entry.name, name)) {
            *value = entry.value;
            return true;
        }
    }
    return false;
}

void xattr_append(struct buffer *list, struct slice name, struct slice value)
{
    sf_assert(name.n >= 1 && name.n <= UINT8_MAX);
    sf_assert(value.n <= UINT16_MAX);
    buffer_put_u8(list, (uint8_t)name.n);
    buffer_put_u16(list, (uint16_t)value.n);
    buffer_append(list, name.p, name.n);
    buffer_append(list, value.p, value.n);
}

void xattr_copy_without(struct slice list, struct slice name, struct buffer *out)
{
    struct xattr entry;
    while (xattr_next(&list, &entry)) {
        if (!slice_equal(entry.name, name))
            xattr_append(out, entry.name, entry.value);
    }
}

void xattr_names(struct slice list, struct buffer *out)
{
    struct xattr entry;
    while (xattr_next(&list, &entry)) {
        buffer_append(out, entry.name.p, entry.name.n);
        buffer_put_u8(out, 0);
    }
}
