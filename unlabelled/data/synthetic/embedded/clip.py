"""Write one clip, drawn from its own seed."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from unlabelled.data.synthetic.clip_folder import BOX_STEP, ClipRow, draw_name
from unlabelled.data.synthetic.embedded.captions import write_caption
from unlabelled.data.synthetic.embedded.classes import LEAVES, TEMPO
from unlabelled.data.synthetic.embedded.notes import draw_score
from unlabelled.data.synthetic.embedded.scenes import ROAMING, SCENES
from unlabelled.data.synthetic.embedded.video import SceneVideo
from unlabelled.data.synthetic.embedded.waveforms import render_audio
from unlabelled.data.synthetic.mp4 import write_mp4

FRAME_RATES = tuple(Fraction(r) for r in ("15", "16", "20", "24000/1001", "24", "25"))
SAMPLE_RATES = (16000, 22050, 44100)


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
