#!/usr/bin/env bash
# Holds README.md and docs/*.md against the program, the Makefile and the tree.
#     tests/docs.sh BUILD
# * Code blocks (```sh, or indented): a line that begins with `linnet` or `$ linnet` is run, page by page in
#   a fresh folder that holds pets/ and cat.jpg. A `linnet` on the PATH makes it small first: few
#   pictures, few filters, one epoch, no download.
# * Code in the text: each command named exists and knows each flag given to it; a lone `--flag` is known to
#   some command; each `make` target exists.
# * Each relative link and picture leads to a file.
# * docs/defaults.md names each option of `linnet train`, with the default that the program has, and the
#   recipe of each update rule.
# Ends with "N passed, N failed, N skipped".
set -uo pipefail
build=$(realpath "${1:?usage: tests/docs.sh BUILD}")
cd "$(dirname "$0")/.." || exit
linnet=$build/linnet
[[ -x $linnet ]] || { echo "tests/docs.sh: no program $linnet" >&2; exit 1; }
pages=(README.md docs/*.md)
passed=0 failed=0 skipped=0
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
export HOME=$out/home LINNET_CACHE=$out/cache NO_COLOR=1 LC_ALL=C.UTF-8
mkdir -p "$HOME" "$out/bin" "$out/help"

pass()
{
    passed=$((passed + 1))
}

# fail PAGE WHAT
fail()
{
    failed=$((failed + 1))
    echo "FAILED $1: $2"
}

# -- what the program knows

# The first word of each line under "Commands".
mapfile -t commands < <("$linnet" --help | awk '/^Commands/ { on = 1; next } on && NF == 0 { exit } on { print $1 }')
((${#commands[@]} > 5)) || { echo "tests/docs.sh: linnet --help lists no commands" >&2; exit 1; }

# "--flag<TAB>default" for each option of `linnet help COMMAND`; an entry may go on over several lines.
options_of()
{
    "$linnet" help "$1" | awk '
        function done() {
            if (entry == "")
                return
            split(entry, word, " ")
            value = "-"
            if (match(entry, /\[[^][]*\]$/))
                value = substr(entry, RSTART + 1, RLENGTH - 2)
            print word[1] "\t" value
            entry = ""
        }
        /^  --/       { done(); entry = $0; next }
        /^          / { if (entry != "") { sub(/^ +/, ""); entry = entry " " $0 } next }
                      { done() }
        END           { done() }'
}
for command in "${commands[@]}"; do
    options_of "$command" >"$out/help/$command"
done
cut -f 1 "$out"/help/* | sort -u >"$out/flags"

# knows FILE FLAG: in the list as it is, or as the other side of a switch
knows()
{
    local flag=${2%%=*}
    [[ $flag == --help || $flag == --config ]] && return
    grep -qxF -e "$flag" -e "--no-${flag#--}" -e "--${flag#--no-}" <(cut -f 1 "$1")
}

# -- code blocks

# The commands of a page's blocks, a line each; one that ends in \ goes on in the next.
block_commands()
{
    awk '
        /^```/              { fence = !fence; shell = fence && /^```sh[[:space:]]*$/; next }
        fence && !shell     { next }
        !fence && !/^    /  { held = ""; next }
        {
            line = held $0
            held = ""
            if (line ~ /\\$/) {
                held = substr(line, 1, length(line) - 1)
                next
            }
            sub(/^ +/, "", line)
            sub(/^\$ /, "", line)
            if (line ~ /^linnet /)
                print line
        }' "$1"
}

# Stands in for the program in the documents' commands: the same words, smaller numbers.
cat >"$out/bin/linnet" <<'SHIM'
#!/usr/bin/env bash
words=("$@")
# most NAME N: no more than N, given or not
most()
{
    local i
    for i in "${!words[@]}"; do
        case ${words[i]} in
        "--$1") ((words[i + 1] > $2)) && words[i + 1]=$2; return ;;
        "--$1="*) ((${words[i]#*=} > $2)) && words[i]=--$1=$2; return ;;
        esac
    done
    words+=("--$1" "$2")
}
# unless NAME VALUE: when it was not given
unless()
{
    [[ " ${words[*]}" == *" --$1"[\ =]* ]] || words+=("--$1" "$2")
}
# --force: the page may draw over what lies ready.
case ${1:-} in
demo-data) most size 64; most train 8; most test 4; [[ " ${words[*]} " == *" --force "* ]] || words+=(--force) ;;
train) most epochs 1; most size 32; unless filters 8 ;;
pull) [[ " ${words[*]} " == *" --dry-run "* ]] || words+=(--dry-run) ;; # nothing is fetched
bench) most batch 4; most size 32; most steps 1; unless filters 8 ;;
esac
exec "$LINNET" "${words[@]}"
SHIM
chmod +x "$out/bin/linnet"
export LINNET=$linnet

run_page()
{
    local page=$1 work=$out/work line status
    rm -rf "$work" && mkdir "$work"
    "$linnet" demo-data "$work/pets" --size 48 --train 8 --test 4 >/dev/null 2>&1
    cp "$work"/pets/test/crab/00000.jpg "$work/cat.jpg"
    while IFS= read -r line; do
        (cd "$work" && PATH=$out/bin:$PATH timeout 30 bash -c "set -o pipefail; $line") >"$out/got" 2>&1 </dev/null
        status=$?
        if ((status == 0)); then
            pass
        else
            fail "$page" "exit status $status: $line"
            tail -n 5 "$out/got" | sed 's/^/    /'
        fi
    done < <(block_commands "$page")
}

# -- code in the text

# Each `span` of a page that is not in a fence, a line each; a span may go on over the end of a line.
spans()
{
    awk '/^```/ { fence = !fence; next } !fence' "$1" | tr '\n' ' ' | grep -oE '`[^`]+`' | tr -d '`' | tr -s ' '
}

# A `linnet ...` of the text or of a block: is there such a command, and does it know the flags?
check_words()
{
    local page=$1 word command
    local -a words
    read -ra words <<<"$2"
    command=${words[1]:-}
    case $command in
    '' | COMMAND | --help | --version) pass; return ;;
    help) command=${words[2]:-COMMAND} ;;
    esac
    [[ $command == COMMAND ]] && { pass; return; }
    [[ -e $out/help/$command ]] || { fail "$page" "no command $command: $2"; return; }
    for word in "${words[@]:2}"; do
        if [[ $word =~ ^--[a-z] ]] && ! knows "$out/help/$command" "$word"; then
            fail "$page" "linnet $command knows no $word: $2"
            return
        fi
    done
    pass
}

check_text()
{
    local page=$1 span word
    local -a words
    while IFS= read -r span; do
        read -ra words <<<"$span"
        case $span in
        'linnet '*) check_words "$page" "$span" ;;
        --[a-z]*)
            for word in "${words[@]}"; do
                [[ $word == --* ]] || continue
                if knows "$out/flags" "$word"; then pass; else fail "$page" "no command knows $word"; fi
            done
            ;;
        esac
    done < <(spans "$page"; block_commands "$page")
    while read -r _ word; do
        if grep -q "^$word:" Makefile; then pass; else fail "$page" "the Makefile has no $word"; fi
    done < <(grep -oE '(^    |`)make [a-z]+' "$page" | tr -d '`')
}

# -- links

check_links()
{
    local page=$1 link
    while IFS= read -r link; do
        case $link in
        *://* | '#'* | mailto:*) continue ;;
        esac
        if [[ -e $(dirname "$page")/${link%%#*} ]]; then pass; else fail "$page" "leads nowhere: $link"; fi
    done < <(awk '/^```/ { fence = !fence; next } !fence' "$page" | tr '\n' ' ' |
        grep -oE '\]\([^) ]+\)' | sed 's/^](//; s/)$//')
}

# -- defaults

# "--flag<TAB>value" for each name in the first cell of docs/defaults.md's rows of three cells.
documented()
{
    awk -F ' *[|] *' '/^\| *`--/ && NF == 5 {
        n = split($2, name, ", ")
        for (i = 1; i <= n; i++) {
            gsub(/`/, "", name[i])
            print name[i] "\t" $3
        }
    }' docs/defaults.md
}

check_defaults()
{
    local page=docs/defaults.md flag value written
    documented >"$out/documented"
    while IFS=$'\t' read -r flag value; do
        [[ $flag == --help || $flag == --config ]] && continue
        if ! written=$(grep -P "^$flag\t" "$out/documented"); then
            fail "$page" "$flag is missing"
            continue
        fi
        written=${written#*$'\t'}
        # Switches and texts have no [default] in the help.
        if [[ $written == "$value" || ($value == - && ($written == off || -z $written)) ]]; then
            pass
        else
            fail "$page" "$flag is said to be \"$written\"; linnet help train says \"$value\""
        fi
    done <"$out/help/train"
    while IFS=$'\t' read -r flag _; do
        knows "$out/help/train" "$flag" || fail "$page" "linnet train knows no $flag"
    done <"$out/documented"
}

# The table of the recipe: "rules | learning rate | weight decay", against what a run resolves.
check_recipe()
{
    local page=docs/defaults.md rules lr decay rule got seen=0
    "$linnet" demo-data "$out/set" --size 32 --train 4 --test 1 >/dev/null 2>&1
    while IFS=$'\t' read -r rules lr decay; do
        for rule in ${rules//,/ }; do
            seen=$((seen + 1))
            "$linnet" train "$out/set" --out "$out/$rule" --optimiser "$rule" --epochs 1 --size 32 --filters 4 \
                >/dev/null 2>&1
            got=$(tr -d ' ,"' <"$out/$rule/config.json" |
                awk -F : '$1 == "lr" { lr = $2 } $1 == "weight-decay" { decay = $2 } END { print lr, decay }')
            if awk -v a="$got" -v b="$lr $decay" 'BEGIN {
                split(a, x, " "); split(b, y, " "); exit !(x[1] + 0 == y[1] + 0 && x[2] + 0 == y[2] + 0 && x[1] > 0) }'; then
                pass
            else
                fail "$page" "$rule is said to have \"$lr, $decay\"; a run has \"$got\""
            fi
        done
    done < <(awk -F ' *[|] *' '/^[|] rule [|]/ { on = 1; next } on && !/^[|]/ { on = 0 }
        on && $2 !~ /^-/ { print $2 "\t" $3 "\t" $4 }' docs/defaults.md)
    local known
    known=$("$linnet" help train | tr -s ' \n' ' ' | grep -oE 'update rule: [^[]*' | tr -cd ',' | wc -c)
    ((seen == known + 1)) || fail "$page" "the recipe has $seen rules, linnet train $((known + 1))"
}

# A number still to be measured stands as @@name@@.
check_numbers()
{
    local n
    n=$(grep -oE '@@[a-z0-9-]+@@' "$1" | wc -l)
    ((n)) || return 0
    skipped=$((skipped + 1))
    echo "skip: $1: $n numbers are still to be measured"
}

for page in "${pages[@]}"; do
    check_links "$page"
    check_text "$page"
    check_numbers "$page"
    run_page "$page"
done
check_defaults
check_recipe
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))
