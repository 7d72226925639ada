#!/bin/sh
# Tells what an image has, one "kind<TAB>name<TAB>version" a line. Run once in each new image: measure.sh APT-PACKAGE...
exec 2> /dev/null < /dev/null
export HOME=/tmp

# The first thing on stdin that looks like a version.
version() {
	grep -oE '[0-9]+(\.[0-9]+)+[A-Za-z0-9.+~-]*' | head -n 1
}

if [ -r /etc/os-release ]; then (. /etc/os-release && printf 'os\tname\t%s\n' "$PRETTY_NAME"); fi
for program in python3 pip node npm deno bun go rustc cargo java ruby perl php gcc git make bash sqlite3 jq rg curl; do
	command -v $program > /dev/null || continue
	case $program in
	go) found=$(go version | version) ;;
	gcc) found=$(gcc -dumpfullversion | version) ;;
	perl) found=$(perl -e 'printf "%vd", $^V') ;;
	java) found=$(java -version 2>&1 | version) ;;
	*) found=$($program --version | version) ;;
	esac
	[ -z "$found" ] || printf 'program\t%s\t%s\n' $program "$found"
done
if command -v python3 > /dev/null; then
	python3 -I -c 'from importlib.metadata import distributions
for each in sorted({(d.metadata["Name"], d.version) for d in distributions()}): print("pip", *each, sep="\t")'
fi
if command -v npm > /dev/null; then
	packages=$(npm root --global)
	node -e 'for (const file of process.argv.slice(1)) {
	try {
		const { name, version } = JSON.parse(require("fs").readFileSync(file))
		console.log(["npm", name, version].join("\t"))
	} catch {
		// The pattern of a shell that found nothing.
	}
}' "$packages"/[!@]*/package.json "$packages"/@*/*/package.json
fi
# `cargo install --list` would want to write there. doc.rust-lang.org/cargo/commands/cargo-install.html
sed -n 's/^"\([^ "]*\) \([^ "]*\) (.*/cargo\t\1\t\2/p' /usr/local/.crates.toml
[ $# = 0 ] || dpkg-query -W -f 'apt\t${Package}\t${Version}\n' -- "$@"
exit 0
