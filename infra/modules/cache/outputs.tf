locals {
  # Single attributes: the provider marks the whole group as sensitive, because it could have a token.
  host = one(concat(
    aws_elasticache_serverless_cache.this[*].endpoint[0].address,
    [for group in aws_elasticache_replication_group.this : var.n_shards > 1 ? group.configuration_endpoint_address : group.primary_endpoint_address],
  ))
}

output "url" {
  description = "Address of the cache, without a password."
  value       = "rediss://${local.host}:6379"
}

output "topology" {
  description = "Value of `REDIS_TOPOLOGY`."
  value       = local.is_serverless || var.n_shards > 1 ? "cluster" : "single"
}

output "username" {
  description = "User of the functions."
  value       = aws_elasticache_user.functions.user_name
}

output "iam" {
  description = "Value of `REDIS_IAM`."
  value       = "${local.is_serverless ? "serverless" : "cluster"}:${var.name}"
}

output "connect_arns" {
  description = "ARNs that a role needs in `elasticache:Connect`: the cache and the user."
  value       = [local.cache_arn, aws_elasticache_user.functions.arn]
}
