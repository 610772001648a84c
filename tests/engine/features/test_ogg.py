from sluice.features.ogg import split_links
from tests.engine.features.clips import encode, play_tone

ONE, OTHER = encode(play_tone(1.0), kind="OGG"), encode(play_tone(1.0, 22_050), 22_050, "OGG")


def test_a_chain_is_taken_apart() -> None:
    assert split_links(ONE + OTHER + ONE) == [ONE, OTHER, ONE]


def test_a_file_alone_comes_back_as_it_is() -> None:
    assert split_links(ONE) == [ONE]
    assert split_links(b"OggS") == [b"OggS"]
