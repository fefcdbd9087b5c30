#!/usr/bin/env python3
"""Writes words.txt: which code points make words, which stand alone, which separate.

    python3 tests/golden/make_words.py

A line is the first of 64 code points, hexadecimal, a colon, and a letter for each: w where the
\\w of Python's re matches (letters, digits, _), b for blanks, m for combining marks and format
characters, s for signs, that is all else; . is not assigned. Only such blocks as heed follows
exactly: not the scripts that put no blanks between words, nor the rarer ones. The one change:
zero width space (U+200B) is a blank, which is what it is for.
"""
import os
import re
import unicodedata

BLOCKS = [
    (0x0000, 0x07C0),  # Latin, Greek, Cyrillic, Armenian, Hebrew, Arabic
    (0x0900, 0x0E00),  # India's, Sinhala
    (0x0F00, 0x1000),  # Tibetan
    (0x10C0, 0x16C0),  # Georgian, Hangul, Ethiopic, Cherokee, Canadian, Ogham
    (0x1800, 0x18C0),  # Mongolian
    (0x1DC0, 0x2100),  # more Latin and Greek, punctuation, currencies
    (0x2180, 0x2440),  # arrows, mathematics
    (0x2500, 0x2740),  # lines, shapes
    (0x27C0, 0x2CC0),  # mathematics, Glagolitic, Latin, Coptic
    (0xAC00, 0xAC40),  # Hangul
    (0xFB00, 0xFF40),  # forms of Latin, Hebrew, Arabic; full width
    (0xFFC0, 0x10000),
    (0x1F300, 0x1F3C0),  # pictures
    (0x1F400, 0x1FB00),
]


def kind(point):
    text = chr(point)
    category = unicodedata.category(text)
    if category == "Cn":
        return "."
    if re.match(r"\s", text) or point == 0x200B:
        return "b"
    if category[0] == "M" or category == "Cf":
        return "m"
    return "w" if re.match(r"\w", text) else "s"


def line(first):
    return f"{first:x}: " + "".join(map(kind, range(first, first + 64)))


def main():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "words.txt")
    lines = [line(first) for low, high in BLOCKS for first in range(low, high, 64)]
    with open(path, "w") as out:
        out.write(f"# Made by make_words.py: Unicode {unicodedata.unidata_version}\n")
        out.write("".join(f"{text}\n" for text in lines) + f"end {len(lines)}\n")


if __name__ == "__main__":
    main()
