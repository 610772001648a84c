"""The names that `import sluice` offers: each is there, and none is imported before it is asked for."""

import subprocess
import sys

import pytest

import sluice


@pytest.mark.parametrize("name", sluice.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(sluice, name) is not None


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        sluice.nothing_of_the_kind  # noqa: B018


def test_importing_the_package_imports_no_library() -> None:
    code = "import sys, sluice; print({'confluent_kafka', 'msgspec', 'numpy'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "set()"


def test_all_and_the_lazy_table_name_the_same() -> None:
    assert set(sluice.__all__) - {"__version__"} == set(sluice._HOME_OF)
