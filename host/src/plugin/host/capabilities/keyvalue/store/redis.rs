//! A store on a Redis server, which several hosts share.
//!
//! A bucket is two keys on the server: a hash with the values, and a sorted set with the same keys in order, for lists.
//! Each change is one script, which the server runs atomically.

use redis::{FromRedisValue, Pipeline};

use super::{Change, Changed, Error};
use crate::server;

pub(super) struct Redis {
    server: server::Redis,
    /// Prefix of bucket names.
    prefix: Box<str>,
}

/// Keys: values, order. Arguments: key, value.
const SET: &str = "redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
return 'yes'";

/// Arguments: key.
const DELETE: &str = "redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return 'yes'";

/// Arguments: key, delta. The sum is read as text, because numbers in scripts have 53 bits.
const INCREMENT: &str = "local sum = redis.pcall('HINCRBY', KEYS[1], ARGV[1], ARGV[2])
if type(sum) == 'table' and sum.err then
    if string.find(sum.err, 'not an integer', 1, true) then return 'no number' end
    if string.find(sum.err, 'overflow', 1, true) then return 'overflow' end
    return sum
end
redis.call('ZADD', KEYS[2], 0, ARGV[1])
return redis.call('HGET', KEYS[1], ARGV[1])";

/// Arguments: key, new value, and the expected value if there is one.
const SWAP: &str = "if redis.call('HGET', KEYS[1], ARGV[1]) ~= (ARGV[3] or false) then return 'no' end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
return 'yes'";

impl Redis {
    pub(super) fn new(server: server::Redis, prefix: &str) -> Self {
        Self { server, prefix: prefix.into() }
    }

    pub(super) async fn get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let mut pipe = redis::pipe();
        pipe.cmd("HGET").arg(self.values(bucket)).arg(key);
        self.ask(&pipe).await
    }

    pub(super) async fn keys_after(
        &self,
        bucket: &str,
        cursor: Option<&str>,
        count: usize,
    ) -> Result<Vec<String>, Error> {
        let from = cursor.map_or_else(|| "-".to_owned(), |cursor| format!("({cursor}"));
        let mut pipe = redis::pipe();
        pipe.cmd("ZRANGEBYLEX").arg(self.order(bucket)).arg(from).arg("+").arg("LIMIT").arg(0).arg(count);
        self.ask(&pipe).await
    }

    pub(super) async fn write(&self, bucket: &str, key: &str, change: Change) -> Result<Changed, Error> {
        let mut pipe = redis::pipe();
        let script = match &change {
            Change::Set(_) => SET,
            Change::Delete => DELETE,
            Change::Increment(_) => INCREMENT,
            Change::Swap { .. } => SWAP,
        };
        let command = pipe.cmd("EVAL").arg(script).arg(2).arg(self.values(bucket)).arg(self.order(bucket)).arg(key);
        match change {
            Change::Set(value) | Change::Swap { expected: None, value } => command.arg(value),
            Change::Swap { expected: Some(expected), value } => command.arg(value).arg(expected),
            Change::Increment(delta) => command.arg(delta),
            Change::Delete => command,
        };
        let answer: String = self.ask(&pipe).await?;
        match &*answer {
            "yes" => Ok(Changed::Yes),
            "no" => Ok(Changed::No),
            "no number" => Err(Error::NoNumber),
            "overflow" => Err(Error::Overflow),
            sum => sum.parse().map(Changed::Sum).map_err(|_| Error::NoNumber),
        }
    }

    /// Returns the answer to the only command of `pipe`.
    async fn ask<T: FromRedisValue>(&self, pipe: &Pipeline) -> Result<T, Error> {
        let answer: Result<(T,), server::Error> = self.server.ask(pipe).await;
        answer.map(|(answer,)| answer).map_err(|error| Error::Failed(error.to_string().into()))
    }

    /// The text in braces selects the cluster slot of a key. Both keys of a bucket must be in the same slot.
    fn values(&self, bucket: &str) -> String {
        format!("{}:{{{bucket}}}", self.prefix)
    }

    fn order(&self, bucket: &str) -> String {
        format!("{}:{{{bucket}}}:keys", self.prefix)
    }
}
