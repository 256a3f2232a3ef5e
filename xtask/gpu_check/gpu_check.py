"""Checks Emberline on this machine's GPU: `python3 gpu_check.py`. Takes about ten minutes and needs no network.

Writes a full-size SDXL with random weights (7 GB in --work), then runs these stages:
- first picture: its time, with the kernels that it compiled and tuned, and the second picture's;
- parity: a picture in f32 and in f16 beside the processor's own f32, and beside PyTorch where torch and diffusers are
  installed;
- speed: seconds a step at 1024 x 1024, beside diffusers on the same card where that is installed;
- launches: kernel launches per step;
- memory: what is reserved, beside `emberline inspect`'s estimate and what `nvidia-smi` saw;
- recovery: a server that loses its device once, in the middle of a picture.

Writes gpu-check.json and gpu-check.md, a table for docs/performance.md, after each stage. A stage that fails is
reported, the others still run, and the exit status is 1. `--tiny` uses a tiny model instead, for software adapters.
Needs Python 3.9 or newer and no other package.
"""

import argparse
import array
import json
import os
import platform
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.request
from pathlib import Path

import random_model

HERE = Path(__file__).resolve().parent
PROMPT = "a red fox in the snow"
CFG_SCALE = 5
# f32 against f32: the limit of the committed tests. f16: that of a tiny model on software Vulkan is 6e-3; the full size
# has ten times its layers, and PyTorch's own f16 is measured beside it.
LIMITS = {"f32": 1e-3, "f16": 5e-2}
# Both prompts in one batch, Euler over `leading`, as in docs/performance.md.
SAMPLING = ["--sampler", "euler", "--scheduler", "leading", "--cfg-scale", str(CFG_SCALE), "--seed", "1"]


# cubecl writes a line for each kernel that it compiles, and one for each problem that it tunes.
LOGS = ("compiled.log", "tuned.log")
LOGGERS = """[compilation]
logger = { level = "basic", file = "compiled.log" }
[autotune]
logger = { level = "minimal", file = "tuned.log" }
"""


class Failed(Exception):
    """Why a stage failed, in one line."""


def run(command: list, folder: Path, **more) -> str:
    try:
        done = subprocess.run([str(word) for word in command], cwd=folder, capture_output=True, text=True, **more)
    except subprocess.TimeoutExpired as error:
        # subprocess kills it.
        raise Failed(f"{Path(str(command[0])).name} was stopped after {error.timeout:.0f} s") from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Failed(f"{Path(str(command[0])).name} ended with status {done.returncode}: {last}")
    return done.stdout


def kernels(out: Path) -> str:
    """How many kernels a run compiled, and how many problems it tuned."""
    compiled, tuned = ((out / log).read_text(errors="replace") if (out / log).exists() else "" for log in LOGS)
    return f"{compiled.count('[Compiling kernel]')} kernels compiled, {tuned.count('Fastest result')} problems tuned"


class Check:
    """The settings of a run and its results so far."""

    def __init__(self, options):
        self.options = options
        self.binary = HERE / ("emberline.exe" if os.name == "nt" else "emberline")
        self.work = Path(options.work).resolve()
        self.work.mkdir(parents=True, exist_ok=True)
        self.model = HERE / "tiny" if options.tiny else self.work / "model"
        self.out = Path(options.out).resolve()
        self.out.mkdir(parents=True, exist_ok=True)
        self.started = time.monotonic()
        self.torch = None
        self.processor = None
        self.found = {"stages": {}, "failed": {}}

    def generate(self, name: str, device: str, dtype: str, size: int, steps: int, environment=None) -> dict:
        """The report of `emberline generate --json`, with the dump's path."""
        out = self.work / name
        out.mkdir(exist_ok=True)
        for log in LOGS:
            (out / log).unlink(missing_ok=True)
        if not (out / "cubecl.toml").exists():
            (out / "cubecl.toml").write_text(LOGGERS)
        dump = out / "dump.safetensors"
        command = [self.binary, "--log", "error", "generate", "--model", self.model, "--device", device]
        command += ["--dtype", dtype, "--width", size, "--height", size, "--steps", steps, "--prompt", PROMPT, *SAMPLING]
        command += ["--out", out / "picture.png", "--dump", dump, "--json"]
        environment = {**os.environ, "CUBECL_AUTOTUNE_LEVEL": self.options.autotune, **(environment or {})}
        try:
            report = json.loads(run(command, out, env=environment, timeout=self.options.limit))
        except Failed as error:
            raise Failed(f"{error}; {kernels(out)}") from error
        return {**report, "dump": str(dump)}

    def with_pytorch(self, dump: str, dtype: str, size: int, steps: int) -> dict:
        settings = {"dump": dump, "prompt": PROMPT, "steps": steps, "cfg_scale": CFG_SCALE, "width": size}
        settings |= {"height": size, "dtype": dtype, "device": self.torch}
        file = self.work / "pytorch.json"
        file.write_text(json.dumps(settings))
        return json.loads(run([self.options.python, HERE / "with_pytorch.py", self.model, file], self.work).splitlines()[-1])

    def stage(self, name: str, work):
        print(f"{name} ...", flush=True)
        started = time.monotonic()
        try:
            self.found["stages"][name] = work()
            word = "ok"
        except Exception as error:
            if not isinstance(error, (Failed, OSError, KeyError, ValueError)):
                traceback.print_exc()
            self.found["failed"][name] = str(error) or type(error).__name__
            word = f"FAILED: {self.found['failed'][name]}"
        print(f"{name}: {word} ({time.monotonic() - started:.0f} s)", flush=True)
        self.write()

    def write(self):
        """After each stage: a run that is stopped keeps the results of its finished stages."""
        self.found["seconds"] = time.monotonic() - self.started
        (self.out / "gpu-check.json").write_text(json.dumps(self.found, indent=1) + "\n")
        text = table(self.found)
        (self.out / "gpu-check.md").write_text(text)
        return text


def tensor(path: str, name: str) -> array.array:
    """One f32 tensor of a safetensors file."""
    with open(path, "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        begin, end = json.loads(file.read(length))[name]["data_offsets"]
        file.seek(8 + length + begin)
        numbers = array.array("f", file.read(end - begin))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def deviation(ours: str, theirs: str, name: str) -> float:
    """The largest absolute difference over the largest absolute value. A number that is not finite is an error."""
    a, b = tensor(ours, name), tensor(theirs, name)
    if len(a) != len(b):
        raise Failed(f"{name}: {len(a)} numbers beside {len(b)}")
    worst, largest = 0.0, 1e-12
    for x, y in zip(a, b):
        difference = abs(x - y)
        if not difference < float("inf"):
            raise Failed(f"{name}: not every number is finite")
        worst, largest = max(worst, difference), max(largest, abs(y))
    return worst / largest


def machine(check: Check) -> dict:
    doctor = subprocess.run(
        [check.binary, "--log", "error", "doctor", "--data-dir", check.work / "none"], capture_output=True, text=True
    ).stdout
    lines = dict(re.findall(r"^(?:ok   |FAULT) (device|adapter)\s+(.*)$", doctor, re.M))
    version = run([check.binary, "--version"], check.work).strip()
    found = {"version": version, "system": platform.platform(), "adapter": lines.get("adapter"), "auto": lines.get("device")}
    if "adapter" not in lines or "no graphics adapter" in lines["adapter"].lower():
        raise Failed(f"wgpu finds no adapter: {lines.get('adapter')}")
    return found


def find_torch(check: Check) -> dict:
    probe = "import torch, diffusers; print(torch.cuda.is_available(), torch.__version__, diffusers.__version__)"
    done = subprocess.run([check.options.python, "-c", probe], capture_output=True, text=True)
    if done.returncode != 0:
        return {"installed": False}
    cuda, torch, diffusers = done.stdout.split()
    # The full size on the processor takes longer than all the rest.
    if cuda == "True" or check.options.tiny:
        check.torch = "cuda" if cuda == "True" else "cpu"
    return {"installed": True, "cuda": cuda == "True", "torch": torch, "diffusers": diffusers}


def parity(check: Check, dtype: str) -> dict:
    size, steps = (64, 3) if check.options.tiny else (512, 4)
    ours = check.generate(f"parity-{dtype}", "wgpu", dtype, size, steps)
    # The processor gets a smaller picture: the same one would take minutes.
    small, few = (64, 3) if check.options.tiny else (256, 2)
    beside = ours if (size, steps) == (small, few) else check.generate(f"small-{dtype}", "wgpu", dtype, small, few)
    check.processor = check.processor or check.generate("processor", "cpu", "f32", small, few)
    names = ("prompt_embeds", "pooled_prompt_embeds", "latents", "image")
    found = {"beside_the_processor": {name: deviation(beside["dump"], check.processor["dump"], name) for name in names}}
    if check.torch:
        theirs = check.with_pytorch(ours["dump"], "float32", size, steps)
        found["beside_pytorch_f32"] = theirs["deviations"]
        if dtype == "f16" and check.torch == "cuda":
            f32 = check.found["stages"].get("parity f32", {}).get("dump", ours["dump"])
            found["pytorch_f16_beside_ours_f32"] = check.with_pytorch(f32, "float16", size, steps)["deviations"]
    found["limit"], found["dump"] = LIMITS[dtype], ours["dump"]
    for beside, values in found.items():
        if beside.startswith("beside") and max(values.values()) > LIMITS[dtype]:
            raise Failed(f"{beside}: {max(values.values()):.1e} is past {LIMITS[dtype]:.0e}: {values}")
    return found


def first_picture(check: Check) -> dict:
    """The first picture on a machine compiles and tunes kernels: its time, beside the second one's."""
    size = 64 if check.options.tiny else 512
    first = check.generate("first-picture", "wgpu", "f16", size, 2)
    found = {"first_s": first["timings"]["total_s"], "kernels": kernels(check.work / "first-picture")}
    second = check.generate("first-picture", "wgpu", "f16", size, 2)
    return {**found, "second_s": second["timings"]["total_s"], "autotune": check.options.autotune}


class CardMemory:
    """The most memory in use on the card, as nvidia-smi reports it, twice a second."""

    def __enter__(self):
        self.before, self.most, self.over = self.used(), 0, threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        if self.before is not None:
            self.thread.start()
        return self

    def watch(self):
        while not self.over.wait(0.5):
            self.most = max(self.most, self.used() or 0)

    def __exit__(self, *_):
        self.over.set()

    def used(self):
        if not shutil.which("nvidia-smi"):
            return None
        query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "--id=0"]
        text = subprocess.run(query, capture_output=True, text=True).stdout.strip()
        return int(text) << 20 if text.isdigit() else None

    def bytes(self):
        return None if self.before is None else max(0, self.most - self.before)


def usual(seconds: list) -> float:
    """Without the first, which compiles and tunes kernels."""
    return statistics.median(seconds[1:] or seconds)


def speed(check: Check, dtype: str) -> dict:
    size, steps = (64, 6) if check.options.tiny else (1024, 8)
    # The first run compiles and tunes kernels and caches them on disk for the second.
    first = check.generate(f"speed-{dtype}", "wgpu", dtype, size, steps)
    with CardMemory() as card:
        report = check.generate(f"speed-{dtype}", "wgpu", dtype, size, steps)
    found = {"width": size, "height": size, "steps": steps, "device": report["device"]}
    found |= {"first_picture_s": first["timings"]["total_s"], "second_picture_s": report["timings"]["total_s"]}
    found |= {"load_s": report["timings"]["load_s"], "step_s": usual(report["timings"]["steps_s"])}
    found |= {"decode_s": report["timings"]["decode_s"], "reserved_bytes": report.get("device_reserved_bytes")}
    found["card_bytes"] = card.bytes()
    if check.torch:
        theirs = check.with_pytorch(report["dump"], {"f16": "float16", "f32": "float32"}[dtype], size, steps)
        found["diffusers"] = {"step_s": usual(theirs["steps_s"]), "decode_s": theirs["decode_s"]}
        found["diffusers"]["reserved_bytes"] = theirs["reserved_bytes"]
        found["diffusers"]["deviations"] = theirs["deviations"]
    return found


def launches(check: Check) -> dict:
    """Kernel launches per step: the difference of two runs, divided by their difference in steps.

    cubecl logs each launch to the file that its cubecl.toml names. Tuning launches kernels too: a first run, which is not
    counted, tunes what the others need.
    """
    size, counts = 64 if check.options.tiny else 256, {}
    check.generate("launches-tuning", "wgpu", "f32", size, 2, {"CUBECL_AUTOTUNE_LEVEL": "minimal"})
    for steps in (2, 4):
        out = check.work / f"launches-{steps}"
        out.mkdir(exist_ok=True)
        log = out / "launches.log"
        log.unlink(missing_ok=True)
        (out / "cubecl.toml").write_text(f'[profiling.logger]\nlevel = "minimal"\nfile = "{log.as_posix()}"\n')
        check.generate(out.name, "wgpu", "f32", size, steps, {"CUBECL_AUTOTUNE_LEVEL": "minimal"})
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        counts[steps] = sum(line.startswith("Executing ") for line in lines)
    if counts[4] <= counts[2]:
        raise Failed(f"the log counts {counts[2]} launches for 2 steps and {counts[4]} for 4: the binary does not keep "
                     "what it has tuned, or the log is not written")
    return {"a_step": (counts[4] - counts[2]) / 2, "runs": counts}


def memory(check: Check) -> dict:
    report = json.loads(run([check.binary, "--log", "error", "inspect", check.model, "--json"], check.work))
    estimate = report["memory"]["gpu_f16"]["peak"]
    measured = check.found["stages"].get("speed f16", {})
    found = {"estimate_bytes": estimate, "reserved_bytes": measured.get("reserved_bytes")}
    found["card_bytes"] = measured.get("card_bytes")
    reserved = found["reserved_bytes"]
    found["reserved_by_estimate"] = reserved / estimate if reserved else None
    return found


class Server:
    """`emberline serve` on a free port, with a data folder of its own."""

    def __init__(self, check: Check, *more):
        self.folder = tempfile.TemporaryDirectory()
        command = [check.binary, "--log", "error", "serve", "--listen", "127.0.0.1:0", "--data-dir", self.folder.name]
        command += ["--model", check.model, "--device", "wgpu", *more]
        self.process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        address = re.search(r"http://\S+", line)
        if not address:
            self.close()
            raise Failed(f"the server did not start: {line!r}")
        self.url = address[0]

    def ask(self, path: str, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def picture(self, project: int, size: int, within: float) -> dict:
        body = {"prompt": PROMPT, "steps": 4, "width": size, "height": size, "seed": 1}
        made = self.ask(f"/api/v1/projects/{project}/generations", body)["tasks"][0]
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            task = self.ask(f"/api/v1/tasks/{made['task_id']}")
            if task["status"] not in ("queued", "running"):
                return task
            time.sleep(0.2)
        raise Failed(f"task {made['task_id']} did not end in {within:.0f} s")

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.folder.cleanup()


def recovery(check: Check) -> dict:
    size = 64 if check.options.tiny else 512
    server = Server(check, "--inject-fault", "device@2")
    try:
        project = server.ask("/api/v1/projects", {"name": "gpu-check", "width": size, "height": size, "fps": 12})["id"]
        lost, after = (server.picture(project, size, 600) for _ in range(2))
        if lost["status"] != "failed" or "device lost" not in (lost["error"] or ""):
            raise Failed(f"the task whose device was lost ended as {lost['status']}: {lost['error']}")
        if after["status"] != "completed":
            raise Failed(f"the task after it ended as {after['status']}: {after['error']}")
        return {"lost": lost["error"], "after": after["status"]}
    finally:
        server.close()


def table(found: dict) -> str:
    """For docs/performance.md."""
    stages, rows = found["stages"], []

    def gib(count):
        return f"{count / 2**30:.2f} GiB" if count else "not known"

    for dtype in ("f16", "f32"):
        one = stages.get(f"speed {dtype}")
        if one:
            theirs = one.get("diffusers", {})
            ratio = f"{one['step_s'] / theirs['step_s']:.2f}" if theirs else ""
            other = f"{theirs['step_s']:.3f} s" if theirs else "not installed"
            size = f"{one['width']} x {one['height']}"
            rows.append(f"| a step, {size}, {dtype} | {one['step_s']:.3f} s | {other} | {ratio} |")
            other = f"{theirs['decode_s']:.3f} s" if theirs else "not installed"
            ratio = f"{one['decode_s'] / theirs['decode_s']:.2f}" if theirs else ""
            rows.append(f"| decode, {size}, after {dtype} | {one['decode_s']:.3f} s | {other} | {ratio} |")
            other = gib(theirs.get("reserved_bytes"))
            rows.append(f"| memory reserved, {size}, {dtype} | {gib(one['reserved_bytes'])} | {other} | |")
        parity = stages.get(f"parity {dtype}", {})
        for beside in ("beside_the_processor", "beside_pytorch_f32"):
            if beside in parity:
                values = parity[beside]
                text = f"latents {values['latents']:.1e}, picture {values['image']:.1e}"
                rows.append(f"| deviation in {dtype}, {beside.replace('_', ' ')} | {text} | | |")
    if "first picture" in stages:
        one = stages["first picture"]
        text = f"{one['first_s']:.0f} s, then {one['second_s']:.1f} s"
        rows.append(f"| first picture on the machine, f16 ({one['kernels']}) | {text} | | |")
    if "launches" in stages:
        rows.append(f"| launches a step | {stages['launches']['a_step']:.0f} | | |")
    if "memory" in stages:
        rows.append(f"| memory by estimate, f16 | {gib(stages['memory']['estimate_bytes'])} | | |")
    for name, why in found["failed"].items():
        why = why.replace("\n", " ").replace("|", "\\|")
        rows.append(f"| {name} | FAILED: {why} | | |")
    adapter = stages.get("machine", {}).get("adapter", "no adapter")
    return "\n".join([f"On {adapter}:", "", "| | Emberline | diffusers | ratio |", "|---|---|---|---|", *rows, ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", default="gpu-check-work", help="folder for the model (7 GB) and the pictures")
    parser.add_argument("--out", default=".", help="folder for gpu-check.json and gpu-check.md")
    parser.add_argument("--python", default=sys.executable, help="a Python that has torch and diffusers")
    parser.add_argument("--tiny", action="store_true", help="a tiny model, for software adapters")
    parser.add_argument("--autotune", default="balanced", choices=("minimal", "balanced", "extensive", "full"))
    parser.add_argument("--limit", type=float, default=300, help="seconds that one picture may take")
    parser.add_argument("--only", default="", help="names of stages, by commas")
    options = parser.parse_args()
    check = Check(options)
    stages = [
        ("machine", lambda: machine(check)),
        ("pytorch", lambda: find_torch(check)),
        ("model", lambda: None if options.tiny else random_model.build(check.model, HERE / "data")),
        ("first picture", lambda: first_picture(check)),
        ("parity f32", lambda: parity(check, "f32")),
        ("parity f16", lambda: parity(check, "f16")),
        ("speed f16", lambda: speed(check, "f16")),
        ("memory", lambda: memory(check)),
        ("recovery", lambda: recovery(check)),
        ("launches", lambda: launches(check)),
        ("speed f32", lambda: speed(check, "f32")),
    ]
    chosen = [name.strip() for name in options.only.split(",") if name.strip()]
    unknown = sorted(set(chosen) - {name for name, _ in stages})
    if unknown:
        parser.error(f"--only: there is no stage {', '.join(unknown)}; there are {', '.join(n for n, _ in stages)}")
    for name, work in stages:
        if not chosen or name in chosen or name in ("pytorch", "model"):
            check.stage(name, work)
    text = check.write()
    print(f"\n{text}\n{check.found['seconds']:.0f} s in all; written: gpu-check.json and gpu-check.md in {check.out}")
    sys.exit(int(bool(check.found["failed"])))


if __name__ == "__main__":
    main()
