output "url" {
  description = "Where to send samples."
  value       = aws_sqs_queue.this.url
}

output "name" {
  description = "Name of the queue."
  value       = aws_sqs_queue.this.name
}

output "arn" {
  description = "ARN of the queue."
  value       = aws_sqs_queue.this.arn
}

output "dead_letters_name" {
  description = "Name of the queue of dead letters."
  value       = aws_sqs_queue.dead_letters.name
}

output "dead_letters_url" {
  description = "Where dead letters are."
  value       = aws_sqs_queue.dead_letters.url
}
