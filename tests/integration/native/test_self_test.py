"""The C++ self test under the address and undefined behaviour sanitizers; it also runs the AMX kernels, emulated."""

import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[3] / "worker" / "engine" / "native" / "csrc"


@pytest.mark.timeout(900)
def test_kernels_are_equal_and_clean_under_sanitizers(tmp_path: Path) -> None:
    """Given a sanitized build, when every kernel runs, then all instruction sets agree and no error is reported."""
    if not (shutil.which("cmake") and shutil.which("c++")):
        pytest.skip("needs cmake and a C++ compiler")
    options = ["-DFLM_SELF_TEST=ON", "-DFLM_SANITIZE=ON"]
    subprocess.run(["cmake", "-S", SOURCE, "-B", tmp_path, *options], check=True, capture_output=True)
    built = subprocess.run(["cmake", "--build", tmp_path, "--parallel"], capture_output=True, text=True)
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    done = subprocess.run([tmp_path / "native_self_test"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "amx emulated" in done.stdout
    assert done.stdout.endswith("all equal\n")
