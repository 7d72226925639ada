#!/bin/sh
# Downloads packages and all that they need into /tmp/out. Runs in a container of its own, which has a network and nothing of a user:
#   fetch.sh pip|npm|apt|cargo PACKAGE...
# It only downloads: nothing of what comes is built, unpacked or run here. Beside this file may lie what the operator configured:
# ca.pem, pip.conf, npmrc, cargo.toml, cargo-login.toml, apt-mirror.
set -eu
here=${0%/*}
out=/tmp/out
export HOME=/tmp/home
mkdir -p "$out" "$HOME"
exec < /dev/null 2>&1

if [ -f "$here/ca.pem" ]; then
	export SSL_CERT_FILE="$here/ca.pem" PIP_CERT="$here/ca.pem"
	export NODE_EXTRA_CA_CERTS="$here/ca.pem" NPM_CONFIG_CAFILE="$here/ca.pem" CARGO_HTTP_CAINFO="$here/ca.pem"
fi
if [ -f "$here/pip.conf" ]; then export PIP_CONFIG_FILE="$here/pip.conf"; fi
if [ -f "$here/npmrc" ]; then export NPM_CONFIG_USERCONFIG="$here/npmrc"; fi

has() {
	if ! command -v "$1" > /dev/null; then echo "sandbox-mcp: no $1"; exit 127; fi
}

# "$@" are further arguments. All state lies below /tmp, for the root is read-only and the user is not root.
with_apt() {
	if [ -f "$here/ca.pem" ]; then set -- -o "Acquire::https::CaInfo=$here/ca.pem" "$@"; fi
	if [ -f "$here/apt-mirror" ]; then
		mirror=$(cat "$here/apt-mirror")
		. /etc/os-release
		if [ "$ID" != debian ]; then echo "an apt mirror can be used with Debian only, and this is $ID"; exit 1; fi
		key=/usr/share/keyrings/debian-archive-keyring.gpg
		{
			echo "deb [signed-by=$key] $mirror/debian $VERSION_CODENAME main"
			echo "deb [signed-by=$key] $mirror/debian $VERSION_CODENAME-updates main"
			echo "deb [signed-by=$key] $mirror/debian-security $VERSION_CODENAME-security main"
		} > /tmp/sources.list
		set -- -o Dir::Etc::sourcelist=/tmp/sources.list -o Dir::Etc::sourceparts=- "$@"
	fi
	apt-get -q -o Acquire::Retries=2 -o Acquire::Languages=none -o Dir::State::lists=/tmp/apt/lists -o Dir::Cache=/tmp/apt/cache \
		-o Dir::Cache::archives="$out" -o Dir::Log=/tmp/apt/log -o Debug::NoLocking=1 -o APT::Sandbox::User= "$@"
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

manager=$1
shift
case $manager in
pip)
	has python3
	# Wheels alone: a source package runs its own code to tell what it needs.
	python3 -I -m pip download --only-binary :all: --no-cache-dir --disable-pip-version-check --progress-bar off --dest "$out" -- "$@"
	;;
npm)
	has npm
	mkdir /tmp/project
	cd /tmp/project
	echo '{"private":true}' > package.json
	# From the registry alone: a package may name a git repository (which would be built), a URL or a folder as what it needs.
	npm install --cache /tmp/npm --ignore-scripts --no-audit --no-fund --no-update-notifier --git=/bin/false \
		--allow-git=none --allow-remote=none --allow-file=none --allow-directory=none -- "$@"
	mv /tmp/npm/_cacache/content-v2 /tmp/npm/_cacache/index-v5 "$out"
	;;
apt)
	has apt-get
	mkdir -p /tmp/apt/lists/partial /tmp/apt/cache /tmp/apt/log "$out/partial"
	with_apt update
	with_apt install --download-only --yes --no-install-recommends -- "$@"
	rmdir "$out/partial"
	;;
cargo)
	has cargo
	export CARGO_HOME="$out"
	mkdir -p /tmp/project/src
	cd /tmp/project
	echo 'fn main() {}' > src/main.rs
	printf '[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2018"\n[dependencies]\n' > Cargo.toml
	for each in "$@"; do
		spec=$(cargo_spec "$each")
		case $spec in
		*@*) echo "${spec%%@*} = \"${spec#*@}\"" ;;
		*) echo "$spec = \"*\"" ;;
		esac >> Cargo.toml
	done
	if [ -f "$here/cargo.toml" ]; then
		# Also for the install: it looks for the crates where this registry's are kept. The login stays here.
		cp "$here/cargo.toml" "$out/config.toml"
		cargo --config "$here/cargo-login.toml" fetch
	else
		cargo fetch
	fi
	rm -rf "$out/registry/src" "$out"/.package-cache* "$out"/.global-cache
	;;
*)
	echo "unknown manager: $manager"
	exit 2
	;;
esac
