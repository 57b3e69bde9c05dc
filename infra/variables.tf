# Variables of the deployment; `checks/tables.py` writes their table into the README. Longer than 400 lines: one list.

variable "name" {
  description = "Prefix of all names."
  type        = string
  default     = "tidemark"

  validation {
    condition     = can(regex("^[a-z](-?[a-z0-9])+$", var.name)) && length(var.name) <= 24
    error_message = "A name is 2 to 24 of a-z, 0-9 and single hyphens, and begins with a letter: ElastiCache accepts no other."
  }
}

variable "tags" {
  description = "Tags of all resources, in addition to `Project`, `ManagedBy` and the provider's `default_tags`."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.tags) : !startswith(lower(key), "aws:")]) && length(var.tags) <= 40
    error_message = "Expected at most 40 tags, and no key that begins with `aws:`, which AWS reserves."
  }
}

variable "packages_folder" {
  description = "Folder of the packages, `<architecture>/<function>/bootstrap.zip`; by default the output of `make lambda-build`."
  type        = string
  default     = null
}

variable "architecture" {
  description = "`x86_64` or `arm64`, as the packages were built."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "Expected `x86_64` or `arm64`."
  }
}

variable "ingest" {
  description = "The function `ingest`: memory in MB, timeout in seconds, and reserved concurrency (-1 for none)."
  type = object({
    memory_mb            = optional(number, 256)
    timeout_s            = optional(number, 15)
    reserved_concurrency = optional(number, -1)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.ingest.memory_mb >= 128 && var.ingest.memory_mb <= 10240 && var.ingest.timeout_s >= 3 && var.ingest.timeout_s <= 29
    error_message = "Expected 128 to 10240 MB of memory, and a timeout of 3 to 29 s: API Gateway waits for 30 s."
  }

  validation {
    condition     = var.ingest.reserved_concurrency == -1 || var.ingest.reserved_concurrency >= 1
    error_message = "Expected a reserved concurrency of -1 (none) or at least 1: 0 would disable the function."
  }
}

variable "analyze" {
  description = "The function `analyze`, with the fields of `ingest`."
  type = object({
    memory_mb            = optional(number, 256)
    timeout_s            = optional(number, 29)
    reserved_concurrency = optional(number, -1)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.analyze.memory_mb >= 128 && var.analyze.memory_mb <= 10240 && var.analyze.timeout_s >= 3 && var.analyze.timeout_s <= 29
    error_message = "Expected 128 to 10240 MB of memory, and a timeout of 3 to 29 s: API Gateway waits for 30 s."
  }

  validation {
    condition     = var.analyze.reserved_concurrency == -1 || var.analyze.reserved_concurrency >= 1
    error_message = "Expected a reserved concurrency of -1 (none) or at least 1: 0 would disable the function."
  }
}

variable "ingest_stream" {
  description = "The function `ingest-stream`, created if there is a queue, a stream or events, which invoke it."
  type = object({
    memory_mb            = optional(number, 256)
    timeout_s            = optional(number, 60)
    reserved_concurrency = optional(number, -1)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.ingest_stream.memory_mb >= 128 && var.ingest_stream.memory_mb <= 10240 && var.ingest_stream.timeout_s >= 3 && var.ingest_stream.timeout_s <= 900
    error_message = "Expected 128 to 10240 MB of memory, and a timeout of 3 to 900 s."
  }

  validation {
    condition     = var.ingest_stream.reserved_concurrency == -1 || var.ingest_stream.reserved_concurrency >= 1
    error_message = "Expected a reserved concurrency of -1 (none) or at least 1: 0 would disable the function."
  }
}

variable "environment" {
  description = "Further environment variables of all functions; the project's documentation lists them. Do not use it for secrets."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.environment) : can(regex("^(TIDEMARK_|REDIS_|OTEL_|RUST_LOG$)", key))])
    error_message = "Expected `RUST_LOG`, or variables that begin with `TIDEMARK_`, `REDIS_` or `OTEL_`."
  }

  validation {
    condition = length(setintersection(keys(var.environment), [
      "TIDEMARK_API_KEYS", "TIDEMARK_ACCESS", "TIDEMARK_DETECTOR", "TIDEMARK_DETECTOR_GENERATION", "TIDEMARK_HISTORY_TABLE",
      "TIDEMARK_HISTORY_DAYS", "REDIS_URL", "REDIS_USERNAME", "REDIS_PASSWORD", "REDIS_PASSWORD_ARN", "REDIS_TOPOLOGY", "REDIS_IAM",
    ])) == 0
    error_message = "Set these by the variables of this module; `REDIS_PASSWORD` would be stored in the state."
  }
}

variable "detector" {
  description = "Detector of all series. Increase `generation` by one with each change of `spec`."
  type = object({
    spec       = optional(string, "traffic")
    generation = optional(number, 0)
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^[a-z]+(:.+)?$", var.detector.spec)) && var.detector.generation >= 0 && floor(var.detector.generation) == var.detector.generation
    error_message = "Expected a spec such as `traffic` or `zscore:window=50,threshold=3`, and a whole number as generation."
  }
}

variable "front" {
  description = <<-EOT
    HTTP access. `kind`: `function_url` (one for each function, for callers with IAM), `api` (one HTTP API) or `none`.
    `authorization` of an API: `iam`, `jwt` (from `jwt.issuer` for `jwt.audience`), or `keys`, which the functions compare
    with `api_keys`. Above `rate_per_s` requests a second, or `burst` at once, a route answers 429.
  EOT
  type = object({
    kind          = optional(string, "function_url")
    authorization = optional(string, "iam")
    jwt           = optional(object({ issuer = string, audience = list(string) }))
    rate_per_s    = optional(number, 500)
    burst         = optional(number, 1000)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["function_url", "api", "none"], var.front.kind) && contains(["iam", "jwt", "keys"], var.front.authorization)
    error_message = "Expected the kind `function_url`, `api` or `none`, and the authorization `iam`, `jwt` or `keys`."
  }

  validation {
    condition     = var.front.kind == "api" || var.front.authorization == "iam"
    error_message = "A function URL requires `iam`, because it would publish `/metrics` otherwise. Use `jwt` and `keys` with an `api`."
  }

  validation {
    condition     = (var.front.authorization == "jwt") == (var.front.jwt != null)
    error_message = "Set `jwt` if, and only if, the authorization is `jwt`."
  }

  validation {
    condition     = var.front.jwt == null ? true : startswith(var.front.jwt.issuer, "https://") && length(var.front.jwt.audience) > 0
    error_message = "Expected an `https://` address as issuer, and at least one audience."
  }

  validation {
    condition     = var.front.rate_per_s >= 1 && var.front.burst >= 1
    error_message = "Expected a rate and a burst of at least 1."
  }
}

variable "api_keys" {
  description = "Entries `tenant:rights:sha256-hex`, printed by `ingest key TENANT RIGHTS`. They are hashes, not secrets."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for entry in var.api_keys : can(regex("^[A-Za-z0-9_.-]+:[a-z+]+:[0-9a-f]{64}$", entry))])
    error_message = "Expected entries `tenant:rights:sha256-hex`, not a key (`tmk_...`)."
  }

  validation {
    condition     = (var.front.authorization == "keys") == (length(var.api_keys) > 0)
    error_message = "Set entries if, and only if, the authorization is `keys`."
  }
}

variable "cache" {
  description = <<-EOT
    The cache that stores the series. `mode`: `serverless` (ElastiCache Serverless for Valkey, at most `data_gb_max` and
    `ecpu_per_s_max`), `replication_group` (`n_shards` shards of `node_type` with `n_replicas` each), or `external` (the
    `rediss://` address `url` and its `topology`). The functions authenticate by IAM, without a password. An `external`
    ElastiCache of the account uses IAM if `iam` gives `cache` (`serverless:` or `cluster:` and its name), `username`, and
    the `arns` of both. For any other `external` Redis, `password.arn` names a secret (Secrets Manager) or a parameter
    (Systems Manager) that contains the password, or JSON with `password` and `username`; `kms_key_arn` is its key, unless
    it is the key of the service. `snapshot_days`: retention of daily snapshots.
  EOT
  type = object({
    mode           = optional(string, "serverless")
    data_gb_max    = optional(number, 5)
    ecpu_per_s_max = optional(number, 15000)
    node_type      = optional(string, "cache.t4g.micro")
    n_shards       = optional(number, 1)
    n_replicas     = optional(number, 1)
    snapshot_days  = optional(number, 1)
    url            = optional(string)
    topology       = optional(string, "single")
    iam            = optional(object({ cache = string, username = string, arns = list(string) }))
    password       = optional(object({ arn = string, username = optional(string), kms_key_arn = optional(string) }))
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["serverless", "replication_group", "external"], var.cache.mode)
    error_message = "Expected the mode `serverless`, `replication_group` or `external`."
  }

  validation {
    condition     = (var.cache.mode == "external") == (var.cache.url != null)
    error_message = "Set `url` if, and only if, the mode is `external`."
  }

  validation {
    condition     = var.cache.url == null ? true : can(regex("^rediss://[^@/]+$", var.cache.url))
    error_message = "Expected a `rediss://` address (TLS) without a password, which would be stored in the state."
  }

  validation {
    condition     = var.cache.iam == null ? true : var.cache.mode == "external" && can(regex("^(serverless|cluster):[a-z0-9-]+$", var.cache.iam.cache))
    error_message = "`iam` requires the mode `external`, and names the cache as `serverless:NAME` or `cluster:NAME`."
  }

  validation {
    condition     = var.cache.iam == null ? true : length(var.cache.iam.arns) == 2 && alltrue([for arn in var.cache.iam.arns : can(regex("^arn:[^:*]+:elasticache:[^*]+$", arn))])
    error_message = "Expected two ARNs, of the cache and of the user, without wildcards."
  }

  validation {
    condition     = var.cache.password == null ? true : var.cache.mode == "external" && var.cache.iam == null && can(regex("^arn:aws[a-z-]*:(secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:|ssm:[a-z0-9-]+:[0-9]{12}:parameter/)[^*?:]+$", var.cache.password.arn))
    error_message = "`password` requires the mode `external` without `iam`, and the full ARN of a secret or parameter, not the password: that would be stored in the state."
  }

  validation {
    condition     = try(var.cache.password.kms_key_arn, null) == null ? true : can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[^*?]+$", var.cache.password.kms_key_arn))
    error_message = "Expected the ARN of a key, without wildcards."
  }

  validation {
    condition     = contains(["single", "cluster"], var.cache.topology)
    error_message = "Expected the topology `single` or `cluster`."
  }

  validation {
    condition     = var.cache.data_gb_max >= 1 && var.cache.data_gb_max <= 5000 && var.cache.ecpu_per_s_max >= 1000 && var.cache.ecpu_per_s_max <= 15000000
    error_message = "Serverless accepts 1 to 5000 GB, and 1000 to 15000000 processing units a second."
  }

  validation {
    condition     = startswith(var.cache.node_type, "cache.") && var.cache.n_shards >= 1 && var.cache.n_shards <= 500 && var.cache.n_replicas >= 0 && var.cache.n_replicas <= 5
    error_message = "Expected a node type that begins with `cache.`, and 1 to 500 shards with 0 to 5 replicas each."
  }

  validation {
    condition     = var.cache.n_shards == 1 || var.cache.n_replicas >= 1
    error_message = "A cluster needs at least one replica of each shard, or a failed node loses its series."
  }

  validation {
    condition     = var.cache.snapshot_days >= 0 && var.cache.snapshot_days <= 35
    error_message = "Expected a retention of snapshots of 0 to 35 days."
  }
}

variable "history" {
  description = "The DynamoDB table of episodes and of the configuration backup: `days` is the retention of episodes, `protection` refuses to delete the table."
  type = object({
    enabled    = optional(bool, true)
    days       = optional(number, 400)
    protection = optional(bool, true)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.history.days >= 1 && var.history.days <= 3650
    error_message = "Expected a retention of episodes of 1 to 3650 days."
  }
}

variable "alerts" {
  description = <<-EOT
    Receivers of alerts: topics of SNS, buses of EventBridge, or all instances of an Alertmanager in the network; and the
    policies by which (docs/alerts.md), first match first. The sweep delivers, so within a minute. In a new network, SNS and
    EventBridge get interface endpoints, which cost about 8 USD a month and zone each. There are no webhooks here, as their
    secrets would be in the state: EventBridge has API destinations. `page_url` is the address of the page for people.
  EOT
  type = object({
    sns_topic_arns    = optional(list(string), [])
    event_bus_arns    = optional(list(string), [])
    alertmanager_urls = optional(list(string), [])
    page_url          = optional(string)
    policies = optional(list(object({
      name   = string
      policy = string
      tenant = optional(string)
      source = optional(string)
      metric = optional(string)
      labels = optional(map(string), {})
    })), [])
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for arn in var.alerts.sns_topic_arns : can(regex("^arn:[^:]+:sns:[^:]+:[0-9]+:.+$", arn))])
    error_message = "Expected ARNs of topics such as `arn:aws:sns:eu-central-1:123456789012:alerts`."
  }

  validation {
    condition     = alltrue([for arn in var.alerts.event_bus_arns : can(regex("^arn:[^:]+:events:[^:]+:[0-9]+:event-bus/.+$", arn))])
    error_message = "Expected ARNs of buses such as `arn:aws:events:eu-central-1:123456789012:event-bus/alerts`."
  }
}

variable "network" {
  description = <<-EOT
    The network of cache and functions. By default a new one with addresses `cidr` in `n_zones` zones, without a route to
    the internet; or an existing one, by `vpc_id` and `subnet_ids`, with routes to DynamoDB, to the `external` cache, and to
    the service that stores its password. With an `external` cache there is no network, unless `vpc_id` names one.
  EOT
  type = object({
    cidr       = optional(string, "10.77.0.0/20")
    n_zones    = optional(number, 2)
    vpc_id     = optional(string)
    subnet_ids = optional(list(string), [])
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(cidrsubnet(var.network.cidr, 4, 15)) && try(tonumber(split("/", var.network.cidr)[1]) <= 22, false)
    error_message = "Expected a block of addresses such as 10.77.0.0/20, of /22 or larger."
  }

  validation {
    condition     = var.network.n_zones >= 2 && var.network.n_zones <= 3
    error_message = "Expected two or three zones, as ElastiCache Serverless requires."
  }

  validation {
    condition     = (var.network.vpc_id == null) == (length(var.network.subnet_ids) == 0)
    error_message = "Set both `vpc_id` and `subnet_ids`, or neither."
  }
}

variable "queue" {
  description = <<-EOT
    An SQS queue of samples for `ingest-stream`, with a dead-letter queue; null for none. A batch has at most `batch_size`
    messages and waits at most `batching_window_s`. A message that failed `attempts_max` times becomes a dead letter.
  EOT
  type = object({
    batch_size        = optional(number, 100)
    batching_window_s = optional(number, 1)
    attempts_max      = optional(number, 5)
    concurrency_max   = optional(number, 10)
  })
  default = null

  validation {
    condition     = var.queue == null ? true : var.queue.batch_size >= 1 && var.queue.batch_size <= 10000 && var.queue.batching_window_s >= 0 && var.queue.batching_window_s <= 300 && (var.queue.batch_size <= 10 || var.queue.batching_window_s >= 1)
    error_message = "Expected 1 to 10000 messages, and a batching window of 0 to 300 s; above 10 messages SQS requires at least 1 s."
  }

  validation {
    condition     = var.queue == null ? true : var.queue.attempts_max >= 2 && var.queue.attempts_max <= 1000 && var.queue.concurrency_max >= 2 && var.queue.concurrency_max <= 1000
    error_message = "Expected 2 to 1000 attempts, or one throttled invocation would turn a batch into dead letters; and a concurrency of 2 to 1000."
  }
}

variable "stream" {
  description = "A Kinesis stream of samples for `ingest-stream`; null for none. `n_shards` 0 means on demand."
  type = object({
    n_shards     = optional(number, 0)
    retention_h  = optional(number, 24)
    batch_size   = optional(number, 500)
    attempts_max = optional(number, 10)
  })
  default = null

  validation {
    condition     = var.stream == null ? true : var.stream.n_shards >= 0 && var.stream.n_shards <= 1000 && var.stream.retention_h >= 24 && var.stream.retention_h <= 8760
    error_message = "Expected 0 (on demand) to 1000 shards, and a retention of 24 to 8760 hours."
  }

  validation {
    condition     = var.stream == null ? true : var.stream.batch_size >= 1 && var.stream.batch_size <= 10000 && var.stream.attempts_max >= 1 && var.stream.attempts_max <= 10000
    error_message = "Expected 1 to 10000 records, and 1 to 10000 retries: unlimited retries of one record would block its shard."
  }
}

variable "events" {
  description = "EventBridge events that contain samples: the bus, and the pattern (JSON) of the events for `ingest-stream`; null for none."
  type = object({
    bus     = optional(string, "default")
    pattern = string
  })
  default = null

  validation {
    condition     = var.events == null ? true : length(try(keys(jsondecode(var.events.pattern)), [])) > 0
    error_message = "Expected a JSON object with at least one key: an empty pattern would match every event of the bus."
  }
}

variable "sweep" {
  description = "Schedule on which `analyze` judges waiting samples and detects silent series: `rate(...)` or `cron(...)`; null for none."
  type        = string
  default     = "rate(1 minute)"

  validation {
    condition     = var.sweep == null ? true : can(regex("^(rate|cron)\\(.+\\)$", var.sweep))
    error_message = "Expected a schedule such as `rate(1 minute)` or `cron(0/5 * * * ? *)`."
  }
}

variable "release" {
  description = <<-EOT
    The version of each function that callers invoke; without an entry the newest. `version` pins one, and
    `new_version_weight` (0 to 1) sends that share of the calls to the newest.
  EOT
  type = map(object({
    version            = optional(string)
    new_version_weight = optional(number, 0)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for key in keys(var.release) : contains(["ingest", "analyze", "ingest-stream"], key)])
    error_message = "Expected the functions `ingest`, `analyze` or `ingest-stream`."
  }

  validation {
    condition     = alltrue([for release in values(var.release) : release.new_version_weight >= 0 && release.new_version_weight < 1])
    error_message = "Expected a weight of 0 to below 1; to send all calls to the newest version, remove the entry."
  }

  validation {
    condition     = alltrue([for release in values(var.release) : release.version == null ? release.new_version_weight == 0 : can(regex("^[1-9][0-9]*$", release.version))])
    error_message = "Expected the number of a version, which a weight requires."
  }
}

variable "kms" {
  description = "KMS key of all stored data: `arn` of an existing key, or `create` a new one; by default the keys of the AWS services."
  type = object({
    create = optional(bool, false)
    arn    = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.kms.arn == null ? true : can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/", var.kms.arn)) && !var.kms.create
    error_message = "Expected the ARN of a key, not of an alias, and then `create = false`."
  }
}

variable "log" {
  description = "Log level (a filter of `RUST_LOG`), and retention in days."
  type = object({
    level          = optional(string, "info")
    retention_days = optional(number, 30)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log.retention_days)
    error_message = "Expected a retention that CloudWatch offers: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, ... days. Unlimited retention is refused."
  }

  validation {
    condition     = length(var.log.level) > 0
    error_message = "Expected a filter such as `info`, `warn` or `info,server=debug`."
  }
}

variable "tracing" {
  description = "Traces invocations with X-Ray."
  type        = bool
  default     = true
  nullable    = false
}

variable "alarms" {
  description = <<-EOT
    CloudWatch alarms, and their recipients: `topic_arn` of an existing topic, or `emails`, for which an encrypted topic is
    created; this requires `kms.create`. Without recipients the alarms only show their state.
  EOT
  type = object({
    enabled   = optional(bool, true)
    topic_arn = optional(string)
    emails    = optional(list(string), [])
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for email in var.alarms.emails : can(regex("^[^@ ]+@[^@ ]+$", email))])
    error_message = "Expected email addresses with one `@` and without spaces."
  }

  validation {
    condition     = length(var.alarms.emails) == 0 || (var.alarms.topic_arn == null && var.kms.create)
    error_message = "`emails` requires `kms.create` and no `topic_arn`: CloudWatch cannot publish to a topic that is encrypted with the key of the service."
  }

  validation {
    condition     = var.alarms.topic_arn == null ? true : can(regex("^arn:[^:]+:sns:", var.alarms.topic_arn))
    error_message = "Expected the ARN of an SNS topic."
  }
}

variable "dashboard" {
  description = "Creates a CloudWatch dashboard, which AWS charges for beyond the third of an account."
  type        = bool
  default     = false
  nullable    = false
}
