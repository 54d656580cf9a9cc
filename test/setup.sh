#!/bin/sh
# Everything that `npm test`, `npm run demo` and `npm run bench` need on a fresh Debian machine; for `npm run cluster` and
# `npm run test:cluster` the npm packages (test/kubernetes/packages.ts has the others).
#
# Plain sh: it runs before there are node modules. It says what it installs, installs only what is missing, and does
# nothing (in a tenth of a second) when all is there.
#
# usage: sh test/setup.sh test|demo|bench|cluster

set -eu
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin

say () { echo "setup: $*" >&2; }

# Debian's name of the package that brings a command.
package_of () {
  case $1 in
    nft) echo nftables ;;
    ip|ss) echo iproute2 ;;
    nsenter|taskset|setpriv) echo util-linux ;;
    nginx) echo nginx-light ;;
    mariadbd) echo mariadb-server-core ;;
    perf) echo linux-perf ;;
    sshd) echo openssh-server ;;
    ssh-keygen) echo openssh-client ;;
    *) echo "$1" ;;
  esac
}

commands_for () {
  case $1 in
    test) echo nft ip nsenter nginx curl iperf3 sshd mariadbd tcpdump openssl ;;
    demo) echo nft ip nsenter nginx mariadbd tcpdump ;;
    bench) echo nft ip ss nsenter taskset setpriv nginx haproxy openssl iperf3 wrk perf ;;
  esac
}

missing_packages () {
  for command in $(commands_for "$1"); do
    command -v "$command" >/dev/null || package_of "$command"
  done | sort -u | tr '\n' ' '
}

# Installing a server would start it; policy-rc.d is Debian's way to say no.
install_packages () {
  rc=/usr/sbin/policy-rc.d
  own_rc=
  if [ ! -e "$rc" ]; then
    own_rc=yes
    printf '#!/bin/sh\nexit 101\n' >"$rc"
    chmod 755 "$rc"
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT INT TERM
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq >&2
  # One name a word.
  # shellcheck disable=SC2086
  apt-get install -y -qq --no-install-recommends $1 >&2
  if [ -n "$own_rc" ]; then rm -f "$rc"; trap - EXIT INT TERM; fi
}

install_debian () {
  missing=$(missing_packages "$1")
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    say "missing: $missing(as root on Debian they would be installed now)"
    return 0
  fi
  say "installing the Debian packages $missing"
  install_packages "$missing"
}

# npm keeps a copy of the lock file in node_modules; ours being newer means that something has to be installed.
install_npm () {
  installed=node_modules/.package-lock.json
  if [ ! -e "$installed" ] || [ -n "$(find package-lock.json -newer "$installed")" ]; then
    say "installing the npm packages"
    npm ci --no-audit --no-fund --loglevel=error >&2
  fi
  # npm 9, which Debian 12 has, makes no link for the program of an optional package: npm would find the machine's Node.
  if [ ! -e node_modules/.bin/node ]; then
    for own in node_modules/node-linux-*/bin/node; do
      [ ! -x "$own" ] || ln -s "../${own#node_modules/}" node_modules/.bin/node
    done
  fi
  # tap makes a module of its plugins, once for each installation.
  if [ ! -e .tap/plugins/package.json ] || [ -n "$(find "$installed" -newer .tap/plugins/package.json)" ]; then
    say "building tap's plugins"
    PATH=$PWD/node_modules/.bin:$PATH tap build >&2
    touch .tap/plugins/package.json
  fi
}

case ${1-} in
  test|demo|bench|cluster) ;;
  *) say "usage: sh test/setup.sh test|demo|bench|cluster"; exit 2 ;;
esac
install_debian "$1"
install_npm
