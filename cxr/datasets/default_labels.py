"""Default label mappings, for data sets with too many published labels for params.yaml."""

COVID_CHESTXRAY = {
    # Labels of May 2020 (Kaggle).
    "COVID-19": "COVID-19",
    "COVID-19, ARDS": "COVID-19",
    "ARDS": "other",
    "Chlamydophila": "other",
    "E.Coli": "other",
    "Klebsiella": "other",
    "Legionella": "other",
    "No Finding": "other",
    "Pneumocystis": "other",
    "SARS": "other",
    "Streptococcus": "other",
    # Labels of June 2020 (GitHub).
    "Bacterial": "other",
    "Influenza": "other",
    "Lipoid": "other",
    "Mycoplasma Bacterial Pneumonia": "other",
    "Varicella": "other",
    # Labels of later states (GitHub).
    "Pneumonia/Viral/COVID-19": "COVID-19",
    "Pneumonia": "other",
    "Pneumonia/Aspiration": "other",
    "Pneumonia/Bacterial": "other",
    "Pneumonia/Bacterial/Chlamydophila": "other",
    "Pneumonia/Bacterial/E.Coli": "other",
    "Pneumonia/Bacterial/Klebsiella": "other",
    "Pneumonia/Bacterial/Legionella": "other",
    "Pneumonia/Bacterial/Mycoplasma": "other",
    "Pneumonia/Bacterial/Nocardia": "other",
    "Pneumonia/Bacterial/Staphylococcus/MRSA": "other",
    "Pneumonia/Bacterial/Streptococcus": "other",
    "Pneumonia/Fungal/Aspergillosis": "other",
    "Pneumonia/Fungal/Pneumocystis": "other",
    "Pneumonia/Lipoid": "other",
    "Pneumonia/Viral/Herpes": "other",
    "Pneumonia/Viral/Influenza": "other",
    "Pneumonia/Viral/Influenza/H1N1": "other",
    "Pneumonia/Viral/MERS-CoV": "other",
    "Pneumonia/Viral/SARS": "other",
    "Pneumonia/Viral/Varicella": "other",
    "Tuberculosis": "other",
    # No finding is given.
    "Unknown": "",
    "todo": "",
}
DEFAULT_LABELS = {"covid_chestxray": COVID_CHESTXRAY}
"""By data set: published label -> class of the task; "" leaves the image unlabelled."""
