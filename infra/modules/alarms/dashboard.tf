# What somebody looks at who was woken up.

locals {
  namespaces = compact([var.metrics_namespace])

  # Charts of the dashboard: a title, and lines of namespace, metric, dimension, its value, and how to draw them.
  charts = [for chart in [
    {
      title = "Invocations"
      lines = [for key, it in var.functions : ["AWS/Lambda", "Invocations", "FunctionName", it.name, { stat = "Sum", label = key }]]
    },
    {
      title = "Failed invocations"
      lines = [for key, it in var.functions : ["AWS/Lambda", "Errors", "FunctionName", it.name, { stat = "Sum", label = key }]]
    },
    {
      title = "Refused invocations"
      lines = [for key, it in var.functions : ["AWS/Lambda", "Throttles", "FunctionName", it.name, { stat = "Sum", label = key }]]
    },
    {
      title = "Duration, 99 in 100 (ms)"
      lines = [for key, it in var.functions : ["AWS/Lambda", "Duration", "FunctionName", it.name, { stat = "p99", label = key }]]
    },
    {
      title = "Invocations at once"
      lines = [for key, it in var.functions : ["AWS/Lambda", "ConcurrentExecutions", "FunctionName", it.name, { stat = "Maximum", label = key }]]
    },
    {
      title = "Answers of the API"
      lines = [for metric in var.has_api ? ["Count", "4xx", "5xx"] : [] : ["AWS/ApiGateway", metric, "ApiId", var.api_id, { stat = "Sum" }]]
    },
    {
      title = "Latency of the API, 99 in 100 (ms)"
      lines = [for metric in var.has_api ? ["Latency"] : [] : ["AWS/ApiGateway", metric, "ApiId", var.api_id, { stat = "p99" }]]
    },
    {
      title = "Answers 5xx of function URLs"
      lines = [for key, it in var.has_urls ? var.functions : {} : ["AWS/Lambda", "Url5xxCount", "FunctionName", it.name, { stat = "Sum", label = key }]]
    },
    # What the functions themselves tell, through lines of their log.
    {
      title = "Samples by outcome"
      lines = [for it in local.namespaces : [{ expression = "SEARCH('{${it},function,outcome} MetricName=\"samples_total\"', 'Sum', 60)" }]]
    },
    {
      title = "Anomalies by signal"
      lines = [for it in local.namespaces : [{ expression = "SEARCH('{${it},function,signal} MetricName=\"anomalies_total\"', 'Sum', 60)" }]]
    },
    {
      title = "Records of queues, streams and events by what became of them"
      lines = [
        for it in length(var.triggers) == 0 ? [] : local.namespaces :
        [{ expression = "SEARCH('{${it},function,result,trigger} MetricName=\"stream_records_total\"', 'Sum', 60)" }]
      ]
    },
    {
      title = "Failed commands of the store"
      lines = [for it in local.namespaces : [{ expression = "SEARCH('{${it},function} MetricName=\"store_errors_total\"', 'Sum', 60)" }]]
    },
    {
      title = "Age of the oldest message of the queue (s)"
      lines = [for it in compact([var.queue_name]) : ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", it, { stat = "Maximum" }]]
    },
    {
      title = "Age of the oldest record of the stream (ms)"
      lines = [for it in compact([var.stream_name]) : ["AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", "StreamName", it, { stat = "Maximum" }]]
    },
    {
      title = "Dead letters"
      lines = [for key, it in var.dead_letters : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", it, { stat = "Maximum", label = key }]]
    },
    {
      title = "Bytes in the cache"
      lines = [for it in var.cache_mode == "serverless" ? compact([var.cache_name]) : [] : ["AWS/ElastiCache", "BytesUsedForCache", "clusterId", it, { stat = "Maximum" }]]
    },
    {
      title = "Processing units of the cache"
      lines = [for it in var.cache_mode == "serverless" ? compact([var.cache_name]) : [] : ["AWS/ElastiCache", "ElastiCacheProcessingUnits", "clusterId", it, { stat = "Sum" }]]
    },
    {
      title = "Memory of the cache's nodes (%)"
      lines = [for it in var.cache_nodes : ["AWS/ElastiCache", "DatabaseMemoryUsagePercentage", "CacheClusterId", it, { stat = "Maximum", label = it }]]
    },
    {
      title = "Units of the table"
      lines = [for metric in var.table_name == null ? [] : ["ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"] : ["AWS/DynamoDB", metric, "TableName", var.table_name, { stat = "Sum" }]]
    },
  ] : chart if length(chart.lines) > 0]

  # Three charts in a row of twenty-four columns.
  widgets = [for index, chart in local.charts : {
    type   = "metric"
    x      = 8 * (index % 3)
    y      = 6 * floor(index / 3)
    width  = 8
    height = 6
    properties = {
      title   = chart.title
      region  = var.region
      view    = "timeSeries"
      stacked = false
      period  = 60
      metrics = chart.lines
    }
  }]
}

resource "aws_cloudwatch_dashboard" "this" {
  count          = var.dashboard ? 1 : 0
  dashboard_name = var.name
  dashboard_body = jsonencode({ widgets = local.widgets })
}
