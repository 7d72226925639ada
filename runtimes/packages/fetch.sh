#!/bin/sh
# Downloads packages and all that they need into /tmp/out. Runs in a container of its own, which has a network and nothing of a user:
#   fetch.sh pip|npm|apt|cargo PACKAGE...
# It only downloads: nothing of what comes is built, unpacked or run here. Beside this file lies sources.sh, with what the operator configured.
set -eu
here=${0%/*}
out=/tmp/out
export HOME=/tmp/home
mkdir -p "$out" "$HOME"
exec < /dev/null 2>&1

. "$here/sources.sh"

has() {
	if ! command -v "$1" > /dev/null; then echo "sandbox-mcp: no $1"; exit 127; fi
}

# All state lies below /tmp, for the root is read-only and the user is not root.
download_apt() {
	apt_get -q -o Acquire::Retries=2 -o Acquire::Languages=none -o Dir::State::lists=/tmp/apt/lists -o Dir::Cache=/tmp/apt/cache \
		-o Dir::Cache::archives="$out" -o Dir::Log=/tmp/apt/log -o Debug::NoLocking=1 -o APT::Sandbox::User= "$@"
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
	download_apt update
	download_apt install --download-only --yes --no-install-recommends -- "$@"
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
