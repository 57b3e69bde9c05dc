# What delivers samples: nothing is lost, and nothing that cannot be stored holds up the rest.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name               = "tidemark-queue"
  tags               = { Project = "tidemark" }
  kms_key_arn        = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  function_alias_arn = "arn:aws:lambda:eu-west-1:123456789012:function:stream:live"
  function_timeout_s = 60
  batch_size         = 100
  batching_window_s  = 1
  attempts_max       = 5
  concurrency_max    = 10
  n_shards           = 0
  retention_h        = 24
  record_age_max_s   = 82800
}

run "queue" {
  module {
    source = "./modules/queue"
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.function_response_types == toset(["ReportBatchItemFailures"])
    error_message = "one message that fails brings back its whole batch"
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.this.redrive_policy).maxReceiveCount == 5 && jsondecode(aws_sqs_queue.this.redrive_policy).deadLetterTargetArn == aws_sqs_queue.dead_letters.arn
    error_message = "a message that always fails is no dead letter"
  }

  assert {
    condition     = alltrue([for it in [aws_sqs_queue.this, aws_sqs_queue.dead_letters] : it.kms_master_key_id == var.kms_key_arn])
    error_message = "a queue is not encrypted with the key"
  }

  assert {
    condition     = aws_sqs_queue.this.visibility_timeout_seconds >= 6 * 60
    error_message = "a message is given out again while it is being read"
  }

  assert {
    condition     = aws_sqs_queue.dead_letters.message_retention_seconds > aws_sqs_queue.this.message_retention_seconds
    error_message = "a dead letter, whose age counts from its sending, expires before anybody sees it"
  }

  assert {
    condition     = alltrue([for it in [aws_sqs_queue_policy.this, aws_sqs_queue_policy.dead_letters] : jsondecode(it.policy).Statement[0].Effect == "Deny" && jsondecode(it.policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"])
    error_message = "a queue is reached without TLS"
  }
}

run "queue_without_a_key_of_one_s_own" {
  variables {
    kms_key_arn = null
  }

  module {
    source = "./modules/queue"
  }

  assert {
    condition     = alltrue([for it in [aws_sqs_queue.this, aws_sqs_queue.dead_letters] : it.sqs_managed_sse_enabled])
    error_message = "a queue is not encrypted"
  }
}

run "stream" {
  module {
    source = "./modules/stream"
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.function_response_types == toset(["ReportBatchItemFailures"]) && aws_lambda_event_source_mapping.this.bisect_batch_on_function_error
    error_message = "a record that fails brings back what was stored before it"
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.maximum_retry_attempts == 5 && aws_lambda_event_source_mapping.this.destination_config[0].on_failure[0].destination_arn == aws_sqs_queue.dead_letters.arn
    error_message = "a record that always fails holds up its shard until it expires, and is lost then"
  }

  assert {
    condition     = aws_kinesis_stream.this.encryption_type == "KMS" && aws_kinesis_stream.this.kms_key_id == var.kms_key_arn && aws_sqs_queue.dead_letters.kms_master_key_id == var.kms_key_arn
    error_message = "the stream, or what it dropped, is not encrypted with the key"
  }
}

run "stream_without_a_key_of_one_s_own" {
  variables {
    kms_key_arn = null
  }

  module {
    source = "./modules/stream"
  }

  assert {
    condition     = aws_kinesis_stream.this.kms_key_id == "alias/aws/kinesis" && aws_sqs_queue.dead_letters.sqs_managed_sse_enabled
    error_message = "the stream, or what it dropped, is not encrypted"
  }
}
