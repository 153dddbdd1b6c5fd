#!/bin/sh
# fallocate, holes, sparse files, the largest file, O_DIRECT, copy_file_range.
. "$(dirname "$0")/lib.sh"

cluster_up
mount_both
cd "$A"
mkdir d
MIB=1048576

find_in() { mount_probe find "$@"; }
blocks_of() { stat -c %b "$1"; }

say "fallocate"
for name in root d/below; do
    printf 0123456789 >$name
    call OK fallocate $name keep 100 1000
    is "size" 10 "$(size_of "$B/$name")"
    call OK fallocate $name plain 5 20
    is "bytes" "0123456789|25" "$(tr -d '\000' <"$B/$name")|$(size_of "$B/$name")"
    call OK fallocate $name plain 0 7
    is "size" 25 "$(size_of "$B/$name")"
    call OK fallocate $name punch 2 3
    is "bytes" "01zzz56789" "$(head -c 10 "$B/$name" | tr '\000' z)"
    call OK fallocate $name punch 20 1000
    is "size" 25 "$(size_of "$B/$name")"
    call OK fallocate $name zero_keep 8 100
    is "bytes" "01zzz567zz" "$(head -c 10 "$B/$name" | tr '\000' z)"
    is "size" 25 "$(size_of "$B/$name")"
    call OK fallocate $name zero 7 $((3 * MIB))
    is "size" $((3 * MIB + 7)) "$(size_of "$B/$name")"
    is "bytes" "01zzz56" "$(head -c 8 "$B/$name" | tr '\000' z | sed 's/z$//')"
    call EINVAL fallocate $name plain 0 0
    call EINVAL fallocate $name plain -1 10
    call EFBIG fallocate $name plain 17592186044416 1
    call EFBIG fallocate $name zero 17592186044000 1000
    call EFBIG fallocate $name plain 9223372036854775800 100
    call EOPNOTSUPP fallocate $name collapse 0 4096
    call EOPNOTSUPP fallocate $name insert 0 4096
    call EBADF fallocate_readonly $name plain 0 10
    call ENOSPC fallocate $name keep 0 17000000000000
    is "size" $((3 * MIB + 7)) "$(size_of "$B/$name")"
done
call EISDIR fallocate d plain 0 10

say "holes"
truncate -s $((100 * MIB)) sparse
is "blocks of a file without bytes" 2048 "$(blocks_of sparse)"
is "data" none "$(find_in sparse data $MIB)"
is "data" 0 "$(find_in sparse data 0)"
is "hole" $MIB "$(find_in sparse hole 0)"
printf bytes | dd of=sparse bs=1 seek=$((50 * MIB + 10)) conv=notrunc 2>/dev/null
is "data" $((50 * MIB)) "$(find_in "$B/sparse" data $MIB)"
is "hole" $((50 * MIB + 15)) "$(find_in "$B/sparse" hole $((50 * MIB)))"
is "data" none "$(find_in sparse data $((51 * MIB)))"
is "hole" $((60 * MIB + 1)) "$(find_in sparse hole $((60 * MIB + 1)))"
call ENXIO seek_data sparse $((100 * MIB))
call ENXIO seek_hole sparse $((100 * MIB))
call ENXIO seek_data sparse -1
call OK fallocate sparse punch $((50 * MIB)) $MIB
is "data after a punch" none "$(find_in sparse data $MIB)"
dd if=/dev/urandom of=sparse bs=$MIB count=2 seek=30 conv=notrunc 2>/dev/null
cp --sparse=always sparse d/copy
same sparse d/copy
is "data of the copy" $((30 * MIB)) "$(find_in d/copy data $MIB)"
is "hole of the copy" $((32 * MIB)) "$(find_in d/copy hole $((30 * MIB)))"
cp --sparse=auto sparse "$STAGE/out"
same sparse "$STAGE/out"
tar -C "$A" -cSf - sparse | tar -C "$STAGE" -xf -
same sparse "$STAGE/sparse"

say "the largest file"
LARGEST=17592186044416
: >large
call OK truncate large $LARGEST
call EFBIG truncate large $((LARGEST + 1))
is "size" $LARGEST "$(size_of "$B/large")"
mount_probe limit large $LARGEST
is "data at its end" $((LARGEST - MIB)) "$(find_in large data $((LARGEST - 5 * MIB)))"
is "what it says where it cannot look at all" $((4097 * MIB)) "$(find_in large data $MIB)"
call EFBIG write_at large 9223372036854775806
call EFBIG write_at large $LARGEST
call OK truncate large 5
call OK truncate large $LARGEST
is "what is left" none "$(find_in large data $MIB)"
rm large

say "a sparse file costs what is written"
stored() { du -sk "$C" | cut -f 1; }
before=$(stored)
for at in 0 3000000000 1000000000000 17592186040000; do
    printf written | dd of=d/thin bs=1 seek=$at conv=notrunc 2>/dev/null
done
is "size" 17592186040007 "$(size_of "$B/d/thin")"
truncate -s 9000000000000 d/thin
truncate -s 17000000000000 d/thin
[ $(($(stored) - before)) -lt 100000 ] || fail "28 bytes took $(($(stored) - before)) KiB"
rm d/thin

say "O_DIRECT"
mount_probe direct "$A/direct"
mount_probe direct "$A/d/direct"
dd if=direct of="$STAGE/direct" bs=4096 iflag=direct 2>/dev/null
same direct "$STAGE/direct"
dd if="$STAGE/direct" of=d/again bs=65536 oflag=direct 2>/dev/null
same direct d/again

say "copy_file_range, cp, cat"
dd if=/dev/urandom of=random bs=333300 count=10 2>/dev/null
mount_probe copy random d/random
same random d/random
mount_probe copy random "$B/other"
same random other
cp random cp
cat random >cat
same random cp
same random cat
cp --reflink=auto random reflink
same random reflink

if [ "$(id -u)" = 0 ]; then
    say "fallocate by another takes suid and sgid away"
    chmod 711 "$STAGE"
    cd /
    unmount "$A"
    mount_on "$A" -o allow_other
    chmod 755 "$A"
    as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
    for mode in plain punch zero; do
        chmod 6777 "$A/random"
        is "fallocate $mode" OK "$(as_nobody mount_probe call fallocate "$A/random" $mode 0 5)"
        is "mode after fallocate $mode" 777 "$(mode_of "$A/random")"
    done
    chmod 6777 "$A/random"
    is "copy" "" "$(as_nobody mount_probe copy "$A/direct" "$A/random")"
    is "mode after a copy" 777 "$(mode_of "$A/random")"
fi

cd /
unmount "$B" "$A"
