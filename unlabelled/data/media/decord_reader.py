"""Readers that leave files to another decoder than PyAV, if it has proved right on them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.media.backends import BackendError, backend_frames
from unlabelled.data.media.pyav_reader import PyAVReader
from unlabelled.data.media.reader import frame_times

_log = logging.getLogger(__name__)


class BackendReader(PyAVReader):
    """Decodes the frames of proved files with a backend, and everything else with PyAV.

    A file is proved by the index of a data module: frames at random seconds of it are compared with those of
    PyAV (:func:`unlabelled.data.media.backends.prove`). PyAV also reads the spans that the backend fails on.
    See :class:`~unlabelled.data.media.reader.Reader`.

    Attributes:
        backend: Name of the backend.
    """

    backend = ""

    def __init__(self) -> None:
        self._proved: set[str] = set()

    def trust(self, paths: Iterable[str]) -> None:
        """Read these files with the backend from now on."""
        self._proved.update(os.path.abspath(path) for path in paths)

    def frames(
        self, path: str, start: float, duration: float, num_frames: int, short_side: int | None = None
    ) -> NDArray[np.uint8]:
        """Return RGB frames ``(num_frames, height, width, 3)``; see :meth:`Reader.frames`."""
        frame_times(start, duration, num_frames, 0.0)  # check the arguments before the file
        if os.path.abspath(path) in self._proved:
            try:
                return backend_frames(self.backend, path, start, duration, num_frames, short_side)
            except BackendError as error:
                _log.debug("%s failed on %s: %s", self.backend, path, error)
        return super().frames(path, start, duration, num_frames, short_side)


class DecordReader(BackendReader):
    """Decodes the frames of proved files with decord 0.6, see :class:`BackendReader`; audio with PyAV.

    decord returns other frames, without an error, of MPEG-1 and MPEG-2 with B-frames, open GOPs, WMV, cuts
    made without re-encoding, transport streams and rotated videos: these fail the proof.
    """

    backend = "decord"


class TorchCodecReader(BackendReader):
    """Decodes the frames of proved files with torchcodec, see :class:`BackendReader`; audio with PyAV."""

    backend = "torchcodec"
