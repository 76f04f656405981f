"""Files of Flickr-SoundNet by the number of the video, and boxes of Senocak et al. 2018."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from xml.etree import ElementTree

import torch
from torch import Tensor

from unlabelled.data.lists import read_lines
from unlabelled.data.media.files import AUDIO_SUFFIXES, IMAGE_SUFFIXES, MEDIA_SUFFIXES, scan_files

_ANNOTATION = ".xml"
SIDE = 256
"""Height and width of a frame in the coordinates of the annotations, in pixels, for frames of any size."""


class Video(NamedTuple):
    """Files of a video.

    Attributes:
        path: The audio file, or the video file; None if there is neither.
        images: The images of an audio file in the order of time; empty if ``path`` is a video file.
        has_images: Whether there are images or a video.
    """

    path: str | None
    images: list[str]
    has_images: bool


@dataclass
class FlickrFiles:
    """Paths below a root, by the number of the video.

    Attributes:
        repeated: Audio or video files of the same number that :meth:`video` did not take, by the one taken.
    """

    audio: dict[str, list[str]] = field(default_factory=dict)
    videos: dict[str, list[str]] = field(default_factory=dict)
    images: dict[str, list[str]] = field(default_factory=dict)
    frames: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    repeated: dict[str, list[str]] = field(default_factory=dict)

    def video(self, number: str) -> Video:
        """Return the files to read for a video.

        An audio file with an image is preferred to one with a folder of frames, and both to the video file:
        the annotations were made for such images.
        """
        images, audio = self._images(number), self.audio.get(number, [])
        if audio and (images or number not in self.videos):
            same_folder = [path for path in audio if images and _folder(path) == _folder(images[0])]
            return Video(self._first(same_folder or audio, audio), images, bool(images))
        videos = self.videos.get(number)
        return Video(self._first(videos, videos), [], True) if videos else Video(None, [], False)

    def _first(self, preferred: list[str], candidates: list[str]) -> str:
        """Return the first of the preferred files, and note the other candidates."""
        taken = preferred[0]
        if len(candidates) > 1:
            self.repeated[taken] = [path for path in candidates if path != taken]
        return taken

    def _images(self, number: str) -> list[str]:
        if number in self.images:
            return self.images[number][:1]
        folders = self.frames.get(number, {})
        return sorted(next(iter(folders.values()), []), key=_frame_order)


def scan_flickr(root: str, allow_outside: bool = False) -> FlickrFiles:
    """Find all files of the data set below ``root``, without opening them; see :func:`.scan_files`."""
    files = FlickrFiles()
    suffixes = (*MEDIA_SUFFIXES, *AUDIO_SUFFIXES, *IMAGE_SUFFIXES, _ANNOTATION)
    for path in scan_files(root, suffixes, allow_outside=allow_outside):
        number, suffix = video_number(path), PurePosixPath(path).suffix.lower()
        if suffix in AUDIO_SUFFIXES:
            files.audio.setdefault(number, []).append(path)
        elif suffix in MEDIA_SUFFIXES and suffix not in IMAGE_SUFFIXES:
            files.videos.setdefault(number, []).append(path)
        elif suffix == _ANNOTATION:
            files.annotations.setdefault(number, path)
        elif _is_frame(path):
            files.frames.setdefault(number, {}).setdefault(_folder(path), []).append(path)
        else:
            files.images.setdefault(number, []).append(path)
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
    found = set()
    for row, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        number = video_number(line.split(",")[0].split()[0]) if line.split(",")[0].strip() else ""
        if not number.isdigit():
            raise ValueError(f"{path}, line {row}: {line!r} does not name a video by its number")
        if number not in found:
            found.add(number)
            yield number


def _is_frame(path: str) -> bool:
    return PurePosixPath(path).parent.suffix.lower() in MEDIA_SUFFIXES


def _folder(path: str) -> str:
    return str(PurePosixPath(path).parent)


def _frame_order(path: str) -> tuple[int, str]:
    """Return the sort key of a frame, the last number in its name: frame2 before frame10."""
    numbers = re.findall(r"\d+", PurePosixPath(path).stem)
    return (int(numbers[-1]) if numbers else 0), path


def read_boxes(path: Path) -> Tensor:
    """Return the boxes of all annotators ``(boxes, 4)``: x0, y0, x1, y1 as fractions of the frame.

    Each element ``bbox`` is one: its last four children are xmin, ymin, xmax and ymax in pixels of a frame
    of 256x256. An annotator with several boxes counts several times, as in the published evaluation.

    Raises:
        ValueError: The file is not XML, or has no such box.

    Source: ardasnck/learning_to_localize_sound_source; LVS (Chen et al. 2021, arXiv:2104.02691),
        utils.py, ``testset_gt``; docs/methods/dmc.md#sound-localisation.
    """
    try:
        root = ElementTree.parse(path).getroot()
        corners = [[int(child.text or "") for child in list(box)[-4:]] for box in root.iter("bbox")]
    except (ElementTree.ParseError, OSError, ValueError) as error:
        raise ValueError(f"{path}: not an annotation ({error}); fetch it again") from error
    if not corners or any(len(box) != 4 for box in corners):
        raise ValueError(f"{path}: expected elements `bbox` that end with xmin, ymin, xmax, ymax")
    return torch.tensor(corners, dtype=torch.float64) / SIDE
