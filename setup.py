"""Builds the stage kernels; everything else is in pyproject.toml.

The library is compiled from ``csrc`` with nothing but a C++ compiler: one object for each
instruction set, each with its own flags. It belongs to no Python version. It refers to
torch by name only; the name is taken from an empty stand-in, and the real torch is there
when the library is loaded. Without a compiler the package is installed without it.
"""

import platform
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

#: Predictive commoning keeps loaded cells for the next tap, and has no registers left for the sums.
FLAGS = ["-O3", "-std=c++17", "-fPIC", "-fvisibility=hidden", "-fno-predictive-commoning", "-g0"]
#: Flags of the objects that only some processors can run; which of them runs is decided at run time.
WIDE = {
    "kernels_avx512.cpp": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma"],
    "kernels_avx2.cpp": ["-mavx2", "-mfma"],
}
X86 = platform.machine().lower() in ("x86_64", "amd64")


class BuildStage(build_ext):
    def get_ext_filename(self, fullname: str) -> str:
        return f"{fullname.replace('.', '/')}.so"

    def build_extension(self, extension: Extension) -> None:
        folder = Path(self.build_temp)
        folder.mkdir(parents=True, exist_ok=True)
        objects = []
        for source in extension.sources:
            flags = [*FLAGS, *(WIDE.get(Path(source).name, []))]
            objects += self.compiler.compile([source], str(folder), extra_postargs=flags, depends=extension.depends)
        target = Path(self.get_ext_fullpath(extension.name))
        target.parent.mkdir(parents=True, exist_ok=True)
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


sources = ["kernels_scalar.cpp", "dispatch.cpp", "program.cpp", "register.cpp", *(WIDE if X86 else {})]
setup(
    ext_modules=[
        Extension(
            "convstage.stage._stage",
            sources=[f"csrc/{name}" for name in sources],
            depends=[str(header) for header in sorted(Path("csrc").glob("*.h"))],
            optional=True,  # without a compiler: a warning, and no library
        )
    ],
    cmdclass={"build_ext": BuildStage},
)
