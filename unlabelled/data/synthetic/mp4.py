"""Write MP4 files of generated frames and audio."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt


def write_mp4(
    path: Path,
    frames: list[npt.NDArray[np.uint8]],
    frame_rate: Fraction,
    audio: npt.NDArray[np.float32],
    sample_rate: int,
) -> None:
    """Write H.264 (yuv420p) and AAC into an MP4 file, without timestamps of its creation.

    Args:
        path: The file; its folder must exist.
        frames: Frames ``(height, width, 3)`` uint8, both sides even.
        frame_rate: Frames per second.
        audio: ``(channels, samples)`` in -1 to 1, one or two channels.
        sample_rate: Samples per second.
    """
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        # One thread, since the bytes depend on the number of threads; no macroblock tree, since for
        # frames as small as 64 x 48 the bytes then differ between calls (x264 reads uninitialised memory).
        options = {
            "preset": "veryfast",
            "crf": "23",
            "g": "12",
            "threads": "1",
            "x264-params": "threads=1:no-mbtree=1",
        }
        video_stream = container.add_stream("libx264", rate=frame_rate, options=options)
        video_stream.height, video_stream.width = frames[0].shape[:2]
        video_stream.pix_fmt = "yuv420p"
        layout = "stereo" if len(audio) == 2 else "mono"
        audio_stream = container.add_stream(
            "aac", rate=sample_rate, layout=layout, options={"aac_coder": "fast"}
        )
        audio_stream.bit_rate = 64000 * len(audio)
        packets = []
        for frame in frames:
            packets += video_stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24"))
        packets += video_stream.encode(None)
        track = av.AudioFrame.from_ndarray(np.ascontiguousarray(audio), format="fltp", layout=layout)
        track.sample_rate, track.pts, track.time_base = sample_rate, 0, Fraction(1, sample_rate)
        packets += audio_stream.encode(track)
        packets += audio_stream.encode(None)
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            container.mux(packet)
