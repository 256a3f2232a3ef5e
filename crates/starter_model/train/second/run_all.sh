#!/bin/sh
# Everything from the artwork to the figures, about eight hours of two cores. Start it again after an interruption: each
# part continues from its checkpoint in work/second/. With PAUSE=FILE it waits while that file exists.
set -e
cd "$(dirname "$0")/.."
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-2}" OMP_WAIT_POLICY=PASSIVE
pause="${PAUSE:+--pause-file $PAUSE}"
work=work/second
mkdir -p "$work"
[ -d second/node_modules ] || npm install --prefix second --no-package-lock --no-audit --no-fund
[ -f "$work/sprites.npz" ] || python -m second.prepare_data
[ -f "$work/pool.json" ] || python -m second.pool --count 20000 --out "$work/pool" $pause
[ -f "$work/held.json" ] || python -m second.pool --count 192 --held-out --out "$work/held" $pause
python -m second.train_vae $pause
[ -f "$work/pool-unet.json" ] || python -m second.pool --count 50000 --seed 1 --out "$work/pool-unet" $pause
[ -f "$work/latents.pt" ] || python -m second.cache_latents $pause
python -m second.train_unet $pause
python -m second.train_decoder vae $pause
python -m second.train_decoder preview $pause
python -m second.export
[ -f "$work/judges.pt" ] || python -m second.judges $pause
for what in pictures controls variety vae sheet; do
    python -m second.evaluate "$what" $pause
done
