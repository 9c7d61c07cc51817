#!/bin/bash
# Makes sensor.onnx, sensor.edgeai (int8) and Examples/c/sensor_model.h again. Needs `make library`, and PYTHON with
# torch and onnx.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" Examples/models/train_sensor.py Examples/models/sensor.onnx "$work/samples.raw"
gcc -O2 -IInclude Tests/c/quantize_model.c build/libedgeai.a -lm -lpthread -o "$work/quantize_model"
"$work/quantize_model" Examples/models/sensor.onnx Examples/models/sensor.edgeai "$work/samples.raw" \
  Examples/c/sensor_model.h sensor_model
