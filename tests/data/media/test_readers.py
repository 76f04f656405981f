"""Readers: the right frames and audio at the right seconds, and plain errors for everything damaged."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from torch._utils import ExceptionWrapper
from torch.utils.data import DataLoader, Dataset

from tests._helpers import media_files as media
from tests._helpers.memory import peak_kib, reset_peak
from unlabelled.data.media.cached_reader import CachedReader
from unlabelled.data.media.decord_reader import DecordReader
from unlabelled.data.media.pyav_reader import PyAVReader
from unlabelled.data.media.reader import (
    DecodeError,
    MediaInfo,
    Reader,
    WholeFileReader,
    choose_frames,
    frame_times,
    scaled_size,
)

READERS: dict[str, Callable[[], WholeFileReader]] = {"pyav": PyAVReader, "decord": DecordReader}
# The frames of one second, by the sampler of facebookresearch/selavi, datasets/decoder.py.
REFERENCE_FRAMES = {
    Fraction(fps): [int(frame) for frame in frames.split()]
    for fps, frames in {
        "25": "0 0 1 2 3 4 4 5 6 7 8 9 9 10 11 12 13 14 14 15 16 17 18 19 19 20 21 22 23 24",
        "30": "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29",
        "60": "0 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30 32 34 36 38 40 42 44 46 48 50 52 54 56 59",
        "30000/1001": "0 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28",
        "15": "0 0 0 1 1 2 2 3 3 4 4 5 5 6 6 7 7 8 8 9 9 10 10 11 11 12 12 13 13 14",
    }.items()
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readers")


@pytest.fixture(scope="module")
def clip(folder: Path) -> str:
    return media.write_clip(folder / "clip.mp4", duration=4, gop=40)


@pytest.fixture(params=["pyav", "decord", "cached"])
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> Reader:
    if request.param == "cached":
        return CachedReader(PyAVReader(), 48, 16000, str(tmp_path / "decoded"))
    return READERS[request.param]()


# --- which frames ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fps", REFERENCE_FRAMES, ids=str)
def test_frame_times_reproduce_the_released_sampler(fps: Fraction) -> None:
    timestamps = np.array([float(number / fps) for number in range(60)])
    chosen = choose_frames(timestamps, frame_times(0.0, 1.0, 30, float(fps)))
    assert chosen.tolist() == REFERENCE_FRAMES[fps]


@pytest.mark.parametrize("fps", REFERENCE_FRAMES, ids=str)
def test_decoded_frames_are_those_of_the_released_sampler(
    fps: Fraction, reader: Reader, folder: Path
) -> None:
    path = media.write_clip(folder / f"{float(fps):.2f}.mp4", duration=2, fps=fps, layout=None)
    assert media.read_numbers(reader.frames(path, 0.0, 1.0, 30)) == REFERENCE_FRAMES[fps]


def test_random_starts_show_the_last_frame_that_has_appeared(reader: Reader, clip: str) -> None:
    for start in np.random.default_rng(0).uniform(0, 3, 12):
        times = frame_times(float(start), 1.0, 8, 25.0)
        expected = [int((time + 0.0005) * 25) for time in times]  # whole milliseconds may be rounded
        assert media.read_numbers(reader.frames(clip, float(start), 1.0, 8)) == expected


def test_variable_frame_rate_goes_by_timestamps(reader: Reader, folder: Path) -> None:
    appears = [0.0, 0.1, 0.15, 0.2, 0.5, 0.52, 0.9, 1.3, 1.31, 1.5]
    path = media.write_clip(folder / "vfr.mp4", timestamps=appears, audio_duration=1.6)
    for start in (0.0, 0.31, 0.6):
        times = frame_times(start, 0.9, 10, reader.info(path).fps)
        expected = [sum(when <= time for when in appears) - 1 for time in times]
        assert media.read_numbers(reader.frames(path, start, 0.9, 10)) == expected


@pytest.mark.parametrize("name", ["a.mkv", "a.avi"])
def test_other_containers(name: str, reader: Reader, folder: Path) -> None:
    codec = ("mpeg4", "pcm_s16le", 0) if name.endswith("avi") else ("libx264", "aac", 2)
    path = media.write_clip(
        folder / name, duration=2, fps=30, video_codec=codec[0], audio_codec=codec[1], bframes=codec[2]
    )
    assert media.read_numbers(reader.frames(path, 0.5, 1.0, 30)) == list(range(15, 45))
    assert media.click_positions(reader.waveform(path, 0.4, 0.5, 16000), 16000) == pytest.approx(
        [0.1, 0.35], abs=2e-4
    )


def test_transport_stream_starts_when_its_first_stream_does(reader: Reader, folder: Path) -> None:
    path = media.write_clip(folder / "a.ts", duration=2)
    numbers = media.read_numbers(reader.frames(path, 0.5, 1.0, 25))
    clicks = media.click_positions(reader.waveform(path, 0.5, 1.0, 16000), 16000)
    # An AAC coder's 64 ms of priming come first in this container; video and audio stay together.
    assert [number / 25 for number in numbers] == pytest.approx([0.436 + i / 25 for i in range(25)], abs=0.04)
    assert clicks == pytest.approx([0.064, 0.314, 0.564, 0.814], abs=2e-4)


def test_video_that_begins_late_repeats_its_first_frame_until_then(reader: Reader, folder: Path) -> None:
    path = media.write_clip(
        folder / "late.mp4", timestamps=[0.4 + number / 25 for number in range(25)], audio_duration=1.4
    )
    assert media.read_numbers(reader.frames(path, 0.0, 1.0, 25)) == [0] * 10 + list(range(15))


def test_clip_longer_than_the_file_repeats_the_last_frame_and_pads_with_silence(
    reader: Reader, folder: Path
) -> None:
    path = media.write_clip(folder / "short.mp4", duration=1)
    assert media.read_numbers(reader.frames(path, 0.5, 1.0, 25)) == [*range(12, 25), *[24] * 12]
    waveform = reader.waveform(path, 0.5, 1.0, 16000)
    assert waveform.shape == (16000,)
    assert media.click_positions(waveform, 16000) == pytest.approx([0.0, 0.25], abs=2e-4)
    assert not waveform[8100:].any()
    assert media.read_numbers(reader.frames(path, 5.0, 1.0, 3)) == [24, 24, 24]


# --- cuts without re-encoding ------------------------------------------------------------------------------


def test_stream_copied_cut_shows_the_frames_that_belong_to_its_audio(reader: Reader, folder: Path) -> None:
    clicks = [0.5, 3.5, 4.75, 6.125]
    source = media.write_clip(folder / "long.mp4", duration=8, gop=250, clicks=clicks)
    cut = media.stream_copy_cut(source, folder / "cut.mp4", 3.3, 4.0)
    numbers = media.read_numbers(reader.frames(cut, 0.0, 3.0, 75))
    # FFmpeg moves the first whole frame after the cut to zero: right to within one frame.
    assert [number / 25 - 3.3 for number in numbers] == pytest.approx([i / 25 for i in range(75)], abs=0.041)
    positions = media.click_positions(reader.waveform(cut, 0.0, 3.0, 16000), 16000)
    assert positions == pytest.approx([time - 3.3 for time in clicks[1:]], abs=2e-4)


def test_decord_alone_would_show_other_frames_of_the_cut(folder: Path) -> None:
    decord = pytest.importorskip("decord")
    source = media.write_clip(folder / "long2.mp4", duration=8, gop=250)
    cut = media.stream_copy_cut(source, folder / "cut2.mp4", 3.3, 4.0)
    raw = decord.VideoReader(cut, num_threads=1)
    shown = int(np.searchsorted(raw.get_frame_timestamp(range(len(raw)))[:, 0], 0.0))
    assert (
        media.read_number(raw[shown].asnumpy())
        != media.read_numbers(DecordReader().frames(cut, 0.0, 1.0, 1))[0]
    )


# --- sizes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "short_side", "expected"), [
    ((64, 48), None, (48, 64)),
    ((64, 48), 32, (32, 42)),
    ((64, 48), 72, (72, 96)),
    ((48, 64), 32, (42, 32)),
    ((97, 65), 50, (50, 74)),
    ((97, 65), None, (65, 97)),
    ((96, 96), 48, (48, 48)),
    ((96, 96), 72, (72, 72)),
])  # fmt: skip
@pytest.mark.parametrize("name", READERS)
def test_short_side(
    name: str, size: tuple[int, int], short_side: int | None, expected: tuple[int, int], folder: Path
) -> None:
    path = media.write_clip(folder / f"{size[0]}x{size[1]}.mp4", size=size, layout=None)
    for _ in range(
        2
    ):  # decord's scaling fails for the square ones; the second call uses the first one's result
        frames = READERS[name]().frames(path, 0.0, 1.0, 25, short_side)
        assert frames.shape == (25, *expected, 3)
        assert frames.dtype == np.uint8
        assert media.read_numbers(frames) == list(range(25))


def test_scaled_size_rounds_the_long_side_down() -> None:
    assert scaled_size(340, 256, 128) == (170, 128)
    assert scaled_size(171, 128, 127) == (169, 127)
    assert scaled_size(100, 100, 7) == (7, 7)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("short_side", [None, 96])
def test_rotated_video_is_turned_upright(name: str, short_side: int | None, folder: Path) -> None:
    path = media.write_clip(folder / "rotated.mp4", rotation=90, layout=None)
    frames = READERS[name]().frames(path, 0.0, 1.0, 25, short_side)
    assert frames.shape == ((25, 64, 48, 3) if short_side is None else (25, 128, 96, 3))
    assert media.read_numbers(np.rot90(frames, -1, axes=(1, 2))) == list(range(25))


# --- audio -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1"])
@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_clicks_are_where_they_belong_at_any_rate_and_layout(rate: int, layout: str, folder: Path) -> None:
    path = media.write_clip(
        folder / f"{rate}-{layout}.mp4", duration=3, sample_rate=rate, layout=layout, size=None
    )
    for start in (0.1, 1.1):
        waveform = PyAVReader().waveform(path, start, 1.0, 24000)
        assert waveform.shape == (24000,)
        assert waveform.dtype == np.float32
        first = -(-start // 0.25) * 0.25 - start
        positions = media.click_positions(waveform, 24000)
        assert positions == pytest.approx(
            [first + 0.25 * i for i in range(len(positions))], abs=1.5 / rate + 1 / 24000
        )
        assert len(positions) == 4


def test_the_same_audio_is_as_loud_in_any_layout(folder: Path) -> None:
    peaks = []
    for layout in ("mono", "stereo"):
        path = media.write_clip(
            folder / f"{layout}.avi", size=None, layout=layout, audio_codec="pcm_s16le", sample_rate=16000
        )
        peaks.append(float(np.abs(PyAVReader().waveform(path, 0.0, 1.0, 16000)).max()))
    assert peaks == pytest.approx([0.9, 0.9], abs=1e-3)


@pytest.mark.parametrize("duration", [0.1, 0.33333, 1.0, 1.99999])
def test_waveform_has_exactly_the_samples_asked_for(reader: Reader, clip: str, duration: float) -> None:
    assert reader.waveform(clip, 0.7, duration, 16000).shape == (round(duration * 16000),)


def test_a_part_of_the_track_equals_that_part_of_the_whole(clip: str) -> None:
    whole = PyAVReader().waveform(clip, 0.0, 4.0, 16000)
    for start in (0.5, 1.37, 2.9):
        begin = round(start * 16000)
        part = PyAVReader().waveform(clip, start, 1.0, 16000)
        np.testing.assert_allclose(part, whole[begin : begin + 16000], atol=1e-4)


def test_frames_and_audio_are_of_the_same_seconds(reader: Reader, clip: str) -> None:
    for start in (0.0, 0.48, 2.2):
        first = media.read_number(reader.frames(clip, start, 1.0, 25)[0]) / 25
        click = media.click_positions(reader.waveform(clip, start, 1.0, 16000), 16000)[0]
        assert (first + click) % 0.25 == pytest.approx(0.0, abs=0.001) or (first + click) % 0.25 > 0.249


def test_reading_audio_does_not_leak(clip: str) -> None:
    reader = DecordReader()
    for _ in range(30):
        reader.waveform(clip, 0.0, 4.0, 48000)
    reset_peak()
    before = peak_kib()
    for _ in range(60):
        reader.waveform(clip, 0.0, 4.0, 48000)
    grown = peak_kib() - before
    assert grown < 60 * 4 * 48000 * 4 / 1024 / 3  # a leak of every track would be three times this


# --- damaged files -----------------------------------------------------------------------------------------


def missing(path: Path) -> str:
    return str(path)


def half_with_index_at_the_end(path: Path) -> str:
    return media.truncate(media.write_clip(path, duration=4, faststart=False))


def half_with_index_at_the_start(path: Path) -> str:
    return media.truncate(media.write_clip(path, duration=8))


def rotten(path: Path) -> str:
    return media.rot(media.write_clip(path, duration=8), 0.4, 0.99)


def a_folder(path: Path) -> str:
    path.mkdir()
    return str(path)


DAMAGE: list[tuple[Callable[[Path], str], str]] = [
    (missing, "no such file"),
    (media.empty, "file is empty"),
    (media.garbage, "not a media file"),
    (media.web_page, "not a media file"),
    (a_folder, "not a media file: it is a folder"),
    (half_with_index_at_the_end, "truncated: the file ends before its index"),
    (half_with_index_at_the_start, "truncated"),
    (rotten, "undecodable"),
]


@pytest.mark.parametrize(("damage", "reason"), DAMAGE, ids=lambda value: getattr(value, "__name__", ""))
def test_damaged_files_raise_decode_errors(
    damage: Callable[[Path], str], reason: str, reader: Reader, tmp_path: Path
) -> None:
    path = damage(tmp_path / "bad.mp4")
    with pytest.raises(DecodeError) as video:
        reader.frames(path, 6.0, 1.0, 8)
    with pytest.raises(DecodeError) as audio:
        reader.waveform(path, 6.0, 1.0, 16000)
    for error in (video.value, audio.value):
        assert error.path == path
        assert error.reason.startswith(reason)
        assert str(error) == f"{path}: {error.reason}"


@pytest.mark.parametrize("name", READERS)
def test_the_whole_part_of_a_truncated_file_can_still_be_read(name: str, tmp_path: Path) -> None:
    path = half_with_index_at_the_start(tmp_path / "bad.mp4")
    assert media.read_numbers(READERS[name]().frames(path, 1.0, 1.0, 25)) == list(range(25, 50))
    with pytest.raises(DecodeError, match="truncated"):
        READERS[name]().all_frames(path)


def test_truncated_matroska_is_not_taken_for_a_short_one(reader: Reader, tmp_path: Path) -> None:
    path = media.truncate(media.write_clip(tmp_path / "bad.mkv", duration=8))
    with pytest.raises(DecodeError, match=r"truncated: its video stops at [34]\.\d\d s of 8\.00 s"):
        reader.frames(path, 6.0, 1.0, 8)
    with pytest.raises(DecodeError, match=r"truncated: its audio stops at [34]\.\d\d s of 8\.\d\d s"):
        reader.waveform(path, 6.0, 1.0, 16000)


def test_a_missing_stream_is_an_error_only_for_what_needs_it(reader: Reader, folder: Path) -> None:
    silent = media.write_clip(folder / "silent.mp4", layout=None)
    blind = media.write_clip(folder / "blind.mp4", size=None)
    assert media.read_numbers(reader.frames(silent, 0.0, 1.0, 25)) == list(range(25))
    assert len(media.click_positions(reader.waveform(blind, 0.0, 1.0, 16000), 16000)) == 4
    with pytest.raises(DecodeError, match="no audio stream"):
        reader.waveform(silent, 0.0, 1.0, 16000)
    with pytest.raises(DecodeError, match="no video stream"):
        reader.frames(blind, 0.0, 1.0, 25)


def test_mistakes_of_the_caller_are_not_blamed_on_the_file(reader: Reader, clip: str) -> None:
    with pytest.raises(ValueError, match="num_frames"):
        reader.frames(clip, 0.0, 1.0, 0)
    with pytest.raises(ValueError, match="Hz"):
        reader.waveform(clip, 0.0, 1.0, 0)


# --- info --------------------------------------------------------------------------------------------------


def test_info(reader: Reader, folder: Path) -> None:
    path = media.write_clip(
        folder / "info.mp4",
        duration=2,
        fps=30,
        size=(80, 60),
        sample_rate=44100,
        layout="stereo",
        audio_duration=1.5,
    )
    info = reader.info(path)
    assert info == MediaInfo(
        duration=pytest.approx(1.5, abs=0.03),
        has_video=True,
        has_audio=True,
        width=80,
        height=60,
        fps=30.0,
        audio_duration=pytest.approx(1.5, abs=0.03),
        sample_rate=44100,
        channels=2,
    )
    assert info.duration == info.audio_duration


# --- across processes --------------------------------------------------------------------------------------


def test_errors_and_readers_can_be_pickled(reader: Reader, clip: str) -> None:
    error = pickle.loads(pickle.dumps(DecodeError("a.mp4", "file is empty")))
    assert (error.path, error.reason, str(error)) == ("a.mp4", "file is empty", "a.mp4: file is empty")
    twin = pickle.loads(pickle.dumps(reader))
    np.testing.assert_array_equal(twin.frames(clip, 0.5, 1.0, 4), reader.frames(clip, 0.5, 1.0, 4))


class _Clips(Dataset[tuple[list[int], int]]):
    def __init__(self, reader: Reader, paths: list[str]) -> None:
        self.reader, self.paths = reader, paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[list[int], int]:
        frames = self.reader.frames(self.paths[index], 0.1 * index, 1.0, 3)
        waveform = self.reader.waveform(self.paths[index], 0.1 * index, 1.0, 16000)
        return media.read_numbers(frames), len(waveform)


def test_data_loader_workers(reader: Reader, clip: str) -> None:
    reader.frames(clip, 0.0, 1.0, 3)  # used in the parent before it forks
    loader = DataLoader(_Clips(reader, [clip] * 6), num_workers=2, batch_size=None, timeout=30)
    for index, (numbers, samples) in enumerate(loader):
        assert numbers == [int(time * 25 + 1e-6) for time in frame_times(0.1 * index, 1.0, 3, 25)]
        assert samples == 16000


def test_decode_error_keeps_its_type_across_a_data_loader() -> None:
    try:
        raise DecodeError("bad.mp4", "file is empty")
    except DecodeError:
        sent = pickle.dumps(ExceptionWrapper(where="in DataLoader worker process 0"))
    with pytest.raises(DecodeError, match=r"bad\.mp4: file is empty"):
        pickle.loads(sent).reraise()


# --- cached ------------------------------------------------------------------------------------------------


class _Counting(PyAVReader):
    """Counts how often it decodes."""

    def __init__(self) -> None:
        self.decoded = 0

    def all_frames(self, path: str, short_side: int | None = None):  # type: ignore[no-untyped-def]
        self.decoded += 1
        return super().all_frames(path, short_side)


@pytest.mark.parametrize("wrapped", READERS.values())
def test_cached_reader_gives_what_the_wrapped_one_gives(
    wrapped: Callable[[], WholeFileReader], clip: str, tmp_path: Path
) -> None:
    plain, cached = wrapped(), CachedReader(wrapped(), 40, 16000, str(tmp_path))
    assert cached.info(clip) == plain.info(clip)
    for start in (0.0, 0.73, 2.5, 3.6):
        numbers = media.read_numbers(plain.frames(clip, start, 1.0, 11, 40))
        frames = cached.frames(clip, start, 1.0, 11, 40)
        assert media.read_numbers(frames) == numbers
        assert frames.shape == (11, 40, 53, 3)
        np.testing.assert_allclose(
            cached.waveform(clip, start, 1.0, 16000), plain.waveform(clip, start, 1.0, 16000), atol=1e-4
        )
    assert cached.frames(clip, 0.0, 1.0, 11, 20).shape == (11, 20, 26, 3)
    assert media.read_numbers(cached.frames(clip, 0.0, 1.0, 25, 60)) == list(range(25))
    assert not cached.waveform(clip, -1.0, 1.0, 16000).any()


def test_cached_reader_decodes_once_until_the_file_changes(tmp_path: Path) -> None:
    path = media.write_clip(tmp_path / "a.mp4", duration=1)
    counting = _Counting()
    for _ in range(3):
        CachedReader(counting, 48, 16000).frames(path, 0.0, 1.0, 5)
    assert counting.decoded == 1
    assert len(list((tmp_path / ".unlabelled" / "decoded").iterdir())) == 1
    media.write_clip(path, duration=2)
    assert media.read_numbers(CachedReader(counting, 48, 16000).frames(path, 1.0, 1.0, 25)) == list(
        range(25, 50)
    )
    assert counting.decoded == 2


def test_cached_reader_replaces_a_broken_copy(clip: str, tmp_path: Path) -> None:
    counting = _Counting()
    cached = CachedReader(counting, 48, 16000, str(tmp_path))
    cached.frames(clip, 0.0, 1.0, 5)
    (copy,) = tmp_path.iterdir()
    for content in (b"", copy.read_bytes()[:1000], b"nonsense" * 100):
        copy.write_bytes(content)
        assert media.read_numbers(cached.frames(clip, 0.0, 1.0, 25)) == list(range(25))
    assert counting.decoded == 4
    assert [file.name for file in tmp_path.iterdir()] == [copy.name]


@pytest.mark.parametrize("seed", range(4))
def test_cached_reader_believes_no_changed_byte(seed: int, clip: str, tmp_path: Path) -> None:
    cached = CachedReader(PyAVReader(), 24, 8000, str(tmp_path))
    frames, waveform = cached.frames(clip, 1.0, 1.0, 25), cached.waveform(clip, 1.0, 1.0, 8000)
    (copy,) = tmp_path.iterdir()
    content = copy.read_bytes()
    rng = np.random.default_rng(seed)
    header = 16 + int.from_bytes(content[:8], "little")
    for position in (
        *range(seed, 16, 4),
        *rng.integers(16, header, 4),
        *rng.integers(header, len(content), 8),
    ):
        changed = bytearray(content)
        changed[position] ^= 1 << int(rng.integers(8))
        copy.write_bytes(changed)
        np.testing.assert_array_equal(cached.frames(clip, 1.0, 1.0, 25), frames)
        np.testing.assert_array_equal(cached.waveform(clip, 1.0, 1.0, 8000), waveform)


def test_cached_reader_does_not_take_the_copy_of_another_file(clip: str, tmp_path: Path) -> None:
    other = media.write_clip(tmp_path / "b.mp4", duration=1, fps=30)
    folder = tmp_path / "decoded"
    cached = CachedReader(PyAVReader(), 48, 16000, str(folder))
    assert cached.info(clip).fps == 25
    (copy,) = folder.iterdir()
    assert cached.info(other).fps == 30
    (of_other,) = set(folder.iterdir()) - {copy}
    copy.write_bytes(of_other.read_bytes())
    assert cached.info(clip).fps == 25


def test_cached_reader_goes_to_the_users_folder_when_the_data_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = media.write_clip(tmp_path / "data" / "a.mp4")
    (tmp_path / "data" / ".unlabelled").write_text("a file, so that no folder can be made here")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert media.read_numbers(CachedReader(PyAVReader(), 48, 16000).frames(path, 0.0, 1.0, 25)) == list(
        range(25)
    )
    assert len(list((tmp_path / "cache" / "unlabelled").rglob("*.clip"))) == 1


def test_cached_reader_returns_frames_whose_audio_is_damaged(tmp_path: Path) -> None:
    path = media.write_clip(tmp_path / "a.mp4")
    cached = CachedReader(_Deaf(), 48, 16000, str(tmp_path / "decoded"))
    assert media.read_numbers(cached.frames(path, 0.0, 1.0, 25)) == list(range(25))
    with pytest.raises(DecodeError, match="undecodable: noise"):
        cached.waveform(path, 0.0, 1.0, 16000)


class _Deaf(PyAVReader):
    def all_audio(self, path: str, sample_rate: int):  # type: ignore[no-untyped-def]
        raise DecodeError(path, "undecodable: noise")


def test_cached_reader_names_both_sample_rates(clip: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"16000 Hz.*24000 Hz"):
        CachedReader(PyAVReader(), 48, 16000, str(tmp_path)).waveform(clip, 0.0, 1.0, 24000)


def test_readers_fit_the_protocol(clip: str) -> None:
    for reader in (PyAVReader(), DecordReader()):
        timestamps, frames = reader.all_frames(clip, 24)
        assert frames.shape == (100, 24, 32, 3)
        np.testing.assert_allclose(timestamps, np.arange(100) / 25, atol=1e-9)
