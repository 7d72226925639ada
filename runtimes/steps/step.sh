#!/bin/sh
# One step of building a runtime's image, run as root with this folder mounted at /run/sandbox-build: nothing of it stays in the image.
#   step.sh apt|pip|npm|cargo|node PACKAGE...   installs packages
#   step.sh run COMMAND                         runs a line of shell
# Beside this file lies ../packages/sources.sh, with what the operator configured.
set -eu
here=${0%/*}
. "$here/sources.sh"
export DEBIAN_FRONTEND=noninteractive

step=$1
shift
case $step in
run)
	exec /bin/sh -euc "$1"
	;;
apt)
	apt_get -o Acquire::Retries=3 update
	apt_get -o Acquire::Retries=3 install --yes --no-install-recommends -- "$@"
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
