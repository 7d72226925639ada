#!/bin/sh
# One step of building a runtime's image, run as root with this folder mounted at /run/sandbox-build: nothing of it stays in the image.
#   step.sh apt|pip|npm|cargo|node PACKAGE...   installs packages
#   step.sh run COMMAND                         runs a line of shell
# Beside this file may lie what the operator configured: ca.pem, pip.conf, npmrc, cargo.toml, cargo-login.toml, apt-mirror.
set -eu
here=${0%/*}

if [ -f "$here/ca.pem" ]; then
	export SSL_CERT_FILE="$here/ca.pem" CURL_CA_BUNDLE="$here/ca.pem" GIT_SSL_CAINFO="$here/ca.pem" PIP_CERT="$here/ca.pem"
	export NODE_EXTRA_CA_CERTS="$here/ca.pem" NPM_CONFIG_CAFILE="$here/ca.pem" CARGO_HTTP_CAINFO="$here/ca.pem"
fi
if [ -f "$here/pip.conf" ]; then export PIP_CONFIG_FILE="$here/pip.conf"; fi
if [ -f "$here/npmrc" ]; then export NPM_CONFIG_USERCONFIG="$here/npmrc"; fi
export DEBIAN_FRONTEND=noninteractive

# "$@" are further arguments. The mirror holds debian/ and debian-security/, as deb.debian.org does.
with_apt() {
	if [ -f "$here/ca.pem" ]; then set -- -o "Acquire::https::CaInfo=$here/ca.pem" "$@"; fi
	if [ -f "$here/apt-mirror" ]; then
		mirror=$(cat "$here/apt-mirror")
		. /etc/os-release
		if [ "$ID" != debian ]; then echo "an apt mirror can be used with Debian only, and this is $ID" >&2; exit 1; fi
		key=/usr/share/keyrings/debian-archive-keyring.gpg
		{
			echo "deb [signed-by=$key] $mirror/debian $VERSION_CODENAME main"
			echo "deb [signed-by=$key] $mirror/debian $VERSION_CODENAME-updates main"
			echo "deb [signed-by=$key] $mirror/debian-security $VERSION_CODENAME-security main"
		} > /tmp/sources.list
		set -- -o Dir::Etc::sourcelist=/tmp/sources.list -o Dir::Etc::sourceparts=- "$@"
	fi
	apt-get -o Acquire::Retries=3 "$@"
}

# "name@1.2.3" is that version, "name@1.2" any that is compatible; cargo itself takes only the first without an operator.
cargo_spec() {
	case $1 in
	*@*\** | *@[!0-9]*) echo "$1" ;;
	*@*.*.*) echo "${1%%@*}@=${1#*@}" ;;
	*@*) echo "${1%%@*}@^${1#*@}" ;;
	*) echo "$1" ;;
	esac
}

step=$1
shift
case $step in
run)
	exec /bin/sh -euc "$1"
	;;
apt)
	with_apt update
	with_apt install --yes --no-install-recommends -- "$@"
	find /var/log -type f -newer "$here/step.sh" -delete
	rm -f /tmp/sources.list
	;;
pip)
	# A read-only image has no later Debian package that these could clash with (PEP 668). Compiled now: nobody can write there later.
	export PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1
	exec python3 -m pip install --compile -- "$@"
	;;
npm)
	npm install --global --no-audit --no-fund --no-update-notifier -- "$@"
	# Node looks for packages in every node_modules up to the root, so that these are found from any directory, by `import` too.
	packages=$(npm root --global)
	if [ ! -e /node_modules ]; then ln -s "$packages" /node_modules; fi
	# npm takes the nearest folder with a node_modules for the project, and would now install into the read-only root where there
	# is no package.json. The root is never the project.
	config=$packages/npm/node_modules/@npmcli/config/lib/index.js
	if [ -f "$config" ]; then sed -i "s|^ *for (const p of walkUp(this.cwd)) {\$|&\n      if (p === '/') break|" "$config"; fi
	;;
cargo)
	for spec in "$@"; do
		shift
		set -- "$@" "$(cargo_spec "$spec")"
	done
	if [ -f "$here/cargo.toml" ]; then set -- --config "$here/cargo.toml" --config "$here/cargo-login.toml" -- "$@"; else set -- -- "$@"; fi
	cargo install --root /usr/local --locked "$@"
	# Its downloads are in a mount of the build; what it notes about them is of no use.
	rm -f /root/.cargo/.global-cache /root/.cargo/.package-cache*
	;;
node)
	exec python3 "$here/install-node.py" "$@"
	;;
*)
	echo "unknown step: $step" >&2
	exit 2
	;;
esac
