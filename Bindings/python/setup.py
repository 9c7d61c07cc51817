"""Builds edgeai._core against the stable ABI of Python 3.11.

By default the library is built by the repository's Makefile and bundled beside the extension. With EDGEAI_SYSTEM=1 an
installed libedgeai is found by pkg-config and linked instead.
"""

import os
import pathlib
import shutil
import subprocess

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # setuptools before 70.1
    from wheel.bdist_wheel import bdist_wheel

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LIBRARY = "libedgeai.so.0"
SOURCES = (
    "module", "errors", "locks", "arrays", "model", "session", "session_run", "session_info", "calibration", "report", "channels",
    "pruning", "sharing", "compress", "architectures", "trainer",
)


def pkg_config(option: str) -> str:
    return subprocess.check_output(["pkg-config", option, "edgeai"], text=True).strip()


class BuildExtension(build_ext):
    def run(self) -> None:
        extension = self.extensions[0]
        self.force = True  # an earlier build may have linked the other library
        if os.environ.get("EDGEAI_SYSTEM") == "1":
            extension.extra_compile_args += pkg_config("--cflags").split()
            extension.extra_link_args += pkg_config("--libs").split()
            extension.extra_link_args.append("-Wl,-rpath," + pkg_config("--variable=libdir"))
            super().run()
            return
        # Flags meant for the extension must not reach the library's build.
        environment = {k: v for k, v in os.environ.items() if k not in ("CFLAGS", "LDFLAGS", "MAKEFLAGS", "MAKELEVEL")}
        subprocess.check_call(["make", "-C", str(ROOT), "library"], env=environment)
        library = ROOT / "build" / LIBRARY
        extension.include_dirs.append(str(ROOT / "Include"))
        extension.extra_link_args += [str(library), "-Wl,-rpath,$ORIGIN"]
        super().run()
        folder = HERE / "src/edgeai" if self.inplace else pathlib.Path(self.build_lib) / "edgeai"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(library.resolve(), folder / LIBRARY)

    def build_extensions(self) -> None:
        # How this Python itself was linked is of no use to the extension, and its -rpath would come before $ORIGIN.
        linker = self.compiler.linker_so
        self.compiler.linker_so = [flag for flag in linker if not flag.startswith(("-L", "-Wl,-rpath"))]
        super().build_extensions()


class Wheel(bdist_wheel):
    def finalize_options(self) -> None:
        super().finalize_options()
        self.py_limited_api = "cp311"
        self.root_is_pure = False


setup(
    ext_modules=[
        Extension(
            "edgeai._core",
            [f"src/core/{name}.c" for name in SOURCES],
            depends=["src/core/core.h", "src/core/session.h"],
            py_limited_api=True,
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            extra_compile_args=["-O2", "-Wall", "-Wextra", "-fvisibility=hidden", "-Wno-missing-field-initializers"],
        )
    ],
    cmdclass={"build_ext": BuildExtension, "bdist_wheel": Wheel},
)
