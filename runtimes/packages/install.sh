#!/bin/sh
# Installs downloaded packages into the user's environment, inside the sandbox, as its user and without a network:
#   install.sh DIR REGISTRY UPGRADE MANAGER PACKAGE...
# DIR holds packages.tar. Prints "name<TAB>version" for each package on stdout; all else goes to the log.
set -eu
dir=$1 registry=$2 upgrade=$3 manager=$4
shift 4
prefix=$HOME/.local
mkdir -p "$prefix"
exec 3>&1 >> "$dir/install.log" 2>&1

# Another server may install for the same user; both would write the same files.
exec 9> "$prefix/.install.lock"
flock 9

finish() {
	code=$?
	# There is no log of the download when its archive could not be unpacked.
	cat "$dir/fetch.log" "$dir/install.log" > "$prefix/install.log" 2> /dev/null || :
	[ $code = 0 ] || tail -n 40 "$dir/install.log" >&3 || :
	rm -rf "$dir"
	# Of an install whose server was killed.
	find "${dir%/*}" -mindepth 1 -maxdepth 1 -mmin +120 -exec rm -rf {} +
	exit $code
}
trap finish EXIT

cd "$dir"
tar -xf packages.tar
rm packages.tar

# "name@1.2.3" is that version, "name@1.2" any that is compatible; cargo itself takes only the first without an operator.
cargo_spec() {
	case $1 in
	*@*\** | *@[!0-9]*) echo "$1" ;;
	*@*.*.*) echo "${1%%@*}@=${1#*@}" ;;
	*@*) echo "${1%%@*}@^${1#*@}" ;;
	*) echo "$1" ;;
	esac
}

case $manager in
pip)
	# Nothing of the workspace's own settings: they may name an index, or forbid what is done here. PEP 668: the directory is the
	# user's own, so no package of the system is touched.
	export PIP_CONFIG_FILE=/dev/null PIP_BREAK_SYSTEM_PACKAGES=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUSERBASE="$prefix"
	if [ -n "$upgrade" ]; then set -- --upgrade -- "$@"; else set -- -- "$@"; fi
	python3 -m pip install --user --no-index --find-links "$dir/files" --no-cache-dir --no-warn-script-location --progress-bar off "$@"
	while [ "$1" != -- ]; do shift; done
	shift
	python3 - "$@" >&3 <<-'EOF'
		import re, sys
		from importlib.metadata import version
		for spec in sys.argv[1:]:
		    name = re.match(r"[A-Za-z0-9._-]+", spec).group()
		    print(name, version(name), sep="\t")
	EOF
	;;
npm)
	# A project of its own, so that no package.json of the user's is changed and none of its missing packages stand in the way.
	project=$prefix/npm
	mkdir -p "$project" "$dir/cache" "$HOME/node_modules"
	mv "$dir/files" "$dir/cache/_cacache"
	cd "$project"
	[ -e package.json ] || echo '{"private":true}' > package.json
	npm install --offline --cache "$dir/cache" --registry "$registry" --userconfig /dev/null --prefix "$project" \
		--ignore-scripts --no-audit --no-fund --no-update-notifier -- "$@"
	for spec in "$@"; do
		# "@scope/name@1" and "name@1" without the version.
		name=$(printf %s "$spec" | sed 's/\(.\)@.*$/\1/')
		link=$HOME/node_modules/$name
		mkdir -p "${link%/*}"
		# What the user has put there stays.
		if [ ! -e "$link" ]; then ln -sfn "$project/node_modules/$name" "$link"; fi
		node -e 'console.log(process.argv[1] + "\t" + JSON.parse(require("fs").readFileSync(process.argv[2])).version)' \
			"$name" "$project/node_modules/$name/package.json" >&3
	done
	;;
apt)
	# Unpacked, not installed: maintainer scripts need root, and a root that can be written.
	root=$prefix/apt
	mkdir -p "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib" "$root/var/lib"
	for each in bin sbin lib; do [ -e "$root/$each" ] || ln -s usr/$each "$root/$each"; done
	ln -sfn "usr/lib/$(uname -m)-linux-gnu" "$root/libraries"
	for file in files/*.deb; do
		[ -e "$file" ] || continue
		package=$(dpkg-deb -f "$file" Package)
		# The C library belongs to the loader of the image: another one would break every program.
		case $package in libc6 | libc-bin) echo "left out: $package"; continue ;; esac
		# tar keeps the links bin, sbin, lib.
		dpkg-deb --fsys-tarfile "$file" | tar -x --keep-directory-symlink --no-same-owner -C "$root"
		dpkg-deb -W --showformat '${Package}\t${Version}\n' "$file" >> "$root/packages"
	done
	touch "$root/packages"
	for spec in "$@"; do
		name=${spec%%=*}
		version=$(awk -F '\t' -v name="$name" '$1 == name { found = $2 } END { print found }' "$root/packages")
		# In the image already, and so not downloaded.
		[ -n "$version" ] || version=$(dpkg-query -W -f '${Version}' "$name")
		printf '%s\t%s\n' "$name" "$version" >&3
	done
	;;
cargo)
	export CARGO_HOME="$dir/files" CARGO_TARGET_DIR="$dir/target"
	for spec in "$@"; do
		shift
		set -- "$@" "$(cargo_spec "$spec")"
	done
	cargo install --offline --root "$prefix" ${upgrade:+--force} -- "$@"
	for spec in "$@"; do
		name=${spec%%@*}
		cargo install --list --root "$prefix" | sed -n "s/^\($name\) v\([^ :]*\).*/\1\t\2/p" >&3
	done
	;;
esac
