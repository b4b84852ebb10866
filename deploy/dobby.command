#!/bin/sh
# dobby: the command of the Dobby who lives on this machine as a service (install.sh puts it into /usr/local/bin).
# What concerns him is asked as his own user. A backup and a restore stay root's: they write where he may not.
command=${1:-}
program=/opt/dobby/bin/dobby

case $command in
chat | login | ledger | doctor | backup | restore | run)
  if [ "$(id -u)" != 0 ]; then
    echo "dobby: what he knows is for root and for him alone; ask with: sudo dobby $*" >&2
    exit 1
  fi
  DOBBY_STATE=/var/lib/dobby
  DOBBY_CONFIG=/etc/dobby/dobby.toml
  export DOBBY_STATE DOBBY_CONFIG
  case $command in
  backup | restore) exec "$program" "$@" ;;
  *) exec runuser -u dobby -- "$program" "$@" ;;
  esac
  ;;
esac
exec "$program" "$@"
