"""``cli.py check``: the report on a folder and the exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests._helpers import media_files as media
from unlabelled.commands.check_media import check_folder, find_media, main
from unlabelled.data.media.index import Requirements


def test_finds_media_files_in_all_visible_folders(tmp_path: Path) -> None:
    names = ["b.mp4", "sub/a.MKV", "sub/deep/c.webm", "d.avi", "e.mov", "f.m4v"]
    for name in [*names, ".hidden/x.mp4", ".y.mp4", "notes.txt", "sub/.unlabelled/z.mp4"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert find_media(str(tmp_path)) == sorted(names)


def test_all_usable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    media.write_clip(tmp_path / "a.mp4")
    media.write_clip(
        tmp_path / "sub" / "b.webm", video_codec="libvpx", audio_codec="libopus", sample_rate=48000
    )
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith(f"2 of 2 files in {tmp_path} are usable: 0.00 h, 1.00 s to ")


def test_every_file_left_out_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    media.write_clip(tmp_path / "good.mp4", duration=2)
    media.write_clip(tmp_path / "silent.mp4", duration=2, layout=None)
    for number in range(7):
        media.empty(tmp_path / f"empty{number}.mp4")
    assert main([str(tmp_path), "--workers", "0"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"1 of 9 files in {tmp_path} are usable: 0.00 h, 2.00 s to 2.00 s each",
        "empty file: 7",
        *[f"  empty{number}.mp4" for number in range(7)],
        "no audio stream: 1",
        "  silent.mp4",
    ]


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ([], 1),
        (["--no-audio"], 0),
        (["--no-audio", "--min-duration", "3"], 1),
        (["--no-audio", "--no-video"], 0),
    ],
)
def test_options_set_the_requirements(options: list[str], status: int, tmp_path: Path) -> None:
    media.write_clip(tmp_path / "silent.mp4", duration=2, layout=None)
    assert main([str(tmp_path), "--workers", "0", *options]) == status


def test_a_report_without_usable_files(tmp_path: Path) -> None:
    media.empty(tmp_path / "a.mp4")
    index = check_folder(str(tmp_path), Requirements(), num_workers=0, progress=False)
    assert len(index) == 0
    assert index.left_out == {"a.mp4": "empty file"}


def test_a_missing_and_an_empty_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nowhere")]) == 2
    assert "there is no folder" in capsys.readouterr().err
    assert main([str(tmp_path)]) == 2
    assert "no media files (.mp4, .mkv" in capsys.readouterr().err


def test_usage_names_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "usage: cli.py check" in capsys.readouterr().out
