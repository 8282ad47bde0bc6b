"""Convert sex and age, as data sets write them, to the values of the table `Index`."""

SEXES = {"f": "F", "female": "F", "m": "M", "male": "M"}
MAX_AGE = 120


def sex(text: str) -> str:
    """F, M, or "" for anything else."""
    return SEXES.get(text.strip().lower(), "")


def age(text: str) -> str:
    """Years as a plain number, such as 65 for "65.0"; "" for anything that is not an age."""
    try:
        years = float(text)
    except ValueError:
        return ""
    return f"{years:g}" if 0 <= years <= MAX_AGE else ""
