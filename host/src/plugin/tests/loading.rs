//! Files that are refused, each with a reason and a remedy; and the cache of compiled plugins.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::guest::echo;
use super::imports::{Import, KEYVALUE, importing};
use super::*;
use crate::plugin::host::capabilities;
use crate::plugin::{Contract, LoadError, Refusal, keyvalue};

#[track_caller]
fn refused(bytes: &[u8], spec: Spec) -> LoadError {
    let error = Plugin::load(engine(), bytes, spec).expect_err("it is not loaded");
    assert!(error.to_string().starts_with("plugin probe: "), "{error}");
    assert!(error.remedy().len() > 10, "{error:?}");
    error
}

fn altered(from: &str, to: &str) -> Vec<u8> {
    let text = echo().text();
    assert!(text.contains(from), "{from}");
    wat::parse_str(text.replace(from, to)).unwrap()
}

#[test]
fn what_is_no_component_is_refused() {
    assert!(matches!(refused(b"hello, world", spec()).refusal, Refusal::NotWasm));
    assert!(matches!(refused(b"", spec()).refusal, Refusal::NotWasm));
    assert!(matches!(refused(&wat::parse_str("(module)").unwrap(), spec()).refusal, Refusal::CoreModule { .. }));
    let whole = echo().build();
    assert!(matches!(refused(&whole[..whole.len() / 2], spec()).refusal, Refusal::Invalid { .. }));
}

/// Returns a core module whose handler always succeeds, as a compiler without component support makes it.
fn core(imports: &str, handle: &str) -> Vec<u8> {
    let text = format!(
        r#"(module {imports}
        (memory (export "memory") 1)
        (func (export "{handle}") (param i32) (result i32) (i32.const 1024))
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096)))"#
    );
    wat::parse_str(text).unwrap()
}

const HANDLE: &str = "cofferdam:plugin/handler@0.1.0#handle";

#[tokio::test]
async fn a_core_module_becomes_a_component() {
    let plugin = Plugin::load(engine(), &core("", HANDLE), spec()).unwrap();
    let ended = plugin.handle(&message(), 1).await;
    assert!(matches!(ended.outcome, Outcome::Done(outputs) if outputs.is_empty()));
}

#[test]
fn a_core_module_may_import_what_a_component_may() {
    let imports = r#"
        (import "wasi:logging/logging@0.1.0-draft" "log" (func (param i32 i32 i32 i32 i32)))
        (import "wasi:keyvalue/atomics@0.2.0-draft2" "increment" (func (param i32 i32 i32 i64 i32)))"#;
    let granted = Spec { keyvalue: Some(keyvalue::Store::in_memory().bucket("orders")), ..spec() };
    Plugin::load(engine(), &core(imports, HANDLE), granted).unwrap();
}

#[test]
fn a_core_module_that_is_no_handler_is_refused_in_words() {
    let reason = |bytes: &[u8]| match refused(bytes, spec()).refusal {
        Refusal::CoreModule { reason } => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(reason(&core("", "handle")), format!("missing export `{HANDLE}`"));
    let unknown = core(r#"(import "env" "f" (func))"#, HANDLE);
    assert!(reason(&unknown).contains("env"), "{}", reason(&unknown));
    let whole = core("", HANDLE);
    assert!(!reason(&whole[..whole.len() - 3]).is_empty());
}

#[test]
fn a_component_without_a_handler_of_this_contract_is_refused() {
    assert!(matches!(refused(&wat::parse_str("(component)").unwrap(), spec()).refusal, Refusal::NoHandler));
    let newer = refused(&altered("handler@0.1.0", "handler@0.2.0"), spec()).refusal;
    assert!(matches!(&newer, Refusal::OtherContract { export } if &**export == "cofferdam:plugin/handler@0.2.0"));
    let wider = refused(&altered(r#"(field "attempt" u32)"#, r#"(field "attempt" u64)"#), spec()).refusal;
    assert!(matches!(&wider, Refusal::WrongType { reason, .. } if reason.contains("attempt")), "{wider:?}");
    let renamed = refused(&altered(r#"(case "deferred""#, r#"(case "postponed""#), spec()).refusal;
    assert!(matches!(&renamed, Refusal::WrongType { reason, .. } if reason.contains("deferred")), "{renamed:?}");
}

#[test]
fn a_handler_of_other_people_in_name_only_is_refused() {
    const NAME: &str = "wasi:messaging/incoming-handler@0.2.0-draft";
    let text = format!(
        r#"(component
        (core module $M (memory (export "memory") 1) (func (export "handle") (param i32 i32))
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0)))
        (core instance $m (instantiate $M))
        (func $handle (param "message" string)
            (canon lift (core func $m "handle") (memory $m "memory") (realloc (core func $m "realloc"))))
        (instance $handler (export "handle" (func $handle)))
        (export "{NAME}" (instance $handler)))"#
    );
    let wrong = refused(&wat::parse_str(&text).unwrap(), spec());
    assert!(matches!(wrong.refusal, Refusal::WrongType { contract: Contract::WasiMessaging, .. }), "{wrong:?}");
    let newer = refused(&wat::parse_str(text.replace("-draft", "")).unwrap(), spec());
    assert!(matches!(newer.refusal, Refusal::OtherContract { .. }), "{newer:?}");
    assert!(newer.to_string().contains("wasmcloud:messaging@0.2"), "{newer}");
}

#[test]
fn imports_that_were_not_granted_are_refused_by_name() {
    let keyvalue = importing(&[KEYVALUE], "").build();
    let error = refused(&keyvalue, spec());
    assert!(error.to_string().contains("wasi:keyvalue/store@0.2.0-draft2"), "{error}");
    assert!(error.remedy().contains("capabilities = { keyvalue ="), "{}", error.remedy());
    let granted = Spec { keyvalue: Some(keyvalue::Store::in_memory().bucket("orders")), ..spec() };
    Plugin::load(engine(), &keyvalue, granted).expect("it was granted");

    const UNKNOWN: Import = Import {
        component: r#"(import "acme:database/sql@1.0.0" (instance (export "query" (func))))"#,
        functions: &[],
    };
    let unknown = refused(&importing(&[UNKNOWN], "").build(), spec()).refusal;
    assert!(matches!(&unknown, Refusal::UnknownImport { import } if &**import == "acme:database/sql@1.0.0"));

    const OTHER: Import = Import {
        component: r#"(import "wasi:config/store@0.2.0-rc.1" (instance (export "get" (func (result u8)))))"#,
        functions: &[],
    };
    let other = refused(&importing(&[OTHER], "").build(), spec()).refusal;
    assert!(matches!(&other, Refusal::Import { reason } if reason.contains("wasi:config/store")), "{other:?}");
}

#[test]
fn an_interface_of_types_needs_no_grant() {
    const TYPES: Import = Import {
        component: r#"(import "cofferdam:plugin/types@0.1.0" (instance
            (type $header' (record (field "name" string) (field "value" (list u8))))
            (export "header" (type $header (eq $header')))))"#,
        functions: &[],
    };
    Plugin::load(engine(), &importing(&[TYPES], "").build(), spec()).expect("there is nothing to call");
}

#[test]
fn what_cannot_run_within_its_limits_is_refused() {
    let mut large = echo();
    large.memory = Some("2000".into());
    assert!(matches!(refused(&large.build(), spec()).refusal, Refusal::MemoryLimit { bytes: 131_072_000, .. }));
    let mut many = echo();
    many.realloc_imports = "(memory 1) (memory 1) (memory 1)".into();
    let many = refused(&many.build(), spec()).refusal;
    assert!(matches!(many, Refusal::DoesNotFit { .. }), "{many:?}");
    let mut spec = spec();
    spec.limits.memory = 8 << 30;
    assert!(matches!(refused(&echo().build(), spec).refusal, Refusal::Limit { name: "memory", .. }));
}

#[test]
fn a_file_that_cannot_be_read_is_refused_with_its_path() {
    let error = Plugin::open(engine(), Path::new("/nowhere/price.wasm"), spec()).unwrap_err();
    assert!(matches!(error.refusal, Refusal::Unreadable(_)));
    assert!(error.place().contains("/nowhere/price.wasm"), "{error}");
}

#[tokio::test]
async fn a_plugin_knows_its_file_by_digest() {
    use sha2::Digest as _;
    let bytes = echo().build();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("echo.wasm");
    fs::write(&path, &bytes).unwrap();
    let plugin = Plugin::open(engine(), &path, spec()).unwrap();
    let digest: String = sha2::Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(*plugin.id().digest, *format!("sha256:{digest}"));
    assert_eq!((&*plugin.id().name, plugin.contract().name()), ("probe", "cofferdam:plugin@0.1"));
    assert_eq!(plugin.handle(&message(), 1).await.outcome.class(), Class::Done);
}

fn cached(directory: &Path) -> Engine {
    let config = EngineConfig { instances: 4, cache: Some(directory.into()), ..EngineConfig::default() };
    Engine::new(config).unwrap()
}

fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn what_was_compiled_once_is_loaded_from_the_cache() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("a/cache");
    let bytes = echo().build();
    Plugin::load(&cached(&directory), &bytes, spec()).unwrap();
    assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
    let kept = files(&directory);
    assert_eq!(kept.len(), 1, "{kept:?}");
    let written = fs::metadata(&kept[0]).unwrap().ino();
    let plugin = Plugin::load(&cached(&directory), &bytes, spec()).unwrap();
    assert_eq!(plugin.handle(&message(), 1).await.outcome.class(), Class::Done);
    assert_eq!(files(&directory), kept);
    assert_eq!(fs::metadata(&kept[0]).unwrap().ino(), written, "it is the same file");
}

#[tokio::test]
async fn a_cache_that_is_of_no_use_does_no_harm() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("cache");
    let bytes = echo().build();
    Plugin::load(&cached(&directory), &bytes, spec()).unwrap();
    let kept = files(&directory);
    fs::remove_file(&kept[0]).unwrap();
    fs::write(&kept[0], b"cut short").unwrap();
    let plugin = Plugin::load(&cached(&directory), &bytes, spec()).unwrap();
    assert_eq!(plugin.handle(&message(), 1).await.outcome.class(), Class::Done);
    assert!(fs::metadata(&kept[0]).unwrap().len() > 1000, "it was compiled again and kept");
}

#[test]
fn a_directory_that_others_can_write_to_is_no_cache() {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    Plugin::load(&cached(directory.path()), &echo().build(), spec()).unwrap();
    assert_eq!(files(directory.path()), Vec::<std::path::PathBuf>::new());
}

#[test]
fn the_most_instances_have_room() {
    let config = EngineConfig { instances: EngineConfig::MOST_INSTANCES, cache: None, ..EngineConfig::default() };
    assert!(Engine::new(config).unwrap().runtimes().runtime(256 << 10).is_ok());
}

#[test]
fn each_interface_of_a_capability_is_refused_without_the_grant_and_of_no_other() {
    let mut granted = 0;
    for capability in capabilities::ALL {
        for interface in capability.interfaces {
            let import = interface.replace("/*", "/any").replace('*', "0");
            let mut guest = echo();
            guest.imports += &format!(r#"(import "{import}" (instance (export "none" (func))))"#);
            let error = refused(&guest.build(), spec());
            match (&error.refusal, capability.grant) {
                (Refusal::NotGranted { missing }, Some(grant)) => {
                    assert_eq!((&*missing[0].import, missing[0].capability), (&*import, capability.name));
                    assert!(grant.starts_with(&format!("{} = ", capability.name)) && error.remedy().contains(grant));
                    granted += 1;
                }
                // The function does not exist, which is detected if nothing must be granted.
                (Refusal::Import { .. }, None) => {}
                other => panic!("{import}: {other:?}"),
            }
        }
    }
    assert!(granted >= 4, "{granted}");
}
