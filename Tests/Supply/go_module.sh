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
version=v$(sed -n 's/.*"\([0-9.]*\)".*/\1/p' "$root/Sources/ARMS/Runtime/Version.swift" | head -n 1)

"${PYTHON:-python3}" - "$root/bindings/go" "$work/proxy/arms.dev/arms/@v" "$version" <<'END'
import json, sys, zipfile
from pathlib import Path

package, folder, version = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
folder.mkdir(parents=True)
(folder / "list").write_text(f"{version}\n")
(folder / f"{version}.info").write_text(json.dumps({"Version": version}))
(folder / f"{version}.mod").write_bytes((package / "go.mod").read_bytes())
with zipfile.ZipFile(folder / f"{version}.zip", "w") as archive:
    for path in sorted(package.iterdir()):
        archive.write(path, f"arms.dev/arms@{version}/{path.name}")
END

GOPROXY=file://$work/proxy GOMODCACHE=$work/cache GOSUMDB=off GOFLAGS=-mod=mod
export GOPROXY GOMODCACHE GOSUMDB GOFLAGS
mkdir "$work/consumer"
cd "$work/consumer"
go mod init consumer 2> /dev/null
go get "arms.dev/arms@$version" 2> /dev/null
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
