"""Packed folders: the same files, read from shards."""

from __future__ import annotations

import os
import pickle
import shutil
import tarfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests._helpers.data_layouts import write_images
from tests._helpers.media_files import truncate, write_clip
from tests._helpers.media_matrix import Kind, write
from unlabelled.commands.pack import main
from unlabelled.data.inside import OutsideRootError
from unlabelled.data.lists import list_files
from unlabelled.data.media import disk
from unlabelled.data.media import index as index_module
from unlabelled.data.media.array_file import map_arrays, write_arrays
from unlabelled.data.media.equal_files import representatives
from unlabelled.data.media.files import AUDIO_SUFFIXES, MEDIA_SUFFIXES, StemTable, class_folders, scan_files
from unlabelled.data.media.images import decode_image
from unlabelled.data.media.index import Entry, Requirements, build_index
from unlabelled.data.media.pack import pack_folder
from unlabelled.data.media.pyav_reader import PyAVReader
from unlabelled.data.media.reader import DecodeError
from unlabelled.data.media.shards import Shards, forget_shards, packed_root, shards_at, walk_order

KINDS = [
    Kind("mp4", bframes=2),
    Kind("mkv", late_audio=0.5),
    Kind("avi", bframes=2, audio="pcm_s16le"),
    Kind("ts", bframes=2, fps=Fraction(50)),
    Kind("mpg", bframes=2, audio="mp2"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("packed") / "files"
    for number, kind in enumerate(KINDS):
        (root / f"class {number % 2}").mkdir(parents=True, exist_ok=True)
        os.rename(write(kind, root), root / f"class {number % 2}" / f"ä{number}, ${number}.{kind.suffix}")
    os.rename(write(Kind("mp3", "", "libmp3lame"), root), root / "tone.mp3")
    write_images(root, "images/a.png", "images/b.jpg")
    truncate(write_clip(root / "cut.mp4"))
    (root / "images" / "link.png").symlink_to("a.png")
    (root / ".hidden.mp4").write_bytes(b"0")
    (root / "list.csv").write_text("path,label\n")
    return root


@pytest.fixture(scope="module", params=["disk", "url"])
def packed(request: pytest.FixtureRequest, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Pack the folder into small shards, on disk or below a URL, and return its root."""
    out = tmp_path_factory.mktemp("packed") / "out"
    assert main([str(folder), str(out), "--shard-mib", "1"]) == 0
    if request.param == "disk":
        return packed_root("anything", str(out))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(out.parent / "cache"))
        return packed_root("anything", f"file://{out}")


def _loaded(packed: str) -> Shards:
    found = shards_at(packed)
    assert found is not None
    return found


def _files(folder: Path) -> list[str]:
    return [path for path in scan_files(str(folder), ("",)) if path != "list.csv"]


def test_all_files_are_there_with_their_bytes_and_times(folder: Path, packed: str) -> None:
    assert scan_files(packed, ("",)) == [*_files(folder), "list.csv"]
    assert Path(packed, "list.csv").read_text() == "path,label\n"
    for name in _files(folder):
        with disk.open_file(f"{packed}/{name}") as file:
            content = (folder / name).read_bytes()
            assert file.read() == content
            assert file.seek(-5, os.SEEK_END) == len(content) - 5
            assert (file.read(3), file.read(), file.read()) == (content[-5:-2], content[-2:], b"")
        assert disk.state_of(f"{packed}/{name}") == disk.state_of(str(folder / name))
        assert disk.is_file(f"{packed}/{name}")
        assert disk.is_packed(f"{packed}/{name}")
        assert not disk.is_packed(str(folder / name))
    for name in ("none.mp4", "images", "images/a.png/b", ".hidden.mp4"):
        assert not disk.is_file(f"{packed}/{name}")
        with pytest.raises(FileNotFoundError):
            disk.open_file(f"{packed}/{name}")


def test_listings_are_those_of_the_folder(folder: Path, packed: str) -> None:
    assert list(_loaded(packed).names) == sorted(_loaded(packed).names, key=walk_order)
    assert _loaded(packed).has_folder("images")
    assert not _loaded(packed).has_folder("image")
    for below in ("", "images", "class 1", "class"):
        for suffixes in (MEDIA_SUFFIXES, (".png",)):
            assert scan_files(packed, suffixes, below) == scan_files(str(folder), suffixes, below)
    assert class_folders(Path(packed)) == class_folders(folder) == ["class 0", "class 1", "images"]
    assert class_folders(Path(packed, "images")) == []
    stems = [StemTable(root, (".png", ".jpg")) for root in (packed, str(folder))]
    assert [each.locate(["link", "a"], "") for each in stems] == ["images/link.png"] * 2
    real = disk.real_path(f"{packed}/images/link.png")
    assert real == f"{packed}/images/a.png"
    assert (
        len(set(representatives([f"{packed}/images/{name}" for name in ("a.png", "link.png")]).values())) == 1
    )
    own = [list_files(root, MEDIA_SUFFIXES) for root in (packed, str(folder))]
    assert own[0].splits == own[1].splits
    assert own[0].class_names == own[1].class_names


def test_media_are_read_as_from_files(folder: Path, packed: str) -> None:
    reader, checked = PyAVReader(), 0
    for name in scan_files(str(folder), MEDIA_SUFFIXES):
        if name == "cut.mp4":
            continue
        one, other = str(folder / name), f"{packed}/{name}"
        assert reader.info(one) == reader.info(other)
        for start in (0.0, 0.7):
            assert np.array_equal(reader.frames(one, start, 0.5, 4), reader.frames(other, start, 0.5, 4))
            waves = [reader.waveform(path, start, 0.5, 16000) for path in (one, other)]
            assert np.array_equal(*waves)
        checked += 1
    assert checked == len(KINDS)
    for name in scan_files(str(folder), AUDIO_SUFFIXES):
        waves = [reader.waveform(path, 0.0, 0.5, 16000) for path in (str(folder / name), f"{packed}/{name}")]
        assert np.array_equal(*waves)
    for name in ("images/a.png", "images/b.jpg", "images/link.png"):
        assert decode_image(f"{packed}/{name}").equal(decode_image(str(folder / name)))


def test_the_index_is_that_of_the_folder(folder: Path, packed: str) -> None:
    entries = [Entry(path, 0) for path in [*scan_files(str(folder), MEDIA_SUFFIXES), "missing.mp4"]]
    one, other = (
        build_index(root, "train", entries, Requirements(), 0, progress=False)
        for root in (str(folder), packed)
    )
    assert one.fingerprint == other.fingerprint
    assert one.durations.tolist() == other.durations.tolist()
    assert (one.left_out, one.details, one.late) == (other.left_out, other.details, other.late)
    assert set(one.left_out) == {"cut.mp4", "missing.mp4"}


def test_a_check_of_the_folder_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clip(tmp_path / "files" / "a.mp4")
    entries = [Entry("a.mp4", 0)]
    build_index(str(tmp_path / "files"), "train", entries, Requirements(), 0, progress=False)
    pack_folder(str(tmp_path / "files"), str(tmp_path / "out"), progress=False)
    monkeypatch.setattr(index_module, "probe_many", _not_called)
    assert len(build_index(str(tmp_path / "out"), "train", entries, Requirements(), 0, progress=False)) == 1


def _not_called(*arguments: Any, **options: Any) -> None:
    raise AssertionError("a file is probed")


def test_shards_are_tar_files(tmp_path: Path) -> None:
    write_images(tmp_path / "files", *(f"{number}.png" for number in range(7)))
    packed = pack_folder(str(tmp_path / "files"), str(tmp_path / "out"), shard_bytes=2048, progress=False)
    assert (packed.files, packed.shards) == (7, 4)
    found: dict[str, bytes] = {}
    for path in sorted((tmp_path / "out" / "shards").glob("*.tar")):
        with tarfile.open(path) as tar:
            found |= {each.name: tar.extractfile(each).read() for each in tar}
    assert found == {f"{n}.png": (tmp_path / "files" / f"{n}.png").read_bytes() for n in range(7)}
    shards = shards_at(str(tmp_path / "out"))
    assert shards is not None
    assert list(shards.names) == sorted(found)


def test_what_cannot_be_packed_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = tmp_path / "files", tmp_path / "out"

    def error(*arguments: object) -> str:
        assert main([*map(str, arguments)]) == 1
        (line,) = capsys.readouterr().err.splitlines()[-1:]
        return line

    assert error(folder, out) == f"error: there is no folder {folder}"
    folder.mkdir()
    assert error(folder, out) == f"error: {folder} has no media file to pack"
    write_images(folder, "a.png")
    assert "lies in" in error(folder, folder / "out")
    assert "at least 1 byte" in error(folder, out, "--shard-mib", "0")
    out.mkdir()
    (out / "x").write_text("")
    assert error(folder, out) == f"error: {out} is not empty; name a new folder"
    (folder / "b.png").symlink_to(tmp_path / "out" / "x")
    assert "outside of the root" in error(folder, tmp_path / "other")
    assert shards_at(str(tmp_path / "other")) is None
    with pytest.raises(OutsideRootError):
        pack_folder(str(folder), str(tmp_path / "other"))


def test_a_folder_that_is_not_packed_is_named(tmp_path: Path) -> None:
    for shards in (str(tmp_path), f"file://{tmp_path}"):
        with pytest.raises(FileNotFoundError, match=r"shards='\S*"):
            packed_root("anything", shards)


def test_processes_find_the_shards_by_the_path(packed: str) -> None:
    reader = pickle.loads(pickle.dumps(PyAVReader()))
    assert reader.info(f"{packed}/{scan_files(packed, ('.avi',))[0]}").has_video


@pytest.fixture
def two_shards(tmp_path: Path) -> Path:
    """Pack two images of equal size and other colours, each into a shard of its own."""
    root = tmp_path / "images"
    for name, colour in (("a.png", 10), ("b.png", 200)):
        write_images(root, name)
        Image.new("RGB", (8, 8), (colour,) * 3).save(root / name, compress_level=0)
    pack_folder(str(root), str(tmp_path / "out"), shard_bytes=1, progress=False)
    forget_shards()
    disk._check_local.cache_clear()
    return tmp_path / "out"


def _read(root: Path, name: str) -> bytes:
    forget_shards()
    disk._check_local.cache_clear()
    with disk.open_file(str(root / name)) as file:
        return file.read()


def test_shards_that_were_exchanged_are_not_read(two_shards: Path) -> None:
    assert len(_read(two_shards, "a.png")) == len(_read(two_shards, "b.png"))
    shards = two_shards / "shards"
    shutil.copy(shards / "000000.tar", shards / "kept")
    shutil.copy(shards / "000001.tar", shards / "000000.tar")
    with pytest.raises(OSError, match=r"000000\.tar has 'b\.png', not 'a\.png', at byte \d+; pack"):
        _read(two_shards, "a.png")
    with pytest.raises(DecodeError, match=r"has 'b\.png', not 'a\.png'"):
        PyAVReader().info(str(two_shards / "a.png"))
    for content in (b"", bytes(5000), b"other" * 1000):
        (shards / "000000.tar").write_bytes(content)
        with pytest.raises(OSError, match="pack the folder again"):
            _read(two_shards, "a.png")
    os.replace(shards / "kept", shards / "000000.tar")
    assert _read(two_shards, "a.png")


def test_an_index_with_its_checksums_but_impossible_places_is_refused(two_shards: Path) -> None:
    index = str(two_shards / "shards" / "index")
    columns, facts = map_arrays(index)
    columns = {name: column.copy() for name, column in columns.items()}
    forged: list[tuple[dict[str, Any], dict[str, Any]]] = [
        *(
            ({name: -column.astype(np.int64) - 1}, {})
            for name, column in columns.items()
            if name not in ("hash", "modified")
        ),
        *(({name: column[:-1]}, {}) for name, column in columns.items()),
        ({"ends": columns["ends"][::-1]}, {}),
        ({"order": columns["order"] + 2}, {}),
        ({"hash": columns["hash"][::-1]}, {}),
        ({}, {"links": [1]}),
        ({}, {"links": None}),
    ]
    for arrays, changes in forged:
        write_arrays(index, {**columns, **arrays}, {**facts, **changes})
        with pytest.raises(ValueError, match="index is damaged; pack the folder again"):
            Shards(str(two_shards))
    for content in (b"", b"[]", pickle.dumps([1])):
        Path(index).write_bytes(content)
        with pytest.raises(ValueError, match="index: its header is damaged"):
            Shards(str(two_shards))


def test_lists_from_a_url_that_were_changed_are_fetched_again(
    two_shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (two_shards.parent / "images" / "list.csv").write_text("path\n")
    out = two_shards.parent / "again"
    pack_folder(str(two_shards.parent / "images"), str(out), progress=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(two_shards.parent / "cache"))
    local = Path(packed_root("anything", f"file://{out}"))
    for name in ("list.csv", "shards/index", "shards/place", "shards/fetched"):
        honest = (local / name).read_bytes()
        for content in (b"", honest[:-1] + b"x"):
            (local / name).write_bytes(content)
            assert packed_root("anything", f"file://{out}") == str(local)
            assert (local / name).read_bytes() == honest
