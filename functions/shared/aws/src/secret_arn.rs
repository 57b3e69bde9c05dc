//! The ARN of a secret in AWS Secrets Manager, or of a parameter in AWS Systems Manager.

use std::str::FromStr;

/// `arn:<partition>:<service>:<region>:<account>:<kind and name>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretArn {
    text: String,
    partition: String,
    service: SecretService,
    region: String,
}

/// A service that stores secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SecretService {
    SecretsManager,
    ParameterStore,
}

impl SecretService {
    /// The name in ARNs, host names and signatures.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SecretsManager => "secretsmanager",
            Self::ParameterStore => "ssm",
        }
    }
}

impl FromStr for SecretArn {
    /// The expected form.
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let (["arn", partition, service, region, _account, name], false) =
            (parts.as_slice(), text.contains(char::is_whitespace))
        else {
            return Err("the ARN of a secret or a parameter");
        };
        let service = match *service {
            "secretsmanager" if name.starts_with("secret:") => SecretService::SecretsManager,
            "ssm" if name.starts_with("parameter/") => SecretService::ParameterStore,
            _ => {
                return Err(
                    "the ARN of a secret (Secrets Manager) or a parameter (Systems Manager)",
                );
            }
        };
        if !partition.starts_with("aws") || region.is_empty() {
            return Err("an ARN with partition and region");
        }
        let (text, partition) = (text.to_owned(), (*partition).to_owned());
        Ok(Self { text, partition, service, region: (*region).to_owned() })
    }
}

impl SecretArn {
    /// The variable by which the tools of AWS override the address of its service.
    pub fn endpoint_variable(&self) -> &'static str {
        match self.service {
            SecretService::SecretsManager => "AWS_ENDPOINT_URL_SECRETS_MANAGER",
            SecretService::ParameterStore => "AWS_ENDPOINT_URL_SSM",
        }
    }

    /// The region in which it is stored.
    pub fn region(&self) -> &str {
        &self.region
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn service(&self) -> SecretService {
        self.service
    }

    /// The address of its service.
    pub(crate) fn endpoint(&self) -> String {
        let domain = if self.partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        format!("https://{}.{}.{domain}", self.service.name(), self.region)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_determines_service_and_endpoint() {
        let secret = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:redis-AbCdEf";
        let parameter = "arn:aws-cn:ssm:cn-north-1:111122223333:parameter/tidemark/redis";
        for (arn, endpoint) in [
            (secret, "https://secretsmanager.eu-west-1.amazonaws.com"),
            (parameter, "https://ssm.cn-north-1.amazonaws.com.cn"),
        ] {
            assert_eq!(arn.parse::<SecretArn>().unwrap().endpoint(), endpoint);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for wrong in [
            "",
            "hunter2",
            "arn:aws:secretsmanager:eu-west-1:111122223333",
            "arn:aws:secretsmanager::111122223333:secret:redis",
            "arn:aws:secretsmanager:eu-west-1:111122223333:parameter/redis",
            "arn:aws:ssm:eu-west-1:111122223333:secret:redis",
            "arn:aws:sqs:eu-west-1:111122223333:redis",
            "arn:other:ssm:eu-west-1:111122223333:parameter/redis",
            "arn:aws:ssm:eu-west-1:111122223333:parameter/re dis",
        ] {
            assert!(wrong.parse::<SecretArn>().is_err(), "{wrong}");
        }
    }
}
