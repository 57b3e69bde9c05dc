output "subnet_ids" {
  description = "Subnets of functions and cache."
  value       = local.subnet_ids
}

output "functions_security_group_id" {
  description = "Security group of the functions."
  value       = aws_security_group.functions.id
}

output "cache_security_group_id" {
  description = "Security group of the cache; null for an external one."
  value       = one(aws_security_group.cache[*].id)
}

output "ports_out" {
  description = "Ports that the functions may connect to."
  value = toset(concat(
    aws_vpc_security_group_egress_rule.functions_to_cache[*].to_port,
    aws_vpc_security_group_egress_rule.functions_to_external_cache[*].to_port,
    aws_vpc_security_group_egress_rule.functions_to_dynamodb[*].to_port,
    aws_vpc_security_group_egress_rule.functions_to_endpoints[*].to_port,
  ))
}

output "vpc_id" {
  description = "Id of the network."
  value       = local.vpc_id
}
