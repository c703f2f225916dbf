"""What tests of data sets share: how they are loaded, restored and compared."""

from pathlib import Path

from numpy.testing import assert_array_equal

from convstage.data import Dataset, Geometry, load_dataset, open_source, restore_dataset

GEOMETRY = Geometry(8, 8, "grey")


def load(path: Path, **settings) -> Dataset:
    chosen = {name: settings.pop(name) for name in ("classes", "group_regex") if name in settings}
    name, source = open_source(path, **chosen)
    settings = {"val": 0.2, "test": 0.2, "seed": 0, "max_unreadable": 0.1} | settings
    return load_dataset(name, source, GEOMETRY, **settings)


def model_of(dataset: Dataset) -> dict:
    """Return what a run keeps of a data set, beside its rows."""
    return {
        "classes": list(dataset.classes),
        "geometry": dataset.geometry.to_dict(),
        "standardisation": dataset.standardisation.to_dict(),
    }


def restore(dataset: Dataset, path: Path | None = None) -> Dataset:
    return restore_dataset(str(path or dataset.source), dataset.split_rows(), model_of(dataset))


def assert_same(one: Dataset, other: Dataset) -> None:
    """Check that two data sets give a training the same images, in the same order."""
    assert one.split_rows() == other.split_rows()
    assert (one.classes, one.geometry, one.standardisation) == (other.classes, other.geometry, other.standardisation)
    assert_array_equal(one.labels, other.labels)
    assert_array_equal(one.pixels, other.pixels)
    for part in ("train", "val", "test"):
        assert_array_equal(one.rows(part), other.rows(part))
