import base64
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr.pipeline.errors import UserError
from cxr.pipeline.tables import IMAGE_STATUS, SPLITS
from cxr.plotting.display_names import PROBE_NAMES
from stages.report import findings
from stages.report.__main__ import main
from stages.report.checklists import CHECKLISTS, count_by_status
from stages.report.dataset import NOT_USED
from stages.report.embed import embed_image
from tests.helpers.closure import loaded
from tests.helpers.html_page import Page
from tests.helpers.params import changed as changed_params
from tests.helpers.report_inputs import FILES, arguments, changed, written

SECTIONS = (
    *("glance", "data", "model", "performance", "errors", "heatmaps", "audit", "model-card"),
    *("checklists", "settings"),
)
CARD = (
    *("Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data"),
    *("Quantitative analyses", "Ethical considerations", "Caveats and recommendations"),
)


def made(folder: Path, place: Path, **options: Path) -> str:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(sys, "argv", ["page", *arguments(folder, place, **options)])
        main()
    return (place / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="module")
def html(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return made(inputs, tmp_path_factory.mktemp("report") / "report")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def linked(inputs: Path, folder: Path, *but: str) -> Path:
    """The inputs in another folder, as links; those in `but` are copies."""
    for name in FILES.values():
        if name in but:
            (folder / name).write_bytes((inputs / name).read_bytes())
        else:
            (folder / name).symlink_to(inputs / name)
    return folder


def metrics(inputs: Path, name: str) -> dict:
    return json.loads((inputs / f"{name}.json").read_text())


def test_every_section_is_there_and_in_the_contents(page: Page) -> None:
    assert [name for name in page.ids if name in SECTIONS] == list(SECTIONS)
    linked = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    assert {f"#{name}" for name in SECTIONS} <= set(linked)
    assert {link.removeprefix("#") for link in linked} <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)
    for title in CARD:
        assert title in page.text
    assert "Not a medical device" in page.text
    assert "synthetic images, not patients" in page.text


def test_it_needs_nothing_else(html: str, page: Page) -> None:
    assert not {tag for tag, _ in page.tags} & {"script", "iframe", "object", "embed"}
    addresses = [
        attrs[name] for _, attrs in page.tags for name in ("src", "href") if attrs.get(name)
    ]
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert "url(" not in html
    assert "@import" not in html


def test_headline_numbers_are_those_of_the_metrics(inputs: Path, page: Page) -> None:
    test = metrics(inputs, "test")
    rows = page.table("Scores on the test images")
    spoken = {"Accuracy": "accuracy", "AUROC": "auroc", "Balanced accuracy": "balanced_accuracy"}
    for title, name in spoken.items():
        ends = test["interval"][name]
        assert rows[title][0] == f"{test[name]:.3f}"
        assert rows[title][1] == f"{ends['low']:.3f} to {ends['high']:.3f}"
    assert rows["Balanced accuracy"][2] == "0.250"
    support = [one["support"] for one in metrics(inputs, "test")["class"].values()]
    assert rows["Accuracy"][2] == f"{max(support) / sum(support):.3f}"
    assert f"Balanced accuracy {test['balanced_accuracy']:.3f} (95% interval" in page.text


def test_other_numbers_are_those_of_the_metrics(inputs: Path, page: Page) -> None:
    breakdown = metrics(inputs, "test")
    rows = page.table("One-vs-rest scores of each class")
    for name, one in breakdown["class"].items():
        ends = one["interval"]["sensitivity"]
        assert rows[name][0] == str(one["support"])
        assert rows[name][1] == f"{one['sensitivity']:.3f} {ends['low']:.3f} to {ends['high']:.3f}"
    rows = page.table("Scores of subgroups")
    for value, one in breakdown["subgroup"]["sex"].items():
        cells = rows[f"{value} few"]
        assert cells[:3] == [str(one[name]) for name in ("images", "groups", "classes")]
        assert cells[3].startswith(f"{one['accuracy']:.3f}")
    point = metrics(inputs, "test")["operating_point"]
    rows = page.table("COVID against the rest, with this threshold")
    assert rows["Specificity share of other images that are not detected"][0] == (
        f"{point['specificity']:.3f}"
    )
    rows = page.table("Probes of the shortcut audit")
    border = metrics(inputs, "audit")["border"]
    cells = next(cells for name, cells in rows.items() if name.startswith("Image border"))
    assert cells[1].startswith(f"{border['balanced_accuracy']:.3f}")
    assert cells[-1] == "suspicious"
    rows = page.table("Heatmap measures, test images by class")
    heat = metrics(inputs, "gradcam")["test"]
    cells = rows["Heat inside the lungs, share of the heatmap"]
    assert [cell[:5] for cell in cells] == [
        f"{one['lungs_heat']:.3f}" for one in (heat, *heat["class"].values())
    ]


def test_the_flow_adds_up(inputs: Path, page: Page) -> None:
    rows = page.table("Images by class")
    assert rows["Class"] == ["Found", "Unusable", "Training", "Validation", "Test"]
    numbers = {name: [int(cell) for cell in cells] for name, cells in list(rows.items())[1:]}
    for found, *fates in numbers.values():
        assert found == sum(fates)
    total = [sum(row[column] for row in list(numbers.values())[:-1]) for column in range(5)]
    names = ("found", "unusable", "train", "val", "test")
    assert numbers["All"] == total == [metrics(inputs, "flow")["flow"][name] for name in names]


def test_the_confusion_matrix_holds_every_test_image(inputs: Path, page: Page) -> None:
    rows = list(page.table("Confusion matrix").values())[1:]
    counts = [[int(cell.split()[0]) for cell in row] for row in rows]
    assert sum(row[-1] for row in counts) == metrics(inputs, "test")["images"]
    right = sum(row[number] for number, row in enumerate(counts))
    assert right / 30 == pytest.approx(metrics(inputs, "test")["accuracy"], abs=1e-6)


def test_a_suspicious_shortcut_is_said_at_once_and_plainly(page: Page) -> None:
    start = page.text.index("At a glance", page.text.index("Skip") + 100)
    glance = page.text[start : page.text.index("Flow of images")]
    assert "1 of 5 probes suspicious" in glance
    assert (
        "The outer tenth of the image, where markers and text lie, predicts the classes" in glance
    )
    assert "Do not interpret the scores as the ability to detect disease" in glance


@pytest.mark.parametrize(
    ("gain", "tone", "title"),
    [
        (0.0, "plain", "network not shown to be better than image border"),
        (0.1, "good", "none of 5 probes suspicious"),
    ],
)
def test_if_no_probe_is_suspicious_the_strongest_is_named_and_held_against_the_network(
    inputs: Path, gain: float, tone: str, title: str
) -> None:
    audit = metrics(inputs, "audit")
    audit["border"]["suspicious"] = False
    audit["border"]["interval"]["network_gain"]["low"] = gain
    finding = findings.audit_finding(audit)
    assert (finding.tone, finding.title) == (tone, f"Shortcuts: {title}")
    assert "strongest probe is “image border”" in finding.text
    assert f"{audit['border']['balanced_accuracy']:.3f} (chance: 0.250," in finding.text


@pytest.mark.parametrize(
    ("low", "high", "title"),
    [
        (0.3, 0.6, "Better than chance"),
        (0.2, 0.6, "Not shown to be better than chance"),
        (0.1, 0.2, "Worse than chance"),
        (None, None, "Performance undefined"),
    ],
)
def test_the_headline_is_judged_by_its_interval(
    inputs: Path, low: float | None, high: float | None, title: str
) -> None:
    test = metrics(inputs, "test")
    test["interval"]["balanced_accuracy"] = {"low": low, "high": high}
    assert findings.performance_finding(test, 0.25, 0.95, "patients").title == title


@pytest.mark.parametrize(
    ("confidence", "verdict"),
    [
        (0.95, "the network is overconfident"),
        (0.72, "there is no clear difference"),
        (0.55, "the network is underconfident"),
    ],
)
def test_confidence_is_judged_by_the_interval_of_the_accuracy(
    inputs: Path, confidence: float, verdict: str
) -> None:
    test = metrics(inputs, "test") | {"accuracy": 0.7}
    test["interval"]["accuracy"] = {"low": 0.6, "high": 0.8}
    sentence = findings.calibration_sentence(test, confidence)
    assert f"the accuracy 70% (interval 60% to 80%): {verdict}." in sentence


def test_a_sensitivity_clearly_below_what_was_asked_for_is_bad_news(inputs: Path) -> None:
    point = metrics(inputs, "test")["operating_point"] | {"sensitivity": 0.8}
    by_class = metrics(inputs, "test")["class"]
    for high, tone in ((0.94, "bad"), (0.95, "plain")):
        point["interval"]["sensitivity"] = {"low": 0.6, "high": high}
        assert findings.operating_point_finding(point, by_class).tone == tone
    assert (
        "undefined"
        in findings.operating_point_finding(point | {"sensitivity": None}, by_class).title
    )


def test_a_threshold_that_detects_everything_is_bad_news(inputs: Path) -> None:
    point = metrics(inputs, "test")["operating_point"] | {"sensitivity": 1.0, "specificity": 0.0}
    by_class = metrics(inputs, "test")["class"]
    assert findings.operating_point_finding(point, by_class).tone == "bad"


def test_every_status_and_every_probe_has_a_text(inputs: Path) -> None:
    assert [*NOT_USED, *SPLITS] == list(IMAGE_STATUS)
    probes = set(metrics(inputs, "audit")) - {"network", "suspicious"}
    assert probes == set(PROBE_NAMES) == set(findings.PROBES)


def test_every_item_of_the_guidelines_stands_once() -> None:
    claim, tripod = CHECKLISTS.values()
    assert [item.number for item in claim] == [str(number) for number in range(1, 45)]
    numbers = [int(item.number.rstrip("abcdefg")) for item in tripod]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(1, 28))
    assert len({item.number for item in tripod}) == len(tripod) == 52
    for items in (claim, tripod):
        assert sum(count_by_status(items).values()) == len(items)


def test_names_that_look_like_code_are_shown_as_text(tmp_path: Path) -> None:
    hostile = ("<script>alert(1)</script>", "a\"b'c & <img src=x onerror=alert(2)>", "{{ 7*7 }}")
    html = made(written(tmp_path, hostile), tmp_path / "report")
    page = Page(html)
    tags = {tag for tag, _ in page.tags}
    assert "script" not in tags and "i" not in tags
    assert not [attrs for _, attrs in page.tags if "onerror" in attrs]
    rows = page.table("One-vs-rest scores of each class")
    assert {" ".join(name.split()) for name in hostile} <= set(rows)
    assert "damaged: <b>header</b>" in page.text
    assert "south & <i>sons</i>" in page.text


def test_the_same_inputs_give_the_same_bytes(inputs: Path, html: str, tmp_path: Path) -> None:
    elsewhere = linked(inputs, tmp_path)
    assert made(elsewhere, tmp_path / "report") == html
    assert str(inputs) not in html


@pytest.mark.parametrize("name", ["test", "gradcam", "duplicates"])
def test_missing_metrics_are_one_clear_line(inputs: Path, tmp_path: Path, name: str) -> None:
    linked(inputs, tmp_path)
    (tmp_path / f"{name}.json").unlink()
    with pytest.raises(UserError, match=f"{name}.json is missing: `dvc repro` writes it"):
        made(tmp_path, tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_a_missing_picture_is_one_clear_line(inputs: Path, tmp_path: Path) -> None:
    linked(inputs, tmp_path)
    (tmp_path / "gradcam_plots").unlink()
    (tmp_path / "gradcam_plots").mkdir()
    with pytest.raises(UserError, match="has no contact sheet of heatmaps"):
        made(tmp_path, tmp_path / "report")
    with pytest.raises(UserError, match=r"roc.png is missing: `dvc repro` writes it"):
        embed_image(tmp_path / "roc.png")


def test_without_masks_positive_class_and_subgroups(inputs: Path, tmp_path: Path) -> None:
    written(tmp_path, ("Normal", "Pneumonia"), masks=False)
    breakdown = metrics(tmp_path, "test")
    changed(tmp_path / "test.json", subgroup={})
    one = breakdown["class"]["Normal"]
    undefined = {"low": None, "high": None}
    breakdown["class"]["Normal"] = one | {
        "ppv": None, "interval": one["interval"] | {"ppv": undefined}
    }  # fmt: skip
    changed(tmp_path / "test.json", **{"class": breakdown["class"]})
    (tmp_path / "evaluate_plots" / "operating_point.png").unlink()
    page = Page(made(tmp_path, tmp_path / "report"))
    assert page.table("One-vs-rest scores of each class")["Normal"][3] == "undefined"
    assert "There are no lung masks, so" in page.text
    assert "2 of 5 probes were not run: no lung masks" in page.text
    assert "No operating point" in page.text
    assert "The test images cannot be divided into subgroups" in page.text
    assert "None" not in page.text


def test_twenty_classes_with_long_names(tmp_path: Path) -> None:
    names = tuple(f"finding number {number} of a kind without a short name" for number in range(20))
    page = Page(made(written(tmp_path, names, images=320), tmp_path / "report"))
    assert set(names) <= set(page.table("Confusion matrix"))


def test_settings_are_those_of_params_less_what_is_of_this_machine(tmp_path: Path) -> None:
    folder = tmp_path / "inputs"
    written(folder, images=80)
    params = changed_params(
        tmp_path,
        recipes__scratch__weights="/home/me/mobile.pth",
        recipes__scratch__test_time_flip=True,
        prepare__image_size=64,
    )
    html = made(folder, tmp_path / "report", params=params)
    assert "the mean of the logits of an image and of its mirror image" in Page(html).text
    rows = Page(html).table("The settings of this run")
    assert rows["prepare.image_size"] == ["64"]
    assert rows["recipes.scratch.weights"] == ["mobile.pth"]
    assert "/home/me" not in html
    assert "inbox" not in rows


def test_a_drawing_is_the_same_to_the_last_pixel(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    picture = embed_image(tmp_path / "a.png")
    content = base64.b64decode(picture.url.split(",")[1])
    assert (picture.width, picture.height) == (30, 20)
    assert (np.asarray(Image.open(io.BytesIO(content))) == noise).all()


def test_the_stage_starts_without_torch() -> None:
    heavy = {"torch", "matplotlib", "sklearn"}
    assert loaded("stages.report.__main__", heavy) == set()
