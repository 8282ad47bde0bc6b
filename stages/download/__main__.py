"""Bring the data set into data/raw, and what is known of each image into data/index.csv."""

from stages import command, tables
from stages.download import inbox
from stages.download.datasets import DATASETS, check_name
from stages.download.phantom import draw
from stages.files import whole
from stages.params import load


def main() -> None:
    files = command.paths(__doc__, "params", "inbox", "raw", "index")
    params = load(files.params)
    check_name(params.dataset)

    with whole(files.raw) as raw:
        raw.mkdir()
        if params.dataset == "phantom":
            index = draw(params.phantom, raw)
        else:
            dataset = DATASETS[params.dataset]
            material = inbox.find(files.inbox, params.dataset, dataset.page)
            with inbox.opened(material, near=raw.parent) as folder:
                index = dataset.layout(folder)
                inbox.copy(index, folder, raw)
        tables.write(files.index, index, tables.Index)

    labelled = index[index["label"] != ""]
    print(f"{params.dataset}: {len(index)} files, {len(labelled)} labelled:")
    print(labelled["label"].value_counts().sort_index().to_string())


if __name__ == "__main__":
    command.run(main)
