"""Words become vectors, read out of word2vec's file where they stand."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlabelled.data.features import word_vectors
from unlabelled.data.features.stored_text import StoredTextFeatures, write_text_features
from unlabelled.data.features.text_encoder import TextEncoder
from unlabelled.data.features.word_vectors import WordVectors, words_of, write_word2vec
from unlabelled.data.media.reader import DecodeError

WORDS = ["cut", "Onion", "onion", "don't", "über", "New_York"]
DIM = 5


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = str(tmp_path / "vectors.bin")
    write_word2vec(file, WORDS, vectors())
    return file


def vectors(number: int = len(WORDS), dim: int = DIM) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(number, dim)).astype(np.float32)


def brute_force(file: str) -> dict[str, np.ndarray]:
    """Parse the format byte by byte."""
    data = Path(file).read_bytes()
    head, _, rest = data.partition(b"\n")
    count, dim = map(int, head.split())
    found: dict[str, np.ndarray] = {}
    for _ in range(count):
        word, _, rest = rest.partition(b" ")
        found.setdefault(word.strip(b"\n").decode(), np.frombuffer(rest[: 4 * dim], "<f4"))
        rest = rest[4 * dim :]
    return found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Cut the onion, don't cry!", ["Cut", "the", "onion", "don't", "cry"]),
        ("über-fein 3/4 cup New_York", ["über", "fein", "3", "4", "cup", "New_York"]),
        ("  ...  ", []),
        ("", []),
    ],
)
def test_words_of_a_text(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_known_words_keep_their_order_and_case(path: str) -> None:
    stored, encoder = brute_force(path), WordVectors(path)
    tokens, words, unknown = encoder.encode("Cut onion the Onion don't über cut onion", 20)
    expected = [stored[word] for word in ["onion", "Onion", "don't", "über", "cut", "onion"]]
    assert np.array_equal(tokens, expected)
    assert (words, unknown) == (8, 2)
    assert (encoder.dim, len(encoder)) == (DIM, len(WORDS))


def test_the_cut_comes_after_the_unknown_words(path: str) -> None:
    stored = brute_force(path)
    tokens, words, unknown = WordVectors(path).encode("the the onion of cut Onion", 2)
    assert np.array_equal(tokens, [stored["onion"], stored["cut"]])
    assert (words, unknown) == (6, 3)


@pytest.mark.parametrize(("text", "words"), [("", 0), (" .,! ", 0), ("nobody knows", 2)])
def test_texts_without_vectors(path: str, text: str, words: int) -> None:
    encoded = WordVectors(path).encode(text, 20)
    assert encoded.tokens.shape == (0, DIM)
    assert (encoded.num_words, encoded.num_unknown) == (words, words)


@given(
    words=st.lists(
        st.text(st.characters(exclude_characters=" \n", exclude_categories=["Cs"]), min_size=1, max_size=5),
        max_size=30,
    ),
    dim=st.integers(1, 4),
)
def test_every_word_of_any_file_is_found(
    tmp_path_factory: pytest.TempPathFactory, words: list[str], dim: int
) -> None:
    file = str(tmp_path_factory.mktemp("words") / "v.bin")
    write_word2vec(file, words, vectors(len(words), dim))
    encoder = WordVectors(file)
    encoder.open()
    offsets = encoder._find([*words, "no such word"])
    assert offsets[-1] == -1
    data = Path(file).read_bytes()
    for word, offset in zip(words, offsets[:-1], strict=True):
        first = vectors(len(words), dim)[words.index(word)]
        assert np.array_equal(np.frombuffer(data, "<f4", dim, offset), first)


def test_small_blocks_and_no_line_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_vectors, "_BLOCK", 7)
    monkeypatch.setattr(word_vectors, "_HASHED_AT_ONCE", 2)
    monkeypatch.setattr(word_vectors, "_LONGEST_WORD", 9)
    file = tmp_path / "v.bin"
    parts = [word.encode() + b" " + vector.tobytes() for word, vector in zip(WORDS, vectors(), strict=True)]
    file.write_bytes(f"{len(WORDS)} {DIM}\n".encode() + b"".join(parts))  # gensim writes no breaks
    tokens = WordVectors(str(file)).encode(" ".join(WORDS), 20).tokens
    assert np.array_equal(tokens, vectors())


def test_words_of_equal_hash_are_distinguished(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_vectors, "hash_keys", lambda keys: np.array([len(k) for k in keys], np.uint64))
    encoder = WordVectors(path)
    assert encoder.encode("mut", 20).tokens.shape == (0, DIM)  # as long as `cut`
    assert np.array_equal(encoder.encode("cut", 20).tokens, vectors()[:1])


def test_the_index_is_made_once(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    WordVectors(path).open()
    folder = Path(path).parent / ".unlabelled" / "word2vec"
    (index,) = folder.iterdir()

    def never(path: str) -> Any:
        raise AssertionError("scanned again")

    with monkeypatch.context() as patch:
        patch.setattr(word_vectors, "_scan", never)
        assert np.array_equal(WordVectors(path).encode("cut", 1).tokens, vectors()[:1])
    write_word2vec(path, ["other", *WORDS], vectors(1 + len(WORDS)))
    assert np.array_equal(WordVectors(path).encode("cut", 1).tokens, vectors(7)[1:2])
    assert index in set(folder.iterdir())


def test_the_index_goes_to_the_users_cache_where_the_folder_is_read_only(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "unlabelled.data.media.storage._writable", lambda folder: str(tmp_path / "cache") in folder
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "cache" / "unlabelled").mkdir(parents=True)
    folder = tmp_path / "cache" / "unlabelled"
    monkeypatch.setattr(word_vectors, "derived_folder", lambda beside, name: str(folder))
    WordVectors(path).open()
    (index,) = folder.iterdir()
    assert index.suffix == ".words"
    assert stat.S_IMODE(os.stat(index).st_mode) == 0o644


def open_in_child(path: str, queue: Any) -> None:
    queue.put(WordVectors(path).encode("onion cut", 20).tokens.tolist())


def test_several_processes_at_once(path: str) -> None:
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    children = [context.Process(target=open_in_child, args=(path, queue)) for _ in range(4)]
    for child in children:
        child.start()
    found = [queue.get(timeout=60) for _ in children]
    for child in children:
        child.join()
    assert found == [vectors()[[2, 0]].tolist()] * 4


def test_an_open_encoder_pickles_as_its_path(path: str) -> None:
    encoder = WordVectors(path)
    encoder.open()
    again = pickle.loads(pickle.dumps(encoder))
    assert len(pickle.dumps(encoder)) < 300
    assert np.array_equal(again.encode("onion", 1).tokens, vectors()[2:3])
    assert isinstance(again, TextEncoder)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            b"not vectors\n",
            r"is not in word2vec's binary format: expected `count dim` .* found b'not vectors",
        ),
        (b"\x1f\x8b\x08", "is not in word2vec's binary format"),
        (b"2 3\na 123456789012\nb 12345", "states 2 words of 3 dimensions, found 1"),
        (b"2 3\na 123456789012", "truncated or damaged: .* found 1"),
        (b"1 0\na \n", "its vectors have 0 dimensions"),
    ],
)
def test_damaged_files(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "v.bin"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=words):
        WordVectors(str(file)).open()
    assert not list((tmp_path / ".unlabelled").rglob("*.words"))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    encoder = WordVectors(str(tmp_path / "v.bin"))
    with pytest.raises(
        FileNotFoundError, match=r"no word vectors at .*v\.bin; expected word2vec's binary file"
    ):
        encoder.open()


def test_words_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'a b' is not a word: it is empty or has a space"):
        write_word2vec(str(tmp_path / "v.bin"), ["a b"], vectors(1))
    with pytest.raises(ValueError, match=r"expected vectors \(2, dim\), found \(1, 5\)"):
        write_word2vec(str(tmp_path / "v.bin"), ["a", "b"], vectors(1))


def test_stored_text_features(tmp_path: Path) -> None:
    path = str(tmp_path / "clip")
    write_text_features(path, DIM, [("cut the onion", vectors(3)), ("stir", vectors(1))])
    encoder = pickle.loads(pickle.dumps(StoredTextFeatures(path)))
    encoder.open()
    assert encoder.dim == DIM
    tokens, words, unknown = encoder.encode("cut the onion", 2)
    assert tokens.dtype == np.float32
    assert np.array_equal(tokens, vectors(3)[:2].astype(np.float16).astype(np.float32))
    assert (words, unknown) == (3, 0)
    assert encoder.encode("  ", 20).tokens.shape == (0, DIM)
    with pytest.raises(
        DecodeError, match=r"no features of the text 'cut'; add them with write_text_features"
    ):
        encoder.encode("cut", 20)
    with pytest.raises(FileNotFoundError, match="there is no table"):
        StoredTextFeatures(str(tmp_path / "none")).open()
