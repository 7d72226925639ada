"""Installs Node.js and npm from the npm registry into /usr/local, where there is no npm yet. Arguments: node@X.Y.Z npm@X.Y.Z.

The registry holds Node.js itself as node-linux-<arch>. Each package is checked against the hash that the registry names for it.
"""

import base64
import hashlib
import io
import json
import os
import platform
import shutil
import sys
import tarfile
import urllib.request
from urllib.parse import urlsplit

PREFIX = "/usr/local"
ARCHITECTURES = {"x86_64": "x64", "aarch64": "arm64"}
TIMEOUT_S = 60
MAX_PACKAGE_BYTES = 256 * 1024 * 1024


def registry():
    """(URL, value of the Authorization header or None) of the registry in the npmrc, which npm itself reads later."""
    url, auth = "https://registry.npmjs.org", None
    path = os.environ.get("NPM_CONFIG_USERCONFIG")
    if path:
        with open(path, encoding="utf-8") as file:
            for line in file.read().splitlines():
                key, _, value = line.partition("=")
                if key == "registry":
                    url = value.rstrip("/")
                elif key.endswith(":_auth"):
                    auth = f"Basic {value}"
    return url, auth


REGISTRY, AUTHORIZATION = registry()


def fetch(url):
    request = urllib.request.Request(url)
    # The login is the registry's: it goes to no other host that the registry may name.
    if AUTHORIZATION and urlsplit(url).netloc == urlsplit(REGISTRY).netloc:
        request.add_unredirected_header("Authorization", AUTHORIZATION)
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        content = response.read(MAX_PACKAGE_BYTES + 1)
    if len(content) > MAX_PACKAGE_BYTES:
        sys.exit(f"{url} is too large")
    return content


def package(name, version):
    """The files of a package by their path in it."""
    dist = json.loads(fetch(f"{REGISTRY}/{name}/{version}"))["dist"]
    content = fetch(dist["tarball"])
    algorithm, _, expected = dist["integrity"].partition("-")
    if algorithm != "sha512" or base64.b64encode(hashlib.sha512(content).digest()).decode() != expected:
        sys.exit(f"{name}@{version} does not have the hash that the registry names")
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
        for member in tar:
            if member.isfile():
                _, _, path = member.name.partition("/")
                yield path, tar.extractfile(member), member.mode


def write(path, source, mode):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as target:
        shutil.copyfileobj(source, target)
    os.chmod(path, mode)


def install_node(version):
    arch = ARCHITECTURES[platform.machine()]
    for path, source, _ in package(f"node-linux-{arch}", version):
        if path == "bin/node":
            write(f"{PREFIX}/bin/node", source, 0o755)
            return
    sys.exit(f"node-linux-{arch}@{version} holds no bin/node")


def install_npm(version):
    root = f"{PREFIX}/lib/node_modules/npm"
    for path, source, mode in package("npm", version):
        target = os.path.normpath(f"{root}/{path}")
        if not target.startswith(f"{root}/"):
            sys.exit(f"npm@{version} holds a file outside of itself")
        write(target, source, 0o755 if mode & 0o100 else 0o644)
    for command in ("npm", "npx"):
        os.chmod(f"{root}/bin/{command}-cli.js", 0o755)
        os.symlink(f"../lib/node_modules/npm/bin/{command}-cli.js", f"{PREFIX}/bin/{command}")


INSTALLERS = {"node": install_node, "npm": install_npm}
for wanted in sys.argv[1:]:
    wanted_name, _, wanted_version = wanted.partition("@")
    INSTALLERS[wanted_name](wanted_version)
