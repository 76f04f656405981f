"""``python -m unlabelled pack FOLDER OUT``: pack the media files of a folder into shards."""

from __future__ import annotations

import argparse
import sys

from unlabelled.data.left_out import list_left_out
from unlabelled.data.media.pack import pack_folder

_MEBIBYTE = 1 << 20


def main(argv: list[str]) -> int:
    """Run the command; return 0: the folder is packed, 1: it cannot be."""
    parser = argparse.ArgumentParser(
        prog="python -m unlabelled pack",
        description="Pack the media files of a folder, as they are, into tar files with an index. Other "
        "files, such as lists, are copied. Read it with --data.init_args.shards OUT, or its URL.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="the folder")
    parser.add_argument("out", metavar="OUT", help="the folder to write; must be empty or not exist")
    parser.add_argument(
        "--shard-mib", type=int, default=1024, help="size at which a shard is closed (default: %(default)s)"
    )
    parser.add_argument(
        "--allow-outside", action="store_true", help="follow links that lead out of the folder"
    )
    options = parser.parse_args(argv)
    size = options.shard_mib * _MEBIBYTE
    try:
        packed = pack_folder(options.folder, options.out, size, options.allow_outside)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{options.out}: {packed.files} files, {packed.bytes:,} bytes in {packed.shards} shards")
    for text in list_left_out({"copied as they are:": packed.lists}):
        print(text)
    return 0
