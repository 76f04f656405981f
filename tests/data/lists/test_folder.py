"""Own files of a folder: classes, splits, links."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from unlabelled.commands.check_media import main as check
from unlabelled.commands.discover.contents import look
from unlabelled.data.lists import FileList, Shares, list_files
from unlabelled.data.media.equal_files import representatives
from unlabelled.data.media.files import MEDIA_SUFFIXES, StemTable, scan_files

SUFFIXES = (".mp4",)


def make(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)


def splits(files: FileList) -> dict[str, list[str]]:
    return {split: [each.path for each in listed] for split, listed in files.splits.items()}


def test_a_flat_folder_has_no_labels_and_a_share_held_out(tmp_path: Path) -> None:
    make(tmp_path, *(f"{number}.mp4" for number in range(20)), "notes.txt", "._1.mp4", ".hidden/a.mp4")
    files = list_files(str(tmp_path), SUFFIXES)
    assert files.class_names == []
    assert files.holds_out
    assert files.notes == [
        "passed over, of other kinds: 1 (notes.txt)",
        "no labels",
        "splits: val_share 0.2 (16 train, 4 val)",
    ]
    found = splits(files)
    assert found["val"] == found["test"]
    assert sorted(found["train"] + found["val"]) == sorted(f"{number}.mp4" for number in range(20))
    assert splits(list_files(str(tmp_path), SUFFIXES)) == found
    other = splits(list_files(str(tmp_path), SUFFIXES, shares=Shares(seed=1)))
    assert len(other["val"]) == 4
    assert other["val"] != found["val"]
    three = splits(list_files(str(tmp_path), SUFFIXES, shares=Shares(val=0.1, test=0.3)))
    assert [len(three[split]) for split in ("train", "val", "test")] == [12, 2, 6]
    assert len({*three["train"], *three["val"], *three["test"]}) == 20


def test_links_and_copies_are_on_one_side(tmp_path: Path) -> None:
    make(tmp_path, *(f"{number}.mp4" for number in range(6)))
    (tmp_path / "copy.mp4").write_text("0.mp4")
    (tmp_path / "link.mp4").symlink_to("1.mp4")
    full = {name: str(tmp_path / name) for name in ("0.mp4", "copy.mp4", "1.mp4", "link.mp4", "2.mp4")}
    same = representatives(full.values())
    assert same[full["copy.mp4"]] == same[full["0.mp4"]]
    assert same[full["link.mp4"]] == same[full["1.mp4"]] != same[full["2.mp4"]]
    names = sorted(os.listdir(tmp_path))
    (tmp_path / "list.csv").write_text("\n".join(["path", *names]))
    for seed in range(8):
        shares = Shares(val=0.5, seed=seed)
        for table in (None, "list.csv"):
            found = splits(list_files(str(tmp_path), SUFFIXES, table, shares=shares))
            for one, other in (("0.mp4", "copy.mp4"), ("1.mp4", "link.mp4")):
                sides = {split for split in ("train", "val") for path in found[split] if path in (one, other)}
                assert len(sides) == 1
    assert "links to these files: 1 (link.mp4)" in list_files(str(tmp_path), SUFFIXES).notes


@pytest.mark.parametrize("prefix", ["", "train/"])
def test_class_folders_are_labels(prefix: str, tmp_path: Path) -> None:
    make(tmp_path, f"{prefix}cat/1.mp4", f"{prefix}cat/2.mp4", f"{prefix}under $20/3.mp4", "val/cat/4.mp4")
    if not prefix:
        (tmp_path / "val/cat/4.mp4").unlink()
    files = list_files(str(tmp_path), SUFFIXES)
    assert files.class_names == ["cat", "under $20"]
    if prefix:
        assert splits(files)["test"] == ["val/cat/4.mp4"]
    assert list_files(str(tmp_path), SUFFIXES, labels="none").class_names == []


def test_folders_that_are_no_classes_are_none(tmp_path: Path) -> None:
    make(tmp_path, "a/1.mp4", "b/2.mp4", "c/d/e/3.mp4", "4.mp4")
    files = list_files(str(tmp_path), SUFFIXES)
    assert files.class_names == []
    assert files.notes[0] == "no labels; in no class folder: 2 (4.mp4, c/d/e/3.mp4)"
    assert list_files(str(tmp_path), SUFFIXES, labels="folders").class_names == ["a", "b", "e"]


def test_a_class_may_be_in_one_split_only(tmp_path: Path) -> None:
    make(tmp_path, "train/a/1.mp4", "val/b/2.mp4")
    files = list_files(str(tmp_path), SUFFIXES)
    assert files.class_names == ["a", "b"]
    assert [each.label for each in files.splits["val"]] == ["b"]


def test_too_few_files_to_hold_one_out(tmp_path: Path) -> None:
    make(tmp_path, "a.mp4")
    with pytest.raises(ValueError, match=r"has 1 different file\(s\), too few for train, val"):
        list_files(str(tmp_path), SUFFIXES)
    files = list_files(str(tmp_path), SUFFIXES, shares=Shares(val=0))
    assert not files.holds_out
    assert splits(files) == {split: ["a.mp4"] for split in ("train", "val", "test")}
    with pytest.raises(ValueError, match=r"val_share=0.7 and test_share=0.3 must be at least 0, and below 1"):
        Shares(0.7, 0.3)
    with pytest.raises(ValueError, match=r"no file that ends in \.mov \(passed over, .* 1 \(a\.mp4\)\)"):
        list_files(str(tmp_path), (".mov",))


def lock(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a folder be unreadable, also for root, who runs the tests of a container."""
    scandir = os.scandir

    def refuse(path: str) -> Iterator[os.DirEntry[str]]:
        if os.path.realpath(path) == str(folder):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr("os.scandir", refuse)


def test_folders_that_cannot_be_read_are_counted_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path, *(f"{number}.mp4" for number in range(6)), "locked/a.mp4")
    lock(tmp_path / "locked", monkeypatch)
    named = f"folders that cannot be read, passed over: 1 ({tmp_path}/locked/: Permission denied)"
    files = list_files(str(tmp_path), SUFFIXES)
    assert files.notes[0] == named
    with pytest.warns(UserWarning, match=re.escape(named)):
        assert len(scan_files(str(tmp_path), SUFFIXES)) == 6
    with pytest.warns(UserWarning, match=re.escape(named)):
        StemTable(str(tmp_path), SUFFIXES)
    with pytest.raises(ValueError, match=re.escape(named)):
        look(str(tmp_path), progress=False)
    assert check([str(tmp_path / "locked")]) == 2
    assert f"error: no media files ({', '.join(MEDIA_SUFFIXES)}) in {tmp_path}/locked; folders" in (
        capsys.readouterr().err
    )
    assert check([str(tmp_path), "--workers", "0"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == named


def test_a_link_to_itself_is_no_folder(tmp_path: Path) -> None:
    make(tmp_path, "a.mp4")
    (tmp_path / "b.mp4").symlink_to("b.mp4")
    (tmp_path / "c").symlink_to("c")
    assert scan_files(str(tmp_path), SUFFIXES) == ["a.mp4", "b.mp4"]


def test_loops_of_links_end(tmp_path: Path) -> None:
    make(tmp_path, "in/a.mp4", "b.mp4")
    (tmp_path / "in" / "up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path)
    (tmp_path / "linked").symlink_to(tmp_path / "in")
    assert scan_files(str(tmp_path), SUFFIXES) == ["b.mp4", "in/a.mp4", "linked/a.mp4"]
    (listed,) = list_files(str(tmp_path), SUFFIXES).splits["train"]
    assert listed.path in ("b.mp4", "in/a.mp4")


def test_names_are_found_in_either_unicode_form(tmp_path: Path) -> None:
    make(tmp_path, "cafe\u0301/nai\u0308ve.mp4")
    table = StemTable(str(tmp_path), SUFFIXES)
    for name in ("naïve", "nai\u0308ve", "café/naïve"):
        assert table.locate([name], "absent") == "cafe\u0301/nai\u0308ve.mp4"
