"""``real-data``: fetch photographs and a sound font, and compose the garments data set."""

from __future__ import annotations

import argparse
import logging
import sys

from unlabelled.data.real import get_fashion_mnist, get_sound_font
from unlabelled.data.synthetic.composed import GarmentsSet, write_composed


def main(argv: list[str]) -> int:
    """Run the command; return 0, or 1 if a source cannot be had."""
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        photographs = get_fashion_mnist(options.root)
        print(photographs.describe())
        sound_font = get_sound_font(options.root, options.sound_font)
        print(sound_font.describe())
        checksums = tuple({**photographs.checksums, **sound_font.checksums}.items())
        write_composed(options.garments, GarmentsSet(photographs.path, sound_font.path, checksums))
    except (OSError, ValueError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"composed clips of datamodules.Garments, in {options.garments}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="unlabelled real-data", description=__doc__)
    parser.add_argument("--root", default="data/real", help="folder of the sources (default: data/real)")
    parser.add_argument("--sound_font", help="another General MIDI sound font, an .sf2 file")
    parser.add_argument(
        "--garments", default="data/garments", help="folder of the clips (default: data/garments)"
    )
    return parser
