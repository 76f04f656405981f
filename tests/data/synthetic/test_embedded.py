"""The embedded data set is checked as a reader would see it: through the files, decoded with PyAV."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from unlabelled.data.synthetic.contact_sheet import contact_sheet
from unlabelled.data.synthetic.embedded import write_embedded, writer
from unlabelled.data.synthetic.embedded.canvas import Canvas, Shape, block, disc, ring, stroke
from unlabelled.data.synthetic.embedded.classes import LEAVES, TEMPO
from unlabelled.data.synthetic.embedded.clip import SAMPLE_RATES, ClipJob, write_clip
from unlabelled.data.synthetic.embedded.colours import Colours
from unlabelled.data.synthetic.embedded.motion import Drift, spread
from unlabelled.data.synthetic.embedded.notes import Score, draw_score
from unlabelled.data.synthetic.embedded.scenes import ROAMING, SCENES, Painter
from unlabelled.data.synthetic.embedded.video import SceneVideo, draw_cuts
from unlabelled.data.synthetic.embedded.waveforms import SYNTHESISERS, render_audio

SMALL = {"duration": 1.0, "size": (64, 48), "num_workers": 0, "progress": False}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embedded") / "data"
    write_embedded(str(folder), seed=3, train_per_class=2, test_per_class=1, **SMALL)
    return folder


def read(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def digests(root: Path) -> dict[str, str]:
    files = [p for p in root.rglob("*") if p.is_file()]
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_classes_need_both_senses() -> None:
    by_family: dict[str, list[Any]] = {}
    for leaf in LEAVES:
        by_family.setdefault(leaf.family, []).append(leaf)
    assert len({(leaf.scene, leaf.audio) for leaf in LEAVES}) == len(LEAVES) == 9
    assert {len(v) for v in by_family.values()} == {3}
    assert len({leaf.scene for leaf in LEAVES}) == len({leaf.audio for leaf in LEAVES}) == 6
    for sense in ("scene", "audio"):  # families share neither scenes nor audio
        homes = Counter(key for key, _ in {(getattr(leaf, sense), leaf.family) for leaf in LEAVES})
        assert set(homes.values()) == {1}
    assert set(TEMPO) == set(by_family)


def test_layout_is_vggsounds(root: Path) -> None:
    rows = read(root / "vggsound.csv")
    assert Counter((label, split) for _, _, label, split in rows) == {
        (leaf.name, split): n for leaf in LEAVES for split, n in (("train", 2), ("test", 1))
    }
    ids = [row[0] for row in rows]
    assert len(set(ids)) == 27
    assert all(len(i) == 11 for i in ids)
    assert {"-", "_"} <= {i[0] for i in ids}
    assert all(0 <= int(row[1]) <= 300 for row in rows)
    expected = {f"{row[0]}_{int(row[1]):06d}.mp4" for row in rows}
    assert {p.name for p in (root / "video").iterdir()} == expected
    assert [row[:2] for row in read(root / "classes.csv")[1:]] == [[x.name, x.family] for x in LEAVES]


def test_captions_name_what_is_there(root: Path) -> None:
    labels = {row[0]: row[2] for row in read(root / "vggsound.csv")}
    captions = dict(read(root / "captions.csv")[1:])
    assert captions.keys() == labels.keys()
    words = {"drum": ("drum",), "beacon": ("beacon", "light"), "lamp": ("lamp", "light"), "car": ("car",),
             "harp": ("harp",), "fiddle": ("fiddle", "violin")}  # fmt: skip
    for name, caption in captions.items():
        assert any(word in caption for word in words[labels[name].split()[0]]), caption
        assert "{" not in caption
    assert not any("{" in row[2] for row in read(root / "classes.csv"))


def test_files_are_h264_and_aac_of_the_right_length(root: Path) -> None:
    rates = set()
    for path in (root / "video").iterdir():
        with av.open(str(path)) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
            assert (video.width, video.height, video.pix_fmt) == (64, 48, "yuv420p")
            assert 15 <= video.average_rate <= 30
            frames = [f.time for f in container.decode(video=0)]
            rates.add((audio.rate, audio.channels))
            assert len(frames) == round(video.average_rate)
            assert frames[0] == 0
        with av.open(str(path)) as container:
            waveform = np.concatenate([f.to_ndarray().mean(0) for f in container.decode(audio=0)])
        assert abs(len(waveform) / audio.rate - 1.0) < 0.08  # AAC fills up its last block of 1024
        assert 0.05 < np.abs(waveform).max() <= 1.1
    assert len(rates) > 2


def test_same_bytes_from_the_same_seed_on_any_number_of_processes(root: Path, tmp_path: Path) -> None:
    again = {**SMALL, "num_workers": 2}
    write_embedded(str(tmp_path), seed=3, train_per_class=2, test_per_class=1, **again)
    assert digests(tmp_path) == digests(root)


def test_counts_leave_other_clips_alone_and_seeds_do_not(root: Path, tmp_path: Path) -> None:
    write_embedded(str(tmp_path / "fewer"), seed=3, train_per_class=1, test_per_class=0, **SMALL)
    fewer = digests(tmp_path / "fewer" / "video")
    assert len(fewer) == 9
    assert fewer.items() <= digests(root / "video").items()
    write_embedded(str(tmp_path / "other"), seed=4, train_per_class=1, test_per_class=0, **SMALL)
    assert not set(digests(tmp_path / "other" / "video").values()) & set(fewer.values())


def test_finished_is_kept_changed_is_rewritten_interrupted_is_repaired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(seed: int) -> None:
        write_embedded(str(tmp_path), seed=seed, train_per_class=1, test_per_class=0, **SMALL)

    write(0)
    first, times = digests(tmp_path), {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    write(0)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == times
    write(1)
    assert json.loads((tmp_path / "COMPLETE.json").read_text())["seed"] == 1
    assert not digests(tmp_path / "video").keys() & {k.removeprefix("video/") for k in first}

    def fail_late(job: ClipJob) -> object:
        if job.leaf == 5:
            raise KeyboardInterrupt
        return write_clip(job)

    with monkeypatch.context() as patch:
        patch.setattr(writer, "write_clip", fail_late)
        with pytest.raises(KeyboardInterrupt):
            write(0)
    assert json.loads((tmp_path / "COMPLETE.json").read_text())["seed"] == 1  # still whole
    assert len(digests(tmp_path / "video")) == 9
    write(0)
    assert digests(tmp_path) == first


def test_killed_call_leaves_no_workers_and_is_repaired(root: Path, tmp_path: Path) -> None:
    """Workers end with a call that is killed and cannot clean up; the next call repairs the folder."""
    code = (
        "from unlabelled.data.synthetic.embedded import write_embedded as w;"
        f"w({str(tmp_path)!r}, seed=3, train_per_class=500, num_workers=2, progress=False)"
    )
    with subprocess.Popen([sys.executable, "-c", code], start_new_session=True) as process:
        while not list(tmp_path.glob(".partial-*/video/*.mp4")):
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
    write_embedded(str(tmp_path), seed=3, train_per_class=2, test_per_class=1, **SMALL)
    assert digests(tmp_path) == digests(root)
    for _ in range(250):  # the workers share the killed process's group
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    pytest.fail("workers outlived the process that started them by five seconds")


def test_a_folder_of_other_files_is_refused(tmp_path: Path) -> None:
    theirs = tmp_path / "vggsound.csv"
    theirs.write_text("theirs")
    with pytest.raises(FileExistsError, match=r"vggsound\.csv"):
        write_embedded(str(tmp_path), **SMALL)
    assert theirs.read_text() == "theirs"


@pytest.mark.parametrize(
    ("argument", "value"),
    [("seed", -1), ("train_per_class", -1), ("duration", 0.1), ("size", (65, 48)), ("num_workers", -1)],
)
def test_bad_arguments_are_named(tmp_path: Path, argument: str, value: object) -> None:
    with pytest.raises(ValueError, match=argument):
        write_embedded(str(tmp_path / "x"), **{**SMALL, argument: value})
    assert not (tmp_path / "x").exists()


def test_video_and_audio_beat_together(tmp_path: Path) -> None:
    """Each loudest rise of the clicks coincides with a jump of the video within one frame."""
    job = ClipJob(
        str(tmp_path), 0, "train", [leaf.name for leaf in LEAVES].index("drum clicking"), 0, 4.0, (64, 48)
    )
    row = write_clip(job)
    path = tmp_path / f"{row.youtube_id}_{row.start:06d}.mp4"
    with av.open(str(path)) as container:
        frames = [(f.time, f.to_ndarray(format="gray").astype(float)) for f in container.decode(video=0)]
    with av.open(str(path)) as container:
        rate = container.streams.audio[0].rate
        waveform = np.concatenate([f.to_ndarray().mean(0) for f in container.decode(audio=0)])
    block_energy = (
        waveform[: len(waveform) // (rate // 100) * (rate // 100)].reshape(-1, rate // 100) ** 2
    ).sum(1)
    loud = block_energy > 0.2 * block_energy.max()
    onsets = [i * 0.01 for i in range(1, 385) if loud[i] and not loud[max(i - 10, 0) : i].any()]
    assert len(onsets) >= 5
    change = np.asarray([np.abs(b[1] - a[1]).mean() for a, b in pairwise(frames)])
    times, frame = np.asarray([t for t, _ in frames[1:]]), frames[1][0]
    for onset in onsets:
        near = np.abs(times - onset) < 0.12  # a cut is farther off
        jump = times[near][np.argmax(change[near])]
        assert abs(jump - onset) < frame + 0.015


@pytest.mark.parametrize("name", SCENES)
def test_box_holds_all_that_was_painted(name: str) -> None:
    """Frames with and without the object differ inside the box only, up to its edges."""
    width, height = 96, 64
    for seed in range(3):
        score = draw_score(np.random.default_rng(seed), 2.0, (1.5, 2.0))

        def video(paint: Painter, seed: int = seed, score: Score = score) -> SceneVideo:
            return SceneVideo(
                np.random.default_rng(seed), paint, score, 2.0, (width, height), name in ROAMING
            )

        full, empty = video(SCENES[name](np.random.default_rng(0), score)), video(lambda *_: None)
        for moment in (0.0, 0.4, 1.3):
            x0, y0, x1, y1 = np.asarray(full.box(moment)) * (width, height, width, height)
            rows, columns = np.nonzero((full.frame(moment) != empty.frame(moment)).any(axis=2))
            found = np.asarray([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            # A slanted end may touch its box less tightly than an upright one.
            np.testing.assert_allclose(found, (x0, y0, x1, y1), atol=3.0)
            assert (found[:2] >= np.asarray([x0, y0]) - 1.5).all()
            assert (found[2:] <= np.asarray([x1, y1]) + 1.5).all()


def test_boxes_are_sampled_every_quarter_second(root: Path) -> None:
    rows = read(root / "boxes.csv")[1:]
    times: dict[str, list[float]] = {}
    for name, moment, *box in rows:
        times.setdefault(name, []).append(float(moment))
        x0, y0, x1, y1 = map(float, box)
        assert 0 <= x0 < x1 <= 1
        assert 0 <= y0 < y1 <= 1
    assert list(times.values()) == [[0.0, 0.25, 0.5, 0.75]] * 27


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        (disc(20.3, 19.6, 9.0), np.pi * 81),
        (ring(20.0, 20.0, 9.0, 3.0), np.pi * (10.5**2 - 7.5**2)),
        (block(20.2, 20.7, 8.0, 5.0, 2.0), 160 - (4 - np.pi) * 4),
        (stroke((12.0, 14.0), (24.0, 23.0), 3.0), 15 * 6 + np.pi * 9),
    ],
)
def test_shapes_cover_their_area(shape: Shape, area: float) -> None:
    canvas = Canvas(40, 40)
    canvas.paint(shape, np.ones(3, dtype=np.float32))
    assert canvas.pixels[0].sum() == pytest.approx(area, rel=0.02)


def test_object_always_stands_out_from_its_background() -> None:
    luma = np.asarray([0.299, 0.587, 0.114])
    for seed in range(20):
        colours = Colours(np.random.default_rng(seed), 4.0)
        for moment in np.linspace(0, 4, 41).tolist():
            for dark in (True, False):
                palette = colours.at(moment, dark)
                body, *behind = (float(c @ luma) for c in (palette.body, *palette.background))
                steps = [body - b if dark else b - body for b in behind]
                assert min(steps) > 0.339
                parts = (palette.body, palette.ink, *palette.background)
                assert all(((c >= 0) & (c <= 1)).all() for c in parts)


def test_drift_moves_far_within_a_second_or_two_and_stays_in_range() -> None:
    times = np.linspace(0, 4, 401)
    paths = np.stack([Drift(np.random.default_rng(s), 4.0, 2.0, 5.0).over(times) for s in range(300)])
    assert (paths >= 2).all()
    assert (paths <= 5).all()
    assert np.abs(np.diff(paths)).max() < 0.1  # no jumps: at most 1.5 * 3 * 0.01 / 0.7
    assert np.ptp(paths, axis=1).min() > 1.0
    seconds = paths[:, :400].reshape(300, 4, 100).mean(axis=2)
    assert abs(np.corrcoef(seconds[:, 0], seconds[:, 2])[0, 1]) < 0.4
    drift = Drift(np.random.default_rng(0), 4.0, 2.0, 5.0)
    np.testing.assert_allclose(paths[0, ::50], [drift.at(t) for t in times[::50].tolist()], atol=1e-6)


def test_spread_covers_the_range_with_few_values() -> None:
    draws = np.stack([spread(np.random.default_rng(seed), 5) for seed in range(300)])
    assert np.abs(draws.mean(axis=0) - 0.5).max() < 0.06
    # Five independent values would have means with a deviation of 0.29 / sqrt(5) = 0.13.
    assert draws.mean(axis=1).std() < 0.1
    steps = np.abs(np.diff(draws, axis=1))
    assert steps.min() > 0.25


@pytest.mark.parametrize("family", TEMPO)
def test_cuts_fall_between_onsets(family: str) -> None:
    for seed in range(50):
        score = draw_score(np.random.default_rng(seed), 4.0, TEMPO[family])
        cuts = draw_cuts(np.random.default_rng(seed), score, 4.0)
        assert len(cuts) >= 2
        assert all(0 < a < b < 4 for a, b in pairwise(cuts))
        distances = np.abs(np.asarray(cuts)[:, None] - score.onsets).min(axis=1)
        assert distances.min() > 0.34 / TEMPO[family][1]


@pytest.mark.parametrize("family", TEMPO)
def test_tempo_stays_in_its_range_and_changes(family: str) -> None:
    low, high = TEMPO[family]
    for seed in range(20):
        score = draw_score(np.random.default_rng(seed), 4.0, (low, high))
        rates = 1 / np.diff(score.onsets)
        assert low <= rates.min() < 0.9 * rates.max()
        assert rates.max() <= high
        assert (score.onsets < 0).sum() >= 3
        assert score.onsets[-1] > 4.0


@pytest.mark.parametrize("name", SYNTHESISERS)
@pytest.mark.parametrize("rate", SAMPLE_RATES)
def test_audio_is_valid_and_as_loud_as_documented(name: str, rate: int) -> None:
    score = draw_score(np.random.default_rng(0), 1.0, (2.0, 2.0))
    for channels in (1, 2):
        waveform = render_audio(np.random.default_rng(channels), name, score, 1.0, rate, channels)
        assert waveform.shape == (channels, rate)
        assert np.isfinite(waveform).all()
        assert np.abs(waveform).max() == pytest.approx(0.9, abs=1e-3)


def test_score_counts_cycles_from_onset_to_onset() -> None:
    score = Score(np.asarray([-1.0, 0.0, 2.0, 3.0]), np.asarray([0.1, 0.2, 0.3, 0.4]))
    assert score.cycle(1.0) == 1.5
    assert (score.since(2.5), score.strength(2.5)) == (0.5, 0.3)
    assert score.since(2.0) == 0.0
    np.testing.assert_allclose(score.times(np.asarray([0.5, 1.5, 3.0])), [-0.5, 1.0, 3.0])


def test_contact_sheet_shows_every_class(root: Path, tmp_path: Path) -> None:
    contact_sheet(str(root), str(tmp_path / "sheet.png"), clips_per_class=2)
    with av.open(str(tmp_path / "sheet.png")) as container:
        sheet = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert sheet.shape[0] > 900
    inked = (sheet < 200).any(axis=(1, 2))
    assert inked.mean() > 0.8  # rows from top to bottom, and not one corner of an empty page
    with pytest.raises(ValueError, match="clips_per_class is 4"):
        contact_sheet(str(root), str(tmp_path / "x.png"))
