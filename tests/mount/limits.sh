#!/bin/sh
# Names, paths, offsets, attributes and directories at what they may be at most, and beyond: a true
# errno, and the rest goes on.
#
#   limits.sh [ENTRIES]: of the large directories
. "$(dirname "$0")/lib.sh"

ENTRIES=${1-200000}
cluster_up
mount_both
cd "$A"
mkdir d

say "names that are no text: every byte that a name can hold, alone and together"
LC_ALL=C
export LC_ALL
bytes=$(i=1; while [ $i -lt 256 ]; do
    [ $i = 47 ] || [ $i = 46 ] || printf '%03o ' $i
    i=$((i + 1))
done)
for byte in $bytes; do
    eval "name_$byte=\$(printf '%b.' '\\0$byte')" # the dot keeps a newline
done
for where in "" d/; do
    for byte in $bytes; do
        eval "name=\$name_$byte"
        printf '%s' "$byte" >"$where$name"
    done
    for byte in $bytes; do
        eval "name=\$name_$byte"
        read -r got <"$B/$where$name" || :
        is "the file of byte $byte" "$byte" "$got"
    done
    is "how many are listed" 253 "$(find "$B/$where" -maxdepth 1 -type f -name '?.' -print0 | tr -dc '\0' | wc -c)"
    for bad in "$(printf '\377\376')" "$(printf '\303(')" "$(printf '\355\240\200')" \
        "$(printf '\300\257')" "$(printf 'caf\351')"; do
        echo x >"$where$bad"
        mkdir "$where$bad.d"
        echo y >"$where$bad.d/$bad"
        mv "$where$bad" "$where$bad.moved"
        is "a name that is not UTF-8" "x y" "$(cat "$B/$where$bad.moved" "$B/$where$bad.d/$bad" | paste -sd ' ')"
        rm -r "$B/$where$bad.moved" "$B/$where$bad.d"
    done
    find "./$where" -maxdepth 1 -type f -delete
done
is "what is left" d "$(ls -A)"

say "long names, of one byte and of several"
for where in "" d/; do
    for name in "$(printf '%0255d' 0)" "$(printf '\377%.0s' $(seq 255))"; do
        for operation in create unlink mkdir rmdir; do
            call ENAMETOOLONG $operation "$where${name}x"
            call OK $operation "$where$name"
        done
        call OK create "$where$name"
        call ENAMETOOLONG rename "$where$name" "$where${name}x"
        call ENAMETOOLONG stat "$B/$where${name}x"
        call OK unlink "$B/$where$name"
    done
done

say "long paths: 4,095 bytes are one, 4,096 are not"
deep=$(printf '%0250d' 0)
path=.
while [ ${#path} -lt 3700 ]; do
    path=$path/$deep
    mkdir "$path"
done
rest=$((4095 - ${#path} - 1 - 100))
path=$path/$(printf "%0${rest}d" 0)
mkdir "$path"
call OK create "$path/$(printf '%099d' 0)"
call ENAMETOOLONG create "$path/$(printf '%0100d' 0)"
call ENAMETOOLONG stat "$path/$(printf '%0100d' 0)"
call ENAMETOOLONG rename d "$path/$(printf '%0100d' 0)"
is "how deep it is" 1 "$(find "$B/$deep" -type f | wc -l)" # find changes into each directory
call ENAMETOOLONG symlink "$(printf '%04096d' 0)" link
call OK symlink "$(printf '%04095d' 0)" link
call ENAMETOOLONG open link
is "a long target" 4095 "$(readlink "$B/link" | tr -d '\n' | wc -c)"
rm -r link "$deep"

say "symlinks: 40 are followed, 41 are a loop"
echo end >d/0
for i in $(seq 1 41); do
    ln -s $((i - 1)) d/$i
done
is "after 40" end "$(cat "$B/d/40")"
call ELOOP open d/41
call ELOOP stat "$B/d/41"
call OK readlink d/41
ln -s one two
ln -s two one
call ELOOP open one
call ELOOP mkdir one/x
call ELOOP rename d two/x
rm one two
rm -r d
mkdir d

say "offsets near 2^63"
MAX=9223372036854775807
for file in file d/file; do
    echo some bytes >$file
    call EINVAL write_at $file $MAX # by the kernel
    for at in 9223372036854775806 9223372036853727231 4611686018427387904 17592186044416; do
        call EFBIG write_at $file $at
        call ENXIO seek_data $file $at
        call ENXIO seek_hole $file $at
    done
    is "bytes far behind the end" 0 "$(tail -c +4611686018427387904 "$B/$file" | wc -c)"
    call EFBIG truncate $file $MAX
    call EFBIG truncate $file 17592186044417
    call EINVAL truncate $file -1
    call EFBIG fallocate $file plain 9223372036854775806 1
    call EFBIG fallocate $file plain $MAX 1
    call EFBIG fallocate $file plain 1 $MAX
    call EFBIG fallocate $file zero 17592186044415 2
    call OK fallocate $file punch 17592186044415 2
    is "the file" "some bytes" "$(cat "$B/$file")"
    rm $file
done

say "attributes that are too large, or too many"
for name in file d; do
    [ $name = d ] || echo kept >file
    call E2BIG setxattr $name user.large 65537
    call E2BIG setxattr $name user.large 4097
    i=0
    while [ $i -lt 1000 ] && [ "$(mount_probe call createxattr $name "user.number$i" 10)" = OK ]; do
        i=$((i + 1))
    done
    [ $i -gt 100 ] && [ $i -lt 1000 ] || fail "$i attributes fit"
    call ENOSPC createxattr $name "user.number$i" 10
    call OK replacexattr $name user.number0 10
    call ENOSPC replacexattr $name user.number0 1000
    is "how many there are" $i "$(mount_probe xattrs "$B/$name" | wc -l)"
    is "the last one" xxxxxxxxxx "$(mount_probe xattr "$B/$name" "user.number$((i - 1))")"
    call OK removexattr $name user.number7
    call OK createxattr $name "user.number$i" 10
    call OK chmod $name 700
done
is "the file" kept "$(cat "$B/file")"
rm -r file d

say "65,000 names of a file"
counts() { # NAMES: what the own record of `file` says
    mount_record --inode "$inode" "0100a48100000000000000000000$1$(printf '%032d' 0)"
}
echo text >file
inode=$(stat -c %i file)
ln file second
counts e7fd0000 # 64,999
call OK link file third
call EMLINK link file fourth
call EMLINK link "$B/third" "$B/fourth"
is "links" 65000 "$(stat -c %h "$B/second")"
call OK rename third fourth
call OK unlink "$B/second"
call OK link file second
call EMLINK link file third
counts 03000000
rm file fourth
is "the last name" "text 1" "$(cat "$B/second") $(stat -c %h second)"
rm second

# large DIR: with its entries already there. Nothing of it takes the longer the more there are, but for
# the listings.
large() {
    ls -U "$B/$1" >"$STAGE/names"
    is "names in $1" "$ENTRIES" "$(wc -l <"$STAGE/names")"
    is "different ones" "$ENTRIES" "$(sort -u "$STAGE/names" | wc -l)"
    for at in 1 $((ENTRIES / 2)) "$ENTRIES"; do
        some=$(sed -n "${at}p" "$STAGE/names")
        call OK stat "$B/$1/$some"
        call EEXIST create "$1/$some"
        call EEXIST mkdir "$1/$some"
        call ENOENT stat "$B/$1/no $some"
        echo "$at" >"$1/$some"
        is "bytes of $some" "$at" "$(cat "$B/$1/$some")"
        call OK rename "$1/$some" "$1/another"
        call OK link "$1/another" "$1/and another"
        call OK unlink "$1/another"
        is "bytes of its other name" "$at" "$(cat "$B/$1/and another")"
        call OK unlink "$B/$1/and another"
        call ENOENT stat "$B/$1/$some"
        echo "$some" >>"$STAGE/gone"
    done
    ls -U "$A/$1" | sort >"$STAGE/left"
    sort "$STAGE/names" | comm -23 - "$STAGE/left" >"$STAGE/missing"
    is "names in $1" $((ENTRIES - 3)) "$(wc -l <"$STAGE/left")"
    sort "$STAGE/gone" | cmp - "$STAGE/missing" || fail "other names are missing than were removed"
    rm "$STAGE/gone"
}

say "$ENTRIES entries in the root"
kvbench --masters "$SHARDFS_MASTERS" --op put --inflight 256 --seconds 1 --keys "$ENTRIES" --value 10 >/dev/null
large .

say "$ENTRIES entries below the root"
mkdir large other
mount_fill "$(stat -c %i large)" "$ENTRIES" || fail "it cannot be filled"
is "its size" "$ENTRIES" "$(size_of "$B/large")"
large large
is "its size" $((ENTRIES - 3)) "$(size_of "$B/large")"
call ENOTEMPTY rmdir large
call ENOTEMPTY rename other large
call OK rename large other/moved
is "its size" $((ENTRIES - 3)) "$(size_of "$B/other/moved")"
assert_fsck_clean

cd /
unmount "$B" "$A"
