from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from PIL import Image

from tests._helpers import small_page
from unlabelled.page.preview import Preview, make_preview
from unlabelled.page.previews import NO_SPACE, make_previews


def test_previews_are_small_files_of_each_kind(tmp_path: Path) -> None:
    for name, kind, streams in (("a.mp4", "video", 2), ("a.wav", "audio", 1), ("a.png", "image", 0)):
        small_page.write_file(tmp_path / name, 100)
        made = make_preview(str(tmp_path / name), 0.2, np.nan, tmp_path)
        assert (made.kind, made.reason) == (kind, "")
        assert Image.open(tmp_path / made.thumbnail).size[1] in (24, 120)
        stem = Path(made.thumbnail).stem
        assert made.size == sum(each.stat().st_size for each in tmp_path.glob(f"{stem}*"))
        assert made.has_spectrogram == (kind == "video") == (tmp_path / f"{stem}_audio.jpg").exists()
        if streams:
            with av.open(str(tmp_path / made.media)) as container:
                assert len(container.streams) == streams
                assert container.duration / 1e6 < 1.1
    assert not list(tmp_path.glob(".part-*"))


def test_the_preview_of_a_span_shows_that_span(tmp_path: Path) -> None:
    small_page.write_file(tmp_path / "a.mp4", 100)
    means = []
    for start, end in ((0.0, 0.3), (0.7, 1.0)):
        made = make_preview(str(tmp_path / "a.mp4"), start, end, tmp_path)
        means.append(np.asarray(Image.open(tmp_path / made.thumbnail)).mean((0, 1))[2])
    assert means[1] > means[0] + 20


def test_a_preview_is_not_made_twice_unless_its_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    small_page.write_file(path, 10)
    first = make_preview(str(path), 0, np.nan, tmp_path)
    (tmp_path / first.media).write_bytes(b"kept")
    assert (tmp_path / make_preview(str(path), 0, np.nan, tmp_path).media).read_bytes() == b"kept"
    Image.new("RGB", (50, 50)).save(path)
    assert make_preview(str(path), 0, np.nan, tmp_path).media != first.media


def test_files_without_a_preview_have_a_reason(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    (tmp_path / "a.png").write_bytes(b"no image")
    for name in ("a.mp4", "a.png", "missing.mp4"):
        made = make_preview(str(tmp_path / name), 0, np.nan, tmp_path)
        assert made.kind == "none"
        assert made.reason


def test_the_bound_keeps_the_first_ones_of_the_order(tmp_path: Path) -> None:
    def make(path: str, start: float, end: float, folder: Path) -> Preview:
        return Preview("image", path, path, size=10)

    clips = [(str(number), 0.0, 1.0) for number in range(100)]
    order = list(range(99, -1, -1))
    made = make_previews(clips, order, tmp_path / "new", max_bytes=200, workers=1, make=make)
    kept = [row for row, each in enumerate(made) if each.reason != NO_SPACE]
    assert 20 <= len(kept) < 30
    assert kept == list(range(100 - len(kept), 100))
