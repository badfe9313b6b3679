"""Write the bill of materials of the library as CycloneDX 1.5: what is in it, and what it loads.

usage: sbom.py LIBRARY > libarms.cdx.json

The versions of what is linked are those of the machine that builds; run this where the library was built.
Equal builds have equal bills: no date and no random serial number stands in one.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
# What a shared library that is needed belongs to: the Debian package, and its licence as SPDX has it.
LIBRARIES: Final = {
    "libjpeg.so.62": ("libjpeg62-turbo", "IJG AND BSD-3-Clause AND Zlib"),
    "libpng16.so.16": ("libpng16-16", "libpng-2.0"),
    "libstdc++.so.6": ("libstdc++6", "GPL-3.0-or-later WITH GCC-exception-3.1"),
    "libgcc_s.so.1": ("libgcc-s1", "GPL-3.0-or-later WITH GCC-exception-3.1"),
    "libm.so.6": ("libc6", "LGPL-2.1-or-later"),
    "libc.so.6": ("libc6", "LGPL-2.1-or-later"),
    "ld-linux-x86-64.so.2": ("libc6", "LGPL-2.1-or-later"),
    "ld-linux-aarch64.so.1": ("libc6", "LGPL-2.1-or-later"),
}


def output(*command: str) -> str:
    """Run a command and return what it prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def component(name: str, version: str, licence: str, scope: str = "required") -> dict[str, Any]:
    """Describe a part."""
    return {
        "type": "library",
        "bom-ref": f"{name}@{version}",
        "name": name,
        "version": version,
        "scope": scope,
        "licenses": [{"expression": licence}],
    }


def bill(library: Path) -> dict[str, Any]:
    """Describe a library and its parts."""
    source = (ROOT / "Sources/ARMS/Runtime/Version.swift").read_text()
    found = re.search(r'"(\d+\.\d+\.\d+)"', source)
    swift = re.search(r"Swift version (\S+)", output("swift", "--version"))
    if not found or not swift:
        raise SystemExit("sbom.py: the version of the library or of Swift is not told")
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-d", str(library)))
    unknown = [name for name in needed if name not in LIBRARIES]
    if unknown:
        raise SystemExit(f"sbom.py: nothing is known of {', '.join(unknown)}; add it to LIBRARIES")
    packages = sorted({LIBRARIES[name] for name in needed})
    parts = [component("swift-runtime", swift[1], "Apache-2.0 WITH Swift-exception")]
    for package, licence in packages:
        parts.append(component(package, output("dpkg-query", "-W", "-f", "${Version}", package), licence))
    # Loaded at its first use, whichever version there is.
    parts.append(component("openblas", "*", "BSD-3-Clause", scope="optional"))
    whole = component("arms", found[1], "Apache-2.0")
    whole["hashes"] = [{"alg": "SHA-256", "content": hashlib.sha256(library.read_bytes()).hexdigest()}]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": whole},
        "components": parts,
        "dependencies": [{"ref": whole["bom-ref"], "dependsOn": [part["bom-ref"] for part in parts]}],
    }


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: sbom.py LIBRARY")
    json.dump(bill(Path(sys.argv[1])), sys.stdout, indent=2)
    print()
