"""Classify new images."""

# Defaults of the command, which does not read params.yaml; the values are the same as there. They
# are in this module because `cxr --help` shows them without importing heavy libraries.
POSITIVE = ("COVID", "COVID-19", "COVID19")
SENSITIVITY = 0.95
