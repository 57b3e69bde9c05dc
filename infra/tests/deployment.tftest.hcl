# The whole deployment: defaults, options, and refused values.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  packages_folder = "./tests/packages"
}

run "by_default" {
  assert {
    condition     = length(module.ingest_stream) + length(module.queue) + length(module.stream) + length(module.api) + length(aws_kms_key.this) == 0
    error_message = "a resource is created by default that should be optional"
  }

  assert {
    condition     = length(module.cache) == 1 && length(module.table) == 1 && length(module.network) == 1 && length(module.sweep) == 1
    error_message = "cache, table, network or schedule is missing"
  }

  assert {
    condition     = alltrue([for url in aws_lambda_function_url.this : url.authorization_type == "AWS_IAM" && url.qualifier == "live"])
    error_message = "a function URL does not authenticate callers"
  }

  assert {
    condition     = contains(output.alarms.names, "tidemark-ingest-url-errors") && contains(output.alarms.names, "tidemark-analyze-url-errors")
    error_message = "a function URL has no alarm on 5xx"
  }

  assert {
    condition     = module.analyze.environment["TIDEMARK_HISTORY_TABLE"] == "tidemark-history" && module.ingest.environment["TIDEMARK_REQUEST_TIMEOUT_MS"] == "14000"
    error_message = "a function lacks the name of its table, or its request timeout exceeds its own"
  }
}

run "every_promise_has_an_alarm" {
  variables {
    front  = { kind = "api" }
    kms    = { create = true }
    queue  = {}
    stream = {}
    events = { pattern = "{\"source\":[\"load-test\"]}" }
    alarms = { emails = ["on-call@example.com"] }
  }

  assert {
    condition = output.alarms.names == tolist([
      "tidemark-analyze-errors", "tidemark-analyze-slow", "tidemark-analyze-throttles",
      "tidemark-api-errors",
      "tidemark-cache-full", "tidemark-cache-throttled",
      "tidemark-eventbridge-poisoned", "tidemark-events-dead-letters",
      "tidemark-ingest-errors", "tidemark-ingest-slow",
      "tidemark-ingest-stream-errors", "tidemark-ingest-stream-slow", "tidemark-ingest-stream-throttles",
      "tidemark-ingest-throttles",
      "tidemark-kinesis-poisoned",
      "tidemark-queue-age", "tidemark-queue-dead-letters",
      "tidemark-sqs-poisoned",
      "tidemark-stream-age", "tidemark-stream-dead-letters",
      "tidemark-table-throttled-reads", "tidemark-table-throttled-writes",
    ])
    error_message = "an alarm is missing, or new: ${jsonencode(output.alarms.names)}"
  }

  assert {
    condition     = output.alarms.topic_arn != null && length(aws_sqs_queue.event_dead_letters) == 1
    error_message = "alarms have no topic, or failed events have no queue"
  }
}

run "every_node_has_alarms" {
  variables {
    cache = { mode = "replication_group", n_shards = 2, n_replicas = 1 }
  }

  assert {
    condition     = length([for alarm in output.alarms.names : alarm if can(regex("^tidemark-tidemark-000[12]-00[12]-(memory|cpu)$", alarm))]) == 8
    error_message = "a node of the cache has no alarms: ${jsonencode(output.alarms.names)}"
  }
}

run "the_dashboard_is_created" {
  variables {
    front     = { kind = "api" }
    queue     = {}
    dashboard = true
  }

  assert {
    condition     = output.dashboard_name == "tidemark"
    error_message = "the dashboard is missing"
  }
}

run "an_external_cache_needs_no_network" {
  variables {
    cache   = { mode = "external", url = "rediss://redis.example.com:6379" }
    history = { enabled = false }
  }

  assert {
    condition     = length(module.network) == 0 && length(module.table) == 0 && output.redis_url == "rediss://redis.example.com:6379"
    error_message = "a network is created without need"
  }

  assert {
    condition     = !contains(keys(module.ingest.environment), "REDIS_IAM") && !contains(keys(module.analyze.environment), "TIDEMARK_HISTORY_TABLE")
    error_message = "a function has variables of a missing resource"
  }
}

run "an_external_cache_in_a_network_is_allowed_at_its_port" {
  variables {
    cache   = { mode = "external", url = "rediss://redis.example.com:6390" }
    network = { vpc_id = "vpc-1", subnet_ids = ["subnet-1"] }
  }

  assert {
    condition     = module.network[0].ports_out == toset([443, 6390]) && output.functions_security_group_id != null
    error_message = "the functions cannot reach the cache, or can reach more: ${jsonencode(module.network[0].ports_out)}"
  }
}

run "a_new_network_allows_cache_and_table" {
  assert {
    condition     = module.network[0].ports_out == toset([443, 6379])
    error_message = "the functions cannot reach the cache, or can reach more: ${jsonencode(module.network[0].ports_out)}"
  }
}

run "functions_check_keys" {
  variables {
    front    = { kind = "api", authorization = "keys" }
    api_keys = ["checkout:write+read:8169c6777c72bd359c394b63df1146efc24b6bc88169c6777c72bd359c394b63"]
  }

  assert {
    condition     = module.ingest.environment["TIDEMARK_API_KEYS"] == var.api_keys[0] && !contains(keys(module.ingest.environment), "TIDEMARK_ACCESS")
    error_message = "the functions do not check keys"
  }
}

run "a_key_instead_of_its_hash_is_refused" {
  command = plan
  variables {
    front    = { kind = "api", authorization = "keys" }
    api_keys = ["tmk_c34a87f225fb5424088459182f0f4266737a72be"]
  }
  expect_failures = [var.api_keys]
}

run "keys_at_a_function_url_are_refused" {
  command = plan
  variables {
    front    = { authorization = "keys" }
    api_keys = ["checkout:write+read:8169c6777c72bd359c394b63df1146efc24b6bc88169c6777c72bd359c394b63"]
  }
  expect_failures = [var.front]
}

run "a_password_in_the_address_is_refused" {
  command = plan
  variables {
    cache = { mode = "external", url = "rediss://user:hunter2@redis.example.com" }
  }
  expect_failures = [var.cache]
}

run "an_arn_with_a_wildcard_is_refused" {
  command = plan
  variables {
    cache = { mode = "external", url = "rediss://cache.example.com", iam = { cache = "cluster:shared", username = "tidemark", arns = ["arn:aws:elasticache:eu-west-1:123456789012:*", "*"] } }
  }
  expect_failures = [var.cache]
}

run "a_password_beside_a_user_of_iam_is_refused" {
  command = plan
  variables {
    cache = {
      mode     = "external"
      url      = "rediss://cache.example.com"
      iam      = { cache = "cluster:shared", username = "tidemark", arns = ["arn:aws:elasticache:eu-west-1:123456789012:replicationgroup:shared", "arn:aws:elasticache:eu-west-1:123456789012:user:tidemark"] }
      password = { arn = "arn:aws:ssm:eu-west-1:123456789012:parameter/tidemark/redis" }
    }
  }
  expect_failures = [var.cache]
}

run "a_password_instead_of_its_arn_is_refused" {
  command = plan
  variables {
    cache = { mode = "external", url = "rediss://cache.example.com", password = { arn = "hunter2" } }
  }
  expect_failures = [var.cache]
}

run "a_password_arn_with_a_wildcard_is_refused" {
  command = plan
  variables {
    cache = { mode = "external", url = "rediss://cache.example.com", password = { arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:*" } }
  }
  expect_failures = [var.cache]
}

run "an_address_without_tls_is_refused" {
  command = plan
  variables {
    cache = { mode = "external", url = "redis://redis.example.com" }
  }
  expect_failures = [var.cache]
}

run "a_password_among_the_variables_is_refused" {
  command = plan
  variables {
    environment = { REDIS_PASSWORD = "hunter2" }
  }
  expect_failures = [var.environment]
}

run "a_name_that_elasticache_refuses_is_refused" {
  command = plan
  variables {
    name = "Tide--mark"
  }
  expect_failures = [var.name]
}

run "emails_without_a_key_are_refused" {
  command = plan
  variables {
    alarms = { emails = ["on-call@example.com"] }
  }
  expect_failures = [var.alarms]
}

run "a_weight_without_a_version_is_refused" {
  command = plan
  variables {
    release = { ingest = { new_version_weight = 0.1 } }
  }
  expect_failures = [var.release]
}

run "logs_without_retention_are_refused" {
  command = plan
  variables {
    log = { retention_days = 0 }
  }
  expect_failures = [var.log]
}

run "a_single_attempt_is_refused" {
  command = plan
  variables {
    queue = { attempts_max = 1 }
  }
  expect_failures = [var.queue]
}

run "unlimited_retries_are_refused" {
  command = plan
  variables {
    stream = { attempts_max = -1 }
  }
  expect_failures = [var.stream]
}

run "an_empty_pattern_is_refused" {
  command = plan
  variables {
    events = { pattern = "{}" }
  }
  expect_failures = [var.events]
}

run "a_malformed_schedule_is_refused" {
  command = plan
  variables {
    sweep = "every minute"
  }
  expect_failures = [var.sweep]
}

run "a_cluster_without_replicas_is_refused" {
  command = plan
  variables {
    cache = { mode = "replication_group", n_shards = 2, n_replicas = 0 }
  }
  expect_failures = [var.cache]
}

run "a_network_without_subnets_is_refused" {
  command = plan
  variables {
    network = { vpc_id = "vpc-1" }
  }
  expect_failures = [var.network]
}

run "a_reserved_concurrency_of_0_is_refused" {
  command = plan
  variables {
    ingest = { reserved_concurrency = 0 }
  }
  expect_failures = [var.ingest]
}
