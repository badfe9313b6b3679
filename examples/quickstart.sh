#!/bin/sh
# Installs what is needed, builds the library and its Python package, and routes three sample images
# among fourteen vision-language models.
#
# Needs Debian 12 (or a relative of it) with Swift 6.3 on the PATH, and root or sudo. May be run again.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }
unset ARMS_LIBRARY ARMS_ISA ARMS_OPENBLAS PYTHONPATH PYTHONHOME
step() { printf '\n== %s\n' "$1"; }

command -v swift > /dev/null || { echo "quickstart.sh: there is no 'swift' on the PATH; install Swift 6.3" >&2; exit 1; }

step "Debian packages"
as_root apt-get update -qq
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends \
  libjpeg-dev libpng-dev libopenblas0 python3-venv > /dev/null

step "library"
swift build -c release --product arms

step "Python package, into .venv"
[ -x .venv/bin/pip ] || python3 -m venv .venv
.venv/bin/pip install -q ./bindings/python

step "arms route"
# The default router, examples/models/default.gguf. Its card, beside it, says how far to trust it.
.venv/bin/arms route examples/images/chart.png "What is the highest value in the chart?"
echo
.venv/bin/arms route examples/images/parabola.png --top 3 \
  "What is the area between the curve and the x-axis?"
echo
.venv/bin/arms route examples/images/triangle.png --top 3 \
  "The triangle ABC has a right angle at A. How long is the side BC?"
