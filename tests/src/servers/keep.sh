# Runs one broker for as long as test processes use it, and a while longer, so that the next one finds it running.
#
# Arguments: HOME, INSTANCE (a folder in it), LINGER (seconds), and the broker's command.
#   HOME/users  every test process holds a shared lock on it; the kernel gives it back however the process ends
#   HOME/start  held while the broker is started or ended, so that nobody is handed one that is ending
#   HOME/run    "PORT INSTANCE" of the broker in use; written by the test process that started it
# Needs flock (util-linux).
trap '' HUP INT
home=$1 instance=$2 linger=$3
shift 3
cd "$home/$instance" || exit 1
command -v flock >>log 2>&1 || { echo "flock is missing" >>log; cp log ../last.log; exit 1; }

"$@" </dev/null >>log 2>&1 &
broker=$!

unused() { flock -n -x "$home/users" true; }

end_when_unused() {
    while :; do
        seconds=0
        while [ "$seconds" -lt "$linger" ]; do
            sleep 1
            if unused; then seconds=$((seconds + 1)); else seconds=0; fi
        done
        exec 9>>"$home/start"
        flock -x 9
        unused && break
        exec 9>&- # somebody came in between
    done
    if grep -q " $instance\$" "$home/run"; then rm "$home/run"; fi
    kill "$broker"
    for _ in 1 2 3 4 5; do
        sleep 1
        kill -0 "$broker" || exit
    done
    kill -9 "$broker"
}
end_when_unused >/dev/null 2>&1 &
watcher=$!
trap 'kill "$broker"' TERM

wait "$broker"
kill "$watcher" 2>/dev/null
cp log ../last.log
cd "$home" && rm -rf "$instance"
