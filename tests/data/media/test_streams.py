"""The choice of streams, their begins and ends, and what is refused because of them."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests._helpers import media_files as media
from tests._helpers.audio_files import write_tone
from tests._helpers.media_matrix import Kind, write
from tests.conftest import ROOT
from unlabelled.data.datasets import ClipDataset
from unlabelled.data.media import CachedReader, DecordReader, Entry, PyAVReader, Requirements, build_index
from unlabelled.data.media.probe import probe
from unlabelled.data.media.reader import DecodeError, Reader
from unlabelled.pipelines import AudioPipeline, AudioVisualPipeline
from unlabelled.transforms import LogMel

WALL_CLOCK = 7200.0


@pytest.fixture(params=["pyav", "decord", "cached"])
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> Reader:
    if request.param == "cached":
        return CachedReader(PyAVReader(), 48, 16000, str(tmp_path / "decoded"))
    return PyAVReader() if request.param == "pyav" else DecordReader()


# --- choice of streams -------------------------------------------------------------------------------------


@pytest.mark.parametrize("flagged", [True, False])
def test_a_thumbnail_before_the_video_is_not_read(flagged: bool, reader: Reader, tmp_path: Path) -> None:
    video = media.write_clip(tmp_path / "video.mp4", duration=3)
    image = media.write_clip(tmp_path / "image.mp4", duration=1, size=(32, 32), bframes=0)
    streams = [(image, "video", flagged), (video, "video", not flagged), (video, "audio", True)]
    path = media.join_streams(tmp_path / "both.mkv", streams, first_packets=1)
    plain = media.join_streams(tmp_path / "one.mkv", streams[1:])
    shown = media.read_numbers(reader.frames(path, 1.5, 0.4, 5))
    assert shown == media.read_numbers(reader.frames(plain, 1.5, 0.4, 5)) == [35, 38, 40, 43, 45]
    assert reader.info(path).duration == pytest.approx(3.0, abs=0.1)
    assert (reader.info(path).width, reader.info(path).height) == (64, 48)
    assert probe(path, True, True, 2.5).reason is None


def test_the_default_video_is_read_else_the_longest(reader: Reader, tmp_path: Path) -> None:
    short = media.write_clip(tmp_path / "short.mp4", duration=1, size=(32, 32))
    long = media.write_clip(tmp_path / "long.mp4", duration=3)
    for flagged, width in ((0, 32), (1, 64), (None, 64)):
        streams = [(path, "video", number == flagged) for number, path in enumerate((short, long))]
        path = media.join_streams(tmp_path / f"{flagged}.mkv", streams)
        assert reader.info(path).width == width
        assert media.read_numbers(reader.frames(path, 0.22, 0.4, 2)) == [5, 15]
        assert reader.frames(path, 0.2, 0.4, 2, 24).shape[1:3] == (24, width // 2 if width == 64 else 24)


def test_the_default_audio_track_is_read(reader: Reader, tmp_path: Path) -> None:
    video = media.write_clip(tmp_path / "video.mp4", duration=2)
    silent = media.write_clip(tmp_path / "silent.mp4", duration=2, size=None, clicks=[])
    streams = [(video, "video", True), (silent, "audio", False), (video, "audio", True)]
    path = media.join_streams(tmp_path / "both.mp4", streams)
    assert len(media.click_positions(reader.waveform(path, 0.5, 1.0, 16000), 16000)) == 4


# --- begins and ends ---------------------------------------------------------------------------------------


def _wall_clock(folder: Path, name: str, late: str, second: float = WALL_CLOCK) -> str:
    plain = media.write_clip(folder / "plain.mp4", duration=2)
    shift = lambda kind, _: second if kind == late else 0.0  # noqa: E731
    return media.remux(plain, folder / f"late_{late}.{name}", shift)


@pytest.mark.parametrize("name", ["mp4", "mkv"])
def test_audio_by_another_clock_is_refused(name: str, reader: Reader, tmp_path: Path) -> None:
    path = _wall_clock(tmp_path, name, "audio")
    numbers = media.read_numbers(reader.frames(path, 0.5, 0.4, 5))
    assert numbers[0] == 12
    assert np.diff(numbers).tolist() in ([2, 3, 2, 2], [3, 2, 3, 2])
    with pytest.raises(
        DecodeError, match=r"different times: its audio begins at 7\d\d\d\.\d\d s, its video ends"
    ):
        reader.waveform(path, 0.5, 1.0, 16000)
    for needs in ((True, True), (False, True)):
        found = probe(path, *needs, 1.0)
        assert found.reason == "video and audio of different times"
        assert "its audio begins at" in found.detail
    assert probe(path, True, False, 1.0)[:3] == (2.0, None, 0.0)


def test_video_by_another_clock_is_refused(reader: Reader, tmp_path: Path) -> None:
    path = _wall_clock(tmp_path, "mkv", "video")
    with pytest.raises(DecodeError, match="different times: its video begins at"):
        reader.frames(path, 0.5, 0.4, 5)
    assert len(media.click_positions(reader.waveform(path, 0.5, 1.0, 16000), 16000)) == 4
    assert probe(path, True, False, 1.0).reason == "video and audio of different times"


def test_memory_does_not_depend_on_time_stamps(tmp_path: Path) -> None:
    plain = media.write_clip(tmp_path / "plain.mp4", duration=2)
    jump = lambda kind, second: 1e6 if kind == "audio" and second > 1 else 0.0  # noqa: E731
    path = media.remux(plain, tmp_path / "jump.mkv", jump)
    cached = CachedReader(PyAVReader(), 48, 16000, str(tmp_path / "decoded"))
    tracemalloc.start()
    for reader in (cached, PyAVReader()):
        assert len(media.click_positions(reader.waveform(path, 0.1, 0.8, 16000), 16000)) == 3
        with pytest.raises(DecodeError, match=r"undecodable: no audio from 1\.60 s to 100000"):
            reader.waveform(path, 1.2, 0.4, 16000)
    assert tracemalloc.get_traced_memory()[1] < 30e6
    tracemalloc.stop()
    assert sum(file.stat().st_size for file in (tmp_path / "decoded").iterdir()) < 2e6


@pytest.mark.parametrize(("late", "kinds"), [("audio", "mkv"), ("video", "mp4")])
def test_a_late_stream_is_read_from_where_it_has_begun(late: str, kinds: str, tmp_path: Path) -> None:
    path = Path(_wall_clock(tmp_path, kinds, late, 0.8))
    root, entries = str(tmp_path), [Entry(path.name, 0)]
    index = build_index(root, "train", entries, Requirements(min_duration=1.0), progress=False)
    assert index.late == {path.name: pytest.approx(0.8, abs=0.07)}
    assert index.durations[0] == pytest.approx(1.2, abs=0.07)
    assert f"begin late 1 ({path.name}: from 0." in index.summary()
    pipeline = AudioVisualPipeline(
        num_frames=4, fps=4, crop=32, train_short_side=(32, 32), eval_short_side=32,
        audio=LogMel(sample_rate=16000, num_filters=20, num_frames=50),
    )  # fmt: skip
    sample = ClipDataset(index, PyAVReader(), pipeline, train=False)[0]
    assert not sample["silent"]
    assert len(sample["video"].flatten(2).unique(dim=1)[0]) > 1  # not the first frame, repeated


# --- shapes, channels, values ------------------------------------------------------------------------------


def test_a_frame_in_a_wrong_place_of_a_damaged_file_shifts_no_other(tmp_path: Path) -> None:
    whole = media.write_clip(tmp_path / "whole.mkv", duration=4, gop=12, bframes=0, layout=None)
    moved = str(tmp_path / "moved.mkv")
    with av.open(whole) as source, av.open(moved, "w") as target:
        video = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.dts is not None]
        order = [*packets[:24], packets[72], *packets[24:72], *packets[73:]]
        stamps = sorted(packet.pts for packet in packets)
        for packet, stamp in zip(order, stamps, strict=True):
            packet.stream, packet.dts = video, stamp - 2 * stamps[1]
            target.mux(packet)
    reader = PyAVReader()
    with pytest.raises(DecodeError, match=r"its time stamps run backwards at 2\.88 s"):
        reader.all_frames(moved)
    assert media.read_numbers(reader.frames(moved, 0.0, 0.8, 20))[:19] == list(range(19))


def test_lost_frames_of_avi_do_not_give_later_ones_their_times(tmp_path: Path) -> None:
    path = write(Kind("avi", video="mpeg4", audio="libmp3lame"), tmp_path)
    with av.open(path) as container:
        places = [entry.pos for entry in container.streams.video[0].index_entries]
    content = bytearray(Path(path).read_bytes())
    for place in places[14:17]:  # after the second keyframe
        content[place : place + 4] = b"lost"
    Path(path).write_bytes(content)
    reader = PyAVReader()
    assert probe(path, True, True, 0.5).reason is None  # its beginning and its end are read
    assert np.ptp([media.read_number(frame) for frame in reader.frames(path, 1.1, 0.4, 4)]) > 5
    for read in (lambda: reader.frames(path, 0.6, 0.3, 4), lambda: reader.all_frames(path)):
        with pytest.raises(DecodeError, match="frames are missing, or not where its index has them"):
            read()


def test_frames_of_a_codec_that_stores_them_in_order_are_not_sorted(tmp_path: Path) -> None:
    whole = write(Kind("webm", video="libvpx", audio="", gop=12), tmp_path)
    moved = str(tmp_path / "moved.webm")
    with av.open(whole) as source, av.open(moved, "w") as target:
        video = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.dts is not None]
        stamps = [packet.pts for packet in packets]
        order = [*stamps[:10], *stamps[14:], *stamps[10:14]]
        for number, (packet, stamp) in enumerate(zip(packets, order, strict=True)):
            packet.stream, packet.pts, packet.dts = video, stamp, number
            target.mux(packet)
    with pytest.raises(DecodeError, match="its time stamps run backwards"):
        PyAVReader().all_frames(moved)


def _with_aspect(path: Path, aspect: Fraction) -> str:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.codec_context.sample_aspect_ratio = aspect
        for number in range(25):
            frame = av.VideoFrame.from_ndarray(media.paint_number(number, (160, 120)), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return str(path)


@pytest.mark.parametrize(
    ("aspect", "short_side", "shape"),
    [
        (Fraction(2), 60, (60, 160)),
        (Fraction(2), None, (120, 320)),
        (Fraction(1, 2), 60, (90, 60)),
        (Fraction(16, 11), 60, (60, 116)),
        (Fraction(100), 60, (60, 80)),
    ],
)
def test_pixels_that_are_not_square_are_stretched(
    aspect: Fraction, short_side: int | None, shape: tuple[int, int], tmp_path: Path
) -> None:
    path = _with_aspect(tmp_path / "a.mp4", aspect)
    frames = PyAVReader().frames(path, 0.2, 0.4, 3, short_side)
    assert frames.shape[1:3] == shape
    assert media.read_numbers(frames) == [5, 9, 14]


def _surround(path: Path) -> str:
    """Write PCM audio of 7.1 channels in MOV, whose order PyAV 18 frees twice."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=48000, layout="7.1")
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for number in range(25):
            frame = av.VideoFrame.from_ndarray(media.paint_number(number, (64, 48)), format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        samples = np.zeros((1, 48000 * 8), np.int16)
        audio = av.AudioFrame.from_ndarray(samples, format="s16", layout="7.1")
        audio.sample_rate = 48000
        container.mux(stream.encode(audio))
        container.mux(stream.encode(None))
    content = path.read_bytes()
    begin = content.index(b"chan") + 8  # after the version: a tag, a bitmap of channels
    path.write_bytes(content[:begin] + bytes.fromhex("0080000800000000") + content[begin + 8 :])
    return str(path)


_READ_SURROUND = """
import sys
from unlabelled.data.media import PyAVReader
from unlabelled.data.media.reader import DecodeError
for _ in range(3):
    assert PyAVReader().info(sys.argv[1]).channels == 8
    assert PyAVReader().frames(sys.argv[1], 0.2, 0.4, 3).shape == (3, 48, 64, 3)
    try:
        PyAVReader().waveform(sys.argv[1], 0.0, 0.5, 16000)
    except DecodeError as error:
        print(error.reason)
"""


def test_channels_in_an_order_that_aborts_pyav_are_refused(tmp_path: Path) -> None:
    path = _surround(tmp_path / "surround.mov")
    command = [sys.executable, "-c", _READ_SURROUND, path]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)  # an abort would end the tests
    reason = "undecodable: the order of its audio channels is not supported: 8 channels (FL+FR+FC+LFE"
    assert [line.startswith(reason) for line in done.stdout.splitlines()] == [True] * 3, done.stderr


def test_what_ends_a_process_ends_that_of_the_check_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even without workers: the module that a file is checked with aborts."""
    media.write_clip(tmp_path / "a.mp4")
    (tmp_path / "sitecustomize.py").write_text(
        "import unlabelled.data.media.probe as module, os\nmodule.probe = lambda *needs: os.abort()\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    with pytest.raises(ValueError, match=r"undecodable 1 \(a\.mp4: it crashes its decoder"):
        build_index(str(tmp_path), "train", [Entry("a.mp4", 0)], Requirements(), 0, progress=False)


def _with_holes(path: Path) -> str:
    """Write float audio of 3 s; after 1.5 s there are NaN and infinite values."""
    seconds = np.arange(3 * 16000) / 16000
    track = (0.3 * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32)
    track[24000:24010], track[24100] = np.nan, np.inf
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(track[None], format="flt", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.name


@pytest.mark.parametrize(
    "reader", [PyAVReader(), CachedReader(PyAVReader(), 48, 16000)], ids=["pyav", "cached"]
)
def test_audio_that_is_not_finite_is_replaced(
    reader: Reader, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_tone(tmp_path / "good.wav", 440, seconds=3)
    entries = [Entry(_with_holes(tmp_path / "holes.wav"), 0), Entry("good.wav", 0)]
    needs = Requirements(video=False, min_duration=1.0)
    index = build_index(str(tmp_path), "train", entries, needs, progress=False)
    pipeline = AudioPipeline(LogMel(sample_rate=16000, num_filters=20, num_frames=50))
    sample = ClipDataset(index, reader, pipeline, train=False)[0]
    assert (sample["index"].item(), sample["replaced"].item()) == (1, 0)
    assert sample["audio"].isfinite().all()
    assert "holes.wav: its audio has values that are not finite" in caplog.text
