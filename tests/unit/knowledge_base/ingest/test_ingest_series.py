"""Time series and omics matrices: arrays with axes, units, rates and ids."""

import io
import json

import numpy as np
import pytest
import science_files as files

from novum.core.knowledge import Access, DataClass
from novum.knowledge_base.ingest import Bounds, Shape


def array_of(item, kept, key="array"):
    return np.load(io.BytesIO(kept.blobs[item.arguments[key]["sha256"]]), allow_pickle=False)


def test_a_table_with_a_growing_time_is_a_series(take, kept):
    rows = "\n".join(f"{i * 4},{i}.5,{i}" for i in range(5))
    volt, ampere = take("iv.csv", f"t [ms],U [mV],I_ma\n{rows}\n")
    assert (volt.data_class, volt.relation, volt.conditions) == (
        DataClass.TIME_SERIES,
        "U",
        {"sampling_rate [Hz]": 250.0},
    )
    assert array_of(volt, kept).tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]
    about = volt.arguments["array"]
    assert (about["shape"], about["dtype"], about["axes"], about["unit"]) == ([5], "<f8", ["time"], "mV")
    assert (ampere.relation, ampere.arguments["array"]["unit"]) == ("I", "mA")
    assert volt.provenance.locator == {"column": "U [mV]"}


def test_uneven_times_are_kept_beside_the_values(take, kept):
    (item,) = take("decay.csv", "time [min],signal [V]\n0,5\n1,3\n5,1\n")
    assert item.conditions == {}
    assert array_of(item, kept, "time").tolist() == [0.0, 60.0, 300.0]
    assert "unevenly sampled" in item.text


def test_dates_are_times_and_tell_when_it_began(take, report):
    rows = "\n".join(f"2024-03-01T12:00:{i:02d}Z,{i}" for i in range(4))
    (item,) = take("log.csv", f"timestamp,T [K]\n{rows}\n")
    assert item.conditions == {"sampling_rate [Hz]": 1.0}
    assert item.provenance.created.isoformat() == "2024-03-01T12:00:00+00:00"


def test_gaps_of_a_series_are_counted_and_stay_gaps(take, kept, report):
    (item,) = take("iv.csv", "time [s],U [V]\n0,1\n1,\n2,3\n")
    assert np.isnan(array_of(item, kept)).tolist() == [False, True, False]
    assert [note.message for note in report.notes] == ["1 of 3 points have no value"]


def test_a_series_needs_time_and_unit(refuse, take):
    table = "U [V],I\n1,2\n3,4\n5,6\n"
    assert "which holds the time, or the rate" in refuse("a.csv", table, shape=Shape.SERIES)
    (item,) = take("a.csv", table, shape=Shape.SERIES, columns={"sampling_rate_hz": 10.0})
    assert item.conditions == {"sampling_rate [Hz]": 10.0}
    backwards = "time [s],U [V]\n0,1\n2,2\n1,3\n"
    assert "do not grow" in refuse("b.csv", backwards, shape=Shape.SERIES)
    no_unit = "time,U [V]\n0,1\n1,2\n2,3\n"
    assert "has no unit" in refuse("c.csv", no_unit, shape=Shape.SERIES)


def test_a_table_with_subjects_is_no_series(take):
    items = take("t.csv", "smiles,time [h],yield (%)\nCCO,1,5\nCCO,2,9\nCCO,3,12\n")
    assert {item.data_class for item in items} == {DataClass.SYMBOLIC}
    assert items[0].conditions == {"time [h]": 1.0}


def test_npz_needs_names_units_and_a_rate(take, refuse, kept):
    volt = np.arange(6, dtype=np.float32)
    (item,) = take("a.npz", files.npz(voltage_mv=volt, sampling_rate_hz=100.0))
    assert (item.relation, item.conditions) == ("voltage", {"sampling_rate [Hz]": 100.0})
    assert array_of(item, kept).dtype == np.float32
    (item,) = take("b.npz", files.npz(voltage_mv=volt, time_ms=np.arange(6) * 2))
    assert item.conditions == {"sampling_rate [Hz]": 500.0}
    assert "neither time nor sampling rate" in refuse("c.npz", files.npz(voltage_mv=volt))
    assert "no unit" in refuse("d.npz", files.npz(voltage=volt, sampling_rate_hz=1.0))
    assert "6 points, and the time has 4" in refuse("e.npz", files.npz(u_mv=volt, time_s=np.arange(4)))


def test_a_pickle_in_npz_is_never_opened(refuse, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    content = files.npz(a=np.array([Evil()], dtype=object))
    assert "pickle" in refuse("a.npz", content)
    assert not (tmp_path / "ran").exists()


def test_an_npz_that_unfolds_too_far_is_refused(refuse):
    bomb = files.npz(**{f"a{i}_mv": np.zeros(100_000) for i in range(5)}, sampling_rate_hz=1.0)
    assert len(bomb) < 10_000
    assert "at most" in refuse("a.npz", bomb, bounds=Bounds(max_held_bytes=500_000))
    assert "unfolds to more than" in refuse("b.npz", bomb, bounds=Bounds(max_held_bytes=2_000_000))


def test_hdf5_gives_units_and_rates_by_attributes(take, kept, report):
    def build(file):
        file.attrs["sampling_rate"] = 250
        group = file.create_group("lead")
        group["I"] = np.zeros((10, 2))
        group["I"].attrs["unit"] = "mV"
        group["II"] = np.zeros(10)
        file["names"] = ["a", "b"]

    items = take("ecg.h5", files.hdf5(build))
    assert [(i.relation, i.conditions, i.provenance.locator) for i in items] == [
        ("I", {"sampling_rate [Hz]": 250.0}, {"key": "lead/I"})
    ]
    assert items[0].arguments["array"]["axes"] == ["time", "channel_1"]
    assert [note.place for note in report.notes] == ["array 'lead/II'"]


def test_hdf5_leads_nowhere_out_of_the_file(refuse, tmp_path, report):
    import h5py

    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["secret"] = np.arange(5.0)
        other["secret"].attrs.update({"unit": "V", "sampling_rate": 1.0})

    def build(file):
        file["link"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/secret")
        layout = h5py.VirtualLayout(shape=(5,), dtype="f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "secret", shape=(5,))
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("external", shape=(5,), dtype="f8", external=[(str(tmp_path / "raw"), 0, 40)])

    (tmp_path / "raw").write_bytes(bytes(40))
    assert refuse("a.h5", files.hdf5(build)) == "it holds no array of numbers"
    assert {note.place for note in report.notes} == {"data set 'virtual'", "data set 'external'"}


def test_a_data_set_that_unfolds_too_far_is_refused(refuse):
    def build(file):
        data = file.create_dataset("u", shape=(10**9,), dtype="f8", chunks=(1000,), compression="gzip")
        data.attrs.update({"unit": "V", "sampling_rate": 1.0})

    assert "at most" in refuse("a.h5", files.hdf5(build))

    def build_chunk(file):
        file.create_dataset(
            "u", shape=(1,), maxshape=(None,), dtype="f8", chunks=(10**8,), compression="gzip"
        )

    assert "at most" in refuse("b.h5", files.hdf5(build_chunk))


@pytest.mark.parametrize("sparse", [True, False])
def test_anndata_gives_a_matrix_and_its_samples(take, kept, sparse):
    matrix, *samples = take("cells.h5ad", files.h5ad(sparse=sparse, organism="Mus musculus"))
    assert {item.data_class for item in (matrix, *samples)} == {DataClass.MULTI_OMICS}
    about = matrix.arguments["array"]
    assert (about["shape"], about["axes"], about["unit"]) == ([3, 4], ["sample", "feature"], "count")
    ids = json.loads(kept.blobs[matrix.arguments["ids"]["sha256"]])
    assert ids == {
        "samples": ["cell1", "cell2", "cell3"],
        "features": ["ENSG01", "ENSG02", "ENSG03", "ENSG04"],
    }
    assert [sample.subject_label for sample in samples] == ["cell1", "cell2", "cell3"]
    assert [sample.conditions for sample in samples] == [
        {"organism": "Mus musculus", "cell_type": "B cell"},
        {"organism": "Mus musculus", "cell_type": "T cell"},
        {"organism": "Mus musculus"},
    ]
    assert "2 of 4 features (omics) above zero, 3 in all" in samples[0].text
    assert matrix.access is Access.PUBLIC


@pytest.mark.parametrize("organism", [None, "Homo sapiens", "NCBITaxon:9606"])
def test_samples_are_human_unless_another_species_is_named(take, organism):
    items = take("cells.h5ad", files.h5ad(organism=organism))
    assert {item.access for item in items} == {Access.SENSITIVE}
    assert {i.access for i in take("c.h5ad", files.h5ad(), organism="Mus musculus")} == {Access.PUBLIC}


def test_annotations_that_may_identify_a_person_are_left_out(take, kept):
    items = take("cells.h5ad", files.h5ad())
    assert not any("P-1" in item.model_dump_json() for item in items)
    assert not any(b"P-1" in blob for blob in kept.blobs.values())


def test_a_matrix_of_fractions_needs_a_unit(take, refuse):
    values = np.full((3, 4), 0.5)
    assert "no unit" in refuse("a.h5ad", files.h5ad(values=values, sparse=False))
    matrix = take("a.h5ad", files.h5ad(values=values, sparse=False), columns={"units": {"*": "TPM"}})[0]
    assert matrix.arguments["array"]["unit"] == "TPM"


def test_each_modality_of_mudata_is_a_matrix(take):
    def build(file):
        file.attrs["encoding-type"] = "mudata"
        for name in ("rna", "prot"):
            files.fill_anndata(file.create_group(f"mod/{name}"), organism="Mus musculus")

    items = take("cells.h5mu", files.hdf5(build))
    assert {item.relation for item in items} == {
        "rna matrix", "rna profile", "prot matrix", "prot profile",
    }  # fmt: skip


def test_anndata_that_does_not_fit_together_is_refused(refuse):
    import h5py

    def short(file):
        files.fill_anndata(file)
        del file["var"]["ids"]
        file["var"].create_dataset("ids", data=["a"], dtype=h5py.string_dtype())

    assert "with 3 samples and 1 features" in refuse("a.h5ad", files.hdf5(short))

    def broken(file):
        files.fill_anndata(file)
        file["X/indices"][...] = 99

    assert refuse("b.h5ad", files.hdf5(broken))

    def linked(file):
        files.fill_anndata(file)
        del file["X"]
        file["X"] = h5py.ExternalLink("/etc/passwd", "/")

    assert "'X' in it is a link" in refuse("c.h5ad", files.hdf5(linked))


def test_one_long_text_that_all_ids_share_does_not_fill_the_memory(refuse):
    import h5py

    def build(file):
        files.fill_anndata(file)
        del file["obs/ids"]
        long = "x" * 1_000_000
        file["obs"].create_dataset("ids", data=[long] * 3, dtype=h5py.string_dtype())

    reason = refuse("a.h5ad", files.hdf5(build))
    assert reason == "two samples have the id '" + "x" * 194 + " [cut]'"


@pytest.mark.parametrize(
    ("table", "samples", "features"),
    [
        ("gene_id,s1,s2\nENSG1,1,2\nENSG2,0,5\nENSG3,1,1\n", ["s1", "s2"], ["ENSG1", "ENSG2", "ENSG3"]),
        ("sample_id,G1,G2,tissue\na,1,2,lung\nb,0,5,skin\n", ["a", "b"], ["G1", "G2"]),
    ],
)
def test_a_csv_with_ids_is_a_matrix_either_way_round(take, kept, table, samples, features):
    matrix, *profiles = take("expression.csv", table)
    assert json.loads(kept.blobs[matrix.arguments["ids"]["sha256"]]) == {
        "samples": samples, "features": features,
    }  # fmt: skip
    assert matrix.arguments["array"]["shape"] == [len(samples), len(features)]
    assert array_of(matrix, kept)[1].tolist()[:2] == [2.0, 5.0] if samples[0] == "s1" else [0.0, 5.0]
    assert [profile.subject_label for profile in profiles] == samples
    if samples == ["a", "b"]:
        assert [profile.conditions for profile in profiles] == [{"tissue": "lung"}, {"tissue": "skin"}]


def test_double_ids_are_refused(refuse):
    assert "two features have the id 'G'" in refuse("a.csv", "gene_id,s1,s2\nG,1,2\nG,0,5\n")


def test_many_samples_stay_one_item(take, report):
    rows = "\n".join(f"c{i},1,2" for i in range(20))
    items = take("a.csv", f"cell_id,G1,G2\n{rows}\n", bounds=Bounds(max_samples=10))
    assert [item.relation for item in items] == ["omics matrix"]
    assert "only the whole became an item" in report.notes[0].message
