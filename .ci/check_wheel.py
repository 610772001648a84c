"""Builds the wheel as a release would, installs it elsewhere on each Python that Sluice takes, and tries it there.

The wheel is built out of the source archive, so both are checked. Nothing of the checkout is on the path afterwards.
Run it with the development extra installed: ``.venv/bin/python .ci/check_wheel.py``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ("3.11", "3.12")
PACKAGES = {"sluice", "sluice_models"}
SHIPPED = {
    "engine/sluice": "sluice",
    "models/sluice_models": "sluice_models",
    "triton_repo": "sluice/resources/triton_repo",
    "ops/policies": "sluice/resources/policies",
    "ops/kafka": "sluice/resources/kafka",
}
"""Folders of the checkout, and where their files lie in the wheel."""
POSTS = ('{"id": "p-1", "text": "See you at lunch"}', '{"id": 7}')
PRINT_NAMES = "import sluice; print(sluice.__all__)"


@dataclass(frozen=True)
class Candidate:
    """A Python, and a folder of its own."""

    python: str
    home: Path

    @property
    def empty(self) -> Path:
        """Where commands are started: nothing lies there."""
        return self.home / "empty"

    def bin(self, name: str) -> str:
        """Path of a program of its environment."""
        return str(self.home / "venv" / "bin" / name)


def main() -> int:
    """Check the wheel on every version; returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="sluice-wheel-") as scratch:
        wheel = build(Path(scratch))
        check_contents(wheel)
        pythons = {version: find_python(version) for version in VERSIONS}
        found = [Candidate(python, Path(scratch) / version) for version, python in pythons.items() if python]
        with step("install"), ThreadPoolExecutor() as pool:
            list(pool.map(partial(install, wheel), found))
        for candidate in found:
            use(candidate)
    missing = [version for version, python in pythons.items() if python is None]
    if missing:
        say(f"not tried, because it is not installed: Python {', '.join(missing)}")
    return int(bool(missing) and os.environ.get("CI") == "true")


def build(scratch: Path) -> Path:
    """Build the source archive, and the wheel out of it; returns the wheel."""
    with step("build the source archive and the wheel"):
        run(sys.executable, "-m", "build", "--outdir", str(scratch), str(ROOT), cwd=scratch)
    (wheel,) = scratch.glob("*.whl")
    return wheel


def check_contents(wheel: Path) -> None:
    """Fail unless the wheel holds every file that git knows of its folders, and no other top-level name."""
    found = {entry.filename: entry.file_size for entry in zipfile.ZipFile(wheel).infolist()}
    foreign = {name.partition("/")[0] for name in found} - PACKAGES
    wrong = [name for name in foreign if not name.endswith(".dist-info")]
    wrong += [name for name, n_bytes in tracked_files() if found.get(name) != n_bytes]
    if wrong:
        raise SystemExit(f"{wheel.name}: missing, cut short or foreign: {', '.join(sorted(wrong))}")


def tracked_files() -> Iterator[tuple[str, int]]:
    """Each shipped file's name in the wheel, and its size in bytes."""
    for folder, target in SHIPPED.items():
        for name in run("git", "ls-files", "-z", folder, cwd=ROOT).split("\0"):
            path = ROOT / name
            if name and path.is_file() and not path.is_symlink():
                yield target + name.removeprefix(folder), path.stat().st_size


def find_python(version: str) -> str | None:
    """Path of this version's interpreter, on the path or under pyenv; None if there is none."""
    for python in (shutil.which(f"python{version}"), pyenv_python(version)):
        if python and subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0:
            return python
    return None


def pyenv_python(version: str) -> str | None:
    """Where pyenv keeps this version: its shims refuse to run one that is not selected."""
    if shutil.which("pyenv") is None:
        return None
    asked = subprocess.run(["pyenv", "prefix", version], capture_output=True, text=True, check=False)
    return f"{asked.stdout.strip()}/bin/python" if asked.returncode == 0 else None


def install(wheel: Path, candidate: Candidate) -> None:
    """Install the wheel with its extra into a fresh environment."""
    candidate.empty.mkdir(parents=True)
    run(candidate.python, "-m", "venv", str(candidate.home / "venv"), cwd=candidate.empty)
    what = ("--quiet", "--constraint", str(ROOT / "ops" / "constraints.txt"), f"{wheel}[local]")
    if not install_by_uv(candidate, what):
        pip = (candidate.bin("python"), "-m", "pip", "install", "--disable-pip-version-check", "--no-compile")
        run(*pip, *what, cwd=candidate.empty)


def install_by_uv(candidate: Candidate, what: tuple[str, ...]) -> bool:
    """Whether uv is there and could install it: it links what `make` has fetched, but reads no pip.conf."""
    uv = Path(sys.executable).with_name("uv")
    command = (str(uv), "pip", "install", "--python", candidate.bin("python"), *what)
    return (
        uv.exists() and subprocess.run(command, env=clean(os.environ), cwd=candidate.empty, check=False).returncode == 0
    )


def use(candidate: Candidate) -> None:
    """Use the environment from an empty folder."""
    version, empty, sluice = candidate.home.name, candidate.empty, candidate.bin("sluice")
    check_site_packages(candidate.bin("python"), empty)
    with step(f"{version}: sluice demo"):
        run(sluice, "demo", cwd=empty)
    with step(f"{version}: sluice score"):
        check_scores(run(sluice, "score", write_posts(empty), "--json", cwd=empty))


def check_site_packages(python: str, empty: Path) -> None:
    """Fail if the names of the checkout's folders came along, or the public names did not."""
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=empty).strip())
    stray = [name for name in ("engine", "models", "tests", "ops") if list(site.glob(f"{name}*"))]
    if stray:
        raise SystemExit(f"{site}: {', '.join(stray)} came along")
    if "'Publisher'" not in (names := run(python, "-c", PRINT_NAMES, cwd=empty)):
        raise SystemExit(f"sluice.__all__ is {names}")


def write_posts(folder: Path) -> str:
    """Write a file of one post and one line that is none; returns its path."""
    path = folder / "posts.jsonl"
    path.write_text("\n".join(POSTS), "utf-8")
    return str(path)


def check_scores(lines: str) -> None:
    """Fail unless the post got its verdict and the other line its dead letter."""
    verdict, dead_letter = map(json.loads, lines.splitlines())
    if verdict["decision"] != "allow" or dead_letter["dead_letter"]["reason"] != "invalid":
        raise SystemExit(f"unexpected outcomes: {lines}")


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what was done, and how long it took."""
    start = time.monotonic()
    yield
    say(f"{what}: {time.monotonic() - start:.0f} s")


def run(*command: str, cwd: Path) -> str:
    """Run a command with nothing of the checkout on its path; returns its standard output, or fails with its errors."""
    done = subprocess.run(command, cwd=cwd, env=clean(os.environ), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def clean(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what leads back to the checkout."""
    return {name: value for name, value in environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


def say(message: str) -> None:
    """One line, at once."""
    print(message, flush=True)


if __name__ == "__main__":
    sys.exit(main())
