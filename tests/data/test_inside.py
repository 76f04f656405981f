"""Paths of lists, and links, that lead out of a root."""

from __future__ import annotations

from pathlib import Path

import pytest

from unlabelled.data.inside import OutsideRootError, check_link, check_listed, check_paths, link_out
from unlabelled.data.media.files import StemTable, links_out, scan_files
from unlabelled.data.media.storage import derived_folder

ENDINGS = (".mp4",)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root beside a folder with a private file."""
    for name in ("private/secret.mp4", "root/a.mp4", "root/class/b.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path / "root"


@pytest.mark.parametrize("path", ["../x.mp4", "a/../../x", "/x.mp4", "..", "C:/x.mp4", "..\\x.mp4", "\\x"])
def test_a_path_that_leads_out_is_refused_by_row(path: str) -> None:
    with pytest.raises(OutsideRootError, match=r"^list\.csv, row 7: .* leads out of the root; name a file"):
        check_listed(path, "list.csv, row 7")


@pytest.mark.parametrize("path", ["x.mp4", "a/b/x.mp4", "-_..x", "...", "a..b/c", "", "C:x"])
def test_other_paths_are_kept(path: str) -> None:
    assert check_listed(path, "list.csv, row 7") == path


def test_a_linked_file_or_folder_is_refused(root: Path) -> None:
    (root / "class" / "c.mp4").symlink_to("../../private/secret.mp4")
    text = (
        rf"class/c\.mp4 is a link to {root.parent}/private/secret\.mp4, outside of the root; .*allow_outside"
    )
    for scan in (scan_files, StemTable):
        with pytest.raises(OutsideRootError, match=text):
            scan(str(root), ENDINGS)
    assert scan_files(str(root), (".wav",)) == []  # a link that is not read is not looked at
    assert scan_files(str(root), ENDINGS, allow_outside=True) == ["a.mp4", "class/b.mp4", "class/c.mp4"]
    assert links_out(str(root), ENDINGS) == ["class/c.mp4"]
    (root / "class" / "c.mp4").unlink()
    (root / "class" / "d").symlink_to(root.parent / "private")
    with pytest.raises(OutsideRootError, match="class/d is a link to"):
        scan_files(str(root), ENDINGS)
    with pytest.raises(OutsideRootError, match=r"list, row 2: class/d is a link to"):
        check_paths(str(root), ["a.mp4", "class/d/secret.mp4"], "list, row 2")
    table = StemTable(str(root), ENDINGS, allow_outside=True)
    assert table.locate(["secret"], "") == "class/d/secret.mp4"
    assert "class/d/secret.mp4" in table
    assert "secret.mp4" not in table


def test_a_file_beside_those_of_the_root_is_refused(root: Path) -> None:
    (root / "b.mp4").symlink_to("../private/secret.mp4")
    with pytest.raises(OutsideRootError, match=r"b\.mp4 is a link to"):
        scan_files(str(root), ENDINGS)
    with pytest.raises(OutsideRootError, match=r"train: b\.mp4 is a link to"):
        check_paths(str(root), ["b.mp4"], "train")


def test_links_that_a_root_is_made_of_are_followed(root: Path) -> None:
    """Follow a root that is a link, and its folders on other disks."""
    (root.parent / "link").symlink_to(root)
    (root / "train").symlink_to(root.parent / "private")
    (root / "class" / "again.mp4").symlink_to("../a.mp4")
    (root / "class" / "other.mp4").symlink_to(root.parent / "private" / "secret.mp4")  # lies in train, too
    found = ["a.mp4", "class/again.mp4", "class/b.mp4", "class/other.mp4", "train/secret.mp4"]
    for folder in (root, root.parent / "link"):
        assert scan_files(str(folder), ENDINGS) == found
        assert scan_files(str(folder), ENDINGS, below="train") == found[-1:]
        check_paths(str(folder), found, "list")
        assert link_out(str(folder), "train/secret.mp4") == ""


def test_a_folder_to_look_in_is_checked(root: Path) -> None:
    (root / "class" / "d").symlink_to(root.parent / "private")
    with pytest.raises(OutsideRootError):
        scan_files(str(root), ENDINGS, below="class/d")
    with pytest.raises(OutsideRootError):
        check_link(str(root), "class/d")


def test_derived_files_are_not_written_through_a_link(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (root / ".unlabelled").mkdir()
    (root / ".unlabelled" / "decoded").symlink_to(root.parent / "private")
    assert derived_folder(str(root), "decoded").startswith(str(tmp_path / "cache"))
    assert derived_folder(str(root)).startswith(str(root / ".unlabelled"))
