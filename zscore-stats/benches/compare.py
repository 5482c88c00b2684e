#!/usr/bin/env python3
"""Counts the same CSR batch with this crate and with scikit-learn's StandardScaler, turn by turn.

    pip install scikit-learn
    python3 zscore-stats/benches/compare.py FILE.svm          (libsvm text; from the workspace root)

One thread each. `partial_fit` adds to running statistics, as `Population::push_batch` does.
Prints millions of non-zeros a second: best and median over all turns.
"""
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from sklearn.datasets import load_svmlight_file
from sklearn.preprocessing import StandardScaler

TURNS, ROUNDS = 5, 15
rows, _ = load_svmlight_file(sys.argv[1], dtype=np.float32)
rows.sort_indices()
scaler = StandardScaler(with_mean=False)
peer, transform, best, median, other = [], [], [], [], []
with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    rows.indptr.astype('<u8').tofile(folder / 'indptr.u64')
    rows.indices.astype('<u4').tofile(folder / 'indices.u32')
    rows.data.astype('<f4').tofile(folder / 'data.f32')
    for _ in range(TURNS):
        for _ in range(ROUNDS):
            start = time.perf_counter()
            scaler.partial_fit(rows)
            peer.append((time.perf_counter() - start) * 1e9 / rows.nnz)
        start = time.perf_counter()
        scaler.transform(rows)
        transform.append((time.perf_counter() - start) * 1e9 / rows.nnz)
        found = json.loads(subprocess.run(
            ['cargo', 'bench', '-q', '-p', 'zscore-stats', '--bench', 'throughput', '--', str(folder)],
            check=True, capture_output=True, text=True).stdout)
        best.append(found['push_ns_an_entry'][0])
        median.append(found['push_ns_an_entry'][1])
        other.append(found)
row = rows[0]
start = time.perf_counter()
for _ in range(200):
    scaler.transform(row)
one_row = (time.perf_counter() - start) * 1e9 / 200 / row.nnz
print(f'{rows.shape[0]} rows, {rows.shape[1]} positions, {rows.nnz} non-zeros')
print(f'scikit-learn partial_fit  best {1e3 / min(peer):6.0f} M/s   median {1e3 / statistics.median(peer):6.0f} M/s')
print(f'zscore-stats push_batch   best {1e3 / min(best):6.0f} M/s   median {1e3 / statistics.median(median):6.0f} M/s')
print(f'ratio                     best {min(peer) / min(best):6.2f}       median {statistics.median(peer) / statistics.median(median):6.2f}')
print(f'scikit-learn transform    batch {min(transform):.2f} ns an entry, one row of {row.nnz} {one_row:.0f} ns an entry')
for name in other[0]:
    if name.endswith(('entry', '_ns')):
        print(f'{name:30s} best {min(f[name][0] for f in other):12.2f}   median {statistics.median(f[name][1] for f in other):12.2f}')
