from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import cli
from unlabelled.commands.discover.contents import Contents, Kind
from unlabelled.commands.discover.plan import METHODS, ROOT, make_plan
from unlabelled.commands.discover.speed import Speed, measure

SPEED = Speed(step=0.1, sample=0.01)
VIDEOS = Contents("clips", "videos", 500, (4.0,) * 500)


def test_the_default_is_the_demo_s_number_of_steps() -> None:
    plan = make_plan(VIDEOS, SPEED)
    assert (plan.name, plan.clusters, plan.epochs) == ("selavi", 10, 90)
    assert 225 < plan.fit_seconds < plan.seconds
    assert plan.seconds < 900
    options = plan.fit_options(Path("out"))
    assert "--model.init_args.num_clusters=10" in options
    assert "--trainer.max_epochs=90" in options
    assert f"--data.init_args.root={VIDEOS.folder}" in options


def test_minutes_set_the_number_of_steps() -> None:
    plans = [make_plan(VIDEOS, SPEED, minutes=minutes) for minutes in (10, 20, 10_000)]
    assert plans[0].epochs < plans[1].epochs < plans[2].epochs
    assert plans[2].epochs == 4 * 90
    assert [plan.seconds for plan in plans] == [600, 1200, 600_000]
    with pytest.raises(ValueError, match=r"--minutes 1 is too short here: \d+\.\d are needed at least"):
        make_plan(VIDEOS, SPEED, minutes=1)


def test_a_busy_machine_is_given_more_epochs_than_it_has_time_for_at_present() -> None:
    idle, busy, full = (
        make_plan(VIDEOS, replace(SPEED, slowdown=factor), minutes=10) for factor in (1, 2, 9)
    )
    assert 2 * idle.epochs - 1 <= busy.epochs <= 2 * idle.epochs
    assert full.epochs == min(3 * idle.epochs, 4 * 90)
    assert idle.seconds == busy.seconds == 600
    assert idle.fit_seconds == busy.fit_seconds  # what is promised is not another time
    assert idle.epoch_seconds == busy.epoch_seconds


def test_few_files_have_small_batches_and_few_clusters() -> None:
    plan = make_plan(replace(VIDEOS, count=12, durations=(4.0,) * 12), SPEED)
    assert (plan.batch_size, plan.clusters) == (4, 2)


def test_long_files_are_divided() -> None:
    plan = make_plan(replace(VIDEOS, durations=(60.0,) * 500), SPEED)
    assert "--data.init_args.segment_seconds=10" in plan.options(Path("out"))
    assert plan.epochs == 15


def test_images_are_clustered_by_k_means() -> None:
    plan = make_plan(Contents("i", "images", 640), SPEED, "moco", clusters=7)
    assert not [each for each in plan.fit_options(Path("out")) if "num_clusters" in each]
    assert "--trainer.callbacks.num_clusters=7" in plan.predict_options(Path("out"))


@pytest.mark.parametrize("kind", METHODS)
def test_predict_writes_one_table_of_each_method(kind: Kind) -> None:
    for name in METHODS[kind]:
        plan = make_plan(Contents("f", kind, 64), SPEED, name)
        config = (ROOT / plan.method.config).read_text()
        texts = [config, *plan.predict_options(Path("out"))]
        assert "\n".join(texts).count("callbacks.ClusterPredictions") == 1


def test_a_method_for_other_files_is_refused_with_those_that_fit() -> None:
    with pytest.raises(ValueError, match="videos have selavi, sela; did you mean sela"):
        make_plan(VIDEOS, SPEED, "selavy")


def test_configurations_exist() -> None:
    for methods in METHODS.values():
        for method in methods.values():
            assert (ROOT / method.config).is_file()
            assert (ROOT / method.data).is_file()


def test_the_speed_of_audio_is_less_than_that_of_videos_and_audio() -> None:
    both, audio = measure("videos"), measure("audio files")
    assert both.step > audio.step > 0
    assert both.sample > audio.sample > 0


@pytest.mark.parametrize(
    ("contents", "command"),
    [
        (Contents("i", "images", 640), "predict"),
        (replace(VIDEOS, kind="videos without audio", durations=(60.0,) * 500), "fit"),
    ],
    ids=["images", "videos"],
)
def test_the_options_are_those_of_the_command_line(
    contents: Contents, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = make_plan(contents, SPEED, clusters=7)
    options = plan.fit_options(Path("out")) if command == "fit" else plan.predict_options(Path("out"))
    options = [each for each in options if each != "--ckpt_path=last"]
    with pytest.raises(SystemExit) as stop:
        cli.main([command, *options, "--print_config"])
    assert stop.value.code == 0
    assert "num_clusters: 7" in capsys.readouterr().out
