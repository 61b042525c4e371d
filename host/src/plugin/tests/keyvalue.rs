//! The key-value store: the same rules in memory and on disk, and calls from a guest.

use super::guest::outputs;
use super::imports::{KEYVALUE, importing};
use super::*;
use crate::plugin::keyvalue::{Bucket, Error, KEY, PAGE, Quota, Store, VALUE};

/// Returns both kinds of store, and the directory of the one on disk.
fn stores() -> (tempfile::TempDir, [Store; 2]) {
    let directory = tempfile::tempdir().unwrap();
    let disk = Store::open(&directory.path().join("values.redb"), Quota::default()).unwrap();
    (directory, [Store::in_memory(), disk])
}

#[tokio::test]
async fn a_value_is_what_was_set_last() {
    let (_directory, stores) = stores();
    for store in stores {
        let bucket = store.bucket("orders");
        assert_eq!(bucket.get("a").await, Ok(None));
        bucket.set("a", b"1".to_vec()).await.unwrap();
        bucket.set("a", b"2".to_vec()).await.unwrap();
        assert_eq!(bucket.get("a").await, Ok(Some(b"2".to_vec())));
        assert_eq!(store.bucket("others").get("a").await, Ok(None), "buckets do not see each other");
        bucket.delete("a").await.unwrap();
        bucket.delete("a").await.unwrap();
        assert_eq!(bucket.get("a").await, Ok(None));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn increments_are_not_lost() {
    let (_directory, stores) = stores();
    for store in stores {
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let bucket = store.bucket("orders");
                tokio::spawn(async move {
                    for _ in 0..20 {
                        bucket.increment("count", 2).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let bucket = store.bucket("orders");
        assert_eq!(bucket.increment("count", -1).await, Ok(639));
        assert_eq!(bucket.get("count").await, Ok(Some(b"639".to_vec())));
    }
}

#[tokio::test]
async fn what_is_no_number_cannot_be_counted_up() {
    let (_directory, stores) = stores();
    for store in stores {
        let bucket = store.bucket("orders");
        bucket.set("text", b"many".to_vec()).await.unwrap();
        assert_eq!(bucket.increment("text", 1).await, Err(Error::NoNumber));
        bucket.set("full", i64::MAX.to_string().into_bytes()).await.unwrap();
        assert_eq!(bucket.increment("full", 1).await, Err(Error::Overflow));
        assert_eq!(bucket.get("text").await, Ok(Some(b"many".to_vec())));
    }
}

#[tokio::test]
async fn a_swap_happens_only_to_the_value_that_was_seen() {
    let (_directory, stores) = stores();
    for store in stores {
        let bucket = store.bucket("orders");
        assert_eq!(bucket.compare_and_swap("a", Some(b"0".to_vec()), b"1".to_vec()).await, Ok(false));
        assert_eq!(bucket.compare_and_swap("a", None, b"1".to_vec()).await, Ok(true));
        assert_eq!(bucket.compare_and_swap("a", None, b"2".to_vec()).await, Ok(false));
        assert_eq!(bucket.compare_and_swap("a", Some(b"1".to_vec()), b"2".to_vec()).await, Ok(true));
        assert_eq!(bucket.get("a").await, Ok(Some(b"2".to_vec())));
    }
}

#[tokio::test]
async fn keys_come_in_pages() {
    let (_directory, stores) = stores();
    for store in stores {
        let bucket = store.bucket("orders");
        let others = store.bucket("pricing");
        let keys: Vec<String> = (0..PAGE + 10).map(|number| format!("key-{number:05}")).collect();
        let writes = keys.iter().map(|key| bucket.set(key, Vec::new()));
        futures::future::try_join_all(writes).await.unwrap();
        others.set("key-00000", Vec::new()).await.unwrap();
        let first = bucket.list_keys(None).await.unwrap();
        let second = bucket.list_keys(first.cursor.as_deref()).await.unwrap();
        assert_eq!((first.keys.len(), second.keys.len(), second.cursor), (PAGE, 10, None));
        assert_eq!([first.keys, second.keys].concat(), keys);
        assert_eq!(store.bucket("empty").list_keys(None).await.unwrap().keys, Vec::<String>::new());
    }
}

#[tokio::test]
async fn keys_and_values_have_bounds() {
    let (_directory, stores) = stores();
    for store in stores {
        let bucket = store.bucket("orders");
        let (key, value) = ("k".repeat(KEY), vec![0; VALUE]);
        bucket.set(&key, value.clone()).await.unwrap();
        assert_eq!(bucket.set(&format!("{key}k"), Vec::new()).await, Err(Error::KeyTooLong(KEY + 1)));
        assert_eq!(bucket.set("k", [value, vec![0]].concat()).await, Err(Error::ValueTooLarge(VALUE + 1)));
    }
}

/// Writes values of 512 KiB until one is refused.
async fn fill(bucket: &Bucket) -> (usize, Error) {
    let mut written = 0;
    loop {
        match bucket.set(&format!("k{written}"), vec![7; 512 << 10]).await {
            Ok(()) => written += 1,
            Err(error) => return (written, error),
        }
    }
}

#[tokio::test]
async fn no_plugin_fills_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("values.redb");
    let quota = Quota { store: 5 << 20, bucket: 3 << 20 };
    let store = Store::open(&path, quota).unwrap();
    let (written, error) = fill(&store.bucket("orders")).await;
    assert!(matches!(error, Error::Full { what: "bucket", .. }) && written == 5, "{written}: {error}");
    let (written, error) = fill(&store.bucket("prices").at_most(1 << 20)).await;
    assert!(matches!(error, Error::Full { what: "bucket", limit, .. } if limit == 1 << 20) && written == 1, "{error}");
    let (written, error) = fill(&store.bucket("others")).await;
    assert!(matches!(error, Error::Full { what: "store", .. }) && written == 3, "{written}: {error}");
    // A full bucket can be read, changed without growth, and emptied.
    let orders = store.bucket("orders");
    assert_eq!(orders.get("k0").await, Ok(Some(vec![7; 512 << 10])));
    orders.set("k1", vec![8; 512 << 10]).await.unwrap();
    orders.delete("k0").await.unwrap();
    orders.set("k9", vec![7; 512 << 10]).await.unwrap();
    drop((orders, store));
    assert!(std::fs::metadata(&path).unwrap().len() < 4 * quota.store, "the file is bounded too");
    // After a restart the sizes are known. With a lower quota, changes that free space are allowed.
    let store = Store::open(&path, Quota { store: 1 << 20, bucket: 1 << 20 }).unwrap();
    let orders = store.bucket("orders");
    assert!(matches!(orders.set("new", vec![0]).await, Err(Error::Full { .. })));
    orders.set("k9", vec![0]).await.unwrap();
    orders.delete("k1").await.unwrap();
}

#[tokio::test]
async fn values_on_disk_outlive_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("values.redb");
    Store::open(&path, Quota::default()).unwrap().bucket("orders").set("a", b"1".to_vec()).await.unwrap();
    let store = Store::open(&path, Quota::default()).unwrap();
    assert_eq!(store.bucket("orders").get("a").await, Ok(Some(b"1".to_vec())));
    assert!(Store::open(&path, Quota::default()).is_err(), "it is open already");
    drop(store);
    let text = directory.path().join("text");
    std::fs::write(&text, "not a store, and not empty either").unwrap();
    assert!(Store::open(&text, Quota::default()).is_err());
}

#[tokio::test]
async fn a_guest_counts_in_the_bucket_that_it_was_granted() {
    let mut guest = importing(
        &[KEYVALUE],
        &format!(
            "(call $open (i32.const 4096) (i32.const 6) (i32.const 3072))
            (if (i32.load8_u (i32.const 3072)) (then unreachable))
            (call $increment (i32.load (i32.const 3076)) (i32.const 4096) (i32.const 5) (i64.const 3) (i32.const 3088))
            (if (i32.load8_u (i32.const 3088)) (then unreachable))
            (i32.store8 (i32.const 2084) (i32.const 1)) (i32.store (i32.const 2088) (i32.const 3096))
            (i32.store (i32.const 2092) (i32.const 8)) {}",
            outputs(2048, 1)
        ),
    );
    guest.items = r#"(data (i32.const 4096) "orders")"#.into();
    let (_directory, stores) = stores();
    for store in stores {
        let granted = Spec { keyvalue: Some(store.bucket("orders")), ..spec() };
        let plugin = plugin(&guest, granted);
        for sum in [3_i64, 6, 9] {
            let attempt = plugin.handle(&message(), 1).await;
            let Outcome::Done(outputs) = &attempt.outcome else { panic!("{attempt:?}") };
            assert_eq!(outputs[0].payload.as_deref(), Some(&sum.to_le_bytes()[..]));
            assert_eq!(attempt.usage.host_calls, 2);
        }
        assert_eq!(store.bucket("orders").get("order").await, Ok(Some(b"9".to_vec())));
        let other = Spec { keyvalue: Some(store.bucket("others")), ..spec() };
        failed(&handle(&guest, other).await, Class::Trapped, Code::TRAP_UNREACHABLE);
    }
}
