locals {
  # By attributes, since the whole group is sensitive for the sake of a token that it does not have.
  host = one(concat(
    aws_elasticache_serverless_cache.this[*].endpoint[0].address,
    [for it in aws_elasticache_replication_group.this : var.n_shards > 1 ? it.configuration_endpoint_address : it.primary_endpoint_address],
  ))
}

output "url" {
  description = "Its address; it holds no password."
  value       = "rediss://${local.host}:6379"
}

output "topology" {
  description = "Of `REDIS_TOPOLOGY`."
  value       = local.is_serverless || var.n_shards > 1 ? "cluster" : "single"
}

output "username" {
  description = "The user of the functions."
  value       = aws_elasticache_user.functions.user_name
}

output "iam" {
  description = "Of `REDIS_IAM`."
  value       = "${local.is_serverless ? "serverless" : "cluster"}:${var.name}"
}

output "connect_arns" {
  description = "What a role wants `elasticache:Connect` of, to connect as that user."
  value       = [local.cache_arn, aws_elasticache_user.functions.arn]
}
