"""The pipeline: one package for each stage of dvc.yaml, and beside them what stages share."""

import os

# Set before torch, OpenCV or albumentations can be imported by any stage.
# PASSIVE: OpenMP threads that spin while a shared machine takes a core away slow a step by 8 x.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
# A stage draws into files, never on a screen.
os.environ.setdefault("MPLBACKEND", "Agg")
# Needed by cuBLAS for runs that repeat to the bit on a GPU.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
