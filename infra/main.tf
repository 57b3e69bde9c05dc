# Tidemark on AWS: functions, cache, history table, and their triggers. Longer than 400 lines, as it wires all modules.
#
# Apply it directly (`terraform -chdir=infra apply`), or use it as a module (`examples/`). The provider sets the region,
# and further tags.

data "aws_partition" "current" {}
data "aws_region" "current" {}
data "aws_caller_identity" "current" {}

locals {
  tags = merge({ Project = "tidemark", ManagedBy = "terraform" }, var.tags)

  is_external = var.cache.mode == "external"
  in_network  = !local.is_external || var.network.vpc_id != null
  kms_key_arn = var.kms.create ? aws_kms_key.this[0].arn : var.kms.arn
  has_streams = var.queue != null || var.stream != null || var.events != null

  packages = coalesce(var.packages_folder, "${path.module}/../target/lambda")
  package  = { for function in ["ingest", "analyze", "ingest-stream"] : function => "${local.packages}/${var.architecture}/${function}/bootstrap.zip" }

  cache = local.is_external ? {
    REDIS_URL          = var.cache.url
    REDIS_TOPOLOGY     = var.cache.topology
    REDIS_USERNAME     = try(var.cache.iam.username, var.cache.password.username, null)
    REDIS_IAM          = try(var.cache.iam.cache, null)
    REDIS_PASSWORD_ARN = try(var.cache.password.arn, null)
    } : {
    REDIS_URL          = module.cache[0].url
    REDIS_TOPOLOGY     = module.cache[0].topology
    REDIS_USERNAME     = module.cache[0].username
    REDIS_IAM          = module.cache[0].iam
    REDIS_PASSWORD_ARN = null
  }

  environment = { for key, value in merge(var.environment, local.cache, {
    RUST_LOG                     = lookup(var.environment, "RUST_LOG", var.log.level)
    TIDEMARK_DETECTOR            = var.detector.spec
    TIDEMARK_DETECTOR_GENERATION = tostring(var.detector.generation)
    # A serverless cache does not report its limit.
    TIDEMARK_STORE_BYTES_MAX = lookup(var.environment, "TIDEMARK_STORE_BYTES_MAX",
    var.cache.mode == "serverless" ? tostring(var.cache.data_gb_max * 1000000000) : null)
  }) : key => value if value != null }

  # Only `analyze` uses the table: its sweep writes episodes, and its queries read them.
  history = var.history.enabled ? {
    TIDEMARK_HISTORY_TABLE = module.table[0].name
    TIDEMARK_HISTORY_DAYS  = tostring(var.history.days)
  } : {}

  # Only `analyze` notifies: its sweep does.
  receivers = concat(
    [for i, arn in var.alerts.sns_topic_arns : { name = "sns-${i}", sns = arn, eventbridge = null, alertmanager = null }],
    [for i, arn in var.alerts.event_bus_arns : { name = "eventbridge-${i}", sns = null, eventbridge = arn, alertmanager = null }],
    length(var.alerts.alertmanager_urls) == 0 ? [] : [{ name = "alertmanager", sns = null, eventbridge = null, alertmanager = var.alerts.alertmanager_urls }],
  )
  alerts = length(local.receivers) == 0 ? {} : {
    TIDEMARK_ALERTS = jsonencode({ receivers = local.receivers, policies = var.alerts.policies, page_url = var.alerts.page_url })
  }

  # IAM or the API's authorizer authenticates callers before the function runs, except with `keys`: the function checks them.
  access = var.front.authorization == "keys" ? { TIDEMARK_API_KEYS = join(",", var.api_keys) } : { TIDEMARK_ACCESS = "open" }

  vpc = local.in_network ? {
    subnet_ids         = module.network[0].subnet_ids
    security_group_ids = [module.network[0].functions_security_group_id]
  } : null

  # Rights of every function: connecting to the cache.
  statements = [for statement in [
    {
      when     = !local.is_external || var.cache.iam != null
      Sid      = "Cache"
      Action   = ["elasticache:Connect"]
      Resource = local.is_external ? try(var.cache.iam.arns, []) : flatten(module.cache[*].connect_arns)
    },
    {
      when     = var.cache.password != null
      Sid      = "CachePassword"
      Action   = [strcontains(try(var.cache.password.arn, ""), ":ssm:") ? "ssm:GetParameter" : "secretsmanager:GetSecretValue"]
      Resource = [try(var.cache.password.arn, null)]
    },
    {
      when     = try(var.cache.password.kms_key_arn, null) != null
      Sid      = "CachePasswordKey"
      Action   = ["kms:Decrypt"]
      Resource = [try(var.cache.password.kms_key_arn, null)]
    },
  ] : { Sid = statement.Sid, Action = statement.Action, Resource = statement.Resource } if statement.when]

  history_statements = [for statement in [
    {
      when = var.history.enabled
      Sid  = "History"
      # The operations that `functions/shared/aws` calls.
      Action   = ["dynamodb:BatchWriteItem", "dynamodb:PutItem", "dynamodb:Query"]
      Resource = module.table[*].arn
    },
  ] : { Sid = statement.Sid, Action = statement.Action, Resource = statement.Resource } if statement.when]

  alert_statements = [for statement in [
    {
      when     = length(var.alerts.sns_topic_arns) > 0
      Sid      = "AlertTopics"
      Action   = ["sns:Publish"]
      Resource = var.alerts.sns_topic_arns
    },
    {
      when     = length(var.alerts.event_bus_arns) > 0
      Sid      = "AlertBuses"
      Action   = ["events:PutEvents"]
      Resource = var.alerts.event_bus_arns
    },
  ] : { Sid = statement.Sid, Action = statement.Action, Resource = statement.Resource } if statement.when]

  stream_statements = [for statement in [
    {
      when     = var.queue != null
      Sid      = "Queue"
      Action   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
      Resource = var.queue == null ? [] : [module.queue[0].arn]
    },
    {
      when     = var.stream != null
      Sid      = "Stream"
      Action   = ["kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
      Resource = var.stream == null ? [] : [module.stream[0].arn]
    },
    {
      when     = var.stream != null
      Sid      = "StreamDeadLetters"
      Action   = ["sqs:SendMessage"]
      Resource = var.stream == null ? [] : [module.stream[0].dead_letters_arn]
    },
  ] : { Sid = statement.Sid, Action = statement.Action, Resource = statement.Resource } if statement.when]

  names   = { for source in ["queue", "stream", "events"] : source => "${var.name}-${source}" }
  release = { for function in ["ingest", "analyze", "ingest-stream"] : function => lookup(var.release, function, { version = null, new_version_weight = 0 }) }
}

resource "aws_kms_key" "this" {
  count                   = var.kms.create ? 1 : 0
  description             = "Encrypts all data of ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  tags                    = local.tags

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # Delegates access to the policies of the account; without this statement the key policy could never be changed.
        Sid       = "Account"
        Effect    = "Allow"
        Principal = { AWS = "arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        Sid       = "Logs"
        Effect    = "Allow"
        Principal = { Service = "logs.${data.aws_region.current.name}.amazonaws.com" }
        Action    = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"]
        Resource  = "*"
        Condition = {
          ArnLike = {
            "kms:EncryptionContext:aws:logs:arn" = join(":", [
              "arn", data.aws_partition.current.partition, "logs", data.aws_region.current.name,
              data.aws_caller_identity.current.account_id, "log-group", "/aws/*/${var.name}*",
            ])
          }
        }
      },
      {
        Sid       = "Alarms"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
      },
    ]
  })
}

resource "aws_kms_alias" "this" {
  count         = var.kms.create ? 1 : 0
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.this[0].key_id
}

module "network" {
  source = "./modules/network"
  count  = local.in_network ? 1 : 0

  name      = var.name
  tags      = local.tags
  cidr      = var.network.cidr
  n_zones   = var.network.n_zones
  existing  = var.network.vpc_id == null ? null : { vpc_id = var.network.vpc_id, subnet_ids = var.network.subnet_ids }
  has_table = var.history.enabled
  table_arn = one(module.table[*].arn)
  services = concat(
    length(var.alerts.sns_topic_arns) > 0 ? ["sns"] : [],
    length(var.alerts.event_bus_arns) > 0 ? ["events"] : [],
  )

  external_cache_port = local.is_external ? try(tonumber(regex(":([0-9]+)$", var.cache.url)[0]), 6379) : null
}

module "cache" {
  source = "./modules/cache"
  count  = local.is_external ? 0 : 1

  name              = var.name
  tags              = local.tags
  mode              = var.cache.mode
  data_gb_max       = var.cache.data_gb_max
  ecpu_per_s_max    = var.cache.ecpu_per_s_max
  node_type         = var.cache.node_type
  n_shards          = var.cache.n_shards
  n_replicas        = var.cache.n_replicas
  snapshot_days     = var.cache.snapshot_days
  subnet_ids        = module.network[0].subnet_ids
  security_group_id = module.network[0].cache_security_group_id
  kms_key_arn       = local.kms_key_arn
}

module "table" {
  source = "./modules/table"
  count  = var.history.enabled ? 1 : 0

  name         = "${var.name}-history"
  tags         = local.tags
  kms_key_arn  = local.kms_key_arn
  is_protected = var.history.protection
}

module "ingest" {
  source = "./modules/function"

  name                 = "${var.name}-ingest"
  tags                 = local.tags
  description          = "Samples in, verdicts out"
  package              = local.package["ingest"]
  architecture         = var.architecture
  memory_mb            = var.ingest.memory_mb
  timeout_s            = var.ingest.timeout_s
  reserved_concurrency = var.ingest.reserved_concurrency
  environment = merge(local.environment, local.access, {
    TIDEMARK_REQUEST_TIMEOUT_MS = tostring(var.ingest.timeout_s * 1000 - 1000)
  })
  statements         = local.statements
  vpc                = local.vpc
  kms_key_arn        = local.kms_key_arn
  log_retention_days = var.log.retention_days
  is_traced          = var.tracing
  release            = local.release["ingest"]
}

module "analyze" {
  source = "./modules/function"

  name                 = "${var.name}-analyze"
  tags                 = local.tags
  description          = "Reports anomalies and their reasons"
  package              = local.package["analyze"]
  architecture         = var.architecture
  memory_mb            = var.analyze.memory_mb
  timeout_s            = var.analyze.timeout_s
  reserved_concurrency = var.analyze.reserved_concurrency
  environment = merge(local.environment, local.access, local.history, local.alerts, {
    TIDEMARK_REQUEST_TIMEOUT_MS = tostring(var.analyze.timeout_s * 1000 - 1000)
  })
  statements         = concat(local.statements, local.history_statements, local.alert_statements)
  vpc                = local.vpc
  kms_key_arn        = local.kms_key_arn
  log_retention_days = var.log.retention_days
  is_traced          = var.tracing
  release            = local.release["analyze"]
}

# Requires no keys: the policies of queue, stream and bus decide which records arrive.
module "ingest_stream" {
  source = "./modules/function"
  count  = local.has_streams ? 1 : 0

  name                 = "${var.name}-ingest-stream"
  tags                 = local.tags
  description          = "Samples from queue, stream and events"
  package              = local.package["ingest-stream"]
  architecture         = var.architecture
  memory_mb            = var.ingest_stream.memory_mb
  timeout_s            = var.ingest_stream.timeout_s
  reserved_concurrency = var.ingest_stream.reserved_concurrency
  environment = merge(local.environment, {
    TIDEMARK_ACCESS             = "open"
    TIDEMARK_REQUEST_TIMEOUT_MS = tostring(var.ingest_stream.timeout_s * 1000 - 1000)
  })
  statements            = concat(local.statements, local.stream_statements)
  vpc                   = local.vpc
  kms_key_arn           = local.kms_key_arn
  log_retention_days    = var.log.retention_days
  is_traced             = var.tracing
  has_dead_letters      = var.events != null
  dead_letter_queue_arn = one(aws_sqs_queue.event_dead_letters[*].arn)
  release               = local.release["ingest-stream"]
}

module "queue" {
  source = "./modules/queue"
  count  = var.queue == null ? 0 : 1

  name               = local.names.queue
  tags               = local.tags
  kms_key_arn        = local.kms_key_arn
  attempts_max       = var.queue.attempts_max
  batch_size         = var.queue.batch_size
  batching_window_s  = var.queue.batching_window_s
  concurrency_max    = var.queue.concurrency_max
  function_alias_arn = module.ingest_stream[0].alias_arn
  function_timeout_s = var.ingest_stream.timeout_s
}

module "stream" {
  source = "./modules/stream"
  count  = var.stream == null ? 0 : 1

  name         = local.names.stream
  tags         = local.tags
  kms_key_arn  = local.kms_key_arn
  n_shards     = var.stream.n_shards
  retention_h  = var.stream.retention_h
  batch_size   = var.stream.batch_size
  attempts_max = var.stream.attempts_max
  # One hour before the stream deletes a record, so that the record of a dead letter can still be read.
  record_age_max_s   = 3600 * (var.stream.retention_h - 1)
  function_alias_arn = module.ingest_stream[0].alias_arn
}

# EventBridge invokes asynchronously, so events that fail after all retries go to a queue.
resource "aws_sqs_queue" "event_dead_letters" {
  count                     = var.events == null ? 0 : 1
  name                      = "${local.names.events}-dead-letters"
  message_retention_seconds = 14 * 86400
  sqs_managed_sse_enabled   = local.kms_key_arn == null ? true : null
  kms_master_key_id         = local.kms_key_arn
  tags                      = local.tags
}

resource "aws_sqs_queue_policy" "event_dead_letters" {
  count     = var.events == null ? 0 : 1
  queue_url = aws_sqs_queue.event_dead_letters[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = aws_sqs_queue.event_dead_letters[0].arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

module "events" {
  source = "./modules/rule"
  count  = var.events == null ? 0 : 1

  name                = local.names.events
  tags                = local.tags
  description         = "Events that are samples"
  bus                 = var.events.bus
  pattern             = var.events.pattern
  function_name       = module.ingest_stream[0].name
  function_alias_name = module.ingest_stream[0].alias_name
  function_alias_arn  = module.ingest_stream[0].alias_arn
}

module "sweep" {
  source = "./modules/rule"
  count  = var.sweep == null ? 0 : 1

  name                = "${var.name}-sweep"
  tags                = local.tags
  description         = "Judges waiting samples, and detects silent series"
  schedule            = var.sweep
  function_name       = module.analyze.name
  function_alias_name = module.analyze.alias_name
  function_alias_arn  = module.analyze.alias_arn
}

module "api" {
  source = "./modules/api"
  count  = var.front.kind == "api" ? 1 : 0

  name               = var.name
  tags               = local.tags
  authorization      = var.front.authorization
  jwt                = var.front.jwt
  rate_per_s         = var.front.rate_per_s
  burst              = var.front.burst
  log_retention_days = var.log.retention_days
  kms_key_arn        = local.kms_key_arn
  functions = {
    for key, function in { ingest = module.ingest, analyze = module.analyze } : key => {
      name                        = function.name
      alias_name                  = function.alias_name
      invoke_arn                  = function.alias_invoke_arn
    }
  }
}

# For callers in the account whose policy allows it; callers in other accounts also need a permission on the function.
resource "aws_lambda_function_url" "this" {
  for_each = var.front.kind == "function_url" ? { ingest = module.ingest, analyze = module.analyze } : {}

  function_name      = each.value.name
  qualifier          = each.value.alias_name
  authorization_type = "AWS_IAM"
}

module "alarms" {
  source = "./modules/alarms"

  name        = var.name
  tags        = local.tags
  enabled     = var.alarms.enabled
  topic_arn   = var.alarms.topic_arn
  emails      = var.alarms.emails
  kms_key_arn = local.kms_key_arn
  dashboard   = var.dashboard
  region      = data.aws_region.current.name
  api_id      = one(module.api[*].id)
  has_urls    = var.front.kind == "function_url"
  has_api     = var.front.kind == "api"
  table_name  = var.history.enabled ? "${var.name}-history" : null
  cache_name  = local.is_external ? null : var.name
  cache_mode  = var.cache.mode
  data_gb_max = var.cache.data_gb_max
  cache_nodes = var.cache.mode != "replication_group" ? [] : flatten([
    for shard in range(var.cache.n_shards) : [
      for node in range(1 + var.cache.n_replicas) : (
        # Names that ElastiCache gives to nodes; they contain the shard if there are several.
        var.cache.n_shards == 1 ? format("%s-%03d", var.name, node + 1) : format("%s-%04d-%03d", var.name, shard + 1, node + 1)
      )
    ]
  ])
  # The functions write these metrics as log lines, unless `TIDEMARK_EMF` is off.
  metrics_namespace = lookup(var.environment, "TIDEMARK_EMF", "on") == "off" ? null : lookup(var.environment, "TIDEMARK_EMF_NAMESPACE", "Tidemark")
  triggers          = [for trigger, source in { sqs = var.queue, kinesis = var.stream, eventbridge = var.events } : trigger if source != null]
  queue_name        = var.queue == null ? null : local.names.queue
  stream_name       = var.stream == null ? null : local.names.stream
  dead_letters      = { for key, name in local.names : key => "${name}-dead-letters" if { queue = var.queue, stream = var.stream, events = var.events }[key] != null }
  functions = merge(
    {
      ingest  = { name = "${var.name}-ingest", timeout_s = var.ingest.timeout_s }
      analyze = { name = "${var.name}-analyze", timeout_s = var.analyze.timeout_s }
    },
    local.has_streams ? { ingest-stream = { name = "${var.name}-ingest-stream", timeout_s = var.ingest_stream.timeout_s } } : {},
  )
}
