# Cache and table: encryption at rest and in transit, and protection against loss.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name              = "tidemark"
  tags              = { Project = "tidemark" }
  kms_key_arn       = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  mode              = "serverless"
  data_gb_max       = 5
  ecpu_per_s_max    = 15000
  node_type         = "cache.t4g.small"
  n_shards          = 3
  n_replicas        = 1
  snapshot_days     = 7
  subnet_ids        = ["subnet-1", "subnet-2"]
  security_group_id = "sg-1"
}

run "table" {
  variables {
    is_protected = true
  }

  module {
    source = "./modules/table"
  }

  assert {
    condition     = aws_dynamodb_table.this.server_side_encryption[0].enabled && aws_dynamodb_table.this.server_side_encryption[0].kms_key_arn == var.kms_key_arn
    error_message = "the table is not encrypted with the key"
  }

  assert {
    condition     = aws_dynamodb_table.this.point_in_time_recovery[0].enabled && aws_dynamodb_table.this.deletion_protection_enabled
    error_message = "the table has no protection against deletion, or no backups"
  }

  assert {
    condition     = one(aws_dynamodb_table.this.ttl).enabled && one(aws_dynamodb_table.this.ttl).attribute_name == "expires_at"
    error_message = "episodes do not expire"
  }

  assert {
    condition     = aws_dynamodb_table.this.hash_key == "pk" && aws_dynamodb_table.this.range_key == "sk" && aws_dynamodb_table.this.billing_mode == "PAY_PER_REQUEST"
    error_message = "the table lacks the keys pk and sk, or is not billed by request"
  }
}

run "serverless_cache" {
  module {
    source = "./modules/cache"
  }

  assert {
    condition     = aws_elasticache_serverless_cache.this[0].engine == "valkey" && aws_elasticache_serverless_cache.this[0].kms_key_id == var.kms_key_arn
    error_message = "the cache is not Valkey, or not encrypted with the key"
  }

  assert {
    condition     = one(one(aws_elasticache_serverless_cache.this[0].cache_usage_limits).data_storage).maximum == 5 && one(one(aws_elasticache_serverless_cache.this[0].cache_usage_limits).ecpu_per_second).maximum == 15000
    error_message = "the cache has no limits"
  }

  assert {
    condition     = aws_elasticache_serverless_cache.this[0].user_group_id == "tidemark" && toset(aws_elasticache_serverless_cache.this[0].security_group_ids) == toset(["sg-1"])
    error_message = "the cache does not use its security group"
  }

  assert {
    condition     = output.url == "rediss://cache.serverless.euw1.cache.amazonaws.com:6379" && output.topology == "cluster" && output.iam == "serverless:tidemark"
    error_message = "the address of the cache is wrong, or without TLS"
  }
}

run "user_of_the_cache" {
  module {
    source = "./modules/cache"
  }

  assert {
    condition     = one(aws_elasticache_user.functions.authentication_mode).type == "iam" && aws_elasticache_user.functions.user_id == aws_elasticache_user.functions.user_name
    error_message = "the user has a password, which the state stores, or a name other than its id"
  }

  assert {
    condition     = aws_elasticache_user.functions.access_string == "on ~tm:* +@all -@admin -@dangerous +info"
    error_message = "the user has other rights than the README of the project names"
  }

  assert {
    condition     = toset(aws_elasticache_user_group.this.user_ids) == toset(["tidemark"])
    error_message = "the cache accepts another user"
  }
}

run "replication_group" {
  variables {
    mode = "replication_group"
  }

  module {
    source = "./modules/cache"
  }

  assert {
    condition     = aws_elasticache_replication_group.this[0].transit_encryption_enabled && aws_elasticache_replication_group.this[0].transit_encryption_mode == "required"
    error_message = "the cache accepts connections without TLS"
  }

  assert {
    condition     = tobool(aws_elasticache_replication_group.this[0].at_rest_encryption_enabled) && aws_elasticache_replication_group.this[0].kms_key_id == var.kms_key_arn
    error_message = "the cache is not encrypted with the key"
  }

  assert {
    condition     = aws_elasticache_replication_group.this[0].automatic_failover_enabled && aws_elasticache_replication_group.this[0].multi_az_enabled
    error_message = "a failed node loses its series"
  }

  assert {
    condition     = contains([for parameter in aws_elasticache_parameter_group.this[0].parameter : parameter.value if parameter.name == "maxmemory-policy"], "noeviction")
    error_message = "a full cache evicts acknowledged series"
  }

  assert {
    condition     = output.url == "rediss://clustercfg.cache.euw1.cache.amazonaws.com:6379" && output.topology == "cluster" && output.iam == "cluster:tidemark"
    error_message = "the address or the topology of the cluster is wrong"
  }
}

run "one_node_is_not_a_cluster" {
  variables {
    mode       = "replication_group"
    n_shards   = 1
    n_replicas = 0
  }

  module {
    source = "./modules/cache"
  }

  assert {
    condition     = output.url == "rediss://master.cache.euw1.cache.amazonaws.com:6379" && output.topology == "single" && !aws_elasticache_replication_group.this[0].automatic_failover_enabled
    error_message = "one node is configured as a cluster"
  }
}
