#!/usr/bin/env python3
"""How long a killed trainer takes from its start to the first event after its checkpoint.

    cargo build --release --example train
    python3 examples/benches/restart.py OUT          (from the workspace root)

OUT holds `events` and `vocabularies` of KuaiRand, as the commands of examples/README.md write them.
The trainer checkpoints every second. It is killed (SIGKILL) after 60,000 events and then, five
times over, started again, watched on its /metrics until it has counted an event, and killed.
"""
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

ADDRESS = '127.0.0.1:9777'
out = sys.argv[1]
models = tempfile.TemporaryDirectory()
command = [
    'target/release/examples/train', '--follow', '--language', 'HI',
    '--spec', 'examples/config/kuairand/spec.toml', '--vocabularies', f'{out}/vocabularies',
    '--input-path', f'{out}/events', '--output', models.name,
    '--listen', ADDRESS, '--checkpoint-every', '1', '--dump-every', '24h', '--log', 'warn',
]


def events():
    """Events counted since the trainer was started; None while it does not answer."""
    try:
        with urllib.request.urlopen(f'http://{ADDRESS}/metrics', timeout=1) as answer:
            text = answer.read().decode()
    except OSError:
        return None
    return int(re.search(r'^ctr_train_events_total\{[^}]*\} (\d+)', text, re.M).group(1))


def run_until(count):
    """Starts a trainer, waits until it has counted so many events, kills it; returns the seconds."""
    start = time.perf_counter()
    trainer = subprocess.Popen(command)
    try:
        while (events() or 0) < count:
            if trainer.poll() is not None:
                sys.exit(f'the trainer ended with {trainer.returncode}')
            if time.perf_counter() - start > 60:
                sys.exit('no events within a minute')
            time.sleep(0.001)
        return time.perf_counter() - start
    finally:
        trainer.kill()
        trainer.wait()


run_until(60_000)
for _ in range(5):
    print(f'first event after {run_until(1):.3f} s')
