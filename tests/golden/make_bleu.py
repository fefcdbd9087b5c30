#!/usr/bin/env python3
"""Writes bleu.txt: corpora and their BLEU.

    python3 tests/golden/make_bleu.py      # needs: pip install sacrebleu nltk

A corpus is its sentences, each a line "h ..." (hypothesis) and a line "r ..." (reference) of
tokens, and then a line

    bleu SCORE P1 P2 P3 P4 BREVITY

by sacrebleu: tokens as they are, no smoothing. nltk must agree. (Not where a hypothesis has
fewer than four tokens: nltk counts one n-gram in a sentence that is too short to have any.)
The same bytes each time.
"""
import os
import platform
import random

import nltk
import sacrebleu
from nltk.translate.bleu_score import corpus_bleu

draw = random.Random(1)
WORDS = "the a cat dog sees eats red small 文 é . , ! don't".split()


def sentence(low, high, words=WORDS):
    return [draw.choice(words) for _ in range(draw.randint(low, high))]


def altered(tokens, rate, words=WORDS):
    """Each token may be dropped, doubled, exchanged, or changed for another one."""
    result = []
    for token in tokens:
        kind = draw.randrange(4) if draw.random() < rate else None
        result += {0: [], 1: [token] * 2, 2: [draw.choice(words)]}.get(kind, [token])
        if kind == 3 and len(result) > 1:
            result[-2:] = result[:-3:-1]
    return result


def random_corpus(count, low, high, rate, words=WORDS):
    references = [sentence(low, high, words) for _ in range(count)]
    return [(altered(r, rate, words), r) for r in references]


def corpora():
    def pair(hypothesis, reference):
        return hypothesis.split(), reference.split()

    same = "the small cat sees a red dog ."
    yield [pair(same, same)]
    yield [pair("", same)]
    yield [pair("", same), pair(same, same)]
    yield [pair("a", "a"), pair("a dog", "a dog"), pair("a cat .", "a cat .")]  # no 4-grams
    yield [pair("a", "a"), pair("a dog", "a dog"), pair(same, same)]
    yield [pair("the the the the the the the", "the cat is on the mat")]  # Papineni's own
    yield [pair("a a a a a a a a a", "a a a a a"), pair("a a a a", "a a a a a a a a a")]
    yield [pair("a dog sees the cat", "the cat sees a dog")]  # no common 4-gram
    yield [pair("a cat sees a dog .", "dog . sees cat a a")]
    yield [pair("the small cat sees a red dog", same)]  # shorter
    yield [pair(same + " ! !", same)]  # longer: no penalty
    yield [pair(same, "the small cat"), pair("the small cat", same)]  # as long, all in all
    yield [pair(same, ""), pair(same, same)]  # no reference tokens in one
    yield [pair("red dog sees a small cat", "small dog sees a red cat"),
           pair("dog sees a red cat .", "dog sees a red cat .")]
    for rate in (0, 0.1, 0.3, 0.6, 1):
        for count in (1, 3, 20):
            yield random_corpus(count, 4, 25, rate)
            yield random_corpus(count, 0, 6, rate)  # many are shorter than a 4-gram
        yield random_corpus(5, 8, 30, rate, ["a", "b"])  # many repeated n-grams
    for count in (1, 10):
        yield [(sentence(5, 15), sentence(5, 15)) for _ in range(count)]  # unrelated
        yield [(sentence(5, 15, ["a", "b", "c"]), sentence(5, 15, ["a", "b", "c"]))
               for _ in range(count)]
    for keep in (2, 5, 8):  # cut
        yield [(r[: max(4, len(r) * keep // 10)], r) for _, r in random_corpus(5, 8, 20, 0)]


def bleu(corpus):
    hypotheses, references = zip(*corpus)
    result = sacrebleu.corpus_bleu(
        [" ".join(h) for h in hypotheses], [[" ".join(r) for r in references]],
        smooth_method="none", tokenize="none", force=True)
    score = result.score / 100
    if all(len(h) >= 4 for h in hypotheses):
        other = corpus_bleu([[r] for r in references], list(hypotheses))
        assert abs(score - other) < 1e-12, (corpus, score, other)
    return [score, *(p / 100 for p in result.precisions), result.bp]


def main():
    lines = []
    for corpus in corpora():
        for h, r in corpus:
            lines += [" ".join(["h", *h]), " ".join(["r", *r])]
        lines.append(" ".join(["bleu", *map(repr, bleu(corpus))]))
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bleu.txt")
    with open(path, "w", encoding="utf-8") as out:
        out.write(f"# Made by make_bleu.py: sacrebleu {sacrebleu.__version__}, "
                  f"nltk {nltk.__version__}, python {platform.python_version()}\n")
        out.write("".join(f"{text}\n" for text in lines) + f"end {len(lines)}\n")


if __name__ == "__main__":
    main()
