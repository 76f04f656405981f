"""Sources of real data: fetched once, checked, described, and had again without a network."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from unlabelled.commands import real_data
from unlabelled.data.real import fashion_mnist, get_fashion_mnist, get_sound_font, sound_font
from unlabelled.data.real.debian import PackageError, unpacked
from unlabelled.data.real.source import checksum

SOUND_FONT = b"RIFF\x00\x00\x00\x00sfbkLIST"


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Packages with small files in the layout of the real ones; returns the names of the fetched ones."""
    fetched: list[str] = []
    folder = tmp_path / "package"
    photographs, fonts = (folder / f"usr/share/{name}" for name in ("datasets/fashion-mnist", "sounds/sf2"))
    photographs.mkdir(parents=True)
    fonts.mkdir(parents=True)
    for name in fashion_mnist.CHECKSUMS:
        (photographs / f"{name}.gz").write_bytes(gzip.compress(name.encode()))
    (fonts / sound_font.FILE).write_bytes(SOUND_FONT)

    @contextmanager
    def fake(package: str) -> Iterator[tuple[Path, str]]:
        fetched.append(package)
        yield folder, "1.2-3"

    monkeypatch.setattr(fashion_mnist, "unpacked", fake)
    monkeypatch.setattr(sound_font, "unpacked", fake)
    sums = {}
    for name in fashion_mnist.CHECKSUMS:
        path = tmp_path / name
        path.write_bytes(name.encode())
        sums[name] = checksum(path)
    monkeypatch.setattr(fashion_mnist, "CHECKSUMS", sums)
    return fetched


def test_fetched_once_and_described(packages: list[str], tmp_path: Path) -> None:
    root = str(tmp_path / "real")
    for _ in range(2):
        garments, font = get_fashion_mnist(root), get_sound_font(root)
    assert packages == ["dataset-fashion-mnist", "fluid-soundfont-gm"]
    assert "MIT licence" in garments.describe()
    assert "Debian package dataset-fashion-mnist 1.2-3" in garments.describe()
    assert all(digest in garments.describe() for digest in garments.checksums.values())
    assert Path(garments.path, "train-labels-idx1-ubyte").read_text() == "train-labels-idx1-ubyte"
    assert Path(font.path).read_bytes() == SOUND_FONT
    assert font.checksums == {sound_font.FILE: checksum(Path(font.path))}


def test_damaged_and_missing_files(packages: list[str], tmp_path: Path) -> None:
    root = tmp_path / "real"
    raw = Path(get_fashion_mnist(str(root)).path)
    (raw / "train-labels-idx1-ubyte").unlink()
    get_fashion_mnist(str(root))  # fetched again
    assert len(packages) == 2
    (raw / "SOURCE.json").unlink()
    (raw / "train-labels-idx1-ubyte").write_bytes(b"other")
    with pytest.raises(ValueError, match=r"train-labels-idx1-ubyte is damaged"):
        get_fashion_mnist(str(root))


def test_own_sound_font(tmp_path: Path) -> None:
    own = tmp_path / "mine.sf2"
    own.write_bytes(SOUND_FONT)
    assert get_sound_font(str(tmp_path), str(own)).path == str(own)
    own.write_bytes(b"ID3, not a sound font")
    with pytest.raises(ValueError, match=r"mine.sf2 is no sound font"):
        get_sound_font(str(tmp_path), str(own))
    with pytest.raises(FileNotFoundError, match=r"no sound font .*none.sf2"):
        get_sound_font(str(tmp_path), str(tmp_path / "none.sf2"))


def test_without_any_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise RuntimeError("no network")

    monkeypatch.setattr(shutil, "which", lambda tool: None)
    monkeypatch.setattr(fashion_mnist, "FashionMNIST", offline)
    with pytest.raises(ConnectionError, match=r"neither from Debian .*no apt-get.*no network.*put its four"):
        get_fashion_mnist(str(tmp_path))
    with pytest.raises(ConnectionError, match=r"name any General MIDI .sf2 file"):
        get_sound_font(str(tmp_path))


def test_command_prints_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(root: str) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(real_data, "get_fashion_mnist", refuse)
    assert real_data.main(["--root", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "error: no network\n"


def test_package_is_unpacked_with_lists_of_its_own_if_the_machine_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []

    def run(command: list[str], cwd: str, **_: object) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        if command[0] == "apt-get" and "download" in command:
            if len(calls) == 1:
                return subprocess.CompletedProcess(command, 100, "", "E: Unable to locate package thing")
            Path(cwd, "thing_1_all.deb").touch()
        return subprocess.CompletedProcess(command, 0, "1\n" if "--field" in command else "", "")

    monkeypatch.setattr(shutil, "which", lambda tool: f"/usr/bin/{tool}")
    monkeypatch.setattr(subprocess, "run", run)
    with unpacked("thing") as (folder, version):
        assert version == "1"
        assert folder.name == "files"
    assert [("update" in call, "download" in call) for call in calls[:3]] == [
        (False, True),
        (True, False),
        (False, True),
    ]
    assert not folder.parent.exists()


def test_failing_tool_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 100, "", "W: noise\nE: Unable to locate package thing\n")

    monkeypatch.setattr(shutil, "which", lambda tool: f"/usr/bin/{tool}")
    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(PackageError, match=r"failed: E: Unable to locate package thing"), unpacked("thing"):
        pass
