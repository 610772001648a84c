"""Public functions say which shapes they take and give, and what they raise."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TREES = (Path("engine/sluice"), Path("models/sluice_models"))
ARRAYS = re.compile(r"\b(NDArray|Tensor|Floats?|Float32|Float64|Bools?|Pixels|Hashes|Spans)\b")
"""Names of arrays in annotations. `Waveform` and `Arrays` say their shapes where they are defined."""
SHAPE = re.compile(r"\bshapes?\b|\((B|n|labels),|\bscalar\b|\b(As|See) `|[ ,]as `|those of `")
"""A shape, in words or as ``(B, labels)``; or the function that the docstring refers to for it."""
OURS = re.compile(r"class (\w+)\((?:SluiceError|\w+Error|PartFailed)\)")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def public_functions(node: ast.AST, scope: str) -> Iterator[tuple[str, Function]]:
    """Functions and methods whose names, and whose classes' names, have no leading underscore; but no commands."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | Function) and not child.name.startswith("_") and child.name != "main":
            name = f"{scope}.{child.name}"
            if isinstance(child, ast.ClassDef):
                yield from public_functions(child, name)
            else:
                yield name, child


def all_functions() -> list[tuple[str, Function]]:
    files = sorted(file for tree in TREES for file in tree.rglob("*.py"))
    return [each for file in files for each in public_functions(ast.parse(file.read_text("utf-8")), str(file))]


def takes_arrays(function: Function) -> bool:
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    annotations = [*(argument.annotation for argument in arguments), function.returns]
    return any(ARRAYS.search(ast.unparse(each)) for each in annotations if each is not None)


def our_errors() -> set[str]:
    return {
        match[1] for tree in TREES for file in tree.rglob("*.py") for match in OURS.finditer(file.read_text("utf-8"))
    }


def raised_by(function: Function) -> set[str]:
    """Exceptions that the function's own lines raise."""
    raised = [node.exc for node in ast.walk(function) if isinstance(node, ast.Raise)]
    return {ast.unparse(each.func if isinstance(each, ast.Call) else each) for each in raised if each is not None}


def test_functions_over_arrays_say_their_shapes() -> None:
    silent = [
        name for name, each in all_functions() if takes_arrays(each) and not SHAPE.search(str(ast.get_docstring(each)))
    ]
    assert not silent, "\n".join(silent)


def says(docstring: str, error: str) -> bool:
    """Whether a docstring has the error in its text or under Raises, or refers to another one for it."""
    under_raises = rf"(?m)^(\w+, )*{error}(, \w+)*$"
    return f"`{error}`" in docstring or bool(re.search(under_raises, docstring)) or docstring.startswith("See `")


def test_functions_name_the_errors_of_ours_that_they_raise() -> None:
    errors = our_errors()
    assert {"SettingsError", "MediaInvalid", "PlanError", "AdoptError"} <= errors
    silent = [
        f"{name}: {error}"
        for name, each in all_functions()
        for error in sorted(raised_by(each) & errors)
        if not says(str(ast.get_docstring(each)), error)
    ]
    assert not silent, "\n".join(silent)
