from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests._helpers.small_page import write_file
from unlabelled.commands.discover.contents import look


def test_the_kind_with_the_most_files_is_taken_and_the_others_are_named(tmp_path: Path) -> None:
    for number in range(5):
        write_file(tmp_path / f"{number}.mp4", 30 * number)
    write_file(tmp_path / "a.wav", 5)
    (tmp_path / "cut.mp4").write_bytes((tmp_path / "0.mp4").read_bytes()[:700])
    (tmp_path / "notes.txt").touch()
    found = look(str(tmp_path), progress=False)
    assert (found.kind, found.count) == ("videos", 5)
    assert found.median_duration == pytest.approx(1, abs=0.1)
    text = "\n".join(found.summary())
    assert "5 videos" in text
    for name in ("cut.mp4", "a.wav", "notes.txt"):
        assert name in text


def test_the_headers_of_images_are_read(tmp_path: Path) -> None:
    for number in range(6):
        write_file(tmp_path / f"{number}.png", 30 * number)
    (tmp_path / "empty.png").touch()
    Image.new("RGB", (300, 20)).save(tmp_path / "wide.png")
    found = look(str(tmp_path), progress=False)
    assert (found.kind, found.count, found.durations) == ("images", 7, ())
    first, *notes = found.summary()
    assert first.endswith("7 images, 32x24 to 300x20 pixels")
    assert "empty.png" in notes[0]


def test_too_few_files_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        look(str(tmp_path / "missing"))
    with pytest.raises(ValueError, match="no video, audio file or image; it is empty"):
        look(str(tmp_path))
    for number in range(3):
        write_file(tmp_path / f"{number}.wav", number)
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    with pytest.raises(ValueError, match=r"3 usable audio files, expected at least 4.*bad\.wav"):
        look(str(tmp_path), progress=False)
