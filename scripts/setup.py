"""Make the virtual environment that every other command runs in, from the hashed lock. Standard library only.

`make setup` calls this. It does nothing when nothing changed: a stamp in the environment holds a digest of the
lock, of pyproject.toml, of this file and of the Python version. Installing goes through uv, which pip fetches into
`.boot/` from a hashed lock of its own; where that fails, plain pip installs the same lock.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV_LOCK = ROOT / "constraints" / "uv.txt"
UV_HOME = ROOT / ".boot" / "uv"

# What pip is told (pip.conf, PIP_*) and where uv, which reads neither, looks for the same thing.
PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}


def digest(lock: Path, version: str | None) -> str:
    """What the environment is made from, as one hexadecimal number."""
    sources = (lock, ROOT / "pyproject.toml", Path(__file__))
    parts = [str(version).encode(), *(path.read_bytes() for path in sources)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def python_of(venv: Path) -> Path:
    """Where the environment keeps its interpreter."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def version_of(python: Path | str) -> str | None:
    """The `3.11`-like version of an interpreter; None when it does not run."""
    try:
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def make_venv(venv: Path, python: str) -> None:
    """Create the environment, or create it anew when it is broken or of another Python; it has pip then."""
    wanted, present = version_of(python), version_of(python_of(venv))
    if present != wanted:
        if present is not None:
            print(f"{venv.name} has Python {present}, {wanted} was asked for: making it anew", flush=True)
        subprocess.run([python, "-m", "venv", "--clear", str(venv)], check=True)
    elif subprocess.run([python_of(venv), "-m", "pip", "--version"], capture_output=True, check=False).returncode:
        subprocess.run([python_of(venv), "-m", "ensurepip", "--default-pip"], stdout=subprocess.DEVNULL, check=True)


def pip_install(python: Path) -> list[str]:
    """The start of every pip command."""
    return [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def uv_environment(python: Path) -> dict[str, str]:
    """The environment for uv: ours, plus pip's mirrors and certificates where uv was told nothing itself."""
    listed = subprocess.run([python, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    settings: dict[str, str] = {}
    # Environment variables win over files, as they do in pip.
    for line in sorted(listed.stdout.splitlines(), key=lambda line: line.startswith(":env:")):
        name, _, value = line.partition("=")
        variable = PIP_TO_UV.get(name.rpartition(".")[2])
        if variable and value:
            words = str(ast.literal_eval(value)).split()
            settings[variable] = ("," if variable == "UV_FIND_LINKS" else " ").join(words)
    # Every file is held to a hash of the lock, so the best match may come from any index, as in pip.
    settings["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return settings | dict(os.environ)


def bootstrap_uv(python: Path) -> Path | None:
    """The path of the locked uv, fetched by pip on first use; None when pip cannot have it."""
    version = next(word for word in UV_LOCK.read_text().split() if word.startswith("uv==")).removeprefix("uv==")
    home = UV_HOME / version
    uv = home / "bin" / ("uv.exe" if os.name == "nt" else "uv")
    if not uv.exists():
        command = [*pip_install(python), "--require-hashes", "--target", str(home), "-r", str(UV_LOCK)]
        if subprocess.run(command, check=False).returncode:
            return None
    return uv if uv.exists() else None


def install(command: list[str], lock: Path, environment: dict[str, str], locked_options: list[str]) -> bool:
    """Install the lock and then the project itself, editable, built by the locked backend."""
    steps = (
        [*command, "--require-hashes", *locked_options, "-r", str(lock)],
        [*command, "--no-deps", "--no-build-isolation", "-e", str(ROOT)],
    )
    return all(subprocess.run(step, env=environment, cwd=ROOT, check=False).returncode == 0 for step in steps)


def install_with_uv(python: Path, lock: Path, choice: str) -> bool:
    """Install through uv: the locked one, or the one `choice` names; False when that is not possible."""
    if choice == "no":
        return False
    uv = bootstrap_uv(python) if choice == "auto" else Path(choice)
    if uv is None:
        return False
    command = [str(uv), "pip", "install", "--quiet", "--python", str(python)]
    return install(command, lock, uv_environment(python), ["--compile-bytecode"])


def main() -> int:
    """Set up, or say nothing when everything stands."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv")
    parser.add_argument("--lock", type=Path, default=ROOT / "constraints" / "dev.txt")
    parser.add_argument("--python", default=sys.executable, help="the interpreter the environment is made of")
    parser.add_argument("--uv", default="auto", help="auto, no (plain pip), or the path of a uv")
    parser.add_argument("--print-uv", action="store_true", help="only print the path of the locked uv")
    options = parser.parse_args()
    venv, lock = options.venv.resolve(), options.lock.resolve()
    if options.print_uv:
        print(bootstrap_uv(python_of(venv)) or "uv")
        return 0
    stamp, wanted = venv / f".ndlab-{lock.stem}", digest(lock, version_of(options.python))
    if stamp.exists() and stamp.read_text() == wanted and version_of(python_of(venv)):
        return 0

    started = time.monotonic()
    print(f"setting up {venv.name} from {lock.relative_to(ROOT)} (minutes the first time)", flush=True)
    make_venv(venv, options.python)
    python, installer = python_of(venv), "uv"
    if not install_with_uv(python, lock, options.uv):
        installer = "pip"
        print("going on with plain pip, which is slower and installs the same lock", flush=True)
        if not install(pip_install(python), lock, dict(os.environ), ["--compile"]):
            print(f"set-up failed: {lock.name} could not be installed; pip says why above", file=sys.stderr)
            return 1
    subprocess.run([python, "-m", "compileall", "-q", str(ROOT / "ndlab")], check=False)
    stamp.write_text(wanted)
    version = version_of(python)
    print(f"{venv.name} is ready: Python {version}, by {installer}, {time.monotonic() - started:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
