#!/bin/sh
# A file in the root is a key: what either side writes the other reads.
. "$(dirname "$0")/lib.sh"

cluster_up
mount_on "$A"
cd "$A"

say "text, empty, binary, longer than 1 MiB, both ways"
head -c 3000 /dev/urandom >"$STAGE/binary"
head -c 3500000 /dev/urandom >"$STAGE/long"
: >"$STAGE/empty"
printf 'hi\n' >"$STAGE/text"
for value in text empty binary long; do
    shardctl put "from-$value" <"$STAGE/$value"
    same "$STAGE/$value" "from-$value"
    cat "$STAGE/$value" >"to-$value"
    shardctl get "to-$value" | cmp - "$STAGE/$value" || fail "shardctl gets another $value"
done
is "mode of a key without attributes" 644 "$(mode_of from-text)"
is "its owner" "$(id -u)" "$(stat -c %u from-text)"
chmod 600 from-text
shardctl put from-text other
is "mode after a put" 600 "$(mode_of from-text)"
is "its bytes" other "$(cat from-text)"
shardctl append to-text more
is "after an append" "hi more" "$(tr '\n' ' ' <to-text)"
shardctl del to-empty
call ENOENT stat to-empty
rm from-empty
is "a get of what was removed" 1 "$(shardctl get from-empty >/dev/null 2>&1 || echo $?)"

say "a stranger's keys: the clerk knows no names of a mount"
key_is() { # KEY NAME: written by the clerk, seen as NAME, and the other way
    echo "$1" | mount_key put "$1"
    is "the file $2" "$1" "$(cat "./$2")"
    echo changed >"./$2"
    is "the key $1" changed "$(mount_key get "$1")"
    ls | grep -qxF -e "$2" || fail "$2 is not listed"
    rm "./$2"
    ! mount_key get "$1" >/dev/null 2>&1 || fail "the key $1 is still there"
}
key_is plain plain
key_is a/b a%2Fb
key_is /etc/passwd %2Fetc%2Fpasswd
key_is nul%00byte nul%00byte # here the key has a 0
key_is . %2E
key_is .. %2E%2E
key_is %252F %252F # here the key is the three bytes %2F
key_is 100%25 100%
for value in empty binary long; do
    mount_key put "clerk/$value" <"$STAGE/$value"
    same "$STAGE/$value" "clerk%2F$value"
    cat "$STAGE/binary" >"clerk%2F$value"
    mount_key get "clerk/$value" | cmp - "$STAGE/binary" || fail "the clerk gets other bytes"
    rm "clerk%2F$value"
done
head -c 300 /dev/zero | tr '\0' k >"$STAGE/name"
mount_key put "$(cat "$STAGE/name")" <"$STAGE/text" # longer than a name may be
is "what is listed" "from-binary from-long from-text to-binary to-long to-text" "$(echo *)"

say "below directories"
shardctl put docs/deep/a.txt text
is "made with its directories" text "$(cat docs/deep/a.txt)"
echo more >docs/deep/b
is "shardctl's listing" "a.txt b" "$(shardctl ls docs/deep | tr '\n' ' ' | sed 's/ $//')"

say "names that need an escape"
# shardctl takes names of the mount, so each name here is a key with a '/', a dot, a percent.
for name in a%2Fb %2Fetc%2F a%00b %2E %2E%2E %252F 100% %41 '%' 'a b' '$(x)' '*' -n 'two
lines'; do
    printf '%s' "$name" >"./$name"
    is "the key of '$name'" "$name" "$(shardctl get -- "$name")"
    is "the file '$name'" "$name" "$(cat "./$name")"
    [ "$(find . -maxdepth 1 -name "$(printf '%s' "$name" | sed 's/[*$]/\\&/g')" | wc -l)" -ge 1 ] ||
        fail "'$name' is not listed"
    rm "./$name"
done
is "what is left" "docs from-binary from-long from-text to-binary to-long to-text" "$(echo *)"

cd /
unmount "$A"
