import os
import stat

from sluice.cli.stacks import open_state


def test_what_a_stack_keeps_is_for_its_owner(tmp_path):
    before = os.umask(0o022)
    try:
        with open_state(tmp_path / "kept") as given, open_state(None) as own:
            assert [stat.S_IMODE(folder.stat().st_mode) for folder in (given, own)] == [0o700, 0o700]
    finally:
        os.umask(before)
    assert (given.exists(), own.exists()) == (True, False)
