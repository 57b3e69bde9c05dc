output "subnet_ids" {
  description = "Where functions and cache are."
  value       = local.subnet_ids
}

output "functions_security_group_id" {
  description = "Of the functions."
  value       = aws_security_group.functions.id
}

output "cache_security_group_id" {
  description = "Of the cache."
  value       = aws_security_group.cache.id
}

output "vpc_id" {
  description = "The network."
  value       = local.vpc_id
}
