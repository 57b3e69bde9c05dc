output "name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "alias_arn" {
  description = "What to invoke."
  value       = aws_lambda_alias.live.arn
}

output "alias_invoke_arn" {
  description = "What API Gateway invokes."
  value       = aws_lambda_alias.live.invoke_arn
}

output "alias_name" {
  description = "Name of the alias."
  value       = aws_lambda_alias.live.name
}

output "version" {
  description = "The version that was published last."
  value       = aws_lambda_function.this.version
}

output "log_group_name" {
  description = "Where its lines are."
  value       = aws_cloudwatch_log_group.this.name
}

output "policy" {
  description = "What it may do, as JSON."
  value       = local.policy
}

output "environment" {
  description = "Its variables, of which none is a secret."
  value       = var.environment
}
