# System packages that the tests start: installed where that is allowed, else named.
set -eu

missing=""
command -v promtool >/dev/null 2>&1 && command -v prometheus >/dev/null 2>&1 || missing="$missing prometheus"
command -v redis-server >/dev/null 2>&1 || missing="$missing redis-server"
command -v node >/dev/null 2>&1 || missing="$missing nodejs"
command -v npm >/dev/null 2>&1 || missing="$missing npm"
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$missing postgresql"

[ -n "$missing" ] || exit 0
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    echo "Installing for the tests:$missing"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $missing >/dev/null
    # The tests start servers of their own; a package's service, where it was started, must not stay.
    case "$missing" in *postgresql*) systemctl disable --now postgresql >/dev/null 2>&1 || true ;; esac
    case "$missing" in *prometheus*) systemctl disable --now prometheus >/dev/null 2>&1 || true ;; esac
    case "$missing" in *redis-server*) systemctl disable --now redis-server >/dev/null 2>&1 || true ;; esac
else
    echo "The tests that need these system packages will say so; to run them, install:$missing"
fi
