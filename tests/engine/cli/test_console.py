import io
import signal

import pytest
from rich.console import Console

from sluice.cli.console import ending_like_ctrl_c, make_progress, make_spinner


def test_sigterm_ends_a_command_like_ctrl_c():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), ending_like_ctrl_c():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_where_rows_are_printed_there_is_no_bar():
    console = Console(file=io.StringIO(), force_terminal=True)
    assert not make_progress(console).disable
    assert make_progress(console, shares_rows=True).disable
    assert make_progress(Console(file=io.StringIO())).disable


@pytest.mark.parametrize(("encoding", "is_ascii"), [("ascii", True), ("utf-8", False)])
def test_a_spinner_turns_in_characters_that_the_terminal_knows(encoding, is_ascii):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    spinner = make_spinner(Console(file=file, force_terminal=True), "waiting")
    assert "".join(spinner._spinner.frames).isascii() == is_ascii
