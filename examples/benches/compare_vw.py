#!/usr/bin/env python3
"""Learns from the same rows with this project and with Vowpal Wabbit, turn by turn.

    pip install vowpalwabbit==9.11.9
    cargo build --release --example libsvm
    python3 examples/benches/compare_vw.py FILE.svm FILE.vw       (from the workspace root)

FILE.svm is libsvm text and FILE.vw the same rows for Vowpal Wabbit. Whole processes, one pass, from
text and from each one's cache, which the first turn writes. The time that Python takes to start and
to import Vowpal Wabbit is measured in the same turns and taken off its figures.
Prints medians over all turns: wall-clock and user CPU seconds, and how many times Vowpal Wabbit's.
"""
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

TURNS = int(os.environ.get('TURNS', '9'))
svm, vw = sys.argv[1:3]
folder = tempfile.TemporaryDirectory()
cache = pathlib.Path(folder.name)
learner = ['target/release/examples/libsvm', svm]
python = [sys.executable, '-m', 'vowpalwabbit']
wabbit = python + ['-d', vw, '--loss_function', 'logistic', '--link', 'logistic', '-b', '18', '--quiet']
kept = ['--cache', str(cache / 'rows.arrow')]
commands = {
    'Python start': python + ['--version'],
    'vw, text': wabbit,
    'vw, cache': wabbit + ['--cache_file', str(cache / 'vw.cache')],
    'default, text': learner,
    'ftrl, text': learner + ['--optimizer', 'ftrl'],
    'adagrad, text': learner + ['--optimizer', 'adagrad'],
    'default, cache': learner + kept,
    'ftrl, cache': learner + kept + ['--optimizer', 'ftrl'],
    'adagrad, cache': learner + kept + ['--optimizer', 'adagrad'],
    'sgd, cache': learner + kept + ['--optimizer', 'sgd'],
}


def seconds(command):
    """Wall-clock and user seconds of a process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall = time.perf_counter() - start
    return wall, resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


for name in ['vw, cache', 'default, cache']:
    seconds(commands[name])
turns = {name: [] for name in commands}
for _ in range(TURNS):
    for name, command in commands.items():
        turns[name].append(seconds(command))
median = {name: [statistics.median(part) for part in zip(*took)] for name, took in turns.items()}
start = median['Python start']
print(f'{svm}: {TURNS} turns; Python start {start[0]:.3f} s is taken off the first two')
print(f'{"":16}{"wall s":>9}{"best":>8}{"user s":>8}{"times as fast as vw: wall":>27}{"best":>7}{"user":>7}')
for name, (wall, user) in median.items():
    if name == 'Python start':
        continue
    best = min(took[0] for took in turns[name])
    if name.startswith('vw'):
        best -= min(took[0] for took in turns['Python start'])
        wall, user = wall - start[0], user - start[1]
        median[name] = [wall, user]
    source = name.split(', ')[1]
    peer = median[f'vw, {source}']
    peer_best = min(t[0] for t in turns[f'vw, {source}']) - min(t[0] for t in turns['Python start'])
    print(f'{name:16}{wall:9.3f}{best:8.3f}{user:8.3f}{peer[0] / wall:27.2f}{peer_best / best:7.2f}{peer[1] / user:7.2f}')
