"""Encodings: what is found, and where undecodable bytes stand, however the file is cut into chunks."""

import random

import pytest

from components.errors import UserError
from components.ingest.encodings import UNDECODABLE, Decoder, find_encoding, is_utf8

GERMAN = "Größe Häuser stehen überall schön in der Straße, und die Mädchen hören müde zu. " * 3
RUSSIAN = "Привет, мир! Как дела сегодня? Мама мыла раму, а папа читал газету у окна. " * 3
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。" * 3


@pytest.mark.parametrize(
    ("text", "encoding", "found"),
    [
        ("plain", "ascii", "utf-8"),
        ("", "ascii", "utf-8"),
        (GERMAN, "utf-8", "utf-8"),
        (GERMAN, "utf-8-sig", "utf-8"),
        (GERMAN, "utf-16", "utf-16"),
        (GERMAN, "utf-32", "utf-32"),
        (GERMAN, "latin-1", "cp1252"),
        ("Zeile von Derby ö\n" * 20, "cp1252", "cp1252"),
        (RUSSIAN, "cp1251", "cp1251"),
        (RUSSIAN, "koi8_r", "koi8_r"),
        (JAPANESE, "shift_jis", "cp932"),
        (JAPANESE, "euc_jp", "euc_jp"),
    ],
)
def test_found(tmp_path, text, encoding, found):
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode(encoding))
    assert find_encoding(path) == found
    decoder = Decoder(found)
    assert decoder.decode(path.read_bytes(), final=True) == text
    assert not decoder.undecodable


def test_no_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(bytes(range(256)) * 10)
    with pytest.raises(UserError) as error:
        find_encoding(path)
    assert str(error.value) == (
        f"{path}: its bytes are no text in any encoding that is known. Expected a text file. Declare data.encoding, or remove "
        "the file if it is no text."
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "cp1252", "shift_jis", "gb18030", "euc_jp"])
def test_undecodable_bytes_are_located(encoding):
    rng = random.Random(3)  # noqa: S311
    for _ in range(200):
        raw = bytearray("".join(rng.choices("aé中\U0001f600\n ъ", k=40)).encode(encoding, "ignore"))
        for _ in range(rng.randint(0, 3)):
            raw[rng.randrange(3, len(raw))] = rng.choice([0x80, 0xFF, 0xC3, 0x41, 0x81])
        content = bytes(raw)
        decoder, text, place = Decoder(encoding), b"", 0
        while place < len(content):
            size = rng.randint(1, 9)
            text += decoder.to_utf8(content[place : place + size])
            place += size
        text += decoder.to_utf8(b"", final=True)
        found = list(decoder.undecodable)
        assert text.decode().count(UNDECODABLE) == len(found)
        assert all(content[bad.offset : bad.offset + len(bad.content)] == bad.content for bad in found)
        try:
            expected, first = content.decode(encoding), None
        except UnicodeDecodeError as error:
            expected, first = None, error.start
        assert (found[0].offset if found else None) == first
        assert found or text.decode() == expected


def test_problem():
    decoder = Decoder("utf-8")
    assert decoder.to_utf8(b"\xef\xbb\xbfab", final=False) == b"ab"
    decoder.to_utf8(b"c" * 1000 + b"\xe9x", final=True)
    assert [bad.problem("utf-8") for bad in decoder.undecodable] == ["0xe9 at byte 1,005 is not valid utf-8"]


def test_utf16_without_a_mark():
    decoder = Decoder("utf-16")
    assert decoder.to_utf8("ab".encode("utf-16-be"), final=True) == UNDECODABLE.encode()
    assert decoder.undecodable[0].problem("utf-16") == "0x00 0x61 at byte 0 is not valid utf-16"


@pytest.mark.parametrize(("content", "valid"), [(b"", True), ("é".encode(), True), (b"\xc3", False), (b"\xed\xa0\x80", False)])
def test_is_utf8(content, valid):
    assert is_utf8(content) is valid
