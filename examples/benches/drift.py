#!/usr/bin/env python3
"""A stream of one-hot rows whose true weights drift, as libsvm text; standard library only.

drift.py still OUT            the weights stay
drift.py slow HALF_LIFE OUT   half of each weight's variance is replaced within HALF_LIFE rows
drift.py jump EVERY OUT       all weights are drawn anew every EVERY rows
"""
import math
import random
import sys

ROWS, GROUPS, BIAS, SPREAD, STEP = 200_000, (10, 30, 100, 300, 1000), -2.0, 0.8, 100


def main(kind, *rest):
    if kind not in ("still", "slow", "jump") or len(rest) != 1 + (kind != "still"):
        sys.exit(__doc__)
    pace, output = (float(rest[0]) if kind != "still" else math.inf), rest[-1]
    chance = random.Random(7)
    weights = [chance.gauss(0, 1) for _ in range(sum(GROUPS))]
    starts = [sum(GROUPS[:k]) for k in range(len(GROUPS))]
    keep = 2 ** (-STEP / (2 * pace))
    with open(output, "w") as out:
        for row in range(ROWS):
            if kind == "slow" and row and row % STEP == 0:
                fresh = math.sqrt(1 - keep * keep)
                weights = [keep * w + fresh * chance.gauss(0, 1) for w in weights]
            if kind == "jump" and row and row % pace == 0:
                weights = [chance.gauss(0, 1) for _ in weights]
            # Low values are frequent: value v of n with probability √((v + 1) / n) − √(v / n).
            present = [s + min(int(n * chance.random() ** 2), n - 1) for s, n in zip(starts, GROUPS)]
            margin = BIAS + SPREAD * sum(weights[k] for k in present)
            label = chance.random() < 1 / (1 + math.exp(-margin))
            out.write(f"{int(label)} " + " ".join(f"{k + 1}:1" for k in present) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:] or ["help"])
