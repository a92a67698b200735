"""init: the plain set and the packs, all files or none, and what it says."""

import os
import re
import subprocess

import pytest

from support.project import ROOT, Exit

pytestmark = pytest.mark.once

PACKS = sorted(path.parent.name for path in (ROOT / "mappers").glob("*/README.md"))
SQL = [pack for pack in PACKS
       if "```sql" in (ROOT / "mappers" / pack / "README.md").read_text()]
PLAIN = ["erp2couch.yaml", "mappers/product.yaml"]


EDITOR = {"mapper.schema.json", "fields.schema.json", "erp2couch.schema.json"}


def sources_of(pack):
    """{file that init writes: the one it is a copy of}, in the order of writing."""
    return {"README.md": ROOT / "mappers" / pack / "README.md",
            **{f"mappers/{path.name}": path
               for path in sorted((ROOT / "mappers" / pack).glob("*.yaml"))},
            "schemas/README.md": ROOT / "schemas/README.md",
            **{f"schemas/{path.name}": path
               for path in sorted((ROOT / "schemas").glob("*.schema.json"))
               if path.name not in EDITOR}}


def files_of(pack):
    return ["erp2couch.yaml", *sources_of(pack)]


def found_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def offline(make_project):
    return make_project()


@pytest.mark.parametrize("pack", PACKS)
def test_a_pack_is_written_as_it_is_and_passes_check(offline, tmp_path, pack):
    folder = tmp_path / "new"
    result = offline.erp2couch("init", folder, "--pack", pack).expect(Exit.OK)
    assert found_in(folder) == sorted(files_of(pack))
    assert [line for line in result.out.splitlines() if line.startswith(str(folder))] == [
        f"{folder}/{name}" for name in files_of(pack)]
    result.says("README.md", "check --connect")
    for name, source in sources_of(pack).items():
        assert (folder / name).read_bytes() == source.read_bytes()
    checked = offline.erp2couch("check", cwd=folder).expect(Exit.OK)
    # What an expression gives is looked at with every document.
    assert not [line for line in checked.err.splitlines()
                if "warn" in line and "not analysed here" not in line]
    mappers = {os.path.basename(name)[:-5] for name in files_of(pack) if "mappers/" in name}
    assert {line.split(":")[0] for line in checked.out.splitlines()} >= mappers


@pytest.mark.parametrize("pack", sorted(set(PACKS) - set(SQL)))
def test_the_source_of_a_pack_for_an_api_is_that_of_its_readme(offline, tmp_path, pack):
    offline.erp2couch("init", tmp_path / "new", "--pack", pack).expect(Exit.OK)
    text = (tmp_path / "new/erp2couch.yaml").read_text()
    readme = (ROOT / "mappers" / pack / "README.md").read_text()
    source = re.search(r"^sources:\n(?:  .*\n)+", readme, re.M).group(0)
    assert source in text and "postgres" not in text
    assert "\nschemas: schemas\n" in text


@pytest.mark.parametrize("pack", SQL)
def test_the_dsn_of_a_pack_says_which_rights_suffice(offline, tmp_path, pack):
    offline.erp2couch("init", tmp_path / "plain").expect(Exit.OK)
    offline.erp2couch("init", tmp_path / "new", "--pack", pack).expect(Exit.OK)
    plain = (tmp_path / "plain/erp2couch.yaml").read_text()
    text = (tmp_path / "new/erp2couch.yaml").read_text()
    grants = re.search(r"^```sql\n(.*?)^```$", (ROOT / "mappers" / pack / "README.md").read_text(),
                       re.M | re.S).group(1).splitlines()
    added = text.splitlines()[len(plain[:plain.index("    dsn:")].splitlines()):]
    added = added[:len(text.splitlines()) - len(plain.splitlines())]
    assert all(line.startswith("    #") for line in added)
    assert pack in added[0]
    assert [line[6:].strip() for line in added[1:]] == [line.strip() for line in grants]
    assert text.replace("\n".join(added) + "\n", "") == plain.replace("# schemas: s", "schemas: s")


def test_json_names_folder_pack_and_files(offline, tmp_path):
    folder = str(tmp_path / "new")
    assert offline.erp2couch("init", folder, "--json").expect(Exit.OK).json == {
        "folder": folder, "pack": None, "files": PLAIN}
    value = offline.erp2couch("init", "--json", "--pack", PACKS[0], folder + "2").expect(0).json
    assert value == {"folder": folder + "2", "pack": PACKS[0], "files": files_of(PACKS[0])}


def test_help_has_a_line_for_each_pack(offline):
    out = offline.erp2couch("init", "--help").expect(Exit.OK).out
    for pack in PACKS:
        heading = (ROOT / "mappers" / pack / "README.md").read_text().splitlines()[0]
        assert re.search(rf"^  {pack} +{re.escape(heading[2:])}$", out, re.M), out


@pytest.mark.parametrize("words, says", [
    (["--pack", PACKS[-1][:-1] + "x"], ["no pack", f"did you mean .+{PACKS[-1]}"]),
    (["--pack", "nothing-like-it"], ["no pack", ", ".join(PACKS)]),
    (["--pack", ""], ["no pack", PACKS[0]]),
    (["--pack", PACKS[0] + "," + PACKS[-1]], ["no pack"]),
    (["--pack", PACKS[0], "--pack", PACKS[-1]], ["twice"]),
    (["--pack"], ["pack"]),
], ids=lambda value: "_".join(value) if isinstance(value, list) else "")
def test_wrong_packs_write_nothing(offline, tmp_path, words, says):
    offline.erp2couch("init", tmp_path / "new", *words).expect(Exit.USAGE).says(*says)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("existing", ["erp2couch.yaml", "README.md", "mappers/order.yaml"])
def test_nothing_is_overwritten_and_nothing_added(offline, tmp_path, existing):
    folder = tmp_path / "new"
    (folder / "mappers").mkdir(parents=True)
    (folder / existing).symlink_to("nowhere")  # a name is taken, even if it leads nowhere
    result = offline.erp2couch("init", folder, "--pack", "tryton").expect(Exit.CONFIG)
    result.says(existing, "not overwritten")
    assert [path.name for path in folder.rglob("*") if not path.is_dir()] == [
        os.path.basename(existing)]


def test_a_folder_with_other_files_is_fine(offline, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    offline.erp2couch("init", ".", "--pack", "tryton", cwd=tmp_path).expect(Exit.OK)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    offline.erp2couch("check", cwd=tmp_path).expect(Exit.OK)


def test_the_folder_above_is_missing(offline, tmp_path):
    result = offline.erp2couch("init", tmp_path / "a/b/c").expect(Exit.CONFIG)
    result.says("a/b/c", "folder above")


def test_a_name_that_is_empty(offline):
    offline.erp2couch("init", "").expect(Exit.USAGE).says("name of the folder is empty")


def test_a_file_in_place_of_the_folder(offline, tmp_path):
    (tmp_path / "file").write_text("mine")
    offline.erp2couch("init", tmp_path / "file").expect(Exit.CONFIG).says("file")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)],
            capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.root
def test_a_full_disk_leaves_nothing_behind(offline, small_disk):
    result = offline.erp2couch("init", small_disk / "new", "--pack", "tryton")
    result.expect(Exit.INTERNAL).says("No space left", "make room", "run init again")
    assert list(small_disk.iterdir()) == []
    offline.erp2couch("init", small_disk / "new").expect(Exit.OK)
    offline.erp2couch("init", small_disk / "new/more", "--pack", "tryton").expect(Exit.INTERNAL)
    assert found_in(small_disk) == [f"new/{name}" for name in PLAIN]


def test_packs_are_installed(tmp_path, binary):
    """What `meson install` puts into datadir, where the program was built by meson."""
    build = binary.parents[1]
    if not (build / "meson-info").is_dir():
        pytest.skip("the program was not built in a build folder of meson")
    done = subprocess.run(["meson", "introspect", "--installed", str(build)], check=True,
                          capture_output=True, text=True)
    for pack in PACKS:
        for path in (ROOT / "mappers" / pack).glob("*.*"):
            assert f'share/erp2couch/mappers/{pack}/{path.name}"' in done.stdout, path
    assert 'share/erp2couch/schemas/product.schema.json"' in done.stdout
