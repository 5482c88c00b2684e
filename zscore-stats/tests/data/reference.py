#!/usr/bin/env python3
"""Writes reference.json: exact moments by rational arithmetic, functions to 50 digits by mpmath.

    pip install mpmath
    python3 reference.py > reference.json

Shares no code and no algorithm with the crate. Floats are printed so that they read back to the same
bits; values of rows are f32.
"""
import json
import random
import struct
from fractions import Fraction

import mpmath

mpmath.mp.dps = 50
UNIT = 1 << 24
rng = random.Random(20220504)


def f32(x):
    return struct.unpack('<f', struct.pack('<f', x))[0]


def case(name, values, size=None, doublings=0):
    """Mean and variance of `values`, padded with zeros to `size` rows, the whole `2**doublings` times."""
    values = [f32(v) for v in values]
    size = size or len(values)
    fixed = [round(Fraction(v) * UNIT) for v in values]  # half to even
    total, squares = sum(fixed), sum(v * v for v in fixed)
    times = 1 << doublings
    mean = Fraction(total, UNIT * size)
    variance = Fraction(squares, UNIT * UNIT * size) - mean * mean
    return {
        'name': name, 'values': values, 'size': size, 'doublings': doublings,
        'nonzeros': sum(v != 0 for v in fixed) * times,
        'sum': str(total * times), 'sum_of_squares': str(squares * times),
        'mean': float(mean), 'population_variance': float(variance),  # Fraction to float rounds once
        'std_dev': float(mpmath.sqrt(mpmath.mpf(variance.numerator) / variance.denominator)),
    }


populations = [
    case('worked example: 15 plays among three users', [15, 3, 0]),
    case('asymmetric counts', [1, 2, 3, 10]),
    case('one row in a million', [1], 1_000_000),
    case('a third of the rows at one', [1], 3),
    case('constant', [0.1] * 17),
    case('negative and positive', [-3.5, 1.25, 0.1, -0.7, 2e-3]),
    case('ties of the rounding', [k * 2.0 ** -25 for k in (1, 3, 5, 7, -1, -3, 9)]),
    case('below the rounding', [2.0 ** -26, 1e-9, 0.0]),
    case('largest values', [2.0 ** 24, -2.0 ** 24, 2.0 ** 24]),
    case('largest values of 3 * 2^30 rows', [2.0 ** 24, -2.0 ** 24, 2.0 ** 24], doublings=30),
    case('shares', [rng.random() for _ in range(500)], 731),
    case('logarithms', [float(mpmath.log1p(rng.randrange(10_000))) for _ in range(500)], 501),
    case('large offset, tiny spread', [16_000_000 + rng.randrange(3) for _ in range(400)]),
    case('large offset, 2^40 * 400 rows', [16_000_000 + rng.randrange(3) for _ in range(400)], doublings=40),
    case('heavy tail', [rng.lognormvariate(3, 2) for _ in range(300)], 1000),
    case('counts, divisor with no small factor', [rng.randrange(1000) for _ in range(97)], 999_983),
]
populations = [p for p in populations if int(p['sum_of_squares']) < 1 << 128]
phi = [(z, float(mpmath.ncdf(mpmath.mpf(z)))) for z in
       (-37.0, -20.5, -8.0, -5.25, -3.0, -1.5, -1.0, -0.25, -1e-9, 0.0, 1e-9, 0.25, 1.0, 1.5, 3.0, 5.25, 8.0, 9.0)]
log1p = [(x, float(mpmath.log1p(mpmath.mpf(x)))) for x in (-0.9, -0.25, 1e-12, 0.5, 1.0, 2.0, 7.0, 30.0, 999.0, 1023.0, 1024.0, 1e6)]


def text(x):
    """Floats as text: a JSON reader may be off by a unit in the last place."""
    if isinstance(x, dict):
        return {k: text(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [text(v) for v in x]
    return repr(x) if isinstance(x, float) else x


print(json.dumps(text({'provenance': 'reference.py, fractions of CPython and mpmath ' + mpmath.__version__ + ' at 50 digits',
                  'populations': populations, 'normal_cdf': phi, 'log1p': log1p}), indent=1))
