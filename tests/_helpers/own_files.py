"""Own files as people have them: mixed containers, codecs, sizes, rates, lengths, with and without audio."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests._helpers.media_files import write_clip

_KINDS: list[dict[str, Any]] = [
    {"suffix": ".mp4", "size": (64, 48), "fps": 25, "sample_rate": 16000},
    {"suffix": ".mkv", "size": (48, 64), "fps": 30, "sample_rate": 44100, "layout": "stereo"},
    {"suffix": ".mov", "size": (96, 54), "fps": 24, "sample_rate": 48000},
    {
        "suffix": ".avi",
        "size": (64, 64),
        "fps": 15,
        "video_codec": "mpeg4",
        "audio_codec": "mp2",
        "bframes": 0,
    },
    {"suffix": ".webm", "size": (80, 60), "fps": 12, "video_codec": "libvpx", "audio_codec": "libopus"}
    | {"sample_rate": 48000, "bframes": 0},
    {"suffix": ".m4v", "size": (62, 48), "fps": 50, "layout": None},
    {"suffix": ".mp4", "size": (48, 48), "fps": 10, "layout": None, "rotation": 90},
    {"suffix": ".MKV", "size": (64, 36), "fps": 8, "sample_rate": 22050},
]
_SECONDS = (2.0, 3.5, 0.6, 5.0, 1.2)


def mixed_videos(folder: Path, count: int, seconds: tuple[float, ...] = _SECONDS) -> list[str]:
    """Write videos of eight kinds and five lengths into a folder, and return their names."""
    names = []
    for number, kind, duration in zip(
        range(count), itertools.cycle(_KINDS), itertools.cycle(seconds), strict=False
    ):
        options = {name: value for name, value in kind.items() if name != "suffix"}
        name = f"Clip {number:02d}{kind['suffix']}"
        audio = {"sample_rate": 16000} if kind["suffix"] == ".avi" else {}
        write_clip(folder / name, duration=duration, **audio, **options)
        names.append(name)
    return names


_AUDIO_KINDS: list[dict[str, Any]] = [
    {"suffix": ".wav", "audio_codec": "pcm_s16le", "sample_rate": 8000},
    {"suffix": ".flac", "audio_codec": "flac", "sample_rate": 44100, "layout": "stereo"},
    {"suffix": ".ogg", "audio_codec": "libopus", "sample_rate": 48000},
    {"suffix": ".mp3", "audio_codec": "libmp3lame", "sample_rate": 22050},
]


def mixed_audio(folder: Path, count: int, seconds: tuple[float, ...] = _SECONDS) -> list[str]:
    """Write audio files of four kinds, and return their names."""
    names = []
    for number in range(count):
        kind = dict(_AUDIO_KINDS[number % len(_AUDIO_KINDS)])
        name = f"track {number:02d}{kind.pop('suffix')}"
        write_clip(folder / name, size=None, duration=seconds[number % len(seconds)], **kind)
        names.append(name)
    return names


def mixed_images(folder: Path, count: int) -> list[str]:
    """Write images of six kinds, and return their names."""
    rng, names = np.random.default_rng(0), []
    folder.mkdir(parents=True, exist_ok=True)
    kinds = [
        ("RGB", ".jpg"),
        ("RGBA", ".png"),
        ("L", ".bmp"),
        ("P", ".gif"),
        ("CMYK", ".tif"),
        ("RGB", ".webp"),
    ]
    for number, (mode, suffix) in zip(range(count), itertools.cycle(kinds), strict=False):
        name = f"image {number:02d}{suffix}"
        size = (40 + number % 7, 30 + number % 11)
        pixels = rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).convert(mode).save(folder / name)
        names.append(name)
    return names
