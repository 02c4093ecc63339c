"""Words, scripts and grapheme clusters: known texts, and every position of random ones against the regex module."""

import random
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
import regex

from components.ingest.characters import CHARACTERS, SCRIPTS
from components.ingest.graphemes import boundary
from components.ingest.text_measures import TextBlock

TEXTS = {
    "": (0, "Common"),
    "...!": (0, "Common"),
    "3 apples": (2, "Latin"),
    "don't stop": (2, "Latin"),
    "'quoted' it’s": (2, "Latin"),
    "it’": (1, "Latin"),
    "'s": (1, "Latin"),
    "café e\u0301te\u0301 \u0301x": (3, "Latin"),
    "soft\u00adhyphen": (1, "Latin"),
    "Привет, мир": (2, "Cyrillic"),
    "Καλημέρα κόσμε": (2, "Greek"),
    "中文字 hello中a": (6, "Latin"),
    "日\ufe00本語": (3, "Han"),
    "ひらがなカタカナ": (5, "Hiragana"),
    "カタカナ": (1, "Katakana"),
    "안녕하세요 세계": (2, "Hangul"),
    "नमस्ते दुनिया": (2, "Devanagari"),
    "مرحبا بالعالم": (2, "Arabic"),
    "שלום עולם": (2, "Hebrew"),
    "สวัสดีครับ": (1, "Thai"),
    "❤\ufe0flove 👍🏽": (1, "Latin"),
    "ᚠᚢᚦ": (1, "Runic"),
    "𐌰𐌱 𐌲": (2, "Gothic"),
}


def test_each_text():
    block = TextBlock(pa.array(list(TEXTS)))
    found = zip(block.num_words().tolist(), block.scripts().to_pylist(), strict=True)
    assert dict(zip(TEXTS, found, strict=True)) == TEXTS


def test_long_texts_are_counted_alike():
    texts = [" ".join([text] * 3000) for text in ("don't", "Привет", "中 a", "it’s")]
    block = TextBlock(pa.array(texts))
    assert block.num_words().tolist() == [3000, 3000, 6000, 3000]
    assert block.scripts().to_pylist() == ["Latin", "Cyrillic", "Han", "Latin"]


def test_a_slice_knows_only_itself():
    texts = pa.array(["aé", "don", "'t", "мир"])
    block = TextBlock(texts.slice(1, 2))
    assert (block.num_words().tolist(), block.scripts().to_pylist()) == ([1, 1], ["Latin", "Latin"])


def test_the_first_by_name_of_scripts_alike():
    assert TextBlock(pa.array(["ab мы", "мы ab"])).scripts().to_pylist() == ["Cyrillic", "Cyrillic"]


def test_scripts_are_those_of_the_regex_module():
    rng = random.Random(0)  # noqa: S311
    letters = [chr(number) for number in range(0x20000) if unicodedata.category(chr(number)).startswith("L")]
    for letter in rng.sample(letters, 1500):
        code_points = np.array([ord(letter)])
        CHARACTERS.learn(code_points)
        script = SCRIPTS[int(CHARACTERS.scripts(code_points)[0])]
        if script != "Common":  # regex may know younger characters
            assert regex.fullmatch(rf"\p{{Script={script}}}", letter), (letter, script)


@pytest.mark.parametrize("form", ["NFC", "NFKC"])
def test_the_quick_check_never_errs(form):
    rng = random.Random(1)  # noqa: S311
    pool = [
        *"aeoAE ",
        *"\u0301\u0308\u0323\u0327",
        "é",
        "ﬁ",
        "Ａ",
        "ᄀ",
        "\u1161",
        "\u11a8",
        "각",
        "ক",
        "\u09be",
        "\u09c7",
        "\u212b",
    ]
    for _ in range(3000):
        text = "".join(rng.choices(pool, k=rng.randint(1, 6)))
        code_points = np.array([ord(character) for character in text if not character.isascii()], np.int64)
        CHARACTERS.learn(code_points)
        if not CHARACTERS.unstable(code_points, form).any():
            assert unicodedata.is_normalized(form, text), ascii(text)


def test_boundaries_are_those_of_unicode():
    rng = random.Random(2)  # noqa: S311
    pool = "ab \r\n中é\u0301\u200d👍🏽🇩🇪🇫नम्त각ᄀ\u1161\u11a8\u0e33ก👨👩❤\ufe0f\u0600"
    for _ in range(3000):
        text = "".join(rng.choices(pool, k=rng.randint(0, 12)))
        boundaries = [0, *(cluster.end() for cluster in regex.finditer(r"\X", text))]
        for position in range(len(text) + 2):
            assert boundary(text, position) == max(place for place in boundaries if place <= position), (ascii(text), position)
