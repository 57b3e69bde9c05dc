# The CloudWatch dashboard, with one chart for each metric that an alarm or its diagnosis needs.

locals {
  namespaces = compact([var.metrics_namespace])

  # Charts: a title, and lines of namespace, metric, dimension, value of the dimension, and options.
  charts = [for chart in [
    {
      title = "Invocations"
      lines = [for key, function in var.functions : ["AWS/Lambda", "Invocations", "FunctionName", function.name, { stat = "Sum", label = key }]]
    },
    {
      title = "Failed invocations"
      lines = [for key, function in var.functions : ["AWS/Lambda", "Errors", "FunctionName", function.name, { stat = "Sum", label = key }]]
    },
    {
      title = "Refused invocations"
      lines = [for key, function in var.functions : ["AWS/Lambda", "Throttles", "FunctionName", function.name, { stat = "Sum", label = key }]]
    },
    {
      title = "Duration, 99th percentile (ms)"
      lines = [for key, function in var.functions : ["AWS/Lambda", "Duration", "FunctionName", function.name, { stat = "p99", label = key }]]
    },
    {
      title = "Concurrent invocations"
      lines = [for key, function in var.functions : ["AWS/Lambda", "ConcurrentExecutions", "FunctionName", function.name, { stat = "Maximum", label = key }]]
    },
    {
      title = "Answers of the API"
      lines = [for metric in var.has_api ? ["Count", "4xx", "5xx"] : [] : ["AWS/ApiGateway", metric, "ApiId", var.api_id, { stat = "Sum" }]]
    },
    {
      title = "Latency of the API, 99th percentile (ms)"
      lines = [for metric in var.has_api ? ["Latency"] : [] : ["AWS/ApiGateway", metric, "ApiId", var.api_id, { stat = "p99" }]]
    },
    {
      title = "Answers 5xx of function URLs"
      lines = [for key, function in var.has_urls ? var.functions : {} : ["AWS/Lambda", "Url5xxCount", "FunctionName", function.name, { stat = "Sum", label = key }]]
    },
    # Metrics that the functions write as log lines.
    {
      title = "Samples by outcome"
      lines = [for namespace in local.namespaces : [{ expression = "SEARCH('{${namespace},function,outcome} MetricName=\"samples_total\"', 'Sum', 60)" }]]
    },
    {
      title = "Anomalies by signal"
      lines = [for namespace in local.namespaces : [{ expression = "SEARCH('{${namespace},function,signal} MetricName=\"anomalies_total\"', 'Sum', 60)" }]]
    },
    {
      title = "Records of queues, streams and events by result"
      lines = [
        for namespace in length(var.triggers) == 0 ? [] : local.namespaces :
        [{ expression = "SEARCH('{${namespace},function,result,trigger} MetricName=\"stream_records_total\"', 'Sum', 60)" }]
      ]
    },
    {
      title = "Failed commands of the store"
      lines = [for namespace in local.namespaces : [{ expression = "SEARCH('{${namespace},function} MetricName=\"store_errors_total\"', 'Sum', 60)" }]]
    },
    {
      title = "Age of the oldest message of the queue (s)"
      lines = [for queue in compact([var.queue_name]) : ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", queue, { stat = "Maximum" }]]
    },
    {
      title = "Age of the oldest record of the stream (ms)"
      lines = [for stream in compact([var.stream_name]) : ["AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", "StreamName", stream, { stat = "Maximum" }]]
    },
    {
      title = "Dead letters"
      lines = [for key, queue in var.dead_letters : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue, { stat = "Maximum", label = key }]]
    },
    {
      title = "Bytes in the cache"
      lines = [for cache in var.cache_mode == "serverless" ? compact([var.cache_name]) : [] : ["AWS/ElastiCache", "BytesUsedForCache", "clusterId", cache, { stat = "Maximum" }]]
    },
    {
      title = "Processing units of the cache"
      lines = [for cache in var.cache_mode == "serverless" ? compact([var.cache_name]) : [] : ["AWS/ElastiCache", "ElastiCacheProcessingUnits", "clusterId", cache, { stat = "Sum" }]]
    },
    {
      title = "Memory of the cache's nodes (%)"
      lines = [for node in var.cache_nodes : ["AWS/ElastiCache", "DatabaseMemoryUsagePercentage", "CacheClusterId", node, { stat = "Maximum", label = node }]]
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
