#!/bin/sh
# Every error that POSIX has for a name, and what this file system refuses.
. "$(dirname "$0")/lib.sh"

cluster_up
mount_on "$A"
cd "$A"
mkdir d d/full d/empty e
echo x >d/full/file
echo x >file
long=$(printf '%0255d' 0)

say "names"
call ENOENT stat none
call ENOENT stat none/below
call ENOENT open d/none
call ENOENT unlink none
call ENOENT unlink d/none
call ENOENT rmdir none
call ENOENT mkdir none/below
call ENOENT create none/below
call ENOENT rename none other
call ENOENT rename d/none d/other
call ENOTDIR stat file/below
call ENOTDIR mkdir file/below
call ENOTDIR create d/full/file/below
call ENOTDIR rmdir file
call ENOTDIR open_directory file
call EISDIR unlink d
call EISDIR open_write d
call EISDIR truncate d 0
call EEXIST mkdir d
call EEXIST mkdir file
call EEXIST mkdir d/full
call EEXIST create file
call EEXIST create d
call EEXIST mknod file
call ENOTEMPTY rmdir d
call ENOTEMPTY rmdir d/full
call EBUSY rmdir "$A"
call EINVAL rename d d/full/below

say "long names"
call OK create "$long"
call OK stat "$long"
call OK unlink "$long"
call OK create "d/$long"
call OK unlink "d/$long"
call OK mkdir "d/$long"
call OK rmdir "d/$long"
for where in "" d/; do
    call ENAMETOOLONG stat "${where}1$long"
    call ENAMETOOLONG create "${where}1$long"
    call ENAMETOOLONG mkdir "${where}1$long"
    call ENAMETOOLONG unlink "${where}1$long"
    call ENAMETOOLONG rename "${where}1$long" other
    call ENAMETOOLONG rename file "${where}1$long"
done

say "renames"
echo one >d/one
echo two >d/two
call EEXIST rename_no_replace d/one d/two
is "the target" two "$(cat d/two)"
call OK rename_no_replace d/one d/three
call EISDIR rename d/three d/full
call ENOTDIR rename d/full d/three
call ENOENT rename_exchange d/two d/none
call EINVAL rename d/full d/full/below
call EINVAL rename_exchange d d/full
call OK rename d/three d/three
call OK rename d/three d/two
is "the target" one "$(cat d/two)"
call ENOENT stat d/three
call OK rename d/full d/fuller
is "below a renamed directory" x "$(cat d/fuller/file)"

say "sizes"
call EINVAL truncate file -1
call EFBIG truncate file 9223372036854775807
call EFBIG write_at file 9223372036854775806
is "the file" x "$(cat file)"

say "refused: files without a name"
call EOPNOTSUPP tmpfile d
is "what there is" "d e file" "$(echo *)"
is "the file" x "$(cat file)"

say "O_TRUNC, O_EXCL"
call OK mknod d/node
is "its size" 0 "$(size_of d/node)"
echo long text >d/node
echo t >d/node
is "after O_TRUNC" t "$(cat d/node)"

say "a descriptor of a file that was replaced"
mount_probe replaced "$A/d"

cd /
unmount "$A"
