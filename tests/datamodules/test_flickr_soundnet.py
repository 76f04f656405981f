"""Flickr-SoundNet in its public layouts: pairs, folders of frames, videos, lists and boxes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import FlickrSoundNet
from datamodules.flickr_files import read_boxes, read_numbers, scan_flickr, video_number
from tests._helpers.audio_files import RATE, write_tone
from tests._helpers.media_files import empty, garbage, write_clip
from unlabelled.contracts import HasBoxes
from unlabelled.data.datasets.samples import SampleKey
from unlabelled.data.media.index import EmptyIndexError
from unlabelled.metrics.localisation import consensus_map
from unlabelled.pipelines import AudioPipeline, AudioVisualPipeline, FrameAndAudio
from unlabelled.transforms import LogMel

BOXES = [(64, 0, 256, 128), (32, 16, 200, 255), (0, 0, 1, 256)]
MEL = LogMel(sample_rate=RATE, num_filters=8, num_frames=20)


def write_image(path: Path, level: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (24, 24), (level, level, level)).save(path)


def annotation(path: Path, boxes: list[tuple[int, int, int, int]] | None = None) -> Path:
    """Write an element per annotator, as published readers of the release expect it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ("xmin", "ymin", "xmax", "ymax")
    body = "".join(
        f"<annotator{n}><bbox><type>1</type>"
        + "".join(f"<{name}>{value}</{name}>" for name, value in zip(names, box, strict=True))
        + f"</bbox></annotator{n}>"
        for n, box in enumerate(BOXES if boxes is None else boxes)
    )
    path.write_text(f"<annotation><filename>{path.stem}</filename>{body}</annotation>")
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three test pairs of the annotated release, training videos of three kinds."""
    for number in ("900", "901", "902"):
        write_image(tmp_path / "Data" / number[-1] / f"{number}.jpg", int(number[-1]) * 50)
        write_tone(tmp_path / "Data" / number[-1] / f"{number}.wav", 440)
        annotation(tmp_path / "Annotations" / f"{number}.xml")
    write_image(tmp_path / "frames" / "10.jpg")
    write_tone(tmp_path / "audio" / "10.wav", 440)
    for frame in (1, 2, 10):
        write_image(tmp_path / "frames" / "videos" / "1" / "11.mp4" / f"frame{frame}.jpg", 10 * frame)
    write_tone(tmp_path / "mp3" / "videos" / "1" / "11.mp4.wav", 440)
    write_clip(tmp_path / "12.mp4", duration=1.0, fps=10)
    (tmp_path / "Flickr_train_144k.txt").write_text("10.wav\n11.wav\n12.wav\n")
    (tmp_path / "test_list.txt").write_text("900.png\n901.png\n902.png\n")
    return tmp_path


def options(root: Path, pipeline: Any = None, **more: Any) -> dict[str, Any]:
    small = AudioVisualPipeline(
        num_frames=1, fps=2.0, crop=16, train_short_side=(20, 20), eval_short_side=20, audio=MEL
    )
    return {"root": str(root), "pipeline": pipeline or small, "num_workers": 0, "index_workers": 0, **more}


def names(data: FlickrSoundNet, split: str) -> list[str]:
    return [Path(path).name for path in data.clip_paths(split)]


def test_pairs_frames_and_videos(root: Path) -> None:
    data = FlickrSoundNet(**options(root))
    data.setup("fit")
    assert names(data, "train") == ["10.wav", "11.mp4.wav", "12.mp4"]
    assert names(data, "val") == ["900.wav", "901.wav", "902.wav"]
    (batch,) = data.val_dataloader()
    assert batch["video"].shape == (3, 3, 1, 16, 16)
    assert batch["audio"].shape == (3, 1, 8, 20)
    assert batch["label"].tolist() == [-1] * 3
    assert batch["replaced"].tolist() == [-1] * 3
    assert torch.unique(batch["video"].mean((1, 2, 3, 4))).numel() == 3
    (train,) = data.pass_dataloader(0)
    assert train["replaced"].tolist() == [-1] * 3


def test_frames_of_a_folder_go_by_their_numbers(root: Path) -> None:
    video = scan_flickr(str(root)).video("11")
    assert video.path == "mp3/videos/1/11.mp4.wav"
    folder = "frames/videos/1/11.mp4"
    assert video.images == [f"{folder}/frame{number}.jpg" for number in (1, 2, 10)]
    data = FlickrSoundNet(frame_seconds=0.25, **options(root))
    data.setup("fit")
    dataset: Any = data.dataset("train", train=False)
    frames = dataset.reader.frames(dataset.path(1), 0.0, 1.0, 4)
    np.testing.assert_allclose(frames.mean((1, 2, 3)), [10, 20, 100, 100], atol=2)


def test_a_frame_and_the_audio_of_its_seconds(root: Path) -> None:
    write_tone(root / "mp3" / "videos" / "1" / "11.mp4.wav", 440, seconds=12)
    pipeline = FrameAndAudio(size=8, audio=MEL, segment=5.0, frame="beginning")
    data = FlickrSoundNet(**options(root, pipeline))
    data.setup("fit")
    dataset: Any = data.dataset("train", train=True)
    seen = set()
    for epoch in range(20):
        sample = dataset[SampleKey(1, epoch)]
        level, second = float(sample["image"].float().mean()), float(sample["frame_second"])
        seen.add((round(level / 10), round(second)))
    assert seen == {(1, 0), (2, 5), (10, 10)}  # frames 1, 2 and 10 are the first, second and third


def test_the_annotated_pair_goes_before_other_copies(root: Path) -> None:
    write_tone(root / "A_first" / "900.wav", 440)
    write_clip(root / "900.mp4", duration=1.0)
    write_image(root / "frames" / "900.mp4" / "1.jpg")
    video = scan_flickr(str(root)).video("900")
    assert video.path == "Data/0/900.wav"
    assert video.images == ["Data/0/900.jpg"]


def test_lists_name_videos_in_many_ways(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("1.wav\n2.png\r\n/hdd/data/3.mp4\n\n4,202\n5\nframes/v/6.mp4/000001.jpg 0 0\n1.mp3\n")
    assert list(read_numbers(path)) == list("123456")
    assert video_number("mp3/7.mp4.mp3") == "7"
    path.write_text("1.wav\nheader,x\n")
    with pytest.raises(ValueError, match=r"list\.txt, line 2: 'header,x' does not name a video"):
        list(read_numbers(path))


def test_other_lists(root: Path) -> None:
    (root / "test_list.txt").unlink()
    (root / "metadata").mkdir()
    (root / "metadata" / "flickr_test.csv").write_text("901,202\n")
    (root / "mine.txt").write_text("12\n")
    data = FlickrSoundNet(train_list="mine.txt", **options(root))
    data.setup("fit")
    assert names(data, "train") == ["12.mp4"]
    assert names(data, "val") == ["901.wav"]
    with pytest.raises(FileNotFoundError, match=r"FlickrSoundNet: none of none\.txt is in root"):
        FlickrSoundNet(test_list="none.txt", **options(root)).setup("test")


def test_boxes_are_fractions_of_the_frame(root: Path) -> None:
    data = FlickrSoundNet(**options(root))
    data.setup("test")
    assert isinstance(data, HasBoxes)
    boxes = data.boxes("test", 1, 0.5)
    assert boxes.shape == (3, 4)
    torch.testing.assert_close(boxes.double() * 256, torch.tensor(BOXES, dtype=torch.float64))
    expected = np.zeros((224, 224))  # as the published evaluation does it
    for x0, y0, x1, y1 in BOXES:
        x0, y0, x1, y1 = (int(224 * value / 256) for value in (x0, y0, x1, y1))
        expected[y0:y1, x0:x1] += 1
    np.testing.assert_array_equal(
        consensus_map(boxes, (224, 224), data.box_agreement).numpy(), np.minimum(expected / 2, 1)
    )


def test_what_is_missing_or_damaged_is_counted_and_named(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (root / "Data" / "0" / "900.jpg").unlink()
    (root / "Annotations" / "901.xml").write_text("<annotation><bbox></annot")
    (root / "frames" / "10.jpg").unlink()
    empty(root / "mp3" / "videos" / "1" / "11.mp4.wav")
    (root / "Flickr_train_144k.txt").write_text("10.wav\n11.wav\n12.wav\n13.wav\n902.wav\n")
    data = FlickrSoundNet(**options(root))
    with caplog.at_level("INFO"), pytest.warns(UserWarning, match=r"901\.xml: not an annotation"):
        data.setup("fit")
    for words in (
        "train: 1 of 5 clips usable; left out 4",
        "without an image 1 (audio/10.wav)",
        "empty file 1 (mp3/videos/1/11.mp4.wav)",
        "missing 1 (13.wav)",
        "in the test list 1 (Data/2/902.wav)",
        "val: 1 of 3 clips usable; left out 2",
        "without an image 1 (Data/0/900.wav)",
        "damaged annotation 1 (Data/1/901.wav)",
    ):
        assert words in caplog.text
    (root / "Annotations" / "902.xml").unlink()
    with (
        pytest.warns(UserWarning, match=r"901\.xml"),
        pytest.raises(
            EmptyIndexError, match=r"no usable video in .* without an annotation 1 \(Data/2/902.wav"
        ),
    ):
        FlickrSoundNet(**options(root)).setup("test")
    with pytest.raises(ValueError, match=r"12\.mp4 of train has no annotation in root"):
        data.boxes("train", 0, 0.0)


def test_a_damaged_image_is_replaced_and_logged(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    garbage(root / "Data" / "1" / "901.jpg")
    data = FlickrSoundNet(**options(root))
    data.setup("test")
    (batch,) = data.test_dataloader()
    assert batch["replaced"].tolist() == [-1, 1, -1]
    assert re.search(r"replaced by another sample: \S*901\.jpg: not an image file", caplog.text)


def test_audio_alone_needs_no_images(root: Path) -> None:
    (root / "Data" / "0" / "900.jpg").unlink()
    data = FlickrSoundNet(**options(root, AudioPipeline(MEL)))
    data.setup("test")
    assert len(data.clip_paths("test")) == 3
    (batch,) = data.test_dataloader()
    assert "video" not in batch


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<a><bbox><x>1</x><y>2</y><z>3</z></bbox></a>", "expected elements `bbox`"),
        ("<a></a>", "expected elements `bbox` that end with xmin"),
        ("<a><bbox><n>0</n><x>1</x><y>b</y><z>3</z><w>4</w></bbox></a>", "not an annotation"),
    ],
)
def test_annotations_are_checked(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "1.xml"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"1\.xml: .*({problem})"):
        read_boxes(path)
