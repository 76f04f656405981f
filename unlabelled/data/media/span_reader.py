"""Read a span of a file as if it were a file of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.media.reader import MediaInfo, Reader


class SpanReader:
    """Reads a span of files: second 0 is its start, and its audio is silent after its end.

    See :class:`~unlabelled.data.media.reader.Reader`.

    Args:
        reader: Reads the files.
        start: Start of the span in seconds.
        duration: Its duration in seconds.
    """

    def __init__(self, reader: Reader, start: float, duration: float) -> None:
        self.reader, self.start, self.duration = reader, start, duration

    def info(self, path: str) -> MediaInfo:
        """Return facts about the file, with the duration of the span."""
        facts = self.reader.info(path)
        audio = min(max(facts.audio_duration - self.start, 0.0), self.duration)
        return replace(facts, duration=self.duration, audio_duration=audio)

    def frames(
        self, path: str, start: float, duration: float, num_frames: int, short_side: int | None = None
    ) -> NDArray[np.uint8]:
        """Return RGB frames ``(num_frames, height, width, 3)``; see :meth:`Reader.frames`."""
        return self.reader.frames(path, self.start + start, duration, num_frames, short_side)

    def waveform(self, path: str, start: float, duration: float, sample_rate: int) -> NDArray[np.float32]:
        """Return one channel ``(round(duration * sample_rate),)``; see :meth:`Reader.waveform`."""
        samples = round(duration * sample_rate)
        inside = min(max(round((self.duration - start) * sample_rate), 0), samples)
        waveform = np.zeros(samples, np.float32)
        if inside > 0:
            read = self.reader.waveform(path, self.start + start, inside / sample_rate, sample_rate)
            waveform[:inside] = read
        return waveform
