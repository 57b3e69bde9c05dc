# Alarms, their topic and the dashboard.
#
# Each alarm reports a promise at risk: samples that are not stored, not judged, or late.

locals {
  has_topic = length(var.emails) > 0
  actions   = local.has_topic ? [aws_sns_topic.this[0].arn] : var.topic_arn == null ? [] : [var.topic_arn]

  of_functions = merge([for key, function in var.functions : {
    "${key}-errors" = {
      description = "Invocations of ${key} fail: see its log; records of a queue or stream are delivered again"
      namespace   = "AWS/Lambda"
      metric      = "Errors"
      statistic   = "Sum"
      threshold   = 0
      n_of        = [2, 3]
      dimensions  = { FunctionName = function.name }
    }
    "${key}-throttles" = {
      description = "Invocations of ${key} are throttled: the concurrency of the account, or its reserved concurrency, is used up"
      namespace   = "AWS/Lambda"
      metric      = "Throttles"
      statistic   = "Sum"
      threshold   = 0
      n_of        = [2, 3]
      dimensions  = { FunctionName = function.name }
    }
    "${key}-slow" = {
      description = "One invocation of ${key} in a hundred takes over 80 % of its timeout: the cache is slow, or batches are too large"
      namespace   = "AWS/Lambda"
      metric      = "Duration"
      statistic   = "p99"
      threshold   = 800 * function.timeout_s
      n_of        = [3, 3]
      dimensions  = { FunctionName = function.name }
    }
  }]...)

  of_dead_letters = { for key, name in var.dead_letters : "${key}-dead-letters" => {
    description = "Samples of ${key} failed after all attempts: inspect the dead letters, then redrive them"
    namespace   = "AWS/SQS"
    metric      = "ApproximateNumberOfMessagesVisible"
    statistic   = "Maximum"
    threshold   = 0
    n_of        = [1, 1]
    dimensions  = { QueueName = name }
  } }

  of_queue = var.queue_name == null ? {} : {
    queue-age = {
      description = "A message has waited for over five minutes: samples arrive faster than they are judged"
      namespace   = "AWS/SQS"
      metric      = "ApproximateAgeOfOldestMessage"
      statistic   = "Maximum"
      threshold   = 300
      n_of        = [2, 3]
      dimensions  = { QueueName = var.queue_name }
    }
  }

  of_stream = var.stream_name == null ? {} : {
    stream-age = {
      description = "A record has waited for over five minutes: samples arrive faster than they are judged, or a record blocks its shard"
      namespace   = "AWS/Kinesis"
      metric      = "GetRecords.IteratorAgeMilliseconds"
      statistic   = "Maximum"
      threshold   = 300000
      n_of        = [2, 3]
      dimensions  = { StreamName = var.stream_name }
    }
  }

  # Fires at the first attempt; the alarm on dead letters fires only after the last one.
  of_poisoned = { for trigger in var.metrics_namespace == null ? [] : var.triggers : "${trigger}-poisoned" => {
    description = "Records of ${trigger} are malformed and can never be stored: the log of ingest-stream names them and the reason"
    namespace   = var.metrics_namespace
    metric      = "stream_records_total"
    statistic   = "Sum"
    threshold   = 0
    n_of        = [1, 1]
    dimensions  = { function = "ingest-stream", trigger = trigger, result = "poisoned" }
  } }

  of_api = !var.has_api ? {} : {
    api-errors = {
      description = "The API answers 5xx: the store is not available, or a function fails; senders retry"
      namespace   = "AWS/ApiGateway"
      metric      = "5xx"
      statistic   = "Sum"
      threshold   = 5
      n_of        = [2, 3]
      dimensions  = { ApiId = var.api_id }
    }
  }

  of_urls = { for key, function in var.has_urls ? var.functions : {} : "${key}-url-errors" => {
    description = "The URL of ${key} answers 5xx: the store is not available, or the function fails; senders retry"
    namespace   = "AWS/Lambda"
    metric      = "Url5xxCount"
    statistic   = "Sum"
    threshold   = 5
    n_of        = [2, 3]
    dimensions  = { FunctionName = function.name }
  } if key != "ingest-stream" }

  of_table = var.table_name == null ? {} : {
    table-throttled-writes = {
      description = "DynamoDB throttles writes: the history is behind, and the next sweep retries"
      namespace   = "AWS/DynamoDB"
      metric      = "WriteThrottleEvents"
      statistic   = "Sum"
      threshold   = 0
      n_of        = [3, 3]
      dimensions  = { TableName = var.table_name }
    }
    table-throttled-reads = {
      description = "DynamoDB throttles reads: queries that reach back beyond the cache fail"
      namespace   = "AWS/DynamoDB"
      metric      = "ReadThrottleEvents"
      statistic   = "Sum"
      threshold   = 0
      n_of        = [3, 3]
      dimensions  = { TableName = var.table_name }
    }
  }

  of_serverless = var.cache_name == null || var.cache_mode != "serverless" ? {} : {
    cache-full = {
      description = "The cache is at 80 % of its limit: raise `cache.data_gb_max`, or series are evicted"
      namespace   = "AWS/ElastiCache"
      metric      = "BytesUsedForCache"
      statistic   = "Maximum"
      threshold   = 800000000 * var.data_gb_max
      n_of        = [3, 3]
      dimensions  = { clusterId = var.cache_name }
    }
    cache-throttled = {
      description = "The cache throttles commands: raise `cache.ecpu_per_s_max`, or wait until it has scaled"
      namespace   = "AWS/ElastiCache"
      metric      = "ThrottledCmds"
      statistic   = "Sum"
      threshold   = 0
      n_of        = [2, 3]
      dimensions  = { clusterId = var.cache_name }
    }
  }

  of_nodes = merge([for node in var.cache_nodes : {
    "${node}-memory" = {
      description = "A node of the cache is 80 % full; a full node refuses samples"
      namespace   = "AWS/ElastiCache"
      metric      = "DatabaseMemoryUsagePercentage"
      statistic   = "Maximum"
      threshold   = 80
      n_of        = [3, 3]
      dimensions  = { CacheClusterId = node }
    }
    "${node}-cpu" = {
      description = "A node of the cache is over 80 % busy: add shards, or choose a larger node type"
      namespace   = "AWS/ElastiCache"
      metric      = "EngineCPUUtilization"
      statistic   = "Average"
      threshold   = 80
      n_of        = [3, 3]
      dimensions  = { CacheClusterId = node }
    }
  }]...)

  alarms = merge(
    local.of_functions, local.of_dead_letters, local.of_poisoned, local.of_queue, local.of_stream, local.of_api, local.of_urls,
    local.of_table, local.of_serverless, local.of_nodes,
  )
}

resource "aws_sns_topic" "this" {
  count             = local.has_topic ? 1 : 0
  name              = "${var.name}-alarms"
  kms_master_key_id = var.kms_key_arn
  tags              = var.tags
}

resource "aws_sns_topic_subscription" "email" {
  for_each  = toset(var.emails)
  topic_arn = aws_sns_topic.this[0].arn
  protocol  = "email"
  endpoint  = each.value
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each            = var.enabled ? local.alarms : {}
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = 60
  datapoints_to_alarm = each.value.n_of[0]
  evaluation_periods  = each.value.n_of[1]
  # Without invocations there are no metrics.
  treat_missing_data = "notBreaching"
  alarm_actions      = local.actions
  ok_actions         = local.actions
  tags               = var.tags
}
