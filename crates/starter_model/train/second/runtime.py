"""Shared by the training scripts: options, pausing, checkpoints, and the record of figures over time."""
import json
import os
import time

import torch

from common import save_atomic


def options(ap, out, samples):
    """The options of every training script."""
    ap.add_argument("--out", default=out, help="checkpoint; an interrupted run continues from it")
    ap.add_argument("--samples", type=int, default=samples, help="length of the schedule, in pictures")
    ap.add_argument("--pause-file", help="wait while a file of this name exists; looked for before each step")
    ap.add_argument("--save-minutes", type=float, default=10, help="minutes between checkpoints")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--seed", type=int, default=0)


def wait_while(path):
    """Sleeps while a file of this name exists; returns the seconds."""
    began = time.time()
    while path and os.path.exists(path):
        time.sleep(1)
    return time.time() - began


class Run:
    """A training run's clock and files. Its times leave pauses out and continue over restarts."""

    def __init__(self, args, kept=None):
        torch.set_num_threads(args.threads)
        self.args, self.kept = args, kept or {"seconds": 0.0, "cpu": 0.0}
        self.start, self.cpu, self.paused = time.time(), time.process_time(), 0.0
        self.saved = self.start
        self.record = os.path.splitext(args.out)[0] + ".jsonl"

    def wait(self):
        """Sleeps while the pause file exists."""
        self.paused += wait_while(self.args.pause_file)

    def used(self):
        """Seconds at work, and seconds of processor time of one core."""
        return {"seconds": self.kept["seconds"] + time.time() - self.start - self.paused,
                "cpu": self.kept["cpu"] + time.process_time() - self.cpu}

    def due(self):
        """Whether it is time for a checkpoint."""
        return time.time() - self.saved >= self.args.save_minutes * 60

    def save(self, state):
        save_atomic({**state, "used": self.used()}, self.args.out)
        self.saved = time.time()

    def note(self, **figures):
        """Prints the figures and appends them to the run's record, a line of JSON each."""
        used = self.used()
        row = {"at": time.strftime("%m-%d %H:%M:%S"), "work_s": round(used["seconds"]), "cpu_s": round(used["cpu"]),
               **{k: round(v, 5) if isinstance(v, float) else v for k, v in figures.items()}}
        line = json.dumps(row)
        print(line, flush=True)
        with open(self.record, "a") as f:
            f.write(line + "\n")
