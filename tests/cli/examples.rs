//! Every file in `examples/` is what the program takes.

use std::path::Path;

use crate::world::World;

#[tokio::test]
async fn every_example_is_accepted_and_applied() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        // Each in a world of its own: none may need another.
        let world = World::new().await;
        let path = file.to_str().unwrap();
        let planned = world.run(&["plan", "-f", path]).await.done();
        assert!(planned.out.starts_with("Plan "), "{path}: {}", planned.out);
        world.run(&["apply", "-f", path, "--yes"]).await.done();
        let again = world.run(&["plan", "-f", path, "-o", "json"]).await.done();
        let again: serde_json::Value = serde_json::from_str(&again.out).unwrap();
        for item in again["items"].as_array().unwrap() {
            assert_eq!(item["change"], "unchanged", "{path}: {item}");
        }
    }
}
