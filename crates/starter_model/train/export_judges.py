"""Write the inputs of the engine's own evaluation: the prompts, and both judges' weights.

    python evaluate.py classifier
    python export_judges.py

``../evaluation/suite.json`` holds the prompts of ``evaluate.py generate`` with their seeds;
``../evaluation/judges.safetensors`` two small classifiers of the objects, in f16: ``colour`` sees colours, ``shape``
grayscale pictures only (``controls.py``). Their batch norms are folded into the convolutions.
"""
import argparse
import json
import os

import torch
from safetensors.torch import save_file

from controls import gray, shape_judge
from dataset import BACKGROUNDS, Data, prompt
from evaluate import OBJECT_COLORS, Classifier, small, suite


def folded(model, name):
    """Convolutions and head of a classifier; the norms' scale and shift go into the convolutions."""
    out = {}
    body = list(model.body)
    for i, (conv, norm) in enumerate(zip(body[0::3], body[1::3])):
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        out[f"{name}.{i}.weight"] = conv.weight * scale[:, None, None, None]
        out[f"{name}.{i}.bias"] = (conv.bias - norm.running_mean) * scale + norm.bias
    out[f"{name}.head.weight"], out[f"{name}.head.bias"] = model.head.weight, model.head.bias
    return {k: v.detach().half().contiguous() for k, v in out.items()}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--sprites", default="work/sprites.npz")
    ap.add_argument("--classifier", default="work/classifier.pt")
    ap.add_argument("--out", default="../evaluation")
    ap.add_argument("--suite-seed", type=int, default=0)
    ap.add_argument("--shape-seed", type=int, default=3)
    args = ap.parse_args()
    torch.set_num_threads(1)
    data, ck = Data(args.sprites), torch.load(args.classifier)
    colour = Classifier(len(ck["objects"]))
    colour.load_state_dict(ck["model"])
    colour.eval()
    shape, accuracy = shape_judge(data, args.shape_seed)
    # Both outputs for a fixed artificial input, with which the engine's implementation is compared.
    probe = ((torch.arange(3 * 64 * 64) * 37 % 101) / 50 - 1).view(1, 3, 64, 64)
    with torch.no_grad():
        said = {"probe.colour": colour(probe)[0], "probe.shape": shape(gray(probe))[0]}
    os.makedirs(args.out, exist_ok=True)
    path = os.path.join(args.out, "judges.safetensors")
    save_file({**folded(colour, "colour"), **folded(shape, "shape"), **said}, path)
    os.chmod(path, 0o644)
    rows = [{"split": split, "prompt": prompt(spec), "object": spec.obj, "colour": spec.color,
             "background": spec.bg, "seed": 1000 + i} for i, (split, spec) in enumerate(suite(data.objects, args.suite_seed))]
    print(f"accuracy on held-out composites: colour {ck['accuracy']:.3f}, shape {accuracy:.3f}")
    with open(os.path.join(args.out, "suite.json"), "w") as f:
        head = {"judges_on_artwork": {"colour": round(ck["accuracy"], 3), "shape": round(accuracy, 3)},
                "classes": data.objects, "backgrounds": BACKGROUNDS, "object_colours": OBJECT_COLORS}
        lines = ",\n  ".join(json.dumps(row) for row in rows)
        f.write(json.dumps(head)[:-1] + f',\n "prompts": [\n  {lines}\n ]\n}}\n')


if __name__ == "__main__":
    main()
