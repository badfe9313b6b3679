#!/bin/sh
# Installs what is needed, builds the library and its Python package, and routes a sample image.
#
# Needs Debian 12 (or a relative of it) with Swift 6.1 or newer on the PATH.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }

as_root apt-get update -q
as_root apt-get install -qy libjpeg-dev libpng-dev libopenblas0 python3-venv
swift build -c release --product arms
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/pip install -q ./bindings/python

echo
echo "The model is a small one with RANDOM weights: it shows that everything works, and its ranking means nothing."
.venv/bin/arms route Tests/Fixtures/models/distilbert-patches-scaled-int8.gguf \
  examples/images/chart.png "What is the highest value in the chart?"
