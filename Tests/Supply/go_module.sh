#!/bin/sh
# Gets the Go package as `go get` does, from a module proxy that is a folder, into a module of its own, and runs it:
# what the package needs is in its own folder.
#
# usage: go_module.sh   with the C library found by pkg-config and the loader, as for any Go program that uses it
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
work=$(mktemp -d)
# What Go has put into its cache of modules cannot be written to.
trap 'chmod -R u+w "$work"; rm -rf -- "$work"' EXIT
trap 'exit 1' HUP INT TERM

# quietly COMMAND...: shows what a command says only if it fails.
quietly() { "$@" > "$work/log" 2>&1 || { cat "$work/log" >&2; echo "go_module.sh: '$*' failed" >&2; exit 1; }; }

version=v$(sed -n 's/.*"\([0-9.]*\)".*/\1/p' "$root/Sources/ARMS/Runtime/Version.swift" | head -n 1)

"${PYTHON:-python3}" - "$root/bindings/go" "$work/proxy/arms.dev/arms/@v" "$version" <<'END'
import json, subprocess, sys, zipfile
from pathlib import Path

package, folder, version = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
folder.mkdir(parents=True)
(folder / "list").write_text(f"{version}\n")
(folder / f"{version}.info").write_text(json.dumps({"Version": version}))
(folder / f"{version}.mod").write_bytes((package / "go.mod").read_bytes())
with zipfile.ZipFile(folder / f"{version}.zip", "w") as archive:
    # What else lies in the folder is no part of the package.
    for name in subprocess.check_output(["git", "ls-files"], cwd=package, text=True).splitlines():
        archive.write(package / name, f"arms.dev/arms@{version}/{name}")
END

GOPROXY=file://$work/proxy GOMODCACHE=$work/cache GOSUMDB=off GOFLAGS=-mod=mod
export GOPROXY GOMODCACHE GOSUMDB GOFLAGS
mkdir "$work/consumer"
cd "$work/consumer"
quietly go mod init consumer
quietly go get "arms.dev/arms@$version"
cat > main.go <<'END'
package main

import (
	"fmt"

	"arms.dev/arms"
)

func main() { fmt.Println("v" + arms.Version()) }
END
ran=$(go run .)
[ "$ran" = "$version" ] || { echo "go_module.sh: the package says '$ran', not '$version'" >&2; exit 1; }
echo "arms.dev/arms@$version is got, built and run"
