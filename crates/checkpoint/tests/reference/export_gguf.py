"""A GGUF file with a tensor of each block type, and the numbers of the package `gguf` for them: `python export_gguf.py`.

Writes `../fixtures/blocks.gguf` and `../fixtures/blocks.txt`: for each tensor its name and its values as f32 bit patterns.
K types have random bytes, since the package does not write them; their f16 factors are ordinary numbers.
"""

from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

FIXTURES = Path(__file__).parent.parent / "fixtures"
SIMPLE = [Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0]
# For each type the places of its f16 factors in a block.
K_TYPES = {Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208]}


def random_blocks(generator, kind, count):
    _, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = generator.integers(0, 256, (count, size), dtype=np.uint8)
    for place in K_TYPES[kind]:
        factors = generator.normal(0, 0.01, count).astype(np.float16)
        blocks[:, place : place + 2] = factors.view(np.uint8).reshape(count, 2)
    return blocks


def main():
    generator = np.random.default_rng(20240604)
    writer = gguf.GGUFWriter(FIXTURES / "blocks.gguf", arch="sdxl")
    writer.add_array("tokens", ["one", "two"])
    lines = []

    def add(name, data, kind, values):
        writer.add_tensor(name, data, raw_dtype=kind)
        bits = values.astype(np.float32).reshape(-1).view(np.uint32)
        lines.append(" ".join([name, *(f"{number:08x}" for number in bits)]))

    for kind in SIMPLE:
        values = generator.normal(0, 1, (2, 64)).astype(np.float32)
        data = gguf.quantize(values, kind)
        add(kind.name, data, kind, gguf.dequantize(data, kind))
    for kind in K_TYPES:
        data = random_blocks(generator, kind, 1)
        add(kind.name, data, kind, gguf.dequantize(data, kind))
    plain = generator.normal(0, 1, (3, 5)).astype(np.float32)
    add("F32", plain, Type.F32, plain)
    add("F16", plain.astype(np.float16), Type.F16, plain.astype(np.float16))
    add("BF16", gguf.quantize(plain, Type.BF16), Type.BF16, gguf.dequantize(gguf.quantize(plain, Type.BF16), Type.BF16))
    # As ComfyUI-GGUF stores a convolution: in rows of 256, with its shape beside it.
    convolution = generator.normal(0, 1, (4, 8, 4, 2)).astype(np.float32)
    data = gguf.quantize(convolution.reshape(-1, 256), Type.Q8_0)
    writer.add_array("comfy.gguf.orig_shape.convolution", list(convolution.shape))
    add("convolution", data, Type.Q8_0, gguf.dequantize(data, Type.Q8_0))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (FIXTURES / "blocks.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
