output "subnet_ids" {
  description = "Where functions and cache are."
  value       = local.subnet_ids
}

output "functions_security_group_id" {
  description = "Of the functions."
  value       = aws_security_group.functions.id
}

output "cache_security_group_id" {
  description = "Of the cache that is made for the functions; null for another."
  value       = one(aws_security_group.cache[*].id)
}

output "ports_out" {
  description = "To which ports the functions may connect."
  value = toset(concat(
    aws_vpc_security_group_egress_rule.functions_to_cache[*].to_port,
    aws_vpc_security_group_egress_rule.functions_to_external_cache[*].to_port,
    aws_vpc_security_group_egress_rule.functions_to_dynamodb[*].to_port,
    aws_vpc_security_group_egress_rule.functions_to_endpoints[*].to_port,
  ))
}

output "vpc_id" {
  description = "The network."
  value       = local.vpc_id
}
