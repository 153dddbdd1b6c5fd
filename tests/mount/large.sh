#!/bin/sh
# Files of several extents (1 MiB each): every border, holes, cuts, mappings.
. "$(dirname "$0")/lib.sh"

cluster_up
mount_both
mkdir "$A/d"
M=$STAGE/model

# on_both COMMAND with FILE in it: the same to the model and to the file; then both mounts agree
on_both() {
    (FILE=$M && eval "$1")
    (FILE=$A/$file && eval "$1")
    same "$M" "$B/$file"
    same "$M" "$A/$file"
}

head -c 12582912 /dev/urandom >"$STAGE/noise"
for file in big d/big; do
    say "$file: 12 MiB, written and overwritten across borders"
    rm -f "$M"
    on_both 'cat "$STAGE/noise" >"$FILE"'
    for at in 0 1048575 1048576 2097151 3145000 11534335; do
        on_both "dd if='$STAGE/noise' of=\"\$FILE\" bs=1 seek=$at count=3 conv=notrunc 2>/dev/null"
        on_both "tail -c 1500000 '$STAGE/noise' |
            dd of=\"\$FILE\" bs=1500000 oflag=seek_bytes seek=$at conv=notrunc iflag=fullblock 2>/dev/null"
    done
    say "$file: cut and lengthened: zeros"
    for size in 9000000 9500000 5242880 5242881 12000000 1048577 1048576 4000000 1048575 4000000 \
        100 3000000 0 2500000; do
        on_both "truncate -s $size \"\$FILE\""
    done
    say "$file: a hole, appends"
    on_both 'printf end | dd of="$FILE" bs=1 seek=7340031 conv=notrunc 2>/dev/null'
    on_both 'head -c 3000000 "$STAGE/noise" >>"$FILE"'
    say "$file: far away"
    on_both 'printf end | dd of="$FILE" bs=1 oflag=seek_bytes seek=90000000 conv=notrunc 2>/dev/null'
    is "its size" 90000003 "$(size_of "$B/$file")"
    rm "$A/$file"
    call ENOENT stat "$B/$file"
done

say "offsets beyond 4 GiB"
printf x | dd of="$A/far" bs=1 oflag=seek_bytes seek=5000000000 conv=notrunc 2>/dev/null
is "its size" 5000000001 "$(size_of "$B/far")"
is "its last byte" x "$(tail -c 1 "$B/far")"
truncate -s 4294967297 "$A/far"
is "its size" 4294967297 "$(size_of "$B/far")"

say "a mapping that processes share"
mount_probe map "$A/mapped"
mount_probe map "$A/d/mapped"

assert_fsck_clean
unmount "$B" "$A"
