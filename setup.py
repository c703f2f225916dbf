"""Builds the stage kernels; everything else is in pyproject.toml.

The library is compiled from ``csrc`` with nothing but a C++ compiler: one object for each
instruction set, each with its own flags. It belongs to no Python version, and its wheel
says so: py3-none-<platform>. It refers to torch by name only; the name is taken from an
empty stand-in, and the real torch is there when the library is loaded.

``CONVSTAGE_KERNEL`` says what to do about it: ``auto``, the default, builds it where there
is a compiler, and installs without it where there is none; ``required`` fails then, for
wheels that are given away; ``none`` leaves it out, and the wheel is one for every platform.
"""

import os
import platform
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

#: Predictive commoning keeps loaded cells for the next tap, and has no registers left for the sums.
FLAGS = ["-O3", "-std=c++17", "-fPIC", "-fvisibility=hidden", "-fno-predictive-commoning", "-g0"]
#: Flags of the objects that only some processors can run; which of them runs is decided at run time.
WIDE = {
    "kernels_avx512.cpp": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma"],
    "kernels_avx2.cpp": ["-mavx2", "-mfma"],
}
X86 = platform.machine().lower() in ("x86_64", "amd64")
WAYS = ("auto", "required", "none")


class BuildStage(build_ext):
    def get_ext_filename(self, fullname: str) -> str:
        return f"{fullname.replace('.', '/')}.so"

    def build_extension(self, extension: Extension) -> None:
        folder = Path(self.build_temp)
        folder.mkdir(parents=True, exist_ok=True)
        target = Path(self.get_ext_fullpath(extension.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # of another version, it must not stand where this one's failed

        def compiled(source: str) -> list[str]:
            flags = [*FLAGS, *WIDE.get(Path(source).name, [])]
            return self.compiler.compile([source], str(folder), extra_postargs=flags, depends=extension.depends)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = [name for names in pool.map(compiled, extension.sources) for name in names]
        if sys.platform == "darwin":
            link = ["-undefined", "dynamic_lookup"]
        else:
            empty = folder / "torch_stand_in.cpp"
            empty.write_text("")
            self.compiler.link_shared_object(
                self.compiler.compile([str(empty)], str(folder), extra_postargs=["-fPIC"]),
                str(folder / "libtorch_cpu.so"),
                extra_postargs=["-Wl,-soname,libtorch_cpu.so"],
            )
            link = [f"-L{folder}", "-Wl,--no-as-needed", "-ltorch_cpu"]
        self.compiler.link_shared_object(objects, str(target), extra_postargs=link, target_lang="c++")


class WheelOfStage(bdist_wheel):
    def get_tag(self) -> tuple[str, str, str]:
        built = self.get_finalized_command("build_ext").get_outputs()
        # Without the library there is nothing in it that only some platforms can run.
        self.root_is_pure = not any(Path(name).exists() for name in built)
        return "py3", "none", super().get_tag()[2]


way = os.environ.get("CONVSTAGE_KERNEL", "auto")
if way not in WAYS:
    sys.exit(f"CONVSTAGE_KERNEL={way} is not known; it is one of {', '.join(WAYS)}.")
if sys.platform == "win32":
    # Its compiler does not know the vectors of GCC and Clang, and its linker wants every name at once.
    if way == "required":
        sys.exit("CONVSTAGE_KERNEL=required: the stage kernel is for Linux and macOS.")
    way = "none"

sources = [*(WIDE if X86 else {}), "kernels_scalar.cpp", "dispatch.cpp", "program.cpp", "register.cpp"]
stage = Extension(
    "convstage.stage._stage",
    sources=[f"csrc/{name}" for name in sources],
    depends=[str(header) for header in sorted(Path("csrc").glob("*.h"))],
    optional=way == "auto",  # without a compiler: a warning, and no library
)
setup(
    ext_modules=[] if way == "none" else [stage],
    cmdclass={"build_ext": BuildStage, "bdist_wheel": WheelOfStage},
)
