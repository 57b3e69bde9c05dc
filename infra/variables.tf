variable "name" {
  description = "Prefix of all names."
  type        = string
  default     = "tidemark"

  validation {
    condition     = can(regex("^[a-z](-?[a-z0-9])+$", var.name)) && length(var.name) <= 24
    error_message = "The name is 2 to 24 of a-z, 0-9 and single hyphens, and begins with a letter: caches take no others."
  }
}

variable "tags" {
  description = "Tags of all that can have some, beside `Project` and `ManagedBy`. A provider's `default_tags` hold as well."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.tags) : !startswith(lower(key), "aws:")]) && length(var.tags) <= 40
    error_message = "At most 40 tags, and none whose key begins with `aws:`, which AWS keeps for itself."
  }
}

variable "packages_folder" {
  description = "Folder of the packages, `<architecture>/<function>/bootstrap.zip`; by default where `make lambda-build` puts them."
  type        = string
  default     = null
}

variable "architecture" {
  description = "`x86_64` or `arm64`, for which there must be packages."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "The architecture is `x86_64` or `arm64`."
  }
}

variable "ingest" {
  description = "The function `ingest`: memory in MB, longest time, and invocations at once (-1: the account's)."
  type = object({
    memory_mb            = optional(number, 256)
    timeout_s            = optional(number, 15)
    reserved_concurrency = optional(number, -1)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.ingest.memory_mb >= 128 && var.ingest.memory_mb <= 10240 && var.ingest.timeout_s >= 3 && var.ingest.timeout_s <= 29
    error_message = "Memory is 128 to 10240 MB, and the time 3 to 29 s: API Gateway waits for 30."
  }

  validation {
    condition     = var.ingest.reserved_concurrency == -1 || var.ingest.reserved_concurrency >= 1
    error_message = "Reserved concurrency is -1 for none, or at least 1: 0 would switch the function off."
  }
}

variable "analyze" {
  description = "The function `analyze`, as `ingest`."
  type = object({
    memory_mb            = optional(number, 256)
    timeout_s            = optional(number, 29)
    reserved_concurrency = optional(number, -1)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.analyze.memory_mb >= 128 && var.analyze.memory_mb <= 10240 && var.analyze.timeout_s >= 3 && var.analyze.timeout_s <= 29
    error_message = "Memory is 128 to 10240 MB, and the time 3 to 29 s: API Gateway waits for 30."
  }

  validation {
    condition     = var.analyze.reserved_concurrency == -1 || var.analyze.reserved_concurrency >= 1
    error_message = "Reserved concurrency is -1 for none, or at least 1: 0 would switch the function off."
  }
}

variable "ingest_stream" {
  description = "The function `ingest-stream`, which queue, stream and events invoke; made where there is one of these."
  type = object({
    memory_mb            = optional(number, 256)
    timeout_s            = optional(number, 60)
    reserved_concurrency = optional(number, -1)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.ingest_stream.memory_mb >= 128 && var.ingest_stream.memory_mb <= 10240 && var.ingest_stream.timeout_s >= 3 && var.ingest_stream.timeout_s <= 900
    error_message = "Memory is 128 to 10240 MB, and the time 3 to 900 s."
  }

  validation {
    condition     = var.ingest_stream.reserved_concurrency == -1 || var.ingest_stream.reserved_concurrency >= 1
    error_message = "Reserved concurrency is -1 for none, or at least 1: 0 would switch the function off."
  }
}

variable "environment" {
  description = "Further variables of all functions, as the README of the project lists them. They are no place for secrets."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.environment) : can(regex("^(TIDEMARK_|REDIS_|OTEL_|RUST_LOG$)", key))])
    error_message = "Variables are `RUST_LOG`, or begin with `TIDEMARK_`, `REDIS_` or `OTEL_`."
  }

  validation {
    condition = length(setintersection(keys(var.environment), [
      "TIDEMARK_API_KEYS", "TIDEMARK_ACCESS", "TIDEMARK_DETECTOR", "TIDEMARK_DETECTOR_GENERATION", "TIDEMARK_HISTORY_TABLE",
      "TIDEMARK_HISTORY_DAYS", "REDIS_URL", "REDIS_USERNAME", "REDIS_PASSWORD", "REDIS_PASSWORD_ARN", "REDIS_TOPOLOGY", "REDIS_IAM",
    ])) == 0
    error_message = "What has a variable of this module is set there; `REDIS_PASSWORD` would be in the state."
  }
}

variable "detector" {
  description = "Detector of all series; raise `generation` by one with each change of `spec`."
  type = object({
    spec       = optional(string, "traffic")
    generation = optional(number, 0)
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^[a-z]+(:.+)?$", var.detector.spec)) && var.detector.generation >= 0 && floor(var.detector.generation) == var.detector.generation
    error_message = "A spec is a name and perhaps parameters, `zscore:window=50,threshold=3`; the generation a whole number."
  }
}

variable "front" {
  description = <<-EOT
    How HTTP reaches the functions. `kind`: `function_url` (one for each, for callers with IAM), `api` (one HTTP API) or
    `none`. `authorization` of an API: `iam`, `jwt` (of `jwt.issuer` for `jwt.audience`), or `keys`, which the functions
    check themselves, from `api_keys`. Past `rate_per_s`, or `burst` at once, a route answers 429.
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
    error_message = "The kind is `function_url`, `api` or `none`; the authorization `iam`, `jwt` or `keys`."
  }

  validation {
    condition     = var.front.kind == "api" || var.front.authorization == "iam"
    error_message = "A function URL takes `iam` only: it would show `/metrics` to everybody. `jwt` and `keys` want an `api`."
  }

  validation {
    condition     = (var.front.authorization == "jwt") == (var.front.jwt != null)
    error_message = "`jwt` goes with the authorization `jwt`."
  }

  validation {
    condition     = var.front.jwt == null ? true : startswith(var.front.jwt.issuer, "https://") && length(var.front.jwt.audience) > 0
    error_message = "The issuer is an `https://` address, and there is at least one audience."
  }

  validation {
    condition     = var.front.rate_per_s >= 1 && var.front.burst >= 1
    error_message = "Rate and burst are at least 1."
  }
}

variable "api_keys" {
  description = "Entries `tenant:rights:sha256-hex`, as `key TENANT RIGHTS` of a function makes them: hashes, and so no secrets."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for it in var.api_keys : can(regex("^[A-Za-z0-9_.-]+:[a-z+]+:[0-9a-f]{64}$", it))])
    error_message = "An entry is `tenant:rights:sha256-hex`; a key itself (`tmk_...`) does not belong here."
  }

  validation {
    condition     = (var.front.authorization == "keys") == (length(var.api_keys) > 0)
    error_message = "The authorization `keys` wants at least one entry, and no other wants any."
  }
}

variable "cache" {
  description = <<-EOT
    Where series live. `mode`: `serverless` (ElastiCache Serverless for Valkey, at most `data_gb_max` and
    `ecpu_per_s_max`), `replication_group` (`n_shards` times `node_type` and `n_replicas`), or `external` (the `rediss://`
    address `url` and its `topology`). The first two know the functions by IAM, without a password; so does an `external`
    ElastiCache of the account where `iam` names it (`cache`: `serverless:` or `cluster:` and its name), its user, and the
    `arns` of both. The password of any other is kept under the `arn` of a secret (Secrets Manager) or a parameter (Systems
    Manager), as it is or as JSON with `password` and `username`; `kms_key_arn` is the key it is encrypted with, where that
    is not the one of the service. `snapshot_days`: how long daily snapshots are kept.
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
    error_message = "The mode is `serverless`, `replication_group` or `external`."
  }

  validation {
    condition     = (var.cache.mode == "external") == (var.cache.url != null)
    error_message = "The mode `external` wants a `url`, and no other has one."
  }

  validation {
    condition     = var.cache.url == null ? true : can(regex("^rediss://[^@/]+$", var.cache.url))
    error_message = "The url is a `rediss://` address: with TLS, and without a password, which would be in the state."
  }

  validation {
    condition     = var.cache.iam == null ? true : var.cache.mode == "external" && can(regex("^(serverless|cluster):[a-z0-9-]+$", var.cache.iam.cache))
    error_message = "`iam` is of an `external` cache: `serverless:` or `cluster:` and its name; the others make their own user."
  }

  validation {
    condition     = var.cache.iam == null ? true : length(var.cache.iam.arns) == 2 && alltrue([for it in var.cache.iam.arns : can(regex("^arn:[^:*]+:elasticache:[^*]+$", it))])
    error_message = "The ARNs are that of the cache and that of the user, without wildcards."
  }

  validation {
    condition     = var.cache.password == null ? true : var.cache.mode == "external" && var.cache.iam == null && can(regex("^arn:aws[a-z-]*:(secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:|ssm:[a-z0-9-]+:[0-9]{12}:parameter/)[^*?:]+$", var.cache.password.arn))
    error_message = "`password` is of an `external` cache without `iam`, and names a secret or a parameter by its whole ARN: what it holds would be in the state."
  }

  validation {
    condition     = try(var.cache.password.kms_key_arn, null) == null ? true : can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[^*?]+$", var.cache.password.kms_key_arn))
    error_message = "The key of the password is an ARN without wildcards."
  }

  validation {
    condition     = contains(["single", "cluster"], var.cache.topology)
    error_message = "The topology is `single` or `cluster`."
  }

  validation {
    condition     = var.cache.data_gb_max >= 1 && var.cache.data_gb_max <= 5000 && var.cache.ecpu_per_s_max >= 1000 && var.cache.ecpu_per_s_max <= 15000000
    error_message = "Serverless takes 1 to 5000 GB, and 1000 to 15000000 processing units a second."
  }

  validation {
    condition     = startswith(var.cache.node_type, "cache.") && var.cache.n_shards >= 1 && var.cache.n_shards <= 500 && var.cache.n_replicas >= 0 && var.cache.n_replicas <= 5
    error_message = "A node type begins with `cache.`; there are 1 to 500 shards, with 0 to 5 replicas each."
  }

  validation {
    condition     = var.cache.n_shards == 1 || var.cache.n_replicas >= 1
    error_message = "A cluster wants at least one replica of each shard, or a failed node loses its series."
  }

  validation {
    condition     = var.cache.snapshot_days >= 0 && var.cache.snapshot_days <= 35
    error_message = "Snapshots are kept for 0 to 35 days."
  }
}

variable "history" {
  description = "The table of episodes and of a copy of the configurations: whether there is one, for how many days an episode is kept, and whether deleting the table is refused."
  type = object({
    enabled    = optional(bool, true)
    days       = optional(number, 400)
    protection = optional(bool, true)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.history.days >= 1 && var.history.days <= 3650
    error_message = "Episodes are kept for 1 to 3650 days."
  }
}

variable "network" {
  description = <<-EOT
    The network of cache and functions: by default one of its own, with addresses `cidr` in `n_zones` zones and no way out;
    or `vpc_id` and `subnet_ids` of one that is there, which must lead to DynamoDB, to an `external` cache, and to where its
    password is kept. An `external` cache gets none, unless one is named.
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
    error_message = "The addresses are a block such as 10.77.0.0/20, of /22 or more."
  }

  validation {
    condition     = var.network.n_zones >= 2 && var.network.n_zones <= 3
    error_message = "Two or three zones: ElastiCache Serverless takes no others."
  }

  validation {
    condition     = (var.network.vpc_id == null) == (length(var.network.subnet_ids) == 0)
    error_message = "`vpc_id` and `subnet_ids` go together."
  }
}

variable "queue" {
  description = <<-EOT
    A queue of samples in front of `ingest-stream`, with its dead letters; null for none. A batch is at most `batch_size`
    messages, waited for at most `batching_window_s`; a message that failed `attempts_max` times is a dead letter.
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
    error_message = "A batch is 1 to 10000 messages, waited for 0 to 300 s; past 10 messages, SQS wants at least 1 s."
  }

  validation {
    condition     = var.queue == null ? true : var.queue.attempts_max >= 2 && var.queue.attempts_max <= 1000 && var.queue.concurrency_max >= 2 && var.queue.concurrency_max <= 1000
    error_message = "Attempts are 2 to 1000, or one throttled invocation makes dead letters of a batch; concurrency is 2 to 1000."
  }
}

variable "stream" {
  description = "A Kinesis stream in front of `ingest-stream`; null for none. `n_shards` 0 is on demand."
  type = object({
    n_shards     = optional(number, 0)
    retention_h  = optional(number, 24)
    batch_size   = optional(number, 500)
    attempts_max = optional(number, 10)
  })
  default = null

  validation {
    condition     = var.stream == null ? true : var.stream.n_shards >= 0 && var.stream.n_shards <= 1000 && var.stream.retention_h >= 24 && var.stream.retention_h <= 8760
    error_message = "Shards are 0 (on demand) to 1000; records are kept for 24 to 8760 hours."
  }

  validation {
    condition     = var.stream == null ? true : var.stream.batch_size >= 1 && var.stream.batch_size <= 10000 && var.stream.attempts_max >= 1 && var.stream.attempts_max <= 10000
    error_message = "A batch is 1 to 10000 records, tried again 1 to 10000 times: a record that is tried for ever holds up its shard."
  }
}

variable "events" {
  description = "Events that are samples: the EventBridge bus, and the pattern (JSON) of those that `ingest-stream` gets; null for none."
  type = object({
    bus     = optional(string, "default")
    pattern = string
  })
  default = null

  validation {
    condition     = var.events == null ? true : length(try(keys(jsondecode(var.events.pattern)), [])) > 0
    error_message = "The pattern is a JSON object that chooses: without one, each event of the bus would come."
  }
}

variable "sweep" {
  description = "When `analyze` judges what waits and notices silent series: `rate(...)` or `cron(...)`; null for never."
  type        = string
  default     = "rate(1 minute)"

  validation {
    condition     = var.sweep == null ? true : can(regex("^(rate|cron)\\(.+\\)$", var.sweep))
    error_message = "A schedule is `rate(1 minute)`, `cron(0/5 * * * ? *)` or the like."
  }
}

variable "release" {
  description = <<-EOT
    For each function, which version callers get: without an entry the newest. `version` keeps them at that one, and
    `new_version_weight` (0 to 1) leads that share of the calls to the newest.
  EOT
  type = map(object({
    version            = optional(string)
    new_version_weight = optional(number, 0)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for key in keys(var.release) : contains(["ingest", "analyze", "ingest-stream"], key)])
    error_message = "Functions are `ingest`, `analyze` and `ingest-stream`."
  }

  validation {
    condition     = alltrue([for it in values(var.release) : it.new_version_weight >= 0 && it.new_version_weight < 1])
    error_message = "The weight of the newest version is 0 to below 1; all of it is no entry at all."
  }

  validation {
    condition     = alltrue([for it in values(var.release) : it.version == null ? it.new_version_weight == 0 : can(regex("^[1-9][0-9]*$", it.version))])
    error_message = "A version is a number that Lambda gave, and a weight wants one."
  }
}

variable "kms" {
  description = "Key of all that is stored: `arn` of one that is there, or `create` one; without either, the keys of the services."
  type = object({
    create = optional(bool, false)
    arn    = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.kms.arn == null ? true : can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/", var.kms.arn)) && !var.kms.create
    error_message = "The key is the ARN of a key, not of an alias, and then none is created."
  }
}

variable "log" {
  description = "How much is logged (a filter of `RUST_LOG`), and for how many days lines are kept."
  type = object({
    level          = optional(string, "info")
    retention_days = optional(number, 30)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log.retention_days)
    error_message = "CloudWatch keeps lines for 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, ... days, and for ever is not offered here."
  }

  validation {
    condition     = length(var.log.level) > 0
    error_message = "The level is a filter such as `info`, `warn` or `info,host=debug`."
  }
}

variable "tracing" {
  description = "Whether invocations are traced with X-Ray."
  type        = bool
  default     = true
  nullable    = false
}

variable "alarms" {
  description = <<-EOT
    Whether there are alarms, and who is told: `topic_arn` of a topic that is there, or `emails`, for which a topic is made,
    encrypted, and so in need of `kms`. Without either they only show their state.
  EOT
  type = object({
    enabled   = optional(bool, true)
    topic_arn = optional(string)
    emails    = optional(list(string), [])
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for it in var.alarms.emails : can(regex("^[^@ ]+@[^@ ]+$", it))])
    error_message = "An email has one `@` and no spaces."
  }

  validation {
    condition     = length(var.alarms.emails) == 0 || (var.alarms.topic_arn == null && var.kms.create)
    error_message = "Emails get a topic of their own, which wants `kms.create`: CloudWatch cannot publish to one with the key of the service."
  }

  validation {
    condition     = var.alarms.topic_arn == null ? true : can(regex("^arn:[^:]+:sns:", var.alarms.topic_arn))
    error_message = "The topic is the ARN of an SNS topic."
  }
}

variable "dashboard" {
  description = "Whether there is a CloudWatch dashboard, which has its price beyond the third of an account."
  type        = bool
  default     = false
  nullable    = false
}
