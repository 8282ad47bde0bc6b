"""Items of two reporting guidelines: those that the report covers, and those for an author.

CLAIM: Tejani et al. 2024, "Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024
Update", Radiology: Artificial Intelligence 6(4):e240300. TRIPOD+AI: Collins et al. 2024, BMJ
385:e078378. The numbers are those of the guidelines, the topics are paraphrased.
"""

from typing import NamedTuple

REPORTED, PARTLY, AUTHOR = "reported", "partly", "author"


class Item(NamedTuple):
    """An item: its status, and where it is reported or what is missing."""

    number: str
    topic: str
    status: str
    where: str


CLAIM = (
    Item("1", "Title names the AI method", REPORTED, "title of this report"),
    Item("2", "Abstract", PARTLY, "“At a glance”; aims and conclusions are missing"),
    Item("3", "Background, intended use and role", AUTHOR, "the clinical question"),
    Item("4", "Aims and hypotheses", AUTHOR, "hypotheses and comparisons"),
    Item("5", "Prospective or retrospective", AUTHOR, "how the images were collected"),
    Item("6", "Study goal", AUTHOR, "such as feasibility or comparison with a standard"),
    Item("7", "Data sources", PARTLY, "images by source; place and time are missing"),
    Item(
        "8",
        "Inclusion and exclusion",
        PARTLY,
        "flow of images, reasons; criteria of the source are missing",
    ),
    Item("9", "Pre-processing", REPORTED, "“Training data” and “Settings”"),
    Item("10", "Selection of subsets", REPORTED, "“Flow of images”, “Duplicates”"),
    Item("11", "De-identification", AUTHOR, "procedure of the source; text in images"),
    Item("12", "Missing data", REPORTED, "unlabelled and unusable images are counted and excluded"),
    Item("13", "Image acquisition", PARTLY, "views, file formats; devices are missing"),
    Item(
        "14", "How the reference standard was obtained", AUTHOR, "who or what determined the labels"
    ),
    Item("15", "Why this reference standard", AUTHOR, ""),
    Item("16", "Source of the annotations", AUTHOR, "annotators and their qualification"),
    Item("17", "Annotation of the test set", AUTHOR, ""),
    Item("18", "Variability between annotators", AUTHOR, ""),
    Item("19", "How data were assigned to partitions", REPORTED, "“Flow of images”, “Settings”"),
    Item(
        "20",
        "Level at which partitions are disjoint",
        REPORTED,
        "by patient and by duplicate group",
    ),
    Item("21", "Intended sample size", AUTHOR, "the intervals show the precision of this size"),
    Item("22", "The model in detail", REPORTED, "“Model”; the code is in the repository"),
    Item("23", "Software", REPORTED, "requirements.lock in the repository pins every version"),
    Item("24", "Initial parameters", REPORTED, "“Model”: initial weights"),
    Item("25", "Training", REPORTED, "“Model”, “Settings”"),
    Item("26", "How the final model was selected", REPORTED, "“Model”: model selection"),
    Item("27", "Ensembles", REPORTED, "none: a single network"),
    Item("28", "Metrics of performance", REPORTED, "“Metrics” in the model card"),
    Item(
        "29", "Significance and uncertainty", REPORTED, "bootstrap over patients or single images"
    ),
    Item(
        "30",
        "Robustness, sensitivity analysis",
        PARTLY,
        "subgroups, shortcut audit; only one seed and split",
    ),
    Item("31", "Explainability", REPORTED, "“Heatmaps”, with measures of their quality"),
    Item("32", "Evaluation on internal data", REPORTED, "“Performance”"),
    Item("33", "Testing on external data", AUTHOR, "“Evaluation data” names the sources"),
    Item("34", "Clinical trial registration", AUTHOR, ""),
    Item("35", "Numbers included and excluded", REPORTED, "“Flow of images”"),
    Item("36", "Demographics of each partition", PARTLY, "age and sex, if the source gives them"),
    Item("37", "Performance with uncertainty", REPORTED, "“Performance”"),
    Item(
        "38", "Diagnostic performance, precision", REPORTED, "by class and at the operating point"
    ),
    Item("39", "Failure analysis", PARTLY, "“Errors”; a radiologist's review is missing"),
    Item("40", "Limitations", PARTLY, "“Caveats”; limitations of the study are missing"),
    Item("41", "Implications for practice", AUTHOR, "none can be drawn from this report alone"),
    Item(
        "42", "Protocol, technical details", PARTLY, "the repository; a study protocol is missing"
    ),
    Item(
        "43",
        "Availability of software, model, data",
        PARTLY,
        "code in the repository; data at its source",
    ),
    Item("44", "Funding", AUTHOR, ""),
)

TRIPOD = (
    Item("1", "Title", PARTLY, "model and task; the target population is missing"),
    Item("2", "Abstract", PARTLY, "“At a glance”"),
    Item("3a", "Healthcare context", AUTHOR, ""),
    Item("3b", "Target population, purpose, users", PARTLY, "“Intended use”: research only"),
    Item("3c", "Health inequalities", AUTHOR, ""),
    Item("4", "Objectives", AUTHOR, ""),
    Item("5a", "Sources of data", PARTLY, "images by source; representativeness is missing"),
    Item("5b", "Dates", AUTHOR, ""),
    Item("6a", "Setting and centres", PARTLY, "names of the sources; the setting is missing"),
    Item(
        "6b", "Eligibility", PARTLY, "flow of images, reasons; criteria of the source are missing"
    ),
    Item("6c", "Treatments", AUTHOR, ""),
    Item("7", "Data preparation", REPORTED, "“Training data”, “Settings”"),
    Item("8a", "Outcome", PARTLY, "classes and label mapping; the assessment is missing"),
    Item("8b", "Outcome assessors", AUTHOR, ""),
    Item("8c", "Blinding of the outcome's assessment", AUTHOR, ""),
    Item("9a", "Choice of predictors", REPORTED, "the image alone"),
    Item(
        "9b", "Definition of predictors", PARTLY, "input of the model; image acquisition is missing"
    ),
    Item("9c", "Predictor assessors", REPORTED, "none: pixel values need no assessor"),
    Item("10", "Sample size", AUTHOR, "the intervals show the precision of this size"),
    Item("11", "Missing data", REPORTED, "unlabelled and unusable images are counted and excluded"),
    Item("12a", "How the data were used", REPORTED, "“Flow of images”"),
    Item("12b", "How predictors were handled", REPORTED, "“Model”: input"),
    Item("12c", "Model type, building, internal validation", REPORTED, "“Model”"),
    Item(
        "12d", "Heterogeneity between clusters", PARTLY, "subgroups by source, if there are several"
    ),
    Item("12e", "Measures of performance", REPORTED, "“Metrics” in the model card"),
    Item("12f", "Model updating", REPORTED, "none after evaluation"),
    Item(
        "12g", "How predictions were calculated", REPORTED, "predictions.csv and the model folder"
    ),
    Item("13", "Class imbalance", REPORTED, "“Model”: class imbalance, calibration"),
    Item("14", "Fairness", PARTLY, "measured by subgroup; differences are not corrected"),
    Item("15", "Output and thresholds", REPORTED, "probabilities; “Operating point”"),
    Item("16", "Training versus evaluation data", PARTLY, "“Characteristics of the splits”"),
    Item("17", "Ethical approval", AUTHOR, ""),
    Item("18a", "Funding", AUTHOR, ""),
    Item("18b", "Conflicts of interest", AUTHOR, ""),
    Item("18c", "Protocol", AUTHOR, ""),
    Item("18d", "Registration", AUTHOR, ""),
    Item("18e", "Data sharing", AUTHOR, "terms of the source of the data"),
    Item("18f", "Code sharing", REPORTED, "the repository"),
    Item("19", "Patient and public involvement", AUTHOR, ""),
    Item("20a", "Flow of participants", REPORTED, "“Flow of images”"),
    Item("20b", "Characteristics", PARTLY, "age, sex and view, if the source gives them"),
    Item("20c", "Comparison with development data", REPORTED, "“Characteristics of the splits”"),
    Item("21", "Numbers in each analysis", REPORTED, "“Flow of images” by class"),
    Item(
        "22", "The full model", REPORTED, "the model folder contains the model and its description"
    ),
    Item("23a", "Performance with intervals, subgroups", REPORTED, "“Performance”"),
    Item(
        "23b", "Heterogeneity between clusters", PARTLY, "subgroups by source, if there are several"
    ),
    Item("24", "Results of model updating", REPORTED, "none after evaluation"),
    Item("25", "Interpretation", AUTHOR, "“At a glance” states results, not their context"),
    Item("26", "Limitations", PARTLY, "“Caveats”; limitations of the study are missing"),
    Item(
        "27a", "Poor or missing input in use", PARTLY, "unusable images are rejected with a reason"
    ),
    Item("27b", "What users must do and know", AUTHOR, ""),
    Item("27c", "Next steps", AUTHOR, ""),
)

CHECKLISTS = {"CLAIM, 2024 update": CLAIM, "TRIPOD+AI, 2024": TRIPOD}


def count_by_status(items: tuple[Item, ...]) -> dict[str, int]:
    """Number of items with each status."""
    return {
        status: sum(item.status == status for item in items)
        for status in (REPORTED, PARTLY, AUTHOR)
    }
