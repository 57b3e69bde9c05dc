# A stream of samples that a function reads, and the dead-letter queue of failed records.

resource "aws_kinesis_stream" "this" {
  name             = var.name
  retention_period = var.retention_h
  shard_count      = var.n_shards == 0 ? null : var.n_shards
  encryption_type  = "KMS"
  kms_key_id       = coalesce(var.kms_key_arn, "alias/aws/kinesis")

  stream_mode_details {
    stream_mode = var.n_shards == 0 ? "ON_DEMAND" : "PROVISIONED"
  }
  tags = var.tags
}

# Contains the positions of failed records; the records themselves stay in the stream until its retention ends.
resource "aws_sqs_queue" "dead_letters" {
  name                      = "${var.name}-dead-letters"
  message_retention_seconds = 14 * 86400
  sqs_managed_sse_enabled   = var.kms_key_arn == null ? true : null
  kms_master_key_id         = var.kms_key_arn
  tags                      = var.tags
}

resource "aws_sqs_queue_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = aws_sqs_queue.dead_letters.arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

resource "aws_lambda_event_source_mapping" "this" {
  event_source_arn  = aws_kinesis_stream.this.arn
  function_name     = var.function_alias_arn
  starting_position = "LATEST"
  batch_size        = var.batch_size
  # The function returns the first failed record, and Lambda retries from there.
  function_response_types = ["ReportBatchItemFailures"]
  # Limits how long a record that always fails blocks its shard.
  bisect_batch_on_function_error = true
  maximum_retry_attempts         = var.attempts_max
  maximum_record_age_in_seconds  = var.record_age_max_s

  destination_config {
    on_failure {
      destination_arn = aws_sqs_queue.dead_letters.arn
    }
  }
  tags = var.tags
}
