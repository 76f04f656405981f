"""Data sets laid over demos: each pair parses, or one line names what does not fit and the demos that do."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

import cli
from tests._helpers.parsing import ROOT, parse
from tests.cli.test_config_files import AUDIO, AUDIO_VISUAL, FEATURES, IMAGES, VIDEOS, ZERO_SHOT
from unlabelled.commands.errors import overlays
from unlabelled.commands.errors.overlays import misfit

KINDS = {
    "images": {"moco", "ressl", "sce", "sela_images", "deepcluster_images", "deepcluster_v2_images"},
    "features": {"eao", "mcn", "sspc"},
    "audio": {"sela_audio"},
    "video": {"deepcluster", "deepcluster_v2", "sce_video", "sela"},
    "video and audio": {"dmc", "gdt", "l3", "recognition", "selavi", "shhc", "xdc"},
}
NEEDED = {demo: kind for kind, demos in KINDS.items() for demo in demos}
HELD = {
    **dict.fromkeys([*AUDIO_VISUAL, "ucf101", "hmdb51"], "video and audio"),
    **dict.fromkeys(VIDEOS.keys() - {"ucf101", "hmdb51"}, "video"),
    **dict.fromkeys(AUDIO, "audio"),
    **dict.fromkeys(IMAGES, "images"),
    **dict.fromkeys([*FEATURES, *ZERO_SHOT], "features"),
}
READS = {"video and audio": {"video", "audio", "video and audio"}}
"""What can be read of a kind of data, other than that kind itself."""


@pytest.fixture(autouse=True)
def _at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(overlays, "_spec", functools.cache(overlays._spec))


OTHER_WIDTHS = FEATURES.keys() - {"embedded_features"}
"""Data sets of features that require a pipeline; the demos have none, as their data set has its own."""


def fits(demo: str, overlay: str) -> bool:
    held = HELD[overlay]
    if overlay in OTHER_WIDTHS:
        return False
    return NEEDED[demo] in READS.get(held, {held})


def files(demo: str, overlay: str) -> list[str]:
    return [f"configs/demo/{demo}.yaml", f"configs/data/{overlay}.yaml"]


def test_every_demo_and_data_set_is_known() -> None:
    assert {path.stem for path in ROOT.glob("configs/demo/*")} == set(NEEDED)
    assert {path.stem for path in ROOT.glob("configs/data/*")} == set(HELD)


@pytest.mark.parametrize("overlay", sorted(HELD))
def test_each_pair_fits_or_has_one_line(overlay: str) -> None:
    fitting = sorted(demo for demo in NEEDED if fits(demo, overlay))
    for demo in NEEDED:
        base, file = files(demo, overlay)
        line = misfit([base, file])
        if demo in fitting:
            assert line is None
            continue
        assert line is not None
        start = f"{file} holds {HELD[overlay]}, {base} learns from {NEEDED[demo]}; "
        if NEEDED[demo] == HELD[overlay]:
            start = f"{file} requires a pipeline, {base} has none; "
        rest = line.removeprefix(start)
        if fitting:
            assert rest == f"demos that fit: {', '.join(fitting)}"
        else:
            assert rest.startswith("no demo fits, but configs/recipes/eao_howto100m.yaml, configs/")
        assert len(line) < 300


@pytest.mark.parametrize("overlay", sorted(HELD))
def test_a_pair_that_fits_parses_with_its_pipeline(overlay: str) -> None:
    fitting = sorted(demo for demo in NEEDED if fits(demo, overlay))
    if not fitting:
        assert overlay in OTHER_WIDTHS
        return
    demo = fitting[sorted(HELD).index(overlay) % len(fitting)]  # one in turn: parsing takes long
    base, file = files(demo, overlay)
    before, after = (
        parse("fit", *(f"--config={each}" for each in given)) for given in ([base], [base, file])
    )
    assert after.model == before.model
    if overlay not in FEATURES:  # a data set of features has word vectors of its own
        assert after.data.init_args.pipeline == before.data.init_args.pipeline


def refused(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    with pytest.raises(SystemExit) as stop:
        cli.main(["fit", *args])
    out, err = capsys.readouterr()
    assert (stop.value.code, out, err.count("\n")) == (2, "", 1)
    return err


@pytest.mark.parametrize(
    ("demo", "overlay"), [("moco", "vggsound"), ("selavi", "cifar10"), ("sela", "zero_shot")]
)
def test_the_command_line_prints_the_line(
    demo: str, overlay: str, capsys: pytest.CaptureFixture[str]
) -> None:
    base, file = files(demo, overlay)
    assert refused(capsys, "--config", base, "--config", file) == f"error: {misfit([base, file])}\n"


def test_another_pipeline_or_data_module_is_taken_as_it_is(tmp_path: Path) -> None:
    base, file = files("moco", "vggsound")
    assert misfit([base, file], ["--data.init_args.pipeline", "LabelledClips"]) is None
    assert misfit([base, file], ["--data=VGGSound"]) is None
    own = tmp_path / "own.yaml"
    own.write_text(
        "data: {class_path: AVE, init_args: {pipeline: {class_path: unlabelled.pipelines.AudioPipeline}}}"
    )
    assert misfit([base, str(own)]) is None
    line = misfit([base, str(own), files("moco", "cifar10")[1]])
    assert line is not None
    assert line.startswith(f"configs/data/cifar10.yaml holds images, {own} learns from audio; ")
    for text in (
        "data: 3",
        "[]",
        "a: [",
        "data: {class_path: no.Module}",
        "data: {init_args: {no_option: 1}}",
    ):
        own.write_text(text)
        overlays._spec.cache_clear()  # type: ignore[attr-defined]
        assert misfit([base, str(own)]) is None
    assert misfit([str(own), base, "missing.yaml"]) is None
