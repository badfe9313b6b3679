"""Put ``libarms.so`` into the wheel, and tag the wheel with the platform it was built for."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PackageLibrary(BuildHookInterface):  # type: ignore[type-arg, unused-ignore]
    """The build hook of the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the library; an editable install finds the checkout's own build instead.

        Raises
        ------
        FileNotFoundError
            If the library was not built.
        """
        if version == "editable":
            return
        library = self._library()
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["force_include"][str(library)] = "arms/lib/libarms.so"
        build_data["pure_python"] = False
        # Any Python 3 loads it through ctypes: the wheel depends on the platform alone.
        build_data["tag"] = f"py3-none-{platform}"

    def _library(self) -> Path:
        asked = os.environ.get("ARMS_LIBRARY")
        built = Path(self.root).parents[1] / ".build" / "release" / "libarms.so"
        library = Path(asked).resolve() if asked else built
        if not library.is_file():
            raise FileNotFoundError(
                f"{library} does not exist: build it with `swift build -c release --product arms`, "
                "or set ARMS_LIBRARY to the library's path"
            )
        return library
