//! `wasi:keyvalue/store` and `atomics` on the granted bucket.

use wasmtime::component::{Linker, Resource};

use super::store::{self as values, Bucket};
use crate::plugin::host::held::{Held, Share};
use crate::plugin::host::state::{Called, HostCall, State};
use bindings::wasi::keyvalue::atomics::{self, CasError, HostCas};
use bindings::wasi::keyvalue::store::{self, Error, HostBucket, KeyResponse};

mod bindings {
    #![allow(missing_docs, reason = "the WIT has the words")]

    wasmtime::component::bindgen!({
        path: "../wit/v1",
        interfaces: "import wasi:keyvalue/store@0.2.0-draft2; import wasi:keyvalue/atomics@0.2.0-draft2;",
        imports: { default: async | trappable },
        with: {
            "wasi:keyvalue/store.bucket": super::super::store::Bucket,
            "wasi:keyvalue/atomics.cas": super::Cas,
        },
        require_store_data_send: true,
    });
}

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    store::add_to_linker::<State, Called>(linker, State::host_call)?;
    atomics::add_to_linker::<State, Called>(linker, State::host_call)
}

/// A snapshot of a value for compare-and-swap.
#[expect(unreachable_pub, reason = "the bindings re-export it")]
pub struct Cas {
    bucket: Bucket,
    key: String,
    value: Option<Vec<u8>>,
    _share: Share,
}

impl Cas {
    async fn new(bucket: Bucket, key: String, held: &Held) -> Result<Self, Error> {
        let value = bucket.get(&key).await.map_err(refused)?;
        let bytes = key.len() + value.as_ref().map_or(0, Vec::len);
        let share = held.take(bytes).ok_or_else(|| Error::Other("too many open values".into()))?;
        Ok(Self { bucket, key, value, _share: share })
    }
}

/// The guest gets this text. It says what was wrong with the call, or that the store failed.
fn refused(error: values::Error) -> Error {
    Error::Other(error.to_string())
}

impl HostCall<'_> {
    fn bucket(&self, bucket: &Resource<Bucket>) -> wasmtime::Result<Bucket> {
        Ok(self.table.get(bucket)?.clone())
    }
}

impl store::Host for HostCall<'_> {
    async fn open(&mut self, identifier: String) -> wasmtime::Result<Result<Resource<Bucket>, Error>> {
        match &self.spec.keyvalue {
            Some(bucket) if bucket.name() == identifier => Ok(Ok(self.table.push(bucket.clone())?)),
            _ => {
                // Redacted before the text is cut: half a secret would not be found.
                let named = self.spec.secrets.redact(&identifier);
                let mut what = format!("keyvalue: bucket {named} is not granted");
                what.truncate(what.floor_char_boundary(256));
                self.denials.note("keyvalue", "bucket", &what);
                Ok(Err(Error::AccessDenied))
            }
        }
    }
}

impl HostBucket for HostCall<'_> {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        Ok(self.bucket(&bucket)?.get(&key).await.map_err(refused))
    }

    async fn set(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.bucket(&bucket)?.set(&key, value).await.map_err(refused))
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.bucket(&bucket)?.delete(&key).await.map_err(refused))
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> wasmtime::Result<Result<bool, Error>> {
        Ok(self.bucket(&bucket)?.get(&key).await.map(|value| value.is_some()).map_err(refused))
    }

    async fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<String>,
    ) -> wasmtime::Result<Result<KeyResponse, Error>> {
        let page = self.bucket(&bucket)?.list_keys(cursor.as_deref()).await;
        Ok(page.map(|page| KeyResponse { keys: page.keys, cursor: page.cursor }).map_err(refused))
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for HostCall<'_> {
    async fn increment(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        delta: i64,
    ) -> wasmtime::Result<Result<i64, Error>> {
        Ok(self.bucket(&bucket)?.increment(&key, delta).await.map_err(refused))
    }

    async fn swap(&mut self, cas: Resource<Cas>, value: Vec<u8>) -> wasmtime::Result<Result<(), CasError>> {
        let Cas { bucket, key, value: expected, _share } = self.table.delete(cas)?;
        match bucket.compare_and_swap(&key, expected, value).await {
            Ok(true) => Ok(Ok(())),
            Ok(false) => match Cas::new(bucket, key, self.held).await {
                Ok(cas) => Ok(Err(CasError::CasFailed(self.table.push(cas)?))),
                Err(error) => Ok(Err(CasError::StoreError(error))),
            },
            Err(error) => Ok(Err(CasError::StoreError(refused(error)))),
        }
    }
}

impl HostCas for HostCall<'_> {
    async fn new(&mut self, bucket: Resource<Bucket>, key: String) -> wasmtime::Result<Result<Resource<Cas>, Error>> {
        match Cas::new(self.bucket(&bucket)?, key, self.held).await {
            Ok(cas) => Ok(Ok(self.table.push(cas)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn current(&mut self, cas: Resource<Cas>) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        Ok(Ok(self.table.get(&cas)?.value.clone()))
    }

    async fn drop(&mut self, cas: Resource<Cas>) -> wasmtime::Result<()> {
        self.table.delete(cas)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::plugin::host::spec::Spec;
    use crate::plugin::host::state::State;

    #[tokio::test]
    async fn a_guest_cannot_fill_the_host_with_values_that_it_holds() {
        let bucket = values::Store::in_memory().bucket("orders");
        bucket.set("large", vec![0; values::VALUE]).await.unwrap();
        let spec = Spec { keyvalue: Some(bucket), ..Spec::new("probe") };
        let mut state = State::new(Arc::new(spec), wasmtime::Engine::default().weak(), Arc::default(), Arc::default());
        let mut call = state.host_call();
        let bucket = store::Host::open(&mut call, "orders".into()).await.unwrap().unwrap();
        let mut held = Vec::new();
        let refusal = loop {
            assert!(held.len() < 100, "it holds {} MiB", held.len());
            let bucket = Resource::new_borrow(bucket.rep());
            match HostCas::new(&mut call, bucket, "large".into()).await.unwrap() {
                Ok(cas) => held.push(cas),
                Err(error) => break error,
            }
        };
        assert_eq!(refusal.to_string(), Error::Other("too many open values".into()).to_string());
        assert!(held.len() > 8, "{} are enough for nobody", held.len());
        // A dropped handle frees its share.
        HostCas::drop(&mut call, held.pop().unwrap()).await.unwrap();
        let bucket = Resource::new_borrow(bucket.rep());
        assert!(HostCas::new(&mut call, bucket, "large".into()).await.unwrap().is_ok());
    }
}
