"""Takes a picture network out of the npm package ``nsfwjs`` (MIT): ``python -m sluice_models.training.nsfwjs ARCHIVE``.

ARCHIVE is what ``npm pack nsfwjs@4.3.0`` fetches; nothing else needs the package afterwards.

Its "mid" model is a MobileNet V2 of width 1.4, trained on ImageNet and then to tell drawings, hentai, neutral pictures,
pornography and swimwear ("sexy") apart. It is a TensorFlow.js graph in JavaScript: a table of tensors, and their bytes
in base64, each weight in eight bits with a scale and an offset of its tensor.
"""

from __future__ import annotations

import base64
import hashlib
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
import typer
from torch import Tensor

from sluice.errors import SettingsError
from sluice_models.config import RUNS
from sluice_models.console import report_errors
from sluice_models.networks.image import KINDS, PictureNetwork
from sluice_models.training import checkpoint

FOLDER = "package/dist/models/mobilenet_v2_mid"
TABLE = f"{FOLDER}/model.min.js"
SHARDS = (f"{FOLDER}/group1-shard1of2.min.js", f"{FOLDER}/group1-shard2of2.min.js")
HASHES = {
    TABLE: "a7a9e701491e2449b221dab7c424957f853e700602b5575da33cfd745616f964",
    SHARDS[0]: "f2e79a209e44d668220ec5f1533a98f2be954e3953685bf074d201b82fefc29a",
    SHARDS[1]: "f291df992a0131741372506a6072fb9f1645bff7c973c983fd6276f5f9625d5e",
}
"""SHA-256 of the three files, of version 4.3.0."""
NAME = "picture_network"
"""Of the checkpoint."""
_ENTRY = re.compile(
    r'\{name:"(?P<name>[^"]+)",shape:\[(?P<shape>[\d,]*)\],dtype:"float32",'
    r'quantization:\{min:(?P<least>[^,]+),scale:(?P<scale>[^,]+),dtype:"uint8"\}\}'
)
_BASE64 = re.compile(r'exports="([A-Za-z0-9+/=]+)"')
_CONVOLUTION = re.compile(
    r"predict/MobilenetV2/(?P<place>Conv_1|Conv|expanded_conv(?:_(?P<block>\d+))?)/(?:(?P<layer>\w+)/)?"
    r"(?P<kind>Conv2D|depthwise)_(?P<part>weights|bn_offset)$"
)
_PARTS = {"weights": "weight", "bn_offset": "bias"}
_PLACES = {"Conv": "stem", "Conv_1": "last"}


@dataclass(frozen=True)
class Entry:
    """One tensor of the table: the bytes b stand for ``b * scale + least``."""

    name: str
    shape: tuple[int, ...]
    least: float
    scale: float

    @property
    def n_bytes(self) -> int:
        """One for each value."""
        return int(np.prod(self.shape))


def read_package(package: Path) -> dict[str, str]:
    """The three files of the model as text, by name.

    Raises
    ------
    SettingsError
        If the package cannot be read, lacks one, or holds another one than expected.
    """
    try:
        with tarfile.open(package) as archive:
            contents = {name: _read_member(archive, name) for name in HASHES}
    except (OSError, tarfile.TarError, KeyError) as error:
        raise SettingsError(f"{package}: not the npm package nsfwjs: {error}") from error
    for name, content in contents.items():
        if hashlib.sha256(content).hexdigest() != HASHES[name]:
            raise SettingsError(f"{package}: {name} is not the file of nsfwjs 4.3.0")
    return {name: content.decode("ascii") for name, content in contents.items()}


def _read_member(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(name)
    if member is None:
        raise KeyError(name)
    return member.read()


def read_table(script: str) -> list[Entry]:
    """The table of tensors in a model's script, in the order of their bytes."""
    return [
        Entry(
            found["name"],
            tuple(int(size) for size in found["shape"].split(",") if size),
            float(found["least"]),
            float(found["scale"]),
        )
        for found in _ENTRY.finditer(script)
    ]


def read_bytes(scripts: Iterable[str]) -> bytes:
    """What the scripts hold in base64, joined; raises `SettingsError` where there is nothing."""
    return b"".join(_decode_shard(script) for script in scripts)


def _decode_shard(script: str) -> bytes:
    found = _BASE64.search(script)
    if found is None:
        raise SettingsError("a file of weights holds no base64")
    return base64.b64decode(found[1])


def dequantise(entries: Iterable[Entry], content: bytes) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    """Each tensor's name and values, shape = as its entry says; raises `SettingsError` for too few or many bytes."""
    start = 0
    for entry in entries:
        values = np.frombuffer(content[start : start + entry.n_bytes], np.uint8)
        start += entry.n_bytes
        if len(values) < entry.n_bytes:
            raise SettingsError(f"the weights end before {entry.name}")
        yield entry.name, (values * np.float32(entry.scale) + np.float32(entry.least)).reshape(entry.shape)
    if start < len(content):
        raise SettingsError(f"{len(content) - start} bytes of weights belong to no tensor")


def read_picture_network(package: Path) -> dict[str, Tensor]:
    """The network's weights by our names, shape = as in PyTorch; raises `SettingsError` for another archive."""
    scripts = read_package(package)
    return to_state(dict(dequantise(read_table(scripts[TABLE]), read_bytes(scripts[name] for name in SHARDS))))


def to_state(tensors: Mapping[str, npt.NDArray[np.float32]]) -> dict[str, Tensor]:
    """State of `sluice_models.networks.image.PictureNetwork`: its convolutions, and the layer that names the kinds.

    Kernels come as shape = (H, W, in, out) and leave as (out, in, H, W).
    """
    state = {}
    for name, values in tensors.items():
        if found := _CONVOLUTION.search(name):
            state[f"planes.{_our_name(found)}"] = _turn(values, found["kind"] == "depthwise")
        elif values.shape[-1:] == (len(KINDS),):
            state[f"kinds.{'weight' if values.ndim > 1 else 'bias'}"] = torch.from_numpy(values.T.copy())
    return state


def _our_name(found: re.Match[str]) -> str:
    part = _PARTS[found["part"]]
    if found["place"] in _PLACES:
        return f"{_PLACES[found['place']]}.{part}"
    return f"blocks.{found['block'] or 0}.{found['layer']}.{part}"


def _turn(values: npt.NDArray[np.float32], depthwise: bool) -> Tensor:
    """TensorFlow's order of axes to torch's: (H, W, in, out), or (H, W, in, 1) for a plane by itself."""
    if values.ndim == 1:
        return torch.from_numpy(values)
    return torch.from_numpy(values.transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1)).copy())


def load_picture_network(network: PictureNetwork, runs: Path) -> None:
    """Fill a network with its weights; raises `SettingsError` if they were not taken out yet."""
    file = checkpoint.checkpoint_file(runs, NAME)
    if not file.is_file():
        raise SettingsError(f"{file} does not exist; see python -m sluice_models.training.nsfwjs --help")
    network.load_state_dict(torch.load(file, weights_only=True))


def main(
    archive: Annotated[Path, typer.Argument(help="From npm pack nsfwjs@4.3.0.")],
    runs: Annotated[Path, typer.Option(help="Where checkpoints go.")] = RUNS,
) -> None:
    """Write picture_network.pt, which training the image encoder starts from."""
    with report_errors():
        network = checkpoint.build_picture_network()
        network.load_state_dict(read_picture_network(archive))
        file = checkpoint.checkpoint_file(runs, NAME)
        # Rounded as the export stores them: eight bits lose nothing by it, and torch computes what is served.
        checkpoint.save(network.half().float(), file)
        typer.echo(f"{file}: {sum(weight.numel() for weight in network.parameters()) / 1e6:.1f} million weights")


if __name__ == "__main__":
    typer.run(main)
