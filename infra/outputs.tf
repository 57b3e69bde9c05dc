output "urls" {
  description = "Base URL of each function; empty without HTTP access."
  value = (
    var.front.kind == "api" ? { for function in ["ingest", "analyze"] : function => module.api[0].url }
    : { for key, url in aws_lambda_function_url.this : key => trimsuffix(url.function_url, "/") }
  )
}

output "functions" {
  description = "Name, alias, newest version and log group of each function."
  value = {
    for key, function in merge({ ingest = module.ingest, analyze = module.analyze }, local.has_streams ? { ingest-stream = module.ingest_stream[0] } : {}) : key => {
      name      = function.name
      alias_arn = function.alias_arn
      version   = function.version
      log_group = function.log_group_name
    }
  }
}

output "policies" {
  description = "Policy of each function as JSON, for review."
  value       = { for key, function in merge({ ingest = module.ingest, analyze = module.analyze }, local.has_streams ? { ingest-stream = module.ingest_stream[0] } : {}) : key => function.policy }
}

output "redis_url" {
  description = "Address of the cache, without a password."
  value       = local.cache.REDIS_URL
}

output "functions_security_group_id" {
  description = "Security group of the functions, which an `external` cache in their network must accept; null for none."
  value       = one(module.network[*].functions_security_group_id)
}

output "table_name" {
  description = "Table of the history; null for none."
  value       = one(module.table[*].name)
}

output "queue_url" {
  description = "URL of the queue of samples; null for none."
  value       = one(module.queue[*].url)
}

output "dead_letter_queues" {
  description = "Dead-letter queues by source."
  value       = { for key, name in local.names : key => "${name}-dead-letters" if { queue = var.queue, stream = var.stream, events = var.events }[key] != null }
}

output "stream_name" {
  description = "Stream of samples; null for none."
  value       = one(module.stream[*].name)
}

output "kms_key_arn" {
  description = "Key of all stored data; null for the keys of the AWS services."
  value       = local.kms_key_arn
}

output "alarms" {
  description = "Names of the alarms, and their topic; null for none."
  value       = { names = module.alarms.names, topic_arn = module.alarms.topic_arn }
}

output "dashboard_name" {
  description = "CloudWatch dashboard; null for none."
  value       = module.alarms.dashboard_name
}
