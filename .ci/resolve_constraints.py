"""Writes ops/constraints.txt: one version of everything that the extras need together, for the running Python."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "ops" / "constraints.txt"
EXTRAS = "local,train,dev,docs,media,avro,protobuf,tracing,s3,http,history,parquet,speech,bench"
HEAD = f"""\
# Versions that were resolved together for the extras [{EXTRAS}] on Python 3.11, Linux x86_64.
# Made anew with `make constraints`.
# Held down by others: click by faust-streaming, numpy by nvidia-pytriton, opencv-python-headless by numpy.
"""


def resolve(report: Path) -> None:
    """Let pip write what it would install, without installing it."""
    options = ["--dry-run", "--ignore-installed", "--quiet", "--report", str(report)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, f"{ROOT}[{EXTRAS}]"], check=True)


def read_pins(report: Path) -> list[str]:
    """Pins of a pip report, sorted, without Sluice itself."""
    found = (item["metadata"] for item in json.loads(report.read_text("utf-8"))["install"])
    pins = {f"{re.sub(r'[-_.]+', '-', one['name']).lower()}=={one['version']}" for one in found}
    return sorted(pin for pin in pins if not pin.startswith("sluice-moderation=="))


def main() -> None:
    """Resolve, then write."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        resolve(report)
        TARGET.write_text(HEAD + "".join(f"{pin}\n" for pin in read_pins(report)), "utf-8")


if __name__ == "__main__":
    main()
