//! `wasi:keyvalue/store` and `atomics`: the bucket that the plugin was granted.

use wasmtime::component::Resource;

use super::bindings::wasi::keyvalue::atomics::{self, CasError, HostCas};
use super::bindings::wasi::keyvalue::store::{self, Error, HostBucket, KeyResponse};
use crate::plugin::keyvalue::{self, Bucket};
use crate::plugin::state::HostCall;

/// A value as it was at one moment.
#[expect(unreachable_pub, reason = "the bindings re-export it")]
pub struct Cas {
    bucket: Bucket,
    key: String,
    value: Option<Vec<u8>>,
}

impl Cas {
    async fn new(bucket: Bucket, key: String) -> Result<Self, keyvalue::Error> {
        let value = bucket.get(&key).await?;
        Ok(Self { bucket, key, value })
    }
}

/// The text goes to the guest: it says what was wrong with the call, or that the store failed.
fn refused(error: keyvalue::Error) -> Error {
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
                let mut what = format!("keyvalue: the bucket {identifier} was not granted");
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
        let Cas { bucket, key, value: expected } = self.table.delete(cas)?;
        match bucket.compare_and_swap(&key, expected, value).await {
            Ok(true) => Ok(Ok(())),
            Ok(false) => match Cas::new(bucket, key).await {
                Ok(cas) => Ok(Err(CasError::CasFailed(self.table.push(cas)?))),
                Err(error) => Ok(Err(CasError::StoreError(refused(error)))),
            },
            Err(error) => Ok(Err(CasError::StoreError(refused(error)))),
        }
    }
}

impl HostCas for HostCall<'_> {
    async fn new(&mut self, bucket: Resource<Bucket>, key: String) -> wasmtime::Result<Result<Resource<Cas>, Error>> {
        match Cas::new(self.bucket(&bucket)?, key).await {
            Ok(cas) => Ok(Ok(self.table.push(cas)?)),
            Err(error) => Ok(Err(refused(error))),
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
