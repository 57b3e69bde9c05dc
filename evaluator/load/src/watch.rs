//! Watches the deployment under load: processors, memory, and the time of Redis.

use std::collections::BTreeMap;

use anyhow::Context;
use redis::aio::MultiplexedConnection;

use crate::process;

/// The watched processes.
#[derive(Debug)]
pub(crate) struct Watch {
    pids: Vec<u32>,
    redis: Option<MultiplexedConnection>,
}

/// Usage at one time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct UsageReading {
    /// Sum over the processes of the deployment; `None` without a readable process.
    pub(crate) server: Option<process::ProcessUsage>,
    /// Usage of this process.
    pub(crate) own: Option<process::ProcessUsage>,
    /// Usage of Redis.
    pub(crate) redis: Option<RedisUsage>,
}

/// Usage of Redis.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct RedisUsage {
    /// Processor time since its start, in seconds.
    pub(crate) cpu_s: f64,
    /// Used memory.
    pub(crate) memory_bytes: u64,
    /// Number of script calls.
    pub(crate) n_scripts: u64,
    /// Time in scripts, in seconds.
    pub(crate) scripts_s: f64,
}

impl Watch {
    /// Watches processes and a Redis.
    pub(crate) async fn new(pids: Vec<u32>, redis_url: Option<&str>) -> anyhow::Result<Self> {
        let redis = match redis_url {
            None => None,
            Some(url) => {
                let client = redis::Client::open(url).context("read the address of Redis")?;
                let connection = client.get_multiplexed_async_connection().await;
                Some(connection.context("reach the Redis of `--redis`")?)
            }
        };
        Ok(Self { pids, redis })
    }

    /// Names of the watched processes.
    pub(crate) fn names(&self) -> Vec<String> {
        let name = |pid: &u32| process::name(*pid).map(|name| format!("{name} ({pid})"));
        self.pids.iter().filter_map(name).collect()
    }

    /// Reads the current usage.
    pub(crate) async fn read(&mut self) -> UsageReading {
        let usages: Vec<process::ProcessUsage> =
            self.pids.iter().filter_map(|pid| process::usage(*pid)).collect();
        let sum = process::ProcessUsage {
            cpu_s: usages.iter().map(|usage| usage.cpu_s).sum(),
            resident_bytes: usages.iter().map(|usage| usage.resident_bytes).sum(),
        };
        let redis = match &mut self.redis {
            None => None,
            Some(connection) => {
                let mut command = redis::cmd("INFO");
                let info = command.arg("everything").query_async::<String>(connection).await;
                info.ok().map(|text| redis_usage(&text))
            }
        };
        UsageReading {
            server: (!usages.is_empty()).then_some(sum),
            own: process::usage(std::process::id()),
            redis,
        }
    }
}

/// Parses the answer of `INFO`.
fn redis_usage(info: &str) -> RedisUsage {
    let fields: BTreeMap<&str, &str> =
        info.lines().filter_map(|line| line.trim_end().split_once(':')).collect();
    let number =
        |name: &str| fields.get(name).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    let (mut n_scripts, mut scripts_us) = (0, 0);
    for name in ["evalsha", "eval", "fcall"] {
        let Some(stats) = fields.get(format!("cmdstat_{name}").as_str()) else { continue };
        let stat = |name: &str| {
            let mut pairs = stats.split(',').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name)?.1.parse::<u64>().ok()
        };
        n_scripts += stat("calls").unwrap_or_default();
        scripts_us += stat("usec").unwrap_or_default();
    }
    RedisUsage {
        cpu_s: number("used_cpu_user") + number("used_cpu_sys"),
        memory_bytes: number("used_memory") as u64,
        n_scripts,
        scripts_s: scripts_us as f64 / 1e6,
    }
}

#[cfg(test)]
mod tests {
    use store::testbed::RedisServer;

    use super::*;

    #[tokio::test]
    async fn usage_of_a_real_redis_is_read() {
        let server = RedisServer::start();
        let mut watch = Watch::new(vec![std::process::id()], Some(&server.url())).await.unwrap();
        let before = watch.read().await.redis.unwrap();
        assert_eq!(before.n_scripts, 0);
        for _ in 0..3 {
            server.cli(&["EVAL", "return 1", "0"]);
        }
        let reading = watch.read().await;
        let after = reading.redis.unwrap();
        assert_eq!(after.n_scripts, 3);
        assert!(after.memory_bytes > 500_000 && after.cpu_s > 0.0 && after.scripts_s > 0.0);
        assert_eq!(watch.names().len(), 1);
        assert!(reading.server.unwrap().resident_bytes > 0);
        let missing = Watch::new(Vec::new(), Some("redis://127.0.0.1:1")).await;
        assert!(missing.is_err());
    }
}
