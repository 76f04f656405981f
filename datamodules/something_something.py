"""Something-Something v2 (Goyal et al. 2017): 174 actions with everyday objects."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from datamodules.clips import ClipDataModule
from unlabelled.data.inside import check_listed
from unlabelled.data.lists import read_text
from unlabelled.data.media.files import find_list
from unlabelled.data.media.index import Entry

_PREFIX = "something-something-v2-"


class SomethingSomethingV2(ClipDataModule):
    """Clips ``<id>.webm`` in any folder below ``root``, listed by the official JSON files.

    Their names are ``something-something-v2-<train|validation|labels>.json`` in ``root`` or ``root/labels``,
    or ``<train|validation|labels>.json`` there. The labels of the test split are not part of them:
    ``validation`` is ``val`` and ``test``.

    Args:
        root: Folder of the data set.
        **kwargs: See :class:`~datamodules.clips.ClipDataModule`. Clips have no audio: the pipeline must not
            require it.

    Raises:
        FileNotFoundError: A list is missing.
        ValueError: A list is not JSON, a clip has no id or no template, or a template is not in the labels.
    """

    holds = ("video",)
    published = True

    def __init__(self, root: str, **kwargs: Any) -> None:
        super().__init__(root, **kwargs)

    @cached_property
    def class_names(self) -> list[str]:
        """The templates in the order of the official labels."""
        path, content = self._json("labels")
        try:
            names = sorted(content, key=lambda name: int(content[name]))
            labels = [int(content[name]) for name in names]
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: expected a label by template, {{template: number}}") from error
        if labels != list(range(len(names))):
            raise ValueError(f"{path}: the labels are not the numbers 0 to {len(names) - 1}, each once")
        return names

    def listing(self, split: str) -> list[Entry]:
        """Return the clips of ``train``, or those of ``validation`` for ``val`` and ``test``."""
        path, clips = self._json("train" if split == "train" else "validation")
        number = {name: n for n, name in enumerate(self.class_names)}
        entries = []
        for index, clip in enumerate(clips):
            try:
                name, label = str(clip["id"]), number[_class_name(clip["template"])]
            except (KeyError, TypeError) as error:
                raise ValueError(
                    f"{path}, entry {index}: expected an `id` and a `template` of the labels ({error!r})"
                ) from error
            check_listed(name, f"{path}, entry {index}")
            entries.append(Entry(self.locate([name], f"{name}.webm"), label))
        return entries

    def _json(self, name: str) -> tuple[Path, Any]:
        names = [f"{folder}{prefix}{name}.json" for folder in ("", "labels/") for prefix in (_PREFIX, "")]
        path = find_list(self.root, names, None, "SomethingSomethingV2")
        try:
            return path, json.loads(read_text(path))
        except ValueError as error:
            raise ValueError(f"{path}: not a JSON file ({error}); fetch it again") from error


def _class_name(template: str) -> str:
    """Return the template of the labels: ``Holding [something]`` without brackets."""
    return template.replace("[", "").replace("]", "")
