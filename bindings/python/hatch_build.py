"""Put ``libarms.so`` and the default model into the wheel, and tag it with the platform."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PackageLibrary(BuildHookInterface):  # type: ignore[type-arg, unused-ignore]
    """The build hook of the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add library and model; an editable install finds the checkout's own instead.

        Raises
        ------
        FileNotFoundError
            If the library was not built, or the checkout lacks the model.
        """
        if version == "editable":
            return
        library = self._library()
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["force_include"][str(library)] = "arms/lib/libarms.so"
        for file in self._model_files():
            build_data["force_include"][str(file)] = f"arms/models/{file.name}"
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

    def _model_files(self) -> list[Path]:
        """Return the default router, its card, its notice, and the licence of both."""
        root = Path(self.root).parents[1]
        names = ("default.gguf", "README.md", "NOTICE")
        files = [*(root / "examples" / "models" / name for name in names), root / "LICENSE"]
        for file in files:
            if not file.is_file():
                raise FileNotFoundError(f"{file} does not exist: the wheel needs it")
        return files
