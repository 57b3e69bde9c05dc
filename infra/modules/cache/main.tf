# The cache that stores the series: Valkey over TLS, with one user that IAM authenticates, so that there is no password.

locals {
  is_serverless = var.mode == "serverless"
  cache_arn     = one(concat(aws_elasticache_serverless_cache.this[*].arn, aws_elasticache_replication_group.this[*].arn))
}

resource "aws_elasticache_user" "functions" {
  # IAM authentication requires equal id and name.
  user_id   = var.name
  user_name = var.name
  engine    = "valkey"
  # Keys of Tidemark only, and no administrative command; `INFO` returns the memory of the nodes.
  access_string = "on ~tm:* +@all -@admin -@dangerous +info"

  authentication_mode {
    type = "iam"
  }
  tags = var.tags
}

# Without a user `default`, connections without a token are refused.
resource "aws_elasticache_user_group" "this" {
  user_group_id = var.name
  engine        = "valkey"
  user_ids      = [aws_elasticache_user.functions.user_id]
  tags          = var.tags
}

resource "aws_elasticache_serverless_cache" "this" {
  count                    = local.is_serverless ? 1 : 0
  name                     = var.name
  description              = "Series of Tidemark"
  engine                   = "valkey"
  major_engine_version     = "8"
  subnet_ids               = var.subnet_ids
  security_group_ids       = [var.security_group_id]
  user_group_id            = aws_elasticache_user_group.this.user_group_id
  kms_key_id               = var.kms_key_arn
  snapshot_retention_limit = var.snapshot_days
  daily_snapshot_time      = var.snapshot_days > 0 ? "03:00" : null

  cache_usage_limits {
    data_storage {
      maximum = var.data_gb_max
      unit    = "GB"
    }
    ecpu_per_second {
      maximum = var.ecpu_per_s_max
    }
  }
  tags = var.tags
}

resource "aws_elasticache_subnet_group" "this" {
  count      = local.is_serverless ? 0 : 1
  name       = var.name
  subnet_ids = var.subnet_ids
  tags       = var.tags
}

# A full cache refuses writes, and senders retry; the default policy would evict acknowledged samples.
resource "aws_elasticache_parameter_group" "this" {
  count  = local.is_serverless ? 0 : 1
  name   = var.name
  family = "valkey8"

  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }

  parameter {
    name  = "cluster-enabled"
    value = var.n_shards > 1 ? "yes" : "no"
  }
  tags = var.tags
}

resource "aws_elasticache_replication_group" "this" {
  # checkov:skip=CKV_AWS_31:IAM authenticates; an `AUTH` token would be stored in the state
  # checkov:skip=CKV2_AWS_50:Enabled if there is a replica
  # checkov:skip=CKV_AWS_191:Encrypted with the user's key if `kms` sets one
  count                      = local.is_serverless ? 0 : 1
  replication_group_id       = var.name
  description                = "Series of Tidemark"
  engine                     = "valkey"
  engine_version             = "8.0"
  parameter_group_name       = aws_elasticache_parameter_group.this[0].name
  node_type                  = var.node_type
  port                       = 6379
  num_node_groups            = var.n_shards
  replicas_per_node_group    = var.n_replicas
  automatic_failover_enabled = var.n_replicas > 0
  multi_az_enabled           = var.n_replicas > 0
  subnet_group_name          = aws_elasticache_subnet_group.this[0].name
  security_group_ids         = [var.security_group_id]
  user_group_ids             = [aws_elasticache_user_group.this.user_group_id]
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  at_rest_encryption_enabled = true
  kms_key_id                 = var.kms_key_arn
  snapshot_retention_limit   = var.snapshot_days
  auto_minor_version_upgrade = true
  tags                       = var.tags
}
