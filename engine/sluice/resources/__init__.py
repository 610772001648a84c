"""Files that come with the package: the model repository, the policies, the recipe of a native Kafka.

In a checkout they are links to ``triton_repo/`` and ``ops/``; in a wheel they lie here as files.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from sluice.errors import SluiceError

__all__ = [
    "default_policy",
    "kafka_pom",
    "language_file",
    "package_root",
    "packaged_file",
    "text_file",
    "triton_repository",
]


def triton_repository() -> Path:
    """Folder of the Triton model repository that ships: one folder per model."""
    return _resource("triton_repo")


def default_policy() -> Path:
    """YAML file of the policy that ships."""
    return _resource("policies", "default.yaml")


def kafka_pom() -> Path:
    """Maven's project file that names the jars of a native Kafka."""
    return _resource("kafka", "pom.xml")


def text_file(name: str) -> Path:
    """File of the shipped text encoder's reader: ``tokenizer.json``."""
    return _on_disk("sluice.features").joinpath(name)


def language_file() -> Path:
    """File of the n-grams by which languages are told apart."""
    return _on_disk("sluice.features").joinpath("languages.npz")


def package_root() -> Path:
    """Folder that holds the package ``sluice``: what another Python needs on its path to import it."""
    return _on_disk("sluice").parent


def packaged_file(package: str, *parts: str) -> Path:
    """File or folder that lies inside a package: ``packaged_file("sluice.features", "tokenizer.json")``."""
    return _on_disk(package).joinpath(*parts)


def _resource(*parts: str) -> Path:
    return packaged_file("sluice.resources", *parts)


def _on_disk(package: str) -> Path:
    """Return the folder of a package; servers are told paths, so one inside an archive will not do."""
    folder = files(package)
    if not isinstance(folder, Path):
        raise SluiceError(f"{package} is not installed as files: install the wheel unpacked, as pip does")
    return folder
