//! Reads the connection to Redis: address, timeouts and credentials.

use std::sync::Arc;
use std::time::Duration;

use aws::SecretArn;
use store::{
    CircuitOptions, CredentialsProvider, RedisCredentials, RedisOptions, Secret, Topology,
};

use super::reader::ConfigReader;
use super::variable::{
    CIRCUIT_FAILURES, CIRCUIT_PAUSE, REDIS_CA_FILE, REDIS_CONNECT_TIMEOUT, REDIS_IAM,
    REDIS_PASSWORD, REDIS_PASSWORD_ARN, REDIS_PASSWORD_FILE, REDIS_RESPONSE_TIMEOUT,
    REDIS_TOPOLOGY, REDIS_URL, REDIS_USERNAME, SHARDS,
};
use crate::aws::{iam_login, secret_login};

impl ConfigReader {
    pub(super) fn redis(&mut self) -> Option<RedisOptions> {
        let topology = self.choice(&REDIS_TOPOLOGY, [Topology::Single, Topology::Cluster]);
        let connect_timeout = Duration::from_millis(self.number(&REDIS_CONNECT_TIMEOUT));
        let response_timeout = Duration::from_millis(self.number(&REDIS_RESPONSE_TIMEOUT));
        let circuit = CircuitOptions {
            n_failures: self.number(&CIRCUIT_FAILURES) as u32,
            pause: Duration::from_millis(self.number(&CIRCUIT_PAUSE)),
        };
        let n_shards = self.number(&SHARDS) as u16;
        let url = self.text(&REDIS_URL)?;
        Some(RedisOptions { url, topology, connect_timeout, response_timeout, n_shards, circuit })
    }

    pub(super) fn redis_credentials(&mut self, connect_timeout: Duration) -> RedisCredentials {
        let password = self.text_or_file(&REDIS_PASSWORD, &REDIS_PASSWORD_FILE).map(Secret::from);
        let url = self.text(&REDIS_URL);
        let is_tls =
            url.is_some_and(|url| url.split(',').all(|node| node.trim().starts_with("rediss://")));
        let ca_pem = self.ca_pem(is_tls);
        let secret = self.secret_login(password.is_some(), connect_timeout);
        let has_password = password.is_some() || secret.is_some();
        let iam = self.iam_login(has_password || !is_tls, connect_timeout);
        let provider = iam.or(secret);
        RedisCredentials { username: self.text(&REDIS_USERNAME), password, ca_pem, provider }
    }

    fn ca_pem(&mut self, is_tls: bool) -> Option<String> {
        let (path, name) = (self.text(&REDIS_CA_FILE)?, REDIS_CA_FILE.name);
        let pem = self.file(&REDIS_CA_FILE, &path);
        if pem.as_ref().is_some_and(|pem| !pem.contains("-----BEGIN CERTIFICATE-----")) {
            self.mistakes.push(format!("{name} contains no certificate: expected PEM"));
        }
        if pem.is_some() && !is_tls {
            let url = REDIS_URL.name;
            self.mistakes.push(format!("{name} is set: expected a {url} with `rediss://`"));
        }
        pem
    }

    fn secret_login(
        &mut self,
        has_password: bool,
        connect_timeout: Duration,
    ) -> Option<Arc<dyn CredentialsProvider>> {
        let text = self.text(&REDIS_PASSWORD_ARN)?;
        let name = REDIS_PASSWORD_ARN.name;
        if has_password || self.text(&REDIS_URL).is_none() {
            let url = REDIS_URL.name;
            self.mistakes.push(format!("{name} is set: it requires {url} and no other password"));
        }
        match text.parse::<SecretArn>() {
            Ok(arn) => {
                let username = self.text(&REDIS_USERNAME);
                Some(Arc::new(secret_login(arn, username, connect_timeout, |name| self.aws(name))))
            }
            Err(expected) => {
                // The message does not quote the value: it may be the password itself.
                self.mistakes.push(format!("{name} is invalid: expected {expected}"));
                None
            }
        }
    }

    fn iam_login(
        &mut self,
        is_impossible: bool,
        connect_timeout: Duration,
    ) -> Option<Arc<dyn CredentialsProvider>> {
        let text = self.text(&REDIS_IAM)?;
        if is_impossible {
            let (name, url) = (REDIS_IAM.name, REDIS_URL.name);
            self.mistakes.push(format!(
                "{name} is set: it requires a {url} with `rediss://` and no password"
            ));
        }
        let username = self.text(&REDIS_USERNAME);
        match iam_login(&text, username, connect_timeout, |name| self.aws(name)) {
            Ok(login) => Some(Arc::new(login)),
            Err(mistakes) => {
                self.mistakes.extend(mistakes);
                None
            }
        }
    }

    /// Returns a variable that the AWS SDKs define.
    fn aws(&self, name: &str) -> Option<String> {
        self.vars.get(name).filter(|text| !text.is_empty()).cloned()
    }
}
