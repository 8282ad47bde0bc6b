"""What data sets write down of a person, in the words of the table `Index`."""

SEXES = {"f": "F", "female": "F", "m": "M", "male": "M"}
OLDEST = 120


def sex(text: str) -> str:
    """F, M, or "" for anything else."""
    return SEXES.get(text.strip().lower(), "")


def age(text: str) -> str:
    """Years as a plain number, such as 65 for "65.0"; "" for what is no age of a person."""
    try:
        years = float(text)
    except ValueError:
        return ""
    return f"{years:g}" if 0 <= years <= OLDEST else ""
