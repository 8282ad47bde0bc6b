"""Classify images that are in no data set."""

# The defaults of the command, which needs no params.yaml; the same as there. They are here
# because the command line shows them before anything heavy is imported.
POSITIVE = ("COVID", "COVID-19", "COVID19")
SENSITIVITY = 0.95
