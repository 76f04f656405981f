"""Compare the speed at which readers and decoders read random clips: frames alone, and what training reads.

    python benchmarks/decode.py [FOLDER ...] [--files 60] [--rounds 3]

Without a folder, files of two kinds are made: small ones with a keyframe each half second, and larger ones
with one every ten seconds. "PyAV" and "decord" open the file, seek and convert, without a check of what they
return; "torchcodec" too, where it is installed. The readers return the right frames. Seconds are those of one
CPU core, as each worker has one thread. Rounds alternate; the best one counts.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a clone, without installing

from unlabelled.data.media import MEDIA_SUFFIXES, DecordReader, PyAVReader, scan_files
from unlabelled.data.media.backends import import_backend, prove

_SECONDS, _FRAMES, _SHORT_SIDE, _RATE = 1.0, 8, 48, 16000
Clip = tuple[str, float]


def main() -> None:
    """Print clips per second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", metavar="FOLDER")
    parser.add_argument("--files", type=int, default=60, help="number of files of each folder")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folders = options.folders or _make(made)
        names = list(_functions([]))
        print(f"{'clips per second':<28}", *(f"{name:>20}" for name in names), sep="")
        for folder in folders:
            clips = _clips(folder, options.files)
            found = _fastest(_functions([path for path, _ in clips]), clips, options.rounds)
            print(f"{Path(folder).name:<28}", *(f"{found[name]:>20.0f}" for name in names), sep="")


def _functions(paths: list[str]) -> dict[str, Callable[[Clip], object]]:
    """Return by name what reads a clip."""
    pyav, decord = PyAVReader(), DecordReader()
    if import_backend("decord") is not None:
        durations = {path: pyav.info(path).duration for path in paths}
        decord.trust(path for path in paths if not prove("decord", path, durations[path]))

    def with_audio(clip: Clip) -> object:
        return pyav.frames(*clip, _SECONDS, _FRAMES, _SHORT_SIDE), pyav.waveform(*clip, _SECONDS, _RATE)

    functions: dict[str, Callable[[Clip], object]] = {
        "PyAVReader": lambda clip: pyav.frames(*clip, _SECONDS, _FRAMES, _SHORT_SIDE),
        "DecordReader": lambda clip: decord.frames(*clip, _SECONDS, _FRAMES, _SHORT_SIDE),
        "PyAV": _pyav,
    }
    for name, function in (("decord", _decord), ("torchcodec", _torchcodec)):
        if (module := import_backend(name)) is not None:
            functions[name] = lambda clip, module=module, function=function: function(module, clip)  # type: ignore[misc]
    return {**functions, "with audio": with_audio}


def _times(start: float) -> NDArray[np.float64]:
    return start + np.linspace(0, _SECONDS, _FRAMES, endpoint=False)


def _pyav(clip: Clip) -> object:
    path, start = clip
    with av.open(path) as container:
        stream: Any = container.streams.video[0]
        stream.codec_context.thread_count = 1
        container.seek(int(start / stream.time_base), stream=stream)
        width = _SHORT_SIDE * stream.codec_context.width // stream.codec_context.height
        wanted, images = list(_times(start)), []
        for frame in container.decode(stream):
            while wanted and frame.time is not None and frame.time >= wanted[0]:
                images.append(frame.to_ndarray(width=width, height=_SHORT_SIDE, format="rgb24"))
                wanted.pop(0)
            if not wanted:
                break
        return images


def _decord(decord: Any, clip: Clip) -> object:
    path, start = clip
    reader = decord.VideoReader(path, decord.cpu(0), num_threads=1)
    numbers = (_times(start) * reader.get_avg_fps()).astype(int).clip(0, len(reader) - 1)
    return reader.get_batch(numbers).asnumpy()


def _torchcodec(torchcodec: Any, clip: Clip) -> object:
    path, start = clip
    decoder = torchcodec.VideoDecoder(path, num_ffmpeg_threads=1)
    return decoder.get_frames_played_at(seconds=_times(start).tolist())


def _fastest(
    functions: dict[str, Callable[[Clip], object]], clips: list[Clip], rounds: int
) -> dict[str, float]:
    best = dict.fromkeys(functions, 0.0)
    for _ in range(rounds):
        for name, function in functions.items():
            started = time.process_time()
            for clip in clips:
                function(clip)
            best[name] = max(best[name], len(clips) / (time.process_time() - started))
    return best


def _clips(folder: str, count: int) -> list[Clip]:
    rng, reader = np.random.default_rng(0), PyAVReader()
    paths = [f"{folder}/{path}" for path in sorted(scan_files(folder, MEDIA_SUFFIXES))[:count]]
    durations = [reader.info(path).duration for path in paths]
    return [
        (path, float(rng.uniform(0, max(0.0, d - _SECONDS))))
        for path, d in zip(paths, durations, strict=True)
    ]


def _make(folder: str) -> list[str]:
    for name, (width, height, gop, seconds) in {
        "small": (112, 84, 12, 4),
        "large": (340, 256, 250, 10),
    }.items():
        Path(folder, name).mkdir()
        for number in range(4):
            _write(Path(folder, name, f"{number}.mp4"), (width, height), gop, seconds, number)
    return [f"{folder}/small", f"{folder}/large"]


def _write(path: Path, size: tuple[int, int], gop: int, seconds: int, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (size[1] + 64, size[0] + 64, 3)).astype(np.uint8)
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt, video.gop_size = *size, "yuv420p", gop
        audio: Any = container.add_stream("aac", rate=44100, layout="stereo")
        for number in range(seconds * 25):
            moved = np.ascontiguousarray(noise[number % 64 :, number % 64 :][: size[1], : size[0]] // 4)
            container.mux(video.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
        container.mux(video.encode(None))
        track = (0.1 * np.random.default_rng(seed).standard_normal((2, seconds * 44100))).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(track, format="fltp", layout="stereo")
        frame.sample_rate = 44100
        container.mux(audio.encode(frame))
        container.mux(audio.encode(None))


if __name__ == "__main__":
    main()
