#!/bin/sh
# shardctl tree, du and df, beside what the mount says, and what they say where something is wrong.
. "$(dirname "$0")/lib.sh"

cluster_up
mount_on "$A"

say "tree of nothing, and of a tree"
is "nothing" "/  0 directories, 0 files" "$(shardctl tree | paste -sd ' ')"
mkdir -p "$A/docs/deep/er" "$A/empty"
echo blue >"$A/color"
echo a >"$A/docs/a.txt"
echo b >"$A/docs/deep/er/b"
ln -s ../color "$A/docs/link"
LC_ALL=C shardctl tree >"$STAGE/got"
cat >"$STAGE/wanted" <<'END'
/
|-- color
|-- docs
|   |-- a.txt
|   |-- deep
|   |   `-- er
|   |       `-- b
|   `-- link -> ../color
`-- empty

4 directories, 4 files
END
diff "$STAGE/wanted" "$STAGE/got" || fail "tree draws something else"
LC_ALL=C.UTF-8 shardctl tree docs/deep >"$STAGE/got"
printf 'docs/deep\n└── er\n    └── b\n\n1 directory, 1 file\n' | diff - "$STAGE/got" ||
    fail "tree draws something else"
refused 1 "no such" shardctl tree none
refused 1 "not a directory" shardctl tree color
refused 2 "one argument too many" shardctl tree docs empty
refused 2 "'tree' does not take -h" shardctl tree -h

say "du says what du says in the mount, directories' own blocks aside"
dd if=/dev/urandom of="$A/docs/long" bs=1000 count=3333 status=none
truncate -s 5M "$A/docs/deep/hole"
dd if=/dev/urandom of="$A/docs/deep/er/part" bs=1000 count=77 status=none
for dir in docs docs/deep empty; do
    shardctl du "$dir" >"$STAGE/got"
    (cd "$A" && du "$dir") | diff - "$STAGE/got" || fail "du $dir differs"
done
mkdir "$A/links"
cp "$A/docs/long" "$A/links/one"
ln "$A/links/one" "$A/links/two"
ln "$A/links/one" "$A/third"
is "of several names" "$(cd "$A" && du links)" "$(shardctl du links)"
is "of a file" "$(cd "$A" && du docs/long)" "$(shardctl du docs/long)"
is "of all" "$(du "$A" | tail -n 1 | cut -f 1)" "$(shardctl du | tail -n 1 | cut -f 1)"
is "-h" "$(cd "$A" && du -h docs | tail -n 1)" "$(shardctl du -h docs | tail -n 1)"
refused 1 "no such" shardctl du docs/none

say "many directories and many names: all of them, in order, with many listings in flight"
mkdir "$A/many" "$A/wide"
(cd "$A/many" && seq -f 'd%03g/sub' 1 120 | xargs mkdir -p)
(cd "$A/wide" && seq -f 'f%04g' 1 2500 | xargs touch)
mkdir "$A/wide/f1024.d" "$A/wide/z"
echo x >"$A/wide/z/last"
LC_ALL=C shardctl tree wide >"$STAGE/got"
is "lines" 2506 "$(wc -l <"$STAGE/got")"
is "the last directory" '`-- z' "$(sed -n 2503p "$STAGE/got")"
is "what is in it" '    `-- last' "$(sed -n 2504p "$STAGE/got")"
is "sum" "2 directories, 2501 files" "$(tail -n 1 "$STAGE/got")"
is "sum" "240 directories, 0 files" "$(shardctl tree many | tail -n 1)"
shardctl du many | cut -f 2 >"$STAGE/got"
(cd "$A" && find many -depth -type d | sort) >"$STAGE/wanted"
sort "$STAGE/got" | diff "$STAGE/wanted" - || fail "du leaves directories out"

say "an attribute that is damaged: the rest is told"
mount_record bad 00ff
refused 1 "bad: " shardctl du
is "the rest" "$(du "$A" --exclude=bad | tail -n 1 | cut -f 1)" "$(tail -n 1 "$STAGE/out" | cut -f 1)"
shardctl del --key bad
refused 1 "standard output" sh -c 'shardctl tree >/dev/full'

say "df: each group, and all"
shardctl df >"$STAGE/got"
is "lines" 4 "$(wc -l <"$STAGE/got")"
total=$(awk '$1 == "all" { print $2 }' "$STAGE/got")
is "the sum" "$total" "$(awk '$1 ~ /^10[01]$/ { sum += $3 } END { print sum }' "$STAGE/got")"
is "replicas" "3/3 3/3" "$(awk '$1 ~ /^10/ { print $2 }' "$STAGE/got" | paste -sd ' ')"
is "USE% of all, rounded up" "$(awk '$1 == "all" { part = $3 * 100 / $2; whole = int(part);
    print whole + (part > whole) "%" }' "$STAGE/got")" "$(awk '$1 == "all" { print $5 }' "$STAGE/got")"
shardctl df -h | grep -q '^all .*[0-9][GT] .*%$' || fail "df -h: $(shardctl df -h)"
mount_total() { df --output=size "$A" | tail -n 1 | tr -d ' '; }
has_total() { [ "$(mount_total)" = "$total" ]; }
wait_for 20 has_total || fail "df in the mount says $(mount_total), shardctl says $total"
kill -9 "$(server_pid group-101-1)"
is "with a replica less" "2/3" "$(shardctl df | awk '$1 == 101 { print $2 }')"
kill -9 "$(server_pid group-101-2)" "$(server_pid group-101-3)"
refused 1 "not every group answers" shardctl df
grep -q '^101  *0/3  *-' "$STAGE/out" || fail "df without a group: $(cat "$STAGE/out")"
fusermount3 -u "$A"
ended "$A"
