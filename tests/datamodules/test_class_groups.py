"""Groups of classes come from a table of the user, and scores of hierarchies use them."""

from __future__ import annotations

from pathlib import Path

import pytest

from datamodules.class_groups import read_groups
from datamodules.kinetics import KINETICS_SOUND_CLASSES, KineticsSound
from datamodules.vggsound import VGGSound
from unlabelled.contracts import GroupsClasses
from unlabelled.metrics.hierarchy_scores import HierarchyScoring


def test_kinetics_sound_takes_groups_of_a_table(tmp_path: Path) -> None:
    for name in KINETICS_SOUND_CLASSES:
        (tmp_path / "train" / name).mkdir(parents=True)
        (tmp_path / "train" / name / "clip.mp4").write_bytes(b"")
    rows = [
        f"{name.replace(' ', '_')};{'Music' if 'playing' in name else 'Others'}"
        for name in KINETICS_SOUND_CLASSES
    ]
    (tmp_path / "groups.csv").write_text("\n".join(["Class;Group", *rows, "yoga;Sports"]))
    data = KineticsSound(str(tmp_path), group_list="groups.csv")
    assert isinstance(data, GroupsClasses)
    assert data.class_groups is not None
    grouped = dict(zip(data.class_names, data.class_groups, strict=True))
    assert (grouped["playing organ"], grouped["tickling"]) == ("Music", "Others")
    assert HierarchyScoring.of_names([4], data.class_groups).levels[-1].clusters == 2
    assert KineticsSound(str(tmp_path)).class_groups is None


def test_vggsound_takes_groups_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "vggsound.csv").write_text('a,1,"dog barking",train\nb,2,"sea waves",test\n')
    (tmp_path / "groups.tsv").write_text("class\tgroup\nsea waves\tnature\nDog barking\tanimals\n")
    assert VGGSound(str(tmp_path), group_list="groups.tsv").class_groups == ["animals", "nature"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class,group\na,x\n", "1 of 2 classes have no group, for example 'b'"),
        ("class,group\na,x\nb,\n", "row 3: the class 'b' has no group"),
        ("class,group\na,x\nb,y\nA,z\n", "row 4: the class 'A' is in another group, too"),
        ("class,parent\na,x\n", "there is no column 'group'"),
    ],
)
def test_tables_that_do_not_group_the_classes(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "groups.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_groups(str(tmp_path), "groups.csv", ["a", "b"])
    with pytest.raises(FileNotFoundError, match=r"group_list: none of none.csv"):
        read_groups(str(tmp_path), "none.csv", ["a", "b"])
