#!/usr/bin/env python3
"""Writes lower_case.txt: what Python's str.lower() makes of Latin, Greek and Cyrillic letters.

    python3 tests/golden/make_lower_case.py

A line is the first of 16 code points, a colon, and the lower-case form of each; all are
hexadecimal. "-" where the lower-case form is more than one code point. Lines whose 16 stay as
they are show nothing after the colon.
"""
import os
import unicodedata

RANGES = [(0x00, 0x80), (0xC0, 0x250), (0x370, 0x400), (0x400, 0x530), (0x1E00, 0x1F00)]


def lower(point):
    text = chr(point).lower()
    return f"{ord(text):x}" if len(text) == 1 else "-"


def line(first):
    points = range(first, first + 16)
    same = all(chr(point).lower() == chr(point) for point in points)
    return " ".join([f"{first:x}:", *([] if same else map(lower, points))])


def main():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lower_case.txt")
    lines = [line(first) for low, high in RANGES for first in range(low, high, 16)]
    with open(path, "w") as out:
        out.write(f"# Made by make_lower_case.py: Unicode {unicodedata.unidata_version}\n")
        out.write("".join(f"{text}\n" for text in lines) + f"end {len(lines)}\n")


if __name__ == "__main__":
    main()
