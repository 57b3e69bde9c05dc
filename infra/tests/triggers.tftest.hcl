# Queue and stream: no sample is lost, and a malformed record does not block others.

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
    error_message = "one failed message redelivers its whole batch"
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.this.redrive_policy).maxReceiveCount == 5 && jsondecode(aws_sqs_queue.this.redrive_policy).deadLetterTargetArn == aws_sqs_queue.dead_letters.arn
    error_message = "a message that always fails does not become a dead letter"
  }

  assert {
    condition     = alltrue([for queue in [aws_sqs_queue.this, aws_sqs_queue.dead_letters] : queue.kms_master_key_id == var.kms_key_arn])
    error_message = "a queue is not encrypted with the key"
  }

  assert {
    condition     = aws_sqs_queue.this.visibility_timeout_seconds >= 6 * 60
    error_message = "a message is delivered again while it is processed"
  }

  assert {
    condition     = aws_sqs_queue.dead_letters.message_retention_seconds > aws_sqs_queue.this.message_retention_seconds
    error_message = "a dead letter, whose age counts from its sending, expires too early"
  }

  assert {
    condition     = alltrue([for policy in [aws_sqs_queue_policy.this, aws_sqs_queue_policy.dead_letters] : jsondecode(policy.policy).Statement[0].Effect == "Deny" && jsondecode(policy.policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"])
    error_message = "a queue accepts requests without TLS"
  }
}

run "queue_without_a_kms_key" {
  variables {
    kms_key_arn = null
  }

  module {
    source = "./modules/queue"
  }

  assert {
    condition     = alltrue([for queue in [aws_sqs_queue.this, aws_sqs_queue.dead_letters] : queue.sqs_managed_sse_enabled])
    error_message = "a queue is not encrypted"
  }
}

run "stream" {
  module {
    source = "./modules/stream"
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.function_response_types == toset(["ReportBatchItemFailures"]) && aws_lambda_event_source_mapping.this.bisect_batch_on_function_error
    error_message = "a failed record redelivers the records before it"
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.maximum_retry_attempts == 5 && aws_lambda_event_source_mapping.this.destination_config[0].on_failure[0].destination_arn == aws_sqs_queue.dead_letters.arn
    error_message = "a record that always fails blocks its shard until it expires, and is lost"
  }

  assert {
    condition     = aws_kinesis_stream.this.encryption_type == "KMS" && aws_kinesis_stream.this.kms_key_id == var.kms_key_arn && aws_sqs_queue.dead_letters.kms_master_key_id == var.kms_key_arn
    error_message = "the stream, or its dead-letter queue, is not encrypted with the key"
  }
}

run "stream_without_a_kms_key" {
  variables {
    kms_key_arn = null
  }

  module {
    source = "./modules/stream"
  }

  assert {
    condition     = aws_kinesis_stream.this.kms_key_id == "alias/aws/kinesis" && aws_sqs_queue.dead_letters.sqs_managed_sse_enabled
    error_message = "the stream, or its dead-letter queue, is not encrypted"
  }
}
