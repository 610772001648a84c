"""Taking the picture network out of an npm package: the table, the bytes, the names, and what is refused."""

import base64
import hashlib
import io
import tarfile

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from sluice.errors import SettingsError
from sluice_models.networks.image import KINDS, PictureNetwork
from sluice_models.training import nsfwjs as module
from sluice_models.training.nsfwjs import (
    HASHES,
    SHARDS,
    TABLE,
    Entry,
    dequantise,
    load_picture_network,
    read_bytes,
    read_package,
    read_table,
    to_state,
)
from tests.models.tiny_networks import IMAGE

pytestmark = pytest.mark.torch
PREFIX = "StatefulPartitionedCall/predict/MobilenetV2"


def theirs(name):
    """Their name of one of our weights."""
    if name.startswith("kinds"):
        return "Func/input/_262" if name.endswith("weight") else "Func/input/_263"
    place, part = name.removeprefix("planes.").rsplit(".", 1)
    place = {"stem": "Conv", "last": "Conv_1"}.get(place, place)
    if place.startswith("blocks"):
        _, number, layer = place.split(".")
        place = f"expanded_conv{f'_{number}' if number != '0' else ''}/{layer}"
    kind = "depthwise" if place.endswith("depthwise") else "Conv2D"
    if part == "bias" and kind == "depthwise":
        return f"{PREFIX}/{place}/depthwise_bn_offset"
    return f"{PREFIX}/{place}/{kind}_{'weights' if part == 'weight' else 'bn_offset'}"


def turn(name, values):
    if values.ndim != 4:
        return values.T
    return values.transpose((2, 3, 0, 1) if "depthwise" in name else (2, 3, 1, 0))


@pytest.fixture(scope="module")
def weights():
    """Of a small network: whole numbers, which eight bits hold exactly."""
    rng = np.random.default_rng(0)
    shapes = {name: weight.shape for name, weight in PictureNetwork(IMAGE).state_dict().items()}
    return {name: rng.integers(-9, 9, tuple(shape)).astype(np.float32) for name, shape in shapes.items()}


def to_script(content):
    return '!function(){return{1:[function(e,t,n){t.exports="' + base64.b64encode(content).decode() + '"},{}]}}();'


@pytest.fixture(scope="module")
def scripts(weights):
    """The same as the package's three files."""
    entries, content = [], b""
    for name, values in weights.items():
        stored = turn(name, values)
        shape = ",".join(map(str, stored.shape))
        entries.append(
            f'{{name:"{theirs(name)}",shape:[{shape}],dtype:"float32",quantization:{{min:-9,scale:1,dtype:"uint8"}}}}'
        )
        content += (stored + 9).astype(np.uint8).tobytes()
    half = len(content) // 2
    table = 'weightsManifest:[{paths:["a","b"],weights:[' + ",".join(entries) + "]}]"
    return {TABLE: table, SHARDS[0]: to_script(content[:half]), SHARDS[1]: to_script(content[half:])}


def pack(scripts, file):
    with tarfile.open(file, "w:gz") as archive:
        for name, text in scripts.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode("ascii")))
    return file


@pytest.fixture
def trusted(scripts, monkeypatch):
    hashes = {name: hashlib.sha256(text.encode("ascii")).hexdigest() for name, text in scripts.items()}
    monkeypatch.setattr(module, "HASHES", hashes)


def invoke(monkeypatch, *arguments):
    monkeypatch.setattr(f"{module.__name__}.checkpoint.build_picture_network", lambda: PictureNetwork(IMAGE))
    app = typer.Typer()
    app.command()(module.main)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_leaves_the_weights_that_the_package_holds(scripts, weights, trusted, tmp_path, monkeypatch):
    archive = pack(scripts, tmp_path / "nsfwjs.tgz")
    result = invoke(monkeypatch, archive, "--runs", tmp_path / "runs")
    assert result.exit_code == 0, result.output
    assert "million weights" in result.output
    network = PictureNetwork(IMAGE)
    load_picture_network(network, tmp_path / "runs")
    for name, values in weights.items():
        np.testing.assert_array_equal(network.state_dict()[name].numpy(), values, err_msg=name)


def test_an_archive_that_is_refused_leaves_nothing(scripts, tmp_path, monkeypatch):
    result = invoke(monkeypatch, pack(scripts, tmp_path / "other.tgz"), "--runs", tmp_path / "runs")
    assert result.exit_code == 1
    assert "nsfwjs 4.3.0" in result.output
    assert not (tmp_path / "runs").exists()


def test_weights_that_were_not_taken_out_yet_are_asked_for(tmp_path):
    with pytest.raises(SettingsError, match="nsfwjs --help"):
        load_picture_network(PictureNetwork(IMAGE), tmp_path)


def test_files_of_another_version_are_refused(scripts, tmp_path):
    with pytest.raises(SettingsError, match=r"is not the file of nsfwjs 4\.3\.0"):
        read_package(pack(scripts, tmp_path / "other.tgz"))
    assert all(len(digest) == 64 for digest in HASHES.values())


@pytest.mark.parametrize("missing", [TABLE, SHARDS[1]])
def test_a_package_without_the_model_is_refused(scripts, trusted, tmp_path, missing):
    rest = {name: text for name, text in scripts.items() if name != missing}
    with pytest.raises(SettingsError, match="not the npm package nsfwjs"):
        read_package(pack(rest, tmp_path / "other.tgz"))


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "text.tgz").write_text("hello")
    for name in ("text.tgz", "nowhere.tgz"):
        with pytest.raises(SettingsError, match=name):
            read_package(tmp_path / name)


def test_the_table_is_read_with_minified_numbers():
    script = 'weights:[{name:"a/b",shape:[2,3],dtype:"float32",quantization:{min:-.5,scale:.25,dtype:"uint8"}},'
    script += '{name:"c",shape:[],dtype:"float32",quantization:{min:2,scale:1,dtype:"uint8"}}]'
    assert read_table(script) == [Entry("a/b", (2, 3), -0.5, 0.25), Entry("c", (), 2.0, 1.0)]
    assert [entry.n_bytes for entry in read_table(script)] == [6, 1]


def test_bytes_become_values_by_scale_and_offset():
    ((name, values),) = dequantise([Entry("a", (2, 2), -1.0, 0.5)], bytes([0, 1, 2, 255]))
    assert name == "a"
    assert values.tolist() == [[-1.0, -0.5], [0.0, 126.5]]


@pytest.mark.parametrize("n_bytes", [3, 5])
def test_too_few_or_too_many_bytes_are_refused(n_bytes):
    with pytest.raises(SettingsError, match="weights"):
        list(dequantise([Entry("a", (4,), 0.0, 1.0)], bytes(n_bytes)))


def test_a_script_without_weights_is_refused():
    with pytest.raises(SettingsError, match="base64"):
        read_bytes(['t.exports={format:"graph-model"}'])


def test_tensors_of_no_layer_are_left_out():
    zeros = np.zeros((4, len(KINDS)), np.float32)
    state = to_state({"predict/hub_input/Mul/y": np.float32(2).reshape(()), "Func/input/_262": zeros})
    assert list(state) == ["kinds.weight"]
