#!/bin/sh
# Installs Dobby as a service of systemd, and takes him away again. Repeatable: what is there is brought up to date, what is
# yours (config, state) is never overwritten.
set -eu

usage() {
  cat <<'EOF'
usage: install.sh [--lan | --local] [--yes] [--from WHEEL] [--python PYTHON] [--dry-run] [--root DIR]
       install.sh --uninstall [--dry-run] [--root DIR]

  --lan          the chat page is reachable on your network (each person still logs in)
  --local        the chat page is reachable on this machine only
  --yes          ask nothing; without --lan that means --local
  --from WHEEL   install this wheel instead of the checkout that this script lies in
  --python PY    the Python to use, 3.11 or newer (default: python3)
  --dry-run      say each step, do none
  --root DIR     put everything under DIR and leave the system alone: no user, no service (for trying it out)
  --uninstall    take the program and the service away; config and state stay
EOF
}

say() { printf '%s\n' "$*"; }
die() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}
step() { say "==> $*"; }
run() {
  if [ "$dry" = yes ]; then
    say "    $*"
  else
    "$@"
  fi
}

reach='' yes=no dry=no root='' from='' python=python3 uninstall=no
while [ $# -gt 0 ]; do
  case $1 in
  --lan) reach=lan ;;
  --local) reach=local ;;
  --yes | -y) yes=yes ;;
  --dry-run) dry=yes ;;
  --uninstall) uninstall=yes ;;
  --from | --python | --root)
    [ $# -ge 2 ] || die "$1 wants a value; see --help"
    case $1 in
    --from) from=$2 ;;
    --python) python=$2 ;;
    --root) root=${2%/} ;;
    esac
    shift
    ;;
  -h | --help)
    usage
    exit 0
    ;;
  *) die "$1 is not known; see --help" ;;
  esac
  shift
done

here=$(cd -- "$(dirname -- "$0")" && pwd)
venv=$root/opt/dobby
config=$root/etc/dobby
state=$root/var/lib/dobby
unit=$root/etc/systemd/system/dobby.service
command=$root/usr/local/bin/dobby

check_system() {
  [ "$(uname -s)" = Linux ] || die "Dobby runs on Linux; this is $(uname -s)"
  if [ -n "$root" ] || [ "$dry" = yes ]; then return; fi
  [ "$(id -u)" = 0 ] || die "this needs root: sudo $0 (or look first: $0 --dry-run)"
  [ -d /run/systemd/system ] || die "systemd is not running here; see deploy/README.md for a container or by hand"
}

check_python() {
  command -v "$python" >/dev/null || die "there is no $python; name one with --python"
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "$("$python" --version) is too old: Dobby needs 3.11 or newer; name one with --python"
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    die "Python's venv is missing; on Debian and Ubuntu: sudo apt install python3-venv"
}

# What pip installs: a wheel that was named, else the checkout around this script. Never a name from an index.
find_source() {
  if [ -e "$venv" ] && [ ! -e "$venv/pyvenv.cfg" ]; then die "$venv is there and is not Dobby's; move it away first"; fi

  if [ -n "$from" ]; then
    case $from in *.whl) ;; *) die "--from wants a wheel (a file that ends in .whl), not $from" ;; esac
    [ -f "$from" ] || die "there is no file $from"
    source=$(cd -- "$(dirname -- "$from")" && pwd)/$(basename -- "$from")
  elif [ -f "$here/../pyproject.toml" ]; then
    source=$(cd -- "$here/.." && pwd)
  else
    die "there is no checkout around $here; name the wheel with --from"
  fi
}

ask_reach() {
  if [ -z "$reach" ] && [ "$yes" = no ] && [ "$dry" = no ] && [ ! -e "$config/dobby.toml" ] && [ -t 0 ]; then
    printf 'Shall the chat page be reachable on your LAN, so that phones can use it? [y/N] '
    read -r answer
    case $answer in [yYjJ]*) reach=lan ;; esac
  fi
  reach=${reach:-local}
}

lan_address() {
  address=$(ip -4 route get 192.0.2.1 2>/dev/null | sed -n 's/.* src \([0-9.]*\).*/\1/p')
  [ -n "$address" ] || address=$(hostname -I 2>/dev/null | cut -d ' ' -f 1)
  printf '%s' "$address"
}

add_user() {
  [ -z "$root" ] || return 0
  step "A user of his own: dobby"
  if id dobby >/dev/null 2>&1; then
    say "    (there already)"
  else
    run useradd --system --user-group --home-dir "$state" --no-create-home --shell /usr/sbin/nologin dobby
  fi
}

install_program() {
  step "The program: $venv, from $source"
  run mkdir -p "$(dirname "$venv")"
  [ -x "$venv/bin/python" ] || run "$python" -m venv "$venv"
  run "$venv/bin/pip" install --quiet --upgrade "$source"
  # A wheel of the same version may hold newer code; pip would not look into it.
  [ -z "$from" ] || run "$venv/bin/pip" install --quiet --force-reinstall --no-deps "$source"
}

install_config() {
  step "The config: $config/dobby.toml"
  run mkdir -p "$config"
  if [ -e "$config/dobby.toml" ]; then
    say "    (yours stays as it is; the newest example is beside it)"
  else
    write_config
  fi
  run install -m 0644 "$here/dobby.toml.example" "$config/dobby.toml.example"
}

write_config() {
  run install -m 0640 "$here/dobby.toml.example" "$config/dobby.toml"
  if [ "$reach" = lan ]; then
    address=$(lan_address)
    hosts="\"$(hostname | cut -d . -f 1).local\""
    [ -z "$address" ] || hosts="\"$address\", $hosts"
    run sed -i -e 's|^# host = .*|host = "0.0.0.0"|' -e "s|^# hosts = .*|hosts = [$hosts]|" "$config/dobby.toml"
  fi
  [ -n "$root" ] || run chown root:dobby "$config/dobby.toml"
}

install_state() {
  step "The state: $state"
  run mkdir -p "$state"
  run chmod 0700 "$state"
  [ -n "$root" ] || run chown dobby:dobby "$state"
}

install_command() {
  step "The command: $command"
  run mkdir -p "$(dirname "$command")"
  run install -m 0755 "$here/dobby.command" "$command"
}

install_unit() {
  step "The service: $unit"
  run mkdir -p "$(dirname "$unit")"
  run install -m 0644 "$here/dobby.service" "$unit"
  if [ -n "$root" ]; then return; fi
  run systemctl daemon-reload
  run systemctl enable dobby.service
  run systemctl restart dobby.service || die "Dobby does not start; see why with: journalctl -u dobby -n 50"
}

show_login() {
  if [ -n "$root" ]; then
    say "Done. Nothing was started: $venv/bin/dobby run --state $state --config $config/dobby.toml"
    return
  fi
  step "Log in to the chat page"
  run "$command" login
  if [ "$dry" = no ] && ! grep -q '^host = "0.0.0.0"' "$config/dobby.toml"; then
    say "The page is for this machine only. For phones: set web.host and web.hosts in $config/dobby.toml,"
    say "then: systemctl restart dobby && dobby login"
  fi
}

install_all() {
  find_source
  check_python
  ask_reach
  add_user
  install_program
  install_config
  install_state
  install_command
  install_unit
  show_login
}

uninstall_all() {
  if [ -z "$root" ] && [ -e "$unit" ]; then
    step "The service ends"
    run systemctl disable --now dobby.service
  fi
  step "Taken away: $unit, $command, $venv"
  run rm -f "$unit" "$command"
  run rm -rf "$venv"
  [ -n "$root" ] || run systemctl daemon-reload
  say "Kept: $config (the config), $state (everything Dobby knows: rows, history, secrets) and the user dobby."
  say "To be rid of those too: rm -r $config $state && userdel dobby"
}

check_system
if [ "$uninstall" = yes ]; then uninstall_all; else install_all; fi
