# Where packages come from, for the scripts that fetch them: sourced by one that has named the folder of this file in $here. Beside it may lie what
# the operator configured: ca.pem, pip.conf, npmrc, cargo.toml, cargo-login.toml, apt-mirror.

if [ -f "$here/ca.pem" ]; then
	export SSL_CERT_FILE="$here/ca.pem" CURL_CA_BUNDLE="$here/ca.pem" GIT_SSL_CAINFO="$here/ca.pem" PIP_CERT="$here/ca.pem"
	export NODE_EXTRA_CA_CERTS="$here/ca.pem" NPM_CONFIG_CAFILE="$here/ca.pem" CARGO_HTTP_CAINFO="$here/ca.pem"
fi
if [ -f "$here/pip.conf" ]; then export PIP_CONFIG_FILE="$here/pip.conf"; fi
if [ -f "$here/npmrc" ]; then export NPM_CONFIG_USERCONFIG="$here/npmrc"; fi

# apt-get with these arguments. The mirror holds debian/ and debian-security/, as deb.debian.org does.
apt_get() {
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
	apt-get "$@"
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
