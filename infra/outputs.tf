output "urls" {
  description = "Where the functions answer, by function; empty where nothing is in front of them."
  value = (
    var.front.kind == "api" ? { for it in ["ingest", "analyze"] : it => module.api[0].url }
    : { for key, it in aws_lambda_function_url.this : key => trimsuffix(it.function_url, "/") }
  )
}

output "functions" {
  description = "Of each function: its name, alias, newest version and log group."
  value = {
    for key, it in merge({ ingest = module.ingest, analyze = module.analyze }, local.has_streams ? { ingest-stream = module.ingest_stream[0] } : {}) : key => {
      name      = it.name
      alias_arn = it.alias_arn
      version   = it.version
      log_group = it.log_group_name
    }
  }
}

output "policies" {
  description = "What each function may do, as JSON, for whoever must approve it."
  value       = { for key, it in merge({ ingest = module.ingest, analyze = module.analyze }, local.has_streams ? { ingest-stream = module.ingest_stream[0] } : {}) : key => it.policy }
}

output "redis_url" {
  description = "Address of the cache; it holds no password."
  value       = local.cache.REDIS_URL
}

output "functions_security_group_id" {
  description = "Group of the functions in their network, which an `external` cache there lets in; null for none."
  value       = one(module.network[*].functions_security_group_id)
}

output "table_name" {
  description = "Table of the history; null for none."
  value       = one(module.table[*].name)
}

output "queue_url" {
  description = "Where to send samples; null for none."
  value       = one(module.queue[*].url)
}

output "dead_letter_queues" {
  description = "Queues of what failed for good, by what it came from."
  value       = { for key, name in local.names : key => "${name}-dead-letters" if { queue = var.queue, stream = var.stream, events = var.events }[key] != null }
}

output "stream_name" {
  description = "Stream of samples; null for none."
  value       = one(module.stream[*].name)
}

output "kms_key_arn" {
  description = "Key of all that is stored; null for those of the services."
  value       = local.kms_key_arn
}

output "alarms" {
  description = "Names of the alarms, and the topic that is told; null for none."
  value       = { names = module.alarms.names, topic_arn = module.alarms.topic_arn }
}

output "dashboard_name" {
  description = "CloudWatch dashboard; null for none."
  value       = module.alarms.dashboard_name
}
