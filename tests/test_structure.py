"""Imports run one way, between files and between folders; and a module that no layer names is noticed."""

import os
import shutil
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

MAX_LINES = 350
ROOTS = {"sluice": Path("engine"), "sluice_models": Path("models")}


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph(*ROOTS, cache_dir=None)


def packages_of(graph: grimp.ImportGraph) -> list[str]:
    return sorted(module for module in graph.modules if graph.find_children(module))


def order_children(graph: grimp.ImportGraph, package: str) -> list[str]:
    """A package's folders and files, those first that import none of the others; raises `CycleError`."""
    children = sorted(graph.find_children(package))
    needs = {
        child: {
            other for other in children if other != child and graph.direct_import_exists(
                importer=child, imported=other, as_packages=True
            )
        }
        for child in children
    }  # fmt: skip
    return list(TopologicalSorter(needs).static_order())


def test_no_file_is_longer_than_can_be_held_in_mind() -> None:
    files = [path for room in ("engine", "models", "ops", "tests") for path in Path(room).rglob("*.py")]
    assert len(files) > 500
    assert {str(path): n for path in files if (n := len(path.read_text().splitlines())) > MAX_LINES} == {}


def test_no_package_holds_a_cycle_of_folders_or_files(imports: grimp.ImportGraph) -> None:
    packages = packages_of(imports)
    assert {"sluice", "sluice.stream", "sluice_models", "sluice_models.recipes.image"} <= set(packages)
    for package in packages:
        assert order_children(imports, package), package


def test_no_files_import_one_another_in_a_circle(imports: grimp.ImportGraph) -> None:
    needs = {module: imports.find_modules_directly_imported_by(module) for module in imports.modules}
    assert len(list(TopologicalSorter(needs).static_order())) == len(imports.modules)


def test_a_cycle_of_folders_is_noticed() -> None:
    graph = grimp.ImportGraph()
    for module in ("house", "house.red", "house.red.door", "house.red.lamp", "house.blue", "house.blue.door"):
        graph.add_module(module)
    graph.add_import(importer="house.red.door", imported="house.blue.door")
    assert order_children(graph, "house") == ["house.blue", "house.red"]
    graph.add_import(importer="house.blue.door", imported="house.red.lamp")  # no cycle of files
    with pytest.raises(CycleError):
        order_children(graph, "house")


def test_a_module_outside_every_layer_fails_the_contracts(tmp_path: Path) -> None:
    for name, root in ROOTS.items():
        for file in (root / name).rglob("*.py"):
            target = tmp_path / file.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
        (tmp_path / name / "stray.py").write_text('"""Belongs nowhere."""\n')
    layers = ("engine-layers", "models-layers")
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache",
         "--config", str(Path(".importlinter").resolve()), *(f"--contract={name}" for name in layers)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout
    assert {"sluice.stray", "sluice_models.stray"} <= {word.strip("-,.") for word in done.stdout.split()}
