"""Writes the numbers of both 8-bit float types as torch reads them: one line a type, 256 f32 bit patterns each."""

from pathlib import Path

import torch

OUT = Path(__file__).parent.parent / "fixtures/fp8.txt"
TYPES = {"F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2}


def main():
    lines = []
    for name, dtype in TYPES.items():
        values = torch.arange(256, dtype=torch.int16).to(torch.uint8).view(dtype).to(torch.float32)
        # One spelling of "not a number".
        values = torch.where(values.isnan(), torch.full_like(values, float("nan")), values)
        bits = values.view(torch.int32).tolist()
        lines.append(" ".join([name, *(f"{number & 0xFFFFFFFF:08x}" for number in bits)]))
    OUT.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
