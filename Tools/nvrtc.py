"""NVRTC, NVIDIA's compiler of kernels, as a library from PyPI: there need be no GPU and no CUDA. What `check-cuda` and `ptx` share."""
import ctypes
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KERNELS = ROOT / "Sources" / "CBitsCUDA" / "kernels"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "swift-bitsandbytes"


class Missing(Exception):
    """Why there is no compiler."""


def library(wheel, folder):
    """The path of the NVRTC that `wheel` holds, fetched into `folder` when it was not before."""
    return found(folder) or fetched(wheel, folder)


def found(folder):
    return next((str(path) for path in sorted(folder.glob("**/libnvrtc.so.*")) if ".alt." not in path.name), None)


def fetched(wheel, cache):
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache.parent) as folder:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:",
                       "--dest", folder, wheel]
            answer = subprocess.run(command, capture_output=True, text=True)
            file = next(Path(folder).glob("*.whl"), None)
            if answer.returncode != 0 or not file:
                reason = (answer.stderr.strip().splitlines() or ["no wheel came"])[-1]
                raise Missing(f"pip could not get {wheel}: {reason}")
            unpacked = Path(folder) / "unpacked"
            shutil.unpack_archive(file, unpacked, "zip")
            # Whole at once, so that a check that runs beside this one never finds half of it.
            try:
                unpacked.rename(cache)
            except OSError:
                if not found(cache):
                    raise
    except OSError as error:
        raise Missing(f"{cache} could not be filled: {error}") from error
    path = found(cache)
    if not path:
        raise Missing(f"{wheel} holds no libnvrtc for this machine")
    return path


def loaded(path):
    """NVRTC. What it opens by itself lies beside it, where the system does not look: it finds that when it is there before."""
    try:
        for builtins in Path(path).parent.glob("libnvrtc-builtins.so.*"):
            if ".alt." not in builtins.name:
                ctypes.CDLL(str(builtins))
        return ctypes.CDLL(path)
    except OSError as error:
        raise Missing(str(error)) from error


def options():
    """The compiler's options, from where the library has them."""
    text = (ROOT / "Sources" / "BitsKernels" / "CUDA" / "CUDACompiler.swift").read_text("utf-8")
    return re.search(r'static let options = "([^"]*)"', text)[1]


def source(path):
    """What the compiler is given for a file, as `CUDACompiler.source(of:)` has it."""
    lines = [expanded(line, number, path.name) for number, line in enumerate(path.read_text("utf-8").split("\n"))]
    return "\n".join([(KERNELS / "prelude.cuh").read_text("utf-8"), f'#line 1 "{path.name}"', *lines])


def expanded(line, number, name):
    """A line of a file, or the header that it includes."""
    included = re.fullmatch(r'#include "(.*)"', line)
    return f'#line 1 "{included[1]}"\n{(KERNELS / included[1]).read_text("utf-8")}#line {number + 2} "{name}"' if included else line


def arguments(architecture):
    return [f"--gpu-architecture={architecture}", *options().split()]


def compiled(compiler, name, text, words):
    """The program and None, or None and the compiler's own words where it refuses."""
    nvrtc = loaded(compiler)
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), name.encode(), 0, None, None)
    status = nvrtc.nvrtcCompileProgram(program, len(words), (ctypes.c_char_p * len(words))(*(word.encode() for word in words)))
    if status == 0:
        return program, None
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(max(size.value, 1))
    nvrtc.nvrtcGetProgramLog(program, log)
    return None, f"{name} does not compile with {' '.join(words)} (status {status})\n{log.value.decode()}"


def ptx(compiler, name, text, words):
    """The PTX of a file, or the compiler's words."""
    program, complaint = compiled(compiler, name, text, words)
    if complaint:
        return None, complaint
    nvrtc, size = loaded(compiler), ctypes.c_size_t()
    nvrtc.nvrtcGetPTXSize(program, ctypes.byref(size))
    code = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetPTX(program, code)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return code.value.decode(), None
