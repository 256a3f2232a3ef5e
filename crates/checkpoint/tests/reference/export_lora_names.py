"""Writes, for every layer of SDXL base that LoRA trainers touch, its name in each key layout and the layer that diffusers
turns that name into."""

import re
from pathlib import Path

import torch
from diffusers.loaders import lora_conversion_utils as judge
from diffusers.utils.state_dict_utils import (
    convert_state_dict_to_peft,
    convert_unet_state_dict_to_peft,
)
from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model

from export_names import HERE, PREFIXES, models, prefixed, rows

DOWN = ".lora_down.weight"
LINEAR_OR_CONV = (torch.nn.Linear, torch.nn.Conv2d)


def layers(net, part):
    """The linear layers and convolutions that can have a LoRA. text_projection is trained by no kohya network."""
    for name, module in net.named_modules():
        if isinstance(module, LINEAR_OR_CONV):
            yield name if part == "unet" or name.startswith("text_") else f"text_model.{name}"


def ldm_names(parts):
    """From diffusers' path to LDM's."""
    table = {}
    for part, name, ldm, _ in rows(parts):
        if part == "unet" and name.endswith(".weight"):
            table[name[: -len(".weight")]] = ldm[len(PREFIXES["unet"]) : -len(".weight")]
    return table


def diffusers_says(names, unet_config):
    """From each kohya name to (part, path, name in diffusers' older layout), by diffusers' own conversion."""
    found = {}
    tensors = {}
    for number, name in enumerate(names):
        tensors[name + DOWN] = torch.full([1], float(number))
        tensors[name + ".lora_up.weight"] = torch.full([1], float(number))
    tensors = judge._maybe_map_sgm_blocks_to_diffusers(tensors, unet_config)
    old, alphas = judge._convert_non_diffusers_lora_to_diffusers(tensors)
    assert not alphas
    for part in ("unet", "text_encoder", "text_encoder_2"):
        own = {k[len(part) + 1 :]: v for k, v in old.items() if k.startswith(part + ".")}
        to_peft = convert_unet_state_dict_to_peft if part == "unet" else convert_state_dict_to_peft
        paths = {int(v): k for k, v in to_peft(own).items() if ".lora_A" in k} if own else {}
        for key, value in own.items():
            if ".down." in key:
                path = re.sub(r"\.lora_A(\.weight)?$", "", paths[int(value)])
                found[names[int(value)]] = (part, path, f"{part}.{key}")
    return found


def check_peft(net, paths, part):
    """peft's own names for the same layers must be the paths."""
    bare = [path if part == "unet" or path.startswith("text_proj") else path for path in paths]
    wanted = {p.removeprefix("text_model.") if not hasattr(net, "text_model") and part != "unet" else p for p in bare}
    inject_adapter_in_model(LoraConfig(r=1, target_modules=sorted(wanted)), net)
    names = {k.split(".lora_A")[0] for k in get_peft_model_state_dict(net) if ".lora_A" in k}
    if names != wanted:
        raise SystemExit(f"{part}: peft's names differ: {sorted(names ^ wanted)[:4]}")


def fold(lines):
    """Merges lines that differ only in one index."""
    counted = re.compile(r"(transformer_blocks|encoder[._]layers)([._])(\d+)(?=[._])")
    groups, order = {}, []
    for line in lines:
        key = counted.sub(r"\1\2{}", line)
        if key not in groups:
            order.append(key)
        match = counted.search(line)
        groups.setdefault(key, []).append(int(match[3]) if match else None)
    for key in order:
        numbers = groups[key]
        if numbers == [None]:
            yield key
        else:
            assert numbers == list(range(len(numbers))), key
            yield key.replace("{}", "{0..%d}" % (len(numbers) - 1))


def main():
    nets = models()
    parts = {part: net.state_dict() for part, net in nets.items()}
    parts |= {part: prefixed(parts[part]) for part in ("text_encoder", "text_encoder_2")}
    ldm = ldm_names(parts)
    lines, counts = [], {}
    for part, prefix in (("unet", "lora_unet_"), ("text_encoder", "lora_te1_"), ("text_encoder_2", "lora_te2_")):
        paths = [path for path in layers(nets[part], part) if path != "text_projection"]
        numbered = [prefix + ldm.get(path, path).replace(".", "_") for path in paths]
        plain = [prefix + path.replace(".", "_") for path in paths]
        by_number = diffusers_says(numbered, nets["unet"].config)
        for path, one, other in zip(paths, numbered, plain):
            said = by_number[one]
            if said[:2] != (part, path):
                raise SystemExit(f"{one}: diffusers says {said}, expected {part} {path}")
            lines.append(" ".join([part, path, one, other, said[2]]))
        check_peft(nets[part], paths, part)
        counts[part] = len(paths)
        attention = [p for p in paths if "transformer_blocks" in p or ".proj_" in p or part != "unet"]
        print(f"{part}: {len(paths)} layers, {len(attention)} of them in kohya's default network")
    HERE.parent.joinpath("fixtures/lora_names.txt").write_text("\n".join(fold(lines)) + "\n")


if __name__ == "__main__":
    main()
