#!/bin/sh
# Builds the wheel of the Python package for every Linux of glibc 2.35 or later, such as Debian 12 and
# Ubuntu 22.04, into bindings/python/dist.
#
# usage: build_wheel.sh [--check]   --check: then install it into a clean environment, and route and train there
#
# The library holds the Swift runtime. libjpeg and libpng are put into the wheel by auditwheel; OpenBLAS comes from
# the package scipy-openblas32, which the wheel depends on. The tag is that of the machine that builds: the
# C library's newest symbol in use is hypotf of glibc 2.35, which Swift's static runtime asks for.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
platform=manylinux_2_35_$(uname -m)
python=${PYTHON:-python3}
library=${ARMS_LIBRARY:-$root/.build/release/libarms.so}
[ -f "$library" ] || (cd "$root" && swift build -c release --product arms)
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
trap 'exit 1' HUP INT TERM

"$python" -m venv "$work/tools"
PATH=$work/tools/bin:$PATH
pip install -q build 'auditwheel>=6.2' 'patchelf>=0.17'

# Where dlopen() of OpenBLAS looks from inside an installed package: arms/lib beside scipy_openblas32/lib.
cp "$library" "$work/libarms.so"
patchelf --set-rpath "\$ORIGIN/../../scipy_openblas32/lib" "$work/libarms.so"
ARMS_LIBRARY=$work/libarms.so python -m build --wheel --outdir "$work" "$here" > "$work/log" 2>&1 ||
  { cat "$work/log"; exit 1; }
auditwheel repair --plat "$platform" --wheel-dir "$work/repaired" "$work"/arms-*.whl > "$work/log" 2>&1 ||
  { cat "$work/log"; exit 1; }

# auditwheel leaves only its own folder in the search path, so OpenBLAS's is added again.
wheel=$(ls "$work"/repaired/arms-*.whl)
pip install -q wheel
(
  cd "$work"
  python -m wheel unpack -d unpacked "$wheel" > /dev/null
  patchelf --set-rpath "\$ORIGIN/../../arms.libs:\$ORIGIN/../../scipy_openblas32/lib" \
    unpacked/arms-*/arms/lib/libarms.so
  mkdir -p "$here/dist"
  python -m wheel pack -d "$here/dist" unpacked/arms-* > /dev/null
)
wheel=$here/dist/$(basename -- "$wheel")
auditwheel show "$wheel" | tr '\n' ' ' | grep -q "$platform" ||
  { auditwheel show "$wheel"; echo "build_wheel.sh: the wheel is no $platform" >&2; exit 1; }
echo "$wheel"

if [ "${1-}" = --check ]; then
  "$python" -m venv "$work/clean"
  "$work/clean/bin/pip" install -q "$wheel"
  cd "$work"
  env -u ARMS_LIBRARY -u LD_LIBRARY_PATH "$work/clean/bin/python" "$here/check_wheel.py" \
    "$root/Tests/Fixtures/models" "$root/examples/images/chart.png"
fi
