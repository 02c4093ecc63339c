"""What each Unicode character is to the measures of a text: part of a word, a word by itself, a mark, and of which script.

The properties are those of Python's `unicodedata` and of RE2, which Arrow brings. They are looked up a page of 4,096
characters at a time when a text first uses it: most texts use two or three.
"""

from __future__ import annotations

import sys
import threading
import unicodedata
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

OTHER, WORD, IDEOGRAPH, MARK = range(4)
"""Classes: what separates words; what makes them; characters that are a word each; what belongs to the character before."""
_NAMES = """
Common Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali Bhaiksuki Bopomofo
Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham Cherokee Chorasmian Coptic Cuneiform
Cypriot Cypro_Minoan Cyrillic Deseret Devanagari Dives_Akuru Dogra Duployan Egyptian_Hieroglyphs Elbasan Elymaic Ethiopic
Georgian Glagolitic Gothic Grantha Greek Gujarati Gunjala_Gondi Gurmukhi Han Hangul Hanifi_Rohingya Hanunoo Hatran Hebrew
Hiragana Imperial_Aramaic Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada Katakana Kawi Kayah_Li
Kharoshthi Khitan_Small_Script Khmer Khojki Khudawadi Lao Latin Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian Mahajani
Makasar Malayalam Mandaic Manichaean Marchen Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui Meroitic_Cursive
Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Myanmar Nabataean Nag_Mundari Nandinagari New_Tai_Lue Newa Nko Nushu
Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Old_Hungarian Old_Italic Old_North_Arabian Old_Permic Old_Persian Old_Sogdian
Old_South_Arabian Old_Turkic Old_Uyghur Oriya Osage Osmanya Pahawh_Hmong Palmyrene Pau_Cin_Hau Phags_Pa Phoenician
Psalter_Pahlavi Rejang Runic Samaritan Saurashtra Sharada Shavian Siddham SignWriting Sinhala Sogdian Sora_Sompeng Soyombo
Sundanese Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Takri Tamil Tangsa Tangut Telugu Thaana Thai Tibetan
Tifinagh Tirhuta Toto Ugaritic Vai Vithkuqi Wancho Warang_Citi Yezidi Yi Zanabazar_Square
"""
SCRIPTS = _NAMES.split()
"""Unicode's scripts as of version 15, by their names there; `Common` is for letters of no script, and of newer ones."""
COMMON, LATIN = SCRIPTS.index("Common"), SCRIPTS.index("Latin")
_NUM_CHARACTERS = sys.maxunicode + 1
_PAGE_BITS = 12
_PAGE = 1 << _PAGE_BITS
_MAYBE_COMPOSED = (*range(0x3400), *range(0xA000, 0xAC00), *range(0xF900, 0x17000), *range(0x18B00, 0x20000))
"""All but ideographs and Hangul, of which Unicode composes none by tables, and what is private or not assigned."""
_LARGE = ("Han", "Hangul", "Latin")
"""Tried first: they own most letters."""


class Characters:
    """Tables of the properties, by code point; safe to use from several threads."""

    def __init__(self) -> None:
        self._classes = np.zeros(_NUM_CHARACTERS, np.uint8)
        self._scripts = np.zeros(_NUM_CHARACTERS, np.uint8)
        self._unstable = {form: np.zeros(_NUM_CHARACTERS, bool) for form in ("NFC", "NFKC")}
        self._known = np.zeros(_NUM_CHARACTERS // _PAGE, bool)
        self._lock = threading.Lock()

    def classes(self, code_points: np.ndarray) -> np.ndarray:
        """The class of each: uint8."""
        return self._classes[code_points]

    def scripts(self, code_points: np.ndarray) -> np.ndarray:
        """The script of each letter, as an index into `SCRIPTS`, `COMMON` for what is no letter: uint8."""
        return self._scripts[code_points]

    def unstable(self, code_points: np.ndarray, form: str) -> np.ndarray:
        """Which may change, or change others, by normalization to `form` (NFC or NFKC): bool.

        A text without any is normalized: it's the quick check of Unicode's annex 15.
        """
        return self._unstable[form][code_points]

    def learn(self, code_points: np.ndarray) -> None:
        """Looks up what is not known yet of these; to be called before all else."""
        if self._known[code_points >> _PAGE_BITS].all():
            return
        with self._lock:
            for page in np.unique(code_points >> _PAGE_BITS).tolist():
                if not self._known[page]:
                    self._learn_page(page << _PAGE_BITS)
                    self._known[page] = True

    def _learn_page(self, first: int) -> None:
        page = slice(first, first + _PAGE)
        characters = [chr(number) for number in range(first, first + _PAGE)]
        categories = [unicodedata.category(character) for character in characters]
        is_letter = np.array([category[0] == "L" for category in categories])
        scripts = self._scripts[page]
        for script in [*_LARGE, *SCRIPTS[1:]]:
            rows = np.flatnonzero(is_letter & (scripts == COMMON))
            letters = pa.array([characters[row] for row in rows.tolist()], pa.string())
            found = pc.match_substring_regex(letters, rf"\p{{{script}}}").to_numpy(zero_copy_only=False).astype(bool)
            scripts[rows[found]] = SCRIPTS.index(script)
        classes = self._classes[page]
        for row, category in enumerate(categories):
            if category[0] in "LN":
                classes[row] = WORD
            elif category[0] == "M" or category == "Cf":
                classes[row] = MARK
        classes[np.isin(scripts, [SCRIPTS.index("Han"), SCRIPTS.index("Hiragana")])] = IDEOGRAPH
        second_halves = _second_halves()
        for form, unstable in self._unstable.items():
            unstable[page] = [
                category != "Cs"
                and (
                    character in second_halves
                    or unicodedata.combining(character) != 0
                    or not unicodedata.is_normalized(form, character)  # type: ignore[arg-type]
                )
                for character, category in zip(characters, categories, strict=True)
            ]


CHARACTERS = Characters()


@lru_cache(maxsize=1)
def _second_halves() -> set[str]:
    """The characters that normalization may join with the one before."""
    found = {chr(number) for number in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))}  # Hangul's vowels and finals
    for number in _MAYBE_COMPOSED:
        parts = unicodedata.decomposition(chr(number)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            found.add(chr(int(parts[1], 16)))
    return found
