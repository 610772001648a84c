"""Triton Inference Server out of the nvidia-pytriton wheel, as a child process on loopback."""

from __future__ import annotations

import ctypes.util
import importlib.metadata
import importlib.util
import os
import platform
import secrets
import shutil
import stat
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sluice.cache import cache_dir, make_once
from sluice.errors import StackError
from sluice.local import guard
from sluice.local.model_processes import ModelProcesses, count_model_processes
from sluice.local.processes import LOOPBACK, ChildProcess, RunningInside, answers_http, find_free_ports
from sluice.resources import package_root

SHARED_MEMORY_PREFIX = "sluice-"
EXIT_GRACE_S = 0
"""A stateless server: whoever stops it has its answers. To unload the models in order takes 3 s."""
MODEL_START_S = 120
"""For a model's process to import what it runs. Triton's own 30 s are short for six of them on a busy machine."""
NICENESS = 5
"""Kafka and the workers wait for one another at every step of a post: milliseconds at each, if the models go first."""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""In the models' processes: the instances are what runs in parallel."""
ELSEWHERE = "use a Triton that runs elsewhere (--triton HOST:PORT), or the one of docker-compose.yml"


@dataclass(frozen=True)
class TritonFiles:
    """The server's files.

    Attributes
    ----------
    server : Path
        The executable.
    libraries : Path
        The folder of the shared libraries that the wheel brings.
    backends : Path
        A folder with the Python backend for this interpreter's version.
    """

    server: Path
    libraries: Path
    backends: Path


class TritonServer(RunningInside):
    """A Triton server over a model repository.

    Parameters
    ----------
    repository : Path
        One folder per model.
    state_dir : Path
        Takes the log.
    config_name : str
        Which of ``configs/*.pbtxt`` each model is served by.
    options : sequence of str
        Further arguments of the server.
    grpc_port : int
        0 takes a free one.

    Raises
    ------
    StackError
        No model repository, or no Triton for this platform.
    """

    def __init__(
        self,
        repository: Path,
        state_dir: Path,
        config_name: str = "cpu",
        options: Sequence[str] = (),
        grpc_port: int = 0,
    ) -> None:
        if not any(repository.glob("*/config.pbtxt")):
            raise StackError(f"{repository} is no model repository: no folder in it has a config.pbtxt")
        self._http_port, free_port = find_free_ports(2)
        self._grpc_port = grpc_port or free_port
        shared_memory = f"{SHARED_MEMORY_PREFIX}{os.getpid()}-{secrets.token_hex(4)}-"
        files = find_files()
        self._process = ChildProcess(
            "Triton",
            [
                str(files.server),
                *self._arguments(repository.resolve(), files.backends, config_name, shared_memory),
                *options,
            ],
            state_dir / "triton.log",
            self.address,
            environment={**ONE_THREAD, **_find_python(), "LD_LIBRARY_PATH": _library_path(files)},
            folder=package_root(),
            grace_s=EXIT_GRACE_S,
            shared_memory=shared_memory,
            niceness=NICENESS,
        )

        self._models = ModelProcesses(lambda: count_model_processes(self._process.pid))

    @property
    def address(self) -> str:
        """``host:port`` of gRPC."""
        return f"{LOOPBACK}:{self._grpc_port}"

    @property
    def url(self) -> str:
        """Base of the HTTP endpoint."""
        return f"http://{LOOPBACK}:{self._http_port}"

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid

    def start(self) -> None:
        """Start it, without waiting."""
        remove_stale_shared_memory()
        self._models.forget()
        self._process.start()

    def wait_until_ready(self, timeout_s: float) -> None:
        """Wait until every model is loaded; raises `StackError` after `timeout_s`."""
        self._process.wait_until_ready(self.is_ready, timeout_s)

    def is_ready(self) -> bool:
        """Whether it answers, with every model loaded."""
        return answers_http(f"{self.url}/v2/health/ready")

    def check(self) -> None:
        """Raise `StackError` if it has ended by itself, or one of its models' processes has: ask often."""
        self._process.check()
        self._models.check()

    def stop(self) -> None:
        """Stop it; the address stays the same for another start."""
        self._process.stop()

    def suspend(self) -> None:
        """SIGSTOP: it takes connections and answers nothing."""
        self._process.suspend()

    def resume(self) -> None:
        """SIGCONT, after `suspend`."""
        self._process.resume()

    def kill(self) -> None:
        """SIGKILL, and what it leaves behind is removed."""
        self._process.kill()

    def crash(self) -> None:
        """SIGKILL from outside: whoever looks after it has to notice."""
        self._process.crash()

    def _arguments(self, repository: Path, backends: Path, config_name: str, shared_memory: str) -> list[str]:
        return [
            f"--model-repository={repository}",
            f"--model-config-name={config_name}",
            f"--backend-directory={backends}",
            f"--backend-config=python,shm-region-prefix-name={shared_memory}",
            f"--backend-config=python,stub-timeout-seconds={MODEL_START_S}",
            f"--http-address={LOOPBACK}",
            f"--http-port={self._http_port}",
            f"--grpc-address={LOOPBACK}",
            f"--grpc-port={self._grpc_port}",
            "--allow-metrics=false",
            "--disable-auto-complete-config",
            f"--exit-timeout-secs={EXIT_GRACE_S}",
        ]


def find_files() -> TritonFiles:
    """Find the wheel's server and make its backend folder.

    Raises
    ------
    StackError
        The wheel is not installed (it exists for Linux on x86-64 only), or has nothing for this Python.
    """
    package = _find_wheel()
    server = package / "tritonserver" / "bin" / "tritonserver"
    return TritonFiles(server, package.parent / "nvidia_pytriton.libs", _make_backends(package / "tritonserver"))


def _find_wheel() -> Path:
    found = importlib.util.find_spec("pytriton")
    if found is not None and found.origin is not None:
        return Path(found.origin).parent
    if (sys.platform, platform.machine()) == ("linux", "x86_64"):
        raise StackError(f"no Triton server: install the extra [local] (pip install '.[local]'), or {ELSEWHERE}")
    raise StackError(f"no Triton server for {sys.platform} on {platform.machine()}: {ELSEWHERE}")


def _make_backends(tritonserver: Path) -> Path:
    """Put together the Python backend with the stub of this Python's version; made once."""
    stub = tritonserver / "python_backend_stubs" / _python_version() / "triton_python_backend_stub"
    if not stub.exists():
        raise StackError(f"the Triton wheel has no backend for Python {_python_version()}: {ELSEWHERE}")

    def make(target: Path) -> None:
        shutil.copytree(tritonserver / "backends" / "python", target / "python")
        copied = Path(shutil.copy2(stub, target / "python" / stub.name))
        copied.chmod(copied.stat().st_mode | stat.S_IXUSR)

    version = importlib.metadata.version("nvidia-pytriton")
    return make_once(cache_dir() / f"triton-backends-{version}-py{_python_version()}", make)


def _find_python() -> dict[str, str]:
    """Put this interpreter first on the PATH.

    The models' processes run an isolated Python, which ignores PYTHONPATH. It takes the first ``python3`` on the PATH
    for itself, and so finds the packages of our virtual environment; this package it finds in its working directory.
    """
    return {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])}


def _library_path(files: TritonFiles) -> str:
    """The wheel's libraries, and this Python's own: the models' processes load it as a library."""
    library = f"libpython{_python_version()}"
    here = Path(sysconfig.get_config_var("LIBDIR") or "")
    if not (here / f"{library}.so.1.0").exists() and ctypes.util.find_library(library[3:]) is None:
        raise StackError(
            f"Triton's Python backend needs {library}.so (Debian: apt-get install {library}); or {ELSEWHERE}"
        )
    places = [str(files.libraries), str(here), os.environ.get("LD_LIBRARY_PATH", "")]
    return os.pathsep.join(filter(None, places))


def _python_version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def remove_stale_shared_memory() -> None:
    """Remove what servers of ours left whose owner was killed together with its guard."""
    for segment in guard.SHARED_MEMORY.glob(f"{SHARED_MEMORY_PREFIX}*"):
        owner = segment.name.removeprefix(SHARED_MEMORY_PREFIX).partition("-")[0]
        if owner.isdecimal() and not Path(f"/proc/{owner}").exists():
            segment.unlink(missing_ok=True)
