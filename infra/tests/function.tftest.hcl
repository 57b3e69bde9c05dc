# One function.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name                 = "tidemark-ingest"
  tags                 = { Project = "tidemark" }
  description          = "Samples in, verdicts out"
  package              = "./tests/packages/x86_64/ingest/bootstrap.zip"
  architecture         = "arm64"
  memory_mb            = 256
  timeout_s            = 15
  reserved_concurrency = 50
  environment          = { RUST_LOG = "info" }
  statements           = []
  vpc                  = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
  kms_key_arn          = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  log_retention_days   = 30
  is_traced            = true
  release              = {}
}

run "promises" {
  module {
    source = "./modules/function"
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.retention_in_days == 30 && aws_cloudwatch_log_group.this.kms_key_id == var.kms_key_arn
    error_message = "log lines have no retention, or are not encrypted with the key"
  }

  assert {
    condition     = aws_lambda_function.this.kms_key_arn == var.kms_key_arn
    error_message = "variables are not encrypted with the key"
  }

  assert {
    condition     = aws_lambda_function.this.reserved_concurrent_executions == 50
    error_message = "concurrency is not reserved"
  }

  assert {
    condition     = aws_lambda_function.this.tracing_config[0].mode == "Active"
    error_message = "invocations are not traced"
  }

  assert {
    condition     = aws_lambda_function.this.architectures == tolist(["arm64"]) && aws_lambda_function.this.runtime == "provided.al2023"
    error_message = "the architecture differs from the package"
  }

  assert {
    condition     = toset(aws_lambda_function.this.vpc_config[0].subnet_ids) == toset(["subnet-1"])
    error_message = "the function is not in the network"
  }

  assert {
    condition     = aws_lambda_function.this.tags["Project"] == "tidemark" && aws_iam_role.this.tags["Project"] == "tidemark" && aws_cloudwatch_log_group.this.tags["Project"] == "tidemark"
    error_message = "tags are missing"
  }

  assert {
    condition     = jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Principal.Service == "lambda.amazonaws.com"
    error_message = "another service than Lambda may assume the role"
  }
}

run "callers_invoke_the_newest_version" {
  module {
    source = "./modules/function"
  }

  assert {
    condition     = aws_lambda_function.this.publish && aws_lambda_alias.live.function_version == aws_lambda_function.this.version && length(aws_lambda_alias.live.routing_config) == 0
    error_message = "the alias does not invoke the newest version"
  }
}

run "a_weighted_release_sends_a_tenth_of_the_calls_to_the_newest_version" {
  variables {
    release = { version = "7", new_version_weight = 0.1 }
  }

  module {
    source = "./modules/function"
  }

  assert {
    condition     = aws_lambda_alias.live.function_version == "7" && aws_lambda_alias.live.routing_config[0].additional_version_weights["8"] == 0.1
    error_message = "the alias does not share calls between the versions"
  }
}

run "a_rollback_sends_no_calls_to_the_newest_version" {
  variables {
    release = { version = "7" }
  }

  module {
    source = "./modules/function"
  }

  assert {
    condition     = aws_lambda_alias.live.function_version == "7" && length(aws_lambda_alias.live.routing_config) == 0
    error_message = "the newest version is still invoked"
  }
}

run "failed_asynchronous_invocations_go_to_a_queue" {
  variables {
    has_dead_letters      = true
    dead_letter_queue_arn = "arn:aws:sqs:eu-west-1:123456789012:dead"
  }

  module {
    source = "./modules/function"
  }

  assert {
    condition     = aws_lambda_function_event_invoke_config.live[0].destination_config[0].on_failure[0].destination == var.dead_letter_queue_arn
    error_message = "failed events are lost"
  }

  assert {
    condition     = strcontains(aws_iam_role_policy.this.policy, "sqs:SendMessage")
    error_message = "the function may not write dead letters"
  }
}
