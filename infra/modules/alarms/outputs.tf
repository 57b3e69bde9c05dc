output "topic_arn" {
  description = "Topic of the alarms; null for none."
  value       = one(concat(aws_sns_topic.this[*].arn, var.topic_arn == null ? [] : [var.topic_arn]))
}

output "names" {
  description = "Names of the alarms."
  value       = sort([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_name])
}

output "dashboard_name" {
  description = "Name of the dashboard; null for none."
  value       = one(aws_cloudwatch_dashboard.this[*].dashboard_name)
}
