"""Write one composed clip, drawn from its own seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np

from unlabelled.data.synthetic.clip_folder import BOX_STEP, ClipRow, draw_name
from unlabelled.data.synthetic.composed.audio import mix_audio
from unlabelled.data.synthetic.composed.base import ComposedClass, ComposedSet
from unlabelled.data.synthetic.composed.video import Sprite, box, place, render
from unlabelled.data.synthetic.mp4 import write_mp4

_MOTIONS = ("drifts about", "sways slowly", "moves across the image", "is turned to and fro")
_PATTERNS = (
    "{image} {motion} while {audio} can be heard",
    "{audio}, and {image} that {motion}",
    "we hear {audio} as {image} {motion}",
)


@dataclass(frozen=True)
class ComposedJob:
    """Arguments of a clip: its ``number`` in a class (an index into the set's classes) and a split."""

    folder: str
    source: ComposedSet
    seed: int
    split: str
    label: int
    number: int


def write_composed_clip(job: ComposedJob) -> ClipRow:
    """Write the file of one clip and return its entries in the tables.

    The random streams of a clip depend on (set, seed, split, class, number) only.
    """
    source, style = job.source, job.source.style
    key = [crc32(source.name.encode()), job.seed, int(job.split == "test"), job.label, job.number]
    names, shape, video, audio, words, beside = (
        np.random.default_rng(s) for s in np.random.SeedSequence(key).spawn(6)
    )
    youtube_id, start = draw_name(names, job.label + job.number)
    size = style.sizes[int(shape.integers(len(style.sizes)))]
    frame_rate = style.frame_rates[int(shape.integers(len(style.frame_rates)))]
    rate = style.sample_rates[int(shape.integers(len(style.sample_rates)))]
    channels = style.channels[int(shape.integers(len(style.channels)))]
    seconds = float(shape.uniform(*style.seconds))

    image = source.image(video, job.label, job.split)
    times = np.arange(round(seconds * frame_rate)) / float(frame_rate)
    placement = place(video, style, size, times)
    mute = source.mute_image(beside, job.split)
    behind = [] if mute is None else [Sprite(mute, place(beside, style, size, times))]
    frames = render(video, [*behind, Sprite(image, placement)], style, size)
    at = [(t, round(t * float(frame_rate))) for t in np.arange(0, seconds, BOX_STEP).tolist()]
    boxes = [(t, *box(image, placement, min(i, len(times) - 1), size)) for t, i in at]
    track = mix_audio(audio, source, job.label, seconds, rate, channels)
    write_mp4(Path(job.folder) / f"{youtube_id}_{start:06d}.mp4", frames, frame_rate, track, rate)
    entry = source.classes[job.label]
    return ClipRow(youtube_id, start, entry.label, job.split, _caption(words, entry), boxes)


def _caption(rng: np.random.Generator, entry: ComposedClass) -> str:
    motion = _MOTIONS[int(rng.integers(len(_MOTIONS)))]
    pattern = _PATTERNS[int(rng.integers(len(_PATTERNS)))]
    caption = pattern.format(image=entry.image, audio=entry.audio, motion=motion)
    return caption[0].upper() + caption[1:]
