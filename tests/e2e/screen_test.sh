#!/bin/bash
# The live table on real terminals (tmux): at 80x24, 40x10 and 200x60, resized in the middle, with colours and
# without; compared with tests/e2e/screen/*.txt, in which times and sizes are left out (GOLDEN_UPDATE=1
# writes them anew, to be read before they are committed).
# shellcheck source-path=SCRIPTDIR disable=SC2016 # inner shells
. "$(dirname "$0")/lib.sh"

golden=$root/tests/e2e/screen
export TMUX_TMPDIR=$tmp

# A server of its own for each terminal: one that was told to end takes a while to.
terminal=0

mux() {
	tmux -f /dev/null -L "t$terminal" "$@"
}

next_mux() {
	mux kill-server >"$tmp/out" 2>&1
	terminal=$((terminal + 1))
}

write_inventory() { # VERSION READY
	mkdir -p "$tmp/screen"
	file=$tmp/screen/shipit.yml
	cat >"$file" <<-END
		project: screen
		ssh: {config: $LAB_SSH_CONFIG}
		services: {web: {image: "box:$1", ready: {running: $2}, stop_grace_period: 0s}}
		hosts: {h1: {}, h2: {}, h3: {}}
		environments: {prod: {hosts: ["*"]}}
	END
}

# A terminal of this size in which shipit runs.
open_terminal() { # COLUMNSxROWS ARG...
	local size=$1
	shift
	printf 'cd %q; ' "$tmp/screen" >"$tmp/command"
	printf '%q ' "$SHIPIT" "$@" >>"$tmp/command"
	next_mux
	mux new-session -d -s t -x "${size%x*}" -y "${size#*x}" \
	    "TERM=screen-256color sh -c '$(cat "$tmp/command"); echo exit \$?; exec sleep 1000'" \; \
	    set -g status off \; set -g window-size manual \; resize-window -x "${size%x*}" -y "${size#*x}"
}

shown() { # [OPTION]: -J joins what the terminal broke
	mux capture-pane -p "$@" -t t | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}'
}

plain() { # without what differs from run to run
	sed -E -e 's/[0-9]+:[0-9]{2}/T/g; /slowest:/d; s/ in [0-9.]+ s(, .* moved)?$/ in N s/' -e 's/ +/ /g; s/ $//'
}

shows() { # TEXT [TIMES]
	[ "$(shown | grep -c -- "$1")" -ge "${2:-1}" ]
}

want_shown() { # NAME COLUMNS [-J]
	shown "${@:3}" | plain >"$tmp/out"
	[ -z "${GOLDEN_UPDATE-}" ] || cp "$tmp/out" "$golden/$1.txt"
	diff -u "$golden/$1.txt" "$tmp/out" >"$tmp/diff" || wrong "$1 is not as it was: $(cat "$tmp/diff")"
	want_same "columns beyond the edge of $1" 0 "$(shown | awk -v most="$2" 'length($0) > most' | wc -l)"
}

# In the middle, resized to two other sizes, and at the end.
watch_rollout() { # VERSION SIZE SIZE SIZE
	local first=$2 second=$3 third=$4
	begin "a rollout at $first, resized to $second and $third"
	write_inventory "$1" 15s
	open_terminal "$first" deploy prod
	until_true 60 shows 'ready.*waiting' 3 || wrong 'the hosts do not come to the step ready'
	want_shown "$first" "${first%x*}"
	mux resize-window -t t -x "${second%x*}" -y "${second#*x}"
	until_true 10 settled || wrong 'the table does not come to rest'
	want_shown "$first-$second" "${second%x*}"
	mux resize-window -t t -x "${third%x*}" -y "${third#*x}"
	until_true 10 settled || wrong 'the table does not come to rest'
	want_shown "$first-$second-$third" "${third%x*}"
	until_true 60 shows 'exit 0' || wrong 'it does not end'
	want_shown "$first-end" 1000 -J
}

# The same twice, a second apart.
settled() {
	local before
	before=$(shown | plain)
	sleep 0.6
	[ "$before" = "$(shown | plain)" ]
}

# Only the theme's own colours, which whoever chose the theme can read, and nothing said by colour alone.
test_colours() {
	begin 'colours are those of the theme, on no ground of their own'
	write_inventory v1 8s
	open_terminal 80x24 deploy prod
	until_true 60 shows 'ready.*waiting' 3 || wrong 'the hosts do not come to the step ready'
	mux capture-pane -p -e -t t >"$tmp/colours"
	until_true 60 shows 'exit 0' || wrong 'it does not end'
	mux capture-pane -p -e -t t >>"$tmp/colours"
	grep -o $'\033\[[0-9;]*m' "$tmp/colours" | tr -d '\033[m' | tr ';' '\n' | sort -u >"$tmp/out"
	want_same 'others than bold, faint, red, green, yellow, magenta, cyan' '' \
	    "$(grep -vxE '|0|1|2|22|31|32|33|35|36|39|49' "$tmp/out" | xargs)"
	grep -qxE '3[1-6]' "$tmp/out" || wrong 'there are no colours'

	begin 'without colours the same is said'
	write_inventory v2 8s
	open_terminal 80x24 --no-color deploy prod
	until_true 60 shows 'exit 0' || wrong 'it does not end'
	shown -J | plain >"$tmp/bare"
	mux capture-pane -p -e -t t >"$tmp/out"
	! grep -q $'\033\[3' "$tmp/out" || wrong 'there are colours'
	write_inventory v1 8s
	open_terminal 80x24 deploy prod
	until_true 60 shows 'exit 0' || wrong 'it does not end'
	want_same 'what is said' "$(cat "$tmp/bare")" "$(shown -J | plain)"
}

# Ctrl-Z and fg, and Ctrl-C: the shell's prompt and the table do not write over each other.
test_keys() {
	begin 'stopped by Ctrl-Z and taken up again, then ended by Ctrl-C'
	write_inventory v2 20s
	next_mux
	mux new-session -d -s t -x 80 -y 24 'PS1="prompt> " TERM=screen-256color bash --norc --noprofile -i'
	until_true 20 shows 'prompt>' || wrong 'no shell'
	mux send-keys -t t "$(printf 'cd %q; %q deploy prod' "$tmp/screen" "$SHIPIT")" Enter
	until_true 60 shows 'ready.*waiting' 3 || wrong 'the hosts do not come to the step ready'
	mux send-keys -t t C-z
	until_true 20 shows 'Stopped' || wrong 'it does not stop'
	mux send-keys -t t 'fg' Enter
	until_true 20 sees_table_again || wrong 'the table does not come back'
	mux send-keys -t t C-c
	until_true 60 shows 'interrupted;' || wrong 'nothing is said of the interrupt'
	until_true 60 shows '^deploy prod:' || wrong 'it does not end'
	mux send-keys -t t 'echo it was $?' Enter
	until_true 20 shows 'it was 130' || wrong 'the exit code'
	shown >"$tmp/out"
	for h in h1 h2 h3; do
		want_same "what $h serves" v1 "$(on $h docker exec screen.prod.web /busybox cat /www/index.html)"
	done
}

sees_table_again() {
	[ "$(shown | sed -n '/prompt> fg/,$p' | grep -c ready)" -ge 3 ]
}

trap 'mux kill-server 2>/dev/null; clean_up' EXIT
lab_up 3
make_box v1 && make_box v2 || exit 1
write_inventory v1 1s
shipit -f "$file" deploy prod
[ "$code" = 0 ] || { cat "$tmp/out"; echo '0 passed, 1 failed'; exit 1; }
watch_rollout v2 80x24 40x10 200x60
watch_rollout v1 40x10 200x60 80x24
watch_rollout v2 200x60 80x24 40x10
test_colours
test_keys
mux kill-server >"$tmp/out" 2>&1
totals
