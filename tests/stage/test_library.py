"""The compiled library's build: our declarations of torch's stable interface are torch's, and packaging survives."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from torch.utils.cpp_extension import include_paths

ROOT = Path(__file__).parent.parent.parent
CSRC = ROOT / "csrc"
COMPILER = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")


def test_our_declarations_are_those_of_the_installed_torch(tmp_path):
    """Included after torch's own headers, a declaration that differs in the least does not compile."""
    source = tmp_path / "both.cpp"
    source.write_text(
        "#include <torch/csrc/inductor/aoti_torch/c/shim.h>\n"
        "#include <torch/csrc/stable/c/shim.h>\n"
        f'#include "{CSRC / "torch_stable.h"}"\n'
    )
    includes = [f"-I{path}" for path in include_paths()]
    command = [COMPILER, "-std=c++20", "-fsyntax-only", "-DTORCH_TARGET_VERSION=0x020b000000000000", *includes, source]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_the_portable_kernel_needs_no_processor_of_its_own():
    """It compiles for whatever the compiler aims at: here without any vector extension, and for ARM if there is one."""
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror"]
    for compiler in filter(None, (COMPILER, shutil.which("aarch64-linux-gnu-g++"))):
        for source in ("kernels_scalar.cpp", "dispatch.cpp", "register.cpp"):
            subprocess.run([compiler, *flags, "-fsyntax-only", CSRC / source], check=True)
    command = [COMPILER, "-std=c++17", "-E", "-P", CSRC / "kernels_scalar.cpp"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "_mm" not in text


WIDEST = ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"]


def symbols_of(path: Path, *options: str) -> dict[str, str]:
    """Return the symbols of an object or a library, each with nm's letter for it."""
    shown = subprocess.run(["nm", *options, path], capture_output=True, text=True, check=True).stdout
    return {line.split()[-1]: line.split()[-2] for line in shown.splitlines()}


@pytest.mark.parametrize("name", ["avx512", "avx2"])
def test_wide_kernels_share_no_definition_with_others(name, tmp_path):
    """The linker keeps one of several equal definitions: it could give wide instructions to a narrow machine.

    The compiler is asked for what it might leave to the linker, before it turns anything into instructions,
    which would take most of a minute; none of that may be in the library that was built.
    """
    from convstage.stage.load import KERNELS

    asked = [COMPILER, "-print-file-name=liblto_plugin.so"]
    plugin = Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())
    early = ["-flto", "-fno-fat-lto-objects"] if plugin.exists() else []  # other compilers do all of it
    flags = ["-O3", "-std=c++17", "-mavx2", "-mfma", *(WIDEST if name == "avx512" else []), *early]
    compiled = tmp_path / "kernels.o"
    subprocess.run([COMPILER, *flags, "-c", CSRC / f"kernels_{name}.cpp", "-o", compiled], check=True)
    symbols = symbols_of(compiled, *(["--plugin", str(plugin)] if early else []))
    (table,) = (symbol for symbol, kind in symbols.items() if kind in "BDR")  # all that others see
    built = symbols_of(KERNELS)
    assert table in built
    assert not [symbol for symbol, kind in symbols.items() if kind in "WVu" and symbol in built]


def test_the_library_names_torch_and_no_python(tmp_path):
    from convstage.stage.load import KERNELS

    text = subprocess.run(["readelf", "-d", KERNELS], capture_output=True, text=True, check=True).stdout
    needed = [line.split("[")[1].rstrip("]") for line in text.splitlines() if "(NEEDED)" in line]
    assert "libtorch_cpu.so" in needed
    assert not [name for name in needed if "python" in name]
    assert torch.__version__
