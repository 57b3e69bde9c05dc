output "topic_arn" {
  description = "Who is told; null for nobody."
  value       = one(concat(aws_sns_topic.this[*].arn, var.topic_arn == null ? [] : [var.topic_arn]))
}

output "names" {
  description = "Names of the alarms."
  value       = sort([for it in aws_cloudwatch_metric_alarm.this : it.alarm_name])
}

output "dashboard_name" {
  description = "Name of the dashboard; null for none."
  value       = one(aws_cloudwatch_dashboard.this[*].dashboard_name)
}
