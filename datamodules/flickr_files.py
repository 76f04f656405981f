"""Files of Flickr-SoundNet by the number of the video, in any folders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from datamodules.files import AUDIO_SUFFIXES, IMAGE_SUFFIXES, MEDIA_SUFFIXES, scan_files

_ANNOTATION = ".xml"


class Video(NamedTuple):
    """Files of a video.

    Attributes:
        path: The audio file, or the video file; None if there is neither.
        pictures: The images of an audio file in the order of time; empty if ``path`` is a video file.
        has_pictures: Whether there are images or a video.
    """

    path: str | None
    pictures: list[str]
    has_pictures: bool


@dataclass
class FlickrFiles:
    """Paths below a root, by the number of the video."""

    sounds: dict[str, list[str]] = field(default_factory=dict)
    videos: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, list[str]] = field(default_factory=dict)
    frames: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)

    def video(self, number: str) -> Video:
        """Return the files to read for a video.

        An audio file with an image is preferred to one with a folder of frames, and both to the video file:
        the annotations were made for the former.
        """
        pictures = self._pictures(number)
        sounds = self.sounds.get(number, [])
        beside = [path for path in sounds if pictures and _folder(path) == _folder(pictures[0])]
        if sounds and (pictures or number not in self.videos):
            return Video([*beside, *sounds][0], pictures, bool(pictures))
        film = self.videos.get(number)
        return Video(film, [], film is not None)

    def _pictures(self, number: str) -> list[str]:
        if number in self.pictures:
            return self.pictures[number][:1]
        folders = self.frames.get(number, {})
        return sorted(next(iter(folders.values()), []), key=_place)


def scan_flickr(root: str) -> FlickrFiles:
    """Find all files of the data set below ``root``, in one walk, without opening any."""
    files = FlickrFiles()
    for path in scan_files(root, (*MEDIA_SUFFIXES, *AUDIO_SUFFIXES, *IMAGE_SUFFIXES, _ANNOTATION)):
        number, suffix = video_number(path), PurePosixPath(path).suffix.lower()
        if suffix in AUDIO_SUFFIXES:
            files.sounds.setdefault(number, []).append(path)
        elif suffix in MEDIA_SUFFIXES:
            files.videos.setdefault(number, path)
        elif suffix == _ANNOTATION:
            files.annotations.setdefault(number, path)
        elif _is_frame(path):
            files.frames.setdefault(number, {}).setdefault(_folder(path), []).append(path)
        else:
            files.pictures.setdefault(number, []).append(path)
    return files


def video_number(path: str) -> str:
    """Return the number of the video that a file, or a line of a list, belongs to.

    It is the beginning of the file name, or of the folder ``<number>.mp4`` of frames.
    """
    name = PurePosixPath(path).parent.name if _is_frame(path) else PurePosixPath(path).name
    return name.partition(".")[0]


def read_numbers(path: Path) -> Iterator[str]:
    """Yield the videos of a list, each once.

    Raises:
        ValueError: A line does not begin with a number.
    """
    seen = set()
    for row, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line.strip():
            continue
        number = video_number(line.split(",")[0].split()[0]) if line.split(",")[0].strip() else ""
        if not number.isdigit():
            raise ValueError(f"{path}, line {row}: {line!r} does not name a video by its number")
        if number not in seen:
            seen.add(number)
            yield number


def _is_frame(path: str) -> bool:
    return PurePosixPath(path).parent.suffix.lower() in MEDIA_SUFFIXES


def _folder(path: str) -> str:
    return str(PurePosixPath(path).parent)


def _place(path: str) -> tuple[int, str]:
    """Return the sort key of a frame, the last number in its name: frame2 before frame10."""
    numbers = re.findall(r"\d+", PurePosixPath(path).stem)
    return (int(numbers[-1]) if numbers else 0), path
