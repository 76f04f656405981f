"""A clip whose pictures and sound are known, to try decoders on."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

SECONDS, FPS, SAMPLE_RATE = 2, 10, 16000
_SIZE = (64, 48)
_FIRST_LEVEL, _STEP = 30, 10
_TOLERANCE = 4.0  # grey levels that H.264 may be off; half a step tells one frame from the next


def write(path: str) -> None:
    """Write two seconds: frame n is plain grey of level 30 + 10 n; a 440 Hz tone begins after one second."""
    with av.open(path, "w") as container:
        video = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = *_SIZE, "yuv420p"
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        for number in range(SECONDS * FPS):
            grey = np.full((_SIZE[1], _SIZE[0], 3), _FIRST_LEVEL + _STEP * number, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(video.encode(None))
        _write_tone(container, audio)


def _write_tone(container: Any, stream: Any) -> None:
    seconds = np.arange(SECONDS * SAMPLE_RATE) / SAMPLE_RATE
    tone = np.where(seconds < 1, 0, 0.5 * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
    frame.sample_rate = SAMPLE_RATE
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def check_frames(frames: NDArray[np.uint8]) -> None:
    """Raise `ValueError` unless these are all the frames ``(20, height, width, 3)`` in order."""
    wanted = _FIRST_LEVEL + _STEP * np.arange(SECONDS * FPS)
    found = frames.reshape(len(frames), -1).mean(1)
    if len(found) != len(wanted) or np.abs(found - wanted).max() > _TOLERANCE:
        raise ValueError(f"wrong frames: grey levels {found.round().astype(int).tolist()}")


def check_sound(waveform: NDArray[np.float32]) -> None:
    """Raise `ValueError` unless the first second ``(2 * SAMPLE_RATE,)`` is silent and the second is not."""
    # The 50 ms around the change are left out: AAC smears it by a packet.
    edge = SAMPLE_RATE // 20
    silence, tone = waveform[: SAMPLE_RATE - edge], waveform[SAMPLE_RATE + edge : -edge]
    levels = [float(np.sqrt(np.mean(part**2))) for part in (silence, tone)]
    if len(waveform) != SECONDS * SAMPLE_RATE or levels[0] > 0.02 or abs(levels[1] - 0.354) > 0.05:
        raise ValueError(f"wrong sound: levels {levels[0]:.3f} and {levels[1]:.3f}, expected 0 and 0.354")
