"""Groups of classes, a second level of ground truth, in a table of the user."""

from __future__ import annotations

from collections.abc import Sequence

from unlabelled.data.lists import one_line, read_records
from unlabelled.data.media.files import find_list


def read_groups(root: str, group_list: str, class_names: Sequence[str]) -> list[str]:
    """Return the group of each class.

    Args:
        root: Folder of the data set.
        group_list: Table with the columns ``class`` and ``group``, relative to ``root`` or absolute. Other
            classes are ignored; capitals and underscores make no difference.
        class_names: The classes.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A class has no group or two, or a group has no name.
    """
    path = find_list(root, [], group_list, "group_list")
    groups: dict[str, str] = {}
    for record in read_records(path, ["class", "group"]):
        name, group = _key(record.values["class"]), one_line(record.values["group"])
        if not group:
            raise ValueError(f"{record.where}: the class {record.values['class']!r} has no group")
        if groups.setdefault(name, group) != group:
            raise ValueError(f"{record.where}: the class {record.values['class']!r} is in another group, too")
    if missing := [name for name in class_names if _key(name) not in groups]:
        raise ValueError(
            f"{path}: {len(missing)} of {len(class_names)} classes have no group, for example {missing[0]!r}"
        )
    return [groups[_key(name)] for name in class_names]


def _key(name: str) -> str:
    return one_line(name.replace("_", " ")).lower()
