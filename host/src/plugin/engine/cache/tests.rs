//! Tests which files the cache keeps, for how long, and how it handles damaged files.

use std::time::Duration;

use super::*;

fn key(name: &str) -> Key {
    Key(name.into())
}

/// A cache that contains the smallest component as `a`.
fn kept() -> (tempfile::TempDir, Cache, Engine) {
    let parent = tempfile::tempdir().unwrap();
    let cache = Cache::open(&parent.path().join("cache")).unwrap();
    let engine = Engine::default();
    let code = engine.precompile_component(b"\0asm\x0d\0\x01\0").unwrap();
    cache.store(&key("a"), &Image::new(code, &Symbols::default()).unwrap()).unwrap();
    (parent, cache, engine)
}

#[test]
fn what_was_not_used_for_longest_makes_room() {
    let parent = tempfile::tempdir().unwrap();
    let cache = Cache::open(&parent.path().join("cache")).unwrap();
    let hour = |hour: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(hour * 3_600);
    let image = Image::new(vec![0; 100], &Symbols::default()).unwrap();
    for (name, used) in [("a", 3), ("b", 1), ("c", 2), ("d", 4)] {
        cache.store(&key(name), &image).unwrap();
        File::open(cache.path(&key(name))).unwrap().set_modified(hour(used)).unwrap();
    }
    let each = fs::metadata(cache.path(&key("a"))).unwrap().len();
    cache.make_room(each * 5 / 2).unwrap();
    assert_eq!(["a", "b", "c", "d"].map(|name| cache.path(&key(name)).exists()), [true, false, false, true]);
}

#[test]
fn what_is_loaded_was_used() {
    let (_parent, cache, engine) = kept();
    File::open(cache.path(&key("a"))).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert!(cache.load(&engine, &key("a")).is_some());
    assert!(fs::metadata(cache.path(&key("a"))).unwrap().modified().unwrap() > SystemTime::UNIX_EPOCH);
}

#[test]
fn a_file_with_one_wrong_bit_is_not_loaded_wherever_the_bit_is() {
    let (_parent, cache, engine) = kept();
    let path = cache.path(&key("a"));
    let whole = fs::read(&path).unwrap();
    let places = (0..whole.len()).step_by(997).chain(whole.len() - 200..whole.len());
    for place in places {
        let mut damaged = whole.clone();
        damaged[place] ^= 1 << (place % 8);
        fs::write(&path, damaged).unwrap();
        assert!(cache.load(&engine, &key("a")).is_none(), "bit of byte {place} of {}", whole.len());
    }
    for length in [0, 1, DIGEST, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(cache.load(&engine, &key("a")).is_none(), "{length} bytes of {}", whole.len());
    }
    fs::write(&path, whole).unwrap();
    assert!(cache.load(&engine, &key("a")).is_some());
}
