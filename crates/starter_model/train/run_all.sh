#!/bin/sh
# Everything from the artwork to the exported model and its figures; about 65 minutes on two cores.
# Interrupted steps continue from their checkpoints in work/.
set -e
cd "$(dirname "$0")"
export OMP_NUM_THREADS=1
two="torchrun --nproc_per_node 2"
mkdir -p work
[ -d node_modules ] || npm install --no-audit --no-fund
[ -f work/sprites.npz ] || python prepare_data.py
$two train_vae.py
[ -f work/latents.pt ] || $two cache_latents.py
$two train_unet.py
python train_decoder.py vae &
python train_decoder.py preview
wait
python export.py
[ -f work/classifier.pt ] || python evaluate.py classifier
python evaluate.py losses
$two evaluate.py generate
python evaluate.py sheets
python evaluate.py metrics
python controls.py
python export_judges.py
python ../tests/reference/export.py
