"""The compiled library's build: our declarations of torch's stable interface are torch's, and packaging survives."""

import os
import shutil
import subprocess
import sys
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


def test_without_a_compiler_the_package_is_built_without_the_library(tmp_path):
    copy = tmp_path / "source"
    copy.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "csrc", "src"):
        source = ROOT / name
        ignored = shutil.ignore_patterns("*.so", "*.egg-info", "__pycache__")
        shutil.copytree(source, copy / name, ignore=ignored) if source.is_dir() else shutil.copy(source, copy)
    environment = os.environ | {"CC": "/nowhere/cc", "CXX": "/nowhere/c++"}
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    result = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert 'building extension "convstage.stage._stage" failed' in result.stdout + result.stderr
    assert not list(copy.rglob("*.so"))


WIDEST = ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"]


@pytest.mark.parametrize("name", ["avx512", "avx2"])
def test_wide_kernels_share_no_definition_with_others(name, tmp_path):
    """The linker keeps one of several equal definitions: it could give wide instructions to a narrow machine."""
    flags = ["-O3", "-std=c++17", "-mavx2", "-mfma", *(WIDEST if name == "avx512" else [])]
    compiled = tmp_path / "kernels.o"
    subprocess.run([COMPILER, *flags, "-c", CSRC / f"kernels_{name}.cpp", "-o", compiled], check=True)
    symbols = subprocess.run(["nm", compiled], capture_output=True, text=True, check=True).stdout.splitlines()
    assert not [line for line in symbols if line.split()[-2] in "WVu"]
    assert len([line for line in symbols if line.split()[-2] in "BDR"]) == 1  # the table is all that others see


def test_the_library_names_torch_and_no_python(tmp_path):
    from convstage.stage.load import KERNELS

    text = subprocess.run(["readelf", "-d", KERNELS], capture_output=True, text=True, check=True).stdout
    needed = [line.split("[")[1].rstrip("]") for line in text.splitlines() if "(NEEDED)" in line]
    assert "libtorch_cpu.so" in needed
    assert not [name for name in needed if "python" in name]
    assert torch.__version__
