#!/bin/sh
# The last step as root: makes the file system of a runtime's image ready for sandboxes. $1 is the work directory.
set -eu
workdir=$1
supervisor=/.sandbox
live=/tmp/.sandbox-etc

# A second wall behind no-new-privileges: no set-uid program that a user could gain rights by.
find / -xdev \( -type f -o -type d \) -perm /6000 -exec chmod ug-s {} +

# Mount points. The engine gives a new volume the mode of the directory that it covers: any uid can write there.
mkdir -p "$workdir" /tmp
chown 0:0 "$workdir" /tmp
chmod 1777 "$workdir" /tmp

# The user's uid is known only when a sandbox starts, and the root is read-only then. So /etc/passwd and /etc/group lead to where the
# supervisor's bridge writes them: what the base has, kept here, and the user. The directory is the bridge's own, because the engine
# itself reads /etc/passwd at every exec: a FIFO put there by the user would block it for ever.
mkdir -p $supervisor/etc
for file in passwd group; do
	if [ -e /etc/$file ]; then grep -v '^sandbox:' /etc/$file > $supervisor/etc/$file || [ $? = 1 ]; else : > $supervisor/etc/$file; fi
	ln -sfn $live/$file /etc/$file
done
shell=/bin/sh
if [ -x /bin/bash ]; then shell=/bin/bash; fi
# What follows user, "x", uid and gid in a line of /etc/passwd.
echo ":sandbox:$workdir:$shell" > $supervisor/etc/user
rm -f /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/.pwd.lock

# The only user of a sandbox owns all repositories in it, but not the directory of the workspace itself.
if [ ! -e /etc/gitconfig ]; then
	printf '[user]\n\tname = sandbox\n\temail = sandbox@localhost\n[safe]\n\tdirectory = *\n[init]\n\tdefaultBranch = main\n' > /etc/gitconfig
fi

chown -R 0:0 $supervisor
chmod 0444 $supervisor/etc/passwd $supervisor/etc/group $supervisor/etc/user
chmod 0555 $supervisor/supervisor $supervisor/etc $supervisor
