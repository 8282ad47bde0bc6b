"""Which items of two reporting guidelines this page fills, and which a person still has to.

CLAIM: Tejani et al. 2024, "Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024
Update", Radiology: Artificial Intelligence 6(4):e240300. TRIPOD+AI: Collins et al. 2024, BMJ
385:e078378. The topics are in our own words; the numbers are the guidelines'.
"""

from typing import NamedTuple

FILLED, PARTLY, PERSON = "filled", "partly", "a person"


class Item(NamedTuple):
    """An item: who fills it, and where it is on the page or what is left to write."""

    number: str
    topic: str
    status: str
    where: str


CLAIM = (
    Item("1", "Title names the AI method", FILLED, "title of this page"),
    Item("2", "Abstract", PARTLY, "“At a glance”; aims and conclusions are left to write"),
    Item("3", "Background, intended use and role", PERSON, "the clinical question"),
    Item("4", "Aims and hypotheses", PERSON, "what is to be shown, and against what"),
    Item("5", "Prospective or retrospective", PERSON, "how the images were collected"),
    Item("6", "Study goal", PERSON, "such as feasibility, or comparison with a standard"),
    Item("7", "Data sources", PARTLY, "images by source; when and where they were made is left"),
    Item("8", "Inclusion and exclusion", PARTLY, "flow and reasons; the source's own is left"),
    Item("9", "Pre-processing", FILLED, "“Training data” and “All settings”"),
    Item("10", "Selection of subsets", FILLED, "flow of images, deduplication"),
    Item("11", "De-identification", PERSON, "what the source did; text burnt into images"),
    Item("12", "Missing data", FILLED, "unlabelled and unusable images are counted, and left out"),
    Item("13", "Image acquisition", PARTLY, "views, file formats; devices are left"),
    Item("14", "How the reference standard was obtained", PERSON, "who or what set the labels"),
    Item("15", "Why this reference standard", PERSON, ""),
    Item("16", "Source of the annotations", PERSON, "annotators and their qualification"),
    Item("17", "Annotation of the test set", PERSON, ""),
    Item("18", "Variability between annotators", PERSON, ""),
    Item("19", "How data were assigned to partitions", FILLED, "“Flow of images”, “All settings”"),
    Item("20", "Level at which partitions are disjoint", FILLED, "patients and duplicates united"),
    Item("21", "Intended sample size", PERSON, "the intervals show what this size can tell"),
    Item("22", "The model in detail", FILLED, "“The network”; its code is in the repository"),
    Item("23", "Software", FILLED, "requirements.lock in the repository pins every version"),
    Item("24", "Initial parameters", FILLED, "“The network”: weights"),
    Item("25", "Training", FILLED, "“The network”, “All settings”"),
    Item("26", "How the final model was selected", FILLED, "“The network”: epoch kept"),
    Item("27", "Ensembles", FILLED, "none: one network"),
    Item("28", "Metrics of performance", FILLED, "“Metrics” in the model card"),
    Item("29", "Significance and uncertainty", FILLED, "bootstrap over patients or groups"),
    Item("30", "Robustness, sensitivity analysis", PARTLY, "subgroups, audit; one seed and split"),
    Item("31", "Explainability", FILLED, "“What it looked at”, with measures of the heatmaps"),
    Item("32", "Evaluation on internal data", FILLED, "“How well it does”"),
    Item("33", "Testing on external data", PERSON, "see “Evaluation data” for what was held out"),
    Item("34", "Clinical trial registration", PERSON, ""),
    Item("35", "Numbers included and excluded", FILLED, "“Flow of images”"),
    Item("36", "Demographics of each partition", PARTLY, "age and sex where the source tells them"),
    Item("37", "Performance with uncertainty", FILLED, "“How well it does”"),
    Item("38", "Diagnostic performance, precision", FILLED, "by class, and operating point"),
    Item("39", "Failure analysis", PARTLY, "“Where it fails”; a radiologist's reading is left"),
    Item("40", "Limitations", PARTLY, "“Caveats”; those of the study are left to write"),
    Item("41", "Implications for practice", PERSON, "none may be drawn from this page alone"),
    Item("42", "Protocol, technical details", PARTLY, "the repository; a study protocol is left"),
    Item("43", "Availability of software, model, data", PARTLY, "the repository; data: its source"),
    Item("44", "Funding", PERSON, ""),
)

TRIPOD = (
    Item("1", "Title", PARTLY, "model and task; the target population is left"),
    Item("2", "Abstract", PARTLY, "“At a glance”"),
    Item("3a", "Healthcare context", PERSON, ""),
    Item("3b", "Target population, purpose, users", PARTLY, "“Intended use”: research only"),
    Item("3c", "Health inequalities", PERSON, ""),
    Item("4", "Objectives", PERSON, ""),
    Item("5a", "Sources of data", PARTLY, "images by source; why, and how representative, is left"),
    Item("5b", "Dates", PERSON, ""),
    Item("6a", "Setting and centres", PARTLY, "sources by name; the setting is left"),
    Item("6b", "Eligibility", PARTLY, "flow and reasons; the source's own is left"),
    Item("6c", "Treatments", PERSON, ""),
    Item("7", "Data preparation", FILLED, "“Training data”, “All settings”"),
    Item("8a", "Outcome", PARTLY, "classes and label mapping; how they were assessed is left"),
    Item("8b", "Outcome assessors", PERSON, ""),
    Item("8c", "Blinding of the outcome's assessment", PERSON, ""),
    Item("9a", "Choice of predictors", FILLED, "the image alone"),
    Item("9b", "Definition of predictors", PARTLY, "input of the network; how it was made is left"),
    Item("9c", "Predictor assessors", FILLED, "none: pixels are not assessed by anyone"),
    Item("10", "Sample size", PERSON, "the intervals show what this size can tell"),
    Item("11", "Missing data", FILLED, "unlabelled and unusable images are counted, and left out"),
    Item("12a", "How the data were used", FILLED, "“Flow of images”"),
    Item("12b", "How predictors were handled", FILLED, "“The network”: input"),
    Item("12c", "Model type, building, internal validation", FILLED, "“The network”"),
    Item("12d", "Heterogeneity between clusters", PARTLY, "subgroups by source, where several"),
    Item("12e", "Measures of performance", FILLED, "“Metrics” in the model card"),
    Item("12f", "Model updating", FILLED, "none after evaluation"),
    Item("12g", "How predictions were calculated", FILLED, "predictions.csv and the model folder"),
    Item("13", "Class imbalance", FILLED, "“The network”: imbalance; calibration"),
    Item("14", "Fairness", PARTLY, "measured by subgroup; nothing was done about differences"),
    Item("15", "Output and thresholds", FILLED, "probabilities; “Operating point”"),
    Item("16", "Training versus evaluation data", PARTLY, "characteristics by partition"),
    Item("17", "Ethical approval", PERSON, ""),
    Item("18a", "Funding", PERSON, ""),
    Item("18b", "Conflicts of interest", PERSON, ""),
    Item("18c", "Protocol", PERSON, ""),
    Item("18d", "Registration", PERSON, ""),
    Item("18e", "Data sharing", PERSON, "the terms of the data set's source"),
    Item("18f", "Code sharing", FILLED, "the repository"),
    Item("19", "Patient and public involvement", PERSON, ""),
    Item("20a", "Flow of participants", FILLED, "“Flow of images”"),
    Item("20b", "Characteristics", PARTLY, "age, sex and view where the source tells them"),
    Item("20c", "Comparison with development data", FILLED, "characteristics by partition"),
    Item("21", "Numbers in each analysis", FILLED, "“Flow of images” by class"),
    Item("22", "The full model", FILLED, "the model folder describes itself"),
    Item("23a", "Performance with intervals, subgroups", FILLED, "“How well it does”"),
    Item("23b", "Heterogeneity between clusters", PARTLY, "subgroups by source, where several"),
    Item("24", "Results of model updating", FILLED, "none after evaluation"),
    Item("25", "Interpretation", PERSON, "“At a glance” reads the numbers, not the field"),
    Item("26", "Limitations", PARTLY, "“Caveats”; those of the study are left to write"),
    Item("27a", "Poor or missing input in use", PARTLY, "what is unusable is refused by name"),
    Item("27b", "What users must do and know", PERSON, ""),
    Item("27c", "Next steps", PERSON, ""),
)

CHECKLISTS = {"CLAIM, 2024 update": CLAIM, "TRIPOD+AI, 2024": TRIPOD}


def counts(items: tuple[Item, ...]) -> dict[str, int]:
    """Number of items by who fills them."""
    return {
        status: sum(item.status == status for item in items) for status in (FILLED, PARTLY, PERSON)
    }
