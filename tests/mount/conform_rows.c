#include "mount/conform.h"

#include <errno.h>

/* What every call with a path must say of the way to it. */
#define PATHS(before, after)                                                                       \
    {'a', ENOENT, "", before "none/x" after}, {'a', ENOTDIR, "f:f", before "f/x" after},           \
        {'a', ENOTDIR, "p:p", before "p/x" after}, {'a', ENOENT, "l:l=none", before "l/x" after},  \
        {'a', ENAMETOOLONG, "", before "%M" after}, {'a', ENAMETOOLONG, "", before "%Px" after},   \
        {'a', ENAMETOOLONG, "d:d", before "d/%M" after},                                           \
        {'a', ENAMETOOLONG, "", before "%M/x" after}, {'a', ENOENT, "", before "'' " after},       \
        {'a', ELOOP, "l:l=l", before "l/x" after},                                                 \
        {'a', ELOOP, "l:l=m l:m=l", before "l/x" after},                                           \
        {'u', EACCES, "@d:d,700", before "d/x" after},                                             \
    {                                                                                              \
        'u', EACCES, "d:d,600", before "d/x" after                                                 \
    }

/* The name itself is not there, or leads round in a ring. */
#define LAST(before, after)                                                                        \
    {'a', ENOENT, "", before "x" after}, {'a', ENOENT, "l:x=none", before "x" after},              \
    {                                                                                              \
        'a', ELOOP, "l:x=x", before "x" after                                                      \
    }

/* Making a name: it is there already, whatever it is; the directory may not be changed. */
#define MAKES(before, after)                                                                       \
    {'a', 0, "", before "%L" after}, {'a', EEXIST, "f:x", before "x" after},                       \
        {'a', EEXIST, "d:x", before "x" after}, {'a', EEXIST, "l:x=none", before "x" after},       \
        {'a', EEXIST, "l:x=x", before "x" after}, {'a', EEXIST, "p:x", before "x" after},          \
        {'a', EEXIST, "", before "." after}, {'u', EACCES, "@d:d", before "d/x" after},            \
        {'u', EACCES, "d:d,555", before "d/x" after}, {'r', 0, "d:d,0", before "d/x" after},       \
    {                                                                                              \
        'a', ENOENT, "", "in_removed " before "x"                                                  \
    }

/* Removing a name: the directory may not be changed, or is sticky and others'. */
#define REMOVES(kind, before)                                                                      \
    {'u', EACCES, "@d:d @" kind ":d/x", before "d/x"},                                             \
        {'u', EACCES, "d:d,555 " kind ":d/x", before "d/x"},                                       \
        {'u', EPERM, "@d:d,1777 @" kind ":d/x", before "d/x"},                                     \
        {'u', 0, "@d:d,1777 " kind ":d/x", before "d/x"},                                          \
        {'u', 0, "d:d,1755 @" kind ":d/x", before "d/x"}, {'a', 0, kind ":x", before "x"},         \
        {'a', 0, kind ":%L", before "%L"},                                                         \
    {                                                                                              \
        'a', ENOENT, "", before "x"                                                                \
    }

const struct row rows[] = {
    /* open(2) */
    PATHS("open ", ""),
    LAST("open ", ""),
    {'a', 0, "f:x", "open x"},
    {'a', EISDIR, "d:x", "open_write x"},
    {'a', EISDIR, "d:x", "flags x +"},
    {'a', EISDIR, "d:x", "flags x wc"},
    {'a', EISDIR, "d:x", "flags x wt"},
    {'a', ENOTDIR, "f:x", "open_directory x"},
    {'a', ENOTDIR, "f:x", "flags x/ r"},
    {'a', EISDIR, "", "flags x/ rc"},
    {'a', ELOOP, "f:x l:l=x", "open_nofollow l"},
    {'a', ENOTDIR, "d:d l:l=d", "flags l rdl"},
    {'a', EEXIST, "f:x", "flags x rcx"},
    {'a', EEXIST, "d:x", "flags x rcx"},
    {'a', EEXIST, "l:x=none", "flags x rcx"},
    {'a', EEXIST, "l:x=x", "flags x rcx"},
    {'a', 0, "l:x=new", "flags x wc"},
    {'a', ENOENT, "l:x=none/new", "flags x wc"},
    {'a', 0, "f:x", "flags x wct"},
    {'a', ENXIO, "p:x", "flags x wn"},
    {'a', 0, "p:x", "flags x rn"},
    {'a', ENXIO, "s:x", "flags x r"},
    {'a', EOPNOTSUPP, "d:d", "tmpfile d"}, /* this libfuse has none */
    {'u', EACCES, "f:x,0", "open x"},
    {'u', EACCES, "f:x,444", "open_write x"},
    {'u', EACCES, "f:x,444", "flags x rt"},
    {'u', EACCES, "@f:x,600", "open x"},
    {'u', 0, "@f:x,604", "open x"},
    {'u', EACCES, "@f:x,644", "flags x wa"},
    {'u', EACCES, "@d:d", "flags d/x wc"},
    {'u', EACCES, "d:d,0", "open d"},
    {'u', EPERM, "@f:x", "flags x rm"},
    {'u', 0, "f:x", "flags x rm"},
    {'r', 0, "f:x,0", "flags x +"},
    {'a', ENOENT, "", "in_removed create x"},
    MAKES("create ", ""),

    /* mkdir(2) */
    PATHS("mkdir ", ""),
    MAKES("mkdir ", ""),
    {'a', EEXIST, "", "mkdir .."},
    {'a', 0, "", "mkdir x/"},

    /* rmdir(2) */
    PATHS("rmdir ", ""),
    REMOVES("d", "rmdir "),
    {'a', ENOTDIR, "f:x", "rmdir x"},
    {'a', ENOTDIR, "p:x", "rmdir x"},
    {'a', ENOTDIR, "d:d l:x=d", "rmdir x"},
    {'a', ENOTDIR, "l:x=x", "rmdir x"},
    {'a', ENOTEMPTY, "d:x f:x/f", "rmdir x"},
    {'a', ENOTEMPTY, "d:x d:x/d", "rmdir x"},
    {'a', ENOTEMPTY, "d:x l:x/l=none", "rmdir x"},
    {'a', EINVAL, "d:x", "rmdir x/."},
    {'a', ENOTEMPTY, "d:x d:x/d", "rmdir x/d/.."},

    /* unlink(2) */
    PATHS("unlink ", ""),
    REMOVES("f", "unlink "),
    REMOVES("p", "unlink "),
    {'a', EISDIR, "d:x", "unlink x"},
    {'a', EISDIR, "d:x", "unlink x/."},
    {'a', ENOTDIR, "f:x", "unlink x/"},
    {'a', 0, "l:x=x", "unlink x"},
    {'a', 0, "d:d l:x=d", "unlink x"},
    {'a', 0, "s:x", "unlink x"},

    /* rename(2) */
    PATHS("rename ", " y"),
    {'a', ENOENT, "f:f", "rename f none/x"},
    {'a', ENOTDIR, "f:f f:g", "rename f g/x"},
    {'a', ENAMETOOLONG, "f:f", "rename f %M"},
    {'a', ENAMETOOLONG, "f:f", "rename f %Px"},
    {'a', ELOOP, "f:f l:l=l", "rename f l/x"},
    {'a', ENOENT, "", "rename x y"},
    {'a', 0, "l:x=none", "rename x y"},
    {'a', 0, "p:x f:y", "rename x y"},
    {'a', 0, "f:x f:y", "rename x y"},
    {'a', 0, "f:x", "rename x x"},
    {'a', 0, "f:x", "rename x %L"},
    {'a', 0, "d:x f:x/f", "rename x y"},
    {'a', EISDIR, "f:x d:y", "rename x y"},
    {'a', ENOTDIR, "d:x f:y", "rename x y"},
    {'a', ENOTDIR, "f:x", "rename x y/"},
    {'a', EINVAL, "d:x", "rename x x/y"},
    {'a', EINVAL, "d:x d:x/d", "rename x x/d/y"},
    {'a', EBUSY, "d:x", "rename x/. y"},
    {'a', EBUSY, "d:x", "rename x ."},
    {'a', EEXIST, "f:x f:y", "rename_no_replace x y"},
    {'a', EEXIST, "f:x d:y", "rename_no_replace x y"},
    {'a', EEXIST, "f:x l:y=none", "rename_no_replace x y"},
    {'a', EEXIST, "f:x", "rename_no_replace x x"},
    {'a', 0, "f:x", "rename_no_replace x y"},
    {'a', 0, "f:x d:d", "rename x d/x"},
    {'a', 0, "d:x d:d", "rename x d/x"},
    {'a', 0, "d:d f:d/x", "rename d/x x"},
    {'a', 0, "d:d d:e f:d/x f:e/x", "rename d/x e/x"},
    {'a', 0, "d:d d:e l:d/x=none p:e/x", "rename d/x e/x"},
    {'a', 0, "d:x d:y", "rename x y"},
    {'a', 0, "d:x f:x/f d:y", "rename x y"},
    {'a', 0, "d:d d:d/x f:d/x/f d:x", "rename d/x x"},
    {'a', ENOTEMPTY, "d:x d:y f:y/f", "rename x y"},
    {'a', ENOTEMPTY, "d:x d:d d:d/x d:d/x/y", "rename x d/x"},
    {'a', ENOTEMPTY, "d:x d:x/y", "rename x/y x"},
    {'a', EISDIR, "f:x d:d d:d/y", "rename x d/y"},
    {'a', ENOTDIR, "d:x d:d f:d/y", "rename x d/y"},
    {'a', EINVAL, "d:x d:x/d d:x/d/e", "rename x x/d/e/y"},
    {'a', ENOENT, "d:d", "rename d/x y"},
    {'a', 0, "f:x d:d", "rename_no_replace x d/y"},
    {'a', EEXIST, "f:x d:d f:d/y", "rename_no_replace x d/y"},
    {'a', EEXIST, "d:x d:y", "rename_no_replace x y"},
    {'a', 0, "f:x f:y", "rename_exchange x y"},
    {'a', 0, "f:x d:y f:y/f", "rename_exchange x y"},
    {'a', 0, "d:x d:d f:d/y", "rename_exchange x d/y"},
    {'a', 0, "d:x f:x/f d:d d:d/y", "rename_exchange x d/y"},
    {'a', 0, "l:x=none p:y", "rename_exchange x y"},
    {'a', 0, "f:x", "rename_exchange x x"},
    {'a', ENOENT, "f:x", "rename_exchange x y"},
    {'a', ENOENT, "f:y", "rename_exchange x y"},
    {'a', EINVAL, "d:x d:x/d", "rename_exchange x x/d"},
    {'a', EINVAL, "d:x f:x/f", "rename_exchange x/f x"},
    {'u', EACCES, "d:d,555 f:d/x f:y", "rename y d/x"},
    {'u', EACCES, "d:d,555 f:d/x f:y", "rename_exchange d/x y"},
    {'u', EPERM, "@d:d,1777 @f:d/x f:y", "rename y d/x"},
    {'u', EACCES, "d:d,555 f:d/x", "rename d/x d/y"},
    {'u', EACCES, "@d:d f:d/x", "rename d/x d/y"},
    {'u', EPERM, "@d:d,1777 @f:d/x", "rename d/x d/y"},
    {'u', EPERM, "@d:d,1777 f:d/x @f:d/y", "rename d/x d/y"},
    {'u', 0, "@d:d,1777 f:d/x", "rename d/x d/y"},

    /* link(2) */
    PATHS("link ", " y"),
    {'a', ENOENT, "f:f", "link f none/x"},
    {'a', ENOTDIR, "f:f f:g", "link f g/x"},
    {'a', ENOENT, "f:f l:l=none", "link f l/x"},
    {'a', ENAMETOOLONG, "f:f", "link f %M"},
    {'a', ENAMETOOLONG, "f:f", "link f %Px"},
    {'a', ENOENT, "f:f", "link f ''"},
    {'a', ELOOP, "f:f l:l=l", "link f l/x"},
    {'a', ENOENT, "", "link x y"},
    {'a', 0, "f:x", "link x y"},
    {'a', 0, "f:x", "link x %L"},
    {'a', 0, "f:x d:d", "link x d/y"},
    {'a', 0, "d:d f:d/x", "link d/x y"},
    {'a', 0, "l:x=none", "link x y"},
    {'a', 0, "p:x", "link x y"},
    {'a', 0, "s:x", "link x y"},
    {'a', EEXIST, "f:x", "link x x"},
    {'a', EEXIST, "f:x f:y", "link x y"},
    {'a', EEXIST, "f:x d:y", "link x y"},
    {'a', EEXIST, "f:x l:y=none", "link x y"},
    {'a', EEXIST, "f:x p:y", "link x y"},
    {'a', EEXIST, "f:x", "link x ."},
    {'a', EPERM, "d:x", "link x y"},
    {'a', ENOTDIR, "f:x", "link x/ y"},
    {'a', ENOENT, "f:x", "link x y/"},
    {'u', EACCES, "f:x @d:d", "link x d/y"},
    {'u', EACCES, "f:x d:d,555", "link x d/y"},
    {'u', EACCES, "@d:d,700 @f:d/x", "link d/x y"},
    {'r', 0, "f:x d:d,0", "link x d/y"},

    /* symlink(2), readlink(2) */
    PATHS("symlink target ", ""),
    MAKES("symlink target ", ""),
    {'a', ENOENT, "", "symlink '' x"},
    {'a', ENAMETOOLONG, "", "symlink %P x"},
    {'a', 0, "", "symlink %M x"},
    PATHS("readlink ", ""),
    {'a', ENOENT, "", "readlink x"},
    {'a', EINVAL, "f:x", "readlink x"},
    {'a', EINVAL, "d:x", "readlink x"},
    {'a', EINVAL, "p:x", "readlink x"},
    {'a', EINVAL, "l:x=y", "readlink_of x 0"},
    {'a', 0, "l:x=x", "readlink x"},

    /* mknod(2) */
    PATHS("mkfifo ", ""),
    MAKES("mkfifo ", ""),
    MAKES("mksock ", ""),
    MAKES("mknod ", ""),
    {'a', EPERM, "", "mknod_of x 040755"},
    {'a', EINVAL, "", "mknod_of x 0120777"},
    {'a', EINVAL, "", "mknod_of x 0170644"},
    {'a', 0, "", "mknod_of x 0644"},
    {'u', EPERM, "", "mkdev x"},
    {'r', 0, "", "mkdev x"},

    /* stat(2), access(2), statfs(2), chdir(2) */
    PATHS("stat ", ""),
    LAST("stat ", ""),
    PATHS("lstat ", ""),
    {'a', ENOENT, "", "lstat x"},
    {'a', 0, "l:x=x", "lstat x"},
    {'a', ENOTDIR, "f:x", "stat x/"},
    PATHS("access ", " 0"),
    LAST("access ", " 0"),
    {'a', EINVAL, "f:x", "access x 99"},
    {'a', EACCES, "f:x,644", "access x 1"},
    {'u', EACCES, "@f:x,640", "access x 4"},
    {'u', EACCES, "@f:x,644", "access x 2"},
    {'u', 0, "@f:x,604", "access x 4"},
    {'r', 0, "f:x,0", "access x 6"},
    PATHS("statfs ", ""),
    LAST("statfs ", ""),
    {'a', 0, "f:x", "statfs x"},
    PATHS("chdir ", ""),
    LAST("chdir ", ""),
    {'a', ENOTDIR, "f:x", "chdir x"},
    {'u', EACCES, "d:x,600", "chdir x"},
    {'u', EACCES, "@d:x,700", "chdir x"},
    {'a', ENOTDIR, "f:x", "fchdir x r"},

    /* chmod(2), chown(2), utimensat(2) */
    PATHS("chmod ", " 644"),
    LAST("chmod ", " 644"),
    {'a', 0, "f:x", "chmod x 7777"},
    {'u', EPERM, "@f:x,666", "chmod x 644"},
    {'u', EPERM, "@d:x,777", "chmod x 755"},
    PATHS("chown ", " -1 -1"),
    LAST("chown ", " -1 -1"),
    {'u', EPERM, "f:x", "chown x 0 -1"},
    {'u', EPERM, "f:x", "chown x -1 0"},
    {'u', EPERM, "@f:x,666", "chown x 65534 -1"},
    {'u', EPERM, "@l:x=y", "lchown x 65534 -1"},
    {'r', 0, "f:x", "chown x 1 2"},
    {'r', 0, "l:x=none", "lchown x 1 2"},
    {'u', 0, "f:x,6777", "chown_clears x 777"},
    {'u', 0, "f:x,2766", "chown_clears x 2766"},
    {'u', 0, "f:x,6777", "write_clears x 777"},
    {'u', 0, "f:x,6777", "truncate_clears x 777"},
    {'r', 0, "f:x,6777", "chown_clears x 777"},
    {'r', 0, "f:x,6777", "write_clears x 6777"},
    PATHS("utimens_now ", ""),
    LAST("utimens_now ", ""),
    {'u', EACCES, "@f:x,644", "utimens_now x"},
    {'u', 0, "@f:x,666", "utimens_now x"},
    {'u', EPERM, "@f:x,666", "utimens x 5"},
    {'a', 0, "f:x", "utimens x 5"},
    {'a', 0, "f:x", "utimens x -5"},
    {'a', 0, "f:x", "utimens x 9223372035"},
    {'a', EINVAL, "f:x", "utimens x 9223372037"}, /* past 2262 */
    {'a', EINVAL, "f:x", "utimens_nanoseconds x 1000000000"},
    {'a', EINVAL, "f:x", "utimens_nanoseconds x -1"},

    /* truncate(2), ftruncate(2) */
    PATHS("truncate ", " 0"),
    LAST("truncate ", " 0"),
    {'a', EISDIR, "d:x", "truncate x 0"},
    {'a', EINVAL, "p:x", "truncate x 0"},
    {'a', EINVAL, "f:x", "truncate x -1"},
    {'a', 0, "f:x", "truncate x 17592186044416"},
    {'a', EFBIG, "f:x", "truncate x 17592186044417"},
    {'a', EFBIG, "f:x", "truncate x 9223372036854775807"},
    {'u', EACCES, "@f:x,644", "truncate x 0"},
    {'u', EACCES, "f:x,444", "truncate x 0"},
    {'a', EINVAL, "f:x", "ftruncate x r 0"},
    {'a', EINVAL, "d:x", "ftruncate x r 0"},
    {'a', EINVAL, "f:x", "ftruncate x w -1"},

    /* read(2), write(2), lseek(2), mmap(2), fsync(2), copy_file_range(2) */
    {'a', EISDIR, "d:x", "read_fd x r 0"},
    {'a', EBADF, "f:x", "read_fd x w 0"},
    {'a', EINVAL, "f:x", "read_fd x r -1"},
    {'a', ESPIPE, "p:x", "read_fd x rn 1"},
    {'a', EINVAL, "f:x", "readv_fd x r"},
    {'a', EBADF, "f:x", "write_fd x r 0"},
    {'a', EINVAL, "f:x", "write_fd x w -1"},
    {'a', EFBIG, "f:x", "write_at x 17592186044416"},
    {'a', EFBIG, "f:x", "write_at x 9223372036854775806"},
    {'a', 0, "f:x", "write_at x 17592186044415"},
    {'a', 0, "f:x", "write_at x 4294967296"},
    {'a', EINVAL, "f:x", "lseek x r -1 0"},
    {'a', EINVAL, "f:x", "lseek x r 0 9"},
    {'a', EINVAL, "f:x", "lseek x r -2 2"},
    {'a', ESPIPE, "p:x", "lseek x rn 0 0"},
    {'a', ENXIO, "f:x", "seek_data x 1"},
    {'a', ENXIO, "f:x", "seek_hole x 1"},
    {'a', ENXIO, "f:x", "seek_data x -1"},
    {'a', ENXIO, "f:x", "seek_hole x 9223372036854775807"},
    {'a', 0, "f:x", "seek_hole x 0"},
    {'a', 0, "f:x", "mmap x + rw"},
    {'a', EACCES, "f:x", "mmap x r rw"},
    {'a', EACCES, "f:x", "mmap x w r"},
    {'a', ENODEV, "d:x", "mmap x r r"},
    {'a', 0, "f:x", "fsync x r"},
    {'a', 0, "d:x", "fsync x r"},
    {'a', EINVAL, "p:x", "fsync x rn"},
    {'a', 0, "f:x", "copy x r y wc"},
    {'a', EBADF, "f:x f:y", "copy x w y w"},
    {'a', EBADF, "f:x f:y", "copy x r y r"},
    {'a', EBADF, "f:x f:y", "copy x r y wa"},
    {'a', EISDIR, "d:x f:y", "copy x r y w"},
    {'a', EINVAL, "p:x f:y", "copy x rn y w"},
    {'a', EINVAL, "f:x", "copy x r x w"},

    /* fallocate(2) */
    {'a', EBADF, "f:x", "fallocate_readonly x plain 0 1"},
    {'a', EINVAL, "f:x", "fallocate x plain 0 0"},
    {'a', EINVAL, "f:x", "fallocate x plain -1 1"},
    {'a', EFBIG, "f:x", "fallocate x plain 17592186044416 1"},
    {'a', EFBIG, "f:x", "fallocate x keep 9223372036854775807 1"},
    {'a', EFBIG, "f:x", "fallocate x zero 17592186044416 1"},
    {'a', 0, "f:x", "fallocate x punch 17592186044416 5"},
    {'a', EOPNOTSUPP, "f:x", "fallocate x collapse 0 1"},
    {'a', EOPNOTSUPP, "f:x", "fallocate x insert 0 1"},

    /* getdents(2) */
    {'a', 0, "d:x", "getdents x r 4096"},
    {'a', ENOTDIR, "f:x", "getdents x r 4096"},
    {'a', EINVAL, "d:x", "getdents x r 1"},
    {'a', ENOENT, "d:x", "getdents_removed x"},
    {'a', ENOTDIR, "f:x", "openat_file x r"},
    {'a', ENOENT, "d:x", "openat_file x r"},
    {'u', EACCES, "d:x,300", "getdents x r 4096"},

    /* setxattr(2), getxattr(2), listxattr(2), removexattr(2) */
    PATHS("setxattr ", " user.a 1"),
    PATHS("getxattr ", " user.a 1"),
    PATHS("listxattr ", " 1"),
    PATHS("removexattr ", " user.a"),
    {'a', 0, "f:x", "createxattr x user.a 4000"},
    {'a', 0, "d:x", "setxattr x user.a 0"},
    {'a', ENODATA, "f:x", "replacexattr x user.a 1"},
    {'a', ENODATA, "f:x", "getxattr x user.a 1"},
    {'a', ENODATA, "d:x", "removexattr x user.a"},
    {'a', E2BIG, "f:x", "setxattr x user.a 4097"},
    {'a', E2BIG, "f:x", "setxattr x user.a 70000"},
    {'a', ENOSPC, "f:x", "setxattr x user.a 4096"},
    {'a', ERANGE, "f:x", "setxattr x user.%L 1"},
    {'a', EOPNOTSUPP, "f:x", "setxattr x other.a 1"},
    {'a', EOPNOTSUPP, "f:x", "setacl x"},
    {'a', EOPNOTSUPP, "f:x", "getxattr x system.posix_acl_access 0"},
    {'a', EPERM, "f:x l:l=x", "setxattr l user.a 1"},
    {'a', EPERM, "p:x", "setxattr x user.a 1"},
    {'a', ENODATA, "p:x", "getxattr x user.a 1"},
    {'u', EPERM, "f:x", "setxattr x trusted.a 1"},
    {'u', ENODATA, "f:x", "getxattr x trusted.a 1"},
    {'u', EPERM, "f:x", "setxattr x security.a 1"},
    {'u', EACCES, "@f:x,644", "setxattr x user.a 1"},
    {'u', EACCES, "@f:x,600", "getxattr x user.a 1"},
    {'u', EPERM, "@d:x,1777", "setxattr x user.a 1"},
    {'r', 0, "f:x", "setxattr x trusted.a 1"},

    /* flock(2), fcntl(2); locks.sh has those that wait */
    {'a', 0, "f:x", "flock x"},
    {'a', 0, "f:x", "setlk x"},
    {'a', 0, "f:x", "getlk x"},
    {'a', 0, "f:x", "ofd_setlk x"},
    {'a', EBADF, "f:x", "setlk_readonly x"},
    {'a', EINVAL, "f:x", "setlk_bad x"},
    {'a', EAGAIN, "f:x", "locked x setlk setlk"},
    {'a', EAGAIN, "f:x", "locked x setlk ofd_setlk"},
    {'a', EAGAIN, "f:x", "locked x ofd_setlk setlk"},
    {'a', EAGAIN, "f:x", "locked x ofd_setlk ofd_setlk"},
    {'a', EAGAIN, "f:x", "locked x flock flock_exclusive"},
    {'a', EAGAIN, "f:x", "locked x flock_exclusive flock"},
    {'a', 0, "f:x", "locked x flock flock"},
    {'a', 0, "f:x", "locked x flock_exclusive setlk"},
    {'a', 0, "f:x", "locked x setlk flock_exclusive"},
};

const size_t row_count = sizeof rows / sizeof rows[0];
