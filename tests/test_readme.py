"""The commands and names in README.md and docs/.

Commands after a `$` in console blocks are run in the order of the pages, as a reader would, in a
small project. Those that need a network, GPUs or hours (`NOT_RUN`), commands in bash blocks and in
the running text, and those of CONTRIBUTING.md are only parsed: DVC's and cxr's own parsers accept
their options, the settings exist and accept the values, and programs and make targets exist.
"""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click import Context
from dvc.cli import parse_args
from ruamel.yaml import YAML

from cxr.commands.cli import cxr
from cxr.pipeline.params import Params
from tests.helpers.closure import ROOT
from tests.helpers.project import Project, environment

README = "README.md"
# In the order in which a reader meets them.
DOCS = [
    f"docs/{name}.md"
    for name in re.findall(
        r"^\| \[.+\]\(docs/(\w+)\.md\)", (ROOT / README).read_text("utf-8"), re.M
    )
]
PARSED_ONLY = ["CONTRIBUTING.md", "data/inbox/README.md"]
TEXTS = {page: (ROOT / page).read_text("utf-8") for page in [README, *DOCS, *PARSED_ONLY]}

NOT_RUN = {
    "make test": "runs these tests",
    "srun ": "needs a cluster",
    "cxr crossval": "tests/cxr/commands/test_crossval.py runs it",
    "dvc commit train": "needs what the cluster wrote",
}
# Small replacements for networks, and for what a reader has.
STAND_INS = {
    "resnet18": "simple_cnn",
    "/path/to/my/xrays": "own",
    "/path/to/data": "own",
    "/path/to/mobilenetv2.safetensors": "weights.safetensors",
    "mobilenetv2": "other",
    "/path/to/a/shared/folder": "../remote",
    "epochs: 20": "epochs: 2",
    # Settings are validated and the experiment is queued; tests/test_dag.py runs experiments.
    "dvc exp run -S": "dvc exp run --queue -S",
    'MODELS="simple_cnn other"': "MODELS=simple_cnn",
    'MODELS="simple_cnn other simple_cnn"': "MODELS=simple_cnn",
}
SETTING = re.compile(r"([\w.]+)=(\S+)")


def blocks(text: str, language: str) -> list[str]:
    """The fenced code blocks of a language, with continued lines joined."""
    found = re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)
    return [block.replace("\\\n", " ") for block in found]


def console_commands(text: str) -> Iterator[str]:
    """What follows a `$` in console blocks, without comments."""
    for block in blocks(text, "console"):
        for command in re.findall(r"^\$ (.*)$", block, re.M):
            yield re.sub(r"\s+#.*$", "", command)


def bash_commands(text: str) -> Iterator[str]:
    """The lines of bash blocks, with the values that the blocks give to variables filled in."""
    for block in blocks(text, "bash"):
        values = {"model": "resnet18"}
        quoted_on_one_line = re.sub(r'"[^"]*"', lambda match: " ".join(match[0].split()), block)
        for line in quoted_on_one_line.splitlines():
            for name, value in values.items():
                line = re.sub(rf"\${name}\b", value, line)
            if assigned := re.fullmatch(r'(\w+)="?([^"]*)"?', line):
                values[assigned[1]] = assigned[2]
            else:
                yield line


def all_commands() -> Iterator[tuple[str, list[str]]]:
    """Page and words of every command."""
    for page, text in TEXTS.items():
        inline = re.findall(r"`((?:cxr|dvc|make|python -m) [^`]+)`", text)
        for command in [*console_commands(text), *bash_commands(text), *inline]:
            for part in command.split("&&"):
                yield page, shlex.split(part, comments=True)


def check_command(words: list[str]) -> None:
    """Parse a command without running it. Programs that are not listed here are not checked."""
    match words:
        case ["dvc", "exp", "run", *_]:
            parse_args(words[1:])
            settings = [match.groups() for word in words if (match := SETTING.fullmatch(word))]
            check_settings({key: values.split(",") for key, values in settings})
        case ["dvc", *arguments]:
            parse_args(arguments)
        case ["cxr", "--help"]:
            pass
        case ["cxr", name, *arguments]:
            command = cxr.commands[name]
            command.make_parser(Context(command)).parse_args(arguments)
            settings = [match.groups() for word in words if (match := SETTING.fullmatch(word))]
            check_settings({key: values.split(",") for key, values in settings})
        case ["make", target, *_]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.M), target
        case ["python", "-m", module, *arguments]:
            path = ROOT / module.replace(".", "/")
            path = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
            strings = re.findall(r'"(?:--)?([\w-]+)"', path.read_text("utf-8"))
            options = {word[2:] for word in arguments if word.startswith("--")} - {"help"}
            assert options <= set(strings)


def check_settings(changes: dict[str, list[str]]) -> None:
    """Set dotted keys of params.yaml to what YAML reads, and validate the result.

    The first validation has the first value of each key, the second one the second values, and so
    on; where a key has no further value, its last one stays.
    """
    yaml = YAML(typ="safe")
    content = yaml.load(ROOT / "params.yaml")
    for number in range(max(map(len, changes.values()), default=0)):
        for key, values in changes.items():
            place = content
            *parents, last = key.split(".")
            for parent in parents:
                place = place[parent]
            assert last in place, key
            place[last] = yaml.load(values[min(number, len(values) - 1)])
        Params.model_validate(content)


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to headings."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.fixture(scope="module")
def project(reproduced: tuple[Project, str], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The tiny project, reproduced, with everything that the commands need."""
    project = reproduced[0].copy(tmp_path_factory.mktemp("readme") / "project")
    raw = sorted((project.folder / "data/raw/images").glob("*.png"))
    for number, image in enumerate(raw[:48]):
        place = project.folder / "own" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, place)
    (project.folder / "folder").mkdir()
    for place in ("scan.png", "folder/holiday.png"):
        shutil.copy(raw[0], project.folder / place)
    # An environment that is there already.
    (project.folder / ".venv").mkdir()
    for part in ("bin", "lib", "pyvenv.cfg"):
        (project.folder / ".venv" / part).symlink_to(Path(sys.prefix) / part)
    (project.folder / ".venv/installed").touch()
    return project


@pytest.mark.slow
def test_each_command_runs(project: Project) -> None:
    ran = 0
    for page in [README, *DOCS]:
        for command in console_commands(TEXTS[page]):
            if any(words in command for words in NOT_RUN):
                continue
            for name, stand_in in STAND_INS.items():
                command = command.replace(name, stand_in)
            if "--queue" in command:
                command += " && dvc queue remove --queued"
            result = subprocess.run(
                ["bash", "-euc", command],
                cwd=project.folder, env=environment(), capture_output=True, text=True,
            )  # fmt: skip
            assert result.returncode == 0, f"{page}: {command}\n{result.stdout}{result.stderr}"
            ran += 1
    assert ran > 25


def test_each_command_has_options_settings_and_targets_that_exist() -> None:
    parsed = list(all_commands())
    assert len(parsed) > 60
    for page, words in parsed:
        try:
            check_command(words)
        except Exception as error:
            raise AssertionError(f"{page}: {shlex.join(words)}") from error


def test_the_five_projects_are_commands() -> None:
    names = re.findall(r"^\| `make (S\d)` \|", TEXTS[README], re.M)
    assert names == ["S0", "S1", "S2", "S3", "S4"]
    commands = {}
    for name in names:
        # Makefile targets also create the environment, whose commands come first.
        run = subprocess.run(
            ["make", "-n", name, "SET=train.seed=1"], cwd=ROOT, capture_output=True, text=True
        )
        lines = run.stdout.replace("\\\n", " ").splitlines()
        starts = ("dvc exp run -S", "dvc exp run --queue -S", "cxr crossval")
        words = next(shlex.split(line) for line in lines if line.startswith(starts))
        check_command(words)
        assert words.count("-S") == 5
        assert "train.seed=1" in words
        commands[name] = words
    (example,) = bash_commands(TEXTS[README])
    assert sorted([*shlex.split(example), "-S", "train.seed=1"]) == sorted(commands["S2"])


@pytest.mark.parametrize("page", TEXTS)
def test_named_settings_exist(page: str) -> None:
    content = YAML(typ="safe").load(ROOT / "params.yaml")
    for key in re.findall(r"`(?:-S )?([a-z_]+(?:\.[a-z_]+)+)(?:[:=][^`]*)?`", TEXTS[page]):
        top, *parts = key.split(".")
        place = content.get(top)
        # Module names and the like begin with something else.
        if not isinstance(place, dict):
            continue
        for part in parts:
            assert part in place, key
            place = place[part]


@pytest.mark.parametrize("page", TEXTS)
def test_links_pictures_and_named_files_exist(page: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", TEXTS[page]):
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.is_file(), target
        assert not anchor or anchor in anchors(file.read_text("utf-8")), target
    for name in re.findall(r"`((?:cxr|stages|tests|\.github)/[\w/.-]+\.\w+)`", TEXTS[page]):
        assert (ROOT / name).exists(), name


def test_the_readme_lists_every_page() -> None:
    assert sorted(DOCS) == sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("page", TEXTS)
def test_a_page_needs_nothing_outside_the_project(page: str) -> None:
    assert "../shared" not in TEXTS[page]
