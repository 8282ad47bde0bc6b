"""Placeholders for patient ids, such as "Anonymized"."""

import re

# What tables and DICOM headers contain after the patient id was removed.
PLACEHOLDER = re.compile(
    r"(anon(ym(ous|ized|ised|e)?)?|removed|redacted|de-?identified|hidden|unknown|none|null|nan|na|"
    r"n/a|n\.a\.|not available|no ?name|-+|\?+)( (patient|subject|id|name))?"
)


def is_placeholder(patient: str) -> bool:
    """Whether a patient id stands for an unknown patient, such as "N/A" or "Anonymized Patient"."""
    words = " ".join(re.split(r"[\s_^]+", patient.strip().lower())).strip()
    return not words or words == "patient" or PLACEHOLDER.fullmatch(words) is not None
