"""What a trained network makes of images that were in no data set."""

# As in params.yaml; a model folder may be far from one.
POSITIVE = ["COVID", "COVID-19", "COVID19"]
SENSITIVITY = 0.95
