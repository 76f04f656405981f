"""Write one clip, drawn from its own seed."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from unlabelled.data.synthetic.embedded.captions import write_caption
from unlabelled.data.synthetic.embedded.classes import LEAVES, TEMPO
from unlabelled.data.synthetic.embedded.notes import FloatArray, draw_score
from unlabelled.data.synthetic.embedded.scenes import ROAMING, SCENES
from unlabelled.data.synthetic.embedded.video import SceneVideo
from unlabelled.data.synthetic.embedded.waveforms import render_audio

FRAME_RATES = tuple(Fraction(r) for r in ("15", "16", "20", "24000/1001", "24", "25"))
SAMPLE_RATES = (16000, 22050, 44100)
BOX_STEP = 0.25  # seconds
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@dataclass(frozen=True)
class ClipJob:
    """Arguments of a clip: its ``number`` in a class (an index into ``LEAVES``) and a split."""

    folder: str
    seed: int
    split: str
    leaf: int
    number: int
    duration: float
    size: tuple[int, int]


@dataclass(frozen=True)
class ClipRow:
    """Entries of a written clip in the tables; boxes are ``(seconds, x0, y0, x1, y1)``."""

    youtube_id: str
    start: int
    label: str
    split: str
    caption: str
    boxes: list[tuple[float, float, float, float, float]]


def write_clip(job: ClipJob) -> ClipRow:
    """Write the file of one clip and return its entries in the tables.

    The random streams of a clip depend on (seed, split, class, number) only, not on other clips; timing,
    video, audio and words have one stream each.
    """
    key = [job.seed, int(job.split == "test"), job.leaf, job.number]
    name_rng, timing_rng, video_rng, audio_rng, word_rng = (
        np.random.default_rng(s) for s in np.random.SeedSequence(key).spawn(5)
    )
    leaf = LEAVES[job.leaf]
    youtube_id, start = draw_name(name_rng, job.leaf + job.number)
    frame_rate = FRAME_RATES[int(timing_rng.integers(len(FRAME_RATES)))]
    sample_rate, channels = SAMPLE_RATES[int(timing_rng.integers(3))], int(timing_rng.integers(1, 3))
    score = draw_score(timing_rng, job.duration, TEMPO[leaf.family])

    paint = SCENES[leaf.scene](video_rng, score)
    video = SceneVideo(video_rng, paint, score, job.duration, job.size, leaf.scene in ROAMING)
    frames = [video.frame(i / float(frame_rate)) for i in range(round(job.duration * frame_rate))]
    boxes = [(t, *video.box(t)) for t in np.arange(0, job.duration, BOX_STEP).tolist()]
    audio = render_audio(audio_rng, leaf.audio, score, job.duration, sample_rate, channels)

    path = Path(job.folder) / f"{youtube_id}_{start:06d}.mp4"
    write_mp4(path, frames, frame_rate, audio, sample_rate)
    caption = write_caption(word_rng, leaf)
    return ClipRow(youtube_id, start, leaf.name, job.split, caption, boxes)


def draw_name(rng: np.random.Generator, index: int) -> tuple[str, int]:
    """Draw an identifier of 11 characters like those of YouTube, and a start in whole seconds.

    Two of 16 identifiers begin with ``-`` or ``_``, as real ones may, which tests the handling of paths.
    """
    letters = "".join(_LETTERS[i] for i in rng.integers(0, len(_LETTERS), 11))
    first = {1: "-", 2: "_"}.get(index % 16, letters[0])
    return first + letters[1:], int(rng.integers(0, 301))


def write_mp4(
    path: Path, frames: list[npt.NDArray[np.uint8]], frame_rate: Fraction, audio: FloatArray, sample_rate: int
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
