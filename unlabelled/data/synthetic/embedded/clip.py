"""One clip: everything drawn from its own seed, and its media file written."""

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
from unlabelled.data.synthetic.embedded.video import Film
from unlabelled.data.synthetic.embedded.waveforms import render_sound

FRAME_RATES = tuple(Fraction(r) for r in ("15", "16", "20", "24000/1001", "24", "25"))
SAMPLE_RATES = (16000, 22050, 44100)
BOX_STEP = 0.25  # seconds
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@dataclass(frozen=True)
class ClipJob:
    """What to write: clip ``number`` of a class (an index into ``LEAVES``) in a split."""

    folder: str
    seed: int
    split: str
    leaf: int
    number: int
    duration: float
    size: tuple[int, int]


@dataclass(frozen=True)
class ClipRow:
    """What the tables say about a clip that was written; boxes are ``(seconds, x0, y0, x1, y1)``."""

    youtube_id: str
    start: int
    label: str
    split: str
    caption: str
    boxes: list[tuple[float, float, float, float, float]]


def write_clip(job: ClipJob) -> ClipRow:
    """Write one clip's file and return its rows.

    Its random streams depend on (seed, split, class, number) only, so that no other clip's existence
    changes it; timing, picture, sound and words have a stream each.
    """
    key = [job.seed, int(job.split == "test"), job.leaf, job.number]
    names, timing, sight, hearing, words = (
        np.random.default_rng(s) for s in np.random.SeedSequence(key).spawn(5)
    )
    leaf = LEAVES[job.leaf]
    youtube_id, start = draw_name(names, job.leaf + job.number)
    frame_rate = FRAME_RATES[int(timing.integers(len(FRAME_RATES)))]
    sample_rate, channels = SAMPLE_RATES[int(timing.integers(3))], int(timing.integers(1, 3))
    score = draw_score(timing, job.duration, TEMPO[leaf.family])

    paint = SCENES[leaf.scene](sight, score)
    film = Film(sight, paint, score, job.duration, job.size, leaf.scene in ROAMING)
    frames = [film.frame(i / float(frame_rate)) for i in range(round(job.duration * frame_rate))]
    boxes = [(t, *film.box(t)) for t in np.arange(0, job.duration, BOX_STEP).tolist()]
    sound = render_sound(hearing, leaf.sound, score, job.duration, sample_rate, channels)

    path = Path(job.folder) / f"{youtube_id}_{start:06d}.mp4"
    write_mp4(path, frames, frame_rate, sound, sample_rate)
    caption = write_caption(words, leaf)
    return ClipRow(youtube_id, start, leaf.name, job.split, caption, boxes)


def draw_name(rng: np.random.Generator, place: int) -> tuple[str, int]:
    """An identifier of 11 characters like YouTube's, and a start in whole seconds.

    Real ones may begin with ``-`` or ``_``, which trips up careless path handling: two in 16 do here.
    """
    letters = "".join(_LETTERS[i] for i in rng.integers(0, len(_LETTERS), 11))
    first = {1: "-", 2: "_"}.get(place % 16, letters[0])
    return first + letters[1:], int(rng.integers(0, 301))


def write_mp4(
    path: Path, frames: list[npt.NDArray[np.uint8]], frame_rate: Fraction, sound: FloatArray, sample_rate: int
) -> None:
    """Write H.264 (yuv420p) and AAC into an MP4 file, with nothing in it that depends on the day.

    Args:
        path: The file; its folder must exist.
        frames: Pictures ``(height, width, 3)``, both sides even.
        frame_rate: Frames per second.
        sound: ``(channels, samples)`` in -1 to 1, one or two channels.
        sample_rate: Samples per second.
    """
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        # One thread, or the bytes would depend on the machine's number of cores; and no macroblock
        # tree, which for frames as small as 64 x 48 gave other bytes on each call (x264 reads memory
        # that it never wrote).
        options = {
            "preset": "veryfast",
            "crf": "23",
            "g": "12",
            "threads": "1",
            "x264-params": "threads=1:no-mbtree=1",
        }
        video = container.add_stream("libx264", rate=frame_rate, options=options)
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = "yuv420p"
        layout = "stereo" if len(sound) == 2 else "mono"
        audio = container.add_stream("aac", rate=sample_rate, layout=layout, options={"aac_coder": "fast"})
        audio.bit_rate = 64000 * len(sound)
        packets = []
        for picture in frames:
            packets += video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24"))
        packets += video.encode(None)
        track = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound), format="fltp", layout=layout)
        track.sample_rate, track.pts, track.time_base = sample_rate, 0, Fraction(1, sample_rate)
        packets += audio.encode(track)
        packets += audio.encode(None)
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            container.mux(packet)
