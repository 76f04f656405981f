"""Read videos that are stored as a folder of image files, one for each frame."""

from __future__ import annotations

import functools
import os

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.media.images import decode_image, scale_frames
from unlabelled.data.media.reader import DecodeError, MediaInfo, frame_times, scaled_size

_ROUNDING = 1e-3  # of a frame


class FrameFolders:
    """Reads ``<folder>/<name>_000001.jpg`` and so on, where the folder is a video called ``<name>``.

    See :class:`~unlabelled.data.media.reader.Reader`. Times before the first frame are those of the first
    one, times after the last frame those of the last one. There is no audio.

    Args:
        fps: Frames per second that the files were extracted with.
    """

    def __init__(self, fps: float = 30.0) -> None:
        self.fps = fps

    def info(self, path: str) -> MediaInfo:
        """Return the duration and the frame rate."""
        return MediaInfo(_count(path) / self.fps, has_video=True, has_audio=False, fps=self.fps)

    def frames(
        self, path: str, start: float, duration: float, num_frames: int, short_side: int | None = None
    ) -> NDArray[np.uint8]:
        """Return RGB frames ``(num_frames, height, width, 3)``; see :meth:`Reader.frames`."""
        times = frame_times(start, duration, num_frames, self.fps)
        shown = np.floor(times * self.fps + _ROUNDING).astype(int).clip(0, _count(path) - 1)
        images = {number: _image(path, number + 1) for number in dict.fromkeys(shown.tolist())}
        frames = np.stack([images[number] for number in shown.tolist()])
        width, height = scaled_size(frames.shape[2], frames.shape[1], short_side)
        return scale_frames(frames, width, height)

    def waveform(self, path: str, start: float, duration: float, sample_rate: int) -> NDArray[np.float32]:
        """Return zeros ``(round(duration * sample_rate),)``."""
        return np.zeros(round(duration * sample_rate), np.float32)


@functools.lru_cache(maxsize=1024)
def _count(folder: str) -> int:
    """Return the number of frames of a folder.

    Raises:
        DecodeError: It has none.
    """
    name = os.path.basename(folder)
    try:
        with os.scandir(folder) as entries:
            count = sum(entry.name.startswith(f"{name}_") for entry in entries)
    except OSError as error:
        raise DecodeError(folder, "no such folder of frames") from error
    if count == 0:
        raise DecodeError(folder, f"no frame {name}_000001.jpg")
    return count


def _image(folder: str, number: int) -> NDArray[np.uint8]:
    path = os.path.join(folder, f"{os.path.basename(folder)}_{number:06d}.jpg")
    return np.ascontiguousarray(decode_image(path).permute(1, 2, 0).numpy())
