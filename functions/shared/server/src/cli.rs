//! The command line of the functions: modes, API keys, help and version.

use std::fmt::Write;

use service::access::NewApiKey;
use service::config::Variable;

use crate::alerts_command::AlertsCommand;
use crate::function::Function;

/// The variables that the help lists: the first to decide on.
const MAIN_VARIABLES: [&str; 9] = [
    "LISTEN_HOST",
    "PORT",
    "REDIS_URL",
    "TIDEMARK_API_KEYS",
    "TIDEMARK_ACCESS",
    "TIDEMARK_DETECTOR",
    "TIDEMARK_ALERTS",
    "TIDEMARK_HISTORY_TABLE",
    "RUST_LOG",
];

/// A parsed command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CliCommand {
    /// Serve a function: that of the binary, or a mode of it.
    Serve(Function),
    /// Check the configured alerts, or test a receiver of them, and exit.
    Alerts(AlertsCommand),
    /// Print a text and exit.
    Print(String),
}

/// Parses the arguments of the binary of `function`.
pub(crate) fn parse(function: Function, arguments: &[&str]) -> Result<CliCommand, String> {
    match (arguments, function) {
        ([], _) => Ok(CliCommand::Serve(function)),
        (["-h" | "--help" | "help"], _) => Ok(CliCommand::Print(help(function))),
        (["-V" | "--version"], _) => {
            Ok(CliCommand::Print(format!("{function} {}\n", env!("CARGO_PKG_VERSION"))))
        }
        (["exporter"], Function::Analyze) => Ok(CliCommand::Serve(Function::Exporter)),
        (["sweeper"], Function::Analyze) => Ok(CliCommand::Serve(Function::Sweeper)),
        (["notifier"], Function::Analyze) => Ok(CliCommand::Serve(Function::Notifier)),
        (["alerts", "check"], function) if function.notifies() => {
            Ok(CliCommand::Alerts(AlertsCommand::Check))
        }
        (["alerts", "test", receiver], function) if function.notifies() => {
            Ok(CliCommand::Alerts(AlertsCommand::Test((*receiver).to_owned())))
        }
        (["key", tenant, rights], _) => make_key(tenant, rights).map(CliCommand::Print),
        _ => Err(format!("`{}` is not a command: see `{function} --help`", arguments.join(" "))),
    }
}

/// Makes an API key: the key is for the client, its entry for the configuration of the functions.
fn make_key(tenant: &str, rights: &str) -> Result<String, String> {
    let NewApiKey { key, entry } = NewApiKey::generate(tenant, rights)?;
    Ok(format!("key   {key}\nentry {entry}\n"))
}

/// Use of a function without arguments.
const SERVE: &str = "Serve HTTP, or the Lambda runtime if AWS_LAMBDA_RUNTIME_API is set.";

fn help(function: Function) -> String {
    let (summary, version) = (function.summary(), env!("CARGO_PKG_VERSION"));
    let mut modes = String::new();
    if function == Function::Analyze {
        for mode in [Function::Exporter, Function::Sweeper, Function::Notifier] {
            // Writing to a string cannot fail.
            let _infallible = writeln!(modes, "  analyze {mode:<17} {}", mode.summary());
        }
    }
    if function.notifies() {
        let check = "Print the receivers of TIDEMARK_ALERTS, or what is invalid.";
        let test = "Send a test message to one of them.";
        let _infallible = write!(
            modes,
            "  {function} alerts check\n      {check}\n  {function} alerts test RECEIVER\n      {test}\n"
        );
    }
    let mut variables = String::new();
    for name in MAIN_VARIABLES {
        let Some(variable) = Variable::ALL.iter().find(|variable| variable.name == name) else {
            continue;
        };
        let _infallible = writeln!(variables, "  {:<23} {}", variable.name, variable.doc);
    }
    let redis = "REDIS_URL=redis://127.0.0.1:6379";
    let (usage, example) = match function {
        Function::Standalone => (SERVE, "PORT=8080 standalone".to_owned()),
        // Without the Lambda runtime nothing delivers events.
        Function::IngestStream => (
            "Serve the Lambda runtime at AWS_LAMBDA_RUNTIME_API.",
            format!("AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001 {redis} {function}"),
        ),
        _ => (SERVE, format!("{redis} {function}")),
    };
    format!(
        "{function} {version}: {summary}\n\n\
         Usage:\n  \
         {function}\n      {usage}\n\
         {modes}  \
         {function} key TENANT RIGHTS\n      Make an API key, as in `{function} key checkout write+read`.\n  \
         {function} --help | --version\n\n\
         Variables (all of them: docs/configuration.md):\n{variables}\n\
         Example:\n  {example}\n\n\
         Exit codes: 0 after SIGTERM, 64 invalid configuration or arguments, 69 address in use or \
         test message not taken, \
         70 Lambda runtime failed, 71 no signal handler.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_lists_existing_variables_and_an_example() {
        for function in Function::ALL {
            let Ok(CliCommand::Print(help)) = parse(function, &["--help"]) else {
                panic!("{function}")
            };
            for part in
                MAIN_VARIABLES.into_iter().chain(["Example:", "--version", function.summary()])
            {
                assert!(help.contains(part), "{part} in {help}");
            }
        }
    }

    #[test]
    fn only_analyze_has_modes() {
        assert_eq!(
            parse(Function::Analyze, &["sweeper"]),
            Ok(CliCommand::Serve(Function::Sweeper))
        );
        assert!(parse(Function::Ingest, &["sweeper"]).unwrap_err().contains("`ingest --help`"));
    }
}
