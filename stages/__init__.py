"""The pipeline: one package for each stage of dvc.yaml."""
