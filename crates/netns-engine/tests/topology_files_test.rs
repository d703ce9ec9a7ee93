//! The examples and the JSON Schema that are in the repository.

#![expect(clippy::tests_outside_test_module, reason = "all of this file is tests")]

use std::{fs, path::Path};

use netns_engine::topology::{json_schema, read};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

#[test]
fn every_example_is_right_and_teaches() {
    let files = fs::read_dir(root().join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    assert!(files.len() >= 8, "the examples were found");
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        match read(&text) {
            Ok((topology, _)) => assert!(!topology.checks.is_empty(), "{} promises nothing", path.display()),
            Err(error) => panic!("{}: {error}", path.display()),
        }
        assert!(text.starts_with("# "), "{} explains nothing", path.display());
    }
}

#[test]
fn the_files_of_the_book_are_right() {
    let chapter = fs::read_to_string(root().join("docs/src/topology.md")).unwrap();
    let blocks = chapter.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let wrong: Vec<_> = blocks.filter_map(|block| read(block).err()).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_schema_is_the_committed_one() {
    let path = root().join("docs/topology.schema.json");
    let made = format!("{:#}\n", json_schema());
    if std::env::var_os("SNAPSHOTS").is_some_and(|wish| wish == "overwrite") {
        fs::write(&path, &made).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(made == committed, "{} is old; SNAPSHOTS=overwrite writes it anew", path.display());
}
